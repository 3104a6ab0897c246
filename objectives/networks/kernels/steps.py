"""Steps of one oscillator on lanes: with thermal power, without, and a jump of noise.

The equations are those of ``networks.oscillator`` and docs/explanation/equations.md,
"Oscillator"; x' is x at the end of a step. Drives and damping are multiplied by the
step: nothing has a unit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .compiling import inline
from .elementary import HALF, ONE, ZERO, clip, exp, exponential_parts, log
from .simd import absolute, any_less, fma, square_root, where_less

_MAX_EXPONENT = np.float32(40.0)
_NEAR = np.float32(0.34)  # just within ln(2)/2: there k = 0 and r = z
_MAX_DECAY = np.float32(80.0)
LEAST = np.float32(2.0**-100)
"""Power below which the logarithm moves in its place."""
_LOG_LEAST = np.float32(-100.0 * math.log(2.0))
_LEAST_AFTER_NOISE = np.float32(1e-30)  # a jump ends at exactly 0 with probability 0
_LEAST_ROOT = np.float32(1e-18)  # below, x has been forgotten


@inline
def warm_step(x: Any, drive: Any, g: Any, k: Any) -> Any:
    """Take a step of constant drive with thermal power: x', d ln x'/dx and d ln
    x'/d(drive).

    A Riccati equation, dx/dt = k + z x - drive x^2 with z = drive - g, in units of the
    step. Its solution is a ratio, x(t) = n(t) / d(t). With w^2 = z^2/4 + drive k > 0,
    and r+- = w -+ z/2 (the larger one is computed; the smaller one is drive k divided
    by it)::

        n(t) = n+ e^wt + n- e^-wt,           d(t) = d+ e^wt + d- e^-wt
        2 w n+ = x r- + k,                   2 w n- = x r+ - k
        2 w d+ = r+ (1 - x) + x (g + r-),    2 w d- = r- - drive x
        d ln x'/dx       = 1 / (n d),        at t = 1
        d ln x'/d(drive) = 1 / (n d) int_0^1 n (d - n) dt

    With E = e^-2w, p = (1 - E) / 2w and m+- = d+- - n+-, the integral over e^2w is E x
    (1 - x) + n+ m+ (p - E) - E n- m- (1 - p). Near the threshold w is as small as the
    root of k, and d+ cancels d-. There n = x (1 - p r+) + k p and d = 1 + p (drive x -
    r-), over e^w. Every result is good to 2e-6 for all x and k.
    """
    z = drive - g
    half_z = HALF * z
    w = square_root(fma(half_z, half_z, drive * k))
    large = w + absolute(half_z)
    inverse = ONE / (w * large)
    half_w = HALF * (large * inverse)
    rest = k * (w * inverse)
    small = drive * rest
    twice = where_less(w + w, _MAX_DECAY, w + w, _MAX_DECAY)
    e, p, q = exponential_parts(-twice)
    p = where_less(twice, _NEAR, p, (ONE - e) * half_w)
    rising = where_less(twice, _NEAR, p - q, (p - e) * half_w)
    falling = where_less(twice, _NEAR, q, (ONE - p) * half_w)
    r_minus = where_less(z, ZERO, small, large)
    r_plus = where_less(z, ZERO, large, small)
    free = ONE - x
    gain = fma(g, x, -k)
    d_plus = fma(r_plus, free, x * (g + r_minus)) * half_w
    n_plus = where_less(z, ZERO, rest * d_plus, fma(x, r_minus, k) * half_w)
    n_minus = fma(x, r_plus, -k) * half_w
    above = (g - r_plus) * (x + rest)
    m_plus = where_less(z, ZERO, fma(r_plus, free, gain), above) * half_w
    m_minus = fma(r_minus, free, -gain) * half_w
    near = fma(x, fma(-p, r_plus, ONE), k * p)
    n = where_less(twice, _NEAR, near, fma(e, n_minus, n_plus))
    excess = fma(drive, x, -r_minus)
    d = where_less(twice, _NEAR, fma(p, excess, ONE), fma(-e, excess * half_w, d_plus))
    moved = fma(n_plus * m_plus, rising, -(e * (n_minus * m_minus) * falling))
    ratio = ONE / (n * d)
    return n * n * ratio, e * ratio, fma(w + w, moved, e * (x * free)) * ratio


@inline
def cold_step(x: Any, drive: Any, g: Any) -> Any:
    """Take a step of Eq. (2) at constant drive: x'/x, d ln x'/d ln x and d ln
    x'/d(drive).

    A Bernoulli equation. With z = drive - g, E = exp(z), P = (E - 1)/z and Q = (P -
    1)/z:

        x'/x             = E / D,   D = 1 + drive x P = (1 - x) + x (E + g P)
        d ln x'/d ln x   = 1 / D
        d ln x'/d(drive) = ((1 - x) + g x Q) / D

    The slopes of the logarithm stay moderate. Those of x span the range of E, e^-40 to
    e^40, and their products over the steps leave the range of float32.

    Near z = 0, P and Q come from the polynomial of the exponential, not from
    differences. The exponent is clipped to +-40: beyond, E is constant, and each 1 in
    the last line and in Q is 0.
    """
    z = drive - g
    size = absolute(z)
    e, p, q = exponential_parts(clip(z, _MAX_EXPONENT))
    inverse = ONE / z
    p = where_less(size, _NEAR, p, (e - ONE) * inverse)
    ratio = ONE / fma(x, fma(g, p, e), ONE - x)
    free = where_less(size, _MAX_EXPONENT, ONE, ZERO)
    q = where_less(size, _NEAR, q, (p - free) * inverse)
    rest = where_less(size, _MAX_EXPONENT, ONE - x, ZERO)
    return e * ratio, ratio, ratio * fma(g * x, q, rest)


@inline
def deep_step(x: Any, after: Any, z: Any, logarithm: Any, rest: Any) -> Any:
    """Take a step of lanes with x below ``LEAST``, before or after it: x', ln x' and
    its remainder.

    Without thermal power x can fall without a bound, by up to e^40 per step. Below
    LEAST x is 0, and its logarithm moves by z = drive - g. Next to 1, such an x is 0 to
    six digits more than float32 has, even after the largest growth. ``rest`` is the
    rounding error of the logarithm and enters the next step. So a power that rises
    again is as exact as one that never fell.
    """
    z = clip(z, _MAX_EXPONENT)
    change = z + rest
    moved = logarithm + change
    rest = change - (moved - logarithm)
    falling = where_less(ZERO, x, after, ONE)
    if any_less(falling, LEAST):
        own = log(x)
        first = own + z
        lost = fma(x, exp(-own), -ONE) + (z - (first - own))
        moved = where_less(falling, LEAST, first, moved)
        rest = where_less(falling, LEAST, lost, rest)
        after = where_less(falling, LEAST, ZERO, after)
    rising = where_less(ZERO, x, _LOG_LEAST, moved + after)  # NaN stays NaN
    if any_less(_LOG_LEAST, rising):
        risen = exp(moved)
        after = where_less(_LOG_LEAST, rising, fma(risen, rest, risen), after)
    return after, moved, rest


@inline
def add_noise(x: Any, along: Any, across: Any) -> Any:
    """Return the power x' = |c|^2 after a jump of c, at most 1, and dx'/dx; NaN stays
    NaN."""
    root = square_root(where_less(x, ZERO, ZERO, x))
    c = root + along
    after = fma(c, c, across * across)
    after = where_less(after, _LEAST_AFTER_NOISE, _LEAST_AFTER_NOISE, after)
    slope = where_less(ONE, after, ZERO, where_less(_LEAST_ROOT, root, c / root, ZERO))
    return where_less(ONE, after, ONE, after), slope
