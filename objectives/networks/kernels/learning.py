"""Kernels of a weight update: the readout with its loss and adjoint, and Adam.

As ``cross_entropy``, ``mse_loss``, ``clip_grad_value_`` and ``Adam`` of PyTorch, which are the
reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from objectives.networks.kernels.compiling import kernel
from objectives.networks.kernels.elementary import ONE, TWO, ZERO, exp, log
from objectives.networks.kernels.simd import element, fma, load, maximum, splat, store
from objectives.networks.kernels.sizes import LANES
from objectives.networks.kernels.sparse import add_products_to


@kernel
def read_out(
    y: Any,
    w_out: Any,
    bias_out: Any,
    labels: Any,
    scale: Any,
    logits: Any,
    adjoint_y: Any,
    sums: Any,
) -> float:
    """Loss of one block, summed over its sequences, and its adjoint times ``scale``.

    Args:
        y: output of the last layer, (width, LANES).
        w_out: readout weights, (classes, width).
        bias_out: biases, (classes,).
        labels: class of each sequence of the block, at most LANES.
        scale: factor of the adjoint, 1 / batch.
        logits: scratch, logits and their adjoint, (classes, LANES).
        adjoint_y: adjoint of y, written, (width, LANES).
        sums: products for weights and biases over FOLD lanes, added to,
            (classes width + classes, FOLD).
    """
    n_classes, width = len(bias_out), len(y)
    for c in range(n_classes):
        total = splat(bias_out[c], LANES)
        for j in range(width):
            total = fma(element(w_out, c * width + j), load(y, j * LANES, LANES), total)
        store(logits, c * LANES, total)
    highest, whole = load(logits, 0, LANES), splat(ZERO, LANES)
    for c in range(1, n_classes):
        highest = maximum(highest, load(logits, c * LANES, LANES))
    for c in range(n_classes):
        below = load(logits, c * LANES, LANES) - highest
        whole = whole + exp(below)
        store(logits, c * LANES, below)
    store(adjoint_y, 0, log(whole))  # until it is written
    loss = 0.0
    for lane in range(len(labels)):
        loss += np.float64(element(adjoint_y, lane) - logits[labels[lane] * LANES + lane])
    share = scale / whole
    for c in range(n_classes):
        store(logits, c * LANES, share * exp(load(logits, c * LANES, LANES)))
    for lane in range(LANES):
        if lane < len(labels):
            logits[labels[lane] * LANES + lane] -= scale
            continue
        for c in range(n_classes):
            logits[c * LANES + lane] = ZERO
    one = splat(ONE, LANES)
    for c in range(n_classes):
        add_products_to(sums, n_classes * width + c, load(logits, c * LANES, LANES), one)
    for j in range(width):
        total = splat(ZERO, LANES)
        here = load(y, j * LANES, LANES)
        for c in range(n_classes):
            adjoint = load(logits, c * LANES, LANES)
            total = fma(element(w_out, c * width + j), adjoint, total)
            add_products_to(sums, c * width + j, adjoint, here)
        store(adjoint_y, j * LANES, total)
    return loss


@kernel
def read_out_series(
    y: Any,
    w_out: Any,
    bias_out: Any,
    targets: Any,
    n_sequences: Any,
    scale: Any,
    errors: Any,
    adjoint_y: Any,
    sums: Any,
) -> float:
    """Squared error of one block, summed over its sequences, points and outputs, and its adjoint.

    Args:
        y: what is read of the last layer, (points read width, LANES).
        w_out: readout weights, (outputs, width).
        bias_out: biases, (outputs,).
        targets: what should be read out, (points read, outputs, LANES), flat.
        n_sequences: lanes of the block that hold a sequence.
        scale: factor of the adjoint, 1 / (batch points outputs).
        errors: scratch, errors of a point and their adjoint, (outputs, LANES).
        adjoint_y: adjoint of y, written, (points read width, LANES).
        sums: products for weights and biases over FOLD lanes, added to,
            (outputs width + outputs, FOLD).
    """
    n_outputs = len(bias_out)
    n_read = len(targets) // (n_outputs * LANES)
    width = len(y) // n_read
    one, twice = splat(ONE, LANES), TWO * scale
    squares = 0.0
    for point in range(n_read):
        first = point * width * LANES
        for c in range(n_outputs):
            total = splat(bias_out[c], LANES)
            for j in range(width):
                here = load(y, first + j * LANES, LANES)
                total = fma(element(w_out, c * width + j), here, total)
            store(errors, c * LANES, total - load(targets, (point * n_outputs + c) * LANES, LANES))
            for lane in range(LANES):
                error = errors[c * LANES + lane] if lane < n_sequences else ZERO
                squares += np.float64(error) * np.float64(error)
                errors[c * LANES + lane] = twice * error
            add_products_to(sums, n_outputs * width + c, load(errors, c * LANES, LANES), one)
        for j in range(width):
            total = splat(ZERO, LANES)
            here = load(y, first + j * LANES, LANES)
            for c in range(n_outputs):
                adjoint = load(errors, c * LANES, LANES)
                total = fma(element(w_out, c * width + j), adjoint, total)
                add_products_to(sums, c * width + j, adjoint, here)
            store(adjoint_y, first + j * LANES, total)
    return squares


@kernel
def adam(
    parameters: Any, gradient: Any, first: Any, second: Any, bound: Any, constants: Any
) -> bool:
    """One step of Adam after clipping to ``bound``, unless the gradient holds a NaN.

    D. P. Kingma, J. Ba, arXiv:1412.6980, algorithm 1, with its biases corrected.

    Args:
        parameters: what to move.
        gradient: its gradient.
        first, second: running means of the gradient and of its square.
        bound: every element is clipped to +- this.
        constants: beta1; beta2; lr / (1 - beta1^t); 1 / sqrt(1 - beta2^t); epsilon.

    Returns:
        Whether it moved.
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
