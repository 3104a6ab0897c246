"""Quasi-random points by the number of the trial."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial


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
