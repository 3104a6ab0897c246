"""Which bounds of the space the best trials lie at, and how far to widen them: a pure
function.

Where the best lie at a bound, better ones may lie beyond it, and the search may not go
there.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hpo.contract import BOUNDS, Parameter
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Trial

LEAST = 20
"""Finished trials before a bound is reported."""
BEST = 5
"""Number of best trials to look at; the best tenth if that is more."""
WITHIN = 0.02
"""A trial lies at a bound if it is no farther from it than this share of the range."""
CHANCE = 0.01
"""Significance level: the probability of as many at one bound if all values were
equally good."""


@dataclass(frozen=True, kw_only=True)
class BoundReached:
    """A bound at which most of the best trials lie."""

    parameter: str
    bound: Literal["low", "high"]
    value: float | int
    """The bound as it is."""
    trials: int
    """Number of the best trials at it."""
    of: int
    """Number of best trials looked at."""
    widen: float | int
    """A next bound, which the parameter allows."""


def find_bounds_reached(
    spec: StudySpec, ranking: Sequence[Trial], search: Sequence[Trial]
) -> list[BoundReached]:
    """Return the bounds at which the best trials of a search lie, in the order of the
    space.

    None before ``LEAST`` trials are finished; and none where the parameter allows no
    wider range, as a density of 1. ``ranking`` holds the complete ones of the trials
    of the ``search``, the best first.
    """
    if sum(trial.state.is_finished for trial in search) < LEAST:
        return []
    best = _best(spec, ranking, search)
    found = []
    for name, dimension in spec.dimensions.items():
        some = [trial for trial in best if name in trial.params]
        if dimension.choices is None and len(some) >= BEST:
            bound = _find_bound(spec, name, some)
            if bound is not None:
                found.append(bound)
    return found


def _best(
    spec: StudySpec, ranking: Sequence[Trial], search: Sequence[Trial]
) -> list[Trial]:
    """Return the best trials, without repeats: complete ones, then those that trained
    fewer networks."""
    left = [t for t in search if t.compares and t.state != SlotState.COMPLETE]
    left.sort(key=lambda trial: (-spec.sign * (trial.score or 0.0), trial.number))
    distinct: dict[tuple[Any, ...], Trial] = {}
    for trial in (*ranking, *left):
        point = tuple(trial.params.get(name) for name in spec.dimensions)
        distinct.setdefault(point, trial)
    trials = list(distinct.values())
    return trials[: max(BEST, len(trials) // 10)]


def _find_bound(
    spec: StudySpec, name: str, best: Sequence[Trial]
) -> BoundReached | None:
    dimension = spec.dimensions[name]
    places = [dimension.share(float(trial.params[name])) for trial in best]
    low = sum(place <= WITHIN for place in places)
    high = sum(place >= 1.0 - WITHIN for place in places)
    bound: Literal["low", "high"] = "low" if low >= high else "high"
    trials = max(low, high)
    share = 1 / dimension.size if discrete(spec, name) else WITHIN
    if 2 * trials < len(best) or _by_chance(trials, len(best), share) > CHANCE:
        return None
    widen = _next(spec, name, bound)
    if widen is None:
        return None
    return BoundReached(
        parameter=name,
        bound=bound,
        value=getattr(dimension, bound) or 0,
        trials=trials,
        of=len(best),
        widen=widen,
    )


def _by_chance(k: int, n: int, p: float) -> float:
    """Return the probability of ``k`` or more of ``n``, each with probability ``p``."""
    return math.fsum(
        math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1)
    )


def discrete(spec: StudySpec, name: str) -> bool:
    """Return whether a range has few enough values for a bound to be one of them."""
    dimension = spec.dimensions[name]
    if not spec.is_integer(name) and dimension.step is None:
        return False
    return dimension.size <= 1 / WITHIN


def _next(spec: StudySpec, name: str, bound: Literal["low", "high"]) -> float | None:
    """Return a bound beyond this one by a quarter of a log range, or half of a linear
    one.

    None where the parameter allows no farther one.
    """
    dimension = spec.dimensions[name]
    parameter = spec.parameter(name)
    ends = dimension.ends
    sign = -1.0
    if bound == "high":
        ends = ends[::-1]
        sign = 1.0
    old, other = ends
    target = old + (old - other) / 2
    if dimension.log:
        target = old * (old / other) ** 0.25
    least = dimension.step or float(parameter.whole)
    beyond = [old + sign * max(least, abs(target - old))]
    for key in _LIMITS[bound]:
        if key in parameter.bounds:
            beyond.append(parameter.bounds[key])
    beyond += [(old + own) / 2 for own in beyond[1:]]
    for value in _rounded(beyond, old, sign, dimension.step):
        if parameter.whole:
            value = round(value)
        further = sign * (value - old) > 0
        is_count = parameter.whole and old > 0  # which cannot be 0, mostly
        if further and _allows(parameter, value) and not (is_count and value <= 0):
            return value
    return None


def _allows(parameter: Parameter, value: float) -> bool:
    """Return whether a value meets the bounds of a parameter itself; a launch checks it
    beside others."""
    return all(_MEETS[key](value, bound) for key, bound in parameter.bounds.items())


def _rounded(
    beyond: Sequence[float], old: float, sign: float, step: float | None
) -> Iterator[float]:
    """Yield values with few digits, or a whole number of steps beyond the old one."""
    for far in beyond:
        if step:
            steps = math.floor(abs(far - old) / step + 1e-9)
            yield float(f"{old + sign * steps * step:.12g}")
        else:
            for digits in (1, 2, 17):
                yield float(f"{far:.{digits}g}")


_MEETS = {
    "minimum": operator.ge,
    "exclusiveMinimum": operator.gt,
    "maximum": operator.le,
    "exclusiveMaximum": operator.lt,
}
"""How a value compares with each bound that it meets."""
_LIMITS = {"low": BOUNDS[:2], "high": BOUNDS[2:]}
