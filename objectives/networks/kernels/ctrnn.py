"""Kernels of the CTRNN: the pass of a block through time and its adjoint.

arXiv:2408.02835, Eq. (6)-(8). A step is linear; S of Eq. (7) is folded into ``gain``:

    x' = decay x + gain (weighted sum of mean y + b)     Eq. (6), (7)
    y' = tanh(x')                                        Eq. (8)

A point is the time between two inputs, divided into ``n_steps`` steps; see ``integrators``.

=====================  ==========  ==============================================
Paper                  Code        Unit, shape
=====================  ==========  ==============================================
x                      x           (neurons, LANES)
y                      outputs     (steps + 3, neurons, LANES)
mean y over a step     values      (2, neurons, LANES)
=====================  ==========  ==============================================
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import kernel
from objectives.networks.kernels.dense import collect, drives, pull
from objectives.networks.kernels.elementary import ONE, ZERO, tanh
from objectives.networks.kernels.simd import (
    element,
    flush_subnormals,
    load,
    restore_subnormals,
    splat,
    store,
)
from objectives.networks.kernels.sizes import LANES
from objectives.networks.kernels.sparse import (
    copy,
    fill,
    gather_adjoint,
    input_adjoint,
    input_drive,
)
from objectives.networks.kernels.structure import TILE


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
    held: Any,
    drive: Any,
    outputs: Any,
    values: Any,
    x: Any,
    read: Any,
    noise: Any,
    before: int,
    shape: Any,
    keep: bool,
    fresh: bool,
) -> None:
    """Take one block through time, or a segment of it; write y of the last layer.

    It is read after each of the last points: as many as ``read`` has room for. With ``keep``, the
    outputs of every step are kept for ``backward``; without it ``outputs`` has three steps, used in
    turn. With ``fresh``, it begins from x = 0, else where the last call without ``keep`` ended:
    after a multiple of six steps.

    Args:
        u: input, (points, channels, LANES), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,), and the first that is an input,
            (neurons,).
        sources: row of each non-zero's source, (nonzeros,).
        weights: gain weight of each non-zero, (nonzeros,).
        biases: gain b of each neuron, (neurons,).
        spans: sources of each tile; none: no tiles. See ``structure.Tiles``.
        tiles: gain weight by tile.
        constants: decay of a step, and size of the jumps, of each neuron, (neurons,); steps from
            jump to jump, 0 for none.
        extrapolation: weights of the last three y in the mean y over a step.
        held: scratch for the drives of the first layer that a point holds, (first layer, LANES).
        drive: scratch for gain I of one neuron, or of a tile, (neurons, LANES).
        outputs: y of the two steps before the beginning, and of all from there, (steps + 3,
            neurons, LANES).
        values: scratch for mean y of two steps, used in turn, (2, neurons, LANES).
        x: scratch, (neurons, LANES).
        read: what is asked for, (points read, last layer, LANES).
        noise: normal numbers of the jumps of x, (jumps, neurons, LANES); empty without.
        before: jumps before the beginning.
        shape: points, steps per point, neurons, channels, neurons of the first and last layer.
        keep, fresh: see above.
    """
    mode = flush_subnormals()
    decays, kicks, every = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, _, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    available = len(noise) // (row)  # jumps; after the last, the first
    silent = n_points - len(read) // (row - last)  # points that nothing is read after
    now, later = 0, row  # of values
    y_before, y_now, y_next = 0, row, 2 * row  # of outputs
    if fresh:
        fill(x, 0, row, ZERO)
        fill(outputs, 0, 3 * row, ZERO)
        fill(values, now, row, ZERO)
    for t in range(n_points):
        input_drive(u, t * inputs, starts, sources, weights, biases, ZERO, decays, shape, held)
        for step in range(t * n_steps + 1, (t + 1) * n_steps + 1):
            jump = -1
            if every > 0 and step % every == 0:
                jump = (before + step // every - 1) % available
            y_before, y_now, y_next = y_now, y_next, y_next + row if keep else y_before
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
                    ZERO,
                    decays,
                    shape,
                    held,
                    values,
                    now,
                    i,
                    drive,
                )
                # a bound that LLVM does not know: it would take total apart lane by lane
                for one in range(0, len(drive), LANES):
                    here = i * LANES + one
                    k = i + one // LANES
                    after = element(decays, k) * load(x, here, LANES) + load(drive, one, LANES)
                    if jump >= 0:
                        after = after + element(kicks, k) * load(noise, jump * row + here, LANES)
                    y = tanh(after)
                    mean = older * load(outputs, y_now + here, LANES)
                    mean = mean + oldest * load(outputs, y_before + here, LANES)
                    store(x, here, after)
                    store(outputs, y_next + here, y)
                    store(values, later + here, newest * y + mean)
            now, later = later, now
        if t >= silent:
            copy(outputs, y_next + last, row - last, read, (t - silent) * (row - last))
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
    outputs: Any,
    adjoint_x: Any,
    mean_adjoint: Any,
    held: Any,
    pulled: Any,
    sums: Any,
    products: Any,
    entering: Any,
    shape: Any,
    fresh: bool,
) -> None:
    """The adjoint of ``forward``, from the last step to the first.

    With ``fresh`` nothing follows, else the segment that the last call went through.

    Let A(n) be the adjoint of x after step n in all that follows from it, and G(n) that of y:

        A(n) = decay A(n + 1) + (1 - y^2) G(n)
        G(n) = entering + sum over targets of gain weight K(n)
        K(n) = a A(n + 1) + b A(n + 2) + c A(n + 3)

    since y enters the mean of the step that begins there with the weight a, of the next one with
    b, and of that after with c. There is no A after the last step. G enters where y is read: after
    each of the last points.

    Args:
        u: as in ``forward``.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        weights: gain weight of each non-zero, (nonzeros,).
        spans, spans_by_source, tiles: see ``structure.Tiles``; gain weight by tile of sources.
        constants, extrapolation: as in ``forward``.
        outputs: as ``forward`` left them.
        adjoint_x: scratch for A of two steps, used in turn, (2, neurons, LANES).
        mean_adjoint: scratch for K of some steps and the next one, (steps + 1, neurons, LANES):
            with tiles CHUNK of them, else 1 and the two used in turn.
        held: scratch for the sum of a point's A, (neurons, LANES).
        pulled: scratch for the sums over targets of one neuron, or of a tile, (neurons, LANES).
        sums: products for weights and biases over FOLD lanes, added to, (nonzeros + neurons, FOLD).
        products: the same by tiles, without lanes.
        entering: G of the last layer that enters after each point read, (points read, last layer,
            LANES).
        shape: as in ``forward``.
        fresh: see above.
    """
    mode = flush_subnormals()
    decays, _, _ = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, _, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    silent = n_points - len(entering) // (row - last)
    now, later = 0, row  # of adjoint_x
    dense, chunk = len(tiles) > 0, len(mean_adjoint) - row
    step, next_step = 0, row  # of mean_adjoint
    followed = n_points * n_steps if fresh else n_points * n_steps + 1  # K is there before
    if fresh:
        fill(adjoint_x, 0, 2 * row, ZERO)
        fill(mean_adjoint, 0, row, ZERO)
    for t in range(n_points - 1, -1, -1):
        fill(held, 0, row, ZERO)
        for n in range((t + 1) * n_steps, t * n_steps, -1):  # after so many steps
            enters = last if t >= silent and n == (t + 1) * n_steps else row
            tile = 0
            for j in range(n_neurons):
                at, decay = j * LANES, element(decays, j)
                y = load(outputs, (n + 2) * row + at, LANES)
                total = splat(ZERO, LANES)
                if at >= enters:
                    total = load(entering, (t - silent) * (row - last) + at - last, LANES)
                if dense:
                    tile = pull(spans_by_source, tiles, tile, mean_adjoint, step, j, pulled)
                    total = total + load(pulled, j % TILE * LANES, LANES)
                elif n < followed:
                    first, end = starts[j], starts[j + 1]
                    total = gather_adjoint(
                        total, weights, targets, first, end, mean_adjoint, step, y, sums
                    )
                next_a = load(adjoint_x, now + at, LANES)
                a = decay * next_a + (ONE - y * y) * total
                mean = newest * a + (older * next_a + oldest * load(adjoint_x, later + at, LANES))
                store(adjoint_x, later + at, a)
                store(mean_adjoint, next_step + at, mean)
                store(held, at, load(held, at, LANES) + a)
            now, later = later, now
            step, next_step = next_step, next_step + row if dense else step
            if dense and step == chunk:
                first_y = (n + 1) * row + chunk  # that of the first step of the chunk
                collect(mean_adjoint, outputs, first_y, -row, chunk // row, spans, row, products)
                copy(mean_adjoint, chunk, row, mean_adjoint, 0)
                step, next_step = 0, row
        input_adjoint(u, t * inputs, starts, targets, shape, held, sums)
    if dense and step > 0:
        collect(mean_adjoint, outputs, 2 * row + step, -row, step // row, spans, row, products)
        copy(mean_adjoint, step, row, mean_adjoint, 0)
    restore_subnormals(mode)
