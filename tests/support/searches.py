"""Searches without training: trials suggested one by one, whose scores a function tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hpo.search.suggest import suggest
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

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
    """The first ``count`` trials, all complete."""
    trials: list[Past] = []
    for number in range(count):
        own = suggest(spec, number, trials)
        found, paid = score(own.params), costs(own.params)
        done = {"state": SlotState.COMPLETE, "score": found, "costs": paid, "steps": (found,)}
        trials.append(Past(suggestion=own, **done))
    return trials


def ended(*steps: float, state: SlotState = SlotState.COMPLETE, **params: Any) -> Past:
    """A trial of the toy whose pruner was told these steps, the last of which is its score."""
    own = Suggestion(params={"x": 0.5, "k": 3, "rate_per_ns": 0.1, "colour": "red", **params})
    return Past(suggestion=own, state=state, score=steps[-1], steps=steps)
