"""Statements that choose and take the next slot of a worker.

A transaction locks the study's row before any of them; OPEN_NEXT_TRIAL does so itself.
"""

from hpo.ledger.statements.optuna import INSERT_RUNNING_TRIAL

FAILURES_IN_A_ROW = 3
"""Number of failed trials in a row that stops the study."""

_INSERT_NEXT_TRIAL = INSERT_RUNNING_TRIAL.format(
    study_id="optuna_study_id", number="number", at="opened_at", source=" FROM next"
)


def _abandoned(worker: str, token: str, take_over: str) -> str:
    """Return the condition that a running slot waits for a worker: released, lost, or
    claimed by this one, who did not hear of it.

    The arguments are the marks of the statement's parameters.
    """
    return (
        f"(lease_until IS NULL OR (worker = {worker} AND token = {token})"
        f" OR ({take_over} AND NOT hpo_ledger.holds(lease_until, lease_s)))"
    )


OPEN_NEXT_TRIAL = f"""
SELECT id FROM hpo_ledger.studies WHERE name = %(study)s FOR UPDATE;

-- Optuna's readers take the largest trial_id as the newest: serialise as Optuna does.
SELECT study_id FROM studies
WHERE study_id = (
  SELECT optuna_study_id FROM hpo_ledger.studies WHERE name = %(study)s)
FOR UPDATE;

WITH
present AS MATERIALIZED (SELECT hpo_ledger.timeline() AS timeline),
study AS (
  SELECT
    id, name, optuna_study_id, amendments, timeline, failures_from,
    CAST(spec AS text) AS spec, CAST(about AS text) AS about,
    spec -> 'stop' IS NOT NULL AS may_end,
    least(CAST(spec #>> '{{budget,trials}}' AS integer), search_end) AS trials,
    CAST(spec #>> '{{budget,window}}' AS integer) AS width,
    coalesce(CAST(spec #>> '{{budget,clock}}' AS boolean), false) AS has_clock
  FROM hpo_ledger.studies, present
  WHERE name = %(study)s AND state = 'open'
    AND code #>> '{{-1,hash}}' = %(code)s  -- else it is pinned, or refused
    AND (%(looked_after)s OR spec ->> 'require_same_numerics' IS NULL)
    AND EXISTS (SELECT FROM hpo_ledger.version WHERE version = %(version)s)
    AND timeline IS NOT NULL
    AND EXISTS (SELECT FROM studies WHERE study_id = optuna_study_id)),
running AS (
  SELECT number, ends_at, worker, token, lease_until, lease_s
  FROM hpo_ledger.slots
  WHERE study_id = (SELECT id FROM study) AND phase = 'search' AND state = 'running'),
facts AS (
  SELECT
    study.*, number, hpo_ledger.begins_at(study.id, number, width) AS begins_at,
    (SELECT number FROM running ORDER BY ends_at, number LIMIT 1) AS oldest,
    (SELECT count(*) FROM running
     WHERE hpo_ledger.holds(lease_until, lease_s)
       AND token IS DISTINCT FROM %(token)s) AS at_work
  FROM study, LATERAL (
    SELECT coalesce(max(number), -1) + 1 AS number FROM hpo_ledger.slots
    WHERE study_id = study.id AND phase = 'search') AS last
  WHERE %(looked_after)s OR (
    NOT may_end
    AND NOT EXISTS (
      SELECT FROM running
      WHERE {_abandoned("%(worker)s", "%(token)s", "%(take_over)s")})
    -- the study may have to be stopped
    AND {FAILURES_IN_A_ROW} > (
      SELECT count(*) FROM hpo_ledger.slots
      WHERE study_id = study.id AND phase = 'search' AND state = 'failed'
        AND number >= study.failures_from))),
next AS (
  SELECT *, hpo_ledger.clock() AS opened_at
  FROM facts
  WHERE number < trials
    AND begins_at IS NOT NULL AND %(may_open)s
    AND at_work <= coalesce(%(at_work)s, at_work)),
trial AS ({_INSERT_NEXT_TRIAL}),
slot AS (
  INSERT INTO hpo_ledger.slots (
    study_id, phase, number, state, attempts, optuna_trial_id, worker, token,
    begins_at, ends_at, started_at, lease_until, lease_s)
  SELECT
    id, 'search', number, 'running', 1, trial_id, %(worker)s, %(token)s,
    CASE WHEN has_clock THEN begins_at ELSE number END,
    CASE WHEN has_clock THEN begins_at ELSE number END,
    opened_at, opened_at + make_interval(secs => %(lease_s)s), %(lease_s)s
  FROM next, trial
  RETURNING id, optuna_trial_id)
SELECT facts.*, slot.id AS slot_id, slot.optuna_trial_id
FROM facts LEFT JOIN slot ON true"""
"""Open the next trial of a search, in one message of three statements.

Workers of a study open its slots one by one, under the lock on its row. Sent
separately, each statement would keep all other workers waiting for a round trip, and
for the CPU on a busy host; sent together, they hold the lock only as long as the server
needs. ``claiming.claim`` handles rarer cases (an abandoned slot, a confirmation, the
end) under the same lock. Parameters and answer: see ``claiming.open_next``.
"""

