"""The ledger's SQL; each statement is one message to the database.

``id``, ``worker``, ``attempts`` and ``token`` of a slot identify its holder; a
statement of any other worker matches no row, writes nothing and returns nothing. The
same statement also writes to Optuna's tables, unless the trial was deleted there: the
lock ``FOR KEY SHARE`` keeps it until the end of the transaction. It replaces what
others have written there for a running trial, for instance by ``study.tell``: the
ledger is the authority.
"""

from __future__ import annotations

from sqlalchemy import text

FAILURES_IN_A_ROW = 3
"""Number of failed trials in a row that stops the study."""

MINE = "id = :slot_id AND worker = :worker AND attempts = :attempt AND token = :token"
"""The condition that a claim holds a slot, or has settled it."""
_HELD = """
WITH
held AS (
  SELECT id, losses_in_a_row FROM hpo_ledger.slots
  WHERE id = :slot_id AND worker IS NOT DISTINCT FROM :worker AND attempts = :attempt
    AND token IS NOT DISTINCT FROM :token AND state = 'running'
  FOR UPDATE),
"""
_PROGRESSED = """progressed AS (
  UPDATE hpo_ledger.slots SET losses_in_a_row = 0 FROM held
  WHERE slots.id = held.id AND held.losses_in_a_row > 0),
"""
_MEMBER = """stored AS (
  INSERT INTO hpo_ledger.members (slot_id, member, seed, score, curve, loss_curve, diverged, info,
                                seconds, worker)
  SELECT id, CAST(:m_member AS integer), CAST(:m_seed AS bigint), CAST(:m_score AS float8),
         CAST(:m_curve AS float8[]), CAST(:m_loss_curve AS float8[]),
         CAST(:m_diverged AS boolean), CAST(:m_info AS json), CAST(:m_seconds AS float8), :worker
  FROM held WHERE CAST(:m_member AS integer) IS NOT NULL
  ON CONFLICT DO NOTHING),
"""

STORE_SUGGESTION = text(f"""{_HELD}
suggested AS (
  UPDATE hpo_ledger.slots SET params = CAST(:params AS json), attrs = CAST(:attrs AS json)
  WHERE id = (SELECT id FROM held) RETURNING id, optuna_trial_id),
mirrored AS (
  SELECT trials.trial_id FROM trials JOIN suggested ON trials.trial_id = suggested.optuna_trial_id
  FOR KEY SHARE OF trials),
mirrored_params AS (
  INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
  SELECT trial_id, name, value, distribution
  FROM mirrored, unnest(CAST(:names AS text[]), CAST(:values AS float8[]),
                        CAST(:distributions AS text[])) AS p (name, value, distribution)
  ON CONFLICT (trial_id, param_name) DO UPDATE
  SET param_value = excluded.param_value, distribution_json = excluded.distribution_json)
SELECT id FROM suggested""")
"""Store the suggestion of a slot; it may run again with the same suggestion.

Parameters: the owner's (``slot_id``, ``worker``, ``attempt``, ``token``); ``params``
and ``attrs`` of the suggestion; those of ``optuna_tables.param_rows``.
"""

RELEASE = text(
    f"""
UPDATE hpo_ledger.slots SET lease_until = NULL WHERE {MINE} AND state = 'running' RETURNING id"""
)

HELD = text(
    f"SELECT * FROM hpo_ledger.slots WHERE {MINE} AND state = 'running' FOR UPDATE"
)

STORE_MEMBER = text(f"""{_HELD}{_PROGRESSED}{_MEMBER}
needless AS (DELETE FROM hpo_ledger.checkpoints USING held WHERE slot_id = held.id)
SELECT id FROM held""")
"""Store a finished training, and delete its checkpoint.

Parameters: the owner's and the member's, from ``writing``.
"""

STORE_CHECKPOINT = text(f"""{_HELD}{_PROGRESSED}
stored AS (
  INSERT INTO hpo_ledger.checkpoints (slot_id, member, curve, seconds, data)
  SELECT id, :member, CAST(:curve AS float8[]), :seconds, :data FROM held
  ON CONFLICT (slot_id) DO UPDATE SET member = excluded.member, curve = excluded.curve,
    seconds = excluded.seconds, data = excluded.data)
SELECT id FROM held""")
"""Store the checkpoint of an unfinished training.

Parameters: the owner's; ``member``, ``curve``, ``seconds`` and ``data``.
"""

