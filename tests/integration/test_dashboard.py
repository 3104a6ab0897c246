"""``hpo dashboard`` as people run it: real processes on a real database, asked over sockets."""

from __future__ import annotations

import base64
import csv
import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import large
import optuna
import pytest
import sqlalchemy as sa
from dashboards import Dashboard, dashboard
from optuna.artifacts import upload_artifact
from optuna_dashboard.preferential._system_attrs import report_preferences, report_skip
from servers import connect
from workers import kill, ledger_at, run_workers, start_worker, toy_spec, wait_until

from hpo.dashboard.app import PAUSE_S
from hpo.dashboard.server import THREADS
from hpo.ledger import interventions
from hpo.ledger.artifacts import ArtifactStore
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.embedded.client import status

PASSWORD = "correct horse battery"


def run_toy(url: str, name: str = "toy", trials: int = 8) -> None:
    """A finished study."""
    spec = toy_spec(name, budget={"trials": trials, "epochs": 3}, confirm={"top": 1, "members": 2})
    with ledger_at(url) as ledger:
        ledger.register(spec)
    run_workers(url, name, 1)


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    with open_storage(database_url) as storage:
        yield storage


def of_optuna(storage: Storage, name: str, trials: int = 3) -> optuna.Study:
    """A study that Optuna alone knows, with a trial per number."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=name, storage=storage.optuna())
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return study


def refused(*arguments: str, **environment: str) -> str:
    """What a dashboard says that does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "hpo", "dashboard", *arguments],
        env={"PATH": "", "HPO_HOME": "/nonexistent/hpo", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    return ended.stderr


# --- what it shows ----------------------------------------------------------------------------


def test_a_study_as_its_page_takes_it(database_url: str) -> None:
    run_toy(database_url)
    with dashboard("--storage", database_url) as running:
        assert running.get("/").status == 302
        assert running.get("/").headers["Location"] == "/dashboard"
        page = running.get("/dashboard", Accept_Encoding="gzip")
        assert b"/static/bundle.js" in page.body
        assert "Server" not in page.headers
        script = running.get("/static/bundle.js", Accept_Encoding="gzip")
        assert script.headers["Content-Encoding"] == "gzip"
        assert running.get("/static/bundle.js", "HEAD").body == b""
        (study,) = running.get("/api/studies").json["study_summaries"]
        path = f"/api/studies/{study['study_id']}"
        detail = running.get(path).json
        assert detail["name"] == "toy"
        assert [trial["number"] for trial in detail["trials"]] == list(range(8))
        assert detail["best_trials"][0]["values"] == [
            max(t["values"][0] for t in detail["trials"] if t["state"] == "Complete")
        ]
        assert detail["has_intermediate_values"]
        assert running.get(f"{path}?after=6").json["trials"] == detail["trials"][6:]
        assert running.get(f"{path}?after=99").json["trials"] == []
        assert running.get(f"{path}?after=-1").status == 400
        assert running.get(f"{path}?after=x").status == 400
        assert running.get("/api/studies/99").reason == "study_id=99 is not found"
        assert running.get("/csv/99").status == 404
        assert running.get("/api/studies/99/plot/contour").status == 404
        assert len(running.get(f"{path}/param_importances").json["param_importances"]) == 1
        # times say their zone, so that a browser elsewhere does not take them for its own
        assert re.search(r"[+-]\d\d:\d\d$", detail["trials"][0]["datetime_complete"])


def test_it_answers_what_optuna_dashboard_does(storage: Storage, database_url: str) -> None:
    """Byte for byte but for the zones of times, the order of figures and keys."""
    import optuna_dashboard

    study = of_optuna(storage, "odd", 4)
    optuna_dashboard.save_note(study, "of the study")
    notes = {"note_ver": 1, "note_str:0": "of trial 1"}
    for key, value in notes.items():
        name = f"dashboard:{study.trials[1]._trial_id}:{key}"
        storage.optuna().set_study_system_attr(study._study_id, name, value)
    study.add_trial(
        optuna.trial.create_trial(
            values=[float("inf")],
            params={"colour": "red"},
            distributions={"colour": optuna.distributions.CategoricalDistribution(["red", None])},
            user_attrs={"many": list(range(2000)), "flag": True, "text": "words", "none": None},
            intermediate_values={0: float("nan"), 1: float("-inf"), 2: 0.5},
        )
    )
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    study.enqueue_trial({"x": 0.25})
    study.ask()
    study.enqueue_trial({"x": 0.5})
    compared = optuna.create_study(study_name="compared", storage=storage.optuna())
    own = compared._study_id
    ids = [
        compared.ask({"x": optuna.distributions.FloatDistribution(0, 1)})._trial_id for _ in "abcd"
    ]
    storage.optuna().set_study_system_attr(own, "preference:is_preferential", True)
    report_preferences(own, storage.optuna(), [(0, 1), (2, 1), (3, 1)])
    report_skip(own, ids[3], storage.optuna())

    def asked(path: str) -> object:
        body: list[bytes] = []
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "wsgi.input": io.BytesIO(),
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        theirs = optuna_dashboard.wsgi(storage.optuna())
        body.extend(theirs(environ, lambda *_: None))
        return json.loads(b"".join(body))

    def without_zones(found: object) -> object:
        return json.loads(re.sub(r"(T[\d:.]+)[+-]\d\d:\d\d\"", r'\1"', json.dumps(found)))

    path = f"/api/studies/{study._study_id}"
    with dashboard("--storage", database_url) as running:
        assert without_zones(running.get(path).json) == asked(path)
        preferred = without_zones(running.get(f"/api/studies/{own}").json)
        assert preferred == asked(f"/api/studies/{own}")
        assert [t["number"] for t in preferred["best_trials"]] == [0, 2]  # type: ignore[index]
        assert preferred["skipped_trial_numbers"] == [3]  # type: ignore[index]
        assert running.get("/api/studies").json == asked("/api/studies")
        assert running.get(f"{path}/plot/slice").status == 200
        assert "omitted" not in running.errors  # of the one trial that is infinite, at each look
        assert running.get("/api/meta").json == {
            **asked("/api/meta"),  # type: ignore[dict-item]
            "artifact_is_available": True,
        }


def test_importances_are_those_of_the_trials_there_are(storage: Storage, database_url: str) -> None:
    """Also when as many trials are complete as before, as after `hpo exclude` and another trial."""
    study = optuna.create_study(storage=storage.optuna())
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    study.optimize(
        lambda t: t.suggest_float("x", 0, 1) + 1e-3 * t.suggest_float("y", 0, 1), n_trials=40
    )
    bare = optuna.create_study(storage=storage.optuna())
    bare.optimize(lambda t: float(t.number), n_trials=3)

    def first(running: Dashboard) -> str:
        (found,) = running.get("/api/studies/1/param_importances").json["param_importances"]
        assert {one["name"] for one in found} == {"x", "y"}
        return str(max(found, key=lambda one: one["importance"])["name"])

    with dashboard("--storage", database_url) as running:
        assert first(running) == "x"
        assert running.get("/api/studies/2/param_importances").json == {"param_importances": [[]]}
        assert running.get("/api/studies/3/param_importances").status == 404
        with storage.engine.begin() as connection:
            for old, new in (("x", "z"), ("y", "x"), ("z", "y")):
                query = "UPDATE trial_params SET param_name = :new WHERE param_name = :old"
                connection.execute(sa.text(query), {"old": old, "new": new})
            connection.execute(sa.text("UPDATE trials SET datetime_complete = now()"))
        wait_until(lambda: first(running) == "y")


def test_figures_come_in_the_order_of_their_names(storage: Storage, database_url: str) -> None:
    """optuna-dashboard takes them from a set, in another order in every process."""
    import plotly.graph_objects as go
    from optuna_dashboard import save_plotly_graph_object

    study = of_optuna(storage, "figures", 1)
    names = [f"{letter}-figure" for letter in "hbfaecgd"]
    for name in names:
        save_plotly_graph_object(study, go.Figure(), graph_object_id=name)
    with dashboard("--storage", database_url) as running:
        shown = running.get(f"/api/studies/{study._study_id}").json["plotly_graph_objects"]
    assert [figure["id"] for figure in shown] == sorted(names)


def test_it_publishes_what_is_not_shown_yet(database_url: str) -> None:
    run_toy(database_url)
    with dashboard("--storage", database_url) as running:
        shown: dict[str, object] = {}

        def published() -> bool:
            shown.update(running.get("/api/studies/1").json)
            return bool(shown["plotly_graph_objects"])

        wait_until(published, 120)
        assert "toy" in shown["note"]["body"]  # type: ignore[index]
        assert running.errors == ""


def test_a_live_study_is_followed(database_url: str) -> None:
    """As the page does: it keeps what is finished, and asks from the first unfinished trial on."""
    spec = toy_spec(budget={"trials": 10, "epochs": 4}, fixed={"sleep_s": 0.1})
    with ledger_at(database_url) as ledger:
        ledger.register(spec)
    worker = start_worker(database_url, "--study", "toy")
    kept: list[dict[str, object]] = []
    seen = set()
    try:
        with dashboard("--storage", database_url) as running:

            def finished() -> bool:
                after = next((i for i, t in enumerate(kept) if t["state"] == "Running"), len(kept))
                new = running.get(f"/api/studies/1?after={after}").json["trials"]
                kept[after:] = new
                seen.update(t["state"] for t in new)
                return len(kept) == 10 and all(t["state"] != "Running" for t in kept)

            wait_until(finished, 120)
            assert {"Running", "Complete"} <= seen
            assert kept == running.get("/api/studies/1").json["trials"]
    finally:
        kill(worker)


def test_retried_excluded_and_deleted_trials_are_shown_as_they_are(database_url: str) -> None:
    run_toy(database_url)
    with dashboard("--storage", database_url) as running, ledger_at(database_url) as ledger:

        def states() -> dict[int, str]:
            found = running.get("/api/studies/1")
            if found.status == 404:
                return {}
            return {trial["number"]: trial["state"] for trial in found.json["trials"]}

        first = next(number for number, state in states().items() if state == "Complete")
        interventions.exclude(ledger, "toy", first, "a bad cable")
        wait_until(lambda: states()[first] == "Fail")
        trial = running.get(f"/api/studies/1?after={first}").json["trials"][0]
        assert "values" not in trial
        assert any(a["key"] == "excluded:score" for a in trial["user_attrs"])
        interventions.delete_study(ledger, "toy")
        wait_until(lambda: states() == {})
        assert b"No study yet" in running.get("/").body


def test_plots_are_bounded_and_say_so(storage: Storage, database_url: str) -> None:
    study = optuna.create_study(study_name="wide", storage=storage.optuna())
    large.fill(storage, study._study_id, trials=450, points=2)
    with dashboard("--storage", database_url) as running:
        for name, shown in (("contour", 100), ("rank", 400)):
            got = running.get(f"/api/studies/1/plot/{name}", Accept_Encoding="")
            assert got.status == 200, got.body
            title = got.json["layout"]["title"]["text"]
            assert f"{shown} of 450 trials: the best, and an even sample" in title
            assert "the 6 most important of 7 parameters" in title
        for name in ("slice", "parallel_coordinate", "edf", "timeline"):
            got = running.get(f"/api/studies/1/plot/{name}")
            assert got.status == 200, got.body
            assert "even sample" not in got.body.decode()
        front = running.get("/api/studies/1/plot/pareto_front")
        assert front.status == 400
        assert front.reason.startswith("pareto_front: ")
        assert running.get("/api/studies/1/plot/other").reason == (
            "plot_type=other is not supported."
        )


def test_the_table_holds_no_formulas(storage: Storage, database_url: str) -> None:
    study = of_optuna(storage, 'a "b"\r\nSet-Cookie: x=1; ü', 2)
    trial = study.ask()
    trial.set_user_attr("message", "=cmd|' /C calc'!A0")
    trial.set_user_attr("@name", -1.5)
    trial.set_user_attr("file", os.fsdecode(b"r\xe9sum\xe9.csv"))
    study.tell(trial, -2.0)
    with dashboard("--storage", database_url) as running:
        got = running.get("/csv/1", Accept_Encoding="")
        assert got.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert "Set-Cookie" not in got.headers
        named = got.headers["Content-Disposition"]
        assert named.startswith('attachment; filename="a_b_Set-Cookie_x_1_')
        rows = list(csv.DictReader(io.StringIO(got.body.decode(), newline="")))
        assert [row["Number"] for row in rows] == ["0", "1", "2"]
        assert rows[2]["UserAttribute message"] == "'=cmd|' /C calc'!A0"
        assert rows[2]["UserAttribute @name"] == "-1.5"
        assert rows[2]["UserAttribute file"] == "r?sum?.csv"
        assert rows[2]["Value"] == "-2.0"
        chosen = running.get("/csv/1?trial_ids=1,%202", Accept_Encoding="").body.decode()
        assert len(chosen.splitlines()) == 3
        assert running.get("/csv/1?trial_ids=x").status == 400


def test_files_are_handed_out_as_files(storage: Storage, database_url: str, tmp_path: Path) -> None:
    """A page that somebody kept as a file must not act as one of ours."""
    ledger = Ledger(storage)
    ledger.register(toy_spec())
    study = optuna.load_study(study_name="toy", storage=storage.optuna())
    store = ArtifactStore(storage.engine)
    ids = {}
    for name, kind in (("evil ü.html", "text/html"), ("curve.svg", "image/svg+xml")):
        (tmp_path / name).write_text("<script>alert(1)</script>")
        ids[kind] = upload_artifact(
            artifact_store=store,
            file_path=str(tmp_path / name),
            study_or_trial=study,
            mimetype=kind,
        )
    with dashboard("--storage", database_url) as running:
        page = running.get(f"/artifacts/1/{ids['text/html']}")
        assert page.body == b"<script>alert(1)</script>"
        assert page.headers["Content-Type"] == "application/octet-stream"
        assert page.headers["Content-Disposition"] == (
            "attachment; filename=\"evil_.html\"; filename*=UTF-8''evil%20%C3%BC.html"
        )
        picture = running.get(f"/artifacts/1/{ids['image/svg+xml']}")
        assert picture.headers["Content-Type"] == "image/svg+xml"
        for got in (page, picture):
            assert got.headers["Content-Security-Policy"].startswith("sandbox;")
            assert "Access-Control-Allow-Origin" not in got.headers
        assert running.get("/artifacts/1/00000000-0000").reason == "There is no such file."
        assert running.get(f"/artifacts/2/{ids['text/html']}").status == 404
        assert running.get(f"/artifacts/1/77/{ids['text/html']}").status == 404
        listed = running.get("/api/studies/1").json["artifacts"]
        assert sorted(file["filename"] for file in listed) == ["curve.svg", "evil ü.html"]


# --- who may do what --------------------------------------------------------------------------


def test_nothing_can_be_changed(storage: Storage, database_url: str) -> None:
    of_optuna(storage, "kept")
    with dashboard("--storage", database_url) as running:
        before = running.get("/api/studies/1").body
        for method, path, body in (
            ("DELETE", "/api/studies/1", '{"remove_associated_artifacts": true}'),
            ("POST", "/api/studies", '{"study_name": "new", "directions": ["minimize"]}'),
            ("POST", "/api/studies/1/rename", '{"study_name": "new"}'),
            ("PUT", "/api/studies/1/note", '{"version": 1, "body": "x"}'),
            ("POST", "/api/trials/1/tell", '{"state": "Fail"}'),
            ("POST", "/api/trials/1/user-attrs", '{"user_attrs": {"a": 1}}'),
            ("POST", "/incompatible-rdb-schema", ""),
        ):
            got = running.get(path, method, body, Content_Type="application/json")
            assert got.status == 403
            assert got.reason.startswith("This dashboard only shows. ")
        assert "hpo delete NAME" in running.get("/api/studies/1", "DELETE").reason
        assert running.get("/api/studies/1").body == before


def test_notes_where_they_are_allowed(storage: Storage, database_url: str) -> None:
    study = of_optuna(storage, "noted")
    trial_id = study.trials[1]._trial_id
    with dashboard("--storage", database_url, "--notes") as running:
        own = {
            "Content_Type": "application/json",
            "Origin": f"http://127.0.0.1:{running.port}",
            "Sec_Fetch_Site": "same-origin",
        }
        note = json.dumps({"version": 1, "body": "ü **b** " * 1000})
        assert running.get("/api/studies/1/note", "PUT", note, **own).status == 204
        assert running.get(f"/api/studies/1/{trial_id}/note", "PUT", note, **own).status == 204
        detail = running.get("/api/studies/1").json
        assert detail["note"] == json.loads(note)
        assert [t["note"]["version"] for t in detail["trials"]] == [0, 1, 0]
        late = running.get("/api/studies/1/note", "PUT", note, **own)
        assert late.status == 409
        assert late.json["note"] == json.loads(note)
        foreign = {**own, "Origin": "http://evil.example", "Sec_Fetch_Site": "cross-site"}
        assert running.get("/api/studies/1/note", "PUT", note, **foreign).status == 403
        assert running.get("/api/studies/1", "DELETE", "{}", **own).status == 403

        # of many who save at once, one does, and its note is whole
        bodies = [str(i) * 6000 for i in range(6)]
        saved: dict[str, int] = {}

        def save(body: str) -> None:
            sent = json.dumps({"version": 2, "body": body})
            saved[body] = running.get("/api/studies/1/note", "PUT", sent, **own).status

        savers = [threading.Thread(target=save, args=(body,)) for body in bodies]
        for saver in savers:
            saver.start()
        for saver in savers:
            saver.join()
        assert sorted(saved.values()) == [204, *[409] * 5]
        (winner,) = [body for body, status in saved.items() if status == 204]
        assert running.get("/api/studies/1").json["note"] == {"version": 2, "body": winner}

        # what was deleted while its page is open has no note
        assert running.get("/api/studies/1/999/note", "PUT", note, **own).status == 404
        optuna.delete_study(study_name="noted", storage=storage.optuna())
        gone = running.get("/api/studies/1/note", "PUT", note, **own)
        assert (gone.status, gone.reason) == (404, "study_id=1 is not found")
        assert "Traceback" not in running.errors


def test_the_password(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    with dashboard(
        "--storage", database_url, "--host", "0.0.0.0", HPO_DASHBOARD_PASSWORD_FILE=str(file)
    ) as running:
        wait_until(lambda: "put TLS before the dashboard" in running.errors)
        right = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        wrong = "Basic " + base64.b64encode(b"me:wrong").decode()
        for path in ("/", "/api/studies", "/static/bundle.js", "/csv/1"):
            assert running.get(path).status == 401
            assert running.get(path, Authorization=wrong).status in (401, 429)
        assert running.get("/api/studies", "DELETE").status == 401
        assert running.get("/healthz").body == b"ok\n"
    with dashboard("--storage", database_url, "--password-file", str(file)) as running:
        assert running.get("/api/studies", Authorization=right).status == 200
        assert running.get("/api/studies", Authorization=f"Bearer {PASSWORD}").status == 200
        assert running.get("/api/studies", Authorization=wrong).status == 401


def test_hosts(database_url: str) -> None:
    with dashboard("--storage", database_url, "--allowed-host", "LabServer") as running:
        assert running.get("/api/studies", Host="labserver:8080").status == 200
        assert running.get("/api/studies", Host="evil.example").status == 421


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /static/%2e%2e/%2e%2e/_app.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /static/../_app.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /static/..%5c_app.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET //evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /api/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 33_000 + b"\r\n\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /favicon.ico HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
    ],
)
def test_malformed_requests(shared: Dashboard, request_: bytes, status: int) -> None:
    answer = shared.send(request_)
    assert re.match(rb"HTTP/1\.[01] (\d+)", answer)[1] == str(status).encode(), answer  # type: ignore[index]
    assert b"Traceback" not in answer
    assert b"waitress" not in answer.lower()


