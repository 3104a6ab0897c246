"""Which study is served first by workers that serve several.

They take up trials of a study of a higher priority first. What is running is not interrupted, and
no result depends on it. It is an attribute of the study in Optuna's tables: see ``optuna_tables``.
"""

from __future__ import annotations

from sqlalchemy import literal, select

from hpo.errors import StudyError
from hpo.ledger import events, optuna_reading, optuna_tables
from hpo.ledger.ledger import Ledger

HIGHEST = 1000


def put(ledger: Ledger, name: str, priority: int | None = None) -> tuple[int, int]:
    """Set the priority of a study; without one, look at it.

    Returns:
        What it was, and what it is.

    Raises:
        StudyError: there is no such study, or the priority is out of range.
    """
    if priority is not None and abs(priority) > HIGHEST:
        raise StudyError(
            f"study {name!r}: the priority must be from -{HIGHEST} to {HIGHEST}, "
            f"but got priority={priority}. Only the order of studies counts: take a smaller number."
        )
    with ledger.locked(name) as (connection, study):
        known = select(optuna_reading.priority_of(literal(study.optuna_study_id)))
        was: int = connection.execute(known).scalar_one()
        if priority is None or priority == was:
            return was, was
        optuna_tables.require_study(connection, study.optuna_study_id, name)
        optuna_tables.set_priority(connection, study.optuna_study_id, priority)
        events.note(connection, name, f"priority {priority} (was {was})")
        return was, priority
