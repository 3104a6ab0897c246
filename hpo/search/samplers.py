"""The samplers: Optuna's by name, with what they need to be pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from hpo.search import seeds
from hpo.search.history import quiet
from hpo.search.space import distributions
from hpo.study.spec import StudySpec

SAMPLERS: dict[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
    "grid": optuna.samplers.GridSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
}


def sampler(spec: StudySpec, number: int) -> BaseSampler:
    """Optuna's sampler of the spec, with the random state of trial ``number``."""
    name, options = spec.sampler.name, spec.sampler.options
    with quiet():
        if name == "grid":  # every trial must shuffle the grid alike: the study's seed
            grid = {parameter: spec.grid(parameter) for parameter in sorted(spec.space)}
            return optuna.samplers.GridSampler(grid, seed=spec.seed)
        if name == "qmc":
            return SlotQMC(number, distributions(spec), seed=spec.seed, **options)
        seed = seeds.derive(spec.seed, "suggest", number)
        if name == "tpe":
            return SpaceTPE(distributions(spec), seed=seed, **options)
        build: Callable[..., BaseSampler] = SAMPLERS[name]
        return build(seed=seed, **options)


_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)


class SpaceTPE(optuna.samplers.TPESampler):
    """Optuna's TPE sampler, which need not compare the spaces of all past trials.

    Optuna intersects them, since a user's code may ask for other ranges in every trial: a quarter
    of the time of a suggestion after 10,000 trials. Ours are the same by construction.
    """

    def __init__(self, space: dict[str, BaseDistribution], **options: Any) -> None:
        """The space in order of names; ``options`` are those of Optuna's sampler."""
        super().__init__(**options)
        self._space = space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What Optuna finds: the whole space as soon as a trial counts, without what is fixed."""
        if self._group or not self._is_multivariate(study):
            return super().infer_relative_search_space(study, trial)
        if not study.get_trials(deepcopy=False, states=_COUNTED):
            return {}
        return {name: found for name, found in self._space.items() if not found.single()}


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


DIGITS = 6
"""A range is divided into so many decimal places: far more than a score can tell apart."""


def rounded(space: Mapping[str, BaseDistribution], params: Mapping[str, Any]) -> dict[str, Any]:
    """The same parameters, those drawn from a continuous range rounded to 1e-6 of it at least.

    Each lies within its distribution, and stays there.
    """
    return {name: _rounded(space[name], value) for name, value in params.items()}


def _rounded(distribution: BaseDistribution, value: Any) -> Any:
    if not isinstance(distribution, FloatDistribution) or distribution.step is not None:
        return value
    low, high = distribution.low, distribution.high
    log_range = math.log(high) - math.log(low) if distribution.log else 0.0
    scale = value * log_range if distribution.log else high - low
    if scale == 0.0 or not math.isfinite(scale):
        return value
    places = DIGITS - math.floor(math.log10(scale))
    return min(max(round(value, places), low), high)
