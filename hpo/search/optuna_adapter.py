"""What this package needs of Optuna beyond its public interface.

No other module of it uses a private name of Optuna.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.search_space import IntersectionSearchSpace
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

STUDY = "history"
"""Name of the one study that Optuna sees."""


def suggest(trial: optuna.Trial, name: str, own: BaseDistribution) -> Any:
    """Suggest a parameter of a trial by its distribution."""
    if isinstance(own, FloatDistribution):
        return trial.suggest_float(name, own.low, own.high, step=own.step, log=own.log)
    if isinstance(own, IntDistribution):
        return trial.suggest_int(name, own.low, own.high, step=own.step, log=own.log)
    assert isinstance(own, CategoricalDistribution)
    return trial.suggest_categorical(name, own.choices)


def contains(own: BaseDistribution, value: Any) -> bool:
    """Return whether a distribution has a value.

    Raises:
        ValueError: the value is of another type, or no choice.
    """
    place = own.to_internal_repr(value)
    if isinstance(own, CategoricalDistribution):
        return 0 <= int(place) < len(own.choices)
    assert isinstance(own, FloatDistribution | IntDistribution)
    if not own.low <= place <= own.high:
        return False
    if own.step is None:
        return True
    steps = (place - own.low) / own.step
    return math.isclose(steps, round(steps), rel_tol=1e-12, abs_tol=1e-8)


def has_place(own: BaseDistribution, value: Any) -> bool:
    """Return whether a value is one of the choices, or a number on the axis, be it
    outside the range."""
    if isinstance(own, CategoricalDistribution):
        return value in own.choices
    assert isinstance(own, FloatDistribution | IntDistribution)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value > 0 or not own.log


def make_tpe(
    space: dict[str, BaseDistribution] | None, **options: Any
) -> optuna.samplers.TPESampler:
    """Make a TPE sampler; without a ``space``, trials may lack parameters."""
    tpe = optuna.samplers.TPESampler(**options)
    if space is None:  # the option of this name is deprecated
        tpe._warn_independent_sampling = False
    else:
        tpe._search_space = KnownSpace(space)
    return tpe


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
        self._number = number
        self._space = space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the space of the study, from its first trial on."""
        return self._space

    def _find_sample_id(self, study: optuna.Study, search_space: dict[str, Any]) -> int:
        return self._number


class History(InMemoryStorage):
    """One study that begins with past trials, uncopied: Optuna would copy each."""

    def __init__(
        self, trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]
    ) -> None:
        """Take the past: ``trials`` with their numbers as ids, in order."""
        super().__init__()
        self.study_id = self.create_new_study(directions, STUDY)
        self._studies[self.study_id].trials = [*trials]
        self._trial_id_to_study_id_and_number = {
            k: (self.study_id, k) for k in range(len(trials))
        }
        self._max_trial_id = len(trials) - 1

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Search it as ``BaseStorage`` does; ``InMemoryStorage`` notes it trial by
        trial."""
        return BaseStorage.get_best_trial(self, study_id)
