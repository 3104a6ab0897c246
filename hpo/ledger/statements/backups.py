"""Statements of backups: whole rows out, and rows of a file in."""

SELECT_SLOT_IDS = """
SELECT id FROM hpo_ledger.slots WHERE study_id = :study_id
ORDER BY phase DESC, number"""
"""Select the search in order, then the confirmations."""

SELECT_SLOTS = """
SELECT * FROM hpo_ledger.slots WHERE id = ANY(:ids) ORDER BY phase DESC, number"""

SELECT_MEMBERS = """
SELECT * FROM hpo_ledger.members WHERE slot_id = ANY(:ids) ORDER BY slot_id, member"""

SELECT_CHECKPOINTS = "SELECT * FROM hpo_ledger.checkpoints WHERE slot_id = ANY(:ids)"

SELECT_NETWORKS = "SELECT * FROM hpo_ledger.networks WHERE slot_id = ANY(:ids)"

INSERT_STUDY = """
INSERT INTO hpo_ledger.studies (
  name, optuna_study_id, spec, about, spec_hash, state, state_since, reason, priority,
  amendments, failures_from, search_end, search_end_reason, code, baselines,
  differences, created_at)
VALUES (
  :name, :optuna_study_id, CAST(:spec AS json), CAST(:about AS json), :spec_hash,
  :state, :state_since, :reason, :priority, :amendments, :failures_from, :search_end,
  :search_end_reason,
  CAST(:code AS json), CAST(:baselines AS json),
  CAST(:differences AS json), :created_at)
RETURNING id, optuna_study_id"""

INSERT_SLOT = """
INSERT INTO hpo_ledger.slots (
  study_id, optuna_trial_id, phase, number, source, state, params, attrs, score, costs,
  steps, worker, token, attempts, losses, losses_in_a_row, message, lineage, amendments,
  begins_at, ends_at, started_at, finished_at)
VALUES (
  :study_id, :optuna_trial_id, :phase, :number, :source, :state, CAST(:params AS json),
  CAST(:attrs AS json), :score, CAST(:costs AS float8[]), CAST(:steps AS json),
  :worker, :token, :attempts, :losses, :losses_in_a_row, :message,
  CAST(:lineage AS json), CAST(:amendments AS json), :begins_at, :ends_at,
  :started_at, :finished_at)
RETURNING *"""

INSERT_MEMBER = """
INSERT INTO hpo_ledger.members (
  slot_id, member, seed, score, epochs, curve, scored_at, loss_curve, diverged, info,
  seconds, worker)
VALUES (
  :slot_id, :member, :seed, :score, :epochs, CAST(:curve AS float8[]),
  CAST(:scored_at AS integer[]), CAST(:loss_curve AS float8[]), :diverged,
  CAST(:info AS json), :seconds, :worker)"""

INSERT_CHECKPOINT = """
INSERT INTO hpo_ledger.checkpoints (
  slot_id, member, epoch, curve, scored_at, seconds, data)
VALUES (
  :slot_id, :member, :epoch, CAST(:curve AS float8[]), CAST(:scored_at AS integer[]),
  :seconds, :data)"""

INSERT_NETWORK = """
INSERT INTO hpo_ledger.networks (slot_id, data) VALUES (:slot_id, :data)"""
