"""Where the lines of a study's small picture run: the best so far against the reported result."""

from __future__ import annotations

from dataclasses import dataclass

from hpo.study.spec import StudySpec
from hpo.study.summary import Course, StudySummary
from hpo.views import formatting
from hpo.views.scores import reported_score

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


def curve(spec: StudySpec, study: StudySummary, course: Course) -> Curve | None:
    """The picture of a search; None as long as no trial is complete.

    The width stands for the whole budget. The scores shown begin at the median of the complete
    trials: a line that is worse in the beginning comes into view later.
    """
    if not course.best or course.middle is None:
        return None
    confirmed = None
    if study.confirmed is not None:
        mean, std = study.confirmed.mean, study.confirmed.std or 0.0
        confirmed = formatting.shown(spec, mean), formatting.shown(spec, std)
    known = reported_score(spec)
    shown = [formatting.shown(spec, score) for score in (course.middle, course.best[-1][1])]
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
        return round(WIDTH * min(1.0, (number + 1) / max(1, study.trials)), 1)

    first, *rest = [(x(number), y(formatting.shown(spec, score))) for number, score in course.best]
    steps = "".join(f"H{at}V{to}" for at, to in rest)
    return Curve(
        high=f"{high:.3g}",
        low=f"{low:.3g}",
        best=f"M{first[0]} {first[1]}{steps}H{max(x(study.settled - 1), x(course.best[-1][0]))}",
        reported=ends(known),
        confirmed=ends(confirmed),
    )
