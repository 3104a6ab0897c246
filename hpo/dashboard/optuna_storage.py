"""The storage that optuna-dashboard gets: it only reads."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Container, Sequence
from typing import Any, NoReturn

from optuna.storages import BaseStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine, Select, select

FIGURES = "dashboard:plot_data:"
_STUDIES = models.StudyModel.__table__


class ReadOnlyStorage(BaseStorage):
    """Optuna's storage interface for viewers. Trials are shared: they must not be changed."""

    def __init__(self, engine: Engine, trials_of: Callable[[int], list[FrozenTrial]]) -> None:
        """Read studies through ``engine`` and trials by ``trials_of``."""
        self._engine, self._trials_of = engine, trials_of

    def with_trials(self, trials: list[FrozenTrial]) -> ReadOnlyStorage:
        """The same studies, as if they had just these trials."""
        return ReadOnlyStorage(self._engine, lambda _: trials)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise PermissionError("dashboard: its storage must only be read, but got a write")

    create_new_study = delete_study = create_new_trial = _refuse
    set_study_user_attr = set_study_system_attr = set_trial_param = _refuse
    set_trial_state_values = set_trial_intermediate_value = _refuse
    set_trial_user_attr = set_trial_system_attr = _refuse

    # --- studies -----------------------------------------------------------------------

    def get_study_id_from_name(self, study_name: str) -> int:
        """Optuna's id of a study.

        Raises:
            KeyError: there is no such study.
        """
        query = select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == study_name)
        with self._engine.connect() as connection:
            return int(_one(connection, query, study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        """The name of a study; a KeyError if there is none."""
        return self.get_study(study_id, figures=False).study_name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The directions of a study's scores; a KeyError if there is none."""
        return self.get_study(study_id, figures=False).directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """What users noted of a study; a KeyError if there is none."""
        return self.get_study(study_id, figures=False).user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What programs noted of a study: notes, figures, files; a KeyError if there is none."""
        return self.get_study(study_id).system_attrs

    def get_study(self, study_id: int, *, figures: bool = True) -> FrozenStudy:
        """One study with all its attributes, figures among them.

        Raises:
            KeyError: there is no such study.
        """
        for study in self._read(study_id, figures=figures):
            return study
        raise KeyError(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        """All studies, without their figures: those may be megabytes, and no list shows them."""
        return self._read(figures=False)

    def _read(self, study_id: int | None = None, *, figures: bool) -> list[FrozenStudy]:
        def rows(model: Any, *names: str) -> Sequence[Any]:
            table = model.__table__
            query = select(table.c.study_id, *(table.c[name] for name in names))
            if study_id is not None:
                query = query.where(table.c.study_id == study_id)
            if "key" in names and not figures:
                query = query.where(~table.c.key.startswith(FIGURES, autoescape=True))
            return connection.execute(query.order_by(table.c.study_id, table.c[names[0]])).all()

        with self._engine.connect() as connection:
            found = {
                id_: FrozenStudy(name, None, {}, {}, id_, directions=[])
                for id_, name in rows(models.StudyModel, "study_name")
            }
            for id_, _, direction in rows(models.StudyDirectionModel, "objective", "direction"):
                if id_ in found:
                    found[id_]._directions.append(direction)
            for model, attrs in (
                (models.StudyUserAttributeModel, "user_attrs"),
                (models.StudySystemAttributeModel, "system_attrs"),
            ):
                for id_, key, text in rows(model, "key", "value_json"):
                    if id_ in found:
                        getattr(found[id_], attrs)[key] = json.loads(text)
        return list(found.values())

    # --- trials ------------------------------------------------------------------------

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """One trial.

        Raises:
            KeyError: there is no such trial.
        """
        table = models.TrialModel.__table__
        query = select(table.c.study_id).where(table.c.trial_id == trial_id)
        with self._engine.connect() as connection:
            study_id = _one(connection, query, trial_id)
        for trial in self._trials_of(study_id):
            if trial._trial_id == trial_id:
                return trial
        raise KeyError(trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials of a study by number."""
        trials = self._trials_of(study_id)
        found = [t for t in trials if states is None or t.state in states]
        return copy.deepcopy(found) if deepcopy else found


def _one(connection: Connection, query: Select[Any], asked: object) -> Any:
    found = connection.scalar(query)
    if found is None:
        raise KeyError(asked)
    return found
