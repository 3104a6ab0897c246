"""A result in the units of axes: scores, ranges, hover texts, worked out once.

Every figure takes a ``Plotted`` and derives nothing from the study.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Self

from hpo.study.effort import ending
from hpo.study.networks import Confirmation
from hpo.study.result import Result
from hpo.study.trials import MANY, SlotState, Trial
from hpo.views.figures.palette import GREY
from hpo.views.figures.style import DASHED, Line, Spot, safe, sample
from hpo.views.sentences import caveats
from hpo.views.sentences.formatting import (
    baseline_text,
    cut,
    metric,
    parameter_lines,
    point_text,
    reported_text,
    score_cell,
    score_text,
    shown,
)

_DOTS = ("dot", "dashdot")
_CHANCE = "longdash"
"""The lines of baselines, and of chance."""
DRAWN = MANY // 2
"""Number of trials that a figure draws, the best and a sample, if there are more than
``MANY``; else it draws all."""
LEADING = DRAWN // 10
"""The number of best trials that a sample never leaves out."""


def count_drawn(n: int) -> int:
    """Return how many of ``n`` trials a figure draws."""
    return n if n <= MANY else DRAWN


@dataclass(frozen=True, kw_only=True)
class Clock:
    """An x axis: search trials at their numbers, at the epochs spent, or when they
    finished."""

    name: str
    """The label of its button."""
    title: str
    """The label of the axis, with its unit."""
    at: Mapping[int, float]
    """The position of each search trial, by number; an unfinished one stands at the
    present."""

    @property
    def end(self) -> float:
        """Return the position of the last trial."""
        return max(self.at.values(), default=0.0)


class Plotted:
    """A result, in the units of the axes of its figures."""

    def __init__(self, result: Result) -> None:
        """Take the result."""
        self.result = result
        self.spec = result.spec
        self._hovers: dict[int, str] = {}

    def within(self, view: tuple[float, float]) -> Self:
        """Return the same for a figure that shows another range of scores."""
        other = type(self)(self.result)
        other.view = view
        return other

    # --- the axis of scores ---

    @property
    def metric(self) -> str:
        """The label of the axis."""
        return metric(self.spec)

    def y(self, trial: Trial) -> float:
        """Return the claimed score of a trial."""
        score = self.result.point_score(trial)
        return shown(self.spec, math.nan if score is None else score)

    @cached_property
    def view(self) -> tuple[float, float]:
        """The range of scores to show: all but outliers on the bad side.

        It includes the reported score, the confirmed scores and the best baseline.
        """
        sign = self.result.sign
        values = [sign * self.y(trial) for trial in self.result.scored]
        if len(values) >= 8:
            quarter, _, upper = statistics.quantiles(values, n=4)
            least = quarter - (upper - quarter)
            values = [value for value in values if value >= least]
        if self.reported is not None:
            mean, std = self.reported
            values += [sign * (mean - std), sign * (mean + std)]
        scores = [score for item in self.result.tested for score in item.scores]
        scores += [one.score for one in self.result.baselines[:1]]
        values += [sign * shown(self.spec, score) for score in scores]
        if not values:
            return (0.0, shown(self.spec, 1.0))
        best = max(values)
        margin = 0.06 * (best - min(values)) or 0.05 * abs(values[0]) or 1.0
        ends = sorted((sign * (min(values) - margin), sign * (best + margin)))
        return ends[0], ends[1]

    def clipped(self, score: float) -> float:
        """Return a score within ``view``: off the scale, it stands at the edge."""
        low, high = self.view
        return min(max(score, low), high)

    @property
    def worst(self) -> float:
        """The edge of ``view`` where bad scores stand."""
        low, high = self.view
        if self.spec.maximize:
            return low
        return high

    # --- which trials ---

    @cached_property
    def drawn(self) -> Sequence[Trial]:
        """The scored trials that figures draw, in order of their numbers.

        Of more than ``MANY`` these are the best, all that improved on those
        before them, the confirmed ones, and an even sample of the others.
        """
        scored = self.result.scored
        if count_drawn(len(scored)) == len(scored):
            return scored
        kept = {scored[i].number for i in sample(len(scored), DRAWN - LEADING)}
        kept |= {trial.number for trial in self.result.ranking[:LEADING]}
        kept |= {t.number for t in self.result.improvements(self.result.contenders)}
        kept |= {item.source for item in self.result.tested}
        return [trial for trial in scored if trial.number in kept]

    @property
    def thinned(self) -> str:
        """Words for trials that are not drawn; empty if all are."""
        n = len(self.result.scored)
        if len(self.drawn) == n:
            return ""
        return (
            f"Drawn are {len(self.drawn):,} of {n:,} trials: the best, and a sample of"
            " the others."
        )

    # --- references ---

    @property
    def reported(self) -> tuple[float, float] | None:
        """The reported score and its deviation (0 if unknown)."""
        reported = self.spec.reported
        if reported is None:
            return None
        std = reported.std or 0.0
        return shown(self.spec, reported.score), shown(self.spec, std)

    @property
    def references(self) -> list[Line]:
        """Scores to compare with, as lines.

        The reported score is dashed, with the band of its deviation; the best baseline,
        and the one most like a network of the study, are dotted; chance has long
        dashes. Baselines off the scale are left out.
        """
        lines = []
        rivals = self.result.rivals
        for one, dash in zip(rivals, _DOTS, strict=False):
            lines.append(self._line(one.score, baseline_text(self.spec, one), dash))
        chance = self.result.chance
        if chance is not None and chance not in rivals:
            name = baseline_text(self.spec, chance)
            if chance.name != "chance":
                name = f"chance, {name}"
            lines.append(self._line(chance.score, name, _CHANCE))
        low, high = self.view
        lines = [line for line in lines if low <= line.score <= high]
        if self.reported is None:
            return lines
        score, std = self.reported
        name = safe(cut(reported_text(self.spec), 60))
        return [Line(score, name, DASHED, std), *lines]

    def _line(self, score: float, name: str, dash: str) -> Line:
        look = {"line": {"color": GREY, "dash": dash, "width": 1.4}}
        return Line(shown(self.spec, score), safe(name), look)

    # --- trials and confirmations at their places ---

    def spot(self, trial: Trial, x: Any) -> Spot:
        """Return the spot of a scored trial; off the scale, it stands at the edge."""
        return Spot(x, self.clipped(self.y(trial)), self.hover(trial))

    def hover(self, trial: Trial) -> str:
        """Return the hover text of a scored trial: its score, and its parameters with
        units."""
        text = self._hovers.get(trial.number)
        if text is None:
            text = self._hovers[trial.number] = self._describe(trial)
        return text

    def _describe(self, trial: Trial) -> str:
        first = f"trial {trial.number}: {score_cell(self.spec, trial)}"
        if trial.state != SlotState.COMPLETE:
            first += f", {ending(self.spec, trial) or trial.state}"
        return "<br>".join([first, *map(safe, parameter_lines(trial.params))])

    def claim(self, item: Confirmation, x: Any) -> Spot:
        """Return the spot of the search's claim for a confirmed trial."""
        score = score_text(self.spec, item.search_score)
        text = f"trial {item.source}, as claimed: {score}"
        return Spot(x, shown(self.spec, item.search_score), text)

    def confirmed(self, item: Confirmation, x: Any) -> Spot:
        """Return the spot of a confirmed trial, with mean and deviation over fresh
        seeds."""
        n = len(item.scores)
        where = ", held-out test set" if self.spec.has_class else ""
        score = point_text(self.spec, item.mean, item.std, item.costs)
        lines = [
            f"trial {item.source} confirmed: {score}",
            f"{n} fresh seeds{where}",
            *caveats.beside(self.spec, item),
        ]
        std = shown(self.spec, item.std) if n > 1 else 0.0
        return Spot(x, shown(self.spec, item.mean), "<br>".join(lines), std)

    # --- progress along an axis ---

    @cached_property
    def clocks(self) -> tuple[Clock, Clock, Clock]:
        """The axes: trial number, epochs of training, and time since the study was
        created.

        Epochs are cumulated by trial number, so they do not depend on the number of
        workers. The unit of time fits its range.
        """
        search = self.result.search
        numbers = [trial.number for trial in search]
        epochs = map(float, accumulate(trial.epochs for trial in search))
        began = self.result.snapshot.created_at
        now = self.result.snapshot.now
        ends = [trial.finished_at or now for trial in search]
        seconds = [(end - began).total_seconds() for end in ends]
        unit, size = _unit_of_time(max(seconds, default=0.0))
        elapsed = [value / size for value in seconds]
        return (
            Clock(
                name="by trial",
                title="trial",
                at={number: float(number) for number in numbers},
            ),
            Clock(
                name="by epochs",
                title="epochs of training in the search",
                at=dict(zip(numbers, epochs, strict=True)),
            ),
            Clock(
                name="by time",
                title=f"time since start ({unit})",
                at=dict(zip(numbers, elapsed, strict=True)),
            ),
        )

    def best_so_far(self, clock: Clock) -> list[Spot]:
        """Return the complete trials that were better than all before them along a
        clock."""
        in_order = sorted(self.result.contenders, key=lambda t: clock.at[t.number])
        return [
            Spot(clock.at[trial.number], self.y(trial), "")
            for trial in self.result.improvements(in_order)
        ]


def _unit_of_time(seconds: float) -> tuple[str, float]:
    """Return the name and the size in seconds of a unit that fits a time."""
    if seconds < 120:
        return "s", 1.0
    if seconds < 7200:
        return "min", 60.0
    return "h", 3600.0
