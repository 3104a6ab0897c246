"""The samplers: Optuna's by name, with what they need to be pure, and one of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from hpo.search import scales, seeds
from hpo.search.history import quiet
from hpo.search.kriging_believer import KrigingBeliever
from hpo.search.space import distributions
from hpo.study.spec import StudySpec

SAMPLERS: dict[str, type[BaseSampler]] = {
    "kriging-believer": KrigingBeliever,
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "qmc": optuna.samplers.QMCSampler,
    "gp": optuna.samplers.GPSampler,
    "grid": optuna.samplers.GridSampler,
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
        if name == "grid":  # every trial must shuffle the grid alike: the study's seed
            grid = {parameter: spec.grid(parameter) for parameter in sorted(spec.dimensions)}
            return optuna.samplers.GridSampler(grid, seed=spec.seed)
        if name == "qmc":
            return SlotQMC(number, distributions(spec), seed=spec.seed, **options)
        seed = seeds.derive(spec.seed, "suggest", number)
        seed = seeds.derive(seed, "again", attempt) if attempt else seed
        if name == "kriging-believer":
            there = spec.present if spec.is_conditional else None
            own: dict[str, Any] = {"search_space": distributions(spec), "present": there}
            own |= {"scale": scales.modelled(spec), "fits": fits}
            return KrigingBeliever(seed=seed, **own, **options)
        if name == "tpe":
            space = None if spec.is_conditional else distributions(spec)
            return SpaceTPE(space, seed=seed, **options)
        build: Callable[..., BaseSampler] = SAMPLERS[name]
        return build(seed=seed, **options)


_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)


class SpaceTPE(optuna.samplers.TPESampler):
    """Optuna's TPE sampler, which need not compare the spaces of all past trials.

    Optuna intersects them, since a user's code may ask for other ranges in every trial: a quarter
    of the time of a suggestion after 10,000 trials. Ours are the same by construction, unless some
    trials lack some of it: then there is no such space, and Optuna looks.
    """

    def __init__(self, space: dict[str, BaseDistribution] | None, **options: Any) -> None:
        """The space in order of names; ``options`` are those of Optuna's sampler."""
        super().__init__(**options)
        if space is None:  # the option of this name is deprecated
            self._warn_independent_sampling = False
        self._space = space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What Optuna finds: the whole space as soon as a trial counts, without what is fixed."""
        if self._space is None or self._group or not self._is_multivariate(study):
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
