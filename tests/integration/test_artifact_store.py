"""Artifacts of a finished study: the store, who may write into it, and what people do meanwhile."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from artifacts import names, plain, tries
from finished import finished
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna_dashboard.artifact._backend import list_study_artifacts
from servers import database
from workers import kill, run_workers, start_worker, wait_until

from hpo.cli import main
from hpo.errors import StorageError, StudyError
from hpo.ledger import interventions
from hpo.ledger.artifacts import Artifact, ArtifactStore
from hpo.ledger.backup import study as backup_study
from hpo.ledger.claims import ARTIFACT_TRIES
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.study.file import validate
from hpo.study.snapshot import StudyState
from hpo.worker.artifacts import make


@pytest.fixture(scope="module")
def toy(server_url: str, with_tables: str) -> Iterator[str]:
    """Name of a database with a finished ``toy`` of which nothing is kept yet."""
    with finished(server_url, with_tables, plain()) as name:
        yield name


@pytest.fixture
def database_url(server_url: str, toy: str) -> Iterator[str]:
    """A copy of it."""
    with database(server_url, toy) as url:
        yield url


def run_worker(url: str, study: str = "toy") -> None:
    """Have a worker end, and keep, a study."""
    start_worker(url, "--study", study).communicate(timeout=60)


# --- who makes them, and when -------------------------------------------------------------


def test_a_worker_that_never_runs_out_of_trials_makes_them_in_between(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    many = {"trials": 10_000, "window": 1}
    ledger.register(plain("long", sampler={"name": "random"}, budget=many))
    worker = start_worker(database_url, "--lease", "5")
    wait_until(lambda: len(names(store)) == 2, 60)
    assert ledger.snapshot("long").state == StudyState.OPEN
    kill(worker)


def test_a_study_that_optuna_dashboard_deleted_takes_no_worker_down(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
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


def test_nobody_tries_for_ever(ledger: Ledger, store: ArtifactStore) -> None:
    for attempt in range(ARTIFACT_TRIES):
        assert store.begin("toy", f"w{attempt}") is not None, "as if each died at it"
        ledger.release_lost(f"w{attempt}")
    assert store.begin("toy", "w") is None
    assert store.due() == []
    assert store.error("toy") == f"w{ARTIFACT_TRIES - 1} was lost while it made them"


def test_one_worker_makes_them_under_a_lease(ledger: Ledger, store: ArtifactStore) -> None:
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
    ledger: Ledger, store: ArtifactStore
) -> None:
    assert store.begin("toy", "dead", lease_s=3600) is not None
    ledger.release_lost("dead")
    assert not store.held("toy")
    assert store.begin("toy", "heir") is not None


# --- studies of other kinds, and what people do to them -----------------------------------


def test_of_an_objective_without_networks_the_learning_curve_is_kept_unless_it_is_excluded(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    run_worker(database_url)
    files = [re.sub(r"\d+", "K", name) for name in names(store)]
    assert files == ["toy-trial-K-learning.csv", "toy-trial-K-learning.png"]
    best = ledger.result("toy").best
    assert best is not None
    interventions.exclude(ledger, "toy", best.number)
    assert ledger.snapshot("toy").state == StudyState.DONE
    run_worker(database_url)
    assert not [name for name in names(store) if name.startswith(f"toy-trial-{best.number}")]
    assert len(names(store)) == 2


def test_of_a_sweep_the_figure_is_kept(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    curves = [{"label": "= $x^2$", "x": "x", "values": [0.1, 0.3, 0.5]}]
    sweep = {"sweep": {"curves": curves}, "protocol": "confirm", "budget": {"members": 3}}
    raw = {"name": "swept", "objective": "toy_objective:ToyObjective", "seed": 1, **sweep}
    ledger.register(validate(raw, where="test"))
    run_worker(database_url, "swept")
    assert names(store, "swept") == ["swept-figure.csv", "swept-figure.svg"]
    table, picture = (store.open_reader(f.artifact_id).read() for f in store.listed("swept"))
    assert b"<svg" in picture
    rows = csv.DictReader(io.StringIO(table.decode(), newline=""))
    assert [(row["x"], row["networks"], row["group"]) for row in rows] == [
        (x, "3", "= $x^2$") for x in ("0.1", "0.3", "0.5")
    ]


def test_an_extended_study_gets_others(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    run_worker(database_url)
    before = ledger.result("toy").best
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    upload = Path(__file__)
    own = optuna.artifacts.upload_artifact(
        artifact_store=store, file_path=str(upload), study_or_trial=study
    )
    interventions.extend(ledger, "toy", 24)
    assert store.due() == [], "it is open"
    run_worker(database_url)
    after = ledger.result("toy").best
    assert before is not None
    assert after is not None
    assert before.number != after.number
    made = [name for name in names(store) if name != upload.name]
    assert len(made) == 2
    assert {name.split("-")[2].split(".")[0] for name in made} == {str(after.number)}
    listed = list_study_artifacts(storage.optuna().get_study_system_attrs(study._study_id))
    assert sorted(item["filename"] for item in listed) == sorted([*made, upload.name])
    assert store.open_reader(own).read() == upload.read_bytes(), "what a user uploaded stays"


def test_artifacts_of_a_study_that_has_gone_on_are_not_written(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str
) -> None:
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


def test_backups_leave_them_out_and_a_finished_import_trains_nothing(
    ledger: Ledger, storage: Storage, store: ArtifactStore, database_url: str, tmp_path: Path
) -> None:
    run_worker(database_url)
    ids = [item.artifact_id for item in store.listed("toy")]
    backup_study.export(storage, "toy", tmp_path / "done.jsonl")
    assert "artifact" not in (tmp_path / "done.jsonl").read_text()
    backup_study.restore(storage, tmp_path / "done.jsonl", "again")
    assert (store.due(), names(store, "again")) == ([], [])
    interventions.extend(ledger, "toy", 6)
    backup_study.export(storage, "toy", tmp_path / "open.jsonl")
    backup_study.restore(storage, tmp_path / "open.jsonl", "open")
    run_worker(database_url, "open")
    assert len(names(store, "open")) == 2
    interventions.delete_study(ledger, "toy")
    for key in ids:
        with pytest.raises(ArtifactNotFound):
            store.open_reader(key)


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
    ledger.register(plain("open"))
    ledger.claim("open", "w", lease_s=60)
    (trial,) = optuna.load_study(study_name="open", storage=storage.optuna()).trials
    key = optuna.artifacts.upload_artifact(
        artifact_store=store,
        file_path=__file__,
        study_or_trial=trial,
        storage=storage.optuna(),
    )
    assert store.open_reader(key).read() == Path(__file__).read_bytes()
    store.remove(key)
    assert names(store, "open") == []


def test_what_is_too_large_is_left_out(
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(make, "LARGEST", 10_000)
    made = make.make(ledger.snapshot("toy", curves=True), [], lambda text: None)
    assert [item.filename.rpartition("-")[2] for item in made] == ["learning.csv"]
    assert "-learning.png is left out: it has " in caplog.text


def test_the_command_makes_and_writes_them(
    ledger: Ledger,
    storage: Storage,
    store: ArtifactStore,
    hpo: Callable[..., str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger.register(plain("open"))
    assert main.main(["artifacts", "open"]) == 0
    said = "open: nothing is kept of it: workers make it when it is finished\n"
    assert capsys.readouterr().err == said
    assert hpo("artifacts", "open", "--make", status=1) == (
        "error: study 'open': it must be over to make its artifacts, but it is open. Workers make "
        "them when it is finished; now: hpo export open --network FILE.\n"
    )
    shown = hpo("artifacts", "toy", "--make", "-o", tmp_path / "kept").splitlines()
    files = sorted((tmp_path / "kept").iterdir())
    assert [text.split("  ")[0] for text in shown] == [str(path) for path in files]
    assert all(re.search(r" \d+\.\d kB$", text) for text in shown)
    record = json.loads(hpo("artifacts", "toy", "--json"))
    assert record["error"] is None
    assert [item["file"] for item in record["artifacts"]] == [path.name for path in files]
    assert [item["bytes"] for item in record["artifacts"]] == [p.stat().st_size for p in files]
    assert "study 'none': the database must hold it" in hpo("artifacts", "none", status=1)
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
    hpo("artifacts", "toy", "-o", tmp_path / "all")
    found = [(tmp_path / "all" / f"alike-{key}.txt").read_text() for key in own]
    assert found == ["one", "two"]
    assert len(list((tmp_path / "all").iterdir())) == 4
    (tmp_path / "file").touch()
    said = hpo("artifacts", "toy", "-o", tmp_path / "file", status=1)
    assert "cannot be written: " in said
