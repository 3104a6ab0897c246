"""Suggestions with no more digits than matter, so that last digits are rarely what decides.

A sampler that fits a model by linear algebra (``gp``) differs in its last digits between builds of
a library: 1e-12 was measured where Optuna found ``greenlet`` and where it did not (now a dependency
of ours). A history that differs so makes the next suggestion differ more, and a long search another
one. Rounded, both are the same history, unless a value lies just between two: hundreds of trials
still part somewhere. What another processor makes of the training is another thing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution

DIGITS = 6
"""A range is divided into so many decimal places: far more than a score can tell apart."""


def rounded(space: Mapping[str, BaseDistribution], params: Mapping[str, Any]) -> dict[str, Any]:
    """The same parameters, those drawn from a continuous range rounded to 1e-6 of it at least.

    Args:
        space: distributions by name.
        params: values by name, each within its distribution, and there they stay.
    """
    return {name: _rounded(space[name], value) for name, value in params.items()}


def _rounded(distribution: BaseDistribution, value: Any) -> Any:
    if not isinstance(distribution, FloatDistribution) or distribution.step is not None:
        return value
    low, high = distribution.low, distribution.high
    log_range = math.log(high) - math.log(low) if distribution.log else 0.0
    scale = value * log_range if distribution.log else high - low
    if scale == 0.0 or not math.isfinite(scale):
        return value
    places = DIGITS - math.floor(math.log10(scale))
    return min(max(round(value, places), low), high)