def test_who_asks_on_and_on_and_takes_nothing_keeps_no_thread(shared: Dashboard) -> None:
    """Else so many as there are threads would hold them until they leave."""
    ask = b"GET /static/bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            connection = stack.enter_context(
                socket.create_connection((shared.host, shared.port), timeout=60)
            )
            connection.sendall(20 * ask)
        for _ in range(3):  # whoever waits for a thread comes after those that are there already
            assert shared.get("/healthz").status == 200
    assert shared.send(20 * ask).count(b"HTTP/1.1 200 OK") == 1


def test_idle_connections_of_many_browsers_keep_nobody_out(shared: Dashboard) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            idle = socket.create_connection((shared.host, shared.port), timeout=60)
            stack.enter_context(idle).sendall(b"GET /")
        assert shared.get("/api/studies").status == 200


def test_connections_stay_open_for_who_asks_one_by_one(shared: Dashboard) -> None:
    connection = http.client.HTTPConnection(shared.host, shared.port, timeout=60)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
    assert connection.sock is first
    connection.close()


@pytest.fixture(scope="module")
def shared(server_url: str, with_tables: str) -> Iterator[Dashboard]:
    """A dashboard of a database without studies, which no test changes."""
    with connect(server_url) as connection:
        connection.execute(f"CREATE DATABASE shared TEMPLATE {with_tables}")
    with dashboard("--storage", server_url.replace("/hpo?", "/shared?")) as running:
        yield running
    with connect(server_url) as connection:
        connection.execute("DROP DATABASE shared WITH (FORCE)")


