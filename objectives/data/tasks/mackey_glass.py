"""Mackey-Glass: predict a chaotic series from its past::

    dx/dt = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x(t)

After x(t) the target of the readout is x(t + horizon). Before the beginning x was
constant; the first ``TRANSIENT`` time units are left out.

M. C. Mackey and L. Glass, Oscillation and chaos in physiological control systems,
Science 197, 287 (1977). NeuroBench (J. Yik et al., The NeuroBench framework for
benchmarking neuromorphic computing algorithms and systems, Nat. Commun. 16, 1545
(2025)) trains networks to predict one point ahead and then feeds them their own
predictions, as ``benchmarks/accuracy/closedloop.py`` does. Here, every prediction is
made from the true past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .series import GeneratedParams, Series

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BETA = 0.2
GAMMA = 0.1
PAST = 0.9
"""x before the beginning."""
STEPS = 20
"""Integration steps in a time unit: over 500 units, x is exact to 1e-8."""
TRANSIENT = 1000


def mackey_glass(n: int, *, delay: int) -> NDArray[np.float64]:
    """Return x(0) to x(n) at whole time units."""
    return solution(n, delay=delay)[::STEPS]


def solution(n: int, *, delay: int, past: float = PAST) -> NDArray[np.float64]:
    """Return x(0) to x(n), ``STEPS`` values per time unit; ``past`` is x before the
    beginning.

    Integrate by the classical Runge-Kutta method. The delayed value in the middle of a
    step comes from the cubic through values and slopes at its ends (Hermite): the order
    is four. Plain sums and products give the same bits on every machine.
    """
    import numpy as np

    h = 1.0 / STEPS
    lag = delay * STEPS
    xs = [past]
    slopes = [0.0]
    x = past
    for k in range(n * STEPS):
        at = k - lag
        start = middle = end = past
        if at >= -1:
            end = xs[at + 1]
        if at >= 0:
            start = xs[at]
            middle = 0.5 * (start + end) + 0.125 * h * (slopes[at] - slopes[at + 1])
        push_middle = _push(middle)
        push_end = _push(end)
        k1 = _push(start) - GAMMA * x
        k2 = push_middle - GAMMA * (x + 0.5 * h * k1)
        k3 = push_middle - GAMMA * (x + 0.5 * h * k2)
        k4 = push_end - GAMMA * (x + h * k3)
        slopes[k] = k1
        x += h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
        xs.append(x)
        slopes.append(push_end - GAMMA * x)
    return np.array(xs)


def _push(x: float) -> float:
    square = x * x
    fourth = square * square
    return BETA * x / (1.0 + fourth * fourth * square)


class MackeyGlassParams(GeneratedParams):
    """The ``[task]`` table of a study on the Mackey-Glass series."""

    name: Literal["mackey-glass"] = "mackey-glass"
    delay: int = Field(
        default=17, ge=2, le=100, description="delay of the equation, in time units"
    )
    interval: int = Field(
        default=1, ge=1, le=100, description="time units from one point to the next"
    )
    horizon: int = Field(
        default=1, ge=1, le=1000, description="points to predict ahead"
    )

    def series(self) -> Series:
        """See ``SeriesParams``."""
        n = self.washout + self.n_train + self.n_test
        units = TRANSIENT + self.interval * (n + self.horizon)
        x = mackey_glass(units, delay=self.delay)[TRANSIENT :: self.interval, None]
        return Series(
            u=x[:n], target=x[self.horizon : n + self.horizon], n_test=self.n_test
        )
