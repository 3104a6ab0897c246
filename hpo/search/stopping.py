"""``[stop]``: when a search ends before its budget.

A trial is opened unless the trials that the window lets it see end the search. So the
search ends before the same trial whoever runs it.
"""

from __future__ import annotations

from collections.abc import Mapping

from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import Past


def why_over(spec: StudySpec, seen: Mapping[int, Past]) -> str | None:
    """Return why the search ends; None if it goes on.

    ``seen`` are the finished trials that the next trial sees, by number, in their
    order.
    """
    stop = spec.stop
    if stop is None:
        return None
    spent = sum(effort.reported_epochs(past.steps) for past in seen.values())
    if stop.max_epochs is not None and spent >= stop.max_epochs:
        return f"stop.max_epochs = {stop.max_epochs}: {spent} epochs were trained"
    scores = {
        number: past.score or 0.0 for number, past in seen.items() if past.can_be_best
    }
    if not scores:
        return None
    number = max(scores, key=lambda n: spec.sign * scores[n])  # of equals the first
    score = scores[number]
    if stop.target is not None and spec.reaches(score, stop.target):
        return f"stop.target = {stop.target:g}: trial {number} has reached {score:.6g}"
    later = len(seen) - 1 - [*seen].index(number)
    if stop.patience is not None and later >= stop.patience:
        return (
            f"stop.patience = {stop.patience}: no trial was better than trial {number}"
        )
    return None
