"""Whether scores are worse than a percentile of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CLEAR = 2.0
"""So many places from a percentile, it is clear on which side a value lies, without sorting."""


def is_beyond(own: float, others: Array, percentile: float, *, maximize: bool) -> bool:
    """Whether a value is worse than the best ``percentile`` per cent of others.

    As ``numpy.nanpercentile`` has it, which interpolates, but mostly without sorting.
    """
    percent = 100 - percentile if maximize else percentile
    place = (len(others) - 1) * percent / 100
    n_below = np.count_nonzero(others <= own if maximize else others < own)
    if abs(n_below - 0.5 - place) > CLEAR and np.isfinite(others).all():
        return bool((n_below < place) == maximize)
    least = np.nanpercentile(others, percent)
    return bool(own < least if maximize else own > least)
