"""Which trials have a score, which score is claimed, and where trials stand along an axis."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from hpo.study import effort
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Trial
from hpo.views import formatting


def scored(result: Result) -> list[Trial]:
    """Settled search trials with a score: complete ones, and those that were ended early."""
    states = (SlotState.COMPLETE, SlotState.PRUNED)
    return [
        trial
        for trial in result.search
        if trial.state in states and trial.score is not None and math.isfinite(trial.score)
    ]


def comparable(result: Result) -> list[Trial]:
    """Those that trained a network to its end: complete ones, and those that left a race."""
    return [trial for trial in scored(result) if trial.compares]


def axis_score(spec: StudySpec, trial: Trial) -> float:
    """What is claimed of a scored trial, in the unit of the axes.

    Of a study that selects nothing, it is on the solved equation if there. A search goes by the
    scores at its own step, whatever is known besides.
    """
    solved = spec.aim in ("measurement", "sweep") and trial.checked
    claimed = statistics.fmean(trial.scores) if solved else trial.score
    return formatting.shown(spec, math.nan if claimed is None else claimed)


def reported_score(spec: StudySpec) -> tuple[float, float] | None:
    """The reported score and its deviation, 0 where none is told, in the unit of the axes."""
    reported = spec.reported
    if reported is None:
        return None
    return formatting.shown(spec, reported.score), formatting.shown(spec, reported.std or 0.0)


def focus(result: Result) -> tuple[float, float]:
    """The scores worth a look: all but outliers on the bad side.

    What is reported, what was confirmed and the best baseline are always in view.
    """
    spec = result.spec
    sign = 1.0 if spec.maximize else -1.0
    values = [sign * axis_score(spec, trial) for trial in scored(result)]
    if len(values) >= 8:
        quarter, _, upper = statistics.quantiles(values, n=4)
        values = [value for value in values if value >= quarter - (upper - quarter)]
    if (known := reported_score(spec)) is not None:
        values += [sign * (known[0] - known[1]), sign * (known[0] + known[1])]
    scores = [s for c in result.confirmations for s in c.scores]
    scores += [one.score for one in result.baselines[:1]]
    values += [sign * formatting.shown(spec, score) for score in scores]
    if not values:
        return (0.0, 100.0) if spec.is_accuracy else (0.0, 1.0)
    margin = 0.06 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 1.0
    low, high = sorted((sign * (min(values) - margin), sign * (max(values) + margin)))
    return low, high


@dataclass(frozen=True, kw_only=True)
class Clock:
    """An x axis: search trials at their numbers, at the epochs spent, or when they settled."""

    name: str
    """What a button that chooses it is called."""
    title: str
    """What the axis is called, with its unit."""
    at: Mapping[int, float]
    """Where each search trial stands, by its number; an unsettled one at the moment of the look."""

    @property
    def end(self) -> float:
        """Where the last trial stands."""
        return max(self.at.values(), default=0.0)


def clocks(result: Result) -> tuple[Clock, Clock, Clock]:
    """By trial number, by epochs of training, and by time since the study was created.

    Epochs are those of a trial and of all before it by number: whoever runs the study, however
    many at a time, trials stand at the same epochs. Time has a unit that fits.
    """
    spent = accumulate(effort.of_slot(result.spec, trial) for trial in result.search)
    epochs = {trial.number: float(n) for trial, n in zip(result.search, spent, strict=True)}
    numbers = {trial.number: float(trial.number) for trial in result.search}
    began, now = result.snapshot.created_at, result.snapshot.now
    seconds = {t.number: ((t.settled_at or now) - began).total_seconds() for t in result.search}
    longest = max(seconds.values(), default=0.0)
    unit, size = ("s", 1.0) if longest < 120 else ("min", 60.0) if longest < 7200 else ("h", 3600.0)
    elapsed = {number: s / size for number, s in seconds.items()}
    return (
        Clock(name="by trial", title="trial", at=numbers),
        Clock(name="by epochs", title="epochs of training in the search", at=epochs),
        Clock(name="by time", title=f"time since start ({unit})", at=elapsed),
    )


def incumbents(result: Result, clock: Clock) -> list[Trial]:
    """Complete trials that were better than all before them along a clock, in that order."""
    found: list[Trial] = []
    complete = [trial for trial in scored(result) if trial.state == SlotState.COMPLETE]
    sign = 1.0 if result.spec.maximize else -1.0
    gain = {trial.number: sign * axis_score(result.spec, trial) for trial in complete}
    for trial in sorted(complete, key=lambda trial: (clock.at[trial.number], trial.number)):
        if not found or gain[trial.number] > gain[found[-1].number]:
            found.append(trial)
    return found