# --- its beginning and its end ----------------------------------------------------------------


def test_what_it_does_not_start_with(database_url: str, tmp_path: Path) -> None:
    assert refused("--host", "0.0.0.0", "--port", "0") == (
        "error: dashboard at 0.0.0.0: other machines must need a password, but got none. Make one: "
        "(umask 077; openssl rand -base64 24 > dashboard-password); then say --password-file "
        "dashboard-password. Or leave --host out, and reach it by `ssh -L "
        "8080:127.0.0.1:8080 THIS_MACHINE`.\n"
    )
    (tmp_path / "short").write_text("short")
    said = refused("--host", "0.0.0.0", "--port", "0", "--password-file", str(tmp_path / "short"))
    assert "it must have at least 12 characters" in said
    wrong = re.sub(r"/\w+\?", "/nosuchdatabase?", database_url)
    said = refused("--port", "0", "--storage", wrong, PATH="/usr/bin:/bin", HPO_HOME="/tmp")
    assert "the database must exist" in said


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon(database_url: str, signum: int) -> None:
    """With connections open, idle and in the middle of a request."""
    with dashboard("--storage", database_url) as running:
        address = (running.host, running.port)
        with socket.create_connection(address), socket.create_connection(address) as half:
            half.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert running.get("/healthz").status == 200
            status, seconds = running.end(signum)
        assert status == 0
        assert seconds < 2.0
        assert "Traceback" not in running.errors


