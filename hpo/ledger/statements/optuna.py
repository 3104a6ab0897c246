"""Statements for Optuna's tables alone."""

CREATE_STUDY = """
WITH
created AS (
  INSERT INTO studies (study_name) VALUES (:name)
  ON CONFLICT DO NOTHING
  RETURNING study_id),
directed AS (
  INSERT INTO study_directions (study_id, objective, direction)
  SELECT study_id, place - 1, CAST(direction AS studydirection)
  FROM created,
    unnest(CAST(:directions AS text[])) WITH ORDINALITY AS d (direction, place))
SELECT study_id FROM created"""
"""Create a study; no row if the name is taken."""

FIND_STUDY = "SELECT study_id FROM studies WHERE study_id = :id"

LOCK_STUDY = f"{FIND_STUDY} FOR UPDATE"
"""Lock a study before its next trial, as ``statements.claims.OPEN_NEXT_TRIAL`` does."""

INSERT_RUNNING_TRIAL = """
INSERT INTO trials (study_id, number, state, datetime_start)
SELECT {study_id}, {number}, 'RUNNING', timezone('UTC', {at}){source}
RETURNING trial_id"""
"""Text of a statement; ``source`` is a ``FROM`` of these values, or empty."""

OPEN_TRIAL = INSERT_RUNNING_TRIAL.format(
    study_id=":id", number=":number", at="CAST(:at AS timestamptz)", source=""
)

LOCK_TRIAL = "SELECT trial_id FROM trials WHERE trial_id = :id FOR KEY SHARE"

FORGET_OUTCOME = """
WITH
scores AS (DELETE FROM trial_values WHERE trial_id = :id),
steps AS (DELETE FROM trial_intermediate_values WHERE trial_id = :id),
user_attrs AS (
  DELETE FROM trial_user_attributes WHERE trial_id = :id AND key !~ :user),
system_attrs AS (
  DELETE FROM trial_system_attributes WHERE trial_id = :id AND key !~ :system)
UPDATE trials
SET state = CAST(:state AS trialstate), datetime_complete =
  CASE WHEN :state = 'RUNNING' THEN NULL ELSE datetime_complete END
WHERE trial_id = :id"""
"""Delete what ``slots.SETTLE_SLOT`` has written of a trial, except keys of others:
``user``, ``system``."""

_SET_ATTRS = """
INSERT INTO {table} ({owner}, key, value_json)
SELECT :id, key, value
FROM unnest(CAST(:keys AS text[]), CAST(:texts AS text[])) AS a (key, value)
ON CONFLICT ({owner}, key) DO UPDATE SET value_json = excluded.value_json"""
SET_STUDY_USER_ATTRS = _SET_ATTRS.format(
    table="study_user_attributes", owner="study_id"
)
SET_STUDY_SYSTEM_ATTRS = _SET_ATTRS.format(
    table="study_system_attributes", owner="study_id"
)
SET_TRIAL_USER_ATTRS = _SET_ATTRS.format(
    table="trial_user_attributes", owner="trial_id"
)

SELECT_TRIAL_IDS = "SELECT number, trial_id FROM trials WHERE study_id = :id"

SELECT_ADDITIONS = """
SELECT 'user' AS kind, key, value_json FROM study_user_attributes
WHERE study_id = :id AND key !~ :ours
UNION ALL
SELECT 'system', key, value_json FROM study_system_attributes
WHERE study_id = :id AND key !~ :ours
ORDER BY kind DESC, key"""
"""Select the attributes of a study that others than hpo have written."""
