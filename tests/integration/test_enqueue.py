"""A trial that somebody gives parameters by hand, in the middle of a study."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from golden_studies import golden_spec
from settling import claim, decide, finish, run
from workers import kill, run_workers, start_worker, table, toy_spec, wait_until

from hpo.errors import HpoError, SpecError, StudyError
from hpo.ledger import backup, interventions
from hpo.ledger.claim_records import Wait
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.search.suggest import suggest
from hpo.study.trials import SlotState, StudyState
from hpo.views.pages import report as page

HUNCH = {"x": 0.31, "k": 5}
OTHER = {"colour": "green", "rate_per_ns": 1}


def test_the_same_by_one_worker_by_two_with_a_kill_and_from_a_backup(
    ledger: Ledger, storage: Storage, tmp_path: Path
) -> None:
    """While two are at it: the numbers then are known, and the study is made again with
    them."""
    ledger.register(toy_spec("many", confirm=None, fixed={"sleep_s": 0.03}))
    line = ("--study", "many", "--lease", "1")
    workers = [start_worker(storage.url, *line) for _ in range(2)]
    wait_until(lambda: ledger.snapshot("many").finished >= 5, timeout_s=60)
    told = [HUNCH, OTHER, HUNCH]
    numbers = [interventions.enqueue(ledger, "many", params) for params in told]
    backup.export(storage, "many", tmp_path / "many.jsonl")
    kill(workers[0])
    for worker in workers[1:]:
        worker.communicate(timeout=120)
    many = ledger.snapshot("many", curves=True)
    first = numbers[0]
    assert (many.state, first >= 5) == (StudyState.DONE, True)
    assert [slot.number for slot in many.search if slot.enqueued] == numbers
    assert [slot.enqueued for slot in many.search if slot.enqueued] == told
    for number, params in zip(numbers, told, strict=True):
        found = many.search[number].params
        assert {name: found[name] for name in params} == params
        assert found.keys() == many.spec.space.keys(), "the sampler suggests the rest"
    assert type(many.search[numbers[1]].params["rate_per_ns"]) is float

    ledger.register(toy_spec("alone", confirm=None, budget={"trials": first}))
    run_workers(storage.url, "alone", 1)
    before = table(ledger.snapshot("alone", curves=True))
    for number, params in zip(numbers, told, strict=True):
        if (
            number > ledger.snapshot("alone").spec.budget.trials
        ):  # one had begun between the two
            interventions.extend(ledger, "alone", number)
            run_workers(storage.url, "alone", 1)
        interventions.extend(ledger, "alone", number + 1)
        assert interventions.enqueue(ledger, "alone", params) == number
    interventions.extend(ledger, "alone", 24)
    backup.restore(storage, tmp_path / "many.jsonl", "copy")
    run_workers(storage.url, "alone", 1)
    run_workers(storage.url, "copy", 1)
    alone, copy = (ledger.snapshot(name, curves=True) for name in ("alone", "copy"))
    assert table(many)[:first] == before, "trials before it are as they were"
    assert table(many) == table(alone) == table(copy)
    assert [slot.enqueued for slot in copy.search] == [
        slot.enqueued for slot in many.search
    ]


def test_it_waits_for_the_window_and_is_learnt_from(
    ledger: Ledger, storage: Storage
) -> None:
    ledger.register(toy_spec(budget={"window": 2}))
    run(ledger, most=6)
    held = claim(ledger, "a")
    assert interventions.enqueue(ledger, "toy", HUNCH) == 7
    assert interventions.enqueue(ledger, "toy", HUNCH) == 8
    second = claim(ledger, "b")
    assert (held.number, second.number, second.attempt) == (6, 7, 1)
    assert isinstance(ledger.claim("toy", "c", lease_s=60), Wait), (
        "trial 8 waits for trial 6"
    )
    own = decide(ledger, second)
    assert {name: own.params[name] for name in HUNCH} == HUNCH
    assert own == decide(Ledger(storage), second)
    finish(ledger, held)
    third = claim(ledger, "c")
    assert third.number == 8
    past = ledger.history(third)
    assert not past[7].suggestion.params, "what its worker has not written down yet ..."
    assert decide(ledger, third) == decide(Ledger(storage), third)
    finish(ledger, second)
    finish(ledger, third)
    after = claim(ledger)
    history = ledger.history(after)
    assert history[7].suggestion == own, "... is the same as it has worked out"
    specs = [toy_spec(seed=seed, budget={"window": 2}) for seed in range(9)]
    unseen = [*history]
    unseen[7] = type(history[7])(suggestion=own, state=SlotState.FAILED)
    assert any(suggest(s, 9, unseen) != suggest(s, 9, history) for s in specs)
    trial = optuna.load_study(study_name="toy", storage=storage.optuna()).trials[7]
    assert trial.system_attrs["fixed_params"] == HUNCH, (
        "as Optuna's own enqueue_trial notes it"
    )
    assert {name: trial.params[name] for name in HUNCH} == HUNCH


def test_a_failed_one_is_retried_and_one_that_waits_is_set_aside(
    ledger: Ledger,
) -> None:
    ledger.register(toy_spec())
    for params in (HUNCH, OTHER):
        interventions.enqueue(ledger, "toy", params)
    held = claim(ledger)
    finish(ledger, held, SlotState.FAILED)
    interventions.exclude(ledger, "toy", 1, "typed wrongly")
    interventions.retry(ledger, "toy", 0)
    again = claim(ledger)
    assert (again.number, again.enqueued) == (0, HUNCH)
    assert again.suggestion is not None
    assert {name: again.suggestion.params[name] for name in HUNCH} == HUNCH
    finish(ledger, again)
    run(ledger)
    snapshot = ledger.snapshot("toy")
    assert snapshot.state == StudyState.DONE
    assert snapshot.search[0].enqueued == HUNCH
    assert snapshot.search[1].state == SlotState.EXCLUDED
    assert not snapshot.search[1].members


def test_who_did_it_and_which_trial_it_is_are_shown(
    ledger: Ledger, hpo: Callable[..., str]
) -> None:
    ledger.register(toy_spec(confirm=None, budget={"trials": 4}))
    run(ledger, most=1)
    said = hpo("enqueue", "toy", "k=5", "--set", "x=0.25", "colour=green")
    assert said.startswith("toy: trial 1 gets x=0.25 k=5 colour=green")
    assert "hpo worker --study toy" in said
    assert ledger.events(1)[0].what == "enqueued trial 1"
    assert "enqueued trial 1" in hpo("storage", "log")
    assert "1 enqueued, not begun; 1 enqueued by hand (hpo enqueue)" in hpo(
        "status", "toy"
    )
    (line,) = [text for text in hpo("trials", "toy").splitlines() if "enqueued" in text]
    assert line.split()[:2] == ["1", "waiting"]
    assert "0.25" in line
    record = json.loads(hpo("enqueue", "x=1", "--study", "toy", "--json", "k=3"))
    assert record == {
        "study": "toy",
        "trial": 2,
        "enqueued": {"x": 1.0, "k": 3},
        "state": "open",
    }
    run(ledger)
    trials = json.loads(hpo("trials", "--json"))["trials"]
    assert [t["enqueued"] for t in trials][2:] == [{"x": 1.0, "k": 3}, {}]
    said = "2 enqueued by hand (hpo enqueue)"
    assert said in page.html(ledger.result("toy"))
    ledger.register(toy_spec(name="other"))
    assert "name one of the studies: toy, other." in hpo("best", status=1)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            ["rate_per=1"],
            (
                "enqueued.rate_per: not a searched parameter. Did you mean"
                " 'rate_per_ns'? Valid: colour, k, rate_per_ns, x."
            ),
        ),
        (
            ["k=5", "x=1.5"],
            "enqueued.x: expected 0 to 1, as in space.x, got 1.5. Give another value.",
        ),
    ],
)
def test_what_is_no_point_of_the_space_is_refused(
    ledger: Ledger, hpo: Callable[..., str], given: list[str], text: str
) -> None:
    ledger.register(toy_spec())
    said = hpo("enqueue", "toy", *given, status=1)
    assert said.startswith("error: ")
    assert text in said
    assert not ledger.snapshot("toy").search
    assert len(ledger.events(9)) == 1


def refused(ledger: Ledger, study: str = "toy") -> str:
    with pytest.raises(HpoError) as error:
        interventions.enqueue(ledger, study, {"x": 0.5})
    assert isinstance(error.value, StudyError | SpecError)
    return str(error.value)


def test_a_study_that_takes_no_trial_says_why(ledger: Ledger) -> None:
    ledger.register(golden_spec("sweep"))
    assert (
        refused(ledger, "sweep")
        == "study 'sweep': it is a sweep, and its points are in its file. Launch one"
        " with other points under another name: --name NEW."
    )
    ledger.register(toy_spec("warm", warm_start={"points": [{"k": 7}]}))
    assert "the next trial, 0, is a point of [warm_start]. Enqueue again" in refused(
        ledger, "warm"
    )
    ledger.register(toy_spec(budget={"trials": 6, "window": 1}))
    interventions.stop(ledger, "toy")
    for number in range(6):
        assert interventions.enqueue(ledger, "toy", HUNCH) == number, (
            "a stopped study takes it"
        )
    assert (
        refused(ledger)
        == "study 'toy': all of budget.trials=6 have begun or are enqueued. Raise the"
        " budget first: hpo resume toy --trials 7."
    )
    ledger.register(toy_spec("ended", budget={"window": 1}, stop={"target": 0.9}))
    run(ledger, "ended")
    assert "[stop] has ended it before trial 4 (stop.target = 0.9: trial 3" in refused(
        ledger, "ended"
    )
    ledger.register(toy_spec("broken"))
    for _ in range(3):
        finish(ledger, claim(ledger, study="broken"), SlotState.FAILED)
    assert (
        refused(ledger, "broken")
        == "study 'broken': it has failed. See what to do: hpo status broken."
    )
