"""The steps of a neuron in the kernels: each result in float32 against many digits."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from networks import Floats
from numpy.typing import NDArray

from objectives.networks.kernels.compiling import kernel
from objectives.networks.kernels.simd import load, store
from objectives.networks.kernels.sizes import WIDTH
from objectives.networks.kernels.steps import warm_step

Singles = NDArray[np.float32]


@kernel
def _warm(x: Any, drive: Any, g: Any, k: Any, found: Any) -> None:
    for i in range(0, len(x), WIDTH):
        lanes = load(x, i, WIDTH), load(drive, i, WIDTH), load(g, i, WIDTH), load(k, i, WIDTH)
        after, slope_x, slope_drive = warm_step(*lanes)
        store(found, i, after)
        store(found, len(x) + i, lanes[0] * slope_x)
        store(found, 2 * len(x) + i, slope_drive)


def warm(*arguments: Floats) -> tuple[list[Singles], Floats]:
    """x, drive, g and k as they are in float32, and what the kernel makes of them, (3, n)."""
    singles = [np.asarray(values, np.float32) for values in arguments]
    found = np.empty((3, len(singles[0])), np.float32)
    _warm(*singles, found.reshape(-1))
    return singles, found.astype(float)


def exact(x: Any, drive: Any, g: Any, k: Any) -> list[float]:
    """x', d ln x'/d ln x and d ln x'/d(drive), with differences of 1e-25 of 60 digits."""
    with mpmath.workdps(60):
        x, drive, g, k = (mpmath.mpf(float(value)) for value in (x, drive, g, k))

        def after(x: Any, drive: Any) -> Any:
            z = drive - g
            w = mpmath.sqrt(z * z / 4 + drive * k)
            c, s = mpmath.cosh(w), mpmath.sinh(w) / w
            return (x * c + (k + x * z / 2) * s) / (c + (drive * x - z / 2) * s)

        little = mpmath.mpf(10) ** -25
        end = after(x, drive)
        by_x = after(x * (1 + little), drive) - after(x * (1 - little), drive)
        by_drive = after(x, drive + little) - after(x, drive - little)
        return [float(v) for v in (end, *(d / (2 * little * end) for d in (by_x, by_drive)))]


@pytest.mark.parametrize("thermal_power", [(1e-12, 1e-6), (1e-6, 1e-3), (1e-3, 0.1)], ids=str)
def test_a_warm_step_is_good_to_2e_6(thermal_power: tuple[float, float]) -> None:
    """From far below the thermal power to 1, and from inhibition to drives of 30 in a step.

    Half of the drives are near the threshold, g, down to the last digit.
    """
    random, n = np.random.default_rng(1), 1600

    def between(low: float, high: float) -> Floats:
        return 10.0 ** random.uniform(math.log10(low), math.log10(high), n)

    def either(one: Floats, other: Floats) -> Floats:
        return np.where(random.random(n) < 0.5, one, other)

    x = either(between(1e-15, 1), 1 - between(1e-6, 1)).clip(1e-15, 1 - 1e-6)
    g = between(1e-4, 10)
    size, near = between(1e-6, 30), between(1e-8, 2)
    drive = either(either(size, -size), g * (1 + either(near, -near)))
    drive[:32] = g[:32].astype(np.float32)
    arguments, found = warm(x, drive, g, g * between(*thermal_power))
    wanted = np.array([exact(*own) for own in zip(*arguments, strict=True)]).T
    counts = np.abs(wanted) > 1e-30  # beyond, float32 has no digits
    assert counts.mean() > 0.99
    assert np.abs(found / wanted - 1)[counts].max() < 2.5e-6
    assert (np.abs(found)[~counts] < 1.1e-30).all()
