"""Statements of workers: heartbeats, losses, and the notifications that they send."""

REGISTER_WORKER = """
INSERT INTO hpo_ledger.workers (
  name, host, pid, lease_s, serves, job, log, numerics, state, doing)
VALUES (
  :worker, :host, :pid, :lease_s, :serves, :job, :log, :numerics, 'idle', 'starting')
ON CONFLICT (name) DO UPDATE
SET host = excluded.host, pid = excluded.pid, lease_s = excluded.lease_s,
    serves = excluded.serves, job = excluded.job, log = excluded.log,
    numerics = excluded.numerics, state = excluded.state, doing = excluded.doing,
    refuses = excluded.refuses, started_at = excluded.started_at,
    seen_at = excluded.seen_at, ended_at = excluded.ended_at"""

RENEW_WORKER = """
WITH
alive AS (
  UPDATE hpo_ledger.workers
  SET seen_at = hpo_ledger.clock(), ended_at = NULL, state = :state, doing = :doing,
      refuses = CAST(:refuses AS json)
  WHERE name = :worker),
mine AS (
  SELECT id, study_id FROM hpo_ledger.slots
  WHERE id = :slot_id AND worker = :worker AND attempts = :attempt AND token = :token
  FOR UPDATE),
renewed AS (
  UPDATE hpo_ledger.slots
  SET lease_s = :lease_s,
      lease_until = hpo_ledger.clock() + make_interval(secs => :lease_s)
  FROM mine WHERE slots.id = mine.id AND lease_until IS NOT NULL)
SELECT
  hpo_ledger.clock() AS now,
  (SELECT state FROM hpo_ledger.studies
   WHERE id = (SELECT study_id FROM mine)) AS state"""
"""Renew a worker, and the slot that it holds, unless that was finished meanwhile.

Return the time, and the state of the slot's study. Parameters: the owner's; of the
worker ``state``, ``doing``, ``refuses``, ``lease_s``.
"""

DEREGISTER_WORKER = """
UPDATE hpo_ledger.workers
SET state = :state, doing = :doing, seen_at = hpo_ledger.clock(),
    ended_at = hpo_ledger.clock()
WHERE name = :worker"""

MARK_WORKER_LOST = """
UPDATE hpo_ledger.workers SET ended_at = hpo_ledger.clock(), state = 'lost'
WHERE name = :worker AND ended_at IS NULL"""

SELECT_HELD_SLOTS = """
SELECT * FROM hpo_ledger.slots
WHERE worker = :worker AND state = 'running' AND lease_until IS NOT NULL
ORDER BY study_id"""

SELECT_WORKERS = """
SELECT
  w.*, extract(epoch FROM hpo_ledger.clock() - seen_at) AS silent, s.name AS study,
  CAST(s.spec #>> '{confirm,seeds}' AS integer)
    * coalesce(CAST(s.spec #>> '{confirm,splits}' AS integer), 1) AS fresh_seeds,
  phase, number, source
FROM hpo_ledger.workers w
LEFT JOIN hpo_ledger.slots l ON l.worker = w.name AND l.state = 'running'
  AND hpo_ledger.holds(lease_until, l.lease_s)
LEFT JOIN hpo_ledger.studies s ON s.id = study_id
WHERE seen_at > hpo_ledger.clock() - make_interval(secs => :recent_s)
ORDER BY w.started_at, w.name"""

SELECT_DUE_NOTICES = """
SELECT name, s.state FROM hpo_ledger.studies s
LEFT JOIN hpo_ledger.notices n ON n.study_id = s.id AND notice = s.state
WHERE name = coalesce(:study, name) AND s.state IN ('done', 'failed')
  AND state_since > hpo_ledger.clock() - interval '1 day'
  AND told_at IS DISTINCT FROM state_since
  AND hpo_ledger.holds(
    claimed_at + make_interval(secs => :claim_s), :claim_s) IS NOT TRUE
ORDER BY s.id"""
"""Select the studies with an end that is not notified yet; ends older than a day are
skipped."""

CLAIM_NOTICE = """
INSERT INTO hpo_ledger.notices (study_id, notice, claimed_at)
SELECT id, :notice, hpo_ledger.clock() FROM hpo_ledger.studies WHERE name = :study
ON CONFLICT (study_id, notice) DO UPDATE SET claimed_at = excluded.claimed_at"""

SETTLE_NOTICE = """
UPDATE hpo_ledger.notices SET told_at = state_since, claimed_at = NULL
FROM hpo_ledger.studies
WHERE notice = :notice AND name = :study AND study_id = studies.id"""

NOTE_EVENT = """
INSERT INTO hpo_ledger.events (who, what, study) VALUES (:who, :what, :study)"""

NOTE_NEW_EVENT = """
INSERT INTO hpo_ledger.events (who, what, study)
SELECT :who, CAST(:what AS text), CAST(:study AS text)
WHERE NOT EXISTS (
  SELECT FROM hpo_ledger.events
  WHERE study = :study AND what = :what
    AND at > hpo_ledger.clock() - interval '1 day')"""
"""Note an event, unless the same one was noted within a day."""
