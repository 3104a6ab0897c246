"""``hpo status`` on a real database: one study, many studies, workers, and
``--watch``."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import settling
from servers import cut_off
from terminal import Terminal
from users import User
from workers import kill, ledger_at, run_workers, start_worker, toy_spec, wait_until

from hpo.ledger import interventions, snapshots
from hpo.ledger.claim_records import Claim
from hpo.ledger.ledger import Ledger
from hpo.ledger.overview import Overview
from hpo.postgres.connect import Storage
from hpo.study.result import Result
from hpo.study.trials import Phase, SlotState, StudyState
from hpo.views.figures import networks
from hpo.views.figures.plotted import Plotted
from hpo.views.pages import overview, side_by_side
from hpo.views.records import json_records
from hpo.views.terminal import status as terminal_status

SMALL = {"trials": 6, "window": 2, "seeds": 1, "epochs": 2}


def test_trials_are_sorted_cut_and_fit_the_terminal(
    database_url: str, hpo: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(toy_spec(budget=SMALL, confirm=None))
        settling.run(ledger)
        trials = ledger.snapshot("toy").search
    best = sorted(trials, key=lambda slot: -(slot.score or 0.0))

    def numbers(*options: object) -> list[int]:
        record = json.loads(hpo("trials", "--study", "toy", "--json", *options))
        return [slot["number"] for slot in record["trials"]]

    assert numbers() == [0, 1, 2, 3, 4, 5]
    assert numbers("--top", 3) == [slot.number for slot in best[:3]]
    monkeypatch.setattr("hpo.cli.trials.terminal_width", lambda: 50)
    lines = hpo("trials", "toy").splitlines()
    assert max(map(len, lines)) <= 50
    assert "members" not in lines[0]


def test_workers_are_shown_at_the_slot_that_they_hold(
    database_url: str, hpo: Callable[..., str]
) -> None:
    with ledger_at(database_url) as ledger:
        ledger.register(
            toy_spec(budget={**SMALL, "epochs": 1000}, fixed={"sleep_s": 0.05})
        )
        workers = [
            start_worker(database_url, "--name", name) for name in ("one", "two")
        ]
        try:
            wait_until(
                lambda: {w.trial for w in ledger.workers()} == {0, 1}, timeout_s=60
            )
            found = json.loads(hpo("status", "--json"))["workers"]
            assert {(w["study"], w["phase"], w["alive"]) for w in found} == {
                ("toy", Phase.SEARCH, True)
            }
            shown = hpo("status")
        finally:
            for worker in workers:
                kill(worker, signal.SIGTERM)
        assert re.search(r"^one +\S+ +toy: trial [01]\b.* +\d+ s ago$", shown, re.M)
        assert all(w.study is None for w in ledger.workers()), (
            "they gave their slots back"
        )


def test_a_study_lists_no_workers_of_another_one(
    ledger: Ledger, hpo: Callable[..., str]
) -> None:
    for name in ("toy", "other"):
        ledger.register(toy_spec(name, budget=SMALL))
        ledger.register_worker(
            f"worker-of-{name}", host="h", pid=1, lease_s=60.0, serves=name
        )
        ledger.deregister_worker(f"worker-of-{name}", refused="no data here")
    ledger.register_worker("lost-at-other", host="h", pid=1, lease_s=60.0)
    claimed = ledger.claim("other", "lost-at-other", lease_s=60.0)
    assert isinstance(claimed, Claim)
    with ledger._engine.begin() as connection:
        ended = "UPDATE hpo_ledger.workers SET ended_at = seen_at, state = 'lost'"
        connection.exec_driver_sql(f"{ended} WHERE name = 'lost-at-other'")
    assert "worker-of-toy" in hpo("status", "toy")
    for worker in ("worker-of-other", "lost-at-other"):
        assert worker not in hpo("status", "toy")
        assert worker in hpo("status")
    assert "lost-at-other" in hpo("status", "other")


def test_watching_survives_an_outage_and_ends_with_ctrl_c(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with ledger_at(user.url) as ledger:
        ledger.register(toy_spec(budget=SMALL, confirm=None))
    terminal = Terminal(partial(user.start, "status", "toy", "--watch", "0.3"))
    try:
        assert terminal.shows("0/6")
        with cut_off(user.url):
            assert terminal.shows("database unreachable for")
            assert terminal.shows("0/6"), "the last view stays"
        run_workers(user.url, "toy", 1)
        assert terminal.shows("6/6")
        assert terminal.shows("Ctrl-C ends this view; workers continue")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(timeout=30) == 0
        assert "Traceback" not in terminal.said
    finally:
        terminal.close()


def test_watching_waits_for_the_first_launch(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    user = User(tmp_path, empty_database_url)
    terminal = Terminal(partial(user.start, "status", "--watch", "0.3"))
    try:
        assert terminal.shows("migrate")  # one word: lines break at 80 characters
        with ledger_at(user.url) as ledger:
            ledger.register(toy_spec(budget=SMALL, confirm=None))
        assert terminal.shows("0/6")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(timeout=30) == 0
    finally:
        terminal.close()


# --- all studies at one moment: only trials of changed ones are read ---


def check_the_same(ledger: Ledger, name: str, known: Result) -> None:
    """What lists say of a study is what they would say if all of it had been read."""
    whole, (item,) = (
        ledger.result(name),
        [item for item in ledger.studies() if item.name == name],
    )
    assert json_records.summary(item, known) == json_records.summary(item, whole)
    assert terminal_status.study_lines([(item, known)]) == terminal_status.study_lines(
        [(item, whole)]
    )
    assert overview.card(known) == overview.card(whole)


def test_what_has_changed_is_read_again(
    storage: Storage, ledger: Ledger, database_url: str
) -> None:
    overview = Overview(Result.of, most=0)

    def read() -> dict[str, Result | None]:
        with storage.engine.begin() as connection:
            changes = overview.read(connection)
        found = overview.made(changes)
        assert [study for study, _ in found] == ledger.studies()
        return {study.name: result for study, result in found}

    ledger.register(toy_spec("toy", budget=SMALL))
    ledger.register(toy_spec("idle"))
    before = read()
    assert read() == before
    run_workers(database_url, "toy", 1)
    after = read()
    assert after["idle"] is before["idle"]
    toy = after["toy"]
    assert toy is not None
    assert (toy.state, toy.progress.finished) == (StudyState.DONE, 6)
    check_the_same(ledger, "toy", toy)
    best = toy.best
    assert best is not None
    interventions.exclude(ledger, "toy", best.number, "a bad cable")
    excluded = read()["toy"]
    assert excluded is not None
    check_the_same(ledger, "toy", excluded)
    assert excluded.best != best
    interventions.delete_study(ledger, "idle")
    ledger.register(toy_spec("idle", seed=4))
    assert read()["idle"] != before["idle"]
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hpo_ledger.studies SET state = 'done'")
    assert [result is None for _, result in ledger.results(1)] == [True, False]


@pytest.mark.parametrize(
    "confirm", [None, {"top": 1, "seeds": 2}], ids=["search", "confirmed"]
)
@pytest.mark.parametrize("objective", ["ToyObjective", "ToyLossObjective"])
def test_lists_need_only_some_of_the_trials(
    ledger: Ledger, database_url: str, objective: str, confirm: dict[str, int] | None
) -> None:
    search = {
        "sampler": {"name": "random"},
        "pruner": {"name": "median", "n_startup_trials": 3},
    }
    budget = {"trials": 40, "window": 4, "seeds": 1, "epochs": 4}
    own = {
        "objective": f"toy_objective:{objective}",
        "reported": None,
        "confirm": confirm,
    }
    ledger.register(toy_spec("toy", budget=budget, **search, **own))
    run_workers(database_url, "toy", 1)
    interventions.exclude(ledger, "toy", 3, "a bad cable")
    ((_, known),) = ledger.results()
    assert known is not None
    assert len(known.search) < 30
    assert {trial.alike > 1 for trial in known.search} == {True, False}
    check_the_same(ledger, "toy", known)


MEANS: dict[str, Any] = {
    "budget": {"trials": 6, "window": 4, "seeds": 1, "epochs": 2},
    "sampler": {"name": "kriging-believer"},
    "confirm": {"top": 1, "seeds": 2, "by": "posterior_mean"},
}


@pytest.mark.parametrize("state", [StudyState.STOPPED, StudyState.FAILED])
def test_lists_name_the_best_score_of_a_search_that_has_not_ended(
    ledger: Ledger, database_url: str, storage: Storage, state: StudyState
) -> None:
    """Its posterior means need all its trials."""
    ledger.register(toy_spec(**MEANS))
    run_workers(database_url, "toy", 1, "--no-confirm")
    with ledger.locked("toy") as study:
        study.turn(state)
    ((item, known),) = ledger.results()
    assert known is not None
    assert known.headline is None
    best = max(trial.score or 0.0 for trial in ledger.snapshot("toy").search)
    shown = f"{100 * best:.1f} %, best score"
    line = terminal_status.study_lines([(item, known)])[1]
    assert f" {shown} " in line
    assert line.split(shown)[1].startswith("  see hpo status toy ")
    assert overview.card(known).claim == shown
    summary = json_records.summary(item, known)
    assert (summary["best_score"], summary["confirmed"]) == (None, None)
    assert ledger.result("toy").headline is not None
    with storage.engine.begin() as connection:
        home = Overview(Result.of, most=6)
        changes = home.read(connection)
    ((_, on_page),) = home.made(changes)
    assert on_page is not None
    assert on_page.headline is not None


def test_lists_read_a_search_that_has_ended_briefly_and_claim_all(
    ledger: Ledger, database_url: str
) -> None:
    """It stores its posterior means, until it is extended."""
    ledger.register(toy_spec(**MEANS))
    run_workers(database_url, "toy", 1, "--no-confirm")
    first = settling.claim(ledger)
    assert first.phase == Phase.CONFIRM
    for state in (StudyState.OPEN, StudyState.STOPPED, StudyState.FAILED):
        with ledger.locked("toy") as study:
            study.turn(state)
        ((item, known),) = ledger.results()
        assert known is not None
        assert known.search[0].steps == (), "it is read briefly"
        check_the_same(ledger, "toy", known)
        line = terminal_status.study_lines([(item, known)])[1]
        assert " % in the search " in line
    with ledger.locked("toy") as study:
        study.turn(StudyState.OPEN)
    settling.finish(ledger, first)
    interventions.stop(ledger, "toy")
    ((item, known),) = ledger.results()
    assert known is not None
    check_the_same(ledger, "toy", known)
    assert " % confirmed " in terminal_status.study_lines([(item, known)])[1]
    interventions.resume(ledger, "toy")
    run_workers(database_url, "toy", 1)
    ((_, known),) = ledger.results()
    assert known is not None
    check_the_same(ledger, "toy", known)
    interventions.extend(ledger, "toy", 7)
    ((_, known),) = ledger.results()
    assert known is not None
    assert known.headline is None


def test_a_report_of_very_many_trials_needs_the_steps_of_some(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It claims and counts as with all of them."""
    monkeypatch.setattr(snapshots, "MANY", 10)
    monkeypatch.setattr(snapshots, "_SOME", 2)
    ledger.register(
        toy_spec(
            budget={"trials": 40, "window": 4, "seeds": 1, "epochs": 4},
            sampler={"name": "kriging-believer"},
            pruner={"name": "median", "n_startup_trials": 3},
            confirm={"top": 1, "seeds": 2, "by": "posterior_mean"},
        )
    )
    run_workers(database_url, "toy", 1)
    with ledger.locked("toy") as study:
        study.turn(StudyState.OPEN)  # or the means of all trials are stored
    full = ledger.result("toy", curves=True)
    drawn = ledger.drawn("toy")
    states = {trial.state for trial in full.search}
    assert states == {SlotState.COMPLETE, SlotState.PRUNED}
    assert drawn.snapshot.posterior == full.snapshot.posterior != {}
    assert [t.number for t in drawn.ranking] == [t.number for t in full.ranking]
    assert drawn.progress == full.progress
    assert drawn.confirm == full.confirm
    beside = ledger.drawn("toy", curves=False)
    assert not any(member.curve for trial in beside.search for member in trial.members)
    assert side_by_side.figure([beside]) == side_by_side.figure([full])
    whole = drawn.snapshot.with_all_steps
    numbers = {trial.number for trial in whole}
    assert numbers >= {trial.number for trial in full.by_score[:2]} | {39}
    assert numbers >= {trial.number for trial in full.ranking[:3]}, "of which two are 2"
    assert 4 < len(numbers) <= 7
    assert [*whole] == [trial for trial in full.search if trial.number in numbers]
    others = [trial for trial in drawn.search if trial.number not in numbers]
    assert not any(member.curve for trial in others for member in trial.members)
    assert sum(len(t.steps) for t in others) < sum(
        len(t.steps) for t in full.search if t.number not in numbers
    )
    curves = networks.learning_curves(Plotted(drawn)).data
    named = [trace.name for trace in curves if "trial " in (trace.name or "")]
    assert all(int(name.split()[1].rstrip(":")) in numbers for name in named)


def test_a_spec_that_cannot_be_read_harms_its_study_alone(
    storage: Storage, ledger: Ledger, database_url: str
) -> None:
    ledger.register(toy_spec("good", budget=SMALL))
    ledger.register(toy_spec("bad", budget=SMALL, confirm=None))
    run_workers(database_url, "bad", 1)
    with storage.engine.begin() as connection:
        spec = (
            '{"objective": "a:B", "budget": {"trials": 6}, "confirm": {"top": "two"}}'
        )
        connection.exec_driver_sql(
            f"UPDATE hpo_ledger.studies SET spec = '{spec}' WHERE id = 2"
        )
    (good, result), (bad, nothing) = ledger.results()
    assert (good.problem, result is None) == ("", False)
    assert bad.problem.startswith("study 'bad' in the database: ")
    assert (bad.objective, bad.finished, nothing) == ("a:B", 6, None)
