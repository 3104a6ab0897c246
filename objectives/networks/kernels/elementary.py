"""Elementary functions of lanes or of one float32, good to an ulp or two.

Each consists of additions, multiplications, divisions, roots (rounded as in IEEE 754)
and ``fma``:
its bits are the same on every processor. NaN stays NaN.
tests/numerics/test_elementary.py measures the errors on dense grids.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .compiling import inline
from .simd import (
    absolute,
    by_quadrant,
    copysign,
    exponent,
    fma,
    polynomial,
    times_power_of_two,
    where_less,
)

ZERO, HALF, ONE, TWO = (np.float32(v) for v in (0.0, 0.5, 1.0, 2.0))
_INFINITE = np.float32(math.inf)
_NAN = np.float32(math.nan)
_LEAST = np.float32(2.0**-126)  # least normal number
_LOG2_E = np.float32(math.log2(math.e))
_LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts: k * high is exact
_LN2_LOW = np.float32(math.log(2.0) - 0.693359375)
# polynomials, the highest power first
_Q = tuple(map(np.float32, (0.00139264, 0.008363353, 0.041666552, 0.16666576, 0.5)))
_LARGEST_EXPONENT = np.float32(88.72284)  # ln of the largest float32
_LEAST_EXPONENT = np.float32(-87.33654)  # ln of the least one that is normal
_TANH_IS_ONE = np.float32(10.0)
# from S. L. Moshier's Cephes: logf, sinf and cosf
_L = tuple(
    map(
        np.float32,
        (
            7.0376836292e-2,
            -1.1514610310e-1,
            1.1676998740e-1,
            -1.2420140846e-1,
            1.4249322787e-1,
            -1.6668057665e-1,
            2.0000714765e-1,
            -2.4999993993e-1,
            3.3333331174e-1,
        ),
    )
)
_S = tuple(map(np.float32, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)))
_C = tuple(
    map(np.float32, (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2))
)
_QUARTERS = np.float32(2.0 / math.pi)
# pi/2 in three parts of 24 digits
_QUARTER = np.float32(math.pi / 2.0)
_QUARTER_LOW = np.float32(-4.371139000186241e-8)
_QUARTER_LOWEST = np.float32(-1.7151245100058819e-15)
_LARGEST_ANGLE = np.float32(2.0**22)
_SHIFT = np.float32(1.5 * 2.0**23)
"""Added to a number up to 2^22, it leaves the nearest integer in the low bits."""


@inline
def clip(x: Any, bound: Any) -> Any:
    """Return ``x`` between -bound and bound; NaN becomes bound."""
    x = where_less(x, bound, x, bound)
    return where_less(x, -bound, -bound, x)


@inline
def _reduce_exponent(z: Any) -> Any:
    """Return k + 1.5 * 2^23, r = z - k ln 2, p = (e^r - 1)/r and q = (p - 1)/r.

    k is z / ln 2, rounded to an integer. q is a polynomial, interpolated at Chebyshev's
    points of abs(r) <= ln(2)/2: e^r = 1 + r p is then good to an ulp, p and q to 2e-7.
    """
    shifted = z * _LOG2_E + _SHIFT
    k = shifted - _SHIFT
    r = fma(-k, _LN2_LOW, fma(-k, _LN2_HIGH, z))
    q = polynomial(r, _Q)
    return shifted, r, fma(r, q, ONE), q


@inline
def exponential_parts(z: Any) -> Any:
    """Return exp(z), for abs(z) < 87, and p and q of ``_reduce_exponent``; r = z near
    0."""
    shifted, r, p, q = _reduce_exponent(z)
    return times_power_of_two(fma(r, p, ONE), shifted), p, q


@inline
def exp(x: Any) -> Any:
    """Return e^x, good to 1 ulp; inf above 88.72283, 0 below -87.33654, where it is
    subnormal."""
    e, _, _ = exponential_parts(x)
    e = where_less(x, _LEAST_EXPONENT, ZERO, e)
    return where_less(x, _LARGEST_EXPONENT, e, x + _INFINITE)


@inline
def log(x: Any) -> Any:
    """Return the natural logarithm, good to 1 ulp; -inf at 0 and subnormal x, NaN
    below."""
    e = exponent(x)
    f = times_power_of_two(x, _SHIFT - e) - ONE
    square = f * f
    p = polynomial(f, _L)
    low = fma(e, _LN2_LOW, fma(-HALF, square, f * square * p))
    result = fma(e, _LN2_HIGH, f + low)
    result = where_less(x, _LEAST, where_less(x, ZERO, _NAN, -_INFINITE), result)
    return where_less(x, _INFINITE, result, x)


@inline
def power(x: Any, exponent: Any) -> Any:
    """Return x^exponent = exp(exponent log x) for x > 0; NaN below 0, and for 0 to the
    power 0.

    The relative error is 1e-7 (1 + abs(exponent log x)): up to 1e-5 for the largest
    results.
    """
    return exp(exponent * log(x))


@inline
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + e^-x), good to 2.5 ulp; 0 where e^-x is infinite."""
    return ONE / (ONE + exp(-x))


@inline
def tanh(x: Any) -> Any:
    """tanh(x) = m / (m + 2) with m = exp(2 abs(x)) - 1, and the sign of x; good to 3
    ulp.

    m = 2^k (e^r - 1) + (2^k - 1) is as exact near 0 as elsewhere.
    """
    size = absolute(x)
    size = where_less(_TANH_IS_ONE, size, _TANH_IS_ONE, size)
    shifted, r, p, _ = _reduce_exponent(TWO * size)
    scale = times_power_of_two(ONE, shifted)
    m = fma(scale, r * p, scale - ONE)
    return copysign(m / (m + TWO), x)


@inline
def _reduce_angle(x: Any) -> Any:
    """Return k + 1.5 * 2^23 for the nearest quarter turn k, and sine and cosine of the
    remainder.

    The first part of the remainder is exact; the others are added with one rounding
    each.
    """
    shifted = x * _QUARTERS + _SHIFT
    k = shifted - _SHIFT
    r = fma(-k, _QUARTER, x)
    r = fma(-k, _QUARTER_LOWEST, fma(-k, _QUARTER_LOW, r))
    square = r * r
    sine = fma(r * square, polynomial(square, _S), r)
    rest = fma(-HALF, square, ONE)
    cosine = fma(square * square, polynomial(square, _C), rest)
    return shifted, sine, cosine


@inline
def sin(x: Any) -> Any:
    """Return the sine of x in radians, good to 2 ulp up to abs(x) = 1e6.

    Beyond, it sometimes misses the nearest quarter turn: good to 100 ulp up to 2^22 =
    4.2e6, where float32 are 0.5 apart. The sine of larger x is NaN.
    """
    shifted, sine, cosine = _reduce_angle(x)
    result = by_quadrant(sine, cosine, shifted)
    return where_less(absolute(x), _LARGEST_ANGLE, result, _NAN)


@inline
def cos(x: Any) -> Any:
    """Return the cosine of x in radians; as good as ``sin``."""
    shifted, sine, cosine = _reduce_angle(x)
    result = by_quadrant(sine, cosine, shifted + ONE)
    return where_less(absolute(x), _LARGEST_ANGLE, result, _NAN)
