"""numba kernels of the fused CPU path: sparse passes, neuron steps and their adjoints.

Spintronic network: arXiv:2408.02835, Eq. (2)-(5). The whole network is one sparse matrix: *rows*
are the neurons, layer after layer, then the input channels; neuron i is driven by its *sources*,

    I_i = bias_i + sum_k weight_k v[source_k]        Eq. (4), S and the fixed bias folded in

where v holds y of every neuron and u of every channel. The batch is the vector dimension: a *block*
is ``LANES`` sequences side by side, and all that belongs to one row at one point is ``LANES``
consecutive float32. Blocks do not interact; each is taken through the whole of time on its own.

=========================  =======================  ==============================================
Paper                      Code                     Unit, shape
=========================  =======================  ==============================================
x                          x                        (neurons, LANES)
y, and u after it          values                   (time + 1, rows, LANES)
I dt                       drive                    (LANES,)
gamma dt                   g
dx'/dx, dx'/d(I dt)        slopes_x, slopes_drive   (time, neurons, LANES)
=========================  =======================  ==============================================

Everything here is for one thread and fixed in its order of summation: same input, same bits.
Fast-math is contract and nsz only: a network that diverges says so with NaN or inf.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from objectives.networks.simd import (
    add_products,
    load,
    round_by_shift,
    splat,
    store,
    times_power_of_two,
    where_less,
)

LANES = 128  # sequences in a block: eight registers of 512 bits; no worse with sixteen of 256
PIECE = 32  # lanes of a neuron step, which needs more registers per lane
FOLD = 16  # lanes in which the gradient of one weight is summed

_F = TypeVar("_F", bound=Callable[..., Any])
_njit: Any = numba.njit
_FAST = {"contract", "nsz"}


def _kernel(function: _F) -> _F:
    """Compile a kernel: cached on disk, and run without holding the interpreter lock."""
    options: dict[str, Any] = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
    try:
        return cast(_F, _njit(cache=True, **options)(function))
    except RuntimeError as error:  # neither here nor in the user's cache directory
        warnings.warn(
            f"{__name__}: a writable cache directory must exist, but got: {error}. Every process "
            "will compile its kernels anew, in seconds. Set NUMBA_CACHE_DIR to a writable one.",
            stacklevel=2,
        )
        return cast(_F, _njit(**options)(function))


def _inlined(function: _F) -> _F:
    """Compile a part of a kernel, to be inlined there."""
    compiled = _njit(
        forceinline=True, no_cpython_wrapper=True, fastmath=_FAST, error_model="numpy"
    )(function)
    return cast(_F, compiled)


# --- sparse passes: any network's drives -------------------------------------------------------


@_inlined
def gather(
    total: Any, weights: Any, sources: Any, first: Any, last: Any, values: Any, at: Any
) -> Any:
    """total + sum over k in [first, last) of weights[k] * values[row sources[k]]: Eq. (4)."""
    for k in range(first, last):
        total = weights[k] * load(values, at + sources[k] * LANES, LANES) + total
    return total


@_inlined
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


# --- neuron steps: the spintronic oscillator, without dimensions -------------------------------
# With time in units of dt: drive = I dt and g = gamma dt.

_ZERO, _HALF, _ONE, _TWO = (np.float32(v) for v in (0.0, 0.5, 1.0, 2.0))
_LOG2_E = np.float32(math.log2(math.e))
_LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts: k * high is exact
_LN2_LOW = np.float32(math.log(2.0) - 0.693359375)
X_MIN = np.float32(1e-30)
"""Amplitudes do not fall below: what has underflowed to 0 could never grow again."""
_MAX_EXPONENT = np.float32(40.0)
_MAX_SQUARED = _MAX_EXPONENT * _MAX_EXPONENT
_NEAR_SQUARED = np.float32(0.34**2)  # just within (ln(2)/2)^2: there k = 0 and r = z
_Q0, _Q1, _Q2, _Q3, _Q4 = (
    np.float32(c) for c in (0.5, 0.16666576, 0.041666552, 0.008363353, 0.00139264)
)


@_inlined
def clip(x: Any, bound: Any) -> Any:
    """``x`` between -bound and bound; NaN becomes bound."""
    x = where_less(x, bound, x, bound)
    return where_less(x, -bound, -bound, x)


@_inlined
def exponential_parts(z: Any) -> Any:
    """exp(z), p and q, for abs(z) < 88: r = z - k ln 2, p = (e^r - 1)/r, q = (p - 1)/r.

    q is a polynomial, interpolated at Chebyshev's points of abs(r) <= ln(2)/2: e^r = 1 + r p is
    then good to an ulp, p and q to 2e-7.
    """
    shifted, k = round_by_shift(z * _LOG2_E)
    r = z - k * _LN2_HIGH
    r = r - k * _LN2_LOW
    q = _Q3 + r * _Q4
    q = _Q2 + r * q
    q = _Q1 + r * q
    q = _Q0 + r * q
    p = _ONE + r * q
    return times_power_of_two(_ONE + r * p, shifted), p, q


@_inlined
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
    inverse = _ONE / z
    p = where_less(z_squared, _NEAR_SQUARED, p, (e - _ONE) * inverse)
    ratio = _ONE / ((_ONE - x) + x * (e + g * p))
    after = x * (e * ratio)
    free = where_less(z_squared, _MAX_SQUARED, _ONE, _ZERO)
    q = where_less(z_squared, _NEAR_SQUARED, q, (p - free) * inverse)
    slope_x = where_less(after, X_MIN, _ZERO, ratio)
    slope_drive = slope_x * (free * (_ONE - x) + g * x * q)
    return where_less(after, X_MIN, X_MIN, after), slope_x, slope_drive


@_inlined
def euler_step(x: Any, drive: Any, g: Any) -> Any:
    """Eq. (2) by an explicit Euler step: x', dx'/dx and dx'/d(drive)."""
    room = _ONE - x
    after = x + (drive * x * room - g * x)
    slope_x = _ONE + (drive * (room - x) - g)
    return after, slope_x, x * room