FINISH = text(f"""{_HELD}{_MEMBER}
kept AS (
  INSERT INTO hpo_ledger.networks (slot_id, data)
  SELECT id, CAST(:network AS bytea) FROM held WHERE CAST(:network AS bytea) IS NOT NULL
  ON CONFLICT (slot_id) DO UPDATE SET data = excluded.data),
settled AS (
  UPDATE hpo_ledger.slots
  SET state = :state, score = CAST(:slot_score AS float8), costs = CAST(:slot_costs AS float8[]),
      steps = CAST(:steps AS float8[]), attrs = CAST(:attrs AS json),
      message = CAST(:message AS text), lineage = CAST(:lineage AS json), lease_until = NULL,
      settled_at = coalesce(CAST(:settled_at AS timestamptz), hpo_ledger.clock())
  WHERE id = (SELECT id FROM held) AND state = 'running'
  RETURNING id, study_id, settled_at, optuna_trial_id),
needless AS (DELETE FROM hpo_ledger.checkpoints USING settled WHERE slot_id = settled.id),
mirrored AS (
  SELECT trials.trial_id, settled_at AS at
  FROM trials JOIN settled ON trials.trial_id = settled.optuna_trial_id
  FOR KEY SHARE OF trials),
mirrored_scores AS (
  INSERT INTO trial_values (trial_id, objective, value, value_type)
  SELECT trial_id, place - 1, value, 'FINITE'
  FROM mirrored, unnest(CAST(:scores AS float8[])) WITH ORDINALITY AS v (value, place)
  ON CONFLICT (trial_id, objective) DO UPDATE
  SET value = excluded.value, value_type = excluded.value_type),
scores_of_others AS (
  DELETE FROM trial_values USING mirrored
  WHERE trial_values.trial_id = mirrored.trial_id
    AND objective >= cardinality(CAST(:scores AS float8[]))),
mirrored_steps AS (
  INSERT INTO trial_intermediate_values
    (trial_id, step, intermediate_value, intermediate_value_type)
  SELECT trial_id, step, nullif(value, 'NaN'),
         CAST(CASE WHEN value = 'NaN' THEN 'NAN' ELSE 'FINITE' END AS trialintermediatevaluetype)
  FROM mirrored,
       unnest(CAST(:mirrored_steps AS float8[]), CAST(:numbers AS int[])) AS s (value, step)
  ON CONFLICT (trial_id, step) DO UPDATE
  SET intermediate_value = excluded.intermediate_value,
      intermediate_value_type = excluded.intermediate_value_type),
steps_of_others AS (
  DELETE FROM trial_intermediate_values AS t USING mirrored
  WHERE t.trial_id = mirrored.trial_id
    AND step <> ALL (CAST(:numbers AS int[]))),
mirrored_user_attrs AS (
  INSERT INTO trial_user_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value
  FROM mirrored, unnest(CAST(:user_keys AS text[]), CAST(:user_texts AS text[])) AS a (key, value)
  ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json),
mirrored_system_attrs AS (
  INSERT INTO trial_system_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value
  FROM mirrored, unnest(CAST(:own_keys AS text[]), CAST(:own_texts AS text[])) AS a (key, value)
  ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json),
mirrored_end AS (
  UPDATE trials SET state = CAST(:trial_state AS trialstate),
                    datetime_complete = timezone('UTC', mirrored.at)
  FROM mirrored WHERE trials.trial_id = mirrored.trial_id)
SELECT EXISTS (SELECT FROM hpo_ledger.slots failed WHERE failed.study_id = settled.study_id
               AND failed.state = 'failed') AS failures FROM settled""")
"""Settle a slot with all its data, and return whether any slot of its study has failed.

Parameters: the owner's; the last member's, null if all are stored; its ``network``,
null if it is not to be stored; the slot's end (``claims.End``; ``settled_at`` is null
for now); those of ``optuna_tables.outcome_rows``.
"""

