"""Statements of lost workers: what they tell of a slot, and of a host."""

from hpo.settings import BEATS_PER_LEASE

COUNT_LOSS = """
WITH
counted AS (
  UPDATE hpo_ledger.slots
  SET losses = losses + 1, losses_in_a_row = :in_a_row, lease_until = NULL
  WHERE id = :slot_id
  RETURNING id, worker)
INSERT INTO hpo_ledger.losses (slot_id, host, why)
SELECT id, host, CAST(:why AS text)
FROM counted JOIN hpo_ledger.workers ON name = worker
WHERE CAST(:why AS text) IS NOT NULL"""
"""Free a slot that has lost its worker. A loss without a cause tells nothing, so only
others are noted, of hosts that are known."""

IS_LOST_BY_ONE_HOST = """
WITH last AS (
  SELECT host FROM hpo_ledger.losses
  WHERE slot_id = :slot_id
  ORDER BY at DESC LIMIT :in_a_row)
SELECT count(*) = :in_a_row AND count(DISTINCT host) = 1 AND EXISTS (
  SELECT FROM hpo_ledger.workers
  WHERE host NOT IN (SELECT host FROM last) AND ended_at IS NULL
    AND hpo_ledger.holds(seen_at + make_interval(secs => lease_s), lease_s)
    AND coalesce(serves, :study) = :study
    AND refuses ->> CAST(:study AS text) IS NULL)
FROM last"""
"""Check that the last losses of a slot, ``in_a_row``, were those of one host, while
another one serves the study."""

SELECT_LOST_HERE = """
WITH
lost AS (
  SELECT study_id, slot_id, at, why,
    s.state IN ('complete', 'pruned', 'failed') AND w.host <> l.host AS was_finished
  FROM hpo_ledger.losses l
  JOIN hpo_ledger.slots s ON s.id = slot_id
  LEFT JOIN hpo_ledger.workers w ON w.name = s.worker
  WHERE l.host = :host),
own AS (
  SELECT study_id, (
    SELECT max(finished_at)
    FROM hpo_ledger.slots JOIN hpo_ledger.workers ON name = worker
    WHERE host = :host AND study_id = one.study_id) AS at
  FROM (SELECT DISTINCT study_id FROM lost) one)
SELECT
  name, count(DISTINCT slot_id) FILTER (WHERE was_finished) AS n,
  (array_agg(why ORDER BY lost.at DESC))[1] AS why
FROM lost
JOIN hpo_ledger.studies s ON s.id = study_id
JOIN own USING (study_id)
WHERE s.state = 'open' AND (own.at IS NULL OR lost.at > own.at)
GROUP BY name
HAVING max(lost.at) > hpo_ledger.clock() - make_interval(secs => :within_s)"""
"""Select the open studies of which a host has lost trials since it finished one, the
last time ``within_s`` ago at most: the number of those that other hosts then finished,
and the last cause."""

CHECK_LOST_ALONE = f"""
WITH
dead AS (
  SELECT *, seen_at + make_interval(secs => lease_s / {BEATS_PER_LEASE}) AS latest
  FROM hpo_ledger.workers
  WHERE name = :worker AND started_at <=
    CAST(:lease_until AS timestamptz) - make_interval(secs => lease_s)),
others AS (
  SELECT w.*, dead.seen_at AS silent_at, latest
  FROM hpo_ledger.workers w, dead
  WHERE w.name <> :worker AND w.started_at < latest)
SELECT
  EXISTS (SELECT FROM others WHERE seen_at > latest OR name = :who)
  AND NOT EXISTS (
    SELECT FROM others
    WHERE name <> :who AND (ended_at IS NULL OR state = 'lost')
      AND seen_at BETWEEN silent_at - make_interval(secs => lease_s) AND latest)"""
"""Check that a worker was lost alone: an earlier worker is still alive, and none fell
silent at the same time. Parameters: ``worker`` and ``lease_until`` of its slot; ``who``
asks."""
