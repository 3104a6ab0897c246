"""Kernels of a weight update: the readout with its loss and adjoint, and Adam.

They compute the same as PyTorch's ``cross_entropy``, ``mse_loss``, ``clip_grad_value_``
and ``Adam``, the reference. docs/explanation/equations.md, "Readout", has the readout.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .compiling import inline, kernel
from .elementary import ONE, TWO, ZERO, exp, log
from .products import multiply
from .simd import load, splat, store
from .sizes import WIDTH


class Size(NamedTuple):
    """Sizes of the readout of a block."""

    n_points: int
    """Outputs of a series, one after the other in time."""
    n_series: int
    """Series with padding."""
    n_own: int
    """Series without padding."""
    n_averaged: int
    """Points read for one output."""
    stride: int
    """Floats per series and point in the array of values read."""
    n_features: int
    """Features, padded to a multiple of WIDTH."""
    n_outputs: int
    """Outputs, padded to a multiple of WIDTH."""
    n_real: int
    """Outputs without padding."""


@inline
def _average(read: Any, start: Any, step: Any, places: Any, n: Any, out: Any) -> None:
    """Write the mean of ``n`` rows to read, ``step`` apart."""
    features, to = out
    for i in range(len(places)):
        features[to + i] = ZERO
    for t in range(n):
        at = start + t * step
        for i in range(len(places)):
            features[to + i] += read[at + places[i]]
    share = ONE / np.float32(n)
    for i in range(len(places)):
        features[to + i] *= share


@inline
def _gather_features(series: Any, parts: Any, size: Any, features: Any) -> None:
    """Write the features of ``networks.readout``: (points, rows) to (rows,
    features)."""
    last, mean, squares = parts
    read, _, places = series
    n = len(places)
    n_rows = size.n_points * size.n_series
    step = n_rows * size.stride
    for row in range(n_rows):
        at = row * size.n_features
        start = row * size.stride
        end = at
        if last:
            final = start + (size.n_averaged - 1) * step
            for i in range(n):
                features[end + i] = read[final + places[i]]
            end += n
        if mean:
            _average(read, start, step, places, size.n_averaged, (features, end))
            end += n
        if squares:
            for i in range(at, end):
                features[end - at + i] = features[i] * features[i]


@inline
def _spread_adjoint(
    features: Any, adjoint: Any, series: Any, parts: Any, size: Any
) -> None:
    """Write the adjoint of ``_gather_features`` from that of the features, which it
    changes."""
    last, mean, squares = parts
    _, entering, places = series
    n = len(places)
    n_points = size.n_averaged
    n_rows = size.n_points * size.n_series
    share = ONE / np.float32(n_points)
    for row in range(n_rows):
        at = row * size.n_features
        end = at + n if last and mean else at
        if squares:
            for k in range(at, end + n):
                adjoint[k] += TWO * features[k] * adjoint[k + end + n - at]
        for t in range(n_points):
            start = (t * n_rows + row) * size.stride
            for i in range(n):
                own = share * adjoint[end + i] if mean else ZERO
                if last and t == n_points - 1:
                    own += adjoint[at + i]
                entering[start + places[i]] = own


@kernel
def read_out(
    series: Any,
    parts: Any,
    readout: Any,
    wanted: Any,
    scale: Any,
    work: Any,
    size: Any,
) -> float:
    """Return the loss of one block, summed over its series, and write its adjoint times
    ``scale``.

    Args:
        series: values read of neurons, (points read, series, stride); their adjoint,
            written; places of the neurons in a row of these.
        parts: see ``Features.parts``.
        readout: weights, (features, outputs), and (outputs, features); biases,
            (outputs,); zeros, (features,).
        wanted: class of each series of the block, empty for prediction; target
            outputs, (points, own series, outputs), empty for classes.
        scale: factor of the adjoint, 1 over the number of values in the mean loss of
            the batch; and the label smoothing of classes.
        work: scratch for features and their adjoint, (points, series, features), and
            for outputs and their adjoint, (points, series, outputs); gradients of
            weights, (features, outputs), and biases, (outputs,), added to.
        size: see ``Size``.
    """
    forward, back, bias, zeros = readout
    features, adjoint, outputs, sums = work
    n_features = size.n_features
    n_outputs = size.n_outputs
    n_rows = size.n_points * size.n_series
    _gather_features(series, parts, size, features)
    left = (features, 0, n_features, 1, 0)
    right = (forward, 0, n_outputs, 0)
    counts = (n_rows, n_outputs, n_features, 1)
    multiply((outputs, 0, n_outputs), (bias, 0, 0), left, right, counts)
    loss: float = _replace_by_adjoints(outputs, wanted, scale, size)
    left = (outputs, 0, n_outputs, 1, 0)
    right = (back, 0, n_features, 0)
    counts = (n_rows, n_features, n_outputs, 1)
    multiply((adjoint, 0, n_features), (zeros, 0, 0), left, right, counts)
    out = (sums, 0, n_outputs)
    left = (features, 0, 1, n_features, 0)
    right = (outputs, 0, n_outputs, 0)
    multiply(out, out, left, right, (n_features, n_outputs, n_rows, 1))
    _add_rows(sums, n_features * n_outputs, outputs, size)
    _spread_adjoint(features, adjoint, series, parts, size)
    return loss


@inline
def _add_rows(sums: Any, at: Any, outputs: Any, size: Any) -> None:
    """Add all rows of outputs to sums, from ``at`` on."""
    n_outputs = size.n_outputs
    for k in range(0, n_outputs, WIDTH):
        total = load(sums, at + k, WIDTH)
        for row in range(size.n_points * size.n_series):
            total = total + load(outputs, row * n_outputs + k, WIDTH)
        store(sums, at + k, total)


@inline
def _replace_by_adjoints(outputs: Any, wanted: Any, scale: Any, size: Any) -> Any:
    """Return the summed loss of outputs; its adjoint, times ``scale``, replaces them.

    Adjoints of padding have to be 0, for the sums of gradients include it. Padded
    outputs are 0 before, since their weights and biases are.
    """
    labels, targets = wanted
    n_outputs = size.n_outputs
    loss = 0.0
    for row in range(size.n_points * size.n_series):
        at = row * n_outputs
        series = row % size.n_series
        if series >= size.n_own:
            for k in range(0, n_outputs, WIDTH):
                store(outputs, at + k, splat(ZERO, WIDTH))
        elif len(labels) > 0:
            loss += _cross_entropy(outputs, at, labels[series], size, scale)
        else:
            first = (row // size.n_series * size.n_own + series) * size.n_real
            for c in range(size.n_real):
                error = outputs[at + c] - targets[first + c]
                loss += np.float64(error) * np.float64(error)
                outputs[at + c] = TWO * scale[0] * error
    return loss


@inline
def _cross_entropy(logits: Any, at: Any, label: Any, size: Any, scale: Any) -> Any:
    """Return minus the log probability of a class; its adjoint replaces the logits.

    The part ``smoothing`` of the loss is the mean over all classes.
    """
    factor, smoothing = scale
    n_outputs = size.n_outputs
    n_real = size.n_real
    highest = logits[at]
    for c in range(1, n_real):
        highest = max(highest, logits[at + c])
    own = logits[at + label] - highest
    each = smoothing / np.float32(n_real)
    if smoothing > ZERO:
        own *= ONE - smoothing
        for c in range(n_real):
            own += each * (logits[at + c] - highest)
    for k in range(0, n_outputs, WIDTH):
        store(logits, at + k, exp(load(logits, at + k, WIDTH) - highest))
    whole = ZERO
    for c in range(n_real):
        whole += logits[at + c]
    share = factor / whole
    for k in range(0, n_outputs, WIDTH):
        store(logits, at + k, share * load(logits, at + k, WIDTH))
    for c in range(n_real, n_outputs):
        logits[at + c] = ZERO
    for c in range(n_real):
        logits[at + c] -= factor * each
    logits[at + label] -= factor * (ONE - smoothing)
    return np.float64(log(whole) - own)


@kernel
def adam(
    parameters: Any, gradient: Any, first: Any, second: Any, constants: Any
) -> bool:
    """Take one step of Adam after clipping, unless the gradient has a NaN.

    D. P. Kingma, J. Ba, arXiv:1412.6980, algorithm 1, with bias correction.

    Args:
        parameters: parameters, changed in place.
        gradient: their gradient.
        first, second: running means of the gradient and of its square.
        constants: beta1; beta2; lr / (1 - beta1^t); 1 / sqrt(1 - beta2^t); epsilon;
            and the bound to which elements of the gradient are clipped.

    Returns:
        True if the parameters moved.
    """
    beta1, beta2, size, correction, epsilon, bound = constants
    n_nan = 0
    for k in range(len(gradient)):
        n_nan += gradient[k] != gradient[k]
    if n_nan:
        return False
    for k in range(len(gradient)):
        g = min(max(gradient[k], -bound), bound)
        m = first[k] + (ONE - beta1) * (g - first[k])
        v = beta2 * second[k] + (ONE - beta2) * g * g
        first[k] = m
        second[k] = v
        parameters[k] -= size * m / (np.sqrt(v) * correction + epsilon)
    return True
