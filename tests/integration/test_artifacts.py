"""What is kept of a finished study: made once by real workers, whatever happens to them."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import optuna_dashboard
import pytest
import sqlalchemy as sa
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna_dashboard.artifact._backend import list_study_artifacts
from servers import connect
from workers import SUPPORT, kill, run_workers, start_worker, toy_spec, wait_until

from hpo.cli import main
from hpo.errors import StorageError, StudyError
from hpo.ledger import interventions
from hpo.ledger.artifacts import Artifact, ArtifactStore
from hpo.ledger.backup import study as backup_study
from hpo.ledger.claims import ARTIFACT_TRIES
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.study.rules.check import validate
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.worker.artifacts import make

NETWORK = "toy_network:ToyNetworkObjective"
MADE = r"INFO toy: \d+ artifacts$"


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    with open_storage(database_url) as storage:
        yield storage


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    return Ledger(storage)


@pytest.fixture
def store(storage: Storage) -> ArtifactStore:
    return ArtifactStore(storage.engine)


def small(name: str = "toy", **tables: Any) -> StudySpec:
    """A study that ends within a second."""
    budget = {"trials": 4, **tables.pop("budget", {})}
    return toy_spec(name, **{"objective": NETWORK, "budget": budget, **tables})


def plain(name: str = "toy", **tables: Any) -> StudySpec:
    """The same without networks: of it two files are kept, its learning curve."""
    return small(name, objective="toy_objective:ToyObjective", **tables)


def slow(**tables: Any) -> StudySpec:
    """Its confirmations take seconds, and so does keeping the best network."""
    confirm = {"top": 1, "members": 2, "epochs": 40}
    return small(fixed={"sleep_s": 0.05}, confirm=confirm, budget={"trials": 1}, **tables)


def names(store: ArtifactStore, study: str = "toy") -> list[str]:
    return [item.filename for item in store.listed(study)]


def tries(storage: Storage) -> int:
    with storage.engine.connect() as connection:
        query = sa.text("SELECT artifact_tries FROM hpo_ledger.studies")
        return int(connection.execute(query).scalar_one())


def content(store: ArtifactStore, filename: str, study: str) -> bytes:
    item = next(item for item in store.listed(study) if item.filename == filename)
    return store.open_reader(item.artifact_id).read()


def table(store: ArtifactStore, filename: str, study: str) -> list[dict[str, str]]:
    text = content(store, filename, study).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


# --- one worker, once ---------------------------------------------------------------------


def test_workers_keep_the_best_network_once(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(small())
    line = (database_url, "--study", "toy", "--lease", "5")
    workers = [start_worker(*line) for _ in range(4)]
    said = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, said
    assert len(re.findall(MADE, "\n".join(said), re.MULTILINE)) == 1, said
    best = ledger.snapshot("toy").best
    assert best is not None
    endings = ["-learning.csv", "-learning.png", "-traces.csv", "-traces.png"]
    endings += [".json", ".safetensors"]
    assert names(store) == [f"toy-trial-{best.number}{ending}" for ending in endings]
    assert (store.due(), store.error("toy"), tries(storage)) == ([], None, 0)
    again = start_worker(*line)
    assert not re.search(MADE, again.communicate(timeout=60)[1], re.MULTILINE)


def test_optuna_dashboard_lists_and_serves_them(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(small())
    start_worker(database_url, "--study", "toy").communicate(timeout=60)
    optuna_storage = storage.optuna()
    study_id = optuna_storage.get_study_id_from_name("toy")
    found = list_study_artifacts(optuna_storage.get_study_system_attrs(study_id))
    assert sorted(item["filename"] for item in found) == names(store)
    kinds = {item["filename"].rpartition(".")[2]: item["mimetype"] for item in found}
    assert kinds == {
        "csv": "text/csv",
        "png": "image/png",
        "json": "application/json",
        "safetensors": "application/octet-stream",
    }
    application = optuna_dashboard.wsgi(optuna_storage, artifact_store=store)
    for item in found:
        status, body = _get(application, f"/artifacts/{study_id}/{item['artifact_id']}")
        assert status == "200 OK"
        assert body == store.open_reader(item["artifact_id"]).read()
    assert body


def _get(application: Any, path: str) -> tuple[str, bytes]:
    """Answer of a WSGI application to a request of a browser."""
    answered: list[str] = []
    environment = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_ACCEPT_ENCODING": "gzip"}
    environment |= {"SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    environment |= {"QUERY_STRING": "", "SCRIPT_NAME": "", "SERVER_PROTOCOL": "HTTP/1.1"}
    whole = {**environment, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
    body = b"".join(application(whole, lambda status, *_: answered.append(status)))
    return answered[0], body


# --- trouble ------------------------------------------------------------------------------


@pytest.mark.parametrize("study", [("--study", "toy"), ()])
def test_a_killed_worker_leaves_them_to_a_standing_one(
    study: tuple[str, ...],
    ledger: Ledger,
    storage: Storage,
    store: ArtifactStore,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger.register(slow())
    victim = start_worker(database_url, *study, "--name", "victim", "--lease", "1")
    wait_until(lambda: store.error("toy") == "victim was lost while it made them", 60)
    words = "keeps the best network of toy"
    wait_until(lambda: ledger.snapshot("toy").workers[0].doing == words)
    assert main.main(["artifacts", "toy", "--storage", database_url]) == 0
    assert capsys.readouterr().err == "toy: nothing is kept of it yet: a worker is at it\n"
    kill(victim)
    assert (names(store), store.due()) == ([], ["toy"])
    heir = start_worker(database_url, "--lease", "1")
    wait_until(lambda: len(names(store)) == 6, 60)
    assert store.error("toy") is None
    kill(heir, signal.SIGTERM)
    assert heir.returncode == 0


def test_sigterm_leaves_them_to_the_next_worker(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(slow())
    worker = start_worker(database_url, "--study", "toy")
    wait_until(lambda: store.error("toy") is not None, 60)
    said = kill(worker, signal.SIGTERM)
    assert worker.returncode == 0
    assert "toy: its artifacts are left to the next worker" in said
    assert (tries(storage), store.error("toy"), names(store)) == (ARTIFACT_TRIES, None, [])


def test_cut_connections_do_not_spoil_them(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(slow())
    worker = start_worker(database_url, "--study", "toy")
    wait_until(lambda: store.error("toy") is not None, 60)
    with connect(database_url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    said = worker.communicate(timeout=60)[1]
    assert worker.returncode == 0, said
    assert re.search(MADE, said, re.MULTILINE), said
    storage.engine.dispose()
    assert len(names(store)) == 6


def test_nobody_tries_for_ever(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(small())
    run_workers(database_url, "toy", 1)
    for attempt in range(ARTIFACT_TRIES):
        assert store.begin("toy", f"w{attempt}") is not None, "as if each died at it"
        ledger.release_lost(f"w{attempt}")
    assert store.begin("toy", "w") is None
    assert store.due() == []
    assert store.error("toy") == f"w{ARTIFACT_TRIES - 1} was lost while it made them"


def test_what_breaks_is_written_down_once_and_fails_no_study(
    ledger: Ledger, store: ArtifactStore, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.register(small(objective="toy_network:BrittleObjective"))
    worker = start_worker(database_url, "--study", "toy")
    said = worker.communicate(timeout=60)[1]
    assert worker.returncode == 0
    assert "toy: its artifacts cannot be made" in said
    assert ledger.snapshot("toy").state == StudyState.DONE
    assert (store.due(), names(store)) == ([], [])
    error = store.error("toy")
    assert error is not None
    assert error.endswith("RuntimeError: the toy breaks when it is saved\n")
    assert main.main(["artifacts", "toy", "--storage", database_url]) == 0
    out, err = capsys.readouterr()
    assert out == "\n"
    assert err.startswith(
        "toy: nothing is kept of it (RuntimeError: the toy breaks when it is saved); make it: hpo "
    )


def test_a_host_that_lacks_the_objective_leaves_them_to_others(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(small())
    run_workers(database_url, "toy", 1)
    code = "import sys; sys.modules['toy_network'] = None"
    lacking = start_worker(database_url, "--lease", "1", "--name", "lacking", code=code)
    wait_until(lambda: (store.error("toy") or "").startswith("lacking: "), 60)
    assert tries(storage) == ARTIFACT_TRIES
    worker = start_worker(database_url, "--study", "toy")
    assert re.search(MADE, worker.communicate(timeout=60)[1], re.MULTILINE)
    kill(lacking, signal.SIGTERM)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import tempfile; tempfile.tempdir = '/nowhere'", "[Errno 2] No such file or directory"),
        (
            "from objectives.contract import UnavailableError\n"
            "def train(self, on_epoch):\n"
            "    raise UnavailableError('toy: a GPU must be there')\n"
            "toy_network.ToyMember.train = train\n",
            "toy: a GPU must be there",
        ),
    ],
)
def test_a_host_that_lacks_room_or_a_gpu_leaves_them_to_others(
    code: str,
    why: str,
    ledger: Ledger,
    storage: Storage,
    store: ArtifactStore,
    database_url: str,
) -> None:
    ledger.register(small())
    run_workers(database_url, "toy", 1)
    line = ("--study", "toy", "--name", "lacking")
    path = f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); import toy_network\n"
    lacking = start_worker(database_url, *line, code=path + code)
    said = lacking.communicate(timeout=60)[1]
    assert (lacking.returncode, tries(storage)) == (0, ARTIFACT_TRIES), said
    assert (store.error("toy") or "").startswith(f"lacking: {why}")
    worker = start_worker(database_url, "--study", "toy")
    assert re.search(MADE, worker.communicate(timeout=60)[1], re.MULTILINE)


def test_a_worker_that_never_runs_out_of_trials_makes_them_in_between(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    many = {"trials": 10_000, "window": 1}
    ledger.register(plain("long", sampler={"name": "random"}, budget=many, confirm=False))
    ledger.register(plain("short"))
    worker = start_worker(database_url, "--lease", "5")
    wait_until(lambda: len(names(store, "short")) == 2, 60)
    assert ledger.snapshot("long").state == StudyState.OPEN
    kill(worker)


def test_a_study_may_have_a_longer_name_than_a_file(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    name = "漢" * 90
    ledger.register(plain(name))
    start_worker(database_url, "--study", name).communicate(timeout=60)
    assert len(names(store, name)) == 2


def test_a_study_that_optuna_dashboard_deleted_takes_no_worker_down(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(plain())
    run_workers(database_url, "toy", 1)
    edition = store.edition("toy")
    optuna.delete_study(study_name="toy", storage=storage.optuna())
    worker = start_worker(database_url, "--lease", "1")
    wait_until(lambda: bool(ledger.workers()))
    ledger.register(plain("other"))
    wait_until(lambda: len(names(store, "other")) == 2, 60)
    said = kill(worker, signal.SIGTERM)
    assert worker.returncode == 0
    assert (
        said.count("toy: its artifacts are left to other hosts: study 'toy': Optuna's tables") == 1
    )
    with pytest.raises(StudyError, match="Optuna's tables must hold it, too"):
        store.replace(edition, [])


# --- studies of other kinds, and what people do to them -----------------------------------


def test_of_an_objective_without_networks_the_learning_curve_is_kept(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(plain(confirm=False))
    start_worker(database_url, "--study", "toy").communicate(timeout=60)
    assert [re.sub(r"\d+", "K", name) for name in names(store)] == [
        "toy-trial-K-learning.csv",
        "toy-trial-K-learning.png",
    ]


def test_of_a_sweep_the_figure_is_kept(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    curves = [{"label": "= $x^2$", "x": "x", "values": [0.1, 0.3, 0.5]}]
    sweep = {"sweep": {"curves": curves}, "protocol": "confirm", "budget": {"members": 3}}
    raw = {"name": "swept", "objective": "toy_objective:ToyObjective", "seed": 1, **sweep}
    ledger.register(validate(raw, where="test"))
    start_worker(database_url, "--study", "swept").communicate(timeout=60)
    assert names(store, "swept") == ["swept-figure.csv", "swept-figure.svg"]
    assert b"<svg" in content(store, "swept-figure.svg", "swept")
    rows = table(store, "swept-figure.csv", "swept")
    assert [(row["x"], row["networks"], row["group"]) for row in rows] == [
        (x, "3", "= $x^2$") for x in ("0.1", "0.3", "0.5")
    ]


def test_an_extended_study_gets_others(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(plain(budget={"trials": 2}))
    start_worker(database_url, "--study", "toy").communicate(timeout=60)
    before = ledger.snapshot("toy").best
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    upload = Path(__file__)
    own = optuna.artifacts.upload_artifact(
        artifact_store=store, file_path=str(upload), study_or_trial=study
    )
    interventions.extend(ledger, "toy", 24)
    assert store.due() == [], "it is open"
    start_worker(database_url, "--study", "toy").communicate(timeout=120)
    after = ledger.snapshot("toy").best
    assert before is not None
    assert after is not None
    assert before.number != after.number
    made = [name for name in names(store) if name != upload.name]
    assert len(made) == 2
    assert {name.split("-")[2].split(".")[0] for name in made} == {str(after.number)}
    listed = list_study_artifacts(storage.optuna().get_study_system_attrs(study._study_id))
    assert sorted(item["filename"] for item in listed) == sorted([*made, upload.name])
    assert store.open_reader(own).read() == upload.read_bytes(), "what a user uploaded stays"


def test_an_excluded_best_is_not_kept(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(plain(confirm=False))
    start_worker(database_url, "--study", "toy").communicate(timeout=60)
    best = ledger.snapshot("toy").best
    assert best is not None
    interventions.exclude(ledger, "toy", best.number)
    assert ledger.snapshot("toy").state == StudyState.DONE
    start_worker(database_url, "--study", "toy").communicate(timeout=60)
    assert not [name for name in names(store) if name.startswith(f"toy-trial-{best.number}")]
    assert len(names(store)) == 2


def test_artifacts_of_a_study_that_has_gone_on_are_not_written(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(plain())
    run_workers(database_url, "toy", 1)
    edition = store.begin("toy", "w")
    assert edition is not None
    interventions.extend(ledger, "toy", 6)
    item = Artifact(filename="a.csv", media_type="text/csv", data=b"a")
    assert not store.replace(edition, [item])
    run_workers(database_url, "toy", 1)
    store.leave(edition)
    store.fail(edition, "late")
    assert (tries(storage), store.error("toy")) == (ARTIFACT_TRIES, None)
    assert not store.replace(edition, [item])
    interventions.delete_study(ledger, "toy")
    assert not store.replace(edition, [item])


def test_one_worker_makes_them_under_a_lease(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(plain())
    run_workers(database_url, "toy", 1)
    item = Artifact(filename="a.csv", media_type="text/csv", data=b"a")
    for name in ("frozen", "heir"):
        ledger.register_worker(name, host="host", pid=1, lease_s=60.0)
    frozen = store.begin("toy", "frozen", lease_s=0.5)
    assert frozen is not None
    assert (store.held("toy"), store.begin("toy", "heir")) == (True, None)
    ledger.renew("frozen", None, doing="keeps", lease_s=1.0)
    time.sleep(0.6)
    assert store.held("toy"), "its lease was renewed"
    wait_until(lambda: not store.held("toy"))
    heir = store.begin("toy", "heir", lease_s=60)
    assert heir is not None
    ledger.renew("frozen", None, doing="keeps", lease_s=60)
    assert not store.replace(frozen, [item]), "its lease has passed to another worker"
    store.fail(frozen, "late")
    store.release(frozen)
    assert (store.held("toy"), store.due()) == (True, ["toy"])
    assert store.replace(heir, [item])
    store.release(heir)
    assert (store.held("toy"), names(store)) == (False, ["a.csv"])


def test_a_worker_that_is_known_to_be_dead_holds_up_nobody(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    ledger.register(small())
    run_workers(database_url, "toy", 1)
    assert store.begin("toy", "dead", lease_s=3600) is not None
    ledger.release_lost("dead")
    assert not store.held("toy")
    assert store.begin("toy", "heir") is not None


def test_backups_leave_them_out_and_a_finished_import_trains_nothing(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str, tmp_path: Path
) -> None:
    ledger.register(plain())
    victim = start_worker(database_url, "--study", "toy", "--no-artifacts")
    wait_until(lambda: ledger.snapshot("toy").settled >= 1)
    kill(victim, signal.SIGTERM)
    backup_study.export(storage, "toy", tmp_path / "half.jsonl")
    start_worker(database_url, "--study", "toy").communicate(timeout=60)
    backup_study.export(storage, "toy", tmp_path / "done.jsonl")
    assert "artifact" not in (tmp_path / "done.jsonl").read_text()
    backup_study.restore(storage, tmp_path / "done.jsonl", "again")
    assert (store.due(), names(store, "again")) == ([], [])
    if '"open"' in (tmp_path / "half.jsonl").read_text():
        backup_study.restore(storage, tmp_path / "half.jsonl", "half")
        start_worker(database_url, "--study", "half").communicate(timeout=60)
        assert len(names(store, "half")) == 2
    ids = [item.artifact_id for item in store.listed("toy")]
    interventions.delete_study(ledger, "toy")
    with pytest.raises(ArtifactNotFound):
        store.open_reader(ids[0])


# --- the store, and the command -----------------------------------------------------------


def test_the_store_refuses_what_belongs_to_no_study(store: ArtifactStore, storage: Storage) -> None:
    with pytest.raises(StorageError) as caught:
        store.write("nobody", io.BytesIO(b"a"))
    assert str(caught.value) == (
        "artifact nobody: a study made by hpo must list it, but none does. Use "
        "optuna.artifacts.upload_artifact with such a study or its trial."
    )
    for method in (store.open_reader, store.remove):
        with pytest.raises(ArtifactNotFound) as missing:
            method("nobody")
        assert str(missing.value) == (
            "artifact nobody: the database must hold it, but it does not. It was deleted, or made "
            "anew under another name: reload the page."
        )
    foreign = optuna.create_study(storage=storage.optuna(), study_name="foreign")
    with pytest.raises(StorageError, match="a study made by hpo must list it"):
        optuna.artifacts.upload_artifact(
            artifact_store=store, file_path=__file__, study_or_trial=foreign
        )


def test_a_trial_has_artifacts_too(ledger: Ledger, storage: Storage, store: ArtifactStore) -> None:
    ledger.register(small())
    ledger.claim("toy", "w", lease_s=60)
    (trial,) = optuna.load_study(study_name="toy", storage=storage.optuna()).trials
    key = optuna.artifacts.upload_artifact(
        artifact_store=store,
        file_path=__file__,
        study_or_trial=trial,
        storage=storage.optuna(),
    )
    assert store.open_reader(key).read() == Path(__file__).read_bytes()
    store.remove(key)
    assert names(store) == []


def test_what_is_too_large_is_left_out(
    ledger: Ledger,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger.register(plain())
    run_workers(database_url, "toy", 1)
    monkeypatch.setattr(make, "LARGEST", 10_000)
    made = make.make(ledger.snapshot("toy", curves=True), [], lambda text: None)
    assert [item.filename.rpartition("-")[2] for item in made] == ["learning.csv"]
    assert "-learning.png is left out: it has " in caplog.text


def test_a_study_without_a_complete_trial_has_nothing_to_keep(
    ledger: Ledger, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.register(small(fixed={"fail": "always"}))
    start_worker(database_url, "--study", "toy").communicate(timeout=60)
    assert ledger.snapshot("toy").state == StudyState.FAILED
    assert main.main(["artifacts", "toy", "--storage", database_url, "--make"]) == 0
    assert capsys.readouterr().err == (
        "toy: nothing is kept of it: it has nothing to keep, such as a complete trial\n"
    )


def test_the_command_makes_and_writes_them(
    ledger: Ledger,
    storage: Storage,
    store: ArtifactStore,
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = ["artifacts", "toy", "--storage", database_url]
    ledger.register(plain())
    assert main.main(line) == 0
    said = "toy: nothing is kept of it: workers make it when it is finished\n"
    assert capsys.readouterr().err == said
    assert main.main([*line, "--make"]) == 1
    assert capsys.readouterr().err == (
        "error: study 'toy': it must be over to make its artifacts, but it is open. Workers make "
        "them when it is finished; now: hpo export toy --network FILE.\n"
    )
    run_workers(database_url, "toy", 1)
    assert main.main([*line, "--make", "-o", str(tmp_path / "kept")]) == 0
    shown = capsys.readouterr().out.splitlines()
    files = sorted((tmp_path / "kept").iterdir())
    assert [text.split("  ")[0] for text in shown] == [str(path) for path in files]
    assert all(re.search(r" \d+\.\d kB$", text) for text in shown)
    assert main.main([*line, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["error"] is None
    assert [item["file"] for item in record["artifacts"]] == [path.name for path in files]
    assert [item["bytes"] for item in record["artifacts"]] == [p.stat().st_size for p in files]
    assert main.main(["artifacts", "none", "--storage", database_url]) == 1
    assert "study 'none': the database must hold it" in capsys.readouterr().err
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    own = []
    for content_of in ("one", "two"):
        upload = tmp_path / content_of / "alike.txt"
        upload.parent.mkdir()
        upload.write_text(content_of)
        own.append(
            optuna.artifacts.upload_artifact(
                artifact_store=store, file_path=str(upload), study_or_trial=study
            )
        )
    assert main.main([*line, "-o", str(tmp_path / "all")]) == 0
    found = [(tmp_path / "all" / f"alike-{key}.txt").read_text() for key in own]
    assert found == ["one", "two"]
    assert len(list((tmp_path / "all").iterdir())) == 4
    (tmp_path / "file").touch()
    assert main.main([*line, "-o", str(tmp_path / "file")]) == 1
    assert "cannot be written: " in capsys.readouterr().err
