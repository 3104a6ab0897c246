"""Kernels of the spintronic network: oscillator steps, the pass through time, its adjoint.

arXiv:2408.02835, Eq. (2)-(5); S and the fixed bias of Eq. (4) are folded into weights and drives.
A point is the time between two inputs, divided into ``n_steps`` steps of h; see ``integrators``.

=========================  =======================  ==============================================
Paper                      Code                     Unit, shape
=========================  =======================  ==============================================
x, dlnx'/dlnx, dlnx'/d(Ih) states                   (steps + 1, neurons, 3, LANES)
y, and y one step before   outputs                  (2, neurons, LANES)
mean y over a step         values                   (2, neurons, LANES)
I h                        drive                    (LANES,)
gamma h                    g
=========================  =======================  ==============================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import ONE, TWO, ZERO, clip, exponential_parts
from objectives.networks.kernels.simd import load, splat, store, where_less
from objectives.networks.kernels.sparse import (
    LANES,
    PIECE,
    constant_drive,
    copy,
    fill,
    gather,
    gather_adjoint,
    input_adjoint,
    input_drive,
)

STATE = 3  # rows of a neuron's state, side by side: one stream of memory
X_MIN = np.float32(1e-30)
"""Amplitudes do not fall below: what has underflowed to 0 could never grow again."""
_MAX_EXPONENT = np.float32(40.0)
_MAX_SQUARED = _MAX_EXPONENT * _MAX_EXPONENT
_NEAR_SQUARED = np.float32(0.34**2)  # just within (ln(2)/2)^2: there k = 0 and r = z


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


@kernel
def forward(
    u: Any,
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    constants: Any,
    extrapolation: Any,
    reads_x: bool,
    keep: bool,
    shape: Any,
    held: Any,
    drive: Any,
    outputs: Any,
    values: Any,
    states: Any,
    read: Any,
) -> None:
    """Take one block through time from y = 0; write what is read of the last layer.

    It is read after each of the last points: as many as ``read`` has room for. With ``keep``, the
    states of every step are kept for ``backward``; without it ``states`` has two steps, used in
    turn, and no slopes.

    Args:
        u: input, (points, channels, LANES), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,), and the first that is an input,
            (neurons,).
        sources: row of each non-zero's source, (nonzeros,).
        weights: h S weight of each non-zero, (nonzeros,).
        biases: h S b of each neuron, (neurons,).
        constants: g; decay and gain in y' = decay y + gain (x' - x); x at the beginning.
        extrapolation: weights of the last three y in the mean y over a step.
        reads_x: whether the change of x is read out rather than y.
        keep: see above.
        shape: points, steps per point, neurons, channels, neurons of a layer.
        held: scratch for the drives of the first layer that a point holds, (layer, LANES).
        drive: scratch for one neuron's drive, (LANES,).
        outputs: scratch for y of two steps, used in turn, (2, neurons, LANES).
        values: scratch for mean y of two steps, used in turn, (2, neurons, LANES).
        states: x, and the slopes of the step that begins there, (steps + 1, neurons, 3, LANES).
        read: what is asked for, (points read, layer, LANES).
    """
    g, decay, gain, start = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, width = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width) * LANES
    silent = n_points - len(read) // (row - last)  # points that nothing is read after
    now, later = 0, row  # of outputs and values
    state, next_state = 0, STATE * row
    fill(states, state, STATE * row, start)
    fill(outputs, 0, 2 * row, ZERO)
    fill(values, now, row, ZERO)
    for t in range(n_points):
        input_drive(u, t * inputs, starts, sources, weights, biases, TWO * g, shape, held)
        for _ in range(n_steps):
            for i in range(n_neurons):
                total = constant_drive(held, biases, TWO * g, i, width)
                end = starts[n_neurons + 1 + i]
                total = gather(total, weights, sources, starts[i], end, values, now)
                store(drive, 0, total)
                # a bound that LLVM does not know: it would take total apart lane by lane
                for piece in range(0, len(drive), PIECE):
                    here, at = i * LANES + piece, STATE * i * LANES + piece
                    before = load(states, state + at, PIECE)
                    force = load(drive, piece, PIECE)
                    after, slope_x, slope_drive = exponential_step(before, force, g)
                    y = load(outputs, now + here, PIECE)
                    next_y = decay * y + gain * (after - before)  # Eq. (5)
                    mean = older * y + oldest * load(outputs, later + here, PIECE)
                    store(states, next_state + at, after)
                    store(outputs, later + here, next_y)
                    store(values, later + here, newest * next_y + mean)
                    if keep:
                        store(states, state + at + LANES, slope_x)
                        store(states, state + at + 2 * LANES, slope_drive)
            now, later = later, now
            state, next_state = next_state, next_state + STATE * row if keep else state
        if t >= silent and reads_x:
            for at in range(0, row - last, LANES):
                x = load(states, state + STATE * (last + at), LANES)
                store(read, (t - silent) * (row - last) + at, x - start)
        elif t >= silent:
            copy(outputs, now + last, row - last, read, (t - silent) * (row - last))


@kernel
def backward(
    u: Any,
    starts: Any,
    targets: Any,
    weights: Any,
    constants: Any,
    extrapolation: Any,
    reads_x: bool,
    shape: Any,
    states: Any,
    entering: Any,
    entered: Any,
    adjoint_x: Any,
    adjoint_y: Any,
    adjoint_drive: Any,
    held: Any,
    filtered: Any,
    sums: Any,
) -> None:
    """The adjoint of ``forward``, from the last step to the first.

    Let Y be the adjoint of y in all that follows from it, A that of x, y of the same time included,
    and J that of the drive of a step; a prime stands for the end of the step:

        J = dx'/d(drive) A'
        A = dx'/dx A' + gain (Y - Y')        by Eq. (5), y holds gain x, and y' holds -gain x
        Y = decay Y' + sum over targets of weight K
        K = a J + b J' + c J''               where y enters the mean of its own step with the
                                             weight a, of the next one with b, of that after with c

    with J = 0 after the end. Y enters where y is read: after each of the last points. Y is linear
    in that and in the K of all later steps; passed through the filter from the end, E = entering +
    decay E' and F = K + decay F', they give at once

        Y = E + sum over targets of weight F

    and the gradient of a weight, the sum over time of K y, is that of F (y - decay y_before), which
    is F gain (x - x_before): no y has to be kept. An input is constant over a point: its weights
    get the sum of the point's J. Where x is read out, A enters, and no Y.

    The step carries M = x A, the adjoint of ln x, instead of A:

        J = slope_drive M'
        M = slope_x M' + x gain (Y - Y')

    Args:
        u: as in ``forward``.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        weights: h S weight of each non-zero, (nonzeros,).
        constants, extrapolation, reads_x, shape: as in ``forward``.
        states: as ``forward`` left them.
        entering: Y (or A) of the last layer that enters after each point read, (points read, layer,
            LANES).
        entered: scratch for E after the last point that is behind, (layer, LANES).
        adjoint_x: scratch for slope_x M', (neurons, LANES).
        adjoint_y: scratch for Y', (neurons, LANES).
        adjoint_drive: scratch for J of two steps, used in turn, (2, neurons, LANES).
        held: scratch for the sum of a point's J, (neurons, LANES).
        filtered: scratch for F of two steps, used in turn, (2, neurons, LANES).
        sums: products for weights and biases over FOLD lanes, added to, (nonzeros + neurons, FOLD).
    """
    _, decay, gain, _ = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, width = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width) * LANES
    silent = n_points - len(entering) // (row - last)
    end = n_points * n_steps
    power = ONE  # E is power times entered
    now, later = 0, row  # of filtered and adjoint_drive
    fill(entered, 0, row - last, ZERO)
    fill(adjoint_x, 0, row, ZERO)
    fill(adjoint_y, 0, row, ZERO)
    fill(adjoint_drive, 0, 2 * row, ZERO)
    fill(filtered, 0, 2 * row, ZERO)
    for t in range(n_points - 1, -1, -1):
        fill(held, 0, row, ZERO)
        if t >= silent:
            for at in range(last, row, LANES):
                here = load(entering, (t - silent) * (row - last) + at - last, LANES)
                if reads_x:
                    x = load(states, STATE * ((t + 1) * n_steps * row + at), LANES)
                    store(adjoint_x, at, load(adjoint_x, at, LANES) + x * here)
                else:
                    store(entered, at - last, power * load(entered, at - last, LANES) + here)
            power = ONE
        for n in range((t + 1) * n_steps, t * n_steps, -1):  # after step n - 1 and before step n
            for j in range(n_neurons):
                at = j * LANES
                state = STATE * (n * row + at)
                state_before = state - STATE * row
                x = load(states, state, LANES)
                total = splat(ZERO, LANES)
                if at >= last:
                    total = power * load(entered, at - last, LANES)
                if n < end:
                    value = gain * (x - load(states, state_before, LANES))
                    first, stop = starts[j], starts[j + 1]
                    total = gather_adjoint(
                        total, weights, targets, first, stop, filtered, now, value, sums
                    )
                push = x * (gain * (total - load(adjoint_y, at, LANES)))
                m = load(adjoint_x, at, LANES) + push
                adjoint = load(states, state_before + 2 * LANES, LANES) * m
                next_adjoint = load(adjoint_drive, now + at, LANES)
                after_next = load(adjoint_drive, later + at, LANES)
                pull = newest * adjoint + (older * next_adjoint + oldest * after_next)
                store(adjoint_y, at, total)
                store(adjoint_x, at, load(states, state_before + LANES, LANES) * m)
                store(adjoint_drive, later + at, adjoint)
                store(held, at, load(held, at, LANES) + adjoint)
                store(filtered, later + at, pull + decay * load(filtered, now + at, LANES))
            now, later = later, now
            power *= decay
        input_adjoint(u, t * inputs, starts, targets, shape, held, sums)
