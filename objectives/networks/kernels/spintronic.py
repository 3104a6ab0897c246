"""Kernels of the spintronic network: oscillator steps, the passage through time, its adjoint.

arXiv:2408.02835, Eq. (2)-(5); S and the fixed bias of Eq. (4) are folded into weights and drives.

=========================  =======================  ==============================================
Paper                      Code                     Unit, shape
=========================  =======================  ==============================================
x                          x                        (time + 1, neurons, LANES)
y, and u after it          values                   (time + 1, rows, LANES)
I dt                       drive                    (LANES,)
gamma dt                   g
dx'/dx, dx'/d(I dt)        slopes_x, slopes_drive   (time, neurons, LANES)
=========================  =======================  ==============================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import HALF, ONE, TWO, ZERO, clip, exponential_parts
from objectives.networks.kernels.simd import element, load, splat, store, where_less
from objectives.networks.kernels.sparse import (
    LANES,
    PIECE,
    add_products_to,
    copy,
    fill,
    gather,
    gather_adjoint,
)

X_MIN = np.float32(1e-30)
"""Amplitudes do not fall below: what has underflowed to 0 could never grow again."""
_MAX_EXPONENT = np.float32(40.0)
_MAX_SQUARED = _MAX_EXPONENT * _MAX_EXPONENT
_NEAR_SQUARED = np.float32(0.34**2)  # just within (ln(2)/2)^2: there k = 0 and r = z

# --- neuron steps, without dimensions: in units of dt, drive = I dt and g = gamma dt --------------


@inlined
def exponential_step(x: Any, drive: Any, g: Any) -> Any:
    """Eq. (2) over a step of constant drive: x', d ln x'/d ln x and d ln x'/d(drive).

    A Bernoulli equation. With z = drive - g, E = exp(z), P = (E - 1)/z and Q = (P - 1)/z:

        x'               = x E / D,   D = 1 + drive x P = (1 - x) + x (E + g P)
        d ln x'/d ln x   = 1 / D
        d ln x'/d(drive) = ((1 - x) + g x Q) / D

    The slopes of the logarithm stay moderate where those of x span the range of E, e^-40 to e^40,
    and their products over the steps leave that of float32.

    Near z = 0, P and Q come from the polynomial of the exponential instead of from differences.
    The exponent is clipped to +-40: beyond, E is constant and each 1 in the last line and Q is 0.
    x' is kept from falling below X_MIN; there its slopes are 0.
    """
    z = drive - g
    z_squared = z * z
    e, p, q = exponential_parts(clip(z, _MAX_EXPONENT))
    inverse = ONE / z
    p = where_less(z_squared, _NEAR_SQUARED, p, (e - ONE) * inverse)
    ratio = ONE / ((ONE - x) + x * (e + g * p))
    after = x * (e * ratio)
    free = where_less(z_squared, _MAX_SQUARED, ONE, ZERO)
    q = where_less(z_squared, _NEAR_SQUARED, q, (p - free) * inverse)
    slope_x = where_less(after, X_MIN, ZERO, ratio)
    slope_drive = slope_x * (free * (ONE - x) + g * x * q)
    return where_less(after, X_MIN, X_MIN, after), slope_x, slope_drive


@inlined
def euler_step(x: Any, drive: Any, g: Any) -> Any:
    """Eq. (2) by an explicit Euler step: x', dx'/dx and dx'/d(drive)."""
    room = ONE - x
    after = x + (drive * x * room - g * x)
    slope_x = ONE + (drive * (room - x) - g)
    return after, slope_x, x * room


# --- kernels --------------------------------------------------------------------------------------


