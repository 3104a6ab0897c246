"""Suggestions with no more digits than matter, so that other hardware comes to the same ones.

A sampler that fits a model by linear algebra (``gp``) differs in its last digits between
processors, builds of a library, even layouts of memory: 1e-12 was measured between two virtual
environments with the same packages. A history that differs that much makes the next suggestion
differ more, and a long search another one. Rounded, both are the same history.
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
    scale = value * math.log(high / low) if distribution.log else high - low
    if scale == 0.0:
        return value
    places = DIGITS - math.floor(math.log10(scale))
    return min(max(round(value, places), low), high)
