"""Trials with a score, their claimed score, and their position along an axis."""

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
from hpo.views.sentences import formatting


def scored(result: Result) -> list[Trial]:
    """Return settled search trials with a score: complete ones, and those that ended
    early."""
    states = (SlotState.COMPLETE, SlotState.PRUNED)
    return [
        trial
        for trial in result.search
        if trial.state in states
        and trial.score is not None
        and math.isfinite(trial.score)
    ]


def comparable(result: Result) -> list[Trial]:
    """Return the trials that trained a network to the end: complete, or pruned after
    some networks."""
    return [trial for trial in scored(result) if trial.compares]


def axis_score(spec: StudySpec, trial: Trial) -> float:
    """Return the claimed score of a trial, in the unit of the axes.

    A study without selection has the score on the solved equation if there is one, a
    search the score at its own step.
    """
    solved = spec.aim in ("measurement", "sweep") and trial.checked
    claimed = statistics.fmean(trial.scores) if solved else trial.score
    return formatting.shown(spec, math.nan if claimed is None else claimed)


def reported_score(spec: StudySpec) -> tuple[float, float] | None:
    """Return the reported score and its deviation (0 if unknown), in the unit of the
    axes."""
    reported = spec.reported
    if reported is None:
        return None
    return formatting.shown(spec, reported.score), formatting.shown(
        spec, reported.std or 0.0
    )


def focus(result: Result) -> tuple[float, float]:
    """Return the range of scores to show: all but outliers on the bad side.

    It includes the reported score, the confirmed scores and the best baseline.
    """
    spec = result.spec
    sign = 1.0 if spec.maximize else -1.0
    values = [sign * axis_score(spec, trial) for trial in scored(result)]
    if len(values) >= 8:
        quarter, _, upper = statistics.quantiles(values, n=4)
        values = [value for value in values if value >= quarter - (upper - quarter)]
    if (reported := reported_score(spec)) is not None:
        mean, std = reported
        values += [sign * (mean - std), sign * (mean + std)]
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
    """An x axis: search trials at their numbers, at the epochs spent, or when they
    settled."""

    name: str
    """The label of its button."""
    title: str
    """The label of the axis, with its unit."""
    at: Mapping[int, float]
    """The position of each search trial, by number; an unsettled one stands at the
    present."""

    @property
    def end(self) -> float:
        """Return the position of the last trial."""
        return max(self.at.values(), default=0.0)


def clocks(result: Result) -> tuple[Clock, Clock, Clock]:
    """Return the axes: trial number, epochs of training, and time since the study was
    created.

    Epochs are cumulated by trial number, so they do not depend on the number of
    workers. The unit of time fits its range.
    """
    spent = accumulate(
        effort.slot_epochs(result.spec, trial) for trial in result.search
    )
    epochs = {
        trial.number: float(n) for trial, n in zip(result.search, spent, strict=True)
    }
    numbers = {trial.number: float(trial.number) for trial in result.search}
    began, now = result.snapshot.created_at, result.snapshot.now
    seconds = {
        t.number: ((t.settled_at or now) - began).total_seconds() for t in result.search
    }
    longest = max(seconds.values(), default=0.0)
    unit, size = (
        ("s", 1.0)
        if longest < 120
        else ("min", 60.0)
        if longest < 7200
        else ("h", 3600.0)
    )
    elapsed = {number: s / size for number, s in seconds.items()}
    return (
        Clock(name="by trial", title="trial", at=numbers),
        Clock(name="by epochs", title="epochs of training in the search", at=epochs),
        Clock(name="by time", title=f"time since start ({unit})", at=elapsed),
    )


def incumbents(result: Result, clock: Clock) -> list[Trial]:
    """Return the complete trials that were better than all before them along a
    clock."""
    best: list[Trial] = []
    complete = [trial for trial in scored(result) if trial.state == SlotState.COMPLETE]
    sign = 1.0 if result.spec.maximize else -1.0
    gain = {trial.number: sign * axis_score(result.spec, trial) for trial in complete}
    for trial in sorted(
        complete, key=lambda trial: (clock.at[trial.number], trial.number)
    ):
        if not best or gain[trial.number] > gain[best[-1].number]:
            best.append(trial)
    return best
