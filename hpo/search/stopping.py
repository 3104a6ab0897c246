"""When a search has found enough: ``[stop]``, the same for all workers.

A trial is opened unless what the window lets it see says that the search is over: trials up to
``number - window``. So the search ends before the same trial whoever runs it.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState


def why_over(spec: StudySpec, seen: Sequence[Past]) -> str | None:
    """Why no further trial is to be opened; None if the search goes on.

    What is ``seen`` are settled trials 0 .. number - window, for the trial ``number`` that would be
    next. Of their ``steps``, only how many there are matters.
    """
    stop = spec.stop
    if stop is None:
        return None
    spent = sum(
        effort.of_steps(spec, len(past.steps), complete=past.state == SlotState.COMPLETE)
        for past in seen
    )
    if stop.max_epochs is not None and spent >= stop.max_epochs:
        return f"stop.max_epochs = {stop.max_epochs}: {spent} epochs were trained"
    best = _best(spec, seen)
    if best is None:
        return None
    number, score = best
    if stop.target is not None and (
        score >= stop.target if spec.maximize else score <= stop.target
    ):
        return f"stop.target = {stop.target:g}: trial {number} has reached {score:.6g}"
    if stop.patience is not None and len(seen) - 1 - number >= stop.patience:
        return f"stop.patience = {stop.patience}: no trial was better than trial {number}"
    return None


def _best(spec: StudySpec, seen: Sequence[Past]) -> tuple[int, float] | None:
    """Number and score of the best complete trial; of equals the earlier one."""
    sign = -1.0 if spec.maximize else 1.0
    complete = [
        (sign * past.score, number)
        for number, past in enumerate(seen)
        if past.state == SlotState.COMPLETE and past.score is not None
    ]
    if not complete:
        return None
    score, number = min(complete)
    return number, sign * score
