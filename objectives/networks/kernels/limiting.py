"""Limits of the drive on lanes, with their slopes.

docs/explanation/equations.md, "Limit of the drive"; ``devices.Device.limit_drive`` is
the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .compiling import inline
from .elementary import ONE, ZERO, exponential_parts
from .simd import absolute, copysign, fma, where_less

NONE, SMOOTH, HARD = range(3)
KINDS = {"none": NONE, "smooth": SMOOTH, "hard": HARD}
"""Limits by the names that a device has for them."""
_LARGEST = np.float32(40.0)
"""Beyond it, tanh is 1 and its slope e^-80."""
_FOUR = np.float32(4.0)


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
    """Return middle + half tanh(x), x = (drive - middle) / half, and its slope.

    With e = exp(-2 abs(x)), tanh(abs(x)) = (1 - e) / (1 + e), and its slope 4 e / (1 +
    e)^2, which is good far in saturation, too.
    """
    x = (drive - middle) * inverse
    size = absolute(x)
    size = where_less(_LARGEST, size, _LARGEST, size)
    e, _, _ = exponential_parts(-(size + size))
    ratio = ONE / (ONE + e)
    share = copysign((ONE - e) * ratio, x)
    return fma(half, share, middle), _FOUR * e * (ratio * ratio)


@inline
def limit_hard(drive: Any, low: Any, high: Any, unused: Any) -> Any:
    """Return a drive between its bounds, and its slope; NaN stays NaN."""
    slope = where_less(drive, low, ZERO, where_less(high, drive, ZERO, ONE))
    limited = where_less(drive, low, low, drive)
    return where_less(high, limited, high, limited), slope
