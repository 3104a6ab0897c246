"""The best network of a finished study is kept: made once by real workers, whatever happens."""

from __future__ import annotations

import io
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna_dashboard
import pages
import pytest
from artifacts import names, plain, small, tries
from finished import finished
from optuna_dashboard.artifact._backend import list_study_artifacts
from servers import connect, database
from workers import SUPPORT, kill, ledger_at, start_worker, wait_until

import hpo
from hpo.cli import main
from hpo.ledger.artifacts import ArtifactStore
from hpo.ledger.claims import ARTIFACT_TRIES
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.study.snapshot import StudyState
from hpo.views.figures.style import safe

MADE = r"INFO toy: \d+ artifacts$"


@pytest.fixture(scope="module")
def slow(server_url: str, with_tables: str) -> Iterator[str]:
    """Name of a database with a finished ``toy``; to keep its best network takes seconds."""
    confirm = {"top": 1, "members": 2, "epochs": 40}
    spec = small(fixed={"sleep_s": 0.05}, confirm=confirm, budget={"trials": 1, "members": 1})
    with finished(server_url, with_tables, spec) as name:
        yield name


@pytest.fixture
def database_url(server_url: str, slow: str) -> Iterator[str]:
    """A copy of it."""
    with database(server_url, slow) as url:
        yield url


def run_worker(url: str, study: str) -> tuple[int, str]:
    """Have a worker end, and keep, a study; its exit status, and what it said."""
    worker = start_worker(url, "--study", study)
    said = worker.communicate(timeout=60)[1]
    return worker.returncode, said


