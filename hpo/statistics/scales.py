"""Scales on which scores scatter alike: logits of accuracies, logarithms of errors."""

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
"""Added to an accuracy and to its complement: half an image of 250, so that logits are
finite."""
_ZERO = 0.1
"""An error of 0 counts as this part of the least of the others."""


@dataclass(frozen=True)
class Scale:
    """A monotonous map of scores (any shape), and its inverse."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    """Derivative of ``forward`` by the score, where that is inside its bounds."""
    bounded: bool = False
    """Whether scores are bounded, as accuracies are: no score is an outlier."""


def logits(shares: Array) -> Array:
    """Return logits of accuracies, of any shape; values beyond 0 or 1 count as 0 or
    1."""
    within = np.clip(shares, 0.0, 1.0)
    values: Array = np.log((within + _EDGE) / (1.0 - within + _EDGE))
    return values


def shares(values: Array) -> Array:
    """Return accuracies from logits, of any shape; the inverse of ``logits``."""
    accuracies: Array = np.clip(expit(values) * (1.0 + 2.0 * _EDGE) - _EDGE, 0.0, 1.0)
    return accuracies


def logarithms(errors: Array) -> Array:
    """Return logarithms of errors, of any shape."""
    others = errors[errors > 0.0]
    least = float(np.finfo(np.float64).tiny)
    if others.size:
        least = max(_ZERO * float(others.min()), least)
    values: Array = np.log(np.where(errors > 0.0, errors, least))
    return values


def _slope_of_logits(shares: Array) -> Array:
    return np.asarray(1.0 / (shares + _EDGE) + 1.0 / (1.0 - shares + _EDGE))


LINEAR = Scale(np.positive, np.positive, np.ones_like)
LOGIT = Scale(logits, shares, _slope_of_logits, bounded=True)
LOG = Scale(logarithms, np.exp, np.reciprocal)

_CLOSE = 0.5
"""Share of the scores that lie within a unit of ``lead_scale`` of the best one: near
it, the scale is linear, as a minimum is smooth."""


def lead_scale(scores: Array, sign: float) -> Scale:
    """Return the scale of the logarithm of how far the best score leads, with a sign of
    1 if larger scores are better, else -1.

    A score s maps to -sign log(1 + lead / unit) with lead = sign (best - s), whatever
    number the best value is. The unit is what the closer half of ``scores`` (n,), which
    are not all equal, lies within.
    """
    best = float((sign * scores).max())
    leads = best - sign * scores
    unit = float(np.quantile(leads, _CLOSE)) or float(leads[leads > 0.0].min())

    def relative(values: Array) -> Array:
        """Return leads in units; further than -1 is better than any score will be."""
        return np.maximum((best - sign * np.asarray(values)) / unit, -_MOST)

    return Scale(
        forward=lambda values: -sign * np.log1p(relative(values)),
        inverse=lambda logs: sign * (best - unit * np.expm1(-sign * np.asarray(logs))),
        slope=lambda values: 1.0 / (unit * (1.0 + relative(values))),
    )


_MOST = 0.999
"""Limit on the lead over the best score, in units of ``lead_scale``."""

_FAR = 10.0
"""A best score is an outlier if its lead over the second is this many times the
second's lead over the median."""


def without_outliers(y: Array, *, below: bool) -> Array:
    """Return scores (n,), the larger the better, with outliers clipped: a model then
    sees the rest.

    A single score far above all others may be a mistake. It is clipped to as far above
    the second as that is above the median (on a plateau, above the scores below it). If
    it is right, the next scores near it are as good, and raise the limit. With
    ``below``, low scores are clipped at Tukey's outer fence.
    """
    if len(y) < 4:
        return y
    low, middle, high = np.quantile(y, [0.25, 0.5, 0.75])
    second, best = np.sort(y)[-2:]
    gap = (second - middle) or (second - low) or (second - y.min())
    clipped: Array = y
    if 0.0 < _FAR * gap < best - second:
        clipped = np.minimum(y, second + gap)
    if below:
        clipped = np.maximum(clipped, low - 3.0 * (high - low))
    return clipped