@kernel
def forward(
    u: Any,
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    constants: Any,
    exponential: bool,
    keep: bool,
    shape: Any,
    drive: Any,
    values: Any,
    x: Any,
    slopes_x: Any,
    slopes_drive: Any,
    last_y: Any,
) -> None:
    """Take one block through time from x = 1/2, y = 0; write y of the last layer after the last point.

    With ``keep``, x and the slopes of every point are kept for ``backward``; without it ``x`` has
    two points, used in turn, and the slopes are not touched.
    """
    g, decay, gain = constants
    n_times, n_neurons, n_channels, n_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - n_last) * LANES
    now, later = 0, row + inputs
    x_now, x_later, slope = 0, row, 0
    fill(x, x_now, row, HALF)
    fill(values, now, row, ZERO)
    for t in range(n_times):
        copy(u, t * inputs, inputs, values, now + row)
        for i in range(n_neurons):
            total = splat(biases[i] + TWO * g, LANES)
            total = gather(total, weights, sources, starts[i], starts[i + 1], values, now)
            store(drive, 0, total)
            # a bound that LLVM does not know: it would take total apart lane by lane
            for piece in range(0, len(drive), PIECE):
                here = i * LANES + piece
                before = load(x, x_now + here, PIECE)
                force = load(drive, piece, PIECE)
                if exponential:
                    after, slope_x, slope_drive = exponential_step(before, force, g)
                else:
                    after, slope_x, slope_drive = euler_step(before, force, g)
                store(x, x_later + here, after)
                y = load(values, now + here, PIECE)
                store(values, later + here, decay * y + gain * (after - before))  # Eq. (5)
                if keep:
                    store(slopes_x, slope + here, slope_x)
                    store(slopes_drive, slope + here, slope_drive)
        now, later = later, now
        slope += row
        x_now, x_later = x_later, x_later + row if keep else x_now
    copy(values, now + last, row - last, last_y, 0)


@kernel
def backward(
    u: Any,
    starts: Any,
    targets: Any,
    weights: Any,
    constants: Any,
    exponential: bool,
    shape: Any,
    x: Any,
    slopes_x: Any,
    slopes_drive: Any,
    entering: Any,
    adjoint_x: Any,
    adjoint_y: Any,
    filtered: Any,
    sums: Any,
) -> None:
    """The adjoint of ``forward``"""
    _, decay, gain = constants
    n_times, n_neurons, n_channels, n_last = shape
    row = n_neurons * LANES
    last = row - n_last * LANES
    n_nonzeros = len(targets)
    one = splat(ONE, LANES)
    now, later = 0, row
    t = n_times - 1
    for work in (adjoint_x, adjoint_y, filtered):
        fill(work, 0, last, ZERO)
    for at in range(last, row, LANES):
        y = load(entering, at - last, LANES)
        after = load(x, n_times * row + at, LANES) if exponential else one
        m = gain * after * y
        store(adjoint_y, at, y)
        store(adjoint_x, at, load(slopes_x, t * row + at, LANES) * m)
        j_drive = load(slopes_drive, t * row + at, LANES) * m
        store(filtered, now + at, j_drive)
        add_products_to(sums, n_nonzeros + at // LANES, j_drive, one)
    power = ONE
    for t in range(n_times - 1, -1, -1):
        for c in range(n_channels):
            at = (t * n_channels + c) * LANES
            value = load(u, at, LANES)
            if t > 0:
                value = value - decay * load(u, at - n_channels * LANES, LANES)
            for k in range(starts[n_neurons + c], starts[n_neurons + c + 1]):
                here = load(filtered, now + element(targets, k) * LANES, LANES)
                add_products_to(sums, k, here, value)
        if t == 0:
            break
        power *= decay
        for j in range(n_neurons):
            at = j * LANES
            here = t * row + at
            before = load(x, here, LANES)
            value = gain * (before - load(x, here - row, LANES))
            total = splat(ZERO, LANES)
            if at >= last:
                total = power * load(entering, at - last, LANES)
            total = gather_adjoint(
                total, weights, targets, starts[j], starts[j + 1], filtered, now, value, sums
            )
            # a bound that LLVM does not know
            push = gain * (total - load(adjoint_y, at, LANES))
            if exponential:
                push = push * before
            m = load(adjoint_x, at, LANES) + push
            store(adjoint_y, at, total)
            store(adjoint_x, at, load(slopes_x, here - row, LANES) * m)
            j_drive = load(slopes_drive, here - row, LANES) * m
            add_products_to(sums, n_nonzeros + j, j_drive, one)
            store(filtered, later + at, j_drive + decay * load(filtered, now + at, LANES))
        now, later = later, now
