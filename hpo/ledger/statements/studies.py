"""Statements that read studies, and those that find and lock one."""

LOCK_NAME = "SELECT pg_advisory_xact_lock(hashtext(:name))"
"""Lock a name, so that one process at a time creates a study of it."""

SELECT_STUDY = """
SELECT *, hpo_ledger.clock() AS now, hpo_ledger.timeline() AS timeline
FROM hpo_ledger.studies WHERE name = :name"""

LOCK_STUDY = f"{SELECT_STUDY} FOR UPDATE"

LOCK_STUDY_BY_ID = """
SELECT *, hpo_ledger.clock() AS now FROM hpo_ledger.studies WHERE id = :study_id
FOR UPDATE"""

SELECT_STUDIES = """
SELECT *, hpo_ledger.clock() AS now FROM hpo_ledger.studies WHERE id = ANY(:ids)"""

SELECT_NAMES = "SELECT name FROM hpo_ledger.studies ORDER BY name"

SELECT_STATE = "SELECT state FROM hpo_ledger.studies WHERE id = :study_id"

LACKS_BASELINES = """
SELECT baselines IS NULL FROM hpo_ledger.studies WHERE id = :study_id"""

STORE_BASELINES = """
UPDATE hpo_ledger.studies SET baselines = CAST(:baselines AS json)
WHERE id = :study_id AND baselines IS NULL"""

LACKS_DIFFERENCES = """
SELECT differences IS NULL FROM hpo_ledger.studies WHERE id = :study_id"""

STORE_DIFFERENCES = """
UPDATE hpo_ledger.studies SET differences = CAST(:differences AS json)
WHERE id = :study_id"""

LIST_STUDIES = """
SELECT
  id, name, priority, created_at, spec ->> 'objective' AS objective,
  (SELECT study_id FROM studies WHERE study_id = optuna_study_id) AS optuna_study_id,
  spec #> '{figure,overlay}' AS overlay, finished, running,
  spec -> 'sweep' IS NOT NULL OR spec ->> 'protocol' = 'confirm'
    OR CAST(posterior AS text) = '{}' AND (state = 'done' OR finished <= :most)
      AND coalesce(spec #>> '{confirm,by}' IN ('posterior_mean', 'both'), false)
    OR spec ->> 'objective' = 'imported' AS whole,
  state, reason, amendments, search_end, md5(CAST(spec AS text)) AS spec_hash,
  md5(CAST(code AS text)) AS code_hash, baselines IS NULL AS bare,
  CAST(posterior AS text) = '{}' AS unranked,
  ended, enqueued, latest
FROM hpo_ledger.studies s, LATERAL (
  SELECT
    count(*) FILTER (WHERE state <> 'running' AND phase = 'search') AS finished,
    count(*) FILTER (
      WHERE phase = 'search' AND hpo_ledger.holds(lease_until, lease_s)) AS running,
    count(*) FILTER (WHERE state <> 'running') AS ended,
    max(finished_at) AS latest,
    count(*) FILTER (
      WHERE state = 'running' AND phase = 'search' AND attempts = 0) AS enqueued
  FROM hpo_ledger.slots WHERE study_id = s.id) AS counts
ORDER BY created_at, id"""
"""List studies, oldest first. Columns from ``state`` to ``latest`` are a study's mark;
``whole`` means that lists need more of its trials than ``SELECT_SLOTS_BRIEFLY``
reads. Posterior means need all trials, unless the study stores them, as it does from
the end of its search: those of a search of more than ``most`` that has not ended are
shown only where it is asked for."""

