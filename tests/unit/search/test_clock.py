"""The clock of virtual workers: which trials a trial sees, as a pure function."""

from __future__ import annotations

import random
from heapq import heapify, heappop, heappush
from typing import Any

import pytest
from searches import reported
from workers import toy_spec

from hpo.search import clock
from hpo.search.history import visible
from hpo.search.pruners import next_end
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Step, Suggestion

HALVING = {"name": "successive-halving", "min_resource": 3, "reduction_factor": 2}
MEDIAN = {"name": "median", "n_warmup_steps": 4}


def spec_of(window: int = 3, **tables: Any) -> StudySpec:
    return toy_spec(budget={"window": window, "clock": True}, **tables)


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_a_trial_sees_what_has_ended_on_virtual_workers(workers: int) -> None:
    """Beside a simulation of these workers, event by event."""
    spec = spec_of(workers)
    draw = random.Random(workers)
    free = [(0.0, -1)] * workers
    heapify(free)
    trials: list[Past] = []
    ended: list[int] = []
    for number in range(60):
        began, freed_by = heappop(free)
        if freed_by >= 0:
            ended.append(freed_by)
        order = clock.order(spec, number, trials)
        assert order[: len(ended)] == ended
        assert order[len(ended) :] == sorted({*range(number)} - {*ended})
        assert began == (trials[ended[-1]].ends_at if ended else 0.0)
        end = began + draw.choice([1.0, 2.0, 2.0, 8.0])
        trials.append(trial(number, end))
        heappush(free, (end, number))


def trial(number: int, end: float) -> Past:
    return Past(
        suggestion=Suggestion(params={"x": number / 100}),
        state=SlotState.COMPLETE,
        score=0.5,
        steps=reported(0.5),
        ends_at=end,
    )


def test_of_a_trial_that_has_not_ended_the_outcome_is_hidden() -> None:
    trials = [trial(0, 9.0), trial(1, 4.0), trial(2, 5.0), trial(3, 7.0)]
    running = Past(suggestion=trials[0].suggestion, ends_at=6.0)
    spec = spec_of(3)
    seen = visible(spec, 4, trials)
    assert seen[:2] == trials[1:3]
    assert [past.score for past in seen[2:]] == [None, None]
    assert visible(spec, 4, [running, *trials[1:]]) == seen
    late = Past(suggestion=trials[1].suggestion, ends_at=4.0)
    with pytest.raises(ValueError, match="trial 1 must be finished before trial 4"):
        visible(spec, 4, [trials[0], late, *trials[2:]])


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("pruner", [HALVING, MEDIAN, {"name": "none"}])
def test_no_trial_ends_before_it_was_said_to(
    pruner: dict[str, Any], every: int, seeds: int
) -> None:
    budget = {"seeds": seeds, "epochs": 12, "score_every": every, "clock": True}
    spec = toy_spec(pruner=pruner, budget=budget)
    told = 0.0
    for network in range(seeds):
        for epoch in range(1, 13):
            steps = [Step(network, epoch, 0.5)]
            pruned, failed, running = (
                clock.ends_at(spec, 0.0, {}, steps, state)
                for state in (SlotState.PRUNED, SlotState.FAILED, SlotState.RUNNING)
            )
            assert told <= pruned <= failed == running <= 12 * seeds
            told = running
    assert clock.ends_at(spec, 1.0, {}, [], SlotState.COMPLETE) == 1.0 + 12 * seeds


@pytest.mark.parametrize(
    ("pruner", "ends"),
    [
        (HALVING, [3, 6, 12, 24]),
        (MEDIAN, [4, 5, 6, 7, 8, 9, 10, 11, 12, 24]),
        ({"name": "none"}, [24]),
    ],
)
def test_where_a_pruner_may_end_a_trial(
    pruner: dict[str, Any], ends: list[int]
) -> None:
    spec = toy_spec(pruner=pruner, budget={"seeds": 2, "epochs": 12})
    assert ends == sorted({next_end(spec, n, ended=False) for n in range(24)})


def test_small_batches_cost_more() -> None:
    spec = spec_of(pruner={"name": "none"})
    ends = [
        clock.ends_at(spec, 2.0, {"batch_size": size}, [], SlotState.COMPLETE)
        for size in (10, 100)
    ]
    assert ends == [2.0 + 12 * 2.0, 2.0 + 12 * 1.1]


def test_without_the_clock_trials_come_by_number() -> None:
    trials = [trial(0, 9.0), trial(1, 4.0)]
    assert clock.order(toy_spec(), 2, trials) == [0, 1]
    assert toy_spec(budget={"clock": False}).hash == toy_spec().hash
    assert toy_spec(budget={"clock": True}).hash != toy_spec().hash
