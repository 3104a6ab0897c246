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
from objectives.networks.kernels.elementary import ONE, ZERO, tanh
from objectives.networks.kernels.simd import element, load, splat, store
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


@kernel
def forward(
    u: Any,
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    constants: Any,
    extrapolation: Any,
    keep: bool,
    shape: Any,
    held: Any,
    drive: Any,
    outputs: Any,
    values: Any,
    x: Any,
    read: Any,
) -> None:
    """Take one block through time from x = 0; write y of the last layer after the end.

    With ``keep``, the outputs of every step are kept for ``backward``; without it ``outputs`` has
    three steps, used in turn.

    Args:
        u: input, (points, channels, LANES), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,), and the first that is an input,
            (neurons,).
        sources: row of each non-zero's source, (nonzeros,).
        weights: gain weight of each non-zero, (nonzeros,).
        biases: gain b of each neuron, (neurons,).
        constants: decay of a step, of each neuron, (neurons,).
        extrapolation: weights of the last three y in the mean y over a step.
        keep: see above.
        shape: points, steps per point, neurons, channels, neurons of the first and last layer.
        held: scratch for the drives of the first layer that a point holds, (first layer, LANES).
        drive: scratch for gain I of one neuron, (LANES,).
        outputs: y of the two steps before the beginning, and of all from there, (steps + 3,
            neurons, LANES).
        values: scratch for mean y of two steps, used in turn, (2, neurons, LANES).
        x: scratch, (neurons, LANES).
        read: what is asked for, (last layer, LANES).
    """
    (decays,) = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, width, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    now, later = 0, row  # of values
    y_before, y_now, y_next = 0, row, 2 * row  # of outputs
    fill(x, 0, row, ZERO)
    fill(outputs, 0, 3 * row, ZERO)
    fill(values, now, row, ZERO)
    for t in range(n_points):
        input_drive(u, t * inputs, starts, sources, weights, biases, ZERO, shape, held)
        for _ in range(n_steps):
            y_before, y_now, y_next = y_now, y_next, y_next + row if keep else y_before
            for i in range(n_neurons):
                decay = element(decays, i)
                total = constant_drive(held, biases, ZERO, i, width)
                end = starts[n_neurons + 1 + i]
                total = gather(total, weights, sources, starts[i], end, values, now)
                store(drive, 0, total)
                # a bound that LLVM does not know: it would take total apart lane by lane
                for piece in range(0, len(drive), PIECE):
                    here = i * LANES + piece
                    after = decay * load(x, here, PIECE) + load(drive, piece, PIECE)
                    y = tanh(after)
                    mean = older * load(outputs, y_now + here, PIECE)
                    mean = mean + oldest * load(outputs, y_before + here, PIECE)
                    store(x, here, after)
                    store(outputs, y_next + here, y)
                    store(values, later + here, newest * y + mean)
            now, later = later, now
    copy(outputs, y_next + last, row - last, read, 0)


@kernel
def backward(
    u: Any,
    starts: Any,
    targets: Any,
    weights: Any,
    constants: Any,
    extrapolation: Any,
    shape: Any,
    outputs: Any,
    entering: Any,
    adjoint_x: Any,
    mean_adjoint: Any,
    held: Any,
    sums: Any,
) -> None:
    """The adjoint of ``forward``, from the last step to the first.

    Let A(n) be the adjoint of x after step n in all that follows from it, and G(n) that of y:

        A(n) = decay A(n + 1) + (1 - y^2) G(n)     after the last step G enters
        G(n) = sum over targets of gain weight K(n)
        K(n) = a A(n + 1) + b A(n + 2) + c A(n + 3)

    since y enters the mean of the step that begins there with the weight a, of the next one with
    b, and of that after with c. There is no A after the last step.

    Args:
        u: as in ``forward``.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        weights: gain weight of each non-zero, (nonzeros,).
        constants, extrapolation, shape: as in ``forward``.
        outputs: as ``forward`` left them.
        entering: G of the last layer after the last step, (last layer, LANES).
        adjoint_x: scratch for A of two steps, used in turn, (2, neurons, LANES).
        mean_adjoint: scratch for K of two steps, used in turn, (2, neurons, LANES).
        held: scratch for the sum of a point's A, (neurons, LANES).
        sums: products for weights and biases over FOLD lanes, added to, (nonzeros + neurons, FOLD).
    """
    (decays,) = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, _, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    now, later = 0, row  # of adjoint_x and mean_adjoint
    fill(adjoint_x, 0, 2 * row, ZERO)
    fill(mean_adjoint, 0, 2 * row, ZERO)
    for t in range(n_points - 1, -1, -1):
        fill(held, 0, row, ZERO)
        for n in range((t + 1) * n_steps, t * n_steps, -1):  # after so many steps
            for j in range(n_neurons):
                at, decay = j * LANES, element(decays, j)
                y = load(outputs, (n + 2) * row + at, LANES)
                total = splat(ZERO, LANES)
                if n < n_points * n_steps:
                    first, end = starts[j], starts[j + 1]
                    total = gather_adjoint(
                        total, weights, targets, first, end, mean_adjoint, now, y, sums
                    )
                elif at >= last:
                    total = load(entering, at - last, LANES)
                next_a = load(adjoint_x, now + at, LANES)
                a = decay * next_a + (ONE - y * y) * total
                pull = newest * a + (older * next_a + oldest * load(adjoint_x, later + at, LANES))
                store(adjoint_x, later + at, a)
                store(mean_adjoint, later + at, pull)
                store(held, at, load(held, at, LANES) + a)
            now, later = later, now
        input_adjoint(u, t * inputs, starts, targets, shape, held, sums)
