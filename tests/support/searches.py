"""Searches without training: trials suggested one by one, with scores by a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hpo.search.suggest import suggest
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Step, Suggestion

SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"name": "tpe", "n_startup_trials": 4},
    "random": {"name": "random"},
    "qmc": {"name": "qmc"},
    "cmaes": {"name": "cmaes", "n_startup_trials": 4},
    "nsga2": {"name": "nsga2", "population_size": 6},
    "gp": {"name": "gp", "n_startup_trials": 4},
    "kriging-believer": {"name": "kriging-believer", "n_startup_trials": 4},
}
"""Samplers that soon learn."""


def searched(
    spec: StudySpec,
    count: int,
    score: Callable[[Mapping[str, Any]], float],
    costs: Callable[[Mapping[str, Any]], tuple[float, ...]] = lambda params: (),
) -> list[Past]:
    """Return the first ``count`` trials, all complete."""
    trials: list[Past] = []
    for number in range(count):
        suggestion = suggest(spec, number, trials)
        value, cost = score(suggestion.params), costs(suggestion.params)
        done = {
            "state": SlotState.COMPLETE,
            "score": value,
            "costs": cost,
            "steps": reported(value),
        }
        trials.append(Past(suggestion=suggestion, **done))
    return trials


def reported(*scores: float, epochs: int | None = None) -> tuple[Step, ...]:
    """Return steps of the first network, one an epoch; those after ``epochs`` are of
    further networks."""
    whole = len(scores) if epochs is None else epochs
    return tuple(
        Step(max(0, n - whole), min(n, whole), score)
        for n, score in enumerate(scores, start=1)
    )


def ended(*scores: float, state: SlotState = SlotState.COMPLETE, **params: Any) -> Past:
    """Return a trial of the toy with these scores of its first network; the last one is
    its score."""
    suggestion = Suggestion(
        params={"x": 0.5, "k": 3, "rate_per_ns": 0.1, "colour": "red", **params}
    )
    return Past(
        suggestion=suggestion, state=state, score=scores[-1], steps=reported(*scores)
    )
