"""Scales on which scores differ alike: accuracies by logits, errors by logarithms, others as is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]

ERRORS = frozenset({"nrmse", "rmse", "mse", "mae", "smape"})
"""Metrics that are never negative and span decades."""
_EDGE = 0.002
"""Added to an accuracy and to its complement: half an image of 250, so that logits are finite."""
_ZERO = 0.1
"""An error of 0 counts as this part of the least of the others."""


@dataclass(frozen=True)
class Scale:
    """A monotonous map of scores (any shape), and its inverse."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    bounded: bool = False
    """Whether no score lies far out, as no accuracy does."""


def logits(shares: Array) -> Array:
    """Logits of accuracies, of any shape; those beyond 0 or 1 count as 0 or 1."""
    within = np.clip(shares, 0.0, 1.0)
    found: Array = np.log((within + _EDGE) / (1.0 - within + _EDGE))
    return found


def shares(own: Array) -> Array:
    """Accuracies of logits, of any shape; the inverse of ``logits``."""
    found: Array = np.clip(expit(own) * (1.0 + 2.0 * _EDGE) - _EDGE, 0.0, 1.0)
    return found


def logarithms(errors: Array) -> Array:
    """Logarithms of errors, of any shape."""
    others, tiny = errors[errors > 0.0], float(np.finfo(np.float64).tiny)
    least = max(_ZERO * float(others.min()), tiny) if others.size else tiny
    found: Array = np.log(np.where(errors > 0.0, errors, least))
    return found


LINEAR = Scale(np.positive, np.positive)
LOGIT = Scale(logits, shares, bounded=True)
LOG = Scale(logarithms, np.exp)

_FAR = 10.0
"""A best score this many times as far above the second as that is above the median stands alone."""


def without_outliers(y: Array, *, below: bool) -> Array:
    """Scores (n,), the more the better, of which none leaves a model nothing to tell apart.

    One that stands alone above all others may be a mistake. It counts as no further above the
    second than this is above the median, or on a plateau above what lies below: if it is none, the
    next ones near it are as good, and raise the fence. Those far ``below`` count as Tukey's outer
    fence.
    """
    if len(y) < 4:
        return y
    low, middle, high = np.quantile(y, [0.25, 0.5, 0.75])
    second, best = np.sort(y)[-2:]
    gap = (second - middle) or (second - low) or (second - y.min())
    alone = 0.0 < _FAR * gap < best - second
    found: Array = np.minimum(y, second + gap if alone else best)
    return np.maximum(found, low - 3.0 * (high - low)) if below else found
