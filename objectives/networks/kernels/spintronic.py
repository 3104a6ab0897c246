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
gamma h                    gammas, g                (neurons,), and of one
=========================  =======================  ==============================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.dense import collect, drives, pull
from objectives.networks.kernels.elementary import ONE, TWO, ZERO, clip, exponential_parts
from objectives.networks.kernels.simd import (
    element,
    flush_subnormals,
    load,
    restore_subnormals,
    splat,
    store,
    where_less,
)
from objectives.networks.kernels.sizes import LANES, SPINTRONIC_ROWS
from objectives.networks.kernels.sparse import (
    copy,
    fill,
    gather_adjoint,
    input_adjoint,
    input_drive,
)
from objectives.networks.kernels.structure import TILE

STATE = SPINTRONIC_ROWS  # of a neuron, side by side: one stream of memory
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
    spans: Any,
    tiles: Any,
    constants: Any,
    extrapolation: Any,
    reads_x: bool,
    held: Any,
    drive: Any,
    outputs: Any,
    values: Any,
    states: Any,
    read: Any,
    shape: Any,
    keep: bool,
    fresh: bool,
) -> None:
    """Take one block through time, or a segment of it; write what is read of the last layer.

    It is read after each of the last points: as many as ``read`` has room for. With ``keep``, the
    states of every step are kept for ``backward``; without it ``states`` has two steps, used in
    turn, and no slopes. With ``fresh``, it begins at rest, else where the last call without
    ``keep`` ended: after an even number of steps.

    Args:
        u: input, (points, channels, LANES), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,), and the first that is an input,
            (neurons,).
        sources: row of each non-zero's source, (nonzeros,).
        weights: h S weight of each non-zero, (nonzeros,).
        biases: h S b of each neuron, (neurons,).
        spans: sources of each tile; none: no tiles. See ``structure.Tiles``.
        tiles: h S weight by tile.
        constants: of each neuron g, decay and gain in y' = decay y + gain (x' - x), and the decay
            of those in the layer below, (neurons,); x at the beginning.
        extrapolation: weights of the last three y in the mean y over a step.
        reads_x: whether the change of x is read out rather than y.
        held: scratch for the drives of the first layer that a point holds, (first layer, LANES).
        drive: scratch for the drive of one neuron, or of a tile, (neurons, LANES).
        outputs: scratch for y of two steps, used in turn, (2, neurons, LANES).
        values: scratch for mean y of two steps, used in turn, (2, neurons, LANES).
        states: x, and the slopes of the step that begins there, (steps + 1, neurons, 3, LANES).
        read: what is asked for, (points read, last layer, LANES).
        shape: points, steps per point, neurons, channels, neurons of the first and last layer.
        keep, fresh: see above.
    """
    mode = flush_subnormals()
    gammas, decays, gains, _, start = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, _, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    silent = n_points - len(read) // (row - last)  # points that nothing is read after
    now, later = 0, row  # of outputs and values
    state, next_state = 0, STATE * row
    if fresh:
        fill(states, state, STATE * row, start)
        fill(outputs, 0, 2 * row, ZERO)
        fill(values, now, row, ZERO)
    for t in range(n_points):
        fixed = TWO * element(gammas, 0)  # of the first layer
        input_drive(u, t * inputs, starts, sources, weights, biases, fixed, shape, held)
        for _ in range(n_steps):
            tile = 0
            for i in range(0, n_neurons, len(drive) // LANES):
                tile = drives(
                    starts,
                    sources,
                    weights,
                    biases,
                    spans,
                    tiles,
                    tile,
                    TWO,
                    gammas,
                    shape,
                    held,
                    values,
                    now,
                    i,
                    drive,
                )
                # a bound that LLVM does not know: it would take total apart lane by lane
                for one in range(0, len(drive), LANES):
                    here, k = i * LANES + one, i + one // LANES
                    g, decay, gain = element(gammas, k), element(decays, k), element(gains, k)
                    at = STATE * here
                    before = load(states, state + at, LANES)
                    force = load(drive, one, LANES)
                    after, slope_x, slope_drive = exponential_step(before, force, g)
                    y = load(outputs, now + here, LANES)
                    next_y = decay * y + gain * (after - before)  # Eq. (5)
                    mean = older * y + oldest * load(outputs, later + here, LANES)
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
    restore_subnormals(mode)


@kernel
def backward(
    u: Any,
    starts: Any,
    targets: Any,
    weights: Any,
    spans: Any,
    spans_by_source: Any,
    tiles: Any,
    constants: Any,
    extrapolation: Any,
    reads_x: bool,
    states: Any,
    entered: Any,
    adjoint_x: Any,
    adjoint_y: Any,
    adjoint_drive: Any,
    held: Any,
    filtered: Any,
    changes: Any,
    pulled: Any,
    sums: Any,
    products: Any,
    entering: Any,
    shape: Any,
    fresh: bool,
) -> None:
    """The adjoint of ``forward``, from the last step to the first.

    With ``fresh`` nothing follows, else the segment that the last call went through.

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

    The decay is that of y, of the source: where it differs from layer to layer, F is kept twice,
    once for sources in the layer of the target and once for those in the layer below.

    The step carries M = x A, the adjoint of ln x, instead of A:

        J = slope_drive M'
        M = slope_x M' + x gain (Y - Y')

    Args:
        u: as in ``forward``.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the row of F of the neuron which each non-zero drives, (nonzeros,): that neuron, or
            2 neurons further on where F is kept twice and the source is in the layer below.
        weights: h S weight of each non-zero, (nonzeros,).
        spans, spans_by_source, tiles: see ``structure.Tiles``; h S weight by tile of sources.
        constants, extrapolation, reads_x: as in ``forward``.
        states: as ``forward`` left them.
        entered: scratch for E after the last point that is behind, (last layer, LANES).
        adjoint_x: scratch for slope_x M', (neurons, LANES).
        adjoint_y: scratch for Y', (neurons, LANES).
        adjoint_drive: scratch for J of two steps, used in turn, (2, neurons, LANES).
        held: scratch for the sum of a point's J, (neurons, LANES).
        filtered: scratch for F of some steps and the next one, (steps + 1, neurons, LANES): with
            tiles CHUNK of them, else 1 and the two used in turn; (4, ...) where it is kept twice.
        changes: scratch for gain (x - x_before) of these steps, (steps, neurons, LANES).
        pulled: scratch for the sums over targets of one neuron, or of a tile, (neurons, LANES).
        sums: products for weights and biases over FOLD lanes, added to, (nonzeros + neurons, FOLD).
        products: the same by tiles, without lanes.
        entering: Y (or A) of the last layer that enters after each point read, (points read,
            last layer, LANES).
        shape: as in ``forward``.
        fresh: see above.
    """
    mode = flush_subnormals()
    _, decays, gains, decays_below, _ = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, _, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    silent = n_points - len(entering) // (row - last)
    end = n_points * n_steps
    followed = end if fresh else end + 1  # steps before which F is there
    power = ONE  # E is power times entered
    now, later = 0, row  # of adjoint_drive
    dense, chunk = len(tiles) > 0, len(changes)
    twice = not dense and len(filtered) > 2 * row
    step, next_step = 0, row  # of filtered and changes
    if fresh:
        fill(entered, 0, row - last, ZERO)
        fill(adjoint_x, 0, row, ZERO)
        fill(adjoint_y, 0, row, ZERO)
        fill(adjoint_drive, 0, 2 * row, ZERO)
        fill(filtered, 0, len(filtered), ZERO)
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
            tile = 0
            for j in range(n_neurons):
                at, decay, gain = j * LANES, element(decays, j), element(gains, j)
                state = STATE * (n * row + at)
                state_before = state - STATE * row
                x = load(states, state, LANES)
                total = splat(ZERO, LANES)
                if at >= last:
                    total = power * load(entered, at - last, LANES)
                value = gain * (x - load(states, state_before, LANES))
                if dense:
                    tile = pull(spans_by_source, tiles, tile, filtered, step, j, pulled)
                    total = total + load(pulled, j % TILE * LANES, LANES)
                    store(changes, step + at, value)
                elif n < followed:
                    first, stop = starts[j], starts[j + 1]
                    total = gather_adjoint(
                        total, weights, targets, first, stop, filtered, step, value, sums
                    )
                push = x * (gain * (total - load(adjoint_y, at, LANES)))
                m = load(adjoint_x, at, LANES) + push
                adjoint = load(states, state_before + 2 * LANES, LANES) * m
                next_adjoint = load(adjoint_drive, now + at, LANES)
                after_next = load(adjoint_drive, later + at, LANES)
                mean = newest * adjoint + (older * next_adjoint + oldest * after_next)
                store(adjoint_y, at, total)
                store(adjoint_x, at, load(states, state_before + LANES, LANES) * m)
                store(adjoint_drive, later + at, adjoint)
                store(held, at, load(held, at, LANES) + adjoint)
                store(filtered, next_step + at, mean + decay * load(filtered, step + at, LANES))
                if twice:
                    below, at = element(decays_below, j), 2 * row + at
                    store(filtered, next_step + at, mean + below * load(filtered, step + at, LANES))
            now, later = later, now
            power *= element(decays, n_neurons - 1)  # of the last layer
            step, next_step = next_step, next_step + row if dense else step
            if dense and step == chunk:
                collect(filtered, changes, 0, row, chunk // row, spans, row, products)
                copy(filtered, chunk, row, filtered, 0)
                step, next_step = 0, row
        input_adjoint(u, t * inputs, starts, targets, shape, held, sums)
    if dense and step > 0:
        collect(filtered, changes, 0, row, step // row, spans, row, products)
        copy(filtered, step, row, filtered, 0)
    for at in range(0, row - last, LANES):
        store(entered, at, power * load(entered, at, LANES))
    restore_subnormals(mode)