def test_as_process_1(database_url: str) -> None:
    """A process 1 gets no signal that it does not ask for."""
    import shutil

    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--pid", "--fork", "true"]).returncode:
        pytest.skip("this user may not make a namespace of processes")
    line = [unshare, "--pid", "--fork", "--kill-child", sys.executable, "-m", "hpo", "dashboard"]
    with subprocess.Popen(
        [*line, "--port", "0", "--storage", database_url], stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline().startswith("http://")
            (child,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            subprocess.run(["kill", "-TERM", child], check=True)
            assert parent.wait(timeout=20) == 0
        finally:
            parent.kill()


def test_it_keeps_the_embedded_server_up(hpo_home: Path) -> None:
    with dashboard(HPO_HOME=str(hpo_home)) as running:
        page = running.get("/")
        assert b"<h1>No study yet</h1>" in page.body
        assert b"hpo launch --study seqdigits<" in page.body.replace(b"\n", b"<")
        assert b'http-equiv="refresh"' in page.body
        assert status(hpo_home).running
        with dashboard(HPO_HOME=str(hpo_home)) as second:
            assert second.get("/api/studies").json == {"study_summaries": []}
            assert second.end()[0] == 0
        assert running.get("/api/studies").status == 200
        assert running.end()[0] == 0
    wait_until(lambda: not status(hpo_home).running, 60)


def test_a_database_without_tables_or_the_right_to_make_them(
    empty_database_url: str, server_url: str
) -> None:
    with connect(empty_database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS looker")
        connection.execute("CREATE ROLE looker LOGIN PASSWORD 'n0t-told'")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = sa.make_url(empty_database_url).set(username="looker", password="n0t-told")
    text = url.difference_update_query(["passfile"]).render_as_string(hide_password=False)
    try:
        with dashboard("--storage", text) as running:
            page = running.get("/")
            assert page.status == 200
            assert b"No study yet" in page.body
            assert b"n0t-told" not in page.body
            assert b"looker:***@" in page.body
            assert "must be allowed to create tables" in running.get("/api/studies").reason
            assert running.get("/api/studies").status == 503
            with ledger_at(empty_database_url) as ledger:
                ledger.register(toy_spec())
            with connect(empty_database_url) as connection:
                connection.execute("GRANT USAGE ON SCHEMA hpo_ledger TO looker")
                connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA hpo_ledger TO looker")
                connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker")
            wait_until(lambda: running.get("/").status == 302, 60)
            assert running.get("/api/studies/1").json["name"] == "toy"
            # it may not write figures: that is said once, and all else works
            wait_until(lambda: "dashboard figures: toy: " in running.errors, 60)
            assert running.get("/api/studies/1").json["name"] == "toy"
            with connect(empty_database_url) as connection:
                connection.execute("ALTER ROLE looker PASSWORD 'changed'")
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = 'looker'"
                )
                wait_until(lambda: running.get("/api/studies").status == 503, 60)
                assert "password authentication failed" in running.get("/api/studies").reason
                assert running.get("/static/bundle.js").status == 200
                connection.execute("ALTER ROLE looker PASSWORD 'n0t-told'")
            wait_until(lambda: running.get("/api/studies").status == 200, 60)
            assert running.end()[0] == 0
            assert running.errors.count("dashboard figures: toy: ") == 1
            assert "n0t-told" not in running.errors
    finally:
        with connect(empty_database_url) as connection:
            connection.execute("DROP OWNED BY looker; DROP ROLE looker")


def test_the_database_goes_away_and_comes_back(hpo_home: Path) -> None:
    from hpo.postgres.embedded.client import Embedded, stop

    with Embedded(hpo_home) as server:
        url = server.acquire()
        with open_storage(url) as storage:
            Ledger(storage).register(toy_spec())
        with dashboard("--storage", url, HPO_HOME="/tmp/another-home") as running:
            assert running.get("/api/studies/1").status == 200
            stop(hpo_home, force=True)
            wait_until(lambda: running.get("/api/studies/1").status == 503, 60)
            assert running.get("/api/studies/1").reason.startswith("The database does not answer: ")
            page = running.get("/dashboard")
            assert page.status == 503
            assert b"The database does not answer" in page.body
            assert running.get("/healthz").status == 200
            with open_storage():  # it starts again with its next user
                wait_until(lambda: running.get("/api/studies/1").status == 200, 60)
                assert running.get("/").status == 302
                assert running.end()[0] == 0


def test_a_database_that_is_silent_holds_no_thread_but_one(tmp_path: Path) -> None:
    """A host that is gone refuses nothing: to ask it takes ten seconds each time."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        url = f"postgresql://me:secret@127.0.0.1:{silent.getsockname()[1]}/hpo"
        with dashboard("--storage", url, HPO_HOME=str(tmp_path)) as running:
            wait_until(lambda: "must accept connections" in running.errors)
            time.sleep(2 * PAUSE_S)  # so that it is asked again
            with ThreadPoolExecutor(2 * THREADS) as pool:
                asked = [pool.submit(running.get, "/dashboard") for _ in range(2 * THREADS)]
                wait_until(lambda: all(one.done() for one in asked), 45)  # not ten for each
                answers = [one.result() for one in asked]
    assert {got.status for got in answers} == {503}
    assert not any(b"secret" in got.body for got in answers)
