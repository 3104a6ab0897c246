"""Copies of finished studies in Optuna's tables: many rows at once.

Optuna's own ``copy_study`` is a transaction, and some twenty statements, for each
trial.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import Connection

from hpo.ledger import optuna_tables
from hpo.ledger.optuna_source import OptunaStudy
from hpo.ledger.statements import optuna as sql
from hpo.study.spec import StudySpec

_OF_STORAGE = ("dashboard:", "artifacts:")
"""Attributes of other tools that name trials by the ids of their storage."""


def copy_study(connection: Connection, spec: StudySpec, source: OptunaStudy) -> int:
    """Create a study with the directions and attributes of another one, without its
    trials, and return its id.

    Raises:
        StudyError: Optuna already has a study of this name.
    """
    ways = [way.name for way in source.directions]
    study_id = optuna_tables.create(connection, spec.name, ways)
    for statement, attrs in (
        (sql.SET_STUDY_USER_ATTRS, source.user_attrs),
        (sql.SET_STUDY_SYSTEM_ATTRS, source.system_attrs),
    ):
        own = {key: attrs[key] for key in attrs if not key.startswith(_OF_STORAGE)}
        texts = optuna_tables.write_texts(own)
        optuna_tables.set_attrs(connection, statement, study_id, texts)
    optuna_tables.publish_spec(connection, study_id, spec)
    return study_id


def copy_trials(
    connection: Connection, study_id: int, trials: Sequence[FrozenTrial], first: int
) -> list[int]:
    """Copy trials into a study, numbered from ``first`` on, and return Optuna's ids of
    them."""
    rows = []
    for number, trial in enumerate(trials, first):
        rows.append(
            {
                "study_id": study_id,
                "number": number,
                "state": trial.state,
                "datetime_start": _stored(trial.datetime_start),
                "datetime_complete": _stored(trial.datetime_complete),
            }
        )
    table = _table(models.TrialModel)
    insert = sa.insert(table).returning(table.c.trial_id, sort_by_parameter_order=True)
    ids = list(connection.execute(insert, rows).scalars())
    for model, list_rows in _PARTS.items():
        parts = []
        for trial_id, trial in zip(ids, trials, strict=True):
            for part in list_rows(trial):
                parts.append({"trial_id": trial_id, **part})
        if parts:
            connection.execute(sa.insert(_table(model)), parts)
    return ids


def _table(model: Any) -> sa.Table:
    table: sa.Table = model.__table__
    return table


def _stored(moment: datetime | None) -> datetime | None:
    """Return a time as Optuna stores it: in UTC, without a zone."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None)


Part = Iterator[dict[str, Any]]
"""Rows of a table that belong to a trial."""


def _params(trial: FrozenTrial) -> Part:
    for name, distribution in trial.distributions.items():
        yield {
            "param_name": name,
            "param_value": distribution.to_internal_repr(trial.params[name]),
            "distribution_json": distribution_to_json(distribution),
        }


def _values(trial: FrozenTrial) -> Part:
    for place, value in enumerate(trial.values or ()):
        stored, kind = models.TrialValueModel.value_to_stored_repr(value)
        yield {"objective": place, "value": stored, "value_type": kind}


def _intermediate_values(trial: FrozenTrial) -> Part:
    model = models.TrialIntermediateValueModel
    for step, value in trial.intermediate_values.items():
        stored, kind = model.intermediate_value_to_stored_repr(value)
        yield {
            "step": step,
            "intermediate_value": stored,
            "intermediate_value_type": kind,
        }


def _user_attrs(trial: FrozenTrial) -> Part:
    for key, value in trial.user_attrs.items():
        yield {"key": key, "value_json": json.dumps(value)}


def _system_attrs(trial: FrozenTrial) -> Part:
    for key, value in trial.system_attrs.items():
        if not key.startswith(_OF_STORAGE):
            yield {"key": key, "value_json": json.dumps(value)}


_PARTS = {
    models.TrialParamModel: _params,
    models.TrialValueModel: _values,
    models.TrialIntermediateValueModel: _intermediate_values,
    models.TrialUserAttributeModel: _user_attrs,
    models.TrialSystemAttributeModel: _system_attrs,
}
"""The tables of what belongs to a trial, each with what lists its rows."""
