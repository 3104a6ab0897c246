"""The search space and the objectives in Optuna's terms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection

from hpo.study.spec import StudySpec


def distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """The search space in Optuna's terms, in the order in which values are suggested.

    That is by name, each after those it depends on: the order of the study file must not matter.
    """
    if spec.sweep is not None:
        return {name: _swept(spec, name) for name in sorted(spec.parameters)}
    return {name: _distribution(spec, name) for name in spec.in_order}


def _swept(spec: StudySpec, name: str) -> BaseDistribution:
    """What a sweep makes of a parameter: the range of its values, on a log axis from a decade."""
    assert spec.sweep is not None
    values = [spec.as_param(name, params[name]) for _, _, params in spec.sweep.points]
    numbers = [v for v in values if not isinstance(v, str | bool)]
    if len(numbers) < len(values):
        return CategoricalDistribution(tuple(dict.fromkeys(values)))
    low, high = min(numbers), max(numbers)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=0 < 10 * low <= high)


def _distribution(spec: StudySpec, name: str) -> BaseDistribution:
    dimension = spec.dimensions[name]
    kind = spec.kind(name)
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    low, high = dimension.low, dimension.high
    if low is None or high is None:
        raise ValueError(f"space.{name} was not validated")
    if kind == "int":
        step = 1 if dimension.step is None else int(dimension.step)
        return IntDistribution(int(low), int(high), log=dimension.log, step=step)
    return FloatDistribution(float(low), float(high), log=dimension.log, step=dimension.step)


def directions(spec: StudySpec) -> list[StudyDirection]:
    """Of the score, as its objective says; then of every cost of the study: less."""
    score = StudyDirection[spec.objective_impl.direction.upper()]
    return [score, *[StudyDirection.MINIMIZE] * len(spec.costs)]


def values(score: float | None, costs: Sequence[float]) -> list[float]:
    """The score of a trial, and its costs where there are some, in the order of ``directions``."""
    return [] if score is None else [score, *costs]


DIGITS = 6
"""A range is divided into so many decimal places: far more than a score can tell apart."""


def rounded(space: Mapping[str, BaseDistribution], params: Mapping[str, Any]) -> dict[str, Any]:
    """The same parameters, those drawn from a continuous range rounded to 1e-6 of it at least.

    Each lies within its distribution, and stays there.
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
