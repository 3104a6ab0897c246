"""How well scores are known, and which of two is ahead: against SciPy and closed forms."""

from __future__ import annotations

import math

import pytest
from scipy.special import stdtr
from scipy.stats import ttest_ind

from hpo.objectives import intervals
from hpo.objectives.intervals import Estimate, compare, effective, estimate

OURS, THEIRS = [0.93, 0.95, 0.94, 0.92], [0.90, 0.91, 0.92, 0.905, 0.90]


def test_seeds_and_sampling_stand_apart_and_together() -> None:
    both = estimate(OURS, 899)
    assert both.seeds == pytest.approx(0.00645, abs=1e-5)
    assert both.sampling == pytest.approx((0.935 * 0.065 / 899) ** 0.5, rel=0.01)
    assert both.error == pytest.approx(
        math.hypot(0.00645, intervals.sampling_error(0.935, 899)), abs=1e-5
    )
    assert both.interval == pytest.approx((0.9113, 0.9550), abs=1e-4)
    assert estimate([1.0], 15).interval == pytest.approx((0.796, 1.0), abs=1e-3)  # Wilson's
    assert estimate([0.4]).interval is None


def test_two_scores_are_compared_by_welch_and_sampling_makes_them_level() -> None:
    known = compare(estimate(OURS), estimate(THEIRS), maximize=True)
    assert known.p == pytest.approx(ttest_ind(OURS, THEIRS, equal_var=False).pvalue, abs=1e-6)
    assert known.relation == "ahead"
    assert compare(estimate(THEIRS), estimate(OURS), maximize=True).relation == "behind"
    assert compare(estimate(OURS), estimate(THEIRS), maximize=False).relation == "behind"
    assert compare(estimate(OURS, 899), estimate(THEIRS, 899), maximize=True).relation == "level"
    assert compare(estimate(OURS), Estimate(mean=0.9), maximize=True).relation == "ahead"
    assert compare(estimate([0.9]), estimate(THEIRS), maximize=True).relation is None
    huge, more = estimate([1e100, 1.1e100]), estimate([2e100, 2.1e100])
    assert compare(huge, more, maximize=True).relation == "behind"
    for freedom in (1.0, 2.5, 37.0, 1e9):
        for t in (0.0, 0.3, 2.0, 20.0):
            assert intervals.p_value(t, freedom) == pytest.approx(2 * stdtr(freedom, -t), abs=1e-5)


def test_networks_that_score_on_their_own_part_tell_as_much_as_so_many_series() -> None:
    assert effective(15, 50, 1) == pytest.approx(15)
    assert effective(15, 50, 3) == pytest.approx(1 / (1 / 50 + 0.7 / 45))
    assert effective(10, 50, 5, folds=5) == 50
    assert effective(10, 50, 2, folds=5) == 20
    assert effective(899, 899, 10) == pytest.approx(899)
    infos = [{"n_train": 40, "n_scored": 10}] * 5
    folded = intervals.estimate_networks([1.0, 0.7, 0.8, 0.9, 0.8], infos, validated=True, folds=5)
    assert folded.n_series == 50
    assert folded.seeds == 0.0, "single series of ten make networks of 84 % differ as much"
    tested = intervals.estimate_networks(
        [0.8, 0.9], [{"n_train": 50, "n_scored": 150}] * 2, validated=False
    )
    assert (tested.n_series, tested.seeds) == pytest.approx((150, 0.05))
