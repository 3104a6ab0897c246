"""The pass of a block through time and its adjoint, for any device and layout.

It computes the network of docs/explanation/equations.md, "Network". A point is the time
between two inputs, divided into ``n_steps`` steps; see ``integrators``. A step
multiplies the weights with the mean outputs v over the step, and calls a pointwise
function of the device by its address::

    I(n)             = W v(n) + held                    held: input, bias, and a fixed drive
    s(n+1), y(n+1)   = advance(s(n), I(n))
    v(n+1)           = a y(n+1) + b y(n) + c y(n-1)     extrapolated over the coming step

Backwards, with the adjoints J, P and A of I, v and s::

    G                = a P(n+1) + b P(n+2) + c P(n+3) + entering      the adjoint of y(n+1)
    A(n), J(n)       = pull(A(n+1), G)
    P(n)             = W^T J(n)
    gradient        += J(n) v(n)^T

=======  ===============  ======================================
symbol   code             shape
=======  ===============  ======================================
s        states           (states, row)
y        outputs          (2, row), the last two, in turn
v        values           (steps + 1, row), or (2, row) in turn
I        drive            (row,)
slopes   kept             (steps, kept, row)
J        drive_adjoints   (steps of a point, row)
P        pulled           (4, row), in turn
A        adjoints         (states, row)
=======  ===============  ======================================
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .compiling import inline, kernel
from .elementary import ONE, ZERO
from .layout import Groups
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


class Shape(NamedTuple):
    """Sizes of a pass over a segment of a block."""

    n_points: int
    n_steps: int
    """Steps per point."""
    n_channels: int
    n_series: int
    row: int
    n_columns: int
    """Neurons of a series in a row, padding included."""
    entry: int
    """Number of neurons with input, the first ones."""
    first_read: int
    """Column of the first neuron to read."""
    n_read: int
    """Number of columns to read."""
    stride: int
    """Floats per series and point in the array of values read."""
    n_states: int
    n_kept: int
    walk: Groups


@inline
def _fill(target: Any, at: Any, n: Any) -> None:
    """Write ``n`` zeros, a multiple of WIDTH."""
    for i in range(0, n, WIDTH):
        store(target, at + i, splat(ZERO, WIDTH))


@inline
def _constants(target: Any, at: Any, constants: Any, first: Any, shape: Any) -> None:
    """Write a constant of each neuron to all its places in a row."""
    groups, group_stride, repeats, repeat_stride = shape.walk
    for group in range(groups):
        value = load(constants, first + group * WIDTH, WIDTH)
        for k in range(repeats):
            store(target, at + group * group_stride + k * repeat_stride, value)


@inline
def _hold(
    u: Any, t: Any, inputs: Any, biases: Any, shape: Any, structure: Any, held: Any
) -> None:
    """Write the drives that are constant over point t: bias, fixed drive and input."""
    n, channels, series = shape.entry, shape.n_channels, shape.n_series
    at = t * channels * series
    if structure.dense:
        for c in range(n, shape.n_columns, WIDTH):
            for s in range(series):
                store(held, s * shape.n_columns + c, load(biases, c, WIDTH))
        out, left = (held, 0, shape.n_columns), (u, at, channels, 1, 0)
        size = (series, n, channels, 1)
        multiply(out, (biases, 0, 0), left, (inputs, 0, n, 0), size)
    else:
        for i in range(shape.n_columns):
            for k in range(0, SERIES, WIDTH):
                store(held, i * SERIES + k, splat(biases[i], WIDTH))
        out, left = (held, 0, SERIES), (inputs, 0, channels, 1, 0)
        multiply(out, out, left, (u, at, SERIES, 0), (n, SERIES, channels, 1))


@inline
def _drive(
    values: Any,
    at: Any,
    weights: Any,
    held: Any,
    structure: Any,
    shape: Any,
    drive: Any,
) -> None:
    """Write the drives, held + W v."""
    n = shape.n_columns
    if structure.dense:
        spans = structure.spans
        for k in range(0, len(spans), 8):
            first, columns = spans[k], spans[k + 1]
            left = (values, at + spans[k + 2], n, 1, 0)
            right = (weights, spans[k + 4], columns, 0)
            size = (shape.n_series, columns, spans[k + 3], 1)
            multiply((drive, first, n), (held, first, n), left, right, size)
    else:
        starts = structure.starts
        for i in range(n):
            total = load(held, i * SERIES, SERIES)
            total = gather(
                total, weights, structure.sources, starts[i], starts[i + 1], values, at
            )
            store(drive, i * SERIES, total)


@kernel
def forward(
    u: Any,
    shape: Any,
    structure: Any,
    advance: int,
    parameters: Any,
    extrapolation: Any,
    work: Any,
    read: Any,
    noise: Any,
    jumps: Any,
    reads: int,
    keep: bool,
    fresh: bool,
) -> None:
    """Take one block, or a segment of it, through time, and write the values read.

    The block is read after each of the last points, as many as fit into ``read``. With
    ``keep``, the slopes of every step are kept for ``backward``. With ``fresh`` the
    block begins at rest, else where the last call without ``keep`` ended, after an even
    number of steps.

    Args:
        u: input, (points, series, channels) of a dense layout, else (points, channels,
            series).
        shape: see ``Shape``.
        structure: see ``layout.Structure``.
        advance: address of the device's step.
        parameters: weights between neurons and from the input, biases with the fixed
            drives, all amplified; constants of the device, and states and output at
            rest, of each group.
        extrapolation: weights of the last three outputs in the mean output over a step.
        work: held, drive, outputs, values, states and kept: see the module.
        read: the values read, (points read, series, stride), written.
        noise: normal numbers of the jumps, (jumps, parts, row); empty without noise.
        jumps: steps from jump to jump, 0 for none; jumps before the segment; floats of
            a jump.
        reads: index of the state whose change since rest is read; -1: the output.
        keep, fresh: see above.
    """
    mode = flush_subnormals()
    weights, inputs, biases, constants, rest = parameters
    held, drive, outputs, values, states, kept = work
    interval, before, jump_floats = jumps
    row, n, n_series = shape.row, shape.n_columns, shape.n_series
    groups, group_stride, repeats, repeat_stride = shape.walk
    how = (*extrapolation, groups, group_stride, repeats, repeat_stride, row)
    per_group = groups * WIDTH
    available = len(noise) // jump_floats if interval > 0 else 1
    silent = shape.n_points - len(read) // (n_series * shape.stride)
    y, previous, value = 0, row, 0
    if fresh:
        for k in range(shape.n_states):
            _constants(states, k * row, rest, k * per_group, shape)
        for at in (y, previous):
            _constants(outputs, at, rest, shape.n_states * per_group, shape)
        _constants(values, value, rest, shape.n_states * per_group, shape)
    if keep and shape.n_kept > 0:  # a device may keep its first state after each step
        for k in range(0, row, WIDTH):
            store(kept, (shape.n_kept - 1) * row + k, load(states, k, WIDTH))
    for t in range(shape.n_points):
        _hold(u, t, inputs, biases, shape, structure, held)
        for step in range(t * shape.n_steps + 1, (t + 1) * shape.n_steps + 1):
            _drive(values, value, weights, held, structure, shape, drive)
            jump, place = 0, 0
            if interval > 0 and step % interval == 0:
                jump, place = (
                    1,
                    (before + step // interval - 1) % available * jump_floats,
                )
            coming = value + row if keep else row - value
            slopes = (step - 1) * shape.n_kept * row if keep else 0
            call(
                advance,
                pointer(states, 0),
                pointer(drive, 0),
                pointer(constants, 0),
                pointer(noise, place),
                pointer(outputs, y),
                pointer(outputs, previous),
                pointer(values, coming),
                pointer(kept, slopes),
                *how,
                jump,
            )
            y, previous, value = previous, y, coming
        if t >= silent:
            to = (t - silent) * n_series * shape.stride
            for s in range(n_series):
                for i in range(shape.n_read):
                    column = shape.first_read + i
                    at = s * n + column if structure.dense else column * SERIES + s
                    value_read = outputs[y + at]
                    if reads >= 0:
                        group = column if structure.dense else column * WIDTH
                        value_read = (
                            states[reads * row + at] - rest[reads * per_group + group]
                        )
                    read[to + s * shape.stride + i] = value_read
    restore_subnormals(mode)


@inline
def _back(
    values: Any,
    value: Any,
    weights: Any,
    adjoints: Any,
    at: Any,
    structure: Any,
    shape: Any,
    zeros: Any,
    pulled: Any,
    to: Any,
    sums: Any,
) -> None:
    """Write P = W^T J; for a sparse network, add the gradient in the same pass over the
    weights."""
    n = shape.n_columns
    if structure.dense:
        spans = structure.spans
        for k in range(0, len(spans), 8):
            columns = spans[k + 1]
            left = (adjoints, at + spans[k + 5], n, 1, 0)
            right = (weights, spans[k + 7], columns, 0)
            size = (shape.n_series, columns, spans[k + 6], 1)
            multiply((pulled, to + spans[k], n), (zeros, 0, 0), left, right, size)
    else:
        starts, targets = structure.starts_back, structure.targets
        for j in range(n):
            row = j * SERIES
            gather_back(
                weights,
                targets,
                starts[j],
                starts[j + 1],
                adjoints,
                at,
                values,
                value + row,
                sums,
                pulled,
                to + row,
            )


@inline
def _collect(
    u: Any,
    t: Any,
    values: Any,
    value: Any,
    adjoints: Any,
    held: Any,
    structure: Any,
    shape: Any,
    sums: Any,
) -> None:
    """Add the gradients of point t, from the drive adjoints of its steps and their sum
    ``held``."""
    n, series, channels = shape.n_columns, shape.n_series, shape.n_channels
    at = t * channels * series
    if structure.dense:
        spans, last = structure.spans, 0
        for k in range(0, len(spans), 8):
            columns, sources = spans[k + 1], spans[k + 3]
            out = (sums, spans[k + 4], columns)
            left = (values, value + spans[k + 2], 1, n, shape.row)
            right = (adjoints, spans[k], n, shape.row)
            multiply(out, out, left, right, (sources, columns, series, shape.n_steps))
            last = spans[k + 4] + sources * columns
        entry = shape.entry
        out, left = (sums, last, entry), (u, at, 1, channels, 0)
        multiply(out, out, left, (held, 0, n, 0), (channels, entry, series, 1))
        last += channels * entry
        for c in range(0, n, WIDTH):
            total = load(sums, last + c, WIDTH)
            for s in range(series):
                total = total + load(held, s * n + c, WIDTH)
            store(sums, last + c, total)
    else:
        k = len(structure.targets) * FOLD
        for i in range(shape.entry):
            for c in range(channels):
                value_of = load(u, at + c * SERIES, SERIES)
                folded = add_products(
                    load(sums, k, FOLD), load(held, i * SERIES, SERIES), value_of
                )
                store(sums, k, folded)
                k += FOLD
        one = splat(ONE, SERIES)
        for i in range(n):
            folded = add_products(
                load(sums, k, FOLD), load(held, i * SERIES, SERIES), one
            )
            store(sums, k, folded)
            k += FOLD


@kernel
def backward(
    u: Any,
    shape: Any,
    structure: Any,
    pull: int,
    parameters: Any,
    extrapolation: Any,
    work: Any,
    sums: Any,
    entering: Any,
    interval: int,
    reads: int,
    ring: Any,
    fresh: bool,
) -> None:
    """Run the adjoint of ``forward``, from the last step to the first.

    With ``fresh`` the segment is the last one; else the last call ran the segment after
    it.

    Args:
        u, shape, structure, extrapolation, reads: as in ``forward``. pull: address of
        the adjoint of the device's step. parameters: weights between neurons,
        amplified, as pull-backs take them; constants. work: values and kept, as
        ``forward`` left them; held, drive_adjoints, pulled, adjoints, a
            row of zeros, and one for the entering adjoint.
        sums: gradients of weights, inputs and biases, added to: see
            ``Layout.gradient``.
        entering: adjoint of the values read, (points read, series, stride).
        interval: steps from jump to jump, 0 for none.
        ring: places of the pull-backs of the next three steps, and of the one to write.
        fresh: see above.
    """
    mode = flush_subnormals()
    weights, constants = parameters
    values, kept, held, drive_adjoints, pulled, adjoints, zeros, entered = work
    row, n, n_series, n_steps = (
        shape.row,
        shape.n_columns,
        shape.n_series,
        shape.n_steps,
    )
    groups, group_stride, repeats, repeat_stride = shape.walk
    how = (*extrapolation, groups, group_stride, repeats, repeat_stride, row)
    silent = shape.n_points - len(entering) // (n_series * shape.stride)
    used = n * n_series if structure.dense else n * SERIES
    if fresh:
        _fill(pulled, 0, 4 * row)
        _fill(adjoints, 0, shape.n_states * row)
    _fill(entered, 0, row)
    next_0, next_1, next_2, coming = ring[0], ring[1], ring[2], ring[3]
    for t in range(shape.n_points - 1, -1, -1):
        if t >= silent:
            start = (t - silent) * n_series * shape.stride
            for s in range(n_series):
                for i in range(shape.n_read):
                    column = shape.first_read + i
                    at = s * n + column if structure.dense else column * SERIES + s
                    entered[at] = entering[start + s * shape.stride + i]
        for k in range(n_steps - 1, -1, -1):
            step = t * n_steps + k
            enters = 0
            if t >= silent and k == n_steps - 1:
                enters = 1 if reads < 0 else 2
            jump = 1 if interval > 0 and (step + 1) % interval == 0 else 0
            call(
                pull,
                pointer(kept, step * shape.n_kept * row),
                pointer(adjoints, 0),
                pointer(pulled, next_0),
                pointer(pulled, next_1),
                pointer(pulled, next_2),
                pointer(entered, 0),
                pointer(constants, 0),
                pointer(drive_adjoints, k * row),
                *how,
                enters,
                jump,
            )
            _back(
                values,
                step * row,
                weights,
                drive_adjoints,
                k * row,
                structure,
                shape,
                zeros,
                pulled,
                coming,
                sums,
            )
            next_0, next_1, next_2, coming = coming, next_0, next_1, next_2
        for i in range(0, used, WIDTH):
            total = load(drive_adjoints, (n_steps - 1) * row + i, WIDTH)
            for k in range(n_steps - 2, -1, -1):
                total = total + load(drive_adjoints, k * row + i, WIDTH)
            store(held, i, total)
        _collect(
            u,
            t,
            values,
            t * n_steps * row,
            drive_adjoints,
            held,
            structure,
            shape,
            sums,
        )
    ring[0], ring[1], ring[2], ring[3] = next_0, next_1, next_2, coming
    restore_subnormals(mode)


@kernel
def weigh(
    parameters: Any, index: Any, target: Any, scales: Any, added: Any, weights: Any
) -> None:
    """Write parameters in the order of ``index``: times the scale of the target, plus
    ``added``."""
    for k in range(len(index)):
        place, of = element(index, k), element(target, k)
        parameter = element(parameters, max(place, 0))
        weights[k] = element(scales, of) * (
            parameter if place >= 0 else ZERO
        ) + element(added, of)


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
