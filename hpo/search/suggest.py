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
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

from hpo import objectives
from hpo.search import comparison, constraints
from hpo.search.comparison import Observations
from hpo.search.history import learns, quiet, view, visible
from hpo.search.kriging_believer import KrigingBeliever
from hpo.search.space import distributions, rounded
from hpo.study.spec import StudySpec, derived_seed
from hpo.study.tables import ParamValue
from hpo.study.trials import FIXED_PARAMS, Past, Suggestion

ATTEMPTS = 8
"""Suggestions of a sampler that may break ``[constraints]``, before uniform draws take
over."""
_BLIND = ("random", "qmc")
"""Samplers that learn nothing from earlier trials."""
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
    if spec.sweep is not None:
        return Suggestion(params=spec.point(number))
    fixed = {**spec.warm_start_params(number), **(enqueued or {})}
    fits = constraints.make_filter(spec, fixed)
    with quiet():
        blind = spec.sampler.name in _BLIND or not learns(spec)
        seen = [] if blind else visible(spec, number, trials)
        known = comparison.clip_outliers(spec, comparison.extrapolate(spec, seen))
        again = spec.sampler.name in _RETRIED or spec.sampler.is_own
        for attempt in range(ATTEMPTS if again else 1):
            params, attrs = _ask(
                spec, known, sampler(spec, number, known, attempt, fits), fixed
            )
            if fits is None or fits(params):
                break
        if fits is not None and not fits(params):
            seed = derived_seed(spec.seed, "again", number + 1)
            params = constraints.draw_fitting(fits, spec, seed, fixed)
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
    study, space = view(spec, known, sampler), distributions(spec)
    trial, params = study.ask(), dict[str, ParamValue]()
    for (
        name,
        distribution,
    ) in space.items():  # a fixed value may decide which dimensions exist
        if spec.dimensions[name].is_there(params):
            params[name] = value = fixed.get(name, trial._suggest(name, distribution))
            if not distribution._contains(distribution.to_internal_repr(value)):
                said = (
                    f"the sampler suggested {name}={value!r}, which lies outside"
                    " [space]"
                )
                raise OutsideError(
                    f"{said}: {spec.dimensions[name].allowed}. Correct the sampler."
                )
    if spec.sampler.name == "gp":
        params = {n: fixed.get(n, value) for n, value in rounded(space, params).items()}
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
    known: Observations,
    attempt: int = 0,
    fits: Callable[[dict[str, Any]], bool] | None = None,
) -> BaseSampler:
    """Make the sampler of the spec, with the random state of trial ``number``.

    Args:
        spec: the study.
        number: of the trial.
        known: earlier trials.
        attempt: earlier suggestions for this trial, all of which broke a constraint.
        fits: a test of parameters, for a sampler that knows constraints.
    """
    name, options = spec.sampler.name, spec.sampler.options
    with quiet():
        if name == "qmc":
            return SlotQMC(number, distributions(spec), seed=spec.seed, **options)
        seed = derived_seed(spec.seed, "suggest", number)
        seed = derived_seed(seed, "again", attempt) if attempt else seed
        if name == "kriging-believer":
            return KrigingBeliever(
                spec=spec, known=known, fits=fits, seed=seed, **options
            )
        if name == "tpe":
            tpe = optuna.samplers.TPESampler(seed=seed, **options)
            if spec.is_conditional:  # the option of this name is deprecated
                tpe._warn_independent_sampling = False
            else:
                tpe._search_space = KnownSpace(distributions(spec))
            return tpe
        build: Callable[..., BaseSampler] = SAMPLERS.get(name) or objectives.sampler(
            name
        )
        return build(seed=seed, **options)


class KnownSpace(IntersectionSearchSpace):
    """The same space for every trial.

    Optuna compares the spaces of all past trials, which takes a quarter of TPE's time.
    """

    def __init__(self, space: dict[str, BaseDistribution]) -> None:
        """Take the space in order of names."""
        super().__init__(include_pruned=True)
        self._space = space

    def calculate(
        self, study: optuna.Study, use_cache: bool = False
    ) -> dict[str, BaseDistribution]:
        """Return the whole space as soon as a trial counts."""
        counted = (TrialState.COMPLETE, TrialState.PRUNED)
        return self._space if study.get_trials(deepcopy=False, states=counted) else {}


class SlotQMC(optuna.samplers.QMCSampler):
    """Optuna's QMC sampler, with the trial's own number as its place in the sequence.

    Optuna counts places in the database, which would depend on the order of arrival,
    and draws the first trial at random to learn the search space, which we know.
    """

    def __init__(
        self, number: int, space: dict[str, BaseDistribution], **options: Any
    ) -> None:
        """Take the trial, the space, and the options of Optuna's sampler."""
        super().__init__(**options)
        self._number, self._space = number, space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the space of the study, from its first trial on."""
        return self._space

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, Any]) -> int:
        return self._number
