"""What ``hpo dashboard`` shows, as people run it: a real process, asked over sockets."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import large
import optuna
import pytest
import sqlalchemy as sa
from dashboards import Dashboard, dashboard
from finished import finished, of_optuna
from optuna_dashboard.preferential._system_attrs import report_preferences, report_skip
from servers import database
from workers import kill, ledger_at, start_worker, toy_spec, wait_until

from hpo.ledger import interventions
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.views.numbers import importance


@pytest.fixture(scope="module")
def toy(server_url: str, with_tables: str) -> Iterator[str]:
    """Name of a database with a finished ``toy``, to be copied."""
    small = {"budget": {"trials": 8, "epochs": 3}, "confirm": {"top": 1, "members": 2}}
    with finished(server_url, with_tables, toy_spec(**small)) as name:
        yield name


@pytest.fixture(scope="module")
def shown(server_url: str, toy: str) -> Iterator[Storage]:
    """The database that ``running`` shows; every test adds studies of its own."""
    with database(server_url, toy) as url, open_storage(url) as storage:
        yield storage


@pytest.fixture(scope="module")
def running(shown: Storage) -> Iterator[Dashboard]:
    """A dashboard."""
    with dashboard("--storage", shown.url) as found:
        yield found


def path_of(running: Dashboard, name: str) -> str:
    """Where a study is."""
    studies = running.get("/api/studies").json["study_summaries"]
    (number,) = (study["study_id"] for study in studies if study["study_name"] == name)
    return f"/api/studies/{number}"


def test_a_study_as_its_page_takes_it(running: Dashboard) -> None:
    listed = running.get("/dashboard")
    assert (listed.status, listed.headers["Location"]) == (302, "/")
    assert b'href="/dashboard/studies/1"' in running.get("/", Accept_Encoding="").body
    page = running.get("/dashboard/studies/1", Accept_Encoding="gzip")
    assert b"/static/bundle.js" in page.body
    assert "Server" not in page.headers
    script = running.get("/static/bundle.js", Accept_Encoding="gzip")
    assert script.headers["Content-Encoding"] == "gzip"
    assert running.get("/static/bundle.js", "HEAD").body == b""
    path = path_of(running, "toy")
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
    importances = running.get(f"{path}/param_importances").json["param_importances"]
    assert importances == [[]], "the report says nothing of so few trials, so nor does the page"
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
        }


def test_importances_are_those_of_the_trials_there_are(running: Dashboard, shown: Storage) -> None:
    """Also when as many trials are complete as before, as after `hpo exclude` and another trial."""
    study = optuna.create_study(storage=shown.optuna())
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    study.optimize(
        lambda t: t.suggest_float("x", 0, 1) + 1e-3 * t.suggest_float("y", 0, 1), n_trials=20
    )
    bare = optuna.create_study(storage=shown.optuna())
    bare.optimize(lambda t: float(t.number), n_trials=3)

    def first() -> str:
        got = running.get(f"/api/studies/{study._study_id}/param_importances")
        (found,) = got.json["param_importances"]
        assert {one["name"] for one in found} == {"x", "y"}
        return str(max(found, key=lambda one: one["importance"])["name"])

    assert first() == "x"
    nothing = running.get(f"/api/studies/{bare._study_id}/param_importances")
    assert nothing.json == {"param_importances": [[]]}
    assert running.get("/api/studies/99/param_importances").status == 404
    ours = f"trial_id IN (SELECT trial_id FROM trials WHERE study_id = {study._study_id})"
    with shown.engine.begin() as connection:
        for old, new in (("x", "z"), ("y", "x"), ("z", "y")):
            query = f"UPDATE trial_params SET param_name = :new WHERE param_name = :old AND {ours}"
            connection.execute(sa.text(query), {"old": old, "new": new})
        connection.execute(sa.text(f"UPDATE trials SET datetime_complete = now() WHERE {ours}"))
    wait_until(lambda: first() == "y")


def test_importances_of_a_study_of_ours_are_those_of_its_report(
    running: Dashboard, shown: Storage
) -> None:
    with ledger_at(shown.url) as ledger:
        ledger.register(large.spec(60, 2).model_copy(update={"name": "sixty"}))
        path = path_of(running, "sixty")
        large.fill(shown, int(path.rsplit("/", 1)[1]), trials=60, points=2)
        measured = importance.measure(ledger.snapshot("sixty"))
    assert measured is not None
    expected = {effect.names[0]: pytest.approx(effect.share) for effect in measured.mains}

    def found() -> dict[str, float]:
        (of_score,) = running.get(f"{path}/param_importances").json["param_importances"]
        return {one["name"]: one["importance"] for one in of_score}

    wait_until(lambda: found() == expected)


def test_figures_come_in_the_order_of_their_names(running: Dashboard, shown: Storage) -> None:
    """optuna-dashboard takes them from a set, in another order in every process."""
    import plotly.graph_objects as go
    from optuna_dashboard import save_plotly_graph_object

    study = of_optuna(shown, "figures", 1)
    names = [f"{letter}-figure" for letter in "hbfaecgd"]
    for name in names:
        save_plotly_graph_object(study, go.Figure(), graph_object_id=name)
    figures = running.get(f"/api/studies/{study._study_id}").json["plotly_graph_objects"]
    assert [figure["id"] for figure in figures] == sorted(names)


def test_it_publishes_what_is_not_shown_yet(running: Dashboard) -> None:
    path = path_of(running, "toy")
    found: dict[str, Any] = {}

    def published() -> bool:
        found.update(running.get(path).json)
        return bool(found["plotly_graph_objects"])

    wait_until(published, 120)
    assert "toy" in found["note"]["body"]
    assert "dashboard figures" not in running.errors


def test_a_live_study_is_followed(running: Dashboard, shown: Storage) -> None:
    """As the page does: it keeps what is finished, and asks from the first unfinished trial on."""
    tables = {"budget": {"trials": 6, "epochs": 4}, "fixed": {"sleep_s": 0.1}, "confirm": False}
    Ledger(shown).register(toy_spec("live", **tables))
    path = path_of(running, "live")
    worker = start_worker(shown.url, "--study", "live")
    kept: list[dict[str, object]] = []
    seen = set()

    def over() -> bool:
        after = next((i for i, t in enumerate(kept) if t["state"] == "Running"), len(kept))
        new = running.get(f"{path}?after={after}").json["trials"]
        kept[after:] = new
        seen.update(t["state"] for t in new)
        return len(kept) == 6 and all(t["state"] != "Running" for t in kept)

    try:
        wait_until(over, 120)
    finally:
        kill(worker)
    assert {"Running", "Complete"} <= seen
    assert kept == running.get(path).json["trials"]


def test_retried_excluded_and_deleted_trials_are_shown_as_they_are(
    server_url: str, toy: str
) -> None:
    with (
        database(server_url, toy) as url,
        dashboard("--storage", url) as running,
        ledger_at(url) as ledger,
    ):

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


def test_plots_are_bounded_and_say_so(running: Dashboard, shown: Storage) -> None:
    study = optuna.create_study(study_name="wide", storage=shown.optuna())
    large.fill(shown, study._study_id, trials=450, points=2)
    path = f"/api/studies/{study._study_id}/plot"
    for name, most in (("contour", 100), ("rank", 400)):
        got = running.get(f"{path}/{name}", Accept_Encoding="")
        assert got.status == 200, got.body
        title = got.json["layout"]["title"]["text"]
        assert f"{most} of 450 trials: the best, and an even sample" in title
        assert "the 6 most important of 7 parameters" in title
    for name in ("slice", "parallel_coordinate", "edf", "timeline"):
        got = running.get(f"{path}/{name}")
        assert got.status == 200, got.body
        assert "even sample" not in got.body.decode()
    front = running.get(f"{path}/pareto_front")
    assert front.status == 400
    assert front.reason.startswith("pareto_front: ")
    assert running.get(f"{path}/other").reason == "plot_type=other is not supported."


def test_the_table_holds_no_formulas(running: Dashboard, shown: Storage) -> None:
    study = of_optuna(shown, 'a "b"\r\nSet-Cookie: x=1; ü', 2)
    trial = study.ask()
    trial.set_user_attr("message", "=cmd|' /C calc'!A0")
    trial.set_user_attr("@name", -1.5)
    trial.set_user_attr("file", os.fsdecode(b"r\xe9sum\xe9.csv"))
    study.tell(trial, -2.0)
    path = f"/csv/{study._study_id}"
    got = running.get(path, Accept_Encoding="")
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
    chosen = running.get(f"{path}?trial_ids=1,%202", Accept_Encoding="").body.decode()
    assert len(chosen.splitlines()) == 3
    assert running.get(f"{path}?trial_ids=x").status == 400
