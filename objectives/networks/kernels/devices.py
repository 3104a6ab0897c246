"""Kernels of networks on simulated devices: every neuron with constants and noise of its own.

The forward passes of ``spintronic`` and ``ctrnn``, for scoring alone. What all neurons share is
scalar there, and each neuron's own here:

=====================  ================  ==============================================
Paper                  Code              Unit, shape
=====================  ================  ==============================================
gamma_i dt             gammas            (neurons,)
x of neuron i at rest  rest              (neurons,)
noise of each step     noise             (time, parts, neurons, LANES); empty without noise
=====================  ================  ==============================================

The noise of an oscillator has two parts, along and across its amplitude c; that of a CTRNN one.
"""

from __future__ import annotations

from typing import Any

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import ONE, ZERO, tanh
from objectives.networks.kernels.simd import (
    element,
    load,
    splat,
    square_root,
    store,
    where_less,
)
from objectives.networks.kernels.sparse import LANES, PIECE, copy, fill, gather
from objectives.networks.kernels.spintronic import X_MIN, euler_step, exponential_step


@inlined
def kicked(x: Any, along: Any, across: Any) -> Any:
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
    exponential: bool,
    shape: Any,
    gammas: Any,
    rest: Any,
    noise: Any,
    drive: Any,
    values: Any,
    x: Any,
    last_y: Any,
) -> None:
    """Take one block through time from rest; write y of the last layer after the last point.

    Args:
        u, starts, sources, weights, biases, exponential, shape, drive, values, last_y: as in
            ``spintronic.forward``.
        constants: dt times the fixed bias; decay and gain in y' = decay y + gain (x' - x).
        gammas, rest, noise: see the module. A jump of x by noise passes the filter whole.
        x: scratch, (neurons, LANES).
    """
    fixed, decay, gain = constants
    n_times, n_neurons, n_channels, n_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - n_last) * LANES
    now, later = 0, row + inputs
    noisy = len(noise) > 0
    for i in range(n_neurons):
        fill(x, i * LANES, LANES, element(rest, i))
    fill(values, now, row, ZERO)
    for t in range(n_times):
        copy(u, t * inputs, inputs, values, now + row)
        for i in range(n_neurons):
            g = element(gammas, i)
            total = splat(biases[i] + fixed, LANES)
            total = gather(total, weights, sources, starts[i], starts[i + 1], values, now)
            store(drive, 0, total)
            # a bound that LLVM does not know: it would take total apart lane by lane
            for piece in range(0, len(drive), PIECE):
                here = i * LANES + piece
                before = load(x, here, PIECE)
                force = load(drive, piece, PIECE)
                if exponential:
                    after = exponential_step(before, force, g)[0]
                else:
                    after = euler_step(before, force, g)[0]
                y = decay * load(values, now + here, PIECE) + gain * (after - before)  # Eq. (5)
                if noisy:
                    along = load(noise, 2 * t * row + here, PIECE)
                    across = load(noise, (2 * t + 1) * row + here, PIECE)
                    jumped = kicked(after, along, across)
                    y = y + (jumped - after)
                    after = jumped
                store(x, here, after)
                store(values, later + here, y)
        now, later = later, now
    copy(values, now + last, row - last, last_y, 0)


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
    shape: Any,
    drive: Any,
    values: Any,
    x: Any,
    last_y: Any,
) -> None:
    """Take one block through time from x = 0; write y of the last layer after the last point.

    Args:
        u, starts, sources, shape, drive, x, last_y: as in ``ctrnn.forward``.
        weights: S weight of each non-zero, (nonzeros,).
        biases: S b of each neuron, (neurons,).
        decays, gains: x' = decay x + gain I of each neuron, (neurons,).
        noise: see the module.
        values: y and u of two points, used in turn, (2, rows, LANES).
    """
    n_times, n_neurons, n_channels, n_last = shape
    row, inputs, last = n_neurons * LANES, n_channels * LANES, (n_neurons - n_last) * LANES
    now, later = 0, row + inputs
    noisy = len(noise) > 0
    fill(x, 0, row, ZERO)
    fill(values, now, row, ZERO)
    for t in range(n_times):
        copy(u, t * inputs, inputs, values, now + row)
        for i in range(n_neurons):
            decay, gain = element(decays, i), element(gains, i)
            total = splat(biases[i], LANES)
            total = gather(total, weights, sources, starts[i], starts[i + 1], values, now)
            store(drive, 0, total)
            # a bound that LLVM does not know: it would take total apart lane by lane
            for piece in range(0, len(drive), PIECE):
                here = i * LANES + piece
                after = decay * load(x, here, PIECE) + gain * load(drive, piece, PIECE)
                if noisy:
                    after = after + load(noise, t * row + here, PIECE)
                store(x, here, after)
                store(values, later + here, tanh(after))
        now, later = later, now
    copy(values, now + last, row - last, last_y, 0)
