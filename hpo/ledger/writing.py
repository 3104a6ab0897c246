"""What the holder of a slot writes down, and how slots end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, Row, TextClause, and_, func, null, select, update

from hpo.ledger import optuna_tables, reading
from hpo.ledger.claims import Checkpoint, Claim, End, LeaseLostError
from hpo.ledger.tables import IS_FAILED, IS_RUNNING, NOW, slots, slots_of, studies
from hpo.ledger.worker_statements import (
    FAILURES_IN_A_ROW,
    FINISH,
    LOST_BEFORE,
    STORE_CHECKPOINT,
    STORE_MEMBER,
    STORE_SUGGESTION,
)
from hpo.study.spec import StudySpec
from hpo.study.trials import MAX_LOSSES, Member, Phase, SlotState, StudyState, Suggestion, slot_name


def lease(seconds: float) -> dict[str, Any]:
    """What a slot says that is held for so many seconds from now."""
    until = NOW + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    return {"lease_until": until, "lease_s": seconds}


def turned(state: StudyState, reason: str | None = None) -> dict[str, Any]:
    """What a study says that is in this state from now on."""
    return {"state": state, "state_since": NOW, "reason": reason}


def is_mine(claim: Claim) -> Any:
    """The condition that a slot is held under this claim, or was settled under it."""
    return and_(
        slots.c.id == claim.slot_id,
        slots.c.worker == claim.worker,
        slots.c.attempts == claim.attempt,
        slots.c.token == claim.token,
    )


def lost(connection: Connection, claim: Claim) -> LeaseLostError:
    """The refusal of a late write, and what became of the slot."""
    query = select(slots.c.id).where(slots.c.id == claim.slot_id)
    if connection.scalar(query) is None:
        return LeaseLostError(f"{claim}: it was deleted while {claim.worker} was at work on it")
    return LeaseLostError(f"{claim}: the lease of {claim.worker} has passed to another worker")


def _locked(connection: Connection, claim: Claim) -> Row[Any]:
    mine = is_mine(claim) & (slots.c.state == SlotState.RUNNING)
    slot = connection.execute(select(slots).where(mine).with_for_update()).one_or_none()
    if slot is None:
        raise lost(connection, claim)
    return slot


def release(connection: Connection, claim: Claim) -> None:
    """Give a slot back, to be claimed by the next worker.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    free(connection, _locked(connection, claim))


def free(connection: Connection, slot: Row[Any]) -> None:
    """Leave a locked slot to the next worker."""
    connection.execute(update(slots).where(slots.c.id == slot.id).values(lease_until=null()))


def _owner(claim: Claim) -> dict[str, Any]:
    """The parameters by which statements know the holder of a slot."""
    return {name: getattr(claim, name) for name in ("slot_id", "worker", "attempt", "token")}


def _write(connection: Connection, statement: TextClause, claim: Claim, **values: Any) -> None:
    """Write something down for the holder of a running slot, and for nobody else."""
    if connection.execute(statement, {**_owner(claim), **values}).first() is None:
        raise lost(connection, claim)


def store_suggestion(connection: Connection, claim: Claim, suggestion: Suggestion) -> None:
    """Write down what was suggested for a claimed trial.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    _write(connection, STORE_SUGGESTION, claim, **_suggested(claim.spec, suggestion))


def _suggested(spec: StudySpec, suggestion: Suggestion) -> dict[str, Any]:
    params, attrs = json.dumps(dict(suggestion.params)), json.dumps(dict(suggestion.attrs))
    return {"params": params, "attrs": attrs, **optuna_tables.params_of(spec, suggestion)}


def store_member(connection: Connection, claim: Claim, member: Member) -> None:
    """Write down a finished training; its checkpoint is no longer needed.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    _write(connection, STORE_MEMBER, claim, **_member_of(member))


def _member_of(member: Member | None) -> dict[str, Any]:
    """The parameters that hold a member; null without one."""
    if member is None:
        return {f"m_{one.name}": None for one in fields(Member)}
    arrays = {"curve": list(member.curve), "loss_curve": list(member.loss_curve)}
    row = {**vars(member), **arrays, "info": json.dumps(dict(member.info))}
    return {f"m_{name}": value for name, value in row.items()}


def store_checkpoint(connection: Connection, claim: Claim, checkpoint: Checkpoint) -> None:
    """Keep an unfinished training safe.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    saved = {**vars(checkpoint), "curve": list(checkpoint.curve)}
    _write(connection, STORE_CHECKPOINT, claim, **saved)


FAILED_SHARE = 5
"""Failures of one slot in this many stop the study, too."""


def lock_study(connection: Connection, study_id: int) -> None:
    """Lock a study's row until the transaction ends: before its slots, wherever both are locked."""
    connection.execute(select(studies.c.id).where(studies.c.id == study_id).with_for_update())


