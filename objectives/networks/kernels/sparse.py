"""What the kernels share: blocks of sequences, drives of neurons, and the transposed pass.

See the package for rows, blocks and lanes.
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import inlined
from objectives.networks.kernels.elementary import ONE, ZERO
from objectives.networks.kernels.simd import add_products, load, splat, store

LANES = 128  # sequences in a block: eight registers of 512 bits; no worse with sixteen of 256
PIECE = 32  # lanes of a neuron step, which needs more registers per lane
FOLD = 16  # lanes in which the gradient of one weight is summed


@inlined
def fill(target: Any, at: Any, n: Any, number: Any) -> None:
    """``n`` elements from ``at``, ``n`` a multiple of FOLD."""
    for i in range(0, n, FOLD):
        store(target, at + i, splat(number, FOLD))


@inlined
def to_lanes(array: Any, block: Any, start: Any, stride: Any, n: Any, values: Any, at: Any) -> None:
    """Rows at ``at`` from array[sequence, start : start + n], 0 where there is no sequence."""
    for lane in range(LANES):
        sequence = block * LANES + lane
        for row in range(n):
            here = sequence * stride + start + row
            values[at + row * LANES + lane] = array[here] if here < len(array) else ZERO


@inlined
def from_lanes(values: Any, at: Any, block: Any, n: Any, array: Any) -> None:
    """The reverse: array[sequence, :n] from rows at ``at``, for the sequences that there are."""
    for lane in range(min(LANES, len(array) // n - block * LANES)):
        for row in range(n):
            array[(block * LANES + lane) * n + row] = values[at + row * LANES + lane]


@inlined
def weigh(scale: Any, parameters: Any, index: Any, weights: Any) -> None:
    """The weights of the non-zeros, in their order, times ``scale``."""
    for k in range(len(index)):
        weights[k] = scale * parameters[index[k]]


@inlined
def gather(
    total: Any, weights: Any, sources: Any, first: Any, last: Any, values: Any, at: Any
) -> Any:
    """total + sum over k in [first, last) of weights[k] * values[row sources[k]]."""
    for k in range(first, last):
        total = weights[k] * load(values, at + sources[k] * LANES, LANES) + total
    return total


@inlined
def gather_adjoint(
    total: Any,
    weights: Any,
    targets: Any,
    first: Any,
    last: Any,
    adjoints: Any,
    value: Any,
    sums: Any,
) -> Any:
    """Transposed pass over one source: its adjoint, and the gradients of its weights.

    Returns total + sum over k of weights[k] * adjoints[row targets[k]], and adds
    adjoints[row targets[k]] * value to sums[k], which is still spread over FOLD lanes.
    """
    for k in range(first, last):
        adjoint = load(adjoints, targets[k] * LANES, LANES)
        total = weights[k] * adjoint + total
        store(sums, k * FOLD, add_products(load(sums, k * FOLD, FOLD), adjoint, value))
    return total


@inlined
def add_to_sum(sums: Any, k: Any, adjoint: Any) -> None:
    """Add one row to sums[k], over FOLD lanes: the gradient of a bias."""
    one = splat(ONE, LANES)
    store(sums, k * FOLD, add_products(load(sums, k * FOLD, FOLD), adjoint, one))


@inlined
def pull(
    weights: Any,
    starts: Any,
    targets: Any,
    adjoints: Any,
    values: Any,
    at: Any,
    pulled: Any,
    sums: Any,
) -> None:
    """The adjoint of all drives of one point: of its values, to ``pulled``, and of the weights.

    Args:
        weights: weight of each non-zero, by source.
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        adjoints: adjoint of each neuron's drive, (neurons, LANES).
        values: values of the rows from ``at``.
        at: see values.
        pulled: adjoint of each neuron's value, (neurons, LANES).
        sums: see ``gather_adjoint``.
    """
    for j in range(len(starts) - 1):
        row = j * LANES
        value = load(values, at + row, LANES)
        total = splat(ZERO, LANES)
        total = gather_adjoint(
            total, weights, targets, starts[j], starts[j + 1], adjoints, value, sums
        )
        if row < len(pulled):
            store(pulled, row, total)


@inlined
def deliver(sums: Any, index: Any, scale: Any, gradient: Any) -> None:
    """The gradient of the parameters from ``sums``: weights by ``index``, the biases at the end."""
    n_nonzeros = len(index)
    n_biases = len(sums) // FOLD - n_nonzeros
    for k in range(n_nonzeros + n_biases):
        total = ZERO
        for i in range(FOLD):
            total += sums[k * FOLD + i]
        where = index[k] if k < n_nonzeros else len(gradient) - n_biases + k - n_nonzeros
        gradient[where] = scale * total
