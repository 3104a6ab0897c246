"""The storage that optuna-dashboard gets: it only reads."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Container
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
        """The name of a study.

        Raises:
            KeyError: there is no such study.
        """
        with self._engine.connect() as connection:
            return _name(connection, study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The directions of a study's scores.

        Raises:
            KeyError: there is no such study.
        """
        with self._engine.connect() as connection:
            _name(connection, study_id)
            return _directions(connection, study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """What users noted of a study."""
        with self._engine.connect() as connection:
            return _attrs(connection, models.StudyUserAttributeModel, study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What programs noted of a study: notes, figures, files."""
        with self._engine.connect() as connection:
            return _attrs(connection, models.StudySystemAttributeModel, study_id)

    def get_study(self, study_id: int) -> FrozenStudy:
        """One study with all its attributes.

        Raises:
            KeyError: there is no such study.
        """
        with self._engine.connect() as connection:
            return FrozenStudy(
                study_name=_name(connection, study_id),
                direction=None,
                directions=_directions(connection, study_id),
                user_attrs=_attrs(connection, models.StudyUserAttributeModel, study_id),
                system_attrs=_attrs(connection, models.StudySystemAttributeModel, study_id),
                study_id=study_id,
            )

    def get_all_studies(self) -> list[FrozenStudy]:
        """All studies, without their figures: those may be megabytes, and no list shows them."""
        directions = models.StudyDirectionModel.__table__
        with self._engine.connect() as connection:
            rows = connection.execute(select(_STUDIES).order_by(_STUDIES.c.study_id)).all()
            query = select(directions.c.study_id, directions.c.direction)
            ways = connection.execute(query.order_by(directions.c.objective)).all()
            attrs = []
            for model in (models.StudyUserAttributeModel, models.StudySystemAttributeModel):
                table = model.__table__
                columns = (table.c.study_id, table.c.key, table.c.value_json)
                figures = table.c.key.startswith(FIGURES, autoescape=True)
                attrs.append(connection.execute(select(*columns).where(~figures)).all())
        directed: dict[int, list[StudyDirection]] = {}
        for study_id, way in ways:
            directed.setdefault(study_id, []).append(way)
        by_study: list[dict[int, dict[str, Any]]] = [{}, {}]
        for found, texts in zip(by_study, attrs, strict=True):
            for study_id, key, text in texts:
                found.setdefault(study_id, {})[key] = json.loads(text)
        return [
            FrozenStudy(
                study_name=row.study_name,
                direction=None,
                directions=directed.get(row.study_id, []),
                user_attrs=by_study[0].get(row.study_id, {}),
                system_attrs=by_study[1].get(row.study_id, {}),
                study_id=row.study_id,
            )
            for row in rows
        ]

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
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
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


def _name(connection: Connection, study_id: int) -> str:
    query = select(_STUDIES.c.study_name).where(_STUDIES.c.study_id == study_id)
    return str(_one(connection, query, study_id))


def _directions(connection: Connection, study_id: int) -> list[StudyDirection]:
    table = models.StudyDirectionModel.__table__
    query = select(table.c.direction).where(table.c.study_id == study_id)
    return list(connection.scalars(query.order_by(table.c.objective)))


def _attrs(connection: Connection, model: Any, study_id: int) -> dict[str, Any]:
    table = model.__table__
    query = select(table.c.key, table.c.value_json).where(table.c.study_id == study_id)
    return {key: json.loads(text) for key, text in connection.execute(query)}
