"""Opening the next trial of a search, in one message to the database.

Workers of a study open its slots one after the other, under the lock on its row. If the statements
of that were sent one by one, each would keep all other workers waiting for a round trip, and for
the turn of its worker on a busy host; sent together, the lock is held as long as the server needs.
What is rarer than a new trial (an abandoned slot, a confirmation, the end) ``claims.claim`` looks
after, under the same lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection

from hpo.holding import MAX_LOSSES
from hpo.settling import FAILURES_IN_A_ROW
from hpo.tables import SCHEMA, SCHEMA_VERSION

_OPEN = f"""
SELECT id FROM {SCHEMA}.studies WHERE name = %(study)s FOR UPDATE;

-- Optuna's readers take the largest trial_id as the newest: serialise as Optuna itself does.
SELECT study_id FROM studies WHERE study_id = (
  SELECT optuna_study_id FROM {SCHEMA}.studies WHERE name = %(study)s) FOR UPDATE;

WITH
study AS (
  SELECT id, optuna_study_id, amendments, failures_from, CAST(spec AS text) AS spec,
         spec -> 'stop' IS NOT NULL AS may_end,
         least(CAST(spec #>> '{{budget,trials}}' AS integer), search_end) AS trials,
         CAST(spec #>> '{{budget,window}}' AS integer) AS width
  FROM {SCHEMA}.studies
  WHERE name = %(study)s AND state = 'open'
    AND EXISTS (SELECT FROM {SCHEMA}.version WHERE version = %(version)s)
    AND EXISTS (SELECT FROM studies WHERE study_id = optuna_study_id)),
running AS (
  SELECT number, worker, token, lease_until FROM {SCHEMA}.slots
  WHERE study_id = (SELECT id FROM study) AND phase = 'search' AND state = 'running'),
facts AS (
  SELECT study.*, (
    SELECT coalesce(max(number), -1) + 1 FROM {SCHEMA}.slots
    WHERE study_id = study.id AND phase = 'search') AS number, (
    SELECT min(number) FROM running) AS oldest, (
    SELECT count(*) FROM running
    WHERE lease_until > clock_timestamp() AND token IS DISTINCT FROM %(token)s) AS at_work
  FROM study
  WHERE %(looked_after)s OR (
    NOT may_end
    AND NOT EXISTS (  -- one that was abandoned, or whose claim was not heard of by its worker
      SELECT FROM running
      WHERE lease_until IS NULL OR (lease_until < clock_timestamp() AND %(take_over)s)
         OR (worker = %(worker)s AND token = %(token)s))
    AND {FAILURES_IN_A_ROW} > (  -- the study may have to be stopped
      SELECT count(*) FROM {SCHEMA}.slots
      WHERE study_id = study.id AND phase = 'search' AND state = 'failed'
        AND number >= study.failures_from AND losses_in_a_row < {MAX_LOSSES}))),
next AS (
  SELECT *, clock_timestamp() AS opened_at FROM facts
  WHERE number < trials AND (oldest IS NULL OR oldest > number - width)
    AND at_work <= coalesce(%(at_work)s, at_work)),
trial AS (
  INSERT INTO trials (study_id, number, state, datetime_start)
  SELECT optuna_study_id, number, 'RUNNING', timezone('UTC', opened_at) FROM next
  RETURNING trial_id),
slot AS (
  INSERT INTO {SCHEMA}.slots (study_id, phase, number, state, attempts, optuna_trial_id, worker,
                              token, started_at, lease_until)
  SELECT id, 'search', number, 'running', 1, trial_id, %(worker)s, %(token)s, opened_at,
         opened_at + make_interval(secs => %(lease_s)s)
  FROM next, trial RETURNING id, optuna_trial_id)
SELECT facts.*, slot.id AS slot_id, slot.optuna_trial_id FROM facts LEFT JOIN slot ON true"""


class Asker(Protocol):
    """Who asks for a trial; see ``claims.Claimant``."""

    @property
    def worker(self) -> str:
        """Its name."""

    @property
    def token(self) -> str:
        """Its process."""

    @property
    def lease_s(self) -> float:
        """Seconds."""

    @property
    def take_over(self) -> bool:
        """Whether slots whose lease has run out are its to take."""

    @property
    def at_work(self) -> int | None:
        """How many slots may be at work by now."""


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
    return _last_row(connection, _OPEN, values)


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
