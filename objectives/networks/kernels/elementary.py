"""Elementary functions on lanes, good to an ulp or two of float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from objectives.networks.kernels.compiling import inlined
from objectives.networks.kernels.simd import round_by_shift, times_power_of_two, where_less

ZERO, ONE, TWO = (np.float32(v) for v in (0.0, 1.0, 2.0))
_LOG2_E = np.float32(math.log2(math.e))
_LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts: k * high is exact
_LN2_LOW = np.float32(math.log(2.0) - 0.693359375)
_Q0, _Q1, _Q2, _Q3, _Q4 = (
    np.float32(c) for c in (0.5, 0.16666576, 0.041666552, 0.008363353, 0.00139264)
)
_TANH_IS_ONE = np.float32(10.0)


@inlined
def clip(x: Any, bound: Any) -> Any:
    """``x`` between -bound and bound; NaN becomes bound."""
    x = where_less(x, bound, x, bound)
    return where_less(x, -bound, -bound, x)


@inlined
def _reduced(z: Any) -> Any:
    """k + 1.5 * 2^23 with k = z / ln 2 rounded; r = z - k ln 2; p = (e^r - 1)/r; q = (p - 1)/r.

    q is a polynomial, interpolated at Chebyshev's points of abs(r) <= ln(2)/2: e^r = 1 + r p is
    then good to an ulp, p and q to 2e-7.
    """
    shifted, k = round_by_shift(z * _LOG2_E)
    r = z - k * _LN2_HIGH
    r = r - k * _LN2_LOW
    q = _Q3 + r * _Q4
    q = _Q2 + r * q
    q = _Q1 + r * q
    q = _Q0 + r * q
    p = ONE + r * q
    return shifted, r, p, q


@inlined
def exponential_parts(z: Any) -> Any:
    """exp(z), for abs(z) < 88, with p and q of its remainder r: see ``_reduced``; r = z near 0."""
    shifted, r, p, q = _reduced(z)
    return times_power_of_two(ONE + r * p, shifted), p, q


@inlined
def tanh(x: Any) -> Any:
    """tanh(x) = m / (m + 2) with m = exp(2 abs(x)) - 1, and the sign of x; good to 3 ulp.

    m = 2^k (e^r - 1) + (2^k - 1) is as exact near 0 as elsewhere. NaN stays NaN.
    """
    size = where_less(x, ZERO, ZERO - x, x)
    size = where_less(_TANH_IS_ONE, size, _TANH_IS_ONE, size)
    shifted, r, p, _ = _reduced(TWO * size)
    scale = times_power_of_two(ONE, shifted)
    m = scale * (r * p) + (scale - ONE)
    y = m / (m + TWO)
    return where_less(x, ZERO, ZERO - y, y)
