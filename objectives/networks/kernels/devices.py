"""Kernels of networks on simulated devices: every neuron with constants and noise of its own.

The forward passes of ``spintronic`` and ``ctrnn``, for scoring alone. What all neurons share is
scalar there, and each neuron's own here:

=====================  ================  ==============================================
Paper                  Code              Unit, shape
=====================  ================  ==============================================
gamma_i h              gammas            (neurons,)
x at the beginning     start             (neurons,)
noise of some steps    noise             (jumps, parts, neurons, LANES); empty without noise
=====================  ================  ==============================================

Jumps are evenly spaced, each after a step. The noise of an oscillator has two parts, along and
across its amplitude c; that of a CTRNN one.
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import ONE, ZERO, tanh
from objectives.networks.kernels.simd import (
    element,
    flush_subnormals,
    load,
    restore_subnormals,
    square_root,
    store,
    where_less,
)
from objectives.networks.kernels.sizes import LANES
from objectives.networks.kernels.sparse import (
    constant_drive,
    copy,
    fill,
    gather,
    input_drive,
)
from objectives.networks.kernels.spintronic import X_MIN, exponential_step


@inlined
def after_noise_kick(x: Any, along: Any, across: Any) -> Any:
    """The power x = |c|^2 after a jump of c, within [X_MIN, 1]; NaN stays NaN."""
    c = square_root(where_less(x, ZERO, ZERO, x)) + along
    after = c * c + across * across
    return where_less(after, X_MIN, X_MIN, where_less(ONE, after, ONE, after))


@kernel
def spintronic(
    u: Any,
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    constants: Any,
    extrapolation: Any,
    reads_x: bool,
    shape: Any,
    gammas: Any,
    start: Any,
    noise: Any,
    held: Any,
    drive: Any,
    outputs: Any,
    values: Any,
    x: Any,
    read: Any,
) -> None:
    """Take one block through time; write what is read of the last layer after the end.

    Args:
        u, starts, sources, weights, biases, extrapolation, reads_x, shape, held, drive, outputs,
            values, read: as in ``spintronic.forward``.
        constants: of each neuron h times the fixed bias; decay and gain in
            y' = decay y + gain (x' - x), (neurons,).
        gammas, start, noise: see the module. A jump of x by noise passes the filter whole.
        x: scratch, (neurons, LANES).
    """
    mode = flush_subnormals()
    fixed, decays, gains = constants
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, width, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    now, later = 0, row
    every = n_points * n_steps * 2 * row // len(noise) if len(noise) > 0 else 0
    for i in range(n_neurons):
        fill(x, i * LANES, LANES, element(start, i))
    fill(outputs, 0, 2 * row, ZERO)
    fill(values, now, row, ZERO)
    for t in range(n_points):
        of_first = element(fixed, 0)
        input_drive(u, t * inputs, starts, sources, weights, biases, of_first, shape, held)
        for step in range(t * n_steps + 1, (t + 1) * n_steps + 1):
            noisy = every > 0 and step % every == 0
            jump = step // every - 1 if noisy else 0
            for i in range(n_neurons):
                g, decay, gain = element(gammas, i), element(decays, i), element(gains, i)
                total = constant_drive(held, biases, element(fixed, i), i, width)
                end = starts[n_neurons + 1 + i]
                total = gather(total, weights, sources, starts[i], end, values, now)
                store(drive, 0, total)
                # a bound that LLVM does not know: it would take total apart lane by lane
                for piece in range(0, len(drive), LANES):
                    here = i * LANES + piece
                    before = load(x, here, LANES)
                    after = exponential_step(before, load(drive, piece, LANES), g)[0]
                    y = load(outputs, now + here, LANES)
                    next_y = decay * y + gain * (after - before)  # Eq. (5)
                    if noisy:
                        along = load(noise, 2 * jump * row + here, LANES)
                        across = load(noise, (2 * jump + 1) * row + here, LANES)
                        jumped = after_noise_kick(after, along, across)
                        next_y = next_y + (jumped - after)
                        after = jumped
                    mean = older * y + oldest * load(outputs, later + here, LANES)
                    store(x, here, after)
                    store(outputs, later + here, next_y)
                    store(values, later + here, newest * next_y + mean)
            now, later = later, now
    if reads_x:
        for i in range(n_neurons - width_last, n_neurons):
            change = load(x, i * LANES, LANES) - element(start, i)
            store(read, i * LANES - last, change)
    else:
        copy(outputs, now + last, row - last, read, 0)
    restore_subnormals(mode)


@kernel
def ctrnn(
    u: Any,
    starts: Any,
    sources: Any,
    weights: Any,
    biases: Any,
    decays: Any,
    gains: Any,
    noise: Any,
    extrapolation: Any,
    shape: Any,
    held: Any,
    drive: Any,
    outputs: Any,
    values: Any,
    x: Any,
    read: Any,
) -> None:
    """Take one block through time from x = 0; write y of the last layer after the end.

    Args:
        u, starts, sources, extrapolation, shape, held, drive, values, x, read: as in
            ``ctrnn.forward``.
        weights: S weight of each non-zero, (nonzeros,).
        biases: S b of each neuron, (neurons,).
        decays, gains: x' = decay x + gain I of each neuron, (neurons,).
        noise: see the module.
        outputs: scratch for y of two steps, used in turn, (2, neurons, LANES).
    """
    mode = flush_subnormals()
    newest, older, oldest = extrapolation
    n_points, n_steps, n_neurons, n_channels, width, width_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - width_last) * LANES
    now, later = 0, row
    every = n_points * n_steps * row // len(noise) if len(noise) > 0 else 0
    fill(x, 0, row, ZERO)
    fill(outputs, 0, 2 * row, ZERO)
    fill(values, now, row, ZERO)
    for t in range(n_points):
        input_drive(u, t * inputs, starts, sources, weights, biases, ZERO, shape, held)
        for step in range(t * n_steps + 1, (t + 1) * n_steps + 1):
            noisy = every > 0 and step % every == 0
            jump = step // every - 1 if noisy else 0
            for i in range(n_neurons):
                decay, gain = element(decays, i), element(gains, i)
                total = constant_drive(held, biases, ZERO, i, width)
                end = starts[n_neurons + 1 + i]
                total = gather(total, weights, sources, starts[i], end, values, now)
                store(drive, 0, total)
                # a bound that LLVM does not know: it would take total apart lane by lane
                for piece in range(0, len(drive), LANES):
                    here = i * LANES + piece
                    after = decay * load(x, here, LANES) + gain * load(drive, piece, LANES)
                    if noisy:
                        after = after + load(noise, jump * row + here, LANES)
                    y = tanh(after)
                    mean = older * load(outputs, now + here, LANES)
                    mean = mean + oldest * load(outputs, later + here, LANES)
                    store(x, here, after)
                    store(outputs, later + here, y)
                    store(values, later + here, newest * y + mean)
            now, later = later, now
    copy(outputs, now + last, row - last, read, 0)
    restore_subnormals(mode)
