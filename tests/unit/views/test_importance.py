"""Importance of parameters, on functions whose answer is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import snapshots

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from hpo.views.figures import importance
from hpo.views.figures.importance import Importance
from hpo.views.palette import BLUE

Function = Callable[[Mapping[str, Any]], float]
N = 300


def drawn(function: Function, seed: int, n: int = N, *, spec: StudySpec | None = None) -> Any:
    """A study of random trials whose score is a function of its parameters, and a little noise."""
    spec = spec or snapshots.spec(reported=None)
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
        search.append(snapshots.slot(number, SlotState.COMPLETE, score=score, params=params))
    return snapshots.snapshot(spec, tuple(search))


def measured(function: Function, seed: int, n: int = N) -> Importance:
    found = importance.measure(drawn(function, seed, n))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_parameters_that_matter_pass_chance_and_others_do_not_lead(seed: int) -> None:
    found = measured(lambda p: -3 * (p["x"] - 0.3) ** 2 + (p["colour"] == "red"), seed)
    assert {effect.name for effect in found.effects[:2]} == {"x", "colour"}
    assert all(found.certain(effect) for effect in found.effects[:2])
    assert sum(effect.share for effect in found.effects[2:]) < 0.15
    assert math.isclose(sum(effect.share for effect in found.effects), 1.0)
    (bars,) = importance.bars(found).data
    assert {*bars.y[:2]} == {"x", "colour"}
    assert bars.marker.color[:2] == (BLUE, BLUE)
    assert bars.text == tuple(f"{value:.1f}" for value in bars.x)


def test_chance_is_passed_seldom_where_nothing_matters() -> None:
    """Ten studies, at 5 % for the parameters of each."""
    studies = [measured(lambda p: 0.0, seed, 100) for seed in range(10)]
    assert sum(found.certain(effect) for found in studies for effect in found.effects) <= 2


def test_what_is_minimised_is_turned_round() -> None:
    spec = snapshots.spec(reported=None, objective="toy_objective:ToyLossObjective")
    for kind, worth in ((spec, -1.0), (snapshots.spec(reported=None), 1.0)):
        found = importance.measure(drawn(lambda p, w=worth: w * p["x"] ** 8, 0, spec=kind))
        assert found.effects[0].name == "x"
        assert found.effects[0].share > 0.8


def test_trials_that_were_stopped_early_do_not_count() -> None:
    study: Result = drawn(lambda p: p["x"], 0, importance.LEAST)
    first = snapshots.slot(999, SlotState.PRUNED, score=99.0)
    more = snapshots.snapshot(study.spec, (*study.search, first))
    assert importance.measure(more) == importance.measure(study)


def test_too_few_say_nothing() -> None:
    assert importance.measure(drawn(lambda p: p["x"], 0, importance.LEAST - 1)) is None
    assert importance.measure(drawn(lambda p: p["x"], 0, importance.LEAST)) is not None
    alike = [
        snapshots.slot(n, SlotState.COMPLETE, score=0.1, params={**s.params})
        for n, s in enumerate(drawn(lambda p: 0.0, 0).search)
    ]
    assert importance.measure(snapshots.snapshot(snapshots.spec(), tuple(alike))) is None
