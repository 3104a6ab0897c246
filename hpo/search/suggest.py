"""The pure part of a study: ``(spec, number, history) -> parameters`` and ``-> prune or go on``.

Optuna's samplers and pruners decide, and one sampler of ours, on an in-memory study that holds just
the history which the window allows. Nothing here reads the clock, the database or global random
state, so any worker, at any time, comes to the same decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

from hpo import objectives
from hpo.search import comparison, constraints
from hpo.search.history import learns, quiet, view, visible
from hpo.search.kriging_believer import KrigingBeliever
from hpo.search.space import distributions, rounded
from hpo.study.spec import StudySpec, derived_seed
from hpo.study.tables import ParamValue
from hpo.study.trials import FIXED_PARAMS, Past, Suggestion

ATTEMPTS = 8
"""How often a sampler is asked for what ``[constraints]`` allow, before uniform draws take over."""
_BLIND = ("random", "qmc")
"""Samplers that learn nothing from earlier trials."""
_ASKED_AGAIN = ("tpe", "cmaes", "nsga2")
"""Others know the constraints (``kriging-believer``), would say the same again (``gp``), or draw as
uniformly themselves."""


def suggest(
    spec: StudySpec,
    number: int,
    trials: Sequence[Past],
    enqueued: Mapping[str, ParamValue] | None = None,
) -> Suggestion:
    """Parameters of trial ``number``, from the spec, the history and what is enqueued alone.

    The history is trials 0 .. number-1 with their suggestions, numbers counting from 0; see
    ``visible``. It is not asked for unless the study ``learns``. What is ``enqueued`` for the trial
    is kept as it is, as by Optuna's ``enqueue_trial``.
    """
    if spec.sweep is not None:
        return Suggestion(params=spec.point(number))
    told = {**spec.told(number), **(enqueued or {})}
    fits = constraints.fitting(spec, told)
    with quiet():
        blind = spec.sampler.name in _BLIND or not learns(spec)
        seen = [] if blind else visible(spec, number, trials)
        seen = comparison.fenced(spec, comparison.completed(spec, seen))
        again = spec.sampler.name in _ASKED_AGAIN or spec.sampler.is_own
        for attempt in range(ATTEMPTS if again else 1):
            params, attrs = _asked(spec, seen, sampler(spec, number, attempt, fits), told)
            if fits is None or fits(params):
                break
        if fits is not None and not fits(params):
            seed = derived_seed(spec.seed, "again", number + 1)
            params = constraints.drawn(fits, spec, seed, told)
    if enqueued:
        attrs = {**attrs, FIXED_PARAMS: dict(enqueued)}
    return Suggestion(params=params, attrs=attrs)


def _asked(
    spec: StudySpec, seen: Sequence[Past], asked: BaseSampler, told: Mapping[str, ParamValue]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a sampler suggests beside what it is told, and what it wants to remember of it."""
    study, space = view(spec, seen, asked), distributions(spec)
    trial, params = study.ask(), dict[str, ParamValue]()
    for name, distribution in space.items():  # what is told may decide what there is
        if spec.dimensions[name].is_there(params):
            params[name] = value = told.get(name, trial._suggest(name, distribution))
            if not distribution._contains(distribution.to_internal_repr(value)):
                raise ValueError(f"{name}={value!r} lies outside the space")
    if spec.sampler.name == "gp":
        params = {n: told.get(n, value) for n, value in rounded(space, params).items()}
    return params, dict(study._storage.get_trial(trial._trial_id).system_attrs)


SAMPLERS: dict[str, type[BaseSampler]] = {
    "kriging-believer": KrigingBeliever,
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
}


def sampler(
    spec: StudySpec,
    number: int,
    attempt: int = 0,
    fits: Callable[[dict[str, Any]], bool] | None = None,
) -> BaseSampler:
    """The sampler of the spec, with the random state of trial ``number``.

    Args:
        spec: the study.
        number: of the trial.
        attempt: how often it was asked before, in vain.
        fits: which parameters may be suggested; a sampler that does not know it is asked again.
    """
    name, options = spec.sampler.name, spec.sampler.options
    with quiet():
        if name == "qmc":
            return SlotQMC(number, distributions(spec), seed=spec.seed, **options)
        seed = derived_seed(spec.seed, "suggest", number)
        seed = derived_seed(seed, "again", attempt) if attempt else seed
        if name == "kriging-believer":
            return KrigingBeliever(spec=spec, fits=fits, seed=seed, **options)
        if name == "tpe":
            tpe = optuna.samplers.TPESampler(seed=seed, **options)
            if spec.is_conditional:  # the option of this name is deprecated
                tpe._warn_independent_sampling = False
            else:
                tpe._search_space = KnownSpace(distributions(spec))
            return tpe
        build: Callable[..., BaseSampler] = SAMPLERS.get(name) or objectives.sampler(name)
        return build(seed=seed, **options)


class KnownSpace(IntersectionSearchSpace):
    """What Optuna finds by comparing the spaces of all past trials, a quarter of TPE's time.

    A user's code may ask Optuna for other ranges in every trial. Ours are the same.
    """

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        """The space in order of names."""
        super().__init__(include_pruned=True)
        self._space = space

    def calculate(
        self, study: optuna.Study, use_cache: bool = False
    ) -> dict[str, BaseDistribution]:
        """The whole space as soon as a trial counts."""
        counted = (TrialState.COMPLETE, TrialState.PRUNED)
        return self._space if study.get_trials(deepcopy=False, states=counted) else {}


class SlotQMC(optuna.samplers.QMCSampler):
    """Optuna's QMC sampler, with the trial's own number as its place in the sequence.

    Optuna counts places in the database, which would depend on the order of arrival, and draws
    the first trial at random to learn the search space, which we know.
    """

    def __init__(self, number: int, space: dict[str, BaseDistribution], **options: Any) -> None:
        """Trial ``number`` of ``space``; ``options`` are those of Optuna's sampler."""
        super().__init__(**options)
        self._number, self._space = number, space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The space of the study, from its first trial on."""
        return self._space

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, Any]) -> int:
        return self._number
