"""Which trials of a search are the best by what is known now, and are confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.search.kriging_believer import expected
from hpo.study import pareto
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState


@dataclass(frozen=True)
class _Complete:
    number: int
    score: float
    costs: tuple[float, ...]


def order(spec: StudySpec, trials: Sequence[Past]) -> list[int]:
    """The numbers of complete trials, the best first, as ``Result.ranking``.

    By score, or by what is expected of other networks; of several costs, those of the front.
    """
    complete = [
        _Complete(number, past.score, past.costs)
        for number, past in enumerate(trials)
        if past.state == SlotState.COMPLETE and past.score is not None
    ]
    if spec.costs:
        return [trial.number for trial in pareto.order(spec, complete)]
    known = expected(spec, trials)
    sign = -1.0 if spec.maximize else 1.0
    score = {t.number: known[t.number].mean if known else t.score for t in complete}
    return sorted(score, key=lambda number: (sign * score[number], number))
