"""What the ledger asks of Optuna's tables, without importing Optuna: who only looks starts fast."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Text,
    column,
    func,
    select,
    table,
)

from hpo.ledger.tables import slots

_STUDIES = table("studies", column("study_id", Integer), column("study_name", Text))
_TRIALS = table("trials", column("trial_id", Integer), column("study_id", Integer))


def names(connection: Connection) -> dict[int, str]:
    """Every study of Optuna's tables by its number, whoever made it."""
    rows = connection.execute(select(_STUDIES.c.study_id, _STUDIES.c.study_name))
    return {row.study_id: row.study_name for row in rows}


def n_foreign(connection: Connection, study_id: int, optuna_study_id: int) -> int:
    """How many trials of a study's Optuna study are not its own: ``study.optimize`` adds such."""
    of_it = _TRIALS.c.study_id == optuna_study_id
    query = select(func.count()).where(of_it, ~is_ours(study_id, _TRIALS.c.trial_id))
    return connection.execute(query).scalar_one()


def is_ours(
    study_id: ColumnElement[int] | int, trial_id: ColumnElement[int]
) -> ColumnElement[bool]:
    """The condition that a trial in Optuna's tables is one of a study of the ledger."""
    own = (slots.c.study_id == study_id) & (slots.c.optuna_trial_id == trial_id)
    return select(slots.c.id).where(own).exists()
