"""Kernels of the CTRNN: the passage of a block through time and its adjoint.

arXiv:2408.02835, Eq. (6)-(8). Both integrators are one linear step, with constants of their own;
S of Eq. (7) is folded into ``gain``:

    x' = decay x + gain (weighted sum + b)       Eq. (6), (7)
    y' = tanh(x')                                Eq. (8)

=====================  ==========  ==============================================
Paper                  Code        Unit, shape
=====================  ==========  ==============================================
x                      x           (neurons, LANES)
y, and u after it      values      (time + 1, rows, LANES)
=====================  ==========  ==============================================
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import kernel
from objectives.networks.kernels.elementary import ONE, ZERO, tanh
from objectives.networks.kernels.simd import load, splat, store
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


@kernel
def forward(
    u: Any,
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    constants: Any,
    keep: bool,
    shape: Any,
    drive: Any,
    values: Any,
    x: Any,
    last_y: Any,
) -> None:
    """Take one block through time from x = 0; write y of the last layer after the last point.

    With ``keep``, the values of every point are kept for ``backward``; without it ``values`` has
    two points, used in turn.

    Args:
        u: input, (time, channels, LANES), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,).
        sources: row of each non-zero's source, (nonzeros,).
        weights: gain weight of each non-zero, (nonzeros,).
        biases: gain b of each neuron, (neurons,).
        constants: decay of a step.
        keep: see above.
        shape: time, neurons, channels, neurons of the last layer.
        drive: scratch for gain I of one neuron, (LANES,).
        values: y and u, (time + 1, rows, LANES).
        x: scratch, (neurons, LANES).
        last_y: what is asked for, (last layer, LANES).
    """
    (decay,) = constants
    n_times, n_neurons, n_channels, n_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - n_last) * LANES
    point = row + inputs
    now, later = 0, point
    fill(x, 0, row, ZERO)
    fill(values, now, row, ZERO)
    for t in range(n_times):
        copy(u, t * inputs, inputs, values, now + row)
        for i in range(n_neurons):
            total = splat(biases[i], LANES)
            total = gather(total, weights, sources, starts[i], starts[i + 1], values, now)
            store(drive, 0, total)
            # a bound that LLVM does not know: it would take total apart lane by lane
            for piece in range(0, len(drive), PIECE):
                here = i * LANES + piece
                after = decay * load(x, here, PIECE) + load(drive, piece, PIECE)
                store(x, here, after)
                store(values, later + here, tanh(after))
        now, later = later, later + point if keep else now
    copy(values, now + last, row - last, last_y, 0)


@kernel
def backward(
    u: Any,
    starts: Any,
    targets: Any,
    weights: Any,
    constants: Any,
    shape: Any,
    values: Any,
    entering: Any,
    adjoint_x: Any,
    sums: Any,
) -> None:
    """The adjoint of ``forward``, from the last point to the first.

    Let A be the adjoint of x in all that follows from it, and G that of y. Primes at the end of
    the step,

        A = decay A' + (1 - y^2) G           after the last point A' = 0 and G enters
        G = sum over targets of gain weight A'

    Args:
        u: as in ``forward``.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        weights: gain weight of each non-zero, (nonzeros,).
        constants, shape: as in ``forward``.
        values: as ``forward`` left them.
        entering: G of the last layer after the last point, (last layer, LANES).
        adjoint_x: scratch for A at the start and the end of a step, (2, neurons, LANES).
        sums: products for weights and biases over FOLD lanes, added to, (nonzeros + neurons, FOLD).
    """
    (decay,) = constants
    n_times, n_neurons, n_channels, n_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - n_last) * LANES
    one = splat(ONE, LANES)
    now, later = 0, row  # of adjoint_x
    fill(adjoint_x, later, row, ZERO)
    for t in range(n_times, 0, -1):  # a point, after step t - 1 and before step t
        for j in range(n_neurons):
            at = j * LANES
            y = load(values, t * (row + inputs) + at, LANES)
            total = splat(ZERO, LANES)
            if t < n_times:
                total = gather_adjoint(
                    total, weights, targets, starts[j], starts[j + 1], adjoint_x, later, y, sums
                )
            elif at >= last:
                total = load(entering, at - last, LANES)
            adjoint = decay * load(adjoint_x, later + at, LANES) + (ONE - y * y) * total
            store(adjoint_x, now + at, adjoint)
            add_products_to(sums, len(targets) + j, adjoint, one)
        for c in range(n_channels):
            value = load(u, (t - 1) * inputs + c * LANES, LANES)
            first, end = starts[n_neurons + c], starts[n_neurons + c + 1]
            gather_products(targets, first, end, adjoint_x, now, value, sums)
        now, later = later, now
