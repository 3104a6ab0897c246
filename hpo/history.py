"""A study's history as an Optuna storage: past trials that are shared, and one that is open.

Optuna's own in-memory storage copies every trial that it is given, which costs more than all else
in a suggestion once there are a thousand. Here they are taken as they are: a history of 10,000
trials becomes a study in a millisecond. Samplers and pruners see what they would see there.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

STUDY = "history"
"""Name of the one study."""
EPOCH = datetime(2000, 1, 1)  # Optuna wants time stamps; decisions must not depend on them
_STUDY_ID = 0


class HistoryStorage(BaseStorage):
    """One study, whose trials 0 .. n-1 are never changed; trial n can be created and written to."""

    def __init__(self, trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> None:
        """Take the past as it is: ``trials`` with their numbers as ids, in order."""
        self._past, self._directions = trials, list(directions)
        self._attrs: dict[str, Any] = {}
        self._open: FrozenTrial | None = None
        self._of_state: dict[tuple[bool, ...], list[FrozenTrial]] = {}

    # --- the open trial --------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Open the one trial that can be written to."""
        if self._open is not None:
            raise RuntimeError("a history has one open trial")
        number = len(self._past)
        self._open = copy.deepcopy(template_trial) or FrozenTrial(
            number=number,
            trial_id=number,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=EPOCH,
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        self._open.number = self._open._trial_id = number
        return number

    def _written(self, trial_id: int) -> FrozenTrial:
        """A new copy of the open trial: pruners rely on what they were given to stay as it was."""
        if self._open is None or trial_id != self._open.number:
            raise RuntimeError(f"trial {trial_id} is past, and cannot be changed")
        trial = self._open = copy.copy(self._open)
        for name in (
            "params",
            "distributions",
            "intermediate_values",
            "user_attrs",
            "system_attrs",
        ):
            setattr(trial, name, dict(getattr(trial, name)))
        return trial

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """See ``BaseStorage``."""
        trial = self._written(trial_id)
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """See ``BaseStorage``."""
        self._written(trial_id).intermediate_values[step] = intermediate_value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See ``BaseStorage``."""
        self._written(trial_id).system_attrs[key] = value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See ``BaseStorage``."""
        self._written(trial_id).user_attrs[key] = value

    # --- reading ---------------------------------------------------------------------------

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """See ``BaseStorage``."""
        if self._open is not None and trial_id == self._open.number:
            return self._open
        return self._past[trial_id]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See ``BaseStorage``; which past trials are in which states is found out once."""
        wanted = tuple(states is None or state in states for state in TrialState)
        if wanted not in self._of_state:
            self._of_state[wanted] = [t for t in self._past if wanted[t.state.value]]
        found = self._of_state[wanted].copy()
        if self._open is not None and wanted[self._open.state.value]:
            found.append(self._open)
        return copy.deepcopy(found) if deepcopy else found

    def get_study_id_from_name(self, study_name: str) -> int:
        """See ``BaseStorage``."""
        return _STUDY_ID

    def get_study_name_from_id(self, study_id: int) -> str:
        """See ``BaseStorage``."""
        return STUDY

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """See ``BaseStorage``."""
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """None: a history is its trials."""
        return {}

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What was noted while this history is looked at: at first nothing."""
        return dict(self._attrs)

    def get_all_studies(self) -> list[FrozenStudy]:
        """See ``BaseStorage``."""
        attrs = dict(self._attrs)
        return [FrozenStudy(STUDY, None, {}, attrs, _STUDY_ID, directions=self._directions)]

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Note what was worked out (NSGA-II: parents), for as long as this object lives.

        It is forgotten with it: a decision leaves no trace for the next one.
        """
        self._attrs[key] = value

    # --- what a history refuses --------------------------------------------------------------

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> NoReturn:
        """Not possible."""
        raise NotImplementedError

    def delete_study(self, study_id: int) -> NoReturn:
        """Not possible."""
        raise NotImplementedError

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> NoReturn:
        """Not possible: a decision must not leave traces."""
        raise NotImplementedError

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> NoReturn:
        """Not possible: the open trial is never told."""
        raise NotImplementedError
