"""What the simplest things score, and how well scores are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtr
from scipy.stats import ttest_ind

from hpo import objectives
from hpo.contract import Baseline
from hpo.objectives import baselines
from hpo.objectives.baselines import linear
from hpo.objectives.baselines.classification import find_nearest
from hpo.objectives.data.tasks.narma10 import Narma10Params
from hpo.objectives.data.tasks.sequential_digits import SequentialDigitsParams
from hpo.objectives.training import ridge
from hpo.statistics import intervals
from hpo.statistics.intervals import Estimate, compare, effective, estimate

DIGITS = SequentialDigitsParams()


def found(name: str, task: Any, **params: Any) -> dict[str, Baseline]:
    objective = objectives.load(name)
    own = baselines.measure(objective, iter([objective.Params(**params)]), task, seed=3)
    return {one.name: one for one in own}


def test_of_digits_a_pure_function_of_task_seed_and_neurons() -> None:
    digits = found("ctrnn", DIGITS, layers=2, width=8)
    assert (
        found("hpo.objectives.baselines.gru:GruObjective", DIGITS, layers=1, width=16)
        == digits
    )
    assert digits["chance"] == Baseline(name="chance", score=0.1, is_chance=True)
    assert 0.1 < digits["majority class"].score < 0.11
    assert 0.95 < digits["linear model of the raw series"].score < 0.98
    assert 0.97 < digits["nearest neighbour"].score < 0.995
    last = digits["ESN of 16 units, last state"]
    assert (last.n, last.n_scored, last.is_like, bool(last.std)) == (5, 899, True, True)
    assert 0.3 < last.score < digits["ESN of 16 units, last and mean state"].score < 0.9


def test_the_nearest_neighbour_of_a_long_series_is_that_of_all_its_points() -> None:
    time = np.arange(2000)
    pair = np.stack([np.cos(np.pi * time), np.cos(np.pi * (time + 1))])[:, :, None]
    assert find_nearest(pair, np.array([0, 1]), pair[::-1]).tolist() == [1, 0]


def test_of_narma10_with_squares_where_the_readout_has_them() -> None:
    task = Narma10Params(n_train=1000, n_test=500)
    own = found("spintronic-prediction", task, layers=1, width=30, readout_powers=2)
    assert own["mean of the target"].score == pytest.approx(1.0, abs=0.05)
    assert [
        round(one.score, 1) for name, one in own.items() if "delay line" in name
    ] == [0.4, 0.4]
    assert {"ESN of 30 units", "ESN of 30 units, with squares"} <= own.keys()


@pytest.mark.parametrize("shape", [(30, 4), (6, 20)])  # by either Gram matrix
def test_all_penalties_at_once_fit_what_ridge_does(shape: tuple[int, int]) -> None:
    x, d, z = (
        np.random.default_rng(0).normal(size=size)
        for size in (shape, shape, (3, shape[1]))
    )
    x -= x.mean(0)
    for found, penalty in zip(linear.ridge(x, z, d, [0.1, 2]), [0.1, 2], strict=True):
        weights, bias = ridge.fit(x, d, penalty)
        np.testing.assert_allclose(found, z @ weights.T + bias, atol=1e-10)
    near, off = np.c_[x, x + 1e-6 * d].astype(np.float32), np.c_[z, -z]
    (found,) = linear.ridge(near, off, d, [1e-8])  # nothing is known of the difference
    assert np.abs(found - d.mean(0)).max() < 0.05


# --- standard errors and comparisons: against SciPy and closed forms ---

OURS, THEIRS = [0.93, 0.95, 0.94, 0.92], [0.90, 0.91, 0.92, 0.905, 0.90]


def test_seeds_and_sampling_stand_apart_and_together() -> None:
    both = estimate(OURS, 899)
    assert both.seeds == pytest.approx(0.00645, abs=1e-5)
    assert both.sampling == pytest.approx((0.935 * 0.065 / 899) ** 0.5, rel=0.01)
    assert both.error == pytest.approx(
        math.hypot(0.00645, intervals.sampling_error(0.935, 899)), abs=1e-5
    )
    assert both.interval == pytest.approx((0.9113, 0.9550), abs=1e-4)
    assert estimate([1.0], 15).interval == pytest.approx(
        (0.796, 1.0), abs=1e-3
    )  # Wilson's
    assert estimate([0.4]).interval is None


def test_two_scores_are_compared_by_welch_and_sampling_makes_them_level() -> None:
    known = compare(estimate(OURS), estimate(THEIRS), maximize=True)
    assert known.p == pytest.approx(
        ttest_ind(OURS, THEIRS, equal_var=False).pvalue, abs=1e-6
    )
    assert known.relation == "ahead"
    assert compare(estimate(THEIRS), estimate(OURS), maximize=True).relation == "behind"
    assert (
        compare(estimate(OURS), estimate(THEIRS), maximize=False).relation == "behind"
    )
    assert (
        compare(estimate(OURS, 899), estimate(THEIRS, 899), maximize=True).relation
        == "level"
    )
    assert (
        compare(estimate(OURS), Estimate(mean=0.9), maximize=True).relation == "ahead"
    )
    assert compare(estimate([0.9]), estimate(THEIRS), maximize=True).relation is None
    huge, more = estimate([1e100, 1.1e100]), estimate([2e100, 2.1e100])
    assert compare(huge, more, maximize=True).relation == "behind"
    for freedom in (1.0, 2.5, 37.0, 1e9):
        for t in (0.0, 0.3, 2.0, 20.0):
            assert intervals.p_value(t, freedom) == pytest.approx(
                2 * stdtr(freedom, -t), abs=1e-5
            )


def test_networks_that_score_on_their_own_part_tell_as_much_as_so_many_series() -> None:
    assert effective(15, 50, 1) == pytest.approx(15)
    assert effective(15, 50, 3) == pytest.approx(1 / (1 / 50 + 0.7 / 45))
    assert effective(10, 50, 5, folds=5) == 50
    assert effective(10, 50, 2, folds=5) == 20
    assert effective(899, 899, 10) == pytest.approx(899)
    infos = [{"n_train": 40, "n_scored": 10}] * 5
    folded = intervals.estimate_networks(
        [1.0, 0.7, 0.8, 0.9, 0.8], infos, validated=True, folds=5
    )
    assert folded.n_series == 50
    assert folded.seeds == 0.0, (
        "single series of ten make networks of 84 % differ as much"
    )
    tested = intervals.estimate_networks(
        [0.8, 0.9], [{"n_train": 50, "n_scored": 150}] * 2, validated=False
    )
    assert (tested.n_series, tested.seeds) == pytest.approx((150, 0.05))
