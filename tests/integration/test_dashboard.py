"""What ``hpo dashboard`` shows, as people run it: a real process, asked over
sockets."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import optuna_dashboard
import pages
import pytest
import sqlalchemy as sa
from dashboards import Dashboard, Got, dashboard
from finished import finished
from servers import database
from workers import kill, ledger_at, run_workers, start_worker, toy_spec, wait_until

from hpo.dashboard.app import DashboardApp
from hpo.dashboard.guard import Kind
from hpo.dashboard.pages import LONG_S
from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.views.sentences import verdict
from hpo.worker.notifier import FIGURE

REPORTED = {"score": 0.6, "std": 0.05, "source": f"a paper {pages.HOSTILE}"}
SMALL: dict[str, Any] = {
    "budget": {"trials": 8, "epochs": 3},
    "confirm": {"top": 1, "seeds": 2},
    "reported": REPORTED,
}


@pytest.fixture(scope="module")
def toy(server_url: str, with_tables: str) -> Iterator[str]:
    """Name of a database with a finished ``toy``, to be copied."""
    with finished(server_url, with_tables, toy_spec(**SMALL)) as name:
        yield name


@pytest.fixture
def shown(server_url: str, toy: str) -> Iterator[Storage]:
    """The database that ``running`` shows."""
    with database(server_url, toy) as url, open_storage(url) as storage:
        yield storage


@pytest.fixture
def running(shown: Storage) -> Iterator[Dashboard]:
    """A dashboard."""
    with dashboard("--storage", shown.url) as found:
        yield found


def drawn(running: Dashboard, path: str) -> Got:
    """A page, once it is there."""
    found: list[Got] = []

    def there() -> bool:
        found.append(running.get(path, Accept_Encoding=""))
        return b"Reading trials" not in found[-1].body

    wait_until(there, 60)
    return found[-1]


def test_a_study_is_found_from_the_home_page_and_sent_once(running: Dashboard) -> None:
    home = drawn(running, "/").body.decode()
    assert '<a href="/study/toy">toy</a>' in home
    assert re.search(
        r'<a href="/dashboard/studies/1"[^>]*>In optuna-dashboard</a>', home
    )
    page = drawn(running, "/study/toy")
    text = page.body.decode()
    assert re.search(
        r"on 2 fresh seeds\..* the reported 60.00 ± 5.00 %", text, re.DOTALL
    )
    assert "convergence-plot" in pages.figures(text)
    assert not {"img", "onerror"} & pages.names(text)
    assert "plotly.js v" not in text, "it is a file of its own, for all studies"
    assert running.get("/hpo/plotly.js", Accept_Encoding="gzip").status == 200
    known = page.headers["Etag"]
    assert running.get("/study/toy", If_None_Match=known).status == 304
    assert running.get("/study/toy", "HEAD").body == b""
    now = running.get("/study/toy/now", Accept_Encoding="").body.decode()
    assert "No worker is serving this study." in now
    assert "submitted" in now
    missing = drawn(running, "/study/other")
    assert missing.status == 404
    assert b"No such study" in missing.body


def test_a_live_study_is_followed(running: Dashboard, shown: Storage) -> None:
    tables = {
        "budget": {"trials": 60, "epochs": 4},
        "fixed": {"sleep_s": 0.1},
        "confirm": False,
    }
    Ledger(shown).register(toy_spec("live", **tables))
    first = drawn(running, "/study/live")
    assert b"0 of 60 trials finished" in first.body
    interventions.enqueue(Ledger(shown), "live", {"x": 0.5})
    wait_until(
        lambda: drawn(running, "/study/live").headers["Etag"] != first.headers["Etag"],
        60,
    )
    worker = start_worker(shown.url, "--study", "live", "--name", "one")
    try:
        wait_until(
            lambda: b">one<" in running.get("/study/live/now", Accept_Encoding="").body,
            60,
        )
        wait_until(
            lambda: (
                re.search(
                    rb">[1-9]\d* of 60 trials finished",
                    drawn(running, "/study/live").body,
                )
                is not None
            ),
            60,
        )
    finally:
        kill(worker)


def test_retried_excluded_and_deleted_trials_are_shown_as_they_are(
    running: Dashboard, shown: Storage
) -> None:
    def states() -> dict[int, str]:
        found = running.get("/api/studies/1")
        return {t["number"]: t["state"] for t in found.json.get("trials", [])}

    assert b"0 excluded" not in drawn(running, "/study/toy").body
    first = next(number for number, state in states().items() if state == "Complete")
    with ledger_at(shown.url) as ledger:
        interventions.exclude(ledger, "toy", first, "a bad cable")
        wait_until(lambda: states()[first] == "Fail", 60)
        wait_until(lambda: b"1 excluded" in drawn(running, "/study/toy").body, 60)
        interventions.delete_study(ledger, "toy")
    wait_until(lambda: running.get("/study/toy").status == 404, 60)
    assert running.get("/api/studies/1").status == 404
    wait_until(lambda: b"No study yet" in running.get("/").body, 60)


def unreadable(storage: Storage, study: str) -> None:
    """Give a study a spec that nobody can read here."""
    spec = '{"objective": "elsewhere:Elsewhere", "budget": {"trials": 1}}'
    with storage.engine.begin() as connection:
        query = "UPDATE hpo_ledger.studies SET spec = :spec WHERE name = :study"
        connection.execute(sa.text(query), {"spec": spec, "study": study})


def test_the_page_of_a_study_whose_spec_cannot_be_read_here_says_why(
    running: Dashboard, shown: Storage
) -> None:
    Ledger(shown).register(toy_spec("broken"))
    unreadable(shown, "broken")
    page = drawn(running, "/study/broken").body.decode()
    assert "study &#39;broken&#39; in the database: " in page
    wait_until(lambda: b'id="study-broken"' in drawn(running, "/").body)
    assert "Traceback" not in running.errors


def test_a_study_is_shown_though_one_that_its_figure_names_cannot_be_read(
    running: Dashboard, shown: Storage
) -> None:
    figure = {"kind": "scatter", "x": "x", "overlay": ["toy"]}
    Ledger(shown).register(toy_spec("healthy", figure=figure))
    unreadable(shown, "toy")
    page = drawn(running, "/study/healthy").body.decode()
    assert "0 of 24 trials finished" in page
    assert (
        "Not drawn: study toy cannot be read: study &#39;toy&#39; in the database: "
        in page
    )


def test_metrics_of_a_slow_database_are_none(
    running: Dashboard, shown: Storage
) -> None:
    found = running.get("/metrics")
    assert found.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'hpo_trials{study="toy",state="complete"}' in found.body
    with shown.engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE studies IN ACCESS EXCLUSIVE MODE")
        began_s = time.monotonic()
        wait_until(lambda: running.get("/metrics").status == 503, 60)
        assert time.monotonic() - began_s < 3 * LONG_S
    wait_until(lambda: running.get("/metrics").status == 200, 60)


# --- optuna-dashboard ---


def test_optuna_dashboard_is_there_as_it_comes(running: Dashboard) -> None:
    page = running.get("/dashboard/studies/1", Accept_Encoding="gzip")
    assert b"/static/bundle.js" in page.body
    assert "Server" not in page.headers
    assert running.get("/static/bundle.js", "HEAD").status == 200
    detail = running.get("/api/studies/1").json
    assert detail["name"] == "toy"
    assert [trial["number"] for trial in detail["trials"]] == list(range(8))
    for name in ("parallel_coordinate", "slice", "timeline"):
        assert running.get(f"/api/studies/1/plot/{name}").status == 200
    assert running.get("/csv/1").body.startswith(b"Number,State,")
    assert running.get("/api/studies/99").status == 404


def test_the_database_refuses_what_it_would_write(shown: Storage) -> None:
    with pytest.raises(optuna.exceptions.StorageInternalError) as caught:
        shown.optuna(read_only=True).set_study_system_attr(1, "a", 1)
    assert "read-only transaction" in str(caught.value.__cause__)
    shown.optuna().set_study_system_attr(1, "a", 1)


WRITES = [
    ("POST", "/api/studies", {"study_name": "mine", "directions": ["minimize"]}),
    ("POST", "/api/studies/1/rename", {"study_name": "mine"}),
    ("DELETE", "/api/studies/1", {}),
    ("PUT", "/api/studies/1/1/note", {"body": "mine", "version": 1}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_optuna_dashboard_itself_writes_nothing(
    shown: Storage, method: str, path: str, body: dict[str, Any]
) -> None:
    """Without the guard, which refuses these requests before."""
    text = json.dumps(body).encode()
    request: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(text)),
        "wsgi.input": io.BytesIO(text),
        "HTTP_ACCEPT_ENCODING": "",
    }
    setup_testing_defaults(request)

    def rows() -> list[str]:
        with shown.engine.connect() as connection:
            return [
                str(connection.execute(sa.text(f"SELECT * FROM {table}")).all())
                for table in sa.inspect(connection).get_table_names()
            ]

    def answered(storage: optuna.storages.RDBStorage) -> str:
        statuses: list[str] = []
        app = optuna_dashboard.wsgi(storage)
        request["wsgi.input"].seek(0)
        list(app(dict(request), lambda status, *_: statuses.append(status)))
        return statuses[0]

    before = rows()
    assert answered(shown.optuna(read_only=True)).startswith("500")
    assert rows() == before
    assert answered(shown.optuna()).startswith("20"), "it could write otherwise"
    assert rows() != before


def test_a_finished_study_has_one_figure_and_its_verdict_in_optunas_rows(
    shown: Storage,
) -> None:
    """In place of the last ones when it ends anew; what somebody wrote himself
    stays."""
    ledger = Ledger(shown)

    def study() -> optuna.Study:
        return optuna.load_study(study_name="toy", storage=shown.optuna())

    def verdict_now() -> str:
        return verdict.verdict(ledger.result("toy"))

    def note() -> str:
        return optuna_dashboard.get_note(study()).replace("\\", "")

    def figures() -> set[str]:
        keys = shown.optuna().get_study_system_attrs(1)
        return {
            key.split(":")[2] for key in keys if key.startswith("dashboard:plot_data:")
        }

    assert figures() == {FIGURE}
    first = note()
    assert first == f"**By hpo:** {verdict_now()}."
    assert r"\<img src\=x" in optuna_dashboard.get_note(study()), (
        "its words are no Markdown"
    )
    best = ledger.result("toy").confirmations[0].source
    interventions.exclude(ledger, "toy", best, "a bad cable")
    run_workers(shown.url, "toy", 1)
    assert (note() == f"**By hpo:** {verdict_now()}.", note() == first) == (True, False)
    optuna_dashboard.save_note(study(), "Ask Ann.")
    best = ledger.result("toy").confirmations[0].source
    interventions.exclude(ledger, "toy", best, "another one")
    run_workers(shown.url, "toy", 1)
    assert note() == "Ask Ann."
    assert figures() == {FIGURE}


def test_health_tells_of_pages_that_cannot_be_drawn(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = DashboardApp(lambda: open_storage(database_url))
    said: list[str] = []

    def ask(kind: Kind) -> bytes:
        environ = {
            "hpo.kind": kind,
            "PATH_INFO": "/",
            "HTTP_ACCEPT_ENCODING": "",
            "REQUEST_METHOD": "GET",
        }
        return b"".join(app(environ, lambda status, headers: said.append(status)))

    def break_(*arguments: object) -> None:
        raise KeyError("a defect")

    assert ask(Kind.HEALTH) == b"ok\n"
    monkeypatch.setattr("hpo.dashboard.pages.read_workers", break_)
    with pytest.raises(KeyError):
        ask(Kind.HOME)
    assert b"pages cannot be drawn: KeyError" in ask(Kind.HEALTH)
    assert said == ["200 OK", "503 Service Unavailable"]
    app.close()
