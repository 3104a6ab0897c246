"""The statements of a worker at work: each one message to the database."""

from __future__ import annotations

from optuna.trial import TrialState
from sqlalchemy import func, text

from hpo.ledger.tables import SCHEMA
from hpo.study.trials import SlotState

STATES = {
    SlotState.RUNNING: TrialState.RUNNING,
    SlotState.COMPLETE: TrialState.COMPLETE,
    SlotState.PRUNED: TrialState.PRUNED,
    SlotState.FAILED: TrialState.FAIL,
    SlotState.EXCLUDED: TrialState.FAIL,  # for Optuna, which passes over it
}


_PARAMS = """
params AS (
  INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
  SELECT trial_id, name, value, distribution
  FROM mirrored, unnest(CAST(:names AS text[]), CAST(:values AS float8[]),
                        CAST(:distributions AS text[])) AS p (name, value, distribution)
  ON CONFLICT (trial_id, param_name) DO UPDATE
  SET param_value = excluded.param_value, distribution_json = excluded.distribution_json)"""
_OUTCOME = """
value AS (
  INSERT INTO trial_values (trial_id, objective, value, value_type)
  SELECT trial_id, place - 1, value, 'FINITE'
  FROM mirrored, unnest(CAST(:scores AS float8[])) WITH ORDINALITY AS v (value, place)),
steps AS (
  INSERT INTO trial_intermediate_values
    (trial_id, step, intermediate_value, intermediate_value_type)
  SELECT trial_id, step, nullif(value, 'NaN'),
         CAST(CASE WHEN value = 'NaN' THEN 'NAN' ELSE 'FINITE' END AS trialintermediatevaluetype)
  FROM mirrored, unnest(CAST(:mirrored_steps AS float8[])) WITH ORDINALITY AS s (value, step)),
user_attrs AS (
  INSERT INTO trial_user_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value
  FROM mirrored, unnest(CAST(:user_keys AS text[]), CAST(:user_texts AS text[])) AS a (key, value)),
system_attrs AS (
  INSERT INTO trial_system_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value
  FROM mirrored, unnest(CAST(:own_keys AS text[]), CAST(:own_texts AS text[])) AS a (key, value)),
finished AS (
  UPDATE trials SET state = CAST(:trial_state AS trialstate),
                    datetime_complete = timezone('UTC', mirrored.at)
  FROM mirrored WHERE trials.trial_id = mirrored.trial_id)"""


def _mirrored(source: str, *columns: str) -> str:
    """The trial in Optuna's tables that a row of ``source`` names, unless it was deleted there.

    It stays for this transaction.
    """
    wanted = ", ".join(("trials.trial_id", *columns))
    return (
        f"mirrored AS (SELECT {wanted} FROM trials JOIN {source} "
        f"ON trials.trial_id = {source}.optuna_trial_id FOR KEY SHARE OF trials)"
    )


SUGGESTED = f"{_mirrored('suggested')},{_PARAMS}"
"""SQL that records what was suggested for the trial ``optuna_trial_id`` of the row ``suggested``,
with the values of ``params_of``; it may run again with the same suggestion."""
SETTLED = f"{_mirrored('settled', 'settled_at AS at')},{_OUTCOME}"
"""SQL that finishes the trial ``optuna_trial_id`` of the row ``settled``, at its ``settled_at``,
with the values of ``outcome_of``: everything that it has to say."""


MAX_LOSSES = 3
"""A slot that loses so many workers in a row fails: it may be what kills them.

A stored member or checkpoint begins the count anew: a long trial on hosts that come and go is lost
often, but never at the same place.
"""
NOW = func.clock_timestamp()


MINE = "id = :slot_id AND worker = :worker AND attempts = :attempt AND token = :token"
"""SQL: the row of ``slots`` is held under the claim that ``whose`` gives the values of."""
_HELD = f"""
held AS (
  SELECT id, optuna_trial_id, losses_in_a_row FROM {SCHEMA}.slots
  WHERE {MINE} AND state = 'running' FOR UPDATE),
progressed AS (
  UPDATE {SCHEMA}.slots SET losses_in_a_row = 0 FROM held
  WHERE slots.id = held.id AND held.losses_in_a_row > 0)"""

STORE_SUGGESTION = text(f"""
WITH suggested AS (
  UPDATE {SCHEMA}.slots SET params = CAST(:params AS json), attrs = CAST(:attrs AS json)
  WHERE {MINE} AND state = 'running' RETURNING id, optuna_trial_id),
{SUGGESTED}
SELECT id FROM suggested""")
STORED = f"""
stored AS (
  INSERT INTO {SCHEMA}.members (slot_id, member, seed, score, curve, loss_curve, diverged, info,
                                seconds, worker)
  SELECT id, :m_member, :m_seed, :m_score, CAST(:m_curve AS float8[]),
         CAST(:m_loss_curve AS float8[]), :m_diverged, CAST(:m_info AS json), :m_seconds, :worker
  FROM held ON CONFLICT DO NOTHING)"""
"""SQL that stores a member of the slot ``held``, with the values of ``member_of``."""

STORE_MEMBER = text(f"""
WITH {_HELD}, {STORED},
needless AS (DELETE FROM {SCHEMA}.checkpoints USING held WHERE slot_id = held.id)
SELECT id FROM held""")

STORE_CHECKPOINT = text(f"""
WITH {_HELD},
stored AS (
  INSERT INTO {SCHEMA}.checkpoints (slot_id, member, curve, seconds, data)
  SELECT id, :member, CAST(:curve AS float8[]), :seconds, :data FROM held
  ON CONFLICT (slot_id) DO UPDATE SET member = excluded.member, curve = excluded.curve,
    seconds = excluded.seconds, data = excluded.data)
SELECT id FROM held""")


FAILURES_IN_A_ROW = 3
"""So many failed trials, one number after the other, stop the study."""


_FINISH = f"""
settled AS (
  UPDATE {SCHEMA}.slots
  SET state = :state, score = CAST(:slot_score AS float8), cost = CAST(:slot_cost AS float8),
      steps = CAST(:steps AS float8[]), attrs = CAST(:attrs AS json),
      message = CAST(:message AS text), lineage = CAST(:lineage AS json), lease_until = NULL,
      settled_at = clock_timestamp()
  WHERE %s AND state = 'running'
  RETURNING id, study_id, settled_at, optuna_trial_id),
needless AS (DELETE FROM {SCHEMA}.checkpoints USING settled WHERE slot_id = settled.id),
{SETTLED}
SELECT EXISTS (SELECT FROM {SCHEMA}.slots failed WHERE failed.study_id = settled.study_id
               AND failed.state = 'failed') AS failures FROM settled"""

FINISH_MINE = text(f"WITH {_FINISH % MINE}")

FINISH_WITH_MEMBER = text(
    f"WITH held AS (SELECT id FROM {SCHEMA}.slots WHERE {MINE} AND state = 'running' FOR UPDATE), "
    f"{STORED}, {_FINISH % 'id = (SELECT id FROM held)'}"
)

FINISH_LOCKED = text(f"WITH {_FINISH % 'id = :slot_id'}")


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
