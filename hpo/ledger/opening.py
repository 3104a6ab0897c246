"""Opening the next trial of a search, in one message to the database.

Workers of a study open its slots one after the other, under the lock on its row. If the statements
of that were sent one by one, each would keep all other workers waiting for a round trip, and for
the turn of its worker on a busy host; sent together, the lock is held as long as the server needs.
What is rarer than a new trial (an abandoned slot, a confirmation, the end) ``claims.claim`` looks
after, under the same lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection

from hpo.ledger.lease import Asker
from hpo.ledger.statements import OPEN
from hpo.ledger.tables import SCHEMA_VERSION


def open_next(connection: Connection, study: str, who: Asker, *, looked_after: bool) -> Any:
    """Open the next trial of a search if budget, window and fairness allow it.

    Args:
        connection: in autocommit, the message is a transaction of its own.
        study: the study's name.
        who: the worker.
        looked_after: whether there is nothing else to be done before, such as an abandoned slot.

    Returns:
        A row of facts: ``id optuna_study_id amendments spec trials width`` of the study, ``number``
        of the next trial, ``oldest`` that runs, how many others are ``at_work``; of the trial that
        was opened ``slot_id optuna_trial_id``, else null. None if the study is not open, or
        something must be looked after.
    """
    values = {
        "study": study,
        "version": SCHEMA_VERSION,
        "worker": who.worker,
        "token": who.token,
        "take_over": who.take_over,
        "at_work": who.at_work,
        "lease_s": who.lease_s,
        "looked_after": looked_after,
    }
    return _last_row(connection, OPEN, values)


def _last_row(connection: Connection, statements: str, values: Mapping[str, Any]) -> Any:
    """The row that the last of several statements gives, if any; one message, one transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with psycopg.ClientCursor(driver, row_factory=namedtuple_row) as cursor:
            cursor.execute(statements, values)
            while cursor.nextset():
                pass
            return cursor.fetchone()
    except BaseException as error:  # Ctrl-C, too: the answer is still to come
        if driver.closed or not isinstance(error, Exception):
            connection.invalidate(error)  # as SQLAlchemy does with what goes through it
        raise
