"""Importance of parameters and pairs, on functions whose answer is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import snapshots

from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from hpo.views.numbers import importance
from hpo.views.numbers.importance import Importance

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


def rate(params: Mapping[str, Any]) -> float:
    """From 0 to 1 along the logarithmic range."""
    return (math.log10(params["rate_per_ns"]) + 3.0) / 4.0


def shares(found: Importance) -> dict[tuple[str, ...], float]:
    return {pair.names: pair.share for pair in found.interactions}


def certain(found: Importance) -> set[tuple[str, ...]]:
    return {pair.names for pair in found.interactions if found.certain(pair)}


ADDITIVE: list[Function] = [
    lambda p: p["x"] + rate(p),
    lambda p: -((p["x"] - 0.3) ** 2) - (rate(p) - 0.6) ** 2,
    lambda p: p["x"] + 0.5 * (p["colour"] == "red"),
    lambda p: 0.0,
]


@pytest.mark.parametrize("function", ADDITIVE)
@pytest.mark.parametrize("seed", range(3))
def test_what_adds_up_does_not_interact(function: Function, seed: int) -> None:
    assert max(shares(measured(function, seed)).values()) < 0.05


TOGETHER: list[tuple[Function, tuple[str, str]]] = [
    (lambda p: float((p["x"] > 0.5) != (rate(p) > 0.5)), ("rate_per_ns", "x")),
    (lambda p: (p["x"] - 0.5) * (rate(p) - 0.5), ("rate_per_ns", "x")),
    (lambda p: p["x"] if p["colour"] == "red" else 1.0 - p["x"], ("colour", "x")),
    (lambda p: -((p["k"] / 8 - p["x"]) ** 2), ("k", "x")),
]


@pytest.mark.parametrize(("function", "pair"), TOGETHER)
@pytest.mark.parametrize("seed", range(3))
def test_what_matters_together_does(function: Function, pair: Any, seed: int) -> None:
    found = measured(function, seed)
    assert found.interactions[0].names == pair
    assert found.interactions[0].share > 0.3
    assert certain(found) == {pair}
    assert found.pairs(3)[0] == pair
    others = [share for names, share in shares(found).items() if names != pair]
    assert max(others) < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_parameters_that_matter_pass_chance_and_others_do_not_lead(seed: int) -> None:
    found = measured(lambda p: -3 * (p["x"] - 0.3) ** 2 + (p["colour"] == "red"), seed)
    assert {main.names for main in found.mains[:2]} == {("x",), ("colour",)}
    assert all(found.certain(main) for main in found.mains[:2])
    assert sum(main.share for main in found.mains[2:]) < 0.15
    assert math.isclose(sum(main.share for main in found.mains), 1.0)


def test_chance_is_passed_seldom_where_nothing_matters() -> None:
    """Ten studies, at 5 % for the parameters of each and for its pairs."""
    studies = [measured(lambda p: 0.0, seed, 100) for seed in range(10)]
    assert sum(found.certain(main) for found in studies for main in found.mains) <= 2
    assert sum(bool(certain(found)) for found in studies) <= 2


def test_what_is_minimised_is_turned_round() -> None:
    spec = snapshots.spec(reported=None, objective="toy_objective:ToyLossObjective")
    for kind, worth in ((spec, -1.0), (snapshots.spec(reported=None), 1.0)):
        found = importance.measure(drawn(lambda p, w=worth: w * p["x"] ** 8, 0, spec=kind))
        assert found.mains[0].names == ("x",)
        assert found.mains[0].share > 0.8


def test_trials_that_were_stopped_early_do_not_count() -> None:
    study: StudySnapshot = drawn(lambda p: p["x"], 0, importance.LEAST)
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


def test_a_share_by_hand() -> None:
    """Two bins of two: cell means 1.5, 5.5 | 7.5, 3.5 of the ranks 1 .. 8."""
    a, b = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 0, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.5, 0.6, 0.7, 0.8, 0.3, 0.4])
    share, p = importance.interaction(a, b, scores)
    # sum of squares: in all 42, in the cells 4 * 0.5 = 2, of the interaction 2 * 4 * 2² = 32
    assert math.isclose(share, (32 - 0.5) / (42 + 0.5))
    assert p < 0.01
