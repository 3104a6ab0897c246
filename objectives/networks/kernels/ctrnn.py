"""Kernels of the CTRNN: the passage through time and its adjoint.

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
    add_to_sum,
    deliver,
    fill,
    from_lanes,
    gather,
    pull,
    to_lanes,
    weigh,
)


@kernel
def forward(
    u: Any,
    starts: Any,
    sources: Any,
    index: Any,
    parameters: Any,
    constants: Any,
    keep: bool,
    shape: Any,
    weights: Any,
    x: Any,
    drive: Any,
    values: Any,
    output: Any,
) -> None:
    """Take every block through time from x = 0; write y after the last point to output.

    With ``keep``, the values of every point are kept for ``backward``; without it ``values`` has
    two points, used in turn.

    Args:
        u: input, (batch, time, channels), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,).
        sources: row of each non-zero's source, (nonzeros,).
        index: where each non-zero is among the parameters, (nonzeros,).
        parameters: all weights, masked ones too, then the biases of the neurons, 1/ns.
        constants: decay and gain of a step.
        keep: see above.
        shape: blocks, time, neurons, channels, neurons of the last layer.
        weights: scratch for gain weight of each non-zero, (nonzeros,).
        x: scratch, (neurons, LANES).
        drive: scratch for gain I of one neuron, (LANES,).
        values: y and u, (blocks, time + 1, rows, LANES).
        output: (batch, last layer).
    """
    decay, gain = constants
    n_blocks, n_times, n_neurons, n_channels, n_last = shape
    row = n_neurons * LANES  # of the input
    point = row + n_channels * LANES
    last = row - n_last * LANES
    first_bias = len(parameters) - n_neurons
    weigh(gain, parameters, index, weights)
    for block in range(n_blocks):
        now = block * (n_times + 1) * point if keep else 0
        later = now + point
        fill(x, 0, row, ZERO)
        fill(values, now, row, ZERO)
        for t in range(n_times):
            to_lanes(u, block, t * n_channels, n_times * n_channels, n_channels, values, now + row)
            for i in range(n_neurons):
                total = splat(gain * parameters[first_bias + i], LANES)
                total = gather(total, weights, sources, starts[i], starts[i + 1], values, now)
                store(drive, 0, total)
                # a bound that LLVM does not know: it would take total apart lane by lane
                for piece in range(0, len(drive), PIECE):
                    here = i * LANES + piece
                    after = decay * load(x, here, PIECE) + load(drive, piece, PIECE)
                    store(x, here, after)
                    store(values, later + here, tanh(after))
            now, later = later, later + point if keep else now
        from_lanes(values, now + last, block, n_last, output)


@kernel
def backward(
    output_grad: Any,
    starts: Any,
    targets: Any,
    index: Any,
    parameters: Any,
    constants: Any,
    shape: Any,
    values: Any,
    weights: Any,
    adjoint_x: Any,
    pulled: Any,
    sums: Any,
    gradient: Any,
) -> None:
    """The adjoint of ``forward``, from the last point to the first.

    Let A be the adjoint of x in all that follows from it, and G that of y. Primes at the end of
    the step,

        A' = decay A'' + (1 - y'^2) G'       A'' = 0 and G' = output_grad at the last point
        G  = sum over targets of gain weight A'

    Args:
        output_grad: adjoint of output, (batch, last layer).
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        index: where each non-zero is among the parameters, (nonzeros,).
        parameters, constants, shape: as in ``forward``.
        values: as ``forward`` left them.
        weights: scratch for gain weight of each non-zero, (nonzeros,).
        adjoint_x: scratch for A, (neurons, LANES).
        pulled: scratch for G, (neurons, LANES).
        sums: scratch, adjoints of weights and drives over FOLD lanes, (nonzeros + neurons, FOLD).
        gradient: adjoint of parameters, which enters as zeros.
    """
    decay, gain = constants
    n_blocks, n_times, n_neurons, n_channels, n_last = shape
    point = (n_neurons + n_channels) * LANES
    last = (n_neurons - n_last) * LANES
    weigh(gain, parameters, index, weights)
    fill(sums, 0, len(sums), ZERO)
    for block in range(n_blocks):
        fill(adjoint_x, 0, n_neurons * LANES, ZERO)
        fill(pulled, 0, n_neurons * LANES, ZERO)
        to_lanes(output_grad, block, 0, n_last, n_last, pulled, last)
        for t in range(n_times - 1, -1, -1):
            at = (block * (n_times + 1) + t) * point
            for i in range(n_neurons):
                row = i * LANES
                y = load(values, at + point + row, LANES)
                through = (ONE - y * y) * load(pulled, row, LANES)
                adjoint = decay * load(adjoint_x, row, LANES) + through
                store(adjoint_x, row, adjoint)
                add_to_sum(sums, len(index) + i, adjoint)
            pull(weights, starts, targets, adjoint_x, values, at, pulled, sums)
    deliver(sums, index, gain, gradient)
