"""Kernels of a weight update: the readout with its loss and adjoint, and Adam.

They compute the same as PyTorch's ``cross_entropy``, ``mse_loss``, ``clip_grad_value_``
and ``Adam``, the reference. docs/explanation/equations.md, "Readout", has the readout.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import inline, kernel
from .elementary import ONE, TWO, ZERO, exp, log
from .products import multiply
from .simd import load, maximum, splat, store
from .sizes import WIDTH


@inline
def _gather_features(
    read: Any, places: Any, parts: Any, size: Any, features: Any
) -> None:
    """Write the features of ``networks.readout``: (points, rows) to (rows,
    features)."""
    last, mean, squares = parts
    n_points, n_rows, stride, n_features = size
    n, share = len(places), ONE / np.float32(n_points)
    for row in range(n_rows):
        at = row * n_features
        end = at
        if last:
            for i in range(n):
                features[end + i] = read[
                    ((n_points - 1) * n_rows + row) * stride + places[i]
                ]
            end += n
        if mean:
            for i in range(n):
                features[end + i] = ZERO
            for t in range(n_points):
                for i in range(n):
                    features[end + i] += read[(t * n_rows + row) * stride + places[i]]
            for i in range(n):
                features[end + i] *= share
            end += n
        if squares:
            for i in range(end - at):
                features[end + i] = features[at + i] * features[at + i]


@inline
def _spread_adjoint(
    features: Any, adjoint: Any, places: Any, parts: Any, size: Any, entering: Any
) -> None:
    """Write the adjoint of ``_gather_features`` from that of the features, which it
    changes."""
    last, mean, squares = parts
    n_points, n_rows, stride, n_features = size
    n, share = len(places), ONE / np.float32(n_points)
    for row in range(n_rows):
        at = row * n_features
        end = at + n if last and mean else at
        if squares:
            for k in range(at, end + n):
                adjoint[k] += TWO * features[k] * adjoint[k + end + n - at]
        for t in range(n_points):
            for i in range(n):
                own = share * adjoint[end + i] if mean else ZERO
                if last and t == n_points - 1:
                    own += adjoint[at + i]
                entering[(t * n_rows + row) * stride + places[i]] = own


@kernel
def read_out(
    read: Any,
    entering: Any,
    places: Any,
    parts: Any,
    readout: Any,
    labels: Any,
    targets: Any,
    scale: Any,
    work: Any,
    size: Any,
) -> float:
    """Return the loss of one block, summed over its series, and write its adjoint times
    ``scale``.

    Args:
        read: values read of neurons, (points read, series, stride).
        entering: their adjoint, written.
        places: places of the neurons in a row of ``read``.
        parts: see ``Features.parts``.
        readout: weights, (features, outputs), and (outputs, features); biases,
            (outputs,); zeros, (features,).
        labels: class of each series of the block; empty for prediction.
        targets: target outputs, (points, own series, outputs); empty for classes.
        scale: factor of the adjoint, 1 over the number of values in the mean loss of
            the batch; and the label smoothing of classes.
        work: scratch for features and their adjoint, (points, series, features), and
            for outputs and their adjoint, (points, series, outputs); gradients of
            weights, (features, outputs), and biases, (outputs,), added to.
        size: points; series with and without padding; points per averaged one; stride;
            features and outputs, padded to a multiple of WIDTH; outputs without
            padding.
    """
    forward, back, bias, zeros = readout
    features, adjoint, outputs, sums = work
    n_points, n_series, n_own, n_averaged, stride, n_features, n_outputs, n_real = size
    n_rows = n_points * n_series
    share, _ = scale
    taken = (n_averaged, n_rows, stride, n_features)
    _gather_features(read, places, parts, taken, features)
    out, left = (outputs, 0, n_outputs), (features, 0, n_features, 1, 0)
    size_of = (n_rows, n_outputs, n_features, 1)
    multiply(out, (bias, 0, 0), left, (forward, 0, n_outputs, 0), size_of)
    loss = 0.0
    for row in range(n_rows):
        at, series = row * n_outputs, row % n_series
        if series >= n_own:
            for k in range(0, n_outputs, WIDTH):
                store(outputs, at + k, splat(ZERO, WIDTH))
        elif len(labels) > 0:
            loss += _cross_entropy(
                outputs, at, labels[series], n_outputs, n_real, scale
            )
        else:
            first = (row // n_series * n_own + series) * n_real
            for c in range(n_real):
                error = outputs[at + c] - targets[first + c]
                loss += np.float64(error) * np.float64(error)
                outputs[at + c] = TWO * share * error
    out, left = (adjoint, 0, n_features), (outputs, 0, n_outputs, 1, 0)
    size_of = (n_rows, n_features, n_outputs, 1)
    multiply(out, (zeros, 0, 0), left, (back, 0, n_features, 0), size_of)
    out, left = (sums, 0, n_outputs), (features, 0, 1, n_features, 0)
    size_of = (n_features, n_outputs, n_rows, 1)
    multiply(out, out, left, (outputs, 0, n_outputs, 0), size_of)
    for k in range(0, n_outputs, WIDTH):
        total = load(sums, n_features * n_outputs + k, WIDTH)
        for row in range(n_rows):
            total = total + load(outputs, row * n_outputs + k, WIDTH)
        store(sums, n_features * n_outputs + k, total)
    _spread_adjoint(features, adjoint, places, parts, taken, entering)
    return loss


@inline
def _cross_entropy(
    logits: Any, at: Any, label: Any, n_outputs: Any, n_real: Any, scale: Any
) -> Any:
    """Return minus the log probability of a class; its adjoint replaces the logits.

    The part ``smoothing`` of the loss is the mean over all classes.
    """
    scale, smoothing = scale
    highest = logits[at]
    for c in range(1, n_real):
        highest = maximum(highest, logits[at + c])
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
    share = scale / whole
    for k in range(0, n_outputs, WIDTH):
        store(logits, at + k, share * load(logits, at + k, WIDTH))
    for c in range(n_real, n_outputs):
        logits[at + c] = ZERO
    for c in range(n_real):
        logits[at + c] -= scale * each
    logits[at + label] -= scale * (ONE - smoothing)
    return np.float64(log(whole) - own)


@kernel
def adam(
    parameters: Any, gradient: Any, first: Any, second: Any, bound: Any, constants: Any
) -> bool:
    """Take one step of Adam after clipping to ``bound``, unless the gradient has a NaN.

    D. P. Kingma, J. Ba, arXiv:1412.6980, algorithm 1, with bias correction.

    Args:
        parameters: parameters, changed in place.
        gradient: their gradient.
        first, second: running means of the gradient and of its square.
        bound: elements of the gradient are clipped to +- this.
        constants: beta1; beta2; lr / (1 - beta1^t); 1 / sqrt(1 - beta2^t); epsilon.

    Returns:
        True if the parameters moved.
    """
    beta1, beta2, size, correction, epsilon = constants
    n_nan = 0
    for k in range(len(gradient)):
        n_nan += gradient[k] != gradient[k]
    if n_nan:
        return False
    for k in range(len(gradient)):
        g = min(max(gradient[k], -bound), bound)
        m = first[k] + (ONE - beta1) * (g - first[k])
        v = beta2 * second[k] + (ONE - beta2) * g * g
        first[k], second[k] = m, v
        parameters[k] -= size * m / (np.sqrt(v) * correction + epsilon)
    return True
