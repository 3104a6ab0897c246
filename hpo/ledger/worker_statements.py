"""The SQL of workers at work, each statement as it is sent: one message to the database.

Whoever holds a slot is known by ``id``, ``worker``, ``attempts`` and ``token`` of its row; what
comes from anybody else finds no row, writes nothing and returns nothing. What is written in the
ledger is written in Optuna's tables by the same statement, unless the trial was deleted there: the
lock ``FOR KEY SHARE`` keeps it there until the end of the transaction. What others have written
there of a running trial, as ``study.tell`` does, is written over: the ledger is the authority.
"""

from __future__ import annotations

from sqlalchemy import text

from hpo.ledger.tables import SCHEMA

FAILURES_IN_A_ROW = 3
"""So many failed trials, one number after the other, stop the study."""

LOST_BEFORE = "lost 3 workers, %"
"""So begin the messages of slots that failed by their losses, as they did in earlier versions: that
is no failure of the objective."""

STORE_SUGGESTION = text(f"""
WITH
suggested AS (
  UPDATE {SCHEMA}.slots SET params = CAST(:params AS json), attrs = CAST(:attrs AS json)
  WHERE id = :slot_id AND worker IS NOT DISTINCT FROM :worker AND attempts = :attempt
    AND token IS NOT DISTINCT FROM :token AND state = 'running'
  RETURNING id, optuna_trial_id),
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
"""Write down what was suggested for a slot; it may run again with the same suggestion.

Parameters: the owner's (``slot_id``, ``worker``, ``attempt``, ``token``); ``params`` and ``attrs``
of the suggestion; those of ``optuna_tables.params_of``.
"""

STORE_MEMBER = text(f"""
WITH
held AS (
  SELECT id, losses_in_a_row FROM {SCHEMA}.slots
  WHERE id = :slot_id AND worker = :worker AND attempts = :attempt AND token = :token
    AND state = 'running'
  FOR UPDATE),
progressed AS (
  UPDATE {SCHEMA}.slots SET losses_in_a_row = 0 FROM held
  WHERE slots.id = held.id AND held.losses_in_a_row > 0),
stored AS (
  INSERT INTO {SCHEMA}.members (slot_id, member, seed, score, curve, loss_curve, diverged, info,
                                seconds, worker)
  SELECT id, :m_member, :m_seed, :m_score, CAST(:m_curve AS float8[]),
         CAST(:m_loss_curve AS float8[]), :m_diverged, CAST(:m_info AS json), :m_seconds, :worker
  FROM held ON CONFLICT DO NOTHING),
needless AS (DELETE FROM {SCHEMA}.checkpoints USING held WHERE slot_id = held.id)
SELECT id FROM held""")
"""Write down a finished training; its checkpoint is no longer needed.

Parameters: the owner's and the member's, as ``writing`` gives them.
"""

STORE_CHECKPOINT = text(f"""
WITH
held AS (
  SELECT id, losses_in_a_row FROM {SCHEMA}.slots
  WHERE id = :slot_id AND worker = :worker AND attempts = :attempt AND token = :token
    AND state = 'running'
  FOR UPDATE),
progressed AS (
  UPDATE {SCHEMA}.slots SET losses_in_a_row = 0 FROM held
  WHERE slots.id = held.id AND held.losses_in_a_row > 0),
stored AS (
  INSERT INTO {SCHEMA}.checkpoints (slot_id, member, curve, seconds, data)
  SELECT id, :member, CAST(:curve AS float8[]), :seconds, :data FROM held
  ON CONFLICT (slot_id) DO UPDATE SET member = excluded.member, curve = excluded.curve,
    seconds = excluded.seconds, data = excluded.data)
SELECT id FROM held""")
"""Keep an unfinished training safe.

Parameters: the owner's; ``member``, ``curve``, ``seconds`` and ``data``.
"""

FINISH = text(f"""
WITH
held AS (
  SELECT id FROM {SCHEMA}.slots
  WHERE id = :slot_id AND worker IS NOT DISTINCT FROM :worker AND attempts = :attempt
    AND token IS NOT DISTINCT FROM :token AND state = 'running'
  FOR UPDATE),
stored AS (
  INSERT INTO {SCHEMA}.members (slot_id, member, seed, score, curve, loss_curve, diverged, info,
                                seconds, worker)
  SELECT id, CAST(:m_member AS integer), CAST(:m_seed AS bigint), CAST(:m_score AS float8),
         CAST(:m_curve AS float8[]), CAST(:m_loss_curve AS float8[]),
         CAST(:m_diverged AS boolean), CAST(:m_info AS json), CAST(:m_seconds AS float8), :worker
  FROM held WHERE CAST(:m_member AS integer) IS NOT NULL
  ON CONFLICT DO NOTHING),
kept AS (
  INSERT INTO {SCHEMA}.networks (slot_id, data)
  SELECT id, CAST(:network AS bytea) FROM held WHERE CAST(:network AS bytea) IS NOT NULL
  ON CONFLICT (slot_id) DO UPDATE SET data = excluded.data),
settled AS (
  UPDATE {SCHEMA}.slots
  SET state = :state, score = CAST(:slot_score AS float8), costs = CAST(:slot_costs AS float8[]),
      steps = CAST(:steps AS float8[]), attrs = CAST(:attrs AS json),
      message = CAST(:message AS text), lineage = CAST(:lineage AS json), lease_until = NULL,
      settled_at = coalesce(CAST(:settled_at AS timestamptz), {SCHEMA}.clock())
  WHERE id = (SELECT id FROM held) AND state = 'running'
  RETURNING id, study_id, settled_at, optuna_trial_id),
needless AS (DELETE FROM {SCHEMA}.checkpoints USING settled WHERE slot_id = settled.id),
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
  FROM mirrored, unnest(CAST(:mirrored_steps AS float8[])) WITH ORDINALITY AS s (value, step)
  ON CONFLICT (trial_id, step) DO UPDATE
  SET intermediate_value = excluded.intermediate_value,
      intermediate_value_type = excluded.intermediate_value_type),
