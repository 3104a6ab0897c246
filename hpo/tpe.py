"""TPE that knows its search space."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

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
