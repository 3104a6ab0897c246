"""Which bounds of the space the best trials lie at, and in which way trials ended
early."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import snapshots
from searches import reported

from hpo.study import effort
from hpo.study.bounds_reached import BoundReached
from hpo.study.effort import PruneReason
from hpo.study.result import Result
from hpo.study.trials import SlotState, Step
from hpo.views.sentences import formatting

SPACE: dict[str, Any] = {
    "x": {"low": 0.2, "high": 1.0},
    "k": {"low": 2, "high": 8},
    "rate_per_ns": {"low": 0.01, "high": 1.0, "log": True},
    "colour": {"choices": ["red", "green"]},
}
MIDDLE: dict[str, Any] = {"x": 0.6, "k": 5, "rate_per_ns": 0.1, "colour": "red"}


def bounds_reached(result: Result) -> list[BoundReached]:
    return list(result.bounds_reached)


def searched(
    best: list[dict[str, Any]],
    *,
    others: int = 40,
    space: dict[str, Any] = SPACE,
    **changes: Any,
) -> Result:
    """A search whose best trials have these parameters, best first, beside others in
    the middle."""
    at = [{**MIDDLE, **point} for point in best]
    at += [{**MIDDLE, "x": 0.4 + 0.4 * i / others} for i in range(others)]
    slots = [
        snapshots.slot(i, SlotState.COMPLETE, score=0.9 - 0.01 * i, params=params)
        for i, params in enumerate(at)
    ]
    return snapshots.snapshot(snapshots.spec(space=space, **changes), tuple(slots))


def rates(*values: float) -> list[dict[str, Any]]:
    return [
        {"rate_per_ns": value, "x": 0.5 + 0.001 * i} for i, value in enumerate(values)
    ]


LOW = rates(0.01, 0.0105, 0.01, 0.3, 0.0109)


WHOLE = [{"k": 2, "x": 0.5 + 0.01 * i} for i in range(5)]


@pytest.mark.parametrize(
    ("best", "space"),
    [
        (rates(0.012, 0.012, 0.012, 0.012, 0.012), {}),  # not near enough
        (rates(0.01, 0.01, 0.1, 0.2, 0.3), {}),  # two of five are not enough
        ([LOW[0]] * 5, {}),  # the same configuration counts once
        (
            [{**point, "k": 3} for point in WHOLE],
            {},
        ),  # a whole number lies at its end only
        (
            WHOLE,
            {"k": {"low": 2, "high": 3}},
        ),  # of two values one is the best by chance
    ],
)
def test_no_bound_is_named_where_few_lie_at_it(
    best: list[dict[str, Any]], space: dict[str, Any]
) -> None:
    assert bounds_reached(searched(best, space=SPACE | space)) == []


def test_of_many_trials_the_best_tenth_is_looked_at() -> None:
    (edge,) = bounds_reached(searched(rates(*[0.01] * 8), others=92))
    assert (edge.trials, edge.of) == (8, 10)


@pytest.mark.parametrize(
    ("changes", "others"),
    [({}, 14), ({"cost": {"name": "energy_pj"}, "pruner": None}, 40)],
)
def test_few_trials_and_a_front_say_nothing(
    changes: dict[str, Any], others: int
) -> None:
    assert bounds_reached(searched(LOW, others=others, **changes)) == []


def test_what_the_objective_forbids_is_not_proposed() -> None:
    """x and k end at 1 and 8 in the objective itself; x begins at 0."""
    high = [{"x": 1.0 - 0.001 * i, "k": 8} for i in range(5)]
    assert bounds_reached(searched(high)) == []
    low = [{"x": 0.2 + 0.001 * i} for i in range(5)]
    assert bounds_reached(searched(low))[0].widen == 0.0, (
        "half of the range below 0.2 would be below 0"
    )


def test_steps_are_kept_up_to_what_the_objective_allows() -> None:
    space = SPACE | {"x": {"low": 0.3, "high": 0.9, "step": 0.1}}
    best = [{"x": 0.9, "rate_per_ns": 0.1 + 0.01 * i} for i in range(5)]
    (edge,) = bounds_reached(searched(best, space=space))
    assert math.isclose(edge.widen, 1.0)


def test_trials_with_fewer_networks_come_after_the_complete_ones() -> None:
    network = (snapshots.member(0, (0.95,) * 30),)
    left = [
        snapshots.slot(
            i, SlotState.PRUNED, score=0.95, params=MIDDLE | point, members=network
        )
        for i, point in enumerate(LOW)
    ]
    cut = [
        snapshots.slot(
            i,
            SlotState.PRUNED,
            score=0.99,
            steps=reported(0.99),
            params=MIDDLE | {"x": i / 99},
        )
        for i in range(5, 25)
    ]
    spec = snapshots.spec(space=SPACE)
    assert bounds_reached(snapshots.snapshot(spec, (*left, *cut)))[0].trials == 4
    complete = [
        snapshots.slot(i, SlotState.COMPLETE, score=0.9, params=MIDDLE | {"x": i / 99})
        for i in range(25, 30)
    ]
    assert bounds_reached(snapshots.snapshot(spec, (*left, *cut, *complete))) == []


# --- in which way a trial ended early, and after how much training ---

CURVE = (0.1,) * 30
OTHERS = (SlotState.COMPLETE, SlotState.FAILED, SlotState.RUNNING)
NETWORKS = tuple(snapshots.member(i, CURVE) for i in range(2))


@pytest.mark.parametrize(
    ("changes", "facts", "ending", "after"),
    [
        *[({}, {"state": s, "steps": reported(*CURVE[:5])}, None, "") for s in OTHERS],
        ({}, {"steps": reported(*CURVE[:5])}, PruneReason.CURVE, "5 of 30 epochs"),
        (
            {"budget": {"trials": 60, "seeds": 3, "epochs": 30, "score_every": 4}},
            {"steps": (Step(0, 28, 0.1), Step(0, 30, 0.1))},
            PruneReason.NETWORKS,
            "1 of 3 networks",
        ),
        (
            {},
            {"steps": reported(*CURVE), "members": NETWORKS[:1]},
            PruneReason.NETWORKS,
            "1 of 3 networks",
        ),
        (
            {},
            {"steps": reported(*CURVE, 0.1, epochs=30), "members": NETWORKS},
            PruneReason.NETWORKS,
            "2 of 3 networks",
        ),
        ({}, {"steps": reported(*CURVE)}, PruneReason.NETWORKS, "1 of 3 networks"),
        ({}, {}, PruneReason.CURVE, ""),
    ],
)
def test_how_a_trial_ended_early(
    changes: dict[str, Any],
    facts: dict[str, Any],
    ending: PruneReason | None,
    after: str,
) -> None:
    spec, state = snapshots.spec(**changes), facts.pop("state", SlotState.PRUNED)
    slot = snapshots.slot(0, state, score=0.1, **facts)
    assert (effort.ending(spec, slot), formatting.after(spec, slot)) == (ending, after)


def test_an_excluded_trial_keeps_how_it_had_ended() -> None:
    spec, pruned = (
        snapshots.spec(),
        snapshots.slot(0, SlotState.PRUNED, steps=reported(*CURVE[:5])),
    )
    amendment = snapshots.amendment(SlotState.PRUNED, steps=reported(*CURVE[:5]))
    excluded = replace(pruned, state=SlotState.EXCLUDED, amendments=(amendment,))
    assert effort.ending(spec, excluded) == PruneReason.CURVE
    whole = replace(
        excluded, amendments=(replace(amendment, state=SlotState.COMPLETE),)
    )
    assert effort.ending(spec, whole) is None
