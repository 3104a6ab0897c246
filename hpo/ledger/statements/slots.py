"""Statements of the holder of a slot.

They also write to Optuna's tables, unless the trial was deleted there: the lock ``FOR
KEY SHARE`` keeps it until the end of the transaction. They replace what others have
written there for a running trial, for instance by ``study.tell``: the ledger is the
authority.
"""

_MINE = "id = :slot_id AND worker = :worker AND attempts = :attempt AND token = :token"
"""The condition that a claim holds a slot, or has finished it."""
_HELD = """
WITH
held AS (
  SELECT id, study_id, source, number, losses_in_a_row FROM hpo_ledger.slots
  WHERE id = :slot_id AND worker IS NOT DISTINCT FROM :worker AND attempts = :attempt
    AND token IS NOT DISTINCT FROM :token AND state = 'running'
    AND (params IS NOT NULL OR NOT :is_suggested)
    AND :n_stored <= (SELECT count(*) FROM hpo_ledger.members WHERE slot_id = :slot_id)
  FOR UPDATE),
"""
"""Lock the slot that a claim holds, if it has what the holder stored before: a database
that came back in an earlier state may lack that. Parameters: the owner's (``slot_id``,
``worker``, ``attempt``, ``token``); ``is_suggested``, whether its parameters are
stored, and ``n_stored``, number of its members that are."""
_PROGRESSED = """progressed AS (
  UPDATE hpo_ledger.slots SET losses_in_a_row = 0
  FROM held WHERE slots.id = held.id AND held.losses_in_a_row > 0),
"""
_MEMBER = """stored AS (
  INSERT INTO hpo_ledger.members (
    slot_id, member, seed, score, epochs, curve, scored_at, loss_curve, diverged, info,
    seconds, worker)
  SELECT
    id, CAST(:m_member AS integer), CAST(:m_seed AS bigint), CAST(:m_score AS float8),
    CAST(:m_epochs AS integer), CAST(:m_curve AS float8[]),
    CAST(:m_scored_at AS integer[]), CAST(:m_loss_curve AS float8[]),
    CAST(:m_diverged AS boolean), CAST(:m_info AS json), CAST(:m_seconds AS float8),
    :worker
  FROM held
  WHERE CAST(:m_member AS integer) IS NOT NULL
  ON CONFLICT DO NOTHING),
"""

STORE_SUGGESTION = f"""{_HELD}
suggested AS (
  UPDATE hpo_ledger.slots
  SET params = CAST(:params AS json), attrs = CAST(:attrs AS json)
  WHERE id = (SELECT id FROM held)
  RETURNING id, optuna_trial_id),
mirrored AS (
  SELECT trials.trial_id
  FROM trials JOIN suggested ON trials.trial_id = suggested.optuna_trial_id
  FOR KEY SHARE OF trials),
mirrored_params AS (
  INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
  SELECT trial_id, name, value, distribution
  FROM mirrored, unnest(
    CAST(:names AS text[]), CAST(:values AS float8[]), CAST(:distributions AS text[])
  ) AS p (name, value, distribution)
  ON CONFLICT (trial_id, param_name) DO UPDATE
  SET param_value = excluded.param_value,
      distribution_json = excluded.distribution_json)
SELECT id FROM suggested"""
"""Store the suggestion of a slot; it may run again with the same suggestion.

Parameters: the owner's (``slot_id``, ``worker``, ``attempt``, ``token``); ``params``
and ``attrs`` of the suggestion; those of ``optuna_tables.list_params``.
"""

RELEASE_SLOT = f"""
UPDATE hpo_ledger.slots SET lease_until = NULL
WHERE {_MINE} AND state = 'running'
RETURNING id"""

LOCK_HELD_SLOT = f"""
SELECT * FROM hpo_ledger.slots WHERE {_MINE} AND state = 'running' FOR UPDATE"""

LOCK_SLOT = """
SELECT *, CAST(extract(epoch FROM hpo_ledger.clock() - started_at) AS float8) AS seconds
FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = :phase AND number = :number
FOR UPDATE"""