def lose(connection: Connection, claim: Claim, why: str) -> None:
    """Give a slot back as lost: its worker could not go on, for the reason ``why``.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    lock_study(connection, claim.study_id)
    slot = _locked(connection, claim)
    if slot.lease_until is not None:  # else it was given back: the answer was lost
        count_loss(connection, slot, why)


def count_loss(connection: Connection, slot: Row[Any], why: str | None) -> None:
    """Free a running slot that has lost its worker; stop the study if that is one too many.

    The transaction holds the lock on the study's row. ``why`` says what the worker died of; None
    where that may have been the world's doing (a power cut, somebody's kill), which proves nothing
    against the slot. However often it is lost, it never fails: later trials would learn from that.
    """
    in_a_row = slot.losses_in_a_row + (why is not None)
    values = {"losses": slot.losses + 1, "losses_in_a_row": in_a_row, "lease_until": null()}
    connection.execute(update(slots).where(slots.c.id == slot.id).values(values))
    if in_a_row < MAX_LOSSES:
        return
    spec = connection.scalar(select(studies.c.spec).where(studies.c.id == slot.study_id))
    fresh_seeds = (spec.get("confirm") or {}).get("members") if isinstance(spec, dict) else None
    reason = (
        f"{slot_name(slot.number, slot.source, fresh_seeds)} has lost {in_a_row} workers in a row "
        f"without progress, it alone; the last one, {slot.worker}: {why}"
    )
    failed = update(studies).where(studies.c.id == slot.study_id)
    connection.execute(failed.values(turned(StudyState.FAILED, reason)))


def finish(connection: Connection, claim: Claim, end: End) -> bool:
    """Settle a slot, in the ledger and in Optuna's tables alike.

    Returns whether the failure policy must be asked; see ``apply_failure_policy``.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    if end.attrs is None:
        stored = select(slots.c.attrs).where(slots.c.id == claim.slot_id)
        end = replace(end, attrs=connection.scalar(stored) or {})
    if end.trained is None:
        end = replace(end, trained=reading.members_of(connection, claim.slot_id))
    row = _finish(connection, _owner(claim), end, claim.slot_amendments)
    if row is None:
        state = connection.scalar(select(slots.c.state).where(is_mine(claim)))
        if state is None:
            raise lost(connection, claim)
        return True  # settled by this very attempt: the answer was lost
    return bool(row.failures) or end.state == SlotState.FAILED


def _finish(
    connection: Connection, who: Mapping[str, Any], end: End, amendments: Sequence[Any]
) -> Row[Any] | None:
    values = {
        "state": end.state,
        "slot_score": end.score,
        "slot_costs": list(end.costs),
        "steps": list(end.steps),
        "attrs": json.dumps(end.attrs),
        "message": end.message,
        "lineage": json.dumps(end.lineage),
        "settled_at": end.settled_at,
        "network": end.network,
        **optuna_tables.outcome_of(end, end.shown(who["attempt"], amendments)),
    }
    return connection.execute(FINISH, {**who, **values, **_member_of(end.last)}).first()


def restore(connection: Connection, spec: StudySpec, slot: Row[Any], end: End) -> None:
    """Give a trial from a backup, inserted as running, the end that it had; Optuna's, too."""
    end = replace(end, trained=reading.members_of(connection, slot.id))
    who = {"slot_id": slot.id, "attempt": slot.attempts, "worker": slot.worker, "token": slot.token}
    if slot.params:
        suggestion = Suggestion(params=slot.params, attrs=slot.attrs)
        connection.execute(STORE_SUGGESTION, {**who, **_suggested(spec, suggestion)})
    if end.state != SlotState.RUNNING:
        _finish(connection, who, end, slot.amendments)
    if end.state == SlotState.EXCLUDED:
        facts = end.shown(slot.attempts, slot.amendments)
        optuna_tables.exclude_trial(connection, slot.optuna_trial_id, facts)


def apply_failure_policy(connection: Connection, study_id: int) -> None:
    """Stop a study whose objective fails systematically: every further slot would be wasted.

    Only trials before the first running one count, by their numbers, so that the verdict does not
    depend on who was faster. Failures that were accepted (``hpo resume``) do not count.
    """
    search = slots_of(study_id, Phase.SEARCH)
    oldest = select(func.min(slots.c.number)).where(search, IS_RUNNING)
    accepted = select(studies.c.failures_from).where(studies.c.id == study_id)
    raised = and_(
        search,
        IS_FAILED,
        slots.c.message.not_like(LOST_BEFORE),
        slots.c.number >= accepted.scalar_subquery(),
        slots.c.number < func.coalesce(oldest.scalar_subquery(), 2**31 - 1),
    )
    query = select(slots.c.number).where(raised).order_by(slots.c.number)
    failed = connection.scalars(query).all()
    if len(failed) < FAILURES_IN_A_ROW:
        return
    trials = studies.c.spec["budget"]["trials"].as_integer()
    budget = connection.execute(select(trials).where(studies.c.id == study_id)).scalar_one()
    runs = zip(failed, failed[FAILURES_IN_A_ROW - 1 :], strict=False)
    if any(last - first == FAILURES_IN_A_ROW - 1 for first, last in runs):
        rule = f"{FAILURES_IN_A_ROW} slots in a row failed"
    elif len(failed) * FAILED_SHARE >= budget:
        rule = f"{len(failed)} of {budget} slots failed"
    else:
        return
    last = select(slots.c.message).where(search, slots.c.number == failed[-1])
    reason = f"{rule}; the last one:\n{connection.execute(last).scalar_one()}"
    values = turned(StudyState.FAILED, reason)
    connection.execute(update(studies).where(studies.c.id == study_id).values(values))


def judge_failures(connection: Connection, study_id: int) -> None:
    """Apply the failure policy under the lock on the study's row."""
    lock_study(connection, study_id)
    apply_failure_policy(connection, study_id)
