"""Which bounds of the space the best trials lie at, and how far to widen them: a pure function.

Where the best lie at a bound, better ones may lie beyond it, and the search may not go there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from hpo.study.dimensions import split
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Trial

LEAST = 20
"""So many trials must be settled before anything is said."""
BEST = 5
"""So many of the best are looked at, or the best tenth if that is more."""
WITHIN = 0.02
"""A trial lies at a bound if it is no farther from it than this share of the range."""
CHANCE = 0.01
"""As many at one bound must be less probable than this where all values are as good."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A bound at which most of the best trials lie."""

    parameter: str
    bound: Literal["low", "high"]
    value: float | int
    """The bound as it is."""
    trials: int
    """How many of the best lie at it."""
    of: int
    """How many of the best were looked at."""
    widen: float | int
    """A next bound, which the objective allows."""


def edges(spec: StudySpec, ranking: Sequence[Trial], search: Sequence[Trial]) -> list[Edge]:
    """The bounds at which the best trials of a search lie, in the order of the space.

    None before ``LEAST`` trials are settled; and none where the objective allows no wider range, as
    of a density of 1. ``ranking`` holds the complete ones of the trials of the ``search``, the best
    first.
    """
    if sum(trial.state != SlotState.RUNNING for trial in search) < LEAST:
        return []
    best = _best(spec, ranking, search)
    ranges = [name for name, dimension in spec.dimensions.items() if dimension.choices is None]
    own = {name: [trial for trial in best if name in trial.params] for name in ranges}
    found = [_edge(spec, name, some) for name, some in own.items() if len(some) >= BEST]
    return [edge for edge in found if edge is not None]


def _best(spec: StudySpec, ranking: Sequence[Trial], search: Sequence[Trial]) -> list[Trial]:
    """The best of different parameters: complete ones first, then those that left a race."""
    left = [t for t in search if t.compares and t.state != SlotState.COMPLETE]
    sign = -1.0 if spec.maximize else 1.0
    left.sort(key=lambda trial: (sign * (trial.score or 0.0), trial.number))
    distinct: dict[tuple[Any, ...], Trial] = {}
    for trial in (*ranking, *left):
        distinct.setdefault(tuple(trial.params.get(name) for name in spec.dimensions), trial)
    found = list(distinct.values())
    return found[: max(BEST, len(found) // 10)]


def _edge(spec: StudySpec, name: str, best: Sequence[Trial]) -> Edge | None:
    dimension = spec.dimensions[name]
    low, high = dimension.low or 0, dimension.high or 0
    places = [_place(spec, name, slot) for slot in best]
    at_low = sum(place <= WITHIN for place in places)
    at_high = sum(place >= 1.0 - WITHIN for place in places)
    bound: Literal["low", "high"] = "low" if at_low >= at_high else "high"
    trials, n, p = max(at_low, at_high), len(best), _share(spec, name)
    chances = (math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(trials, n + 1))
    by_chance = math.fsum(chances)
    if 2 * trials < n or by_chance > CHANCE:
        return None
    value = low if bound == "low" else high
    widen = _next(spec, name, bound)
    if widen is None or not _allowed(spec, best[0], name, widen):
        return None
    return Edge(parameter=name, bound=bound, value=value, trials=trials, of=n, widen=widen)


def _place(spec: StudySpec, name: str, slot: Trial) -> float:
    """Where a trial lies in a range: 0 at its low end, 1 at its high one; of a log range by it."""
    dimension = spec.dimensions[name]
    low, high = float(dimension.low or 0), float(dimension.high or 0)
    value = float(slot.params.get(name, math.nan))
    if dimension.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def discrete(spec: StudySpec, name: str) -> bool:
    """Whether a range has so few values that a bound is a value of its own."""
    dimension = spec.dimensions[name]
    if spec.kind(name) != "int" and dimension.step is None and dimension.points is None:
        return False
    return spec.dimensions[name].size <= 1 / WITHIN


def _share(spec: StudySpec, name: str) -> float:
    """Which share of a range lies at one of its bounds."""
    return 1 / spec.dimensions[name].size if discrete(spec, name) else WITHIN


def _next(spec: StudySpec, name: str, bound: Literal["low", "high"]) -> float | int | None:
    """A bound beyond this one by a quarter of a log range, or half of another one.

    None where the objective's own limit is no farther. A number of few digits.
    """
    dimension = spec.dimensions[name]
    low, high = float(dimension.low or 0), float(dimension.high or 0)
    old, outward = (low, -1.0) if bound == "low" else (high, 1.0)
    if dimension.log:
        wanted = old * (high / low) ** (0.25 * outward)
    else:
        wanted = old + outward * (high - low) / 2
    whole = spec.kind(name) == "int"
    least = dimension.step or (1 if whole else 0)
    wanted = old + outward * max(least, abs(wanted - old))
    limit, itself = _limit(spec, name, bound)
    if limit is not None and outward * (limit - wanted) <= 0:
        wanted = limit if itself else (old + limit) / 2
    if outward * (wanted - old) <= 0:
        return None
    if dimension.step is not None:
        steps = math.floor(abs(wanted - old) / dimension.step + 1e-9)
        stepped = float(f"{old + outward * steps * dimension.step:.12g}")
        return None if steps == 0 else round(stepped) if whole else stepped
    for digits in range(1, 17):
        value = float(f"{wanted:.{digits}g}")
        value = round(value) if whole else value
        past = limit is not None and outward * (limit - value) < 0
        if not past and outward * (value - old) >= 0.5 * abs(wanted - old):
            return value
    return None


def _limit(spec: StudySpec, name: str, bound: Literal["low", "high"]) -> tuple[float | None, bool]:
    """How far the objective lets a parameter go, and whether so far itself is allowed."""
    field = spec.objective_impl.Params.model_fields[split(name)[0]]
    rules = list(field.metadata)
    for part in get_args(field.annotation):  # of ``Annotated[float, Field(gt=0)] | None``
        for item in getattr(part, "__metadata__", ()):
            rules += getattr(item, "metadata", [item])
    closed, open_ = ("ge", "gt") if bound == "low" else ("le", "lt")
    for key in (closed, open_):
        for rule in rules:
            if (found := getattr(rule, key, None)) is not None:
                return float(found), key == closed
    return None, True


def _allowed(spec: StudySpec, slot: Trial, name: str, value: float | int) -> bool:
    """Whether the objective accepts a value beside the parameters of a trial."""
    try:
        spec.params({**slot.params, name: value})
    except ValidationError:
        return False
    return True