OPEN = f"""
SELECT id FROM hpo_ledger.studies WHERE name = %(study)s FOR UPDATE;

-- Optuna's readers take the largest trial_id as the newest: serialise as Optuna itself does.
SELECT study_id FROM studies WHERE study_id = (
  SELECT optuna_study_id FROM hpo_ledger.studies WHERE name = %(study)s) FOR UPDATE;

WITH
study AS (
  SELECT id, optuna_study_id, amendments, failures_from, CAST(spec AS text) AS spec,
         spec -> 'stop' IS NOT NULL AS may_end,
         least(CAST(spec #>> '{{budget,trials}}' AS integer), search_end) AS trials,
         CAST(spec #>> '{{budget,window}}' AS integer) AS width
  FROM hpo_ledger.studies
  WHERE name = %(study)s AND state = 'open'
    AND code #>> '{{-1,hash}}' = %(code)s  -- else it is pinned, or refused
    AND (%(looked_after)s OR spec ->> 'require_same_numerics' IS NULL)
    AND EXISTS (SELECT FROM hpo_ledger.version WHERE version = %(version)s)
    AND EXISTS (SELECT FROM studies WHERE study_id = optuna_study_id)),
running AS (
  SELECT number, worker, token, lease_until, lease_s FROM hpo_ledger.slots
  WHERE study_id = (SELECT id FROM study) AND phase = 'search' AND state = 'running'),
facts AS (
  SELECT study.*, (
    SELECT coalesce(max(number), -1) + 1 FROM hpo_ledger.slots
    WHERE study_id = study.id AND phase = 'search') AS number, (
    SELECT min(number) FROM running) AS oldest, (
    SELECT count(*) FROM running
    WHERE hpo_ledger.holds(lease_until, lease_s) AND token IS DISTINCT FROM %(token)s) AS at_work
  FROM study
  WHERE %(looked_after)s OR (
    NOT may_end
    AND NOT EXISTS (  -- an abandoned slot, or one with a claim that its worker did not hear of
      SELECT FROM running
      WHERE lease_until IS NULL
         OR (NOT hpo_ledger.holds(lease_until, lease_s) AND %(take_over)s)
         OR (worker = %(worker)s AND token = %(token)s))
    AND {FAILURES_IN_A_ROW} > (  -- the study may have to be stopped
      SELECT count(*) FROM hpo_ledger.slots
      WHERE study_id = study.id AND phase = 'search' AND state = 'failed'
        AND number >= study.failures_from))),
next AS (
  SELECT *, hpo_ledger.clock() AS opened_at FROM facts
  WHERE number < trials AND (oldest IS NULL OR oldest > number - width)
    AND at_work <= coalesce(%(at_work)s, at_work)),
trial AS (
  INSERT INTO trials (study_id, number, state, datetime_start)
  SELECT optuna_study_id, number, 'RUNNING', timezone('UTC', opened_at) FROM next
  RETURNING trial_id),
slot AS (
  INSERT INTO hpo_ledger.slots (study_id, phase, number, state, attempts, optuna_trial_id, worker,
                              token, started_at, lease_until, lease_s)
  SELECT id, 'search', number, 'running', 1, trial_id, %(worker)s, %(token)s, opened_at,
         opened_at + make_interval(secs => %(lease_s)s), %(lease_s)s
  FROM next, trial RETURNING id, optuna_trial_id)
SELECT facts.*, slot.id AS slot_id, slot.optuna_trial_id FROM facts LEFT JOIN slot ON true"""
"""Open the next trial of a search, in one message of three statements.

Workers of a study open its slots one by one, under the lock on its row. Sent
separately, each statement would keep all other workers waiting for a round trip, and
for the CPU on a busy host; sent together, they hold the lock only as long as the server
needs. ``claiming.claim`` handles rarer cases (an abandoned slot, a confirmation, the
end) under the same lock. Parameters and answer: see ``claiming.open_next``.
"""

