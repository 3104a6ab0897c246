"""Which bounds of the space the best trials lie at, and how far to widen them: a pure
function.

Where the best lie at a bound, better ones may lie beyond it, and the search may not go
there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hpo.study.parameters import first_error
from hpo.study.spec import BOUNDS, StudySpec
from hpo.study.trials import SlotState, Trial

LEAST = 20
"""Settled trials before a bound is reported."""
BEST = 5
"""Number of best trials to look at; the best tenth if that is more."""
WITHIN = 0.02
"""A trial lies at a bound if it is no farther from it than this share of the range."""
CHANCE = 0.01
"""Significance level: the probability of as many at one bound if all values were
equally good."""


@dataclass(frozen=True, kw_only=True)
class Edge:
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
    """A next bound, which the objective allows."""


def edges(
    spec: StudySpec, ranking: Sequence[Trial], search: Sequence[Trial]
) -> list[Edge]:
    """Return the bounds at which the best trials of a search lie, in the order of the
    space.

    None before ``LEAST`` trials are settled; and none where the objective allows no
    wider range, as of a density of 1. ``ranking`` holds the complete ones of the trials
    of the ``search``, the best first.
    """
    if sum(trial.state != SlotState.RUNNING for trial in search) < LEAST:
        return []
    best = _best(spec, ranking, search)
    ranges = [
        name for name, dimension in spec.dimensions.items() if dimension.choices is None
    ]
    by_name = {
        name: [trial for trial in best if name in trial.params] for name in ranges
    }
    candidates = [
        _edge(spec, name, some) for name, some in by_name.items() if len(some) >= BEST
    ]
    return [edge for edge in candidates if edge is not None]


def _best(
    spec: StudySpec, ranking: Sequence[Trial], search: Sequence[Trial]
) -> list[Trial]:
    """Return the best trials, without repeats: complete ones, then those that trained
    fewer networks."""
    left = [t for t in search if t.compares and t.state != SlotState.COMPLETE]
    sign = -1.0 if spec.maximize else 1.0
    left.sort(key=lambda trial: (sign * (trial.score or 0.0), trial.number))
    distinct: dict[tuple[Any, ...], Trial] = {}
    for trial in (*ranking, *left):
        distinct.setdefault(
            tuple(trial.params.get(name) for name in spec.dimensions), trial
        )
    trials = list(distinct.values())
    return trials[: max(BEST, len(trials) // 10)]


def _edge(spec: StudySpec, name: str, best: Sequence[Trial]) -> Edge | None:
    dimension = spec.dimensions[name]
    places = [_place(spec, name, slot) for slot in best]
    at_low = sum(place <= WITHIN for place in places)
    at_high = sum(place >= 1.0 - WITHIN for place in places)
    bound: Literal["low", "high"] = "low" if at_low >= at_high else "high"
    trials, n = max(at_low, at_high), len(best)
    p = 1 / dimension.size if discrete(spec, name) else WITHIN
    chances = (
        math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(trials, n + 1)
    )
    by_chance = math.fsum(chances)
    if 2 * trials < n or by_chance > CHANCE:
        return None
    value = (dimension.low if bound == "low" else dimension.high) or 0
    widen = _next(spec, best[0], name, bound)
    if widen is None:
        return None
    return Edge(
        parameter=name, bound=bound, value=value, trials=trials, of=n, widen=widen
    )


def _place(spec: StudySpec, name: str, slot: Trial) -> float:
    """Return the place of a trial in a range, from 0 to 1, on a log scale if the range
    is one."""
    dimension = spec.dimensions[name]
    low, high = dimension.ends
    value = float(slot.params.get(name, math.nan))
    if dimension.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def discrete(spec: StudySpec, name: str) -> bool:
    """Return whether a range has few enough values for a bound to be one of them."""
    dimension = spec.dimensions[name]
    if spec.kind(name) != "int" and dimension.step is None:
        return False
    return spec.dimensions[name].size <= 1 / WITHIN


def _next(
    spec: StudySpec, at: Trial, name: str, bound: Literal["low", "high"]
) -> float | None:
    """Return a bound beyond this one by a quarter of a log range, or half of a linear
    one.

    None where the objective allows no farther one beside the parameters of the trial.
    """
    dimension, parameter = spec.dimensions[name], spec.parameter(name)
    low, high = dimension.ends
    old, other, sign = (low, high, -1.0) if bound == "low" else (high, low, 1.0)
    target = old * (old / other) ** 0.25 if dimension.log else old + (old - other) / 2
    least = dimension.step or (1 if parameter.whole else 0)
    target = old + sign * max(least, abs(target - old))
    limits = [own for key, own in parameter.bounds.items() if key in _LIMITS[bound]]
    beyond = [target, *limits, *((old + own) / 2 for own in limits)]
    if step := dimension.step:
        steps = [math.floor(abs(far - old) / step + 1e-9) for far in beyond]
        values = [float(f"{old + sign * n * step:.12g}") for n in steps]
    else:
        values = [float(f"{far:.{digits}g}") for far in beyond for digits in (1, 2, 17)]
    for value in map(round, values) if parameter.whole else values:
        if (
            sign * (value - old) > 0
            and first_error(spec, {**at.params, name: value}) is None
        ):
            return value
    return None


_LIMITS = {"low": BOUNDS[:2], "high": BOUNDS[2:]}