LIST_OPEN_STUDIES = """
SELECT name, priority, json_array_length(code) AS sources,
  (SELECT count(*) FROM hpo_ledger.slots
   WHERE study_id = s.id AND state = 'running'
     AND hpo_ledger.holds(lease_until, lease_s)) AS at_work
FROM hpo_ledger.studies s
WHERE state = 'open' AND spec ->> 'objective' <> :not_served
ORDER BY priority DESC, at_work, greatest(
  (SELECT started_at FROM hpo_ledger.slots
   WHERE study_id = s.id AND phase = 'search' AND started_at <= hpo_ledger.clock()
   ORDER BY number DESC LIMIT 1),
  (SELECT started_at FROM hpo_ledger.slots
   WHERE study_id = s.id AND phase = 'confirm' AND started_at <= hpo_ledger.clock()
   ORDER BY number DESC LIMIT 1)) NULLS FIRST, created_at"""

COUNT_PROGRESS = """
SELECT
  count(*) AS opened, count(finished_at) AS finished, max(finished_at) AS latest,
  coalesce(min(number) FILTER (WHERE state = 'running'), count(*)) AS oldest,
  coalesce(min(number) FILTER (
    WHERE state = 'running' AND attempts = 0 AND params IS NULL AND number > :above),
    count(*)) AS unbegun
FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search'"""
"""Count the opened search trials, which is the next one's number, and the finished
ones, with their latest time; find the ``oldest`` unfinished one, and the first
``unbegun`` one ``above`` another, mostly the next one, unless trials are enqueued."""

COUNT_UNSUGGESTED = """
SELECT count(*) AS n, min(number) AS first FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search' AND state = 'running'
  AND number < :number AND params IS NULL"""

SLOT = """id, study_id, phase, number, source, state, params, attrs, score, costs,
  attempts, losses, losses_in_a_row, worker, message, amendments, started_at,
  finished_at, CAST(lineage AS text) AS lineage, 1 AS alike,
  coalesce(hpo_ledger.holds(lease_until, lease_s), false) AS held"""
SELECT_SLOTS = f"""
SELECT {SLOT}, steps
FROM hpo_ledger.slots
WHERE study_id = ANY(:ids)
ORDER BY phase, number"""

SELECT_SLOTS_OF_TRIALS = f"""
SELECT {SLOT}, steps
FROM hpo_ledger.slots
WHERE study_id = (SELECT id FROM hpo_ledger.studies WHERE name = :name)
  AND phase = 'search' AND number = ANY(:numbers)
ORDER BY number"""

CHOOSE_DRAWN = """
SELECT id, phase, number FROM (
  SELECT id, phase, number, count(*) OVER of_phase AS trials,
    row_number() OVER (of_phase ORDER BY number) AS place,
    row_number() OVER (
      of_phase ORDER BY state = 'complete' DESC, -:sign * score) AS standing
  FROM hpo_ledger.slots
  WHERE study_id = :study_id
  WINDOW of_phase AS (PARTITION BY phase)) AS slots
WHERE phase = 'confirm' OR trials <= :many OR standing <= :some
  OR place * :some / trials > (place - 1) * :some / trials"""
"""Choose the slots whose steps and curves a report draws: all of up to ``many`` trials;
of more ``some`` of the best, by their own score times ``sign``, and as many at even
distances."""

SELECT_SLOTS_DRAWN = rf"""
WITH cut AS (
  SELECT string_agg(DISTINCT steps #>> '{{-1,1}}', '|') AS epochs
  FROM hpo_ledger.slots
  WHERE study_id = :study_id AND state = 'pruned' AND steps #>> '{{-1,0}}' = '0'
    AND :means)
SELECT {SLOT}, CASE WHEN id = ANY(:whole) THEN steps ELSE CAST(
  concat('[', concat_ws(',', (
    SELECT string_agg(step[1], ',')
    FROM regexp_matches(CAST(steps AS text),
      concat('(\[\s*0\s*,\s*(', epochs, ')\s*,[^]]*\])'), 'g') AS found (step)
    WHERE state = 'complete' AND epochs IS NOT NULL),
    steps -> -1), ']') AS json) END AS steps
FROM hpo_ledger.slots, cut
WHERE study_id = :study_id
ORDER BY phase, number"""
"""Like ``SELECT_SLOTS``, but all steps of the slots in ``whole`` alone. Of the others
these are the last one and, of complete trials, those at epochs at which a first network
was pruned: posterior ``means`` depend on no other. An expression finds them in half
the time of PostgreSQL's functions for JSON; the table checks that each is an array of
three numbers."""