ABANDONED = """
SELECT * FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = :phase AND state = 'running'
  AND number = ANY(coalesce(CAST(:numbers AS integer[]), ARRAY[number]))
  AND (attempts > 0 OR phase = 'confirm' OR number < :window + (
    SELECT min(number) FROM hpo_ledger.slots
    WHERE study_id = :study_id AND phase = 'search' AND state = 'running'))
  AND (lease_until IS NULL OR (worker = :worker AND token = :token)
       OR (:take_over AND NOT hpo_ledger.holds(lease_until, lease_s)))
ORDER BY number LIMIT 1 FOR UPDATE"""
"""A slot that its worker released or lost, or holds already because our answer was
lost.

An enqueued slot exists before the window lets it begin: its history may be unsettled.
Parameters:
``study_id``, ``phase``, ``window``; ``numbers``, null for all; the asking worker's
``worker``, ``token``, ``take_over``.
"""

TAKE = """
UPDATE hpo_ledger.slots
SET worker = :worker, token = :token, attempts = :attempt, lease_s = :lease_s,
    lease_until = hpo_ledger.clock() + make_interval(secs => :lease_s),
    started_at = CASE WHEN :begins THEN hpo_ledger.clock() ELSE started_at END
WHERE id = :slot_id"""

WAS_ALONE = """
WITH dead AS (
  SELECT *, seen_at + make_interval(secs => lease_s / 3) AS latest FROM hpo_ledger.workers
  WHERE name = :worker
    AND started_at <= CAST(:lease_until AS timestamptz) - make_interval(secs => lease_s)),
others AS (
  SELECT w.*, dead.seen_at AS silent_at, latest FROM hpo_ledger.workers w, dead
  WHERE w.name <> :worker AND w.started_at < latest)
SELECT EXISTS (SELECT FROM others WHERE seen_at > latest OR name = :who)
  AND NOT EXISTS (
    SELECT FROM others WHERE name <> :who AND (ended_at IS NULL OR state = 'lost')
    AND seen_at BETWEEN silent_at - make_interval(secs => lease_s) AND latest)"""
"""Check that a worker was lost alone: an earlier worker is still alive, and none fell
silent at the same time. Parameters: ``worker`` and ``lease_until`` of its slot; ``who``
asks."""

RENEW = """
WITH alive AS (
  UPDATE hpo_ledger.workers SET seen_at = hpo_ledger.clock(), ended_at = NULL, state = :state,
         doing = :doing, refuses = CAST(:refuses AS json)
  WHERE name = :worker),
mine AS (
  SELECT id, study_id FROM hpo_ledger.slots WHERE id = :slot_id
    AND worker = :worker AND attempts = :attempt AND token = :token FOR UPDATE),
renewed AS (
  UPDATE hpo_ledger.slots SET lease_s = :lease_s,
         lease_until = hpo_ledger.clock() + make_interval(secs => :lease_s)
  FROM mine WHERE slots.id = mine.id AND lease_until IS NOT NULL)
SELECT hpo_ledger.clock() AS now, (
  SELECT state FROM hpo_ledger.studies WHERE id = (SELECT study_id FROM mine)) AS state"""
"""Renew a worker, and the slot that it holds, unless that was settled meanwhile.

Return the time, and the state of the slot's study. Parameters: the owner's; of the
worker ``state``, ``doing``, ``refuses``, ``lease_s``.
"""

RAISED = """
SELECT number, message, CAST(spec #>> '{budget,trials}' AS integer) AS budget
FROM hpo_ledger.slots JOIN hpo_ledger.studies ON studies.id = study_id
WHERE study_id = :study_id AND phase = 'search' AND slots.state = 'failed'
  AND number >= failures_from AND number < coalesce((
    SELECT min(number) FROM hpo_ledger.slots
    WHERE study_id = :study_id AND phase = 'search' AND state = 'running'), 2147483647)
ORDER BY number"""
"""Trials with a failed objective, before the first running one."""

