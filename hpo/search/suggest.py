"""The parameters of a trial, a pure function: ``(spec, number, history) ->
parameters``.

Optuna's samplers, and one of ours, run on an in-memory study with just the history that
the window allows. Nothing here reads the clock, the database or global random state, so
any worker, at any time, comes to the same decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from hpo import objectives
from hpo.search import comparison, constraints, optuna_adapter
from hpo.search.comparison import Observations
from hpo.search.history import quiet, view, visible
from hpo.search.kriging_believer import KrigingBeliever
from hpo.search.space import distributions, rounded
from hpo.study import functions
from hpo.study.seeds import derive_seed
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import FIXED_PARAMS, Past, Suggestion

ATTEMPTS = 8
"""Suggestions of a sampler that may break ``[constraints]``, before uniform draws take
over."""
_RETRIED = ("tpe", "cmaes", "nsga2")
"""Samplers whose next attempt may fit. Others know the constraints
(``kriging-believer``), would repeat themselves (``gp``), or draw uniformly anyway."""


class OutsideError(ValueError):
    """A sampler suggested a value outside ``[space]``; at work, its trial fails."""


def suggest(
    spec: StudySpec,
    number: int,
    trials: Sequence[Past],
    enqueued: Mapping[str, ParamValue] | None = None,
) -> Suggestion:
    """Suggest the parameters of trial ``number``, from spec, history and enqueued
    values alone.

    The history is trials 0 .. number-1 with their suggestions, numbers counting from 0;
    see ``visible``. Only a study that ``learns`` reads it. ``enqueued`` values are kept
    as they are, as by Optuna's ``enqueue_trial``.
    """
    if spec.has_points:
        return Suggestion(params=spec.point(number))
    fixed = {**spec.warm_start_params(number), **(enqueued or {})}
    is_feasible = constraints.make_filter(spec, fixed)
    with quiet():
        seen = visible(spec, number, trials) if spec.sampler.learns else []
        known = comparison.clip_outliers(spec, comparison.extrapolate(spec, seen))
        again = spec.sampler.name in _RETRIED or spec.sampler.is_own
        for attempt in range(ATTEMPTS if again else 1):
            own = make_sampler(spec, number, known, attempt, is_feasible)
            params, attrs = _ask(spec, known, own, fixed)
            if is_feasible(params):
                break
        else:
            seed = derive_seed(spec.seed, "again", number + 1)
            params = constraints.draw_fitting(is_feasible, spec, seed, fixed)
    if enqueued:
        attrs = {**attrs, FIXED_PARAMS: dict(enqueued)}
    return Suggestion(params=params, attrs=attrs)


def _ask(
    spec: StudySpec,
    known: Observations,
    sampler: BaseSampler,
    fixed: Mapping[str, ParamValue],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a sampler's parameters, with the ``fixed`` ones, and the attributes that
    it stores."""
    if isinstance(sampler, KrigingBeliever):  # which has them already
        known = comparison.extrapolate(spec, [])
    study = view(spec, known, sampler)
    space = distributions(spec)
    trial = study.ask()
    params: dict[str, ParamValue] = {}
    for name, distribution in space.items():
        dimension = spec.dimensions[name]
        if not dimension.is_there(params):  # a fixed value may decide that
            continue
        value = fixed.get(name, optuna_adapter.suggest(trial, name, distribution))
        params[name] = value
        if not optuna_adapter.contains(distribution, value):
            raise OutsideError(
                f"the sampler suggested {name}={value!r}, which lies outside [space]:"
                f" {dimension.allowed}. Correct the sampler."
            )
    if spec.sampler.name == "gp":
        params = {n: fixed.get(n, value) for n, value in rounded(space, params).items()}
    asked = study.get_trials(deepcopy=False)[-1]
    return params, dict(asked.system_attrs)


SAMPLERS: dict[str, type[BaseSampler]] = {
    "kriging-believer": KrigingBeliever,
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
}


def make_sampler(
    spec: StudySpec,
    number: int,
    known: Observations,
    attempt: int,
    is_feasible: constraints.IsFeasible,
) -> BaseSampler:
    """Make the sampler of the spec, with the random state of trial ``number``.

    Args:
        spec: the study.
        number: of the trial.
        known: earlier trials.
        attempt: earlier suggestions for this trial, all of which broke a constraint.
        is_feasible: a test of parameters, for a sampler that knows constraints.
    """
    name = spec.sampler.name
    options = spec.sampler.options
    with quiet():
        if name == "qmc":
            return optuna_adapter.SlotQMC(
                number, distributions(spec), seed=spec.seed, **options
            )
        seed = derive_seed(spec.seed, "suggest", number)
        if attempt:
            seed = derive_seed(seed, "again", attempt)
        if name == "kriging-believer":
            return KrigingBeliever(
                spec=spec,
                observations=known,
                is_feasible=is_feasible,
                seed=seed,
                **options,
            )
        if name == "tpe":
            space = None if spec.is_conditional else distributions(spec)
            return optuna_adapter.make_tpe(space, seed=seed, **options)
        return _build(spec, seed)


def make_function_sampler(
    spec: StudySpec, number: int, seen: Sequence[Past] = ()
) -> BaseSampler:
    """Make the sampler that decides before the function of trial ``number`` runs, with
    the random state of that trial.

    ``seen`` are trials 0 .. number-1 as that trial sees them. Only ``kriging-believer``
    needs them: it searches the parameters that all finished ones have in common.
    """
    seed = derive_seed(spec.seed, "suggest", number)
    if spec.sampler.name != "kriging-believer":
        return _make_optuna_sampler(spec, seed)
    ended = [past.suggestion for past in seen if past.state.is_scored]
    own = functions.with_common_space(spec, ended)
    if not own.found:
        return optuna.samplers.RandomSampler(seed=seed)
    known = comparison.clip_outliers(own, comparison.extrapolate(own, seen))
    return KrigingBeliever(
        spec=own,
        observations=known,
        is_feasible=lambda _: True,
        seed=seed,
        **spec.sampler.options,
    )


def make_sampler_while_running(spec: StudySpec, number: int) -> BaseSampler:
    """Make the sampler of parameters that a function asks for beyond what was decided
    before: random ones of ``kriging-believer``."""
    seed = derive_seed(spec.seed, "again", number)
    if spec.sampler.name == "kriging-believer":
        return optuna.samplers.RandomSampler(seed=seed)
    return _make_optuna_sampler(spec, seed)


def _make_optuna_sampler(spec: StudySpec, seed: int) -> BaseSampler:
    with quiet():
        if spec.sampler.name == "tpe":
            return optuna_adapter.make_tpe(None, seed=seed, **spec.sampler.options)
        return _build(spec, seed)


def _build(spec: StudySpec, seed: int) -> BaseSampler:
    name = spec.sampler.name
    build: Callable[..., BaseSampler] = SAMPLERS.get(name) or objectives.sampler(name)
    return build(seed=seed, **spec.sampler.options)
