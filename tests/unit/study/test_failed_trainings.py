"""Trainings that failed are told from others by a gap in the training losses."""

from __future__ import annotations

import math
import random

import pytest

from hpo.study.failed_trainings import find_failed

CHIRPS = [0.52, 0.0009, 0.9, 0.11, 0.004, 1.13, 0.02, 0.07, 0.71, 0.03]
"""Last losses of ten networks on three classes; those at 0.52 or more do not learn."""
SCORES = [0.34, 0.97, 0.5, 0.83, 0.95, 0.34, 0.96, 0.88, 0.41, 0.95]


def curves(*last: float, first: float = 1.1) -> list[tuple[float, float]]:
    return [(first, loss) for loss in last]


def test_networks_that_keep_their_loss_have_failed() -> None:
    found = find_failed(curves(*CHIRPS), SCORES)
    assert found is not None
    assert found.failed == (0, 2, 5, 8)
    assert (found.least_loss, found.largest_loss) == (0.52, 0.11)
    assert found.others == (0.97, 0.83, 0.95, 0.96, 0.88, 0.95)
    assert found.mean == pytest.approx(0.9233, abs=1e-4)


@pytest.mark.parametrize(
    "last",
    [
        [0.3, 0.31, 0.35, 0.4, 0.42, 0.5, 0.55, 0.6, 0.7, 0.8],  # a hard task
        [1.09] * 10,  # none of them learns
        [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.01, 0.02, 0.02, 0.05, 0.3],  # all learn
        [0.01, 0.02, 0.2, 0.4],  # no clean gap
        [math.inf, math.nan],
    ],
)
def test_without_a_gap_none_has_failed(last: list[float]) -> None:
    assert find_failed(curves(*last), [0.9] * len(last)) is None


def test_a_loss_that_is_not_finite_has_failed() -> None:
    found = find_failed(curves(0.2, 0.3, math.nan, math.inf), [0.9, 0.8, 0.1, 0.1])
    assert found is not None
    assert found.failed == (2, 3)


def test_a_loss_that_is_large_at_first_hides_no_failure() -> None:
    """As with a large learning rate; three classes have ln 3."""
    assert find_failed(curves(*CHIRPS, first=4.0), SCORES) is None
    found = find_failed(curves(*CHIRPS, first=4.0), SCORES, chance=1 / 3)
    assert found is not None
    assert found.failed == (0, 2, 5, 8)


def test_networks_without_losses_are_not_judged() -> None:
    assert find_failed([(), ()], [0.9, 0.1]) is None
    assert find_failed([], []) is None


def test_a_loss_that_is_not_finite_at_first_hides_no_failure() -> None:
    losses = [(math.nan, math.nan), *curves(0.2, 0.3, 0.2)]
    found = find_failed(losses, [0.1, 0.9, 0.8, 0.9])
    assert found is not None
    assert found.failed == (0,)


def test_a_training_of_one_epoch_keeps_the_loss_that_it_began_with() -> None:
    """As a readout that is fitted once: a loss five times another is no failure."""
    assert find_failed([(1e-3,), (1e-3,), (2e-4,)], [0.2, 0.2, 0.1]) is None


@pytest.mark.parametrize("median", [0.003, 0.03, 0.1])
def test_ten_networks_that_scatter_raise_hardly_an_alarm(median: float) -> None:
    """Losses that scatter by a factor of 1.8 (logarithmically normal)."""
    draw = random.Random(1)
    alarms = 0
    for _ in range(1000):
        last = [median * math.exp(draw.gauss(0.0, 0.6)) for _ in range(10)]
        alarms += find_failed(curves(*last), [0.9] * 10) is not None
    assert alarms <= 5
