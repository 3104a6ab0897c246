"""What becomes of a trial's score and cost, in Optuna's terms."""

from __future__ import annotations

from optuna.study import StudyDirection

from hpo.study.spec import StudySpec


def directions(spec: StudySpec) -> list[StudyDirection]:
    """Of the score, as its objective says; then of the cost if the study has one: less."""
    score = StudyDirection[spec.objective_impl.direction.upper()]
    return [score] if spec.cost is None else [score, StudyDirection.MINIMIZE]


def values(score: float | None, cost: float | None) -> list[float]:
    """The score of a trial, and its cost where there is one, in the order of ``directions``."""
    return [value for value in (score, cost) if value is not None]
