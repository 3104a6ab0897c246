"""Our sampler and its peers, each on a problem, and what they hold for the best.

Ours is asked as a study with ``ask`` and ``tell`` asks it: its space stands in the
study file. It holds the trial of the best value, the default of ``[confirm]``; where
values scatter, that of the highest posterior mean. The others are Optuna's, or samplers
for Optuna: they find the space as the objective runs, and hold the best value.

OptunaHub's AutoSampler, which comes from the network, takes ``GP`` for fewer than 250
trials, and ``TPE`` where there are choices or conditions. HEBO is missing: no version
runs with NumPy 2. SMAC, which is built from source, is compared in
``benchmarks.search``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FixedTrial

from benchmarks.outside.problem import Params, Problem, load_package
from hpo.search.suggest import suggest
from hpo.search.surrogate import predict_scores
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState

OURS = "kriging-believer"


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a search holds for the best after a number of trials."""

    claimed: float
    params: Params


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a search held, at each of its budgets."""

    held: dict[int, Held]
    cpu_s: float
    """Of suggestions and trials."""


def _botorch(seed: int) -> BaseSampler:
    load_package("botorch", "botorch")
    from optuna_integration import BoTorchSampler

    sampler: BaseSampler = BoTorchSampler(seed=seed)
    return sampler


_OPTUNA: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "TPE": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "GP": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "CMA-ES": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
    "BoTorch": _botorch,
}
SAMPLERS = (OURS, *_OPTUNA)
DEFAULT = (OURS, "TPE", "CMA-ES", "random")
"""Samplers that are measured unless others are named: the quick ones."""


def find_version(sampler: str) -> str:
    """Return the version of a peer's package."""
    if sampler == "BoTorch":
        load_package("botorch", "botorch")
        return f"botorch {version('botorch')}"
    return f"optuna {version('optuna')}"


def search(problem: Problem, sampler: str, seed: int, budgets: Sequence[int]) -> Search:
    """Search a problem for as many trials as the largest budget.

    Raises:
        MissingError: the package of the sampler is not installed.
    """
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if sampler == OURS:
            held = dict(_ask_ours(problem, seed, budgets))
        else:
            held = dict(_ask_optuna(problem, _OPTUNA[sampler](seed), budgets))
    return Search(held=held, cpu_s=time.process_time() - began)


def _ask_optuna(
    problem: Problem, sampler: BaseSampler, budgets: Sequence[int]
) -> Iterator[tuple[int, Held]]:
    direction = StudyDirection.MAXIMIZE
    if not problem.maximize:
        direction = StudyDirection.MINIMIZE
    study = optuna.create_study(direction=direction, sampler=sampler)
    for budget in sorted(budgets):
        study.optimize(problem.objective, n_trials=budget - len(study.trials))
        best = study.best_trial
        yield budget, Held(claimed=study.best_value, params=best.params)


def _ask_ours(
    problem: Problem, seed: int, budgets: Sequence[int]
) -> Iterator[tuple[int, Held]]:
    spec = _write_study(problem, seed, max(budgets))
    past: list[Past] = []
    for number in range(max(budgets)):
        own = suggest(spec, number, past)
        score = problem.objective(FixedTrial(dict(own.params)))
        past.append(Past(suggestion=own, state=SlotState.COMPLETE, score=score))
        if number + 1 in budgets:
            yield number + 1, _find_best(spec, past)


def _find_best(spec: StudySpec, past: Sequence[Past]) -> Held:
    values = {k: own.score for k, own in enumerate(past) if own.score is not None}
    if spec.ranks_by_mean:
        values = {k: own.mean for k, own in predict_scores(spec, past).items()}
    best = max(values, key=lambda k: spec.sign * values[k])
    return Held(claimed=values[best], params=past[best].suggestion.params)


def _write_study(problem: Problem, seed: int, trials: int) -> StudySpec:
    tree: dict[str, Any] = {
        "name": "outside",
        "objective": "ask-and-tell",
        "metrics": problem.metric,
        "directions": "maximize" if problem.maximize else "minimize",
        "seed": seed,
        "budget": {"trials": trials, "window": 1},
        "space": problem.space,
        "sampler": {"name": OURS},
        "confirm": {"by": "posterior_mean" if problem.scatters else "score"},
    }
    return file.validate(tree, where=problem.name)