SELECT_SLOTS_BRIEFLY = """
WITH
trials AS (
  SELECT
    id, study_id, phase, number, source, state, score, costs, attempts, losses,
    losses_in_a_row, worker, started_at, finished_at, NULL AS params, NULL AS attrs,
    NULL AS message, '{}' AS lineage, NULL AS amendments,
    coalesce(hpo_ledger.holds(lease_until, lease_s), false) AS held,
    step ->> 0 AS last_network, step ->> 1 AS last_epoch, (
      SELECT coalesce(array_agg(epochs ORDER BY member), '{}')
      FROM hpo_ledger.members WHERE slot_id = slots.id) AS trained_epochs,
    CASE WHEN phase = 'confirm' OR state = 'running' OR cardinality(costs) > 0
           OR score > coalesce(max(score) OVER earlier, '-inf')
           OR score < coalesce(min(score) OVER earlier, 'inf')
           OR state = 'complete' AND study_id IN (
             SELECT id FROM hpo_ledger.studies
             WHERE CASE WHEN spec #>> '{confirm,by}' IN ('posterior_mean', 'both')
               THEN CAST(posterior AS text) <> '{}'
               ELSE spec #>> '{confirm,top}' <> '1' END)
         THEN id END AS single
  FROM hpo_ledger.slots, LATERAL (
    SELECT CASE WHEN state <> 'complete' THEN steps -> -1 END AS step OFFSET 0) AS last
  WHERE study_id = ANY(:ids)
  WINDOW earlier AS (
    PARTITION BY study_id, phase, state ORDER BY number
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
shown AS (
  SELECT DISTINCT ON (
      study_id, phase, state, last_network, last_epoch, trained_epochs, single)
    *, count(*) OVER (
      PARTITION BY study_id, phase, state, last_network, last_epoch, trained_epochs,
        single) AS alike
  FROM trials)
SELECT * FROM shown ORDER BY phase, number"""
"""Like ``SELECT_SLOTS``, but only what lists show: running trials, those better than
all before them in either direction, those with costs, confirmations, and complete
trials where several are confirmed or stored means rank them. Of the others, one stands
for all ``alike`` in state, last step, and epochs of each network. A complete trial has
its networks; its steps, long texts, are not read."""

SELECT_MEMBERS_WHERE = """
SELECT
  study_id, slot_id, member, seed, m.score, epochs, diverged, info, seconds,
  CASE WHEN with_curves THEN curve END AS curve,
  CASE WHEN with_curves THEN scored_at END AS scored_at,
  CASE WHEN with_curves THEN loss_curve
       ELSE loss_curve[1:1] || loss_curve[cardinality(loss_curve):] END AS loss_curve
FROM hpo_ledger.members m JOIN hpo_ledger.slots l ON l.id = slot_id,
  LATERAL (SELECT :curves AND coalesce(slot_id = ANY(CAST(:whole AS bigint[])), true)
    AS with_curves) AS asked
WHERE {which}
ORDER BY slot_id, member"""
"""Without ``curves`` they are null, and that of losses has its first and last one;
likewise of slots that are not in ``whole``, if it is given."""
SELECT_MEMBERS_OF_SLOT = SELECT_MEMBERS_WHERE.format(which="slot_id = :slot_id")
SELECT_MEMBERS_OF_SLOTS = SELECT_MEMBERS_WHERE.format(which="slot_id = ANY(:slots)")
SELECT_MEMBERS = SELECT_MEMBERS_WHERE.format(which="study_id = ANY(:ids)")
SELECT_CONFIRMED_MEMBERS = SELECT_MEMBERS_WHERE.format(
    which="study_id = ANY(:ids) AND phase = 'confirm'"
)

