"""Kernels of the spintronic network: oscillator steps, the passage through time, its adjoint.

arXiv:2408.02835, Eq. (2)-(5); S and the fixed bias of Eq. (4) are folded into weights and drives.

=========================  =======================  ==============================================
Paper                      Code                     Unit, shape
=========================  =======================  ==============================================
x, dx'/dx, dx'/d(I dt)     states                   (time + 1, neurons, 3, LANES)
y, and u after it          values                   (2, rows, LANES)
I dt                       drive                    (LANES,)
gamma dt                   g
=========================  =======================  ==============================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import HALF, ONE, TWO, ZERO, clip, exponential_parts
from objectives.networks.kernels.simd import load, splat, store, where_less
from objectives.networks.kernels.sparse import (
    LANES,
    PIECE,
    add_products_to,
    copy,
    fill,
    gather,
    gather_adjoint,
    gather_products,
)

STATE = 3  # rows of a neuron's state; one stream of memory is 2 % faster than three
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
    states: Any,
    last_y: Any,
) -> None:
    """Take one block through time from x = 1/2, y = 0; write y of the last layer after the end.

    With ``keep``, the states of every point are kept for ``backward``; without it ``states`` has
    two points, used in turn, and no slopes.

    Args:
        u: input, (time, channels, LANES), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,).
        sources: row of each non-zero's source, (nonzeros,).
        weights: dt S weight of each non-zero, (nonzeros,).
        biases: dt S b of each neuron, (neurons,).
        constants: g; decay and gain in y' = decay y + gain (x' - x).
        exponential: exponential step; else explicit Euler.
        keep: see above.
        shape: time, neurons, channels, neurons of the last layer.
        drive: scratch for one neuron's drive, (LANES,).
        values: scratch for y and u of two points, used in turn, (2, rows, LANES).
        states: x, and the slopes of the step that begins there, (time + 1, neurons, 3, LANES).
        last_y: what is asked for, (last layer, LANES).
    """
    g, decay, gain = constants
    n_times, n_neurons, n_channels, n_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - n_last) * LANES
    now, later = 0, row + inputs
    state, next_state = 0, STATE * row
    fill(states, state, STATE * row, HALF)
    fill(values, now, row, ZERO)
    for t in range(n_times):
        copy(u, t * inputs, inputs, values, now + row)
        for i in range(n_neurons):
            total = splat(biases[i] + TWO * g, LANES)
            total = gather(total, weights, sources, starts[i], starts[i + 1], values, now)
            store(drive, 0, total)
            # a bound that LLVM does not know: it would take total apart lane by lane
            for piece in range(0, len(drive), PIECE):
                here, at = i * LANES + piece, STATE * i * LANES + piece
                before = load(states, state + at, PIECE)
                force = load(drive, piece, PIECE)
                if exponential:
                    after, slope_x, slope_drive = exponential_step(before, force, g)
                else:
                    after, slope_x, slope_drive = euler_step(before, force, g)
                store(states, next_state + at, after)
                y = load(values, now + here, PIECE)
                store(values, later + here, decay * y + gain * (after - before))  # Eq. (5)
                if keep:
                    store(states, state + at + LANES, slope_x)
                    store(states, state + at + 2 * LANES, slope_drive)
        now, later = later, now
        state, next_state = next_state, next_state + STATE * row if keep else state
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
    states: Any,
    entering: Any,
    adjoint_x: Any,
    adjoint_y: Any,
    filtered: Any,
    sums: Any,
) -> None:
    """The adjoint of ``forward``, from the last point to the first.

    Let Y be the adjoint of y in all that follows from it, A that of x, y of the same point
    included, and J that of a drive; a prime stands for the end of the step:

        J = dx'/d(drive) A'
        A = dx'/dx A' + gain (Y - Y')        by Eq. (5), y holds gain x, and y' holds -gain x
        Y = decay Y' + sum over targets of weight J

    with J = 0 after the last point, where Y enters. Y is linear in the J of all later steps; passed
    through the filter from the end, F = J + decay F', they give at once

        Y = decay^(steps to the end) entering + sum over targets of weight F

    and the gradient of a weight, the sum over time of J y, is that of F (y - decay y_before), which
    is F gain (x - x_before): no y has to be kept. For an input it is F (u - decay u_before).

    The exponential step carries M = x A, the adjoint of ln x, instead of A:

        J = slope_drive M'
        M = slope_x M' + x gain (Y - Y')

    Euler's carries A: its slopes are those of x, and 1 stands for the x in front.

    Args:
        u: as in ``forward``.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        weights: dt S weight of each non-zero, (nonzeros,).
        constants, exponential, shape: as in ``forward``.
        states: as ``forward`` left them.
        entering: Y of the last layer after the last point, (last layer, LANES).
        adjoint_x: scratch for slope_x M' or slope_x A', (neurons, LANES).
        adjoint_y: scratch for Y', (neurons, LANES).
        filtered: scratch for F of two steps, used in turn, (2, neurons, LANES).
        sums: products for weights and biases over FOLD lanes, added to, (nonzeros + neurons, FOLD).
    """
    _, decay, gain = constants
    n_times, n_neurons, n_channels, n_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - n_last) * LANES
    one = splat(ONE, LANES)
    power = ONE
    step, next_step = 0, row  # of filtered
    for scratch in (adjoint_x, adjoint_y, filtered):
        fill(scratch, 0, row, ZERO)
    for t in range(n_times, 0, -1):  # a point, after step t - 1 and before step t
        for j in range(n_neurons):
            at = j * LANES
            state = STATE * (t * row + at)
            state_before = state - STATE * row
            x = load(states, state, LANES)
            total = splat(ZERO, LANES)
            if at >= last:
                total = power * load(entering, at - last, LANES)
            if t < n_times:
                value = gain * (x - load(states, state_before, LANES))
                total = gather_adjoint(
                    total, weights, targets, starts[j], starts[j + 1], filtered, step, value, sums
                )
            push = gain * (total - load(adjoint_y, at, LANES))
            if exponential:
                push = x * push
            m = load(adjoint_x, at, LANES) + push
            adjoint = load(states, state_before + 2 * LANES, LANES) * m
            store(adjoint_y, at, total)
            store(adjoint_x, at, load(states, state_before + LANES, LANES) * m)
            store(filtered, next_step + at, adjoint + decay * load(filtered, step + at, LANES))
            add_products_to(sums, len(targets) + j, adjoint, one)
        step, next_step = next_step, step
        for c in range(n_channels):
            at = (t - 1) * inputs + c * LANES
            value = load(u, at, LANES)
            if t > 1:
                value = value - decay * load(u, at - inputs, LANES)
            first, end = starts[n_neurons + c], starts[n_neurons + c + 1]
            gather_products(targets, first, end, filtered, step, value, sums)
        power *= decay
