"""Where the lines of a study's small picture run: the best so far against the reported result."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from hpo.study.result import Result, Search
from hpo.study.trials import SlotState
from hpo.views import formatting
from hpo.views.scores import axis_score, clocks, incumbents, reported_score

WIDTH, HEIGHT = 260.0, 84.0
"""Of the plot, in the unit of the picture; labels and what is confirmed stand beside it."""
_MARGIN = 0.08


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A picture of ``WIDTH`` by ``HEIGHT``; heights are measured from its top."""

    high: str
    """The score at its top."""
    low: str
    """The score at its bottom."""
    best: str
    """The best so far, as the path of an SVG."""
    reported: tuple[float, float, float] | None
    """Heights of the reported score, and of the ends of its band; None if nothing is reported."""
    confirmed: tuple[float, float, float] | None
    """Likewise of what was confirmed."""


def curve(result: Result) -> Curve | None:
    """The picture of a search; None of others, and as long as no trial is complete.

    The width stands for the whole budget. The scores shown begin at the median of the complete
    trials: a line that is worse in the beginning comes into view later.
    """
    spec, at = result.spec, result.progress
    best = incumbents(result, clocks(result)[0]) if type(result) is Search else []
    if not best:
        return None
    confirmed, known, found = None, reported_score(spec), result.headline
    if found is not None and found.confirmed:
        confirmed = formatting.shown(spec, found.score), formatting.shown(spec, found.std or 0.0)
    complete = [axis_score(spec, t) for t in result.search if t.state == SlotState.COMPLETE]
    shown = [statistics.median(complete), axis_score(spec, best[-1])]
    for pair in filter(None, (known, confirmed)):
        shown += [pair[0] - pair[1], pair[0] + pair[1]]
    margin = _MARGIN * (max(shown) - min(shown)) or 0.05 * abs(shown[0]) or 1.0
    low, high = min(shown) - margin, max(shown) + margin

    def y(score: float) -> float:
        share = (high - score) / (high - low)
        return round(min(max(share, -1.0), 2.0) * HEIGHT, 1)

    def ends(pair: tuple[float, float] | None) -> tuple[float, float, float] | None:
        return None if pair is None else (y(pair[0]), y(pair[0] + pair[1]), y(pair[0] - pair[1]))

    def x(number: int) -> float:
        return round(WIDTH * min(1.0, (number + 1) / max(1, at.trials)), 1)

    first, *rest = [(x(trial.number), y(axis_score(spec, trial))) for trial in best]
    steps = "".join(f"H{to}V{height}" for to, height in rest)
    return Curve(
        high=f"{high:.3g}",
        low=f"{low:.3g}",
        best=f"M{first[0]} {first[1]}{steps}H{max(x(at.settled - 1), x(best[-1].number))}",
        reported=ends(known),
        confirmed=ends(confirmed),
    )