SELECT_SLOT_ID = """
SELECT id FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search' AND number = :number"""

COUNT_FOREIGN_TRIALS = """
SELECT count(*) FROM trials
WHERE study_id = (SELECT optuna_study_id FROM hpo_ledger.studies WHERE id = :study_id)
  AND NOT EXISTS (
  SELECT FROM hpo_ledger.slots
  WHERE study_id = :study_id AND optuna_trial_id = trial_id)"""

SELECT_NETWORK = """
SELECT number, data FROM hpo_ledger.networks
JOIN hpo_ledger.slots ON slots.id = slot_id
JOIN hpo_ledger.studies ON studies.id = study_id
WHERE name = :name AND phase = 'confirm' AND source = :source"""

SELECT_EARLIER_STUDIES = """
SELECT DISTINCT ON (s.id) s.name, s.spec, s.about, l.params, l.score
FROM hpo_ledger.studies s JOIN hpo_ledger.slots l ON study_id = s.id
WHERE name <> :name AND phase = 'search' AND l.state = 'complete'
  AND name NOT LIKE '%-quick' AND s.spec ->> 'objective' = :objective
ORDER BY s.id, l.score * :sign DESC, number"""
"""Select the best trial, by score, of every study of the objective."""

SELECT_NEWEST_EVENTS = """
SELECT at, left(who, 80) AS who, left(what, 80) AS what, left(study, 80) AS study
FROM hpo_ledger.events
WHERE CAST(:study AS text) IS NULL
   OR study = :study AND id > coalesce((
     SELECT max(id) FROM hpo_ledger.events
     WHERE study = :study AND what IN ('deleted', 'withdrawn')), 0)
ORDER BY id DESC LIMIT :n"""
"""Select the newest events; of a study, without those of a deleted study of its
name."""

_BE_PATIENT = "set_config('idle_in_transaction_session_timeout', '600s', true)"
LIMIT_READER = f"""
SELECT {_BE_PATIENT}, set_config('statement_timeout', :seconds, true)"""
"""Let a transaction idle while a busy host processes the rows of very many trials; the
database cancels its queries after this many seconds."""

CREATE_STUDY = """
INSERT INTO hpo_ledger.studies (
  name, spec, about, spec_hash, state, optuna_study_id)
VALUES (
  :name, CAST(:spec AS json), CAST(:about AS json), :spec_hash, 'open',
  :optuna_study_id)
RETURNING *"""

SET_STATE = """
UPDATE hpo_ledger.studies
SET state = :state, state_since = hpo_ledger.clock(), reason = :reason
WHERE id = :study_id"""

SET_SPEC = """
UPDATE hpo_ledger.studies SET spec = CAST(:spec AS json) WHERE id = :study_id"""

AMEND_SPEC = """
UPDATE hpo_ledger.studies
SET spec = CAST(:spec AS json), spec_hash = :spec_hash, posterior = '{}'
WHERE id = :study_id"""

SET_CODE = """
UPDATE hpo_ledger.studies
SET code = CAST(:code AS json), about = CAST(:about AS json)
WHERE id = :study_id"""
"""Set the source of the objective, and what is known of it without its class."""

COUNT_AMENDMENT = """
UPDATE hpo_ledger.studies SET amendments = amendments + 1 WHERE id = :study_id"""

SET_POSTERIOR = """
UPDATE hpo_ledger.studies SET posterior = CAST(:posterior AS json)
WHERE id = :study_id"""

FORGET_POSTERIOR = """
UPDATE hpo_ledger.studies SET posterior = '{}' WHERE id = :study_id"""
"""Forget the posterior means from before a change of the history, or a longer
search."""

END_SEARCH = """
UPDATE hpo_ledger.studies SET search_end = :number, search_end_reason = :why
WHERE id = :study_id"""
