"""Statements that write finished trials of Optuna: many rows at once, as JSON."""

INSERT_SLOTS = """
INSERT INTO hpo_ledger.slots (
  study_id, optuna_trial_id, phase, number, state, params, attrs, score, costs, steps,
  attempts, message, lineage, begins_at, ends_at, started_at, finished_at)
SELECT
  :study_id, optuna_trial_id, 'search', number, state, params, attrs, score, costs,
  steps, 1, message, lineage, number, number, started_at, finished_at
FROM json_to_recordset(CAST(:rows AS json)) AS row (
  optuna_trial_id integer, number integer, state text, params json, attrs json,
  score float8, costs float8[], steps json, message text, lineage json,
  started_at timestamptz, finished_at timestamptz)
RETURNING id, number"""

INSERT_MEMBERS = """
INSERT INTO hpo_ledger.members (
  slot_id, member, seed, score, epochs, curve, scored_at, loss_curve, diverged, info,
  seconds, worker)
SELECT
  slot_id, 0, seed, score, epochs, curve, scored_at, '{}', false, info, seconds,
  'optuna'
FROM json_to_recordset(CAST(:rows AS json)) AS row (
  slot_id bigint, seed bigint, score float8, epochs integer, curve float8[],
  scored_at integer[], info json, seconds float8)"""

FIND_NATIVE = """
SELECT study_id FROM studies
WHERE study_name = :name AND NOT EXISTS (
  SELECT FROM hpo_ledger.studies WHERE optuna_study_id = study_id)"""
"""Find a study in Optuna's tables that is none of ours."""

LIST_NATIVE = """
SELECT
  s.study_id AS number, s.study_name AS name, finished, running,
  coalesce(timezone('UTC', since), hpo_ledger.clock()) AS created_at,
  CASE WHEN objectives = 1 THEN best END AS best_value
FROM studies s, LATERAL (
  SELECT
    count(*) FILTER (WHERE state IN ('COMPLETE', 'PRUNED', 'FAIL')) AS finished,
    count(*) FILTER (WHERE state = 'RUNNING') AS running,
    min(datetime_start) AS since
  FROM trials WHERE study_id = s.study_id) AS counts, LATERAL (
  SELECT count(*) AS objectives, min(CAST(direction AS text)) AS direction
  FROM study_directions WHERE study_id = s.study_id) AS ways, LATERAL (
  SELECT CASE WHEN direction = 'MAXIMIZE' THEN max(value) ELSE min(value) END AS best
  FROM trial_values JOIN trials ON trials.trial_id = trial_values.trial_id
  WHERE study_id = s.study_id AND state = 'COMPLETE' AND objective = 0) AS values
WHERE NOT EXISTS (
  SELECT FROM hpo_ledger.studies WHERE optuna_study_id = s.study_id)
ORDER BY created_at, number"""
"""List the studies in Optuna's tables that are none of ours; those of several values
have no best one."""
