"""Opening the next trial of a search, in one message to the database.

Workers of a study open its slots one after the other, under the lock on its row. If the statements
of that were sent one by one, each would keep all other workers waiting for a round trip, and for
the turn of its worker on a busy host; sent together, the lock is held as long as the server needs.
What is rarer than a new trial (an abandoned slot, a confirmation, the end) is left to
``claims.claim``, which asks again under the same lock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection

from hpo.claims import Claim, Claimant, Wait, waits_for_window
from hpo.snapshot import Phase
from hpo.spec import StudySpec
from hpo.tables import SCHEMA, SCHEMA_VERSION

_OPEN = f"""
SELECT id FROM {SCHEMA}.studies WHERE name = %(study)s FOR UPDATE;

-- Optuna's readers take the largest trial_id as the newest: serialise as Optuna itself does.
SELECT study_id FROM studies WHERE study_id = (
  SELECT optuna_study_id FROM {SCHEMA}.studies WHERE name = %(study)s) FOR UPDATE;

WITH
study AS (
  SELECT id, optuna_study_id, amendments, CAST(spec AS text) AS spec,
         CAST(spec #>> '{{budget,trials}}' AS integer) AS trials,
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
  WHERE NOT EXISTS (  -- one that was abandoned, or whose claim was not heard of by its worker
    SELECT FROM running
    WHERE lease_until IS NULL OR (lease_until < clock_timestamp() AND %(take_over)s)
       OR (worker = %(worker)s AND token = %(token)s))),
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


def try_open(
    connection: Connection,
    study: str,
    who: Claimant,
    known_spec: Callable[[int, Mapping[str, Any]], StudySpec],
) -> Claim | Wait | None:
    """Open the next trial if that is what there is to claim.

    Args:
        connection: in autocommit: the message is a transaction of its own.
        study: the study's name.
        who: the worker.
        known_spec: restores a spec from the study's id and what is stored.

    Returns:
        The claim, or why there is none just now; None where ``claims.claim`` must look.
    """
    values = {
        "study": study,
        "version": SCHEMA_VERSION,
        "worker": who.worker,
        "token": who.token,
        "take_over": who.take_over,
        "at_work": who.at_work,
        "lease_s": who.lease_s,
    }
    row = _last_row(connection, _OPEN, values)
    if row is None:
        return None
    if row.slot_id is None:
        return _why_not(row, study, who)
    return Claim(
        slot_id=row.slot_id,
        study_id=row.id,
        spec=known_spec(row.id, json.loads(row.spec)),
        phase=Phase.SEARCH,
        number=row.number,
        source=None,
        attempt=1,
        worker=who.worker,
        token=who.token,
        amendments=row.amendments,
        suggestion=None,
        optuna_trial_id=row.optuna_trial_id,
        finished=(),
        checkpoint=None,
    )


def _why_not(row: Any, study: str, who: Claimant) -> Wait | None:
    if who.at_work is not None and row.at_work > who.at_work:
        return Wait(f"{study}: another worker was faster")
    if row.number < row.trials:
        return waits_for_window(study, row.number, row.oldest, row.width)
    return None


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
    except psycopg.Error as error:
        if driver.closed:
            connection.invalidate(error)  # as SQLAlchemy does with what goes through it
        raise