LISTING = """
SELECT id, name, priority, created_at, spec ->> 'objective' AS objective,
       (SELECT study_id FROM studies WHERE study_id = optuna_study_id) AS optuna_study_id,
       spec #> '{figure,overlay}' AS overlay, settled, running,
       spec -> 'sweep' IS NOT NULL OR spec ->> 'protocol' = 'confirm'
         OR coalesce(spec #>> '{confirm,by}' = 'expected', false) AS whole,
       state, reason, amendments, search_end, md5(CAST(spec AS text)) AS spec_hash,
       md5(CAST(code AS text)) AS code_hash, baselines IS NULL AS bare, ended, enqueued, latest
FROM hpo_ledger.studies s, LATERAL (
  SELECT count(*) FILTER (WHERE state <> 'running' AND phase = 'search') AS settled,
         count(*) FILTER (WHERE phase = 'search' AND hpo_ledger.holds(lease_until, lease_s))
           AS running,
         count(*) FILTER (WHERE state <> 'running') AS ended, max(settled_at) AS latest,
         count(*) FILTER (WHERE state = 'running' AND phase = 'search' AND attempts = 0)
           AS enqueued
  FROM hpo_ledger.slots WHERE study_id = s.id) AS counts
ORDER BY created_at, id"""
"""A row per study, oldest first. Columns from ``state`` to ``latest`` are its mark;
``whole`` means that lists need more of its trials than ``BRIEFLY`` reads."""

PATIENT = "SELECT set_config('idle_in_transaction_session_timeout', '600s', true)"
"""Let a transaction idle while a busy host processes the rows of very many trials."""

LOCK_NAME = "SELECT pg_advisory_xact_lock(hashtext(:name))"
"""Lock a name, so that one process at a time creates a study of it."""

STUDY = "SELECT *, hpo_ledger.clock() AS now FROM hpo_ledger.studies WHERE name = :name"

PROGRESS = """
SELECT count(*) AS opened, count(settled_at) AS settled, max(settled_at) AS latest,
       coalesce(min(number) FILTER (WHERE state = 'running'), count(*)) AS oldest,
       coalesce(min(number) FILTER (
         WHERE state = 'running' AND attempts = 0 AND params IS NULL AND number > :above),
         count(*)) AS unbegun
FROM hpo_ledger.slots WHERE study_id = :study_id AND phase = 'search'"""
"""Number of opened search trials, which is the next one's number; number and latest
time of settled ones; the ``oldest`` unsettled one; the first ``unbegun`` one ``above``
another, mostly the next one, unless trials are enqueued."""

UNSUGGESTED = """
SELECT count(*) AS n, min(number) AS first FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search' AND state = 'running'
  AND number < :number AND params IS NULL"""

TRIAL = """
SELECT *, coalesce(hpo_ledger.holds(lease_until, lease_s), false) AS held FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search' AND number = :number FOR UPDATE"""

HOLDERS = """
SELECT worker FROM hpo_ledger.slots
WHERE study_id = :study_id AND hpo_ledger.holds(lease_until, lease_s)"""

STUCK = """
SELECT EXISTS (SELECT FROM hpo_ledger.slots
               WHERE study_id = :id AND state = 'running' AND losses_in_a_row >= :most)"""

FORGET_LOSSES = """
UPDATE hpo_ledger.slots SET losses_in_a_row = 0 WHERE study_id = :id AND state = 'running'"""

MAY_CONFIRM_OTHERS = """
SELECT spec #>> '{confirm,by}' = 'expected' OR EXISTS (
  SELECT FROM hpo_ledger.slots WHERE study_id = :id AND source = :trial)
FROM hpo_ledger.studies WHERE id = :id"""
"""Check if other trials may be best without this one: it was confirmed, or posteriors
change."""

FAILED = """
SELECT * FROM hpo_ledger.slots
WHERE study_id = :study_id AND state = 'failed'
  AND coalesce(source, number) = coalesce(:trial, source, number)
ORDER BY phase DESC, number FOR UPDATE"""
"""Failed slots of a trial and its confirmation; of all trials if ``trial`` is null."""

STUDIES = (
    "SELECT *, hpo_ledger.clock() AS now FROM hpo_ledger.studies WHERE id = ANY(:ids)"
)

SLOTS = """
SELECT *, 1 AS alike, coalesce(hpo_ledger.holds(lease_until, lease_s), false) AS held
FROM hpo_ledger.slots WHERE study_id = ANY(:ids) ORDER BY phase, number"""

