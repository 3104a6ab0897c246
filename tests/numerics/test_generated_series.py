"""NARMA10 by its recursion; Mackey-Glass against an independent, accurate
integration."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from hpo.objectives.data.tasks.mackey_glass import (
    PAST,
    TRANSIENT,
    MackeyGlassParams,
    mackey_glass,
)
from hpo.objectives.data.tasks.narma10 import Narma10Params, narma10


def test_narma10_is_the_recursion_of_its_paper() -> None:
    u = np.random.default_rng(0).uniform(0.0, 0.5, 200)
    y = narma10(u)
    assert len(y) == 201
    assert y[:2].tolist() == [0.0, 0.1], "from rest, before u(-9) is there"
    for t in range(9, 200):
        wanted = (
            0.3 * y[t]
            + 0.05 * y[t] * y[t - 9 : t + 1].sum()
            + 1.5 * u[t - 9] * u[t]
            + 0.1
        )
        assert y[t + 1] == pytest.approx(wanted, rel=1e-12)


def test_the_target_of_narma10_is_its_next_point() -> None:
    task = Narma10Params(series_seed=3, washout=20, n_train=100, n_test=100)
    series = task.series()
    assert series.u.shape == series.target.shape == (220, 1)
    assert 0.0 <= series.u.min() < 0.02
    assert 0.48 < series.u.max() < 0.5
    assert np.array_equal(narma10(series.u[:, 0])[1:], series.target[:, 0])
    assert not np.array_equal(
        series.u, task.model_copy(update={"series_seed": 4}).series().u
    )


def test_an_input_that_drives_narma10_to_infinity_is_replaced() -> None:
    longest = Narma10Params(n_train=100_000, n_test=100)
    for seed in range(2):  # one in a hundred of 3,000 points diverges
        target = (
            longest.model_copy(update={"series_seed": seed, "n_train": 20_000})
            .series()
            .target
        )
        assert np.isfinite(target).all()
        assert target.max() < 2.0


def by_scipy(n: int, delay: int) -> NDArray[np.float64]:
    """x(1) to x(n): a delay at a time, each by DOP853 with the solution of the one
    before."""
    pieces: list[object] = []

    def past(t: float) -> float:
        if t <= 0.0:
            return PAST
        piece: object = pieces[min(int(t // delay), len(pieces) - 1)]
        return float(piece(t)[0])  # type: ignore[operator]

    def slope(t: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
        delayed = past(t - delay)
        return 0.2 * delayed / (1.0 + delayed**10) - 0.1 * x

    x = np.array([PAST])
    how = {
        "method": "DOP853",
        "rtol": 1e-12,
        "atol": 1e-14,
        "dense_output": True,
        "max_step": 1.0,
    }
    for k in range(-(-n // delay)):
        found = solve_ivp(slope, (k * delay, (k + 1) * delay), x, **how)
        pieces.append(found.sol)
        x = found.y[:, -1]
    return np.array([past(t) for t in range(1, n + 1)])


@pytest.mark.parametrize("delay", [17, 30])
def test_mackey_glass_agrees_with_scipy(delay: int) -> None:
    found = mackey_glass(500, delay=delay)
    assert found[0] == PAST
    np.testing.assert_allclose(found[1:], by_scipy(500, delay), rtol=0, atol=1e-8)


def test_mackey_glass_is_predicted_ahead_at_the_interval_asked_for() -> None:
    task = MackeyGlassParams(interval=3, horizon=5, washout=10, n_train=100, n_test=100)
    x = mackey_glass(TRANSIENT + 3 * 215, delay=17)[TRANSIENT::3]
    series = task.series()
    assert np.array_equal(series.u[:, 0], x[:210])
    assert np.array_equal(series.target[:, 0], x[5:215])