# --- one worker, once ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(server_url: str, with_tables: str) -> Iterator[str]:
    """URL of a database with a study that four workers have ended, and kept once."""
    with database(server_url, with_tables) as url:
        with ledger_at(url) as ledger:
            ledger.register(small())
        line = (url, "--study", "toy", "--lease", "5")
        workers = [start_worker(*line) for _ in range(4)]
        said = [worker.communicate(timeout=120)[1] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * 4, said
        assert len(re.findall(MADE, "\n".join(said), re.MULTILINE)) == 1, said
        yield url


def test_workers_keep_the_best_network_once(kept: str) -> None:
    with open_storage(kept) as storage:
        store, best = ArtifactStore(storage.engine), Ledger(storage).result("toy").best
        assert best is not None
        endings = ["-confusion.csv", "-learning.csv", "-learning.png", "-traces.csv", "-traces.png"]
        endings += [".json", ".safetensors"]
        assert names(store) == [f"toy-trial-{best.number}{ending}" for ending in endings]
        assert (store.due(), store.error("toy"), tries(storage)) == ([], None, 0)
    assert not re.search(MADE, run_worker(kept, "toy")[1], re.MULTILINE)


def test_the_report_shows_how_the_kept_network_reads_the_test_half(
    kept: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    assert main.main(["report", "toy", "--storage", kept, "-o", str(report)]) == 0
    page = report.read_text()
    (cells,) = pages.figures(page)["confusion-plot"]["data"]
    assert cells["y"] == cells["x"] == ["sine", "square", safe(pages.HOSTILE)]
    assert [row.index(max(row)) for row in cells["customdata"]] == [0, 2, 2], (
        "squares: read wrongly"
    )
    assert "most often wrong: square as " in page
    (same,) = hpo.load("toy", kept).plot_confusion_matrix().data
    assert [[int(n) for n in row] for row in same.customdata] == cells["customdata"]


def test_optuna_dashboard_lists_and_serves_them(kept: str) -> None:
    with open_storage(kept) as storage:
        optuna_storage, store = storage.optuna(), ArtifactStore(storage.engine)
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


def test_a_killed_worker_leaves_them_to_a_standing_one(
    ledger: Ledger,
    store: ArtifactStore,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    victim = start_worker(database_url, "--study", "toy", "--name", "victim", "--lease", "1")
    wait_until(lambda: store.error("toy") == "victim was lost while it made them", 60)
    words = "keeps the best network of toy"
    wait_until(lambda: words in [seen.doing for seen in ledger.snapshot("toy").workers])
    assert main.main(["artifacts", "toy", "--storage", database_url]) == 0
    assert capsys.readouterr().err == "toy: nothing is kept of it yet: a worker is at it\n"
    kill(victim)
    assert (names(store), store.due()) == ([], ["toy"])
    heir = start_worker(database_url, "--lease", "1")
    wait_until(lambda: len(names(store)) == 7, 60)
    assert store.error("toy") is None
    kill(heir, signal.SIGTERM)
    assert heir.returncode == 0


def test_sigterm_leaves_them_to_the_next_worker(
    storage: Storage, store: ArtifactStore, database_url: str
) -> None:
    worker = start_worker(database_url, "--study", "toy")
    wait_until(lambda: store.error("toy") is not None, 60)
    said = kill(worker, signal.SIGTERM)
    assert worker.returncode == 0
    assert "toy: its artifacts are left to the next worker" in said
    assert (tries(storage), store.error("toy"), names(store)) == (ARTIFACT_TRIES, None, [])


def test_cut_connections_do_not_spoil_them(
    storage: Storage, store: ArtifactStore, database_url: str
) -> None:
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
    assert len(names(store)) == 7


def test_what_breaks_is_written_down_once_and_fails_no_study(
    ledger: Ledger, store: ArtifactStore, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.register(small("broken", objective="toy_network:BrittleObjective"))
    status, said = run_worker(database_url, "broken")
    assert status == 0
    assert "broken: its artifacts cannot be made" in said
    assert ledger.snapshot("broken").state == StudyState.DONE
    assert (store.due(), names(store, "broken")) == (["toy"], [])
    error = store.error("broken")
    assert error is not None
    assert error.endswith("RuntimeError: the toy breaks when it is saved\n")
    assert main.main(["artifacts", "broken", "--storage", database_url]) == 0
    out, err = capsys.readouterr()
    assert out == "\n"
    assert err.startswith(
        "broken: nothing is kept of it (RuntimeError: the toy breaks when it is saved); make it: "
        "hpo "
    )


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        ((), "sys.modules['toy_network'] = None", ""),
        (
            ("--study", "toy"),
            "import tempfile; tempfile.tempdir = '/nowhere'",
            "[Errno 2] No such file or directory",
        ),
        (
            (),
            "import toy_network\n"
            "from objectives.contract import UnavailableError\n"
            "def train(self, on_epoch):\n"
            "    raise UnavailableError('toy: a GPU must be there')\n"
            "toy_network.ToyMember.train = train\n",
            "toy: a GPU must be there",
        ),
    ],
    ids=["objective", "room", "GPU"],
)
def test_a_host_that_lacks_something_leaves_them_to_others(
    options: tuple[str, ...],
    code: str,
    why: str,
    storage: Storage,
    store: ArtifactStore,
    database_url: str,
) -> None:
    path = f"import sys; sys.path.insert(0, {str(SUPPORT)!r})\n"
    lacking = start_worker(database_url, "--name", "lacking", *options, code=path + code)
    wait_until(lambda: (store.error("toy") or "").startswith(f"lacking: {why}"), 60)
    assert (tries(storage), store.due()) == (ARTIFACT_TRIES, ["toy"])
    wait_until(lambda: not store.held("toy"))
    assert store.begin("toy", "another") is not None
    if options:  # a worker of this study alone has nothing else to wait for
        lacking.communicate(timeout=60)
    else:
        kill(lacking, signal.SIGTERM)
    assert lacking.returncode == 0


def test_a_study_may_have_a_longer_name_than_a_file(
    ledger: Ledger, store: ArtifactStore, database_url: str
) -> None:
    name = "漢" * 90
    ledger.register(plain(name))
    run_worker(database_url, name)
    assert len(names(store, name)) == 2


def test_a_study_without_a_complete_trial_has_nothing_to_keep(
    ledger: Ledger, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.register(small("failed", fixed={"fail": "always"}))
    run_worker(database_url, "failed")
    assert ledger.snapshot("failed").state == StudyState.FAILED
    assert main.main(["artifacts", "failed", "--storage", database_url, "--make"]) == 0
    assert capsys.readouterr().err == (
        "failed: nothing is kept of it: it has nothing to keep, such as a complete trial\n"
    )
