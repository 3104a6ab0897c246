"""The score against each cost, as numbers: the one source of every figure of a front.

Pure functions of a result; the report, the dashboard, a picture and the terminal draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.study.confirmation import Confirmation
from hpo.study.result import Front
from hpo.study.snapshot import complete
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views import caveats, formatting
from hpo.views.numbers.scores import reported_score

DECADE = 10.0
"""Costs that span more than this factor stand on a logarithmic axis."""


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """A trial, what was confirmed of one, or what is reported; scores in the unit of the axis."""

    cost: float
    score: float
    std: float = 0.0
    """Over the fresh seeds, or as reported; 0 where there is none."""
    text: str = ""
    """What it is, in one line."""


@dataclass(frozen=True, kw_only=True)
class FrontChart:
    """A front in numbers, as one of the costs sees it."""

    x_label: str
    y_label: str
    log_x: bool
    more_is_better: bool
    """Whether a larger score is better."""
    trials: tuple[FrontPoint, ...]
    """Complete ones that are not on the front, by number."""
    front: tuple[FrontPoint, ...]
    """The search's front, cheapest first: what no other trial beats in the score and every cost."""
    line: tuple[FrontPoint, ...]
    """Those that no other beats in the score and this cost: all of it, where there is one cost."""
    confirmed: tuple[FrontPoint, ...]
    """On fresh seeds, cheapest first by the first cost."""
    reported: FrontPoint | None
    """None where nothing is reported, or no cost of it."""
    reported_here: FrontPoint | None
    """The same at what it costs as the study measures it; None where that is not given."""
    reported_score: tuple[float, float] | None
    """Score and deviation that are reported."""


def charts(result: Front) -> list[FrontChart]:
    """The front of a study, once for each of its costs."""
    along = result.front
    on_front = {slot.number for slot in along}
    others = [slot for slot in complete(result.search) if slot.number not in on_front]
    fresh = [item for item in result.confirmations if item.scores]
    return [_chart(result, k, others, along, fresh) for k in range(len(result.costs))]


def _chart(
    result: Front,
    k: int,
    others: Sequence[Trial],
    along: Sequence[Trial],
    fresh: Sequence[Confirmation],
) -> FrontChart:
    spec, name = result.spec, result.costs[k]
    trials = tuple(_trial(spec, k, slot) for slot in others)
    front = tuple(sorted((_trial(spec, k, slot) for slot in along), key=lambda spot: spot.cost))
    confirmed = tuple(_confirmed(spec, k, item) for item in fresh)
    reported, here = _reported(spec, name)
    drawn = (*trials, *front, *confirmed, *(spot for spot in (reported, here) if spot))
    costs = [spot.cost for spot in drawn] or [0.0]
    return FrontChart(
        x_label=formatting.quantity_label(name),
        y_label=formatting.metric(spec),
        more_is_better=spec.maximize,
        log_x=min(costs) > 0 and max(costs) > DECADE * min(costs),
        trials=trials,
        front=front,
        line=_line(spec, front),
        confirmed=confirmed,
        reported=reported,
        reported_here=here,
        reported_score=reported_score(spec),
    )


def _line(spec: StudySpec, front: Sequence[FrontPoint]) -> tuple[FrontPoint, ...]:
    """Those that are better than all that cost no more."""
    sign = -1.0 if spec.maximize else 1.0
    found: list[FrontPoint] = []
    for spot in sorted(front, key=lambda spot: (spot.cost, sign * spot.score)):
        if not found or sign * spot.score < sign * found[-1].score:
            found.append(spot)
    return tuple(found)


def _trial(spec: StudySpec, k: int, slot: Trial) -> FrontPoint:
    score = slot.score or 0.0
    text = f"trial {slot.number}: {formatting.point_text(spec, score, None, slot.costs)}"
    return FrontPoint(cost=slot.costs[k], score=formatting.shown(spec, score), text=text)


def _confirmed(spec: StudySpec, k: int, item: Confirmation) -> FrontPoint:
    score = formatting.point_text(spec, item.mean, item.std, item.costs)
    text = f"trial {item.source} confirmed: {score} on {len(item.scores)} fresh seeds"
    text += f", {beside}" if (beside := caveats.beside(spec, item)) else ""
    return FrontPoint(
        cost=item.costs[k],
        score=formatting.shown(spec, item.mean),
        std=formatting.shown(spec, item.std) if len(item.scores) > 1 else 0.0,
        text=text,
    )


def _reported(spec: StudySpec, name: str) -> tuple[FrontPoint | None, FrontPoint | None]:
    """The reported point at its published cost of this name, and at what it costs here."""
    known = reported_score(spec)
    if known is None:
        return None, None
    score, std = known

    def spot(cost: float | None, text: str) -> FrontPoint | None:
        return None if cost is None else FrontPoint(cost=cost, score=score, std=std, text=text)

    published, here = (spec.reported_costs(key).get(name) for key in ("cost", "cost_here"))
    measured = f"reported network, {formatting.quantity(name, here or 0.0)} as measured here"
    return spot(published, formatting.reported_text(spec)), spot(here, measured)


def view(found: FrontChart) -> tuple[float, float]:
    """The scores worth a look: the better half of the trials, what was confirmed, the reported."""
    values = sorted(spot.score for spot in (*found.trials, *found.front))
    good = values[len(values) // 2 :] if found.more_is_better else values[: len(values) // 2 + 1]
    for spot in found.confirmed:
        good += [spot.score - spot.std, spot.score + spot.std]
    if found.reported_score is not None:
        score, std = found.reported_score
        good += [score - std, score + std]
    if not good:
        return 0.0, 1.0
    margin = 0.06 * (max(good) - min(good)) or 0.05 * abs(good[0]) or 1.0
    return min(good) - margin, max(good) + margin
