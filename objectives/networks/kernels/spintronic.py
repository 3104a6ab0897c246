"""Kernels of the spintronic network: oscillator steps, the passage through time, its adjoint.

arXiv:2408.02835, Eq. (2)-(5); S and the fixed bias of Eq. (4) are folded into weights and drives.

=========================  =======================  ==============================================
Paper                      Code                     Unit, shape
=========================  =======================  ==============================================
x                          x                        (time + 1, neurons, LANES)
y, and u after it          values                   (time + 1, rows, LANES)
I dt                       drive                    (LANES,)
gamma dt                   g
dx'/dx, dx'/d(I dt)        slopes_x, slopes_drive   (time, neurons, LANES)
=========================  =======================  ==============================================
"""

from __future__ import annotations

from typing import Any

import numpy as np

from objectives.networks.kernels.compiling import inlined, kernel
from objectives.networks.kernels.elementary import HALF, ONE, TWO, ZERO, clip, exponential_parts
from objectives.networks.kernels.simd import load, splat, store, where_less
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

X_MIN = np.float32(1e-30)
"""Amplitudes do not fall below: what has underflowed to 0 could never grow again."""
_MAX_EXPONENT = np.float32(40.0)
_MAX_SQUARED = _MAX_EXPONENT * _MAX_EXPONENT
_NEAR_SQUARED = np.float32(0.34**2)  # just within (ln(2)/2)^2: there k = 0 and r = z

# --- neuron steps, without dimensions: in units of dt, drive = I dt and g = gamma dt --------------


@inlined
def exponential_step(x: Any, drive: Any, g: Any) -> Any:
    """Eq. (2) over a step of constant drive: x', d ln x'/d ln x and d ln x'/d(drive).

    A Bernoulli equation. With z = drive - g, E = exp(z), P = (E - 1)/z and Q = (P - 1)/z:

        x'               = x E / D,   D = 1 + drive x P = (1 - x) + x (E + g P)
        d ln x'/d ln x   = 1 / D
        d ln x'/d(drive) = ((1 - x) + g x Q) / D

    The slopes of the logarithm stay moderate where those of x span the range of E, e^-40 to e^40,
    and their products over the steps leave that of float32.

    Near z = 0, P and Q come from the polynomial of the exponential instead of from differences.
    The exponent is clipped to +-40: beyond, E is constant and each 1 in the last line and Q is 0.
    x' is kept from falling below X_MIN; there its slopes are 0.
    """
    z = drive - g
    z_squared = z * z
    e, p, q = exponential_parts(clip(z, _MAX_EXPONENT))
    inverse = ONE / z
    p = where_less(z_squared, _NEAR_SQUARED, p, (e - ONE) * inverse)
    ratio = ONE / ((ONE - x) + x * (e + g * p))
    after = x * (e * ratio)
    free = where_less(z_squared, _MAX_SQUARED, ONE, ZERO)
    q = where_less(z_squared, _NEAR_SQUARED, q, (p - free) * inverse)
    slope_x = where_less(after, X_MIN, ZERO, ratio)
    slope_drive = slope_x * (free * (ONE - x) + g * x * q)
    return where_less(after, X_MIN, X_MIN, after), slope_x, slope_drive


@inlined
def euler_step(x: Any, drive: Any, g: Any) -> Any:
    """Eq. (2) by an explicit Euler step: x', dx'/dx and dx'/d(drive)."""
    room = ONE - x
    after = x + (drive * x * room - g * x)
    slope_x = ONE + (drive * (room - x) - g)
    return after, slope_x, x * room


# --- kernels --------------------------------------------------------------------------------------


@kernel
def forward(
    u: Any,
    starts: Any,
    sources: Any,
    index: Any,
    parameters: Any,
    constants: Any,
    exponential: bool,
    keep: bool,
    shape: Any,
    weights: Any,
    x: Any,
    drive: Any,
    values: Any,
    slopes_x: Any,
    slopes_drive: Any,
    output: Any,
) -> None:
    """Take every block through time from x = 1/2, y = 0; write y after the last point to output.

    With ``keep``, all of every point is kept for ``backward``; without it ``values`` and ``x`` have
    two points, used in turn, and the slopes are not touched.

    Args:
        u: input, (batch, time, channels), flat as all that follow.
        starts: first non-zero of each neuron, (neurons + 1,).
        sources: row of each non-zero's source, (nonzeros,).
        index: where each non-zero is among the parameters, (nonzeros,).
        parameters: all weights, masked ones too, then the biases of the neurons, 1/ns.
        constants: g; dt S; decay, gain in y' = decay y + gain (x' - x); drag = gain (1 - decay).
        exponential: exponential step; else explicit Euler.
        keep: see above.
        shape: blocks, time, neurons, channels, neurons of the last layer.
        weights: scratch for dt S weight of each non-zero, (nonzeros,).
        x: (blocks, time + 1, neurons, LANES).
        drive: scratch for one neuron's drive, (LANES,).
        values: y and u, (blocks, time + 1, rows, LANES).
        slopes_x, slopes_drive: (blocks, time, neurons, LANES).
        output: (batch, last layer).
    """
    g, s, decay, gain, _ = constants
    n_blocks, n_times, n_neurons, n_channels, n_last = shape
    row = n_neurons * LANES  # of the input; also the size of one point's slopes
    point = row + n_channels * LANES
    last = row - n_last * LANES
    first_bias = len(parameters) - n_neurons
    weigh(s, parameters, index, weights)
    for block in range(n_blocks):
        now = block * (n_times + 1) * point if keep else 0
        later = now + point
        x_now = block * (n_times + 1) * row if keep else 0
        x_later = x_now + row
        slope = block * n_times * row
        fill(x, x_now, row, HALF)
        fill(values, now, row, ZERO)
        for t in range(n_times):
            to_lanes(u, block, t * n_channels, n_times * n_channels, n_channels, values, now + row)
            for i in range(n_neurons):
                total = splat(s * parameters[first_bias + i] + TWO * g, LANES)
                total = gather(total, weights, sources, starts[i], starts[i + 1], values, now)
                store(drive, 0, total)
                # a bound that LLVM does not know: it would take total apart lane by lane
                for piece in range(0, len(drive), PIECE):
                    here = i * LANES + piece
                    before = load(x, x_now + here, PIECE)
                    force = load(drive, piece, PIECE)
                    if exponential:
                        after, slope_x, slope_drive = exponential_step(before, force, g)
                    else:
                        after, slope_x, slope_drive = euler_step(before, force, g)
                    store(x, x_later + here, after)
                    y = load(values, now + here, PIECE)
                    store(values, later + here, decay * y + gain * (after - before))  # Eq. (5)
                    if keep:
                        store(slopes_x, slope + here, slope_x)
                        store(slopes_drive, slope + here, slope_drive)
            slope += row
            now, later = later, later + point if keep else now
            x_now, x_later = x_later, x_later + row if keep else x_now
        from_lanes(values, now + last, block, n_last, output)


