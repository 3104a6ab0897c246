"""Normalise the series of a task, and pad the shorter ones."""

from __future__ import annotations

import numpy as np

from ..examples import Examples, Scaling
from .fields import Normalisation

SERIES_AT_ONCE = 4096
"""Number of series to normalise together, which limits the memory."""


def choose_scaling(how: Normalisation, train: Examples) -> Scaling | None:
    """Return the scaling ``how``, from statistics of the points of the training part
    alone; None for ``none``."""
    if how == "none":
        return None
    x = train.x.astype(np.float64)
    there = ~np.isnan(x[:, :, 0])
    if not there.all():  # else keep the shape, which decides how sums round
        x = x[there][np.newaxis]
    low = x.min(axis=(0, 1))
    high = x.max(axis=(0, 1))
    if how == "minmax":
        shift = low
        scale = high - low
    else:
        shift = x.mean((0, 1))
        scale = x.std((0, 1))
    varies = high > low
    scale = np.where(varies, scale, 1.0)  # a constant channel becomes 0
    shift = np.where(varies, shift, low)
    return Scaling(shift=tuple(shift.tolist()), scale=tuple(scale.tolist()))


def fill(examples: Examples, scaling: Scaling | None) -> Examples:
    """Normalise examples, and replace missing points of shorter series by 0."""
    ready = np.empty(examples.shape, np.float32)
    first = 0
    for part in examples.batches(SERIES_AT_ONCE):
        x = part.x if scaling is None else scaling.apply(part.x)
        ready[first : first + len(x)] = np.where(np.isnan(x), np.float32(0), x)
        first += len(x)
    return Examples(x=ready, label=examples.label)
