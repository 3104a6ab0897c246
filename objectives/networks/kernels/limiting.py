"""Limits of the drive on lanes, with their slopes.

docs/explanation/equations.md, "Limit of the drive"; ``devices.Device.limit_drive`` is
the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiling import inline
from .elementary import ONE, ZERO
from .simd import fma, polynomial, where_less

NONE, SMOOTH, HARD = range(3)
KINDS = {"none": NONE, "smooth": SMOOTH, "hard": HARD}
"""Limits by the names that a device has for them."""
N_CONSTANTS = 3
"""Constants of a limit: see ``limit_constants``."""
_LARGEST = np.float32(7.6)
"""Where tanh is 1 - 5e-7."""
# a rational function of x^2, fitted to tanh(x) / x for x up to _LARGEST: the highest
# powers first
_ABOVE = tuple(
    map(
        np.float32,
        (-6.5141306e-9, 7.3545039e-6, 2.7204107e-3, 0.12735106, 0.99999940),
    )
)
_BELOW = tuple(map(np.float32, (1.9991925e-4, 2.2950302e-2, 0.46068209, 1.0)))


def limit_constants(kind: int, low: Any, high: Any) -> list[NDArray[np.float64]]:
    """Return the constants of ``limit_smooth`` or ``limit_hard``, from the bounds.

    They are middle, half and its inverse; or low and high, and zero.
    """
    if kind == HARD:
        return [low, high, 0.0 * low]
    half = (high - low) / 2.0
    return [(high + low) / 2.0, half, 1.0 / half]


@inline
def limit_smooth(drive: Any, middle: Any, half: Any, inverse: Any) -> Any:
    """Return middle + half tanh((drive - middle) / half), and its slope.

    Good to 7e-7 of half the width: half the cost of ``elementary.tanh``.
    """
    x = (drive - middle) * inverse
    x = where_less(_LARGEST, x, _LARGEST, where_less(x, -_LARGEST, -_LARGEST, x))
    square = x * x
    share = x * polynomial(square, _ABOVE) / polynomial(square, _BELOW)
    return fma(half, share, middle), fma(-share, share, ONE)


@inline
def limit_hard(drive: Any, low: Any, high: Any, unused: Any) -> Any:
    """Return a drive between its bounds, and its slope; NaN stays NaN."""
    slope = where_less(drive, low, ZERO, where_less(high, drive, ZERO, ONE))
    limited = where_less(drive, low, low, drive)
    return where_less(high, limited, high, limited), slope
