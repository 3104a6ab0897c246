"""Statements of interventions by hand; the transaction has locked the study."""

SELECT_HOLDERS = """
SELECT worker FROM hpo_ledger.slots
WHERE study_id = :study_id AND hpo_ledger.holds(lease_until, lease_s)"""

SELECT_HELD_TRIALS = """
SELECT number FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search'
  AND hpo_ledger.holds(lease_until, lease_s)
ORDER BY number"""

RELEASE_SLOTS = """
UPDATE hpo_ledger.slots SET lease_until = NULL
WHERE study_id = :study_id AND lease_until IS NOT NULL"""

IS_STUCK = """
SELECT EXISTS (
  SELECT FROM hpo_ledger.slots
  WHERE study_id = :study_id AND state = 'running' AND losses_in_a_row >= :most)"""

FORGET_LOSSES = """
UPDATE hpo_ledger.slots SET losses_in_a_row = 0
WHERE study_id = :study_id AND state = 'running'"""

ENQUEUE_TRIAL = """
INSERT INTO hpo_ledger.slots (
  study_id, phase, number, state, attrs, attempts, optuna_trial_id)
VALUES (
  :study_id, 'search', :number, 'running', CAST(:attrs AS json), 0, :optuna_trial_id)"""

LOCK_TRIAL = """
SELECT *, coalesce(hpo_ledger.holds(lease_until, lease_s), false) AS held
FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search' AND number = :number
FOR UPDATE"""

LOCK_FAILED_SLOTS = """
SELECT * FROM hpo_ledger.slots
WHERE study_id = :study_id AND state = 'failed'
  AND coalesce(source, number) = coalesce(:trial, source, number)
ORDER BY phase DESC, number
FOR UPDATE"""
"""Lock the failed slots of a trial and its confirmation; of all trials if ``trial`` is
null."""

MAY_CONFIRM_OTHERS = """
SELECT coalesce(spec #>> '{confirm,by}' IN ('posterior_mean', 'both'), false)
  OR EXISTS (
  SELECT FROM hpo_ledger.slots WHERE study_id = :study_id AND source = :trial)
FROM hpo_ledger.studies WHERE id = :study_id"""
"""Check if other trials may be best without this one: it was confirmed, or posteriors
change."""

DELETE_CHECKPOINT = "DELETE FROM hpo_ledger.checkpoints WHERE slot_id = :slot_id"

DELETE_STUDY = "DELETE FROM hpo_ledger.studies WHERE id = :study_id"

ACCEPT_FAILURES = """
UPDATE hpo_ledger.studies SET failures_from = :since WHERE id = :study_id"""

SET_PRIORITY = """
UPDATE hpo_ledger.studies SET priority = :priority WHERE id = :study_id"""

REOPEN_SLOT = """
UPDATE hpo_ledger.slots
SET state = 'running', steps = '[]', losses_in_a_row = 0, message = NULL, token = NULL,
    lease_until = NULL, finished_at = NULL, attrs = CAST(:attrs AS json),
    amendments = CAST(:amendments AS json)
WHERE id = :slot_id"""
"""Let a finished slot run again. Parameters and members stay; so does ``attempts``, as
0 would mark it as enqueued and not begun."""

EXCLUDE_SLOT = """
UPDATE hpo_ledger.slots
SET state = 'excluded', ends_at = coalesce(ends_at, CASE
      WHEN :has_clock THEN 1 + (
        SELECT coalesce(max(other.begins_at), 0) FROM hpo_ledger.slots AS other
        WHERE other.study_id = slots.study_id)
      ELSE number END),
    finished_at = coalesce(finished_at, hpo_ledger.clock()),
    message = :message, token = NULL, lease_until = NULL, attrs = CAST(:attrs AS json),
    amendments = CAST(:amendments AS json)
WHERE id = :slot_id"""
"""Exclude a slot; without its token, later writes of its worker are refused. One that
has not begun comes after all that others see already."""