BRIEFLY = """
WITH trials AS (
  SELECT id, study_id, phase, number, source, state, score, costs, attempts, losses,
         losses_in_a_row, worker, started_at, settled_at, NULL AS params, NULL AS attrs,
         NULL AS message, NULL AS lineage, NULL AS amendments,
         coalesce(hpo_ledger.holds(lease_until, lease_s), false) AS held,
         cardinality(steps) AS n_steps,
         (SELECT count(*) FROM hpo_ledger.members WHERE slot_id = slots.id) AS n_members,
         CASE WHEN phase = 'confirm' OR state = 'running' OR cardinality(costs) > 0
                OR score > coalesce(max(score) OVER earlier, '-inf')
                OR score < coalesce(min(score) OVER earlier, 'inf')
                OR state = 'complete' AND study_id IN (SELECT id FROM hpo_ledger.studies
                  WHERE spec #>> '{confirm,top}' <> '1') THEN id END AS single
  FROM hpo_ledger.slots WHERE study_id = ANY(:ids)
  WINDOW earlier AS (PARTITION BY study_id, phase, state ORDER BY number
                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT * FROM (
  SELECT DISTINCT ON (study_id, phase, state, n_steps, n_members, single) *,
         count(*) OVER (PARTITION BY study_id, phase, state, n_steps, n_members, single) AS alike
  FROM trials) AS shown ORDER BY phase, number"""
"""Like ``SLOTS``, but only what lists show: running trials, those better than all
before them in either direction, those with costs, confirmations, and complete trials
where several are confirmed. Of the others, one stands for all ``alike`` in state, and
in their numbers of steps and networks."""

MEMBERS = """
SELECT study_id, slot_id, member, seed, m.score, diverged, info, seconds,
       CASE WHEN :curves THEN curve END AS curve,
       CASE WHEN :curves THEN loss_curve END AS loss_curve
FROM hpo_ledger.members m JOIN hpo_ledger.slots l ON l.id = slot_id
WHERE {which} ORDER BY slot_id, member"""
"""Curves are null without ``curves``; ``which`` is one of the conditions below."""
OF_SLOT = "slot_id = :slot_id"
OF_STUDIES = "study_id = ANY(:ids)"
FRESH_OF_STUDIES = "study_id = ANY(:ids) AND phase = 'confirm'"

WORKERS = """
SELECT w.*, extract(epoch FROM hpo_ledger.clock() - seen_at) AS silent, s.name AS study,
       s.spec #> '{confirm,members}' AS fresh_seeds, phase, number, source
FROM hpo_ledger.workers w
LEFT JOIN hpo_ledger.slots l ON l.worker = w.name AND l.state = 'running'
  AND hpo_ledger.holds(lease_until, l.lease_s)
LEFT JOIN hpo_ledger.studies s ON s.id = study_id
WHERE seen_at > hpo_ledger.clock() - make_interval(secs => :recent_s)
ORDER BY w.started_at, w.name"""

AT_WORK = """
SELECT count(*) FROM hpo_ledger.slots
WHERE study_id = :study_id AND state = 'running' AND hpo_ledger.holds(lease_until, lease_s)
  AND token IS DISTINCT FROM :token"""

OPEN_STUDIES = """
SELECT name, priority, (
  SELECT count(*) FROM hpo_ledger.slots WHERE study_id = s.id AND state = 'running'
    AND hpo_ledger.holds(lease_until, lease_s)) AS at_work
FROM hpo_ledger.studies s WHERE state = 'open'
ORDER BY priority DESC, at_work, greatest((
  SELECT started_at FROM hpo_ledger.slots WHERE study_id = s.id AND phase = 'search'
  AND started_at <= hpo_ledger.clock() ORDER BY number DESC LIMIT 1), (
  SELECT started_at FROM hpo_ledger.slots WHERE study_id = s.id AND phase = 'confirm'
  AND started_at <= hpo_ledger.clock() ORDER BY number DESC LIMIT 1)) NULLS FIRST, created_at"""

FOREIGN = """
SELECT count(*) FROM trials WHERE study_id = :optuna_study_id AND NOT EXISTS (
  SELECT FROM hpo_ledger.slots WHERE study_id = :study_id AND optuna_trial_id = trial_id)"""

