"""What the simplest things score: values that are known, and what they may depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpo import objectives
from hpo.objectives import baselines, ridge
from hpo.objectives.contract import Baseline
from hpo.objectives.tasks.narma10 import Narma10Params
from hpo.objectives.tasks.sequential_digits import SequentialDigitsParams

DIGITS = SequentialDigitsParams()


def found(name: str, task: Any, **params: Any) -> dict[str, Baseline]:
    objective = objectives.load(name)
    own = baselines.measure(objective, iter([objective.Params(**params)]), task, seed=3)
    return {one.name: one for one in own}


def test_of_digits_a_pure_function_of_task_seed_and_neurons() -> None:
    digits = found("ctrnn", DIGITS, layers=2, width=8)
    assert found("hpo.objectives.gru:GruObjective", DIGITS, layers=1, width=16) == digits
    assert digits["chance"] == Baseline(name="chance", score=0.1, is_chance=True)
    assert 0.1 < digits["majority class"].score < 0.11
    assert 0.95 < digits["linear model of the raw series"].score < 0.98
    assert 0.97 < digits["nearest neighbour"].score < 0.995
    last = digits["ESN of 16 units, last state"]
    assert (last.n, last.n_scored, last.is_like, bool(last.std)) == (5, 899, True, True)
    assert 0.3 < last.score < digits["ESN of 16 units, last and mean state"].score < 0.9


def test_of_narma10_with_squares_where_the_readout_has_them() -> None:
    task = Narma10Params(n_train=1000, n_test=500)
    own = found("spintronic-prediction", task, layers=1, width=30, readout_powers=2)
    assert own["mean of the target"].score == pytest.approx(1.0, abs=0.05)
    assert [round(one.score, 1) for name, one in own.items() if "delay line" in name] == [0.4, 0.4]
    assert {"ESN of 30 units", "ESN of 30 units, with squares"} <= own.keys()


@pytest.mark.parametrize("shape", [(30, 4), (6, 20)])  # by either Gram matrix
def test_all_penalties_at_once_fit_what_ridge_does(shape: tuple[int, int]) -> None:
    x, d, z = (np.random.default_rng(0).normal(size=size) for size in (shape, shape, (3, shape[1])))
    x -= x.mean(0)
    for found, penalty in zip(baselines._ridge(x, d, z, [0.1, 2]), [0.1, 2], strict=True):
        weights, bias = ridge.fit(x, d, penalty)
        np.testing.assert_allclose(found, z @ weights.T + bias, atol=1e-10)
    near, off = np.c_[x, x + 1e-6 * d].astype(np.float32), np.c_[z, -z]
    (found,) = baselines._ridge(near, d, off, [1e-8])  # nothing is known of the difference
    assert np.abs(found - d.mean(0)).max() < 0.05