RENEW_ASKED = """
UPDATE hpo_ledger.slots
SET lease_s = :lease_s,
    lease_until = hpo_ledger.clock() + make_interval(secs => :lease_s)
WHERE id = :slot_id"""

CHECK_SLOT = f"""
SELECT {_MINE} AS is_mine, state FROM hpo_ledger.slots WHERE id = :slot_id"""
"""Check whether a claim holds a slot or has finished it, and how it stands."""

SELECT_ATTRS = "SELECT attrs FROM hpo_ledger.slots WHERE id = :slot_id"

STORE_MEMBER = f"""{_HELD}{_PROGRESSED}{_MEMBER}
needless AS (DELETE FROM hpo_ledger.checkpoints USING held WHERE slot_id = held.id)
SELECT id FROM held"""
"""Store a finished training, and delete its checkpoint.

Parameters: the owner's and the member's, from ``writing``.
"""

STORE_CHECKPOINT = f"""{_HELD}{_PROGRESSED}
stored AS (
  INSERT INTO hpo_ledger.checkpoints (
    slot_id, member, epoch, curve, scored_at, seconds, data)
  SELECT
    id, :member, :epoch, CAST(:curve AS float8[]), CAST(:scored_at AS integer[]),
    :seconds, :data
  FROM held
  ON CONFLICT (slot_id) DO UPDATE
  SET member = excluded.member, epoch = excluded.epoch, curve = excluded.curve,
      scored_at = excluded.scored_at, seconds = excluded.seconds, data = excluded.data)
SELECT id FROM held"""
"""Store the checkpoint of an unfinished training.

Parameters: the owner's, and the fields of a ``Checkpoint``.
"""

_LAST_LOSS = "coalesce({curve}[cardinality({curve})], 'NaN')"
"""The training loss of the last epoch; NaN, which PostgreSQL sorts last, of none."""
_OTHER_LOSS = _LAST_LOSS.format(curve="loss_curve")
_OWN_LOSS = _LAST_LOSS.format(curve="(CAST(:m_loss_curve AS float8[]))")
_NETWORK = f"""others AS (
  SELECT
    slots.id, ({_OTHER_LOSS}, slots.number) < ({_OWN_LOSS}, held.number) AS is_better
  FROM held
  JOIN hpo_ledger.slots USING (study_id, source)
  JOIN hpo_ledger.networks n ON n.slot_id = slots.id
  JOIN hpo_ledger.members m ON m.slot_id = slots.id
  WHERE CAST(:network AS bytea) IS NOT NULL AND phase = 'confirm'
    AND slots.id <> held.id),
kept AS (
  INSERT INTO hpo_ledger.networks (slot_id, data)
  SELECT id, CAST(:network AS bytea) FROM held
  WHERE CAST(:network AS bytea) IS NOT NULL
    AND NOT EXISTS (SELECT FROM others WHERE is_better)
  ON CONFLICT (slot_id) DO UPDATE SET data = excluded.data),
worse AS (
  DELETE FROM hpo_ledger.networks USING others
  WHERE slot_id = others.id AND NOT is_better),
"""

_FIRST_END = """CASE
        WHEN json_array_length(amendments) > 0 THEN ends_at
        ELSE coalesce({end}, ends_at) END"""
"""A trial that runs again keeps its place in virtual time."""

STORE_BOUND = f"""{_HELD}
bound AS (
  UPDATE hpo_ledger.slots
  SET ends_at = {_FIRST_END.format(end="greatest(CAST(:ends_at AS float8), ends_at)")}
  WHERE id = (SELECT id FROM held))
SELECT id FROM held"""
"""Store before when a running trial cannot end in virtual time."""