NETWORK = """
SELECT data FROM hpo_ledger.networks JOIN hpo_ledger.slots ON slots.id = slot_id
JOIN hpo_ledger.studies ON studies.id = study_id
WHERE name = :name AND phase = 'confirm' AND number = :confirmation"""

EARLIER = """
SELECT DISTINCT ON (s.id) s.name, s.spec, l.params, l.score
FROM hpo_ledger.studies s JOIN hpo_ledger.slots l ON study_id = s.id
WHERE name <> :name AND phase = 'search' AND l.state = 'complete' AND name NOT LIKE '%-quick'
AND s.spec ->> 'objective' = :objective AND s.spec -> 'sampler' ->> 'name' NOT LIKE '%:%'
ORDER BY s.id, l.score * :sign DESC, number"""
"""The best trial, by score, of every study of the objective, without importing
modules."""

FIRST_NUMERICS = """
SELECT * FROM (
  SELECT phase, number, coalesce(lineage ->> 'numerics', CASE
    WHEN EXISTS (SELECT FROM hpo_ledger.members WHERE slot_id = l.id)
      OR EXISTS (SELECT FROM hpo_ledger.checkpoints WHERE slot_id = l.id)
      OR hpo_ledger.holds(lease_until, l.lease_s) THEN w.numerics END) AS numerics
  FROM hpo_ledger.slots l LEFT JOIN hpo_ledger.workers w ON w.name = l.worker
  WHERE study_id = :study_id) AS known
WHERE numerics IS NOT NULL ORDER BY phase DESC, number LIMIT 1"""
"""Numerics of a study's first begun trial: from its lineage, or, before it is settled,
from the worker that holds it or has stored a part of it."""

DUE = """
SELECT name, s.state FROM hpo_ledger.studies s
LEFT JOIN hpo_ledger.notices n ON n.study_id = s.id AND notice = s.state
WHERE name = coalesce(:study, name) AND s.state IN ('done', 'failed')
  AND state_since > hpo_ledger.clock() - interval '1 day'
  AND told_at IS DISTINCT FROM state_since
  AND hpo_ledger.holds(claimed_at + make_interval(secs => :claim_s), :claim_s) IS NOT TRUE
ORDER BY s.id"""
"""Studies with an end that is not notified yet; ends older than a day are skipped."""

NEWEST = """
SELECT at, left(who, 80) AS who, left(what, 80) AS what, left(study, 80) AS study
FROM hpo_ledger.events
WHERE CAST(:study AS text) IS NULL OR study = :study AND id > coalesce((
  SELECT max(id) FROM hpo_ledger.events
  WHERE study = :study AND what IN ('deleted', 'withdrawn')), 0)
ORDER BY id DESC LIMIT :n"""
"""The newest events; of a study, without those of a deleted study of its name."""

CREATE = """
WITH created AS (
  INSERT INTO studies (study_name) VALUES (:name) ON CONFLICT DO NOTHING RETURNING study_id),
directed AS (
  INSERT INTO study_directions (study_id, objective, direction)
  SELECT study_id, place - 1, CAST(direction AS studydirection)
  FROM created, unnest(CAST(:directions AS text[])) WITH ORDINALITY AS d (direction, place))
SELECT study_id FROM created"""
"""Create a study in Optuna's tables; no row if the name is taken."""

FORGET = """
WITH scores AS (DELETE FROM trial_values WHERE trial_id = :id),
steps AS (DELETE FROM trial_intermediate_values WHERE trial_id = :id),
user_attrs AS (DELETE FROM trial_user_attributes WHERE trial_id = :id AND key !~ :user),
system_attrs AS (DELETE FROM trial_system_attributes WHERE trial_id = :id AND key !~ :system)
UPDATE trials SET state = CAST(:state AS trialstate),
  datetime_complete = CASE WHEN :state = 'RUNNING' THEN NULL ELSE datetime_complete END
WHERE trial_id = :id"""
"""Delete what ``FINISH`` has written of a trial, except keys of others: ``user``,
``system``."""