@kernel
def backward(
    output_grad: Any,
    starts: Any,
    targets: Any,
    index: Any,
    parameters: Any,
    constants: Any,
    exponential: bool,
    shape: Any,
    x: Any,
    values: Any,
    slopes_x: Any,
    slopes_drive: Any,
    weights: Any,
    adjoint_x: Any,
    adjoint_y: Any,
    adjoint_drive: Any,
    pulled: Any,
    sums: Any,
    gradient: Any,
) -> None:
    """The adjoint of ``forward``, from the last point to the first.

    Let Y be the adjoint of y and A that of x in all that follows from it, y of the same point
    included: A = X + gain Y, X being the adjoint of the state x. With G the part of Y that comes
    through the drives of the next step, and primes at the end of the step,

        Y' = decay Y'' + G'                         Y'' = 0 and G' = output_grad at the last point
        A' = dx''/dx' A'' - drag Y'' + gain G'
        J  = dx'/d(drive) A'                        adjoint of the drive
        G  = sum over targets of weight J

    The exponential step carries M = x A, the adjoint of ln x, instead of A:

        M' = slope_x' M'' + x' (gain G' - drag Y'')
        J  = slope_drive M'

    Euler's carries A: its slopes are those of x, and 1 stands for the x in front.
    Carried as X and Y, A' would be a difference of like numbers where x rests at 0 or 1.

    Args:
        output_grad: adjoint of output, (batch, last layer).
        starts: first non-zero of each row, neurons then channels, (rows + 1,).
        targets: the neuron which each non-zero drives, (nonzeros,).
        index: where each non-zero is among the parameters, (nonzeros,).
        parameters, constants, exponential, shape: as in ``forward``.
        x, values, slopes_x, slopes_drive: as ``forward`` left them.
        weights: scratch for dt S weight of each non-zero, (nonzeros,).
        adjoint_x: scratch for M or A without its last term, (neurons, LANES).
        adjoint_y: scratch for Y, (neurons, LANES).
        adjoint_drive: scratch for J, (neurons, LANES).
        pulled: scratch for G, (neurons, LANES).
        sums: scratch, adjoints of weights and drives over FOLD lanes, (nonzeros + neurons, FOLD).
        gradient: adjoint of parameters, which enters as zeros.
    """
    _, s, decay, gain, drag = constants
    n_blocks, n_times, n_neurons, n_channels, n_last = shape
    n_rows = n_neurons + n_channels
    last = (n_neurons - n_last) * LANES
    one = splat(ONE, LANES)
    n_nonzeros = len(index)
    weigh(s, parameters, index, weights)
    fill(sums, 0, len(sums), ZERO)
    for block in range(n_blocks):
        for work in (adjoint_x, adjoint_y, pulled):
            fill(work, 0, n_neurons * LANES, ZERO)
        to_lanes(output_grad, block, 0, n_last, n_last, pulled, last)
        for t in range(n_times - 1, -1, -1):
            at = (block * (n_times + 1) + t) * n_rows * LANES
            slope = (block * n_times + t) * n_neurons * LANES
            x_now = (block * (n_times + 1) + t) * n_neurons * LANES
            x_later = x_now + n_neurons * LANES
            for i in range(n_neurons):
                row = i * LANES
                before = load(x, x_now + row, LANES) if exponential else one
                after = load(x, x_later + row, LANES) if exponential else one
                entering = load(pulled, row, LANES)
                y = decay * load(adjoint_y, row, LANES) + entering
                store(adjoint_y, row, y)
                a = load(adjoint_x, row, LANES) + gain * after * entering
                rest = drag * before * y
                store(adjoint_x, row, load(slopes_x, slope + row, LANES) * a - rest)
                adjoint = load(slopes_drive, slope + row, LANES) * a
                store(adjoint_drive, row, adjoint)
                add_to_sum(sums, n_nonzeros + i, adjoint)
            pull(weights, starts, targets, adjoint_drive, values, at, pulled, sums)
    deliver(sums, index, s, gradient)
