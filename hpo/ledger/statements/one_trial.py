"""Statements that read a single trial, and the table of all trials."""

from hpo.ledger.statements.studies import SELECT_MEMBERS_WHERE, SLOT

_OF_TRIAL = """study_id = :study_id AND (
  phase = 'search' AND number = :number OR phase = 'confirm' AND source = :number)"""

SELECT_SLOTS_OF_TRIAL = f"""
SELECT {SLOT}, steps FROM hpo_ledger.slots
WHERE {_OF_TRIAL}
ORDER BY phase, number"""
"""Select a search trial, and the slots of its confirmation."""

SELECT_MEMBERS_OF_TRIAL = SELECT_MEMBERS_WHERE.format(which=_OF_TRIAL)

SELECT_TRAININGS_OF_TRIAL = f"""
SELECT
  number AS slot, phase = 'confirm' AS is_fresh, member, m.worker, w.log
FROM hpo_ledger.members m
JOIN hpo_ledger.slots l ON l.id = slot_id
LEFT JOIN hpo_ledger.workers w ON w.name = m.worker
WHERE {_OF_TRIAL}
ORDER BY phase DESC, number, member"""

SELECT_LOSSES_OF_TRIAL = f"""
SELECT at, host, why FROM hpo_ledger.losses
JOIN hpo_ledger.slots ON slots.id = slot_id
WHERE {_OF_TRIAL}
ORDER BY at"""

SELECT_CHECKPOINT_OF_TRIAL = f"""
SELECT member, epoch, seconds FROM hpo_ledger.checkpoints
JOIN hpo_ledger.slots ON slots.id = slot_id
WHERE {_OF_TRIAL}
ORDER BY phase DESC, number LIMIT 1"""

LIST_TRIALS = """
SELECT
  number, state, score, costs, params,
  CAST(extract(epoch FROM finished_at - started_at) AS float8) AS seconds,
  attempts, worker
FROM hpo_ledger.slots
WHERE study_id = :study_id AND phase = 'search'
ORDER BY number"""
"""List the search trials without what is large: steps, attributes, lineage."""
