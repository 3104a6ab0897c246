"""The pass of a block through time and its adjoint, for any device and layout.

It computes the network of docs/explanation/equations.md, "Network". A point is the time
between two inputs, divided into ``n_steps`` steps; see ``integrators``. A step
multiplies the weights with the mean outputs v over the step, and calls a pointwise
function of the device by its address::

    I(n)             = W v(n-d) + held                held: input, bias, fixed drive
    s(n+1), y(n+1)   = advance(s(n), I(n))
    v(n+1)           = a y(n+1) + b y(n) + c y(n-1)   extrapolated over the next step

Backwards, with the adjoints J, P and A of I, v and s::

    G                = a P(m+1) + b P(m+2) + c P(m+3) + entering   adjoint of y(n+1)
    A(n), J(n)       = pull(A(n+1), G)
    P(n)             = W^T J(n)
    gradient        += J(n) v(n-d)^T

with the whole steps d of a delay of the outputs, and m = n + d.

=======  ===============  ======================================
symbol   code             shape
=======  ===============  ======================================
s        states           (states, row)
y        outputs          (2, row), the last two, in turn
v        values           (steps + d + 1, row), or (d + 2, row) in turn
I        drive            (row,)
slopes   kept             (steps, kept, row)
J        drive_adjoints   (steps of a point, row)
P        pulled           (d + 4, row), in turn
A        adjoints         (states, row)
=======  ===============  ======================================

``advance`` and ``pull`` are C functions, see ``compiling.compile_step``, of four
tuples::

    arrays of advance  states, drive, constants, noise, outputs now and before, value
                       and kept: before, value, kept and states are written
    arrays of pull     kept, adjoints, pulled of the next three steps, entering,
                       constants and drive_adjoint: adjoints and the last are written
    extrapolation      a, b and c
    walk               see ``layout.Walk``
    events             enters: 1 if ``entering`` is an adjoint of the output, 2 of the
                       first state, else 0; jump: 1 for a jump of noise, else 0
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .compiling import inline, kernel
from .elementary import ONE, ZERO
from .layout import Floats, Walk
from .products import gather, gather_back, multiply
from .simd import (
    add_products,
    call,
    element,
    flush_subnormals,
    load,
    pointer,
    restore_subnormals,
    splat,
    store,
)
from .sizes import FOLD, SERIES, WIDTH


class PassShape(NamedTuple):
    """Sizes of a pass over a segment of a block."""

    n_points: int
    n_steps: int
    """Steps per point."""
    n_channels: int
    n_series: int
    n_columns: int
    """Neurons of a series in a row, padding included."""
    entry: int
    """Number of neurons with input, the first ones."""
    first_read: int
    """Place of the first value to read in the row of a series."""
    n_read: int
    """Number of values to read, per series."""
    stride: int
    """Floats per series and point in the array of values read."""
    per_series: int
    """Floats from one series to the next in a row."""
    per_column: int
    """Floats from one neuron to the next in a row."""
    n_kept: int
    reads: int
    """Index of the state that is read; -1: the output."""
    delay: int
    """Whole steps of the delay of the outputs."""
    walk: Walk
    extrapolation: tuple[np.float32, np.float32, np.float32]
    """Weights of the last three outputs in the mean output over a step."""


class Jumps(NamedTuple):
    """Jumps of noise in a segment."""

    normals: Floats
    """Normal numbers, (jumps, parts, row), flat."""
    interval: int
    """Steps from jump to jump; 0: no jumps."""
    before: int
    """Jumps before the segment."""
    floats: int
    """Normal numbers of a jump."""


@inline
def _hold(u: Any, t: Any, network: Any, shape: Any, held: Any) -> None:
    """Write the drives that are constant over point t: bias, fixed drive and input."""
    structure, _, inputs, biases = network
    n = shape.entry
    channels = shape.n_channels
    series = shape.n_series
    at = t * channels * series
    if structure.dense:
        for c in range(n, shape.n_columns, WIDTH):
            for s in range(series):
                store(held, s * shape.n_columns + c, load(biases, c, WIDTH))
        left = (u, at, channels, 1, 0)
        right = (inputs, 0, n, 0)
        size = (series, n, channels, 1)
        multiply((held, 0, shape.n_columns), (biases, 0, 0), left, right, size)
    else:
        for i in range(shape.n_columns):
            store(held, i * SERIES, splat(biases[i], SERIES))
        out = (held, 0, SERIES)
        left = (inputs, 0, channels, 1, 0)
        size = (n, SERIES, channels, 1)
        multiply(out, out, left, (u, at, SERIES, 0), size)


@inline
def _drive(values: Any, at: Any, network: Any, shape: Any, work: Any) -> None:
    """Write the drives, held + W v."""
    structure, weights, _, _ = network
    held, drive = work
    n = shape.n_columns
    if structure.dense:
        for k in range(len(structure.spans)):
            span = structure.spans[k]
            left = (values, at + span.source, n, 1, 0)
            right = (weights, span.weights, span.columns, 0)
            size = (shape.n_series, span.columns, span.sources, 1)
            multiply((drive, span.first, n), (held, span.first, n), left, right, size)
    else:
        starts = structure.starts
        sources = structure.sources
        for i in range(n):
            total = load(held, i * SERIES, SERIES)
            span = (starts[i], starts[i + 1])
            total = gather(total, weights, sources, span, values, at)
            store(drive, i * SERIES, total)


@inline
def _is_jump_due(step: Any, interval: Any) -> Any:
    """Return whether a jump of noise follows a step; never with an interval of 0."""
    return interval > 0 and (step + 1) % interval == 0


@inline
def _place_of_normals(step: Any, jumps: Any) -> Any:
    """Return the place of the normal numbers of the jump after a step.

    Normals are used again from the first one, as in ``LayeredNetwork._jumps``.
    """
    available = len(jumps.normals) // jumps.floats
    number = jumps.before + step // jumps.interval
    return number % available * jumps.floats


@inline
def _read(source: Any, at: Any, read: Any, to: Any, shape: Any) -> None:
    """Copy the values to read of all series from a row."""
    at += shape.first_read
    for s in range(shape.n_series):
        for i in range(shape.n_read):
            value = source[at + s * shape.per_series + i * shape.per_column]
            read[to + s * shape.stride + i] = value


@inline
def _enter(entering: Any, at: Any, entered: Any, shape: Any) -> None:
    """Copy the adjoints of the values read of all series to a row."""
    to = shape.first_read
    for s in range(shape.n_series):
        for i in range(shape.n_read):
            adjoint = entering[at + s * shape.stride + i]
            entered[to + s * shape.per_series + i * shape.per_column] = adjoint


@inline
def _advance(
    step: Any, to: Any, shape: Any, device: Any, work: Any, jumps: Any
) -> None:
    """Take a step, and a jump of noise if it is due.

    ``to`` has the places of the mean outputs and of the slopes to write.
    """
    advance, constants = device
    _, drive, outputs, values, states, kept = work
    row = shape.walk.row
    jump = 0
    place = 0
    if _is_jump_due(step, jumps.interval):
        jump = 1
        place = _place_of_normals(step, jumps)
    arrays = (
        pointer(states, 0),
        pointer(drive, 0),
        pointer(constants, 0),
        pointer(jumps.normals, place),
        pointer(outputs, step % 2 * row),
        pointer(outputs, (step + 1) % 2 * row),
        pointer(values, to[0]),
        pointer(kept, to[1]),
    )
    call(advance, arrays, shape.extrapolation, shape.walk, (0, jump))


@kernel
def forward(
    u: Any,
    read: Any,
    shape: Any,
    network: Any,
    device: Any,
    work: Any,
    jumps: Any,
    keep: bool,
) -> None:
    """Take one block, or a segment of it, through time, and write the values read.

    The block is read after each of the last points, as many as fit into ``read``. With
    ``keep``, the slopes of every step are kept for ``backward``. Without it, the block
    ends where it began in ``work``, after an even number of steps.

    Args:
        u: input, (points, series, channels) of a dense layout, else (points, channels,
            series).
        read: the values read, (points read, series, stride), written.
        shape, jumps: see ``PassShape`` and ``Jumps``.
        network: ``layout.Structure``; weights between neurons and from the input, and
            biases with the fixed drives, all amplified.
        device: address of the step, and constants of each group.
        work: held, drive, outputs, values, states and kept: see the module.
    """
    mode = flush_subnormals()
    held, drive, outputs, values, states, _ = work
    row = shape.walk.row
    ring = len(values) // row if keep else shape.delay + 2
    per_point = shape.n_series * shape.stride
    silent = shape.n_points - len(read) // per_point
    for t in range(shape.n_points):
        _hold(u, t, network, shape, held)
        for step in range(t * shape.n_steps, (t + 1) * shape.n_steps):
            value = step % ring
            coming = (step + 1 + shape.delay) % ring
            slopes = step * shape.n_kept if keep else 0
            _drive(values, value * row, network, shape, (held, drive))
            _advance(step, (coming * row, slopes * row), shape, device, work, jumps)
        if t >= silent:
            to = (t - silent) * per_point
            if shape.reads < 0:
                last = (t + 1) * shape.n_steps % 2
                _read(outputs, last * row, read, to, shape)
            else:
                _read(states, shape.reads * row, read, to, shape)
    restore_subnormals(mode)


@inline
def _pull_back(
    step: Any, k: Any, network: Any, shape: Any, work: Any, number: Any
) -> None:
    """Write P = W^T J; for a sparse network, add the gradient in the same pass over the
    weights.

    J is the drive adjoint of a step, the k-th one of a point. ``number`` is its number
    since the start of the series.
    """
    structure, weights = network
    values, drive_adjoints, zeros, pulled, sums = work
    row = shape.walk.row
    n = shape.n_columns
    at = k * row
    to = number % (shape.delay + 4) * row
    if structure.dense:
        for i in range(len(structure.spans)):
            span = structure.spans[i]
            left = (drive_adjoints, at + span.target, n, 1, 0)
            right = (weights, span.weights_back, span.columns, 0)
            size = (shape.n_series, span.columns, span.targets, 1)
            multiply((pulled, to + span.first, n), (zeros, 0, 0), left, right, size)
    else:
        starts = structure.starts_back
        targets = structure.targets
        adjoints = (drive_adjoints, at)
        for j in range(n):
            span = (starts[j], starts[j + 1])
            value = (values, step * row + j * SERIES)
            out = (pulled, to + j * SERIES)
            gather_back(weights, targets, span, adjoints, value, sums, out)


@inline
def _add_steps(drive_adjoints: Any, shape: Any, held: Any) -> None:
    """Write the sum of the drive adjoints of all steps of a point."""
    row = shape.walk.row
    last = shape.n_steps - 1
    for i in range(0, shape.n_columns * shape.n_series, WIDTH):
        total = load(drive_adjoints, last * row + i, WIDTH)
        for k in range(last - 1, -1, -1):
            total = total + load(drive_adjoints, k * row + i, WIDTH)
        store(held, i, total)


@inline
def _collect_dense(u: Any, t: Any, spans: Any, shape: Any, work: Any) -> None:
    """Add the gradients of point t, from the drive adjoints of its steps and their sum
    ``held``."""
    values, drive_adjoints, held, sums = work
    row = shape.walk.row
    entry = shape.entry
    n = shape.n_columns
    series = shape.n_series
    channels = shape.n_channels
    last = 0
    value = t * shape.n_steps * row
    for k in range(len(spans)):
        span = spans[k]
        out = (sums, span.weights, span.columns)
        left = (values, value + span.source, 1, n, row)
        right = (drive_adjoints, span.first, n, row)
        counts = (span.sources, span.columns, series, shape.n_steps)
        multiply(out, out, left, right, counts)
        last = span.weights + span.sources * span.columns
    out = (sums, last, entry)
    left = (u, t * channels * series, 1, channels, 0)
    multiply(out, out, left, (held, 0, n, 0), (channels, entry, series, 1))
    last += channels * entry
    for c in range(0, n, WIDTH):
        total = load(sums, last + c, WIDTH)
        for s in range(series):
            total = total + load(held, s * n + c, WIDTH)
        store(sums, last + c, total)


@inline
def _add_dot_product(sums: Any, k: Any, held: Any, i: Any, value: Any) -> None:
    """Add the adjoints of neuron i times values of all series to sum k."""
    adjoint = load(held, i * SERIES, SERIES)
    total = add_products(load(sums, k * FOLD, FOLD), adjoint, value)
    store(sums, k * FOLD, total)


@inline
def _collect_sparse(
    u: Any, t: Any, n_weights: Any, shape: Any, held: Any, sums: Any
) -> None:
    """Add the gradients of inputs and biases of point t, from the sum ``held`` of its
    drive adjoints."""
    k = n_weights
    channels = shape.n_channels
    for i in range(shape.entry):
        for c in range(channels):
            value = load(u, (t * channels + c) * SERIES, SERIES)
            _add_dot_product(sums, k, held, i, value)
            k += 1
    for i in range(shape.n_columns):
        _add_dot_product(sums, k + i, held, i, splat(ONE, SERIES))


@inline
def _pull(
    step: Any, k: Any, shape: Any, device: Any, work: Any, events: Any, number: Any
) -> None:
    """Run the adjoint of a step, the k-th one of a point.

    ``number`` is its number since the start of the series.
    """
    pull, constants = device
    _, kept, _, drive_adjoints, pulled, adjoints, _, entered, _ = work
    row = shape.walk.row
    ring = shape.delay + 4
    late = number + shape.delay
    arrays = (
        pointer(kept, step * shape.n_kept * row),
        pointer(adjoints, 0),
        pointer(pulled, (late + 1) % ring * row),
        pointer(pulled, (late + 2) % ring * row),
        pointer(pulled, (late + 3) % ring * row),
        pointer(entered, 0),
        pointer(constants, 0),
        pointer(drive_adjoints, k * row),
    )
    call(pull, arrays, shape.extrapolation, shape.walk, events)


@kernel
def backward(
    u: Any,
    entering: Any,
    shape: Any,
    network: Any,
    device: Any,
    work: Any,
    interval: int,
    before: int,
) -> None:
    """Run the adjoint of ``forward``, from the last step to the first.

    It goes on from the adjoints and pull-backs that the segment after it has left in
    ``work``; zeros at the last one.

    Args:
        u, shape: as in ``forward``.
        entering: adjoint of the values read, (points read, series, stride).
        network: ``layout.Structure``; weights between neurons, amplified, as pull-backs
            take them.
        device: address of the adjoint of the step, and constants of each group.
        work: values and kept, as ``forward`` left them; held, drive_adjoints, pulled,
            adjoints; a row of zeros, and one for the entering adjoint; gradients of
            weights, inputs and biases, added to: see ``Layout.gradient``.
        interval, before: steps from jump to jump, 0 for none; before the segment.
    """
    mode = flush_subnormals()
    structure = network[0]
    values, _, held, drive_adjoints, pulled, _, zeros, entered, sums = work
    n_steps = shape.n_steps
    per_point = shape.n_series * shape.stride
    silent = shape.n_points - len(entering) // per_point
    own = (values, drive_adjoints, zeros, pulled, sums)
    for t in range(shape.n_points - 1, -1, -1):
        enters = 0
        if t >= silent:
            enters = 1 if shape.reads < 0 else 2
            _enter(entering, (t - silent) * per_point, entered, shape)
        for k in range(n_steps - 1, -1, -1):
            step = t * n_steps + k
            jump = 1 if _is_jump_due(step, interval) else 0
            _pull(step, k, shape, device, work, (enters, jump), before + step)
            enters = 0
            _pull_back(step, k, network, shape, own, before + step)
        _add_steps(drive_adjoints, shape, held)
        if structure.dense:
            parts = (values, drive_adjoints, held, sums)
            _collect_dense(u, t, structure.spans, shape, parts)
        else:
            _collect_sparse(u, t, len(structure.targets), shape, held, sums)
    restore_subnormals(mode)


@kernel
def weigh(
    parameters: Any, index: Any, target: Any, scales: Any, added: Any, weights: Any
) -> None:
    """Write parameters in the order of ``index``: times the scale of the target, plus
    ``added``."""
    for k in range(len(index)):
        place = element(index, k)
        of = element(target, k)
        parameter = element(parameters, max(place, 0))
        if place < 0:
            parameter = ZERO
        weights[k] = element(scales, of) * parameter + element(added, of)


@kernel
def deliver(
    sums: Any, fold: int, index: Any, target: Any, scales: Any, gradient: Any
) -> None:
    """Add sums, folded over ``fold`` lanes and times the scale of their target, to the
    gradient."""
    for k in range(len(index)):
        place = element(index, k)
        if place >= 0:
            total = element(sums, k * fold)
            for i in range(1, fold):
                total += element(sums, k * fold + i)
            gradient[place] += element(scales, element(target, k)) * total