steps_of_others AS (
  DELETE FROM trial_intermediate_values AS t USING mirrored
  WHERE t.trial_id = mirrored.trial_id
    AND (step < 1 OR step > cardinality(CAST(:mirrored_steps AS float8[])))),
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
SELECT EXISTS (SELECT FROM {SCHEMA}.slots failed WHERE failed.study_id = settled.study_id
               AND failed.state = 'failed') AS failures FROM settled""")
"""Settle a slot with everything that it has to say, and tell whether any of its study has failed.

Parameters: the owner's; those of the last member, null where nothing is left to be stored; its
``network``, null unless it is to be kept; how the slot ends (``claims.End``; ``settled_at`` is null
for now); those of ``optuna_tables.outcome_of``.
"""

OPEN = f"""
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
    AND code #>> '{{-1,hash}}' = %(code)s  -- else it is pinned, or refused
    AND (%(looked_after)s OR spec ->> 'require_same_numerics' IS NULL)
    AND EXISTS (SELECT FROM {SCHEMA}.version WHERE version = %(version)s)
    AND EXISTS (SELECT FROM studies WHERE study_id = optuna_study_id)),
running AS (
  SELECT number, worker, token, lease_until, lease_s FROM {SCHEMA}.slots
  WHERE study_id = (SELECT id FROM study) AND phase = 'search' AND state = 'running'),
facts AS (
  SELECT study.*, (
    SELECT coalesce(max(number), -1) + 1 FROM {SCHEMA}.slots
    WHERE study_id = study.id AND phase = 'search') AS number, (
    SELECT min(number) FROM running) AS oldest, (
    SELECT count(*) FROM running
    WHERE {SCHEMA}.holds(lease_until, lease_s) AND token IS DISTINCT FROM %(token)s) AS at_work
  FROM study
  WHERE %(looked_after)s OR (
    NOT may_end
    AND NOT EXISTS (  -- one that was abandoned, or whose claim was not heard of by its worker
      SELECT FROM running
      WHERE lease_until IS NULL
         OR (NOT {SCHEMA}.holds(lease_until, lease_s) AND %(take_over)s)
         OR (worker = %(worker)s AND token = %(token)s))
    AND {FAILURES_IN_A_ROW} > (  -- the study may have to be stopped
      SELECT count(*) FROM {SCHEMA}.slots
      WHERE study_id = study.id AND phase = 'search' AND state = 'failed'
        AND number >= study.failures_from AND message NOT LIKE %(lost_before)s))),
next AS (
  SELECT *, {SCHEMA}.clock() AS opened_at FROM facts
  WHERE number < trials AND (oldest IS NULL OR oldest > number - width)
    AND at_work <= coalesce(%(at_work)s, at_work)),
trial AS (
  INSERT INTO trials (study_id, number, state, datetime_start)
  SELECT optuna_study_id, number, 'RUNNING', timezone('UTC', opened_at) FROM next
  RETURNING trial_id),
slot AS (
  INSERT INTO {SCHEMA}.slots (study_id, phase, number, state, attempts, optuna_trial_id, worker,
                              token, started_at, lease_until, lease_s)
  SELECT id, 'search', number, 'running', 1, trial_id, %(worker)s, %(token)s, opened_at,
         opened_at + make_interval(secs => %(lease_s)s), %(lease_s)s
  FROM next, trial RETURNING id, optuna_trial_id)
SELECT facts.*, slot.id AS slot_id, slot.optuna_trial_id FROM facts LEFT JOIN slot ON true"""
"""Open the next trial of a search, in one message of three statements.

Workers of a study open its slots one after the other, under the lock on its row. If the statements
of that were sent one by one, each would keep all other workers waiting for a round trip, and for
the turn of its worker on a busy host; sent together, the lock is held as long as the server needs.
What is rarer than a new trial (an abandoned slot, a confirmation, the end) ``claiming.claim`` looks
after, under the same lock. Parameters and answer: see ``claiming.open_next``.
"""
