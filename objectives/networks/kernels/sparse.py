"""What the kernels share: blocks of sequences, drives of neurons, and the transposed pass.

See the package for rows, blocks and lanes.
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import ONE, ZERO
from objectives.networks.kernels.simd import add_products, element, fma, load, splat, store
from objectives.networks.kernels.sizes import LANES

FOLD = 8  # lanes in which the gradient of one weight is summed


@inlined
def fill(target: Any, at: Any, n: Any, number: Any) -> None:
    """``n`` elements from ``at``, ``n`` a multiple of FOLD."""
    for i in range(0, n, FOLD):
        store(target, at + i, splat(number, FOLD))


@inlined
def copy(source: Any, start: Any, n: Any, target: Any, at: Any) -> None:
    """``n`` elements from ``start`` to ``at``, ``n`` a multiple of FOLD."""
    for i in range(0, n, FOLD):
        store(target, at + i, load(source, start + i, FOLD))


@kernel
def weigh(scales: Any, targets: Any, parameters: Any, index: Any, weights: Any) -> None:
    """The weights of the non-zeros, in their order, each times the scale of its target."""
    for k in range(len(index)):
        weights[k] = scales[targets[k]] * parameters[index[k]]


@inlined
def gather(
    total: Any, weights: Any, sources: Any, first: Any, last: Any, values: Any, at: Any
) -> Any:
    """total + sum over k in [first, last) of weights[k] * values[row sources[k]]."""
    other = splat(ZERO, LANES)  # a second chain: one waits for itself
    middle = first + (last - first) // 2 * 2
    for k in range(first, middle, 2):
        source = at + element(sources, k) * LANES
        total = fma(element(weights, k), load(values, source, LANES), total)
        source = at + element(sources, k + 1) * LANES
        other = fma(element(weights, k + 1), load(values, source, LANES), other)
    for k in range(middle, last):
        source = at + element(sources, k) * LANES
        total = fma(element(weights, k), load(values, source, LANES), total)
    return total + other


@inlined
def gather_adjoint(
    total: Any,
    weights: Any,
    targets: Any,
    first: Any,
    last: Any,
    adjoints: Any,
    at: Any,
    value: Any,
    sums: Any,
) -> Any:
    """Transposed pass over one source: its adjoint, and the gradients of its weights.

    Returns total + sum over k of weights[k] * adjoints[row targets[k]], and adds
    adjoints[row targets[k]] * value to sums[k], which is still spread over FOLD lanes.
    """
    for k in range(first, last):
        adjoint = load(adjoints, at + element(targets, k) * LANES, LANES)
        total = fma(element(weights, k), adjoint, total)
        add_products_to(sums, k, adjoint, value)
    return total


@inlined
def input_drive(
    u: Any,
    at: Any,
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    factor: Any,
    constants: Any,
    shape: Any,
    held: Any,
) -> None:
    """The drives of the first layer that do not change over a point: bias + fixed + input.

    The fixed drive of a neuron is ``factor`` times its constant.

    ``starts`` are those of all non-zeros, then those of inputs; ``at`` is where the point is in u.
    """
    _, _, n_neurons, _, width, _ = shape
    for i in range(width):
        total = splat(biases[i] + factor * element(constants, i), LANES)
        first, last = starts[n_neurons + 1 + i], starts[i + 1]
        total = gather(total, weights, sources, first, last, u, at - n_neurons * LANES)
        store(held, i * LANES, total)


@inlined
def constant_drive(held: Any, biases: Any, fixed: Any, i: Any, width: Any) -> Any:
    """What ``input_drive`` has for neuron i; there is no input into layers above the first."""
    if i < width:
        return load(held, i * LANES, LANES)
    return splat(biases[i] + fixed, LANES)


@inlined
def input_adjoint(
    u: Any, at: Any, starts: Any, targets: Any, shape: Any, held: Any, sums: Any
) -> None:
    """The adjoint of ``input_drive`` and biases; ``held`` is that of all drives of the point."""
    _, _, n_neurons, n_channels, _, _ = shape
    one = splat(ONE, LANES)
    for i in range(n_neurons):
        add_products_to(sums, len(targets) + i, load(held, i * LANES, LANES), one)
    for c in range(n_channels):
        value = load(u, at + c * LANES, LANES)
        for k in range(starts[n_neurons + c], starts[n_neurons + c + 1]):
            adjoint = load(held, element(targets, k) * LANES, LANES)
            add_products_to(sums, k, adjoint, value)


@inlined
def add_products_to(sums: Any, k: Any, adjoint: Any, value: Any) -> None:
    """Add the products of two rows to sums[k], over FOLD lanes."""
    store(sums, k * FOLD, add_products(load(sums, k * FOLD, FOLD), adjoint, value))


@kernel
def deliver(sums: Any, index: Any, scales: Any, gradient: Any) -> None:
    """Add ``sums``, each times its scale, to the gradient at ``index``."""
    for k in range(len(index)):
        total = ZERO
        for i in range(FOLD):
            total += sums[k * FOLD + i]
        gradient[index[k]] += scales[k] * total