COUNT_AT_WORK = """
SELECT count(*) FROM hpo_ledger.slots
WHERE study_id = :study_id AND state = 'running'
  AND hpo_ledger.holds(lease_until, lease_s) AND token IS DISTINCT FROM :token"""
"""Count the slots that processes other than that of ``token`` are at work on."""

FIND_ABANDONED_SLOT = f"""
SELECT * FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = :phase AND state = 'running'
  AND number = ANY(coalesce(CAST(:numbers AS integer[]), ARRAY[number]))
  AND (attempts > 0 OR phase = 'confirm'
    OR hpo_ledger.begins_at(study_id, number, :window) IS NOT NULL)
  AND {_abandoned(":worker", ":token", ":take_over")}
ORDER BY number LIMIT 1
FOR UPDATE"""
"""Find a slot that its worker released or lost, or holds already because our answer was
lost.

An enqueued slot exists before the window lets it begin: its history may be unfinished.
Parameters: ``phase``, ``window``; ``numbers``, null for all; the asking worker's
``worker``, ``token``, ``take_over``.
"""

_BEGINS = """coalesce({column}, CASE
      WHEN phase = 'confirm' THEN NULL
      WHEN :has_clock THEN hpo_ledger.begins_at(study_id, number, :window)
      ELSE number END)"""

TAKE_SLOT = f"""
UPDATE hpo_ledger.slots
SET begins_at = {_BEGINS.format(column="begins_at")},
    ends_at = {_BEGINS.format(column="ends_at")},
    worker = :worker, token = :token, attempts = :attempt, lease_s = :lease_s,
    lease_until = hpo_ledger.clock() + make_interval(secs => :lease_s),
    started_at = CASE WHEN :begins THEN hpo_ledger.clock() ELSE started_at END
WHERE id = :slot_id
RETURNING begins_at"""

MAY_BEGIN = """
SELECT hpo_ledger.begins_at(:study_id, :number, :window) IS NOT NULL"""

SELECT_CHECKPOINT = """
SELECT member, epoch, curve, scored_at, seconds, data FROM hpo_ledger.checkpoints
WHERE slot_id = :slot_id"""

SELECT_CONFIRMATIONS = """
SELECT number, state FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'confirm'"""

OPEN_CONFIRMATION = """
INSERT INTO hpo_ledger.slots (
  study_id, phase, number, source, state, params, attempts)
VALUES (
  :study_id, 'confirm', :number, :source, 'running', CAST(:params AS json), 0)
RETURNING *"""

DELETE_CONFIRMATIONS = """
DELETE FROM hpo_ledger.slots WHERE study_id = :study_id AND phase = 'confirm'"""

DELETE_UNFINISHED_CONFIRMATIONS = """
DELETE FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'confirm' AND state = 'running'"""

SELECT_FAILURES = """
SELECT number, message, CAST(spec #>> '{budget,trials}' AS integer) AS budget
FROM hpo_ledger.slots JOIN hpo_ledger.studies ON studies.id = study_id
WHERE study_id = :study_id AND phase = 'search' AND slots.state = 'failed'
  AND number >= failures_from
  AND number < coalesce((
    SELECT min(number) FROM hpo_ledger.slots
    WHERE study_id = :study_id AND phase = 'search' AND state = 'running'), 2147483647)
ORDER BY number"""
"""Select the trials with a failed objective, before the first running one."""

SELECT_FIRST_NUMERICS = """
SELECT * FROM (
  SELECT phase, number, coalesce(lineage ->> 'numerics', CASE
    WHEN EXISTS (SELECT FROM hpo_ledger.members WHERE slot_id = l.id)
      OR EXISTS (SELECT FROM hpo_ledger.checkpoints WHERE slot_id = l.id)
      OR hpo_ledger.holds(lease_until, l.lease_s) THEN w.numerics END) AS numerics
  FROM hpo_ledger.slots l LEFT JOIN hpo_ledger.workers w ON w.name = l.worker
  WHERE study_id = :study_id) AS known
WHERE numerics IS NOT NULL
ORDER BY phase DESC, number LIMIT 1"""
"""Select the numerics of a study's first begun trial: from its lineage, or, before it
is finished, from the worker that holds it or has stored a part of it."""
