"""Kernels of the spintronic network: oscillator steps, the pass through time, its adjoint.

arXiv:2408.02835, Eq. (2)-(5), with thermal power (see ``networks.oscillator``); S and the fixed
bias of Eq. (4) are folded into weights and drives. A point is the time between two inputs, divided
into ``n_steps`` steps of h; see ``integrators``.

=========================  =======================  ==============================================
Paper                      Code                     Unit, shape
=========================  =======================  ==============================================
x, dlnx'/dlnx, dlnx'/d(Ih) states                   (steps + 1, neurons, 3, LANES)
y, and y one step before   outputs                  (2, neurons, LANES)
mean y over a step         values                   (2, neurons, LANES)
I h                        drive                    (LANES,)
gamma h                    gammas, g                (neurons,), and of one
gamma h times thermal      sources, k               (neurons,), and of one
power
=========================  =======================  ==============================================

With thermal noise the amplitudes jump at the end of some steps. Of every jump are kept x before it,
and dlnx/dlnx of the jump.
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import kernel
from objectives.networks.kernels.dense import collect, drives, pull
from objectives.networks.kernels.elementary import ONE, ZERO
from objectives.networks.kernels.simd import (
    element,
    flush_subnormals,
    load,
    restore_subnormals,
    splat,
    store,
)
from objectives.networks.kernels.sizes import LANES, SPINTRONIC_ROWS
from objectives.networks.kernels.sparse import (
    copy,
    fill,
    gather_adjoint,
    input_adjoint,
    input_drive,
)
from objectives.networks.kernels.steps import (
    after_noise_kick,
    cold_step,
    renormalised,
    warm_step,
)
from objectives.networks.kernels.structure import TILE

STATE = SPINTRONIC_ROWS  # of a neuron, side by side: one stream of memory


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
    scaled: Any,
    jumped: Any,
    read: Any,
    noise: Any,
    before: int,
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
        constants: of each neuron g, k and h times the fixed bias; decay and gain in
            y' = decay y + gain (x' - x), and the decay of those in the layer below; x at the
            beginning, and the size of its jumps, (neurons,); steps from jump to jump, 0 for none.
        extrapolation: weights of the last three y in the mean y over a step.
        reads_x: whether the change of x is read out rather than y.
        held: scratch for the drives of the first layer that a point holds, (first layer, LANES).
        drive: scratch for the drive of one neuron, or of a tile, (neurons, LANES).
        outputs: scratch for y of two steps, used in turn, (2, neurons, LANES).
        values: scratch for mean y of two steps, used in turn, (2, neurons, LANES).
        states: x, and the slopes of the step that begins there, (steps + 1, neurons, 3, LANES).
        scaled: mantissa and depth of x, see ``renormalised``, (2, neurons, LANES); empty where
            there is thermal power or noise.
        jumped: x before each jump, and the slope of the jump, (jumps, neurons, 2, LANES).
        read: what is asked for, (points read, last layer, LANES).
        noise: normal numbers of the jumps, along and across the amplitude, (jumps, 2, neurons,
            LANES); empty without.
        before: jumps before the beginning.
        shape: points, steps per point, neurons, channels, neurons of the first and last layer.
        keep, fresh: see above.
    """
    mode = flush_subnormals()
    gammas, sources_of_power, fixed, decays, gains, _, start, kicks, every = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, _, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    available = len(noise) // (2 * row)  # jumps; after the last, the first
    silent = n_points - len(read) // (row - last)  # points that nothing is read after
    now, later = 0, row  # of outputs and values
    cold = len(scaled) > 0
    state, next_state = 0, STATE * row
    if fresh:
        for i in range(n_neurons):
            fill(states, STATE * i * LANES, STATE * LANES, element(start, i))
        if cold:
            for i in range(n_neurons):
                fill(scaled, i * LANES, LANES, element(start, i))
            fill(scaled, row, row, ZERO)
        fill(outputs, 0, 2 * row, ZERO)
        fill(values, now, row, ZERO)
    for t in range(n_points):
        input_drive(u, t * inputs, starts, sources, weights, biases, ONE, fixed, shape, held)
        for step in range(t * n_steps + 1, (t + 1) * n_steps + 1):
            jump = -1
            if every > 0 and step % every == 0:
                jump = (before + step // every - 1) % available
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
                    ONE,
                    fixed,
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
                    x = load(states, state + at, LANES)
                    force = load(drive, one, LANES)
                    if cold or every > 0:  # no thermal power, or noise in its place
                        factor, slope_x, slope_drive = cold_step(x, force, g)
                        after = x * factor
                        if cold:
                            mantissa = load(scaled, here, LANES) * factor
                            depth = load(scaled, row + here, LANES)
                            mantissa, depth, after = renormalised(mantissa, depth)
                            store(scaled, here, mantissa)
                            store(scaled, row + here, depth)
                    else:
                        source = element(sources_of_power, k)
                        after, slope_x, slope_drive = warm_step(x, force, g, source)
                    y = load(outputs, now + here, LANES)
                    next_y = decay * y + gain * (after - x)  # Eq. (5)
                    if jump >= 0:  # it passes the filter whole
                        size, place = element(kicks, k), 2 * jump * row + here
                        along = size * load(noise, place, LANES)
                        across = size * load(noise, place + row, LANES)
                        kicked, slope = after_noise_kick(after, along, across)
                        next_y = next_y + (kicked - after)
                        if keep:
                            place = 2 * ((step // every - 1) * row + here)
                            store(jumped, place, after)
                            store(jumped, place + LANES, slope)
                        after = kicked
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
                change = load(states, state + STATE * (last + at), LANES)
                change = change - element(start, (last + at) // LANES)
                store(read, (t - silent) * (row - last) + at, change)
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
    jumped: Any,
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

    Where x1 jumps to x at the end of a step, y holds gain x1 + (x - x1): the M before the jump,
    which is that of J, is slope (slope_x M' + x (Y - gain Y')) + x1 (gain - 1) Y.

    Args:
        u: as in ``forward``.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the row of F of the neuron which each non-zero drives, (nonzeros,): that neuron, or
            2 neurons further on where F is kept twice and the source is in the layer below.
        weights: h S weight of each non-zero, (nonzeros,).
        spans, spans_by_source, tiles: see ``structure.Tiles``; h S weight by tile of sources.
        constants, extrapolation, reads_x: as in ``forward``.
        states, jumped: as ``forward`` left them.
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
    _, _, _, decays, gains, decays_below, _, _, every = constants
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
            ends_in_jump = every > 0 and n % every == 0
            tile = 0
            for j in range(n_neurons):
                at, decay, gain = j * LANES, element(decays, j), element(gains, j)
                state = STATE * (n * row + at)
                state_before = state - STATE * row
                x = load(states, state, LANES)
                settled = x  # x before the jump, if there is one
                place = 2 * ((n // every - 1) * row + at) if ends_in_jump else 0
                if ends_in_jump:
                    settled = load(jumped, place, LANES)
                total = splat(ZERO, LANES)
                if at >= last:
                    total = power * load(entered, at - last, LANES)
                value = gain * (settled - load(states, state_before, LANES)) + (x - settled)
                if dense:
                    tile = pull(spans_by_source, tiles, tile, filtered, step, j, pulled)
                    total = total + load(pulled, j % TILE * LANES, LANES)
                    store(changes, step + at, value)
                elif n < followed:
                    first, stop = starts[j], starts[j + 1]
                    total = gather_adjoint(
                        total, weights, targets, first, stop, filtered, step, value, sums
                    )
                if ends_in_jump:
                    push = x * (total - gain * load(adjoint_y, at, LANES))
                    slope = load(jumped, place + LANES, LANES)
                    m = slope * (load(adjoint_x, at, LANES) + push)
                    m = m + settled * ((gain - ONE) * total)
                else:
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
