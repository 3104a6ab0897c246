"""Which trials have a score, which score is claimed, and where a value stands in its range."""

from __future__ import annotations

import math
import statistics

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import SlotState, Trial
from hpo.views import formatting


def scored(result: Result) -> list[Trial]:
    """Settled search trials with a score: complete ones, and those that were ended early."""
    states = (SlotState.COMPLETE, SlotState.PRUNED)
    return [
        slot
        for slot in result.search
        if slot.state in states and slot.score is not None and math.isfinite(slot.score)
    ]


def comparable(result: Result) -> list[Trial]:
    """Those that trained a network to its end: complete ones, and those that left a race."""
    return [slot for slot in scored(result) if slot.compares]


def axis_score(spec: StudySpec, slot: Trial) -> float:
    """What is claimed of a scored slot, in the unit of the axes."""
    return formatting.shown(spec, claimed_score(spec, slot))


def claimed_score(spec: StudySpec, slot: Trial) -> float:
    """The score of a scored slot; of a study that selects nothing, on the solved equation if there.

    A search goes by the scores at its own step, whatever is known besides.
    """
    if slot.checked and spec.aim in ("measurement", "sweep"):
        return statistics.fmean(slot.claimed)
    return slot.score if slot.score is not None else math.nan


def reported_score(spec: StudySpec) -> tuple[float, float] | None:
    """The reported score and its deviation, 0 where none is told, in the unit of the axes."""
    reported = spec.reported
    if reported is None:
        return None
    return formatting.shown(spec, reported.score), formatting.shown(spec, reported.std or 0.0)


def place(spec: StudySpec, name: str, value: ParamValue) -> float | None:
    """Where a value stands in its range, 0 at its low end and 1 at its high.

    Of logarithms where the search is logarithmic; choices stand evenly, in the order of the file.
    None of what has no place: another choice, a text or no positive number where numbers are.
    """
    dimension = spec.dimensions[name]
    if (choices := dimension.choices) is not None:
        return choices.index(value) / max(1, len(choices) - 1) if value in choices else None
    if isinstance(value, str | bool) or (dimension.log and value <= 0):
        return None
    ends = (float(dimension.low or 0), float(dimension.high or 0))
    low, high, at = map(math.log if dimension.log else float, (*ends, value))
    return (at - low) / (high - low) if high > low else None
