"""Importance of parameters, on functions whose answer is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import snapshots

from hpo.search.importance import LEAST, Share, measure_importance
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.figures import importance

Function = Callable[[Mapping[str, Any]], float]


def drawn(function: Function, n: int, seed: int = 0, **spec: Any) -> Result:
    """A study of random trials whose score is a function of its parameters, and a
    little noise."""
    rng = random.Random(seed)
    search = []
    for number in range(n):
        params = {
            "x": rng.random(),
            "k": rng.randint(1, 8),
            "rate_per_ns": 10.0 ** rng.uniform(-3, 1),
            "colour": rng.choice(["red", "green"]),
        }
        score = function(params) + rng.gauss(0.0, 0.02)
        search.append(
            snapshots.slot(number, SlotState.COMPLETE, score=score, params=params)
        )
    return snapshots.snapshot(snapshots.spec(reported=None, **spec), tuple(search))


def measure(result: Result) -> dict[str, Share] | None:
    """The shares as the report has them."""
    return measure_importance(result.spec, result.comparable)


@pytest.mark.parametrize("seed", range(3))
def test_parameters_that_matter_lead(seed: int) -> None:
    study = drawn(
        lambda p: -3 * (p["x"] - 0.3) ** 2 + (p["colour"] == "red"), 300, seed
    )
    shares = measure(study)
    assert {*shares} == {"x", "colour", "k", "rate_per_ns"}
    assert {*[*shares][:2]} == {"x", "colour"}
    assert sum(share.mean for share in [*shares.values()][2:]) < 0.15
    assert math.isclose(sum(share.mean for share in shares.values()), 1.0)
    (bars,) = importance.bars(shares).data
    assert bars.y == tuple(shares)
    assert bars.text == tuple(
        f"{100 * share.mean:.0f} ± {100 * share.std:.0f}" for share in shares.values()
    )


def test_fewer_trials_leave_more_uncertainty() -> None:
    few = measure(drawn(lambda p: p["x"], LEAST))
    many = measure(drawn(lambda p: p["x"], 100))
    assert next(iter(few)) == next(iter(many)) == "x"
    assert few["x"].std > 2 * many["x"].std > 0


def test_a_parameter_that_a_trial_lacks_has_no_share() -> None:
    first, *others = drawn(lambda p: p["x"], LEAST).search
    params = {name: value for name, value in first.params.items() if name != "k"}
    search = (replace(first, params=params), *others)
    shares = measure(snapshots.snapshot(snapshots.spec(), search))
    assert {*shares} == {"x", "colour", "rate_per_ns"}


def test_one_odd_score_among_equal_ones_is_enough() -> None:
    """Many resamples and trees see no difference at all."""
    study = drawn(lambda p: 0.0, LEAST)
    alike = [replace(trial, score=0.1) for trial in study.search]
    alike[3] = replace(alike[3], score=0.9)
    shares = measure(snapshots.changed(study, search=tuple(alike)))
    assert math.isclose(sum(share.mean for share in shares.values()), 1.0)


@pytest.mark.parametrize(
    ("objective", "worth"), [("ToyObjective", 1.0), ("ToyLossObjective", -1.0)]
)
def test_what_is_minimised_is_turned_round(objective: str, worth: float) -> None:
    study = drawn(
        lambda p: worth * p["x"] ** 8, 300, objective=f"toy_objective:{objective}"
    )
    assert measure(study)["x"].mean > 0.8


def test_too_few_say_nothing_and_those_that_were_stopped_early_do_not_count() -> None:
    study = drawn(lambda p: p["x"], LEAST)
    first = snapshots.slot(999, SlotState.PRUNED, score=99.0)
    more = snapshots.changed(study, search=(*study.search, first))
    assert measure(more) == measure(study) is not None
    fewer = snapshots.changed(study, search=(*study.search[1:], first))
    assert measure(fewer) is None
    alike = tuple(
        snapshots.slot(
            trial.number, SlotState.COMPLETE, score=0.1, params=dict(trial.params)
        )
        for trial in study.search
    )
    assert measure(snapshots.changed(study, search=alike)) is None
