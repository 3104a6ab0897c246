"""``kriging-believer``: a Gaussian process with running trials at their posterior mean.

The acquisition function is the expected improvement on the best score so far
(``acquisition``) by a surrogate of the scores (``surrogate``). A running trial enters
the surrogate at its posterior mean (Ginsbourger, Le Riche and Carraro, "Kriging is
well-suited to parallelize optimization", 2010), so that parallel trials explore
different places. One trial in ``RANDOM`` is drawn at random, as in SMAC: otherwise ten
poor trials may lead the process into corners of the space, which it leaves late.

A study that learns from earlier ones (``[transfer]``) lets their surrogates choose most
of its first trials. Then these are trends of its own surrogate, each as long as it
makes the scores likelier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from hpo.search.acquisition import Maximiser
from hpo.search.comparison import Observations
from hpo.search.constraints import IsFeasible
from hpo.search.gaussian_process import Array
from hpo.search.memory import kept
from hpo.search.space import Axis, cube_of
from hpo.search.surrogate import Surrogate, source_surrogates
from hpo.study.spec import StudySpec

RANDOM = 8
"""Period, in trials, of random draws."""
RANDOM_AT_START = 4
"""The same among the first trials of a study that learns from earlier ones."""
_DRAWS = 8
"""Random points of such a trial; the first that no earlier trial has is taken."""


def _key(params: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what two trials of equal parameters have in common: quicker to compare
    than their parameters."""
    return tuple(sorted(params.items()))


class KrigingBeliever(BaseSampler):
    """An Optuna sampler that maximises the expected improvement."""

    def __init__(
        self,
        n_startup_trials: int = 10,
        *,
        spec: StudySpec,
        observations: Observations,
        is_feasible: IsFeasible,
        seed: int,
    ) -> None:
        """Take the study, its trials, and the seed of the next one; Optuna's study is
        not read.

        Args:
            n_startup_trials: random trials before the surrogate takes over: the first
                ones by number, however they end, and all until one is complete.
            spec: the study.
            observations: its trials 0 .. number-1.
            is_feasible: a test of parameters that may be suggested.
            seed: the seed of this suggestion.
        """
        self._n_startup = n_startup_trials
        self._seed = seed
        self._spec = spec
        self._observations = observations
        self._cube = cube_of(spec)
        self._is_feasible = is_feasible
        self._sources = source_surrogates(spec)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        return self._cube.space

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """See ``BaseSampler``."""
        rng = np.random.default_rng(self._seed)
        surrogate = None if self._is_random() else self._find_surrogate()
        if surrogate is None:
            draws = [self._cube.random(1, rng) for _ in range(_DRAWS)]
            return self._first_new(np.concatenate(draws))
        return self._first_new(self._maximise(surrogate, rng))

    def _is_random(self) -> bool:
        """Return whether the next trial is drawn at random, whatever is known."""
        number = len(self._observations.seen)
        period = RANDOM
        if number < self._n_startup:
            period = RANDOM_AT_START if self._sources else 1
        return (number + 1) % period == 0

    def _find_surrogate(self) -> Surrogate | None:
        """Return the surrogate of the trials, before the first complete one that of an
        earlier study; None if there is neither.

        The first trials alone make none: it must follow an earlier study.
        """
        number = len(self._observations.seen)
        if self._observations.complete.any():
            own = Surrogate(self._spec, self._observations, self._sources)
            is_enough = number >= self._n_startup or own.follows_sources
            return own if is_enough else None
        if self._sources:
            return self._sources[number % len(self._sources)]
        return None

    def _maximise(self, surrogate: Surrogate, rng: np.random.Generator) -> Array:
        """Return points (k, width) of large expected improvement, the largest first.

        Trials that the surrogate has not seen are believed.
        """
        others = self._observations.seen
        if self._observations.complete.any():
            others = others[len(self._observations.scores) :]
        running = [past for past in others if past.suggestion.params]
        process = surrogate.process
        if running:
            process = surrogate.believe(running)
        maximiser = Maximiser(self._spec, self._cube, self._is_feasible, rng)
        return maximiser.maximise(surrogate, process)

    def _first_new(self, points: Array) -> dict[str, Any]:
        """Return the parameters of the first point that no earlier trial has; else of
        the first."""
        earlier = kept(self._spec.hash, "params").of(
            self._observations.seen, lambda _, past: _key(past.suggestion.params)
        )
        for point in points:
            params = self._cube.params(point)
            if _key(params) not in earlier:
                return params
        return self._cube.params(points[0])

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """See ``BaseSampler``; called where rounding put a value beside the steps of
        its range."""
        axis = Axis(param_distribution)
        return axis.value(axis.random(1, np.random.default_rng(self._seed))[0])