SETTLE_SLOT = f"""{_HELD}{_MEMBER}{_NETWORK}
finished AS (
  UPDATE hpo_ledger.slots
  SET state = :state, score = CAST(:score AS float8), costs = CAST(:costs AS float8[]),
      steps = CAST(:steps AS json), attrs = CAST(:attrs AS json),
      message = CAST(:message AS text), lineage = CAST(:lineage AS json),
      lease_until = NULL, ends_at = {_FIRST_END.format(end="CAST(:ends_at AS float8)")},
      finished_at = coalesce(CAST(:finished_at AS timestamptz), hpo_ledger.clock())
  WHERE id = (SELECT id FROM held) AND state = 'running'
  RETURNING *),
needless AS (
  DELETE FROM hpo_ledger.checkpoints USING finished WHERE slot_id = finished.id),
mirrored AS (
  SELECT
    trials.trial_id, finished.state AS outcome, finished.finished_at,
    CASE WHEN finished.state IN ('complete', 'pruned') AND finished.score IS NOT NULL
         THEN array_prepend(finished.score, finished.costs) ELSE '{{}}' END AS scores,
    CASE WHEN finished.state = 'excluded' THEN '[]' ELSE finished.steps END AS steps
  FROM trials JOIN finished ON trials.trial_id = finished.optuna_trial_id
  FOR KEY SHARE OF trials),
params_of_others AS (
  DELETE FROM trial_params USING finished
  WHERE trial_id = optuna_trial_id
    AND param_name NOT IN (SELECT json_object_keys(finished.params))),
mirrored_scores AS (
  INSERT INTO trial_values (trial_id, objective, value, value_type)
  SELECT trial_id, place - 1, value, 'FINITE'
  FROM mirrored, unnest(scores) WITH ORDINALITY AS v (value, place)
  ON CONFLICT (trial_id, objective) DO UPDATE
  SET value = excluded.value, value_type = excluded.value_type),
scores_of_others AS (
  DELETE FROM trial_values USING mirrored
  WHERE trial_values.trial_id = mirrored.trial_id AND objective >= cardinality(scores)),
steps AS (
  SELECT trial_id, number AS step, CAST(step ->> 2 AS float8) AS value
  FROM mirrored, ROWS FROM (
    json_array_elements(steps), unnest(CAST(:numbers AS integer[]))) AS s (step, number)
  WHERE step IS NOT NULL),
mirrored_steps AS (
  INSERT INTO trial_intermediate_values (
    trial_id, step, intermediate_value, intermediate_value_type)
  SELECT
    trial_id, step, value, CAST('FINITE' AS trialintermediatevaluetype)
  FROM steps
  ON CONFLICT (trial_id, step) DO UPDATE
  SET intermediate_value = excluded.intermediate_value,
      intermediate_value_type = excluded.intermediate_value_type),
steps_of_others AS (
  DELETE FROM trial_intermediate_values AS t USING mirrored
  WHERE t.trial_id = mirrored.trial_id AND step NOT IN (SELECT step FROM steps)),
mirrored_user_attrs AS (
  INSERT INTO trial_user_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value
  FROM mirrored, unnest(
    CAST(:user_keys AS text[]), CAST(:user_texts AS text[])) AS a (key, value)
  ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json),
mirrored_system_attrs AS (
  INSERT INTO trial_system_attributes (trial_id, key, value_json)
  SELECT trial_id, key, value
  FROM mirrored, unnest(
    CAST(:system_keys AS text[]), CAST(:system_texts AS text[])) AS a (key, value)
  WHERE outcome <> 'excluded'
  ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json),
mirrored_end AS (
  UPDATE trials
  SET datetime_complete = timezone('UTC', mirrored.finished_at),
      state = CAST(CASE outcome WHEN 'complete' THEN 'COMPLETE'
                                WHEN 'pruned' THEN 'PRUNED'
                                ELSE 'FAIL' END AS trialstate)
  FROM mirrored WHERE trials.trial_id = mirrored.trial_id)
SELECT EXISTS (
  SELECT FROM hpo_ledger.slots failed
  WHERE failed.study_id = finished.study_id AND failed.state = 'failed') AS failures
FROM finished"""
"""Settle a slot with all its data, and return whether any slot of its study has failed.

Optuna ignores failed and excluded trials; an excluded one is left there as
``optuna_tables.exclude_trial`` leaves it. Parameters: the owner's; the last member's,
null if all are stored; its ``network``, null if it is not to be stored (of all that
retrain a trial, the one of least training loss stays; of equals the first); the
slot's end
(``claim_records.End``; ``finished_at`` is null for now); the ``numbers`` of its steps;
keys and texts of its user and system attributes.
"""