# --- kernels ------------------------------------------------------------------------------------


@_inlined
def _fill(target: Any, at: Any, n: Any, number: Any) -> None:
    for i in range(0, n, FOLD):
        store(target, at + i, splat(number, FOLD))


@_inlined
def _to_lanes(
    array: Any, block: Any, start: Any, stride: Any, n: Any, values: Any, at: Any
) -> None:
    """Rows at ``at`` from array[sequence, start : start + n], 0 where there is no sequence."""
    for lane in range(LANES):
        sequence = block * LANES + lane
        for row in range(n):
            here = sequence * stride + start + row
            values[at + row * LANES + lane] = array[here] if here < len(array) else _ZERO


@_inlined
def _weigh(s: Any, parameters: Any, index: Any, weights: Any) -> None:
    for k in range(len(index)):
        weights[k] = s * parameters[index[k]]


@_inlined
def _sum(array: Any, start: Any) -> Any:
    total = _ZERO
    for i in range(FOLD):
        total += array[start + i]
    return total


@_kernel
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
    _weigh(s, parameters, index, weights)
    for block in range(n_blocks):
        now = block * (n_times + 1) * point if keep else 0
        later = now + point
        x_now = block * (n_times + 1) * row if keep else 0
        x_later = x_now + row
        slope = block * n_times * row
        _fill(x, x_now, row, _HALF)
        _fill(values, now, row, _ZERO)
        for t in range(n_times):
            _to_lanes(u, block, t * n_channels, n_times * n_channels, n_channels, values, now + row)
            for i in range(n_neurons):
                total = splat(s * parameters[first_bias + i] + _TWO * g, LANES)
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
        for lane in range(min(LANES, len(output) // n_last - block * LANES)):
            for j in range(n_last):
                here = (block * LANES + lane) * n_last + j
                output[here] = values[now + last + j * LANES + lane]


@_kernel
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
    one = splat(_ONE, LANES)
    n_nonzeros = len(index)
    _weigh(s, parameters, index, weights)
    _fill(sums, 0, (n_nonzeros + n_neurons) * FOLD, _ZERO)
    for block in range(n_blocks):
        for work in (adjoint_x, adjoint_y, pulled):
            _fill(work, 0, n_neurons * LANES, _ZERO)
        _to_lanes(output_grad, block, 0, n_last, n_last, pulled, last)
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
                k = (n_nonzeros + i) * FOLD
                store(sums, k, add_products(load(sums, k, FOLD), adjoint, one))
            for j in range(n_rows):
                row = j * LANES
                value = load(values, at + row, LANES)
                total = splat(_ZERO, LANES)
                total = gather_adjoint(
                    total,
                    weights,
                    targets,
                    starts[j],
                    starts[j + 1],
                    adjoint_drive,
                    value,
                    sums,
                )
                if j < n_neurons:
                    store(pulled, row, total)
    for k in range(n_nonzeros):
        gradient[index[k]] = s * _sum(sums, k * FOLD)
    for i in range(n_neurons):
        gradient[len(gradient) - n_neurons + i] = s * _sum(sums, (n_nonzeros + i) * FOLD)
