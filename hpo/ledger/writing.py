"""Heartbeats of workers, writes by the holder of a slot, and ends of slots."""

from __future__ import annotations

import getpass
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, TextClause, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo.contract import Baseline
from hpo.errors import printable
from hpo.ledger import optuna_tables, snapshots, statements
from hpo.ledger.claims import Checkpoint, Claim, End, LeaseLostError
from hpo.ledger.schema import NOW, ask, studies, workers
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    MAX_LOSSES,
    SlotState,
    StudyState,
    Suggestion,
    WorkerState,
    slot_name,
)

FAILED_SHARE = 5
"""A study also stops when one slot in this many has failed."""
NOTICE_S = 120
"""Lifetime of a claimed notice; sending takes 70 s at most, if all channels hang."""

# --- studies ---


def lock_study(connection: Connection, study_id: int) -> None:
    """Lock a study's row until the transaction ends, always before its slots."""
    ask(
        connection,
        "SELECT FROM hpo_ledger.studies WHERE id = :id FOR UPDATE",
        id=study_id,
    )


def state_of(connection: Connection, study_id: int) -> Any:
    """Return the state of a study; None if it was deleted."""
    return ask(
        connection, "SELECT state FROM hpo_ledger.studies WHERE id = :id", id=study_id
    ).scalar()


def change(connection: Connection, study_id: int, **values: Any) -> None:
    """Change columns of a study."""
    connection.execute(update(studies).where(studies.c.id == study_id).values(values))


def turn(
    connection: Connection, study_id: int, state: StudyState, reason: str | None = None
) -> None:
    """Set the state of a study."""
    change(connection, study_id, state=state, state_since=NOW, reason=reason)


def lacks_baselines(connection: Connection, study_id: int) -> bool:
    """Return whether a study has no stored baselines yet."""
    query = "SELECT baselines IS NULL FROM hpo_ledger.studies WHERE id = :id"
    return bool(ask(connection, query, id=study_id).scalar())


def store_baselines(
    connection: Connection, study_id: int, baselines: Sequence[Baseline]
) -> None:
    """Store the baselines of a study, unless it has some."""
    lacking = update(studies).where(
        studies.c.id == study_id, studies.c.baselines.is_(None)
    )
    connection.execute(
        lacking.values(baselines=[item.model_dump() for item in baselines])
    )


# --- events and notifications ---


def note(connection: Connection, study: str, what: str) -> None:
    """Record what the user of this process does to a study, in the same transaction."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    new = (
        "INSERT INTO hpo_ledger.events (who, what, study) VALUES (:who, :what, :study)"
    )
    ask(
        connection,
        new,
        who=printable(f"{user}@{platform.node()}"),
        what=what,
        study=study,
    )


def due_notices(
    connection: Connection, study: str | None
) -> list[tuple[str, StudyState]]:
    """Return study and notice of pending notifications that no worker sends: of one
    study, or all.

    A study that is done or failed again is notified again.
    """
    rows = ask(connection, statements.DUE, study=study, claim_s=NOTICE_S)
    return [(row.name, StudyState(row.state)) for row in rows]


def claim_notice(connection: Connection, study: str, notice: StudyState) -> bool:
    """Claim a notice for this process; return whether it must send it within
    ``NOTICE_S``."""
    ask(connection, f"{statements.STUDY} FOR UPDATE", name=study)
    if (study, notice) not in due_notices(connection, study):
        return False
    mine = """INSERT INTO hpo_ledger.notices (study_id, notice, claimed_at)
    SELECT id, :notice, hpo_ledger.clock() FROM hpo_ledger.studies WHERE name = :study
    ON CONFLICT (study_id, notice) DO UPDATE SET claimed_at = excluded.claimed_at"""
    ask(connection, mine, study=study, notice=notice)
    return True


def settle_notice(
    connection: Connection, study: str, notice: StudyState, sent: bool
) -> None:
    """Record that a notice was sent, or could not be."""
    done = """UPDATE hpo_ledger.notices SET told_at = state_since, claimed_at = NULL
    FROM hpo_ledger.studies WHERE notice = :notice AND name = :study AND study_id = studies.id"""
    ask(connection, done, study=study, notice=notice)
    note(connection, study, f"{'notified' if sent else 'not notified'}: {notice}")


# --- workers ---


def register_worker(
    connection: Connection,
    worker: str,
    *,
    host: str,
    pid: int,
    lease_s: float,
    serves: str | None = None,
    job: str | None = None,
    log: str | None = None,
    numerics: str | None = None,
) -> None:
    """Register a worker as alive; it replaces an earlier one of the same name."""
    row = {
        "host": host,
        "pid": pid,
        "lease_s": lease_s,
        "serves": serves,
        "job": job,
        "log": log,
    }
    row |= {
        "name": worker,
        "state": WorkerState.IDLE,
        "doing": "starting",
        "numerics": numerics,
    }
    new = upsert(workers).values(row)
    whole = {column.name: new.excluded[column.name] for column in workers.c}
    connection.execute(
        new.on_conflict_do_update(index_elements=[workers.c.name], set_=whole)
    )


def renew(
    connection: Connection,
    worker: str,
    claim: Claim | None,
    *,
    doing: str,
    lease_s: float,
    state: WorkerState = WorkerState.WORKING,
    refuses: Mapping[str, str] = MappingProxyType({}),
) -> tuple[bool, datetime]:
    """Renew a worker and its slot; return whether the study is open, and the database's
    time.

    If the study is not open, the worker should release the slot.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    alive = {
        "doing": doing,
        "lease_s": lease_s,
        "state": state,
        "refuses": json.dumps({**refuses}),
    }
    slot = (
        dict.fromkeys(("slot_id", "attempt", "token"))
        if claim is None
        else _owner(claim)
    )
    row = ask(connection, statements.RENEW, **slot | alive | {"worker": worker}).one()
    if claim is not None and row.state is None:
        raise lost(connection, claim)
    return claim is None or row.state == StudyState.OPEN, row.now


def deregister_worker(
    connection: Connection, worker: str, *, refused: str | None = None
) -> None:
    """Record the end of a worker: a clean one, or because it ``refused`` its study."""
    ended = """UPDATE hpo_ledger.workers SET state = :state, doing = :doing,
    seen_at = hpo_ledger.clock(), ended_at = hpo_ledger.clock() WHERE name = :worker"""
    state = WorkerState.ENDED if refused is None else WorkerState.REFUSED
    ask(connection, ended, worker=worker, state=state, doing=refused or "ended")


def release_lost(connection: Connection, worker: str, why: str | None = None) -> bool:
    """Record the death of a worker and free its slot; return whether it held one.

    ``why`` is the cause, None if somebody killed it; see ``count_loss``.
    """
    dead = """UPDATE hpo_ledger.workers SET ended_at = hpo_ledger.clock(), state = 'lost'
    WHERE name = :worker AND ended_at IS NULL"""
    held = """SELECT * FROM hpo_ledger.slots
    WHERE worker = :worker AND state = 'running' AND lease_until IS NOT NULL ORDER BY study_id"""
    ask(connection, dead, worker=worker)
    slots = ask(connection, held, worker=worker).all()
    for study_id in sorted({slot.study_id for slot in slots}):
        lock_study(connection, study_id)
    for slot in ask(connection, f"{held} FOR UPDATE", worker=worker).all():
        count_loss(connection, slot, why)
    return bool(slots)


def was_alone(connection: Connection, slot: Row[Any], who: str) -> bool:
    """Return whether a slot with an expired lease lost its worker alone; ``who`` asks.

    That is so if an earlier worker is still alive, and none fell silent at the same
    time. Otherwise the power, a host, a launch or the network may have failed, and the
    trial need not have killed its worker. A worker beats three times per lease; nothing
    is known of one whose name another process has now.
    """
    values = {"worker": slot.worker, "lease_until": slot.lease_until, "who": who}
    return bool(ask(connection, statements.WAS_ALONE, **values).scalar())


# --- slots ---


def lost(connection: Connection, claim: Claim) -> LeaseLostError:
    """Return the error for a late write, with the slot's fate."""
    query = "SELECT id FROM hpo_ledger.slots WHERE id = :id"
    if ask(connection, query, id=claim.slot_id).scalar() is None:
        return LeaseLostError(
            f"{claim}: deleted while {claim.worker} was at work on it"
        )
    return LeaseLostError(
        f"{claim}: the lease of {claim.worker} has passed to another worker"
    )


def release(connection: Connection, claim: Claim) -> None:
    """Release a slot for the next worker.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    _write(connection, statements.RELEASE, claim)


def _owner(claim: Claim) -> dict[str, Any]:
    """Return the parameters that identify the holder of a slot."""
    return {
        name: getattr(claim, name) for name in ("slot_id", "worker", "attempt", "token")
    }


def _write(
    connection: Connection, statement: TextClause, claim: Claim, **values: Any
) -> Row[Any]:
    """Run a statement for the holder of a running slot only."""
    row = connection.execute(statement, {**_owner(claim), **values}).first()
    if row is None:
        raise lost(connection, claim)
    return row


def store_suggestion(
    connection: Connection, claim: Claim, suggestion: Suggestion
) -> None:
    """Store the suggestion of a claimed trial.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    _write(
        connection,
        statements.STORE_SUGGESTION,
        claim,
        **_suggested(claim.spec, suggestion),
    )


def _suggested(spec: StudySpec, suggestion: Suggestion) -> dict[str, Any]:
    params, attrs = (
        json.dumps(dict(suggestion.params)),
        json.dumps(dict(suggestion.attrs)),
    )
    return {
        "params": params,
        "attrs": attrs,
        **optuna_tables.param_rows(spec, suggestion),
    }


def store_member(connection: Connection, claim: Claim, member: Member) -> None:
    """Store a finished training, and delete its checkpoint.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    _write(connection, statements.STORE_MEMBER, claim, **_member_of(member))


def _member_of(member: Member | None) -> dict[str, Any]:
    """Return the parameters of a member; null without one."""
    if member is None:
        return {f"m_{one.name}": None for one in fields(Member)}
    arrays = {"curve": list(member.curve), "loss_curve": list(member.loss_curve)}
    row = {**vars(member), **arrays, "info": json.dumps(dict(member.info))}
    return {f"m_{name}": value for name, value in row.items()}


def store_checkpoint(
    connection: Connection, claim: Claim, checkpoint: Checkpoint
) -> None:
    """Store the checkpoint of an unfinished training.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    saved = {**vars(checkpoint), "curve": list(checkpoint.curve)}
    _write(connection, statements.STORE_CHECKPOINT, claim, **saved)


def lose(connection: Connection, claim: Claim, why: str) -> None:
    """Release a slot as lost: its worker could not continue, for the reason ``why``.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    lock_study(connection, claim.study_id)
    slot = _write(connection, statements.HELD, claim)
    if (
        slot.lease_until is not None
    ):  # otherwise it was released, and the answer was lost
        count_loss(connection, slot, why)


def count_loss(connection: Connection, slot: Row[Any], why: str | None) -> None:
    """Free a running slot that has lost its worker; stop the study after too many
    losses.

    The transaction holds the lock on the study's row. ``why`` is the cause of death;
    None for an outside cause (a power cut, a kill), which does not count against the
    slot. A slot never fails by losses, since later trials would learn from that.
    """
    in_a_row = slot.losses_in_a_row + (why is not None)
    loss = """UPDATE hpo_ledger.slots
    SET losses = losses + 1, losses_in_a_row = :in_a_row, lease_until = NULL WHERE id = :id"""
    ask(connection, loss, id=slot.id, in_a_row=in_a_row)
    if in_a_row < MAX_LOSSES:
        return
    seeds = "SELECT spec #> '{confirm,members}' FROM hpo_ledger.studies WHERE id = :id"
    fresh_seeds = ask(connection, seeds, id=slot.study_id).scalar()
    reason = (
        f"{slot_name(slot.number, slot.source, fresh_seeds)} has lost {in_a_row}"
        f" workers in a row without progress, it alone; the last one, {slot.worker}:"
        f" {why}"
    )
    turn(connection, slot.study_id, StudyState.FAILED, reason)


def finish(connection: Connection, claim: Claim, end: End) -> bool:
    """Settle a slot, in the ledger and in Optuna's tables.

    Return whether ``apply_failure_policy`` must run.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    if end.attrs is None:
        stored = "SELECT attrs FROM hpo_ledger.slots WHERE id = :id"
        end = replace(
            end, attrs=ask(connection, stored, id=claim.slot_id).scalar() or {}
        )
    if end.trained is None:
        end = replace(end, trained=snapshots.read_members(connection, claim.slot_id))
    row = _finish(connection, claim.spec, _owner(claim), end, claim.slot_amendments)
    if row is None:
        mine = f"SELECT id FROM hpo_ledger.slots WHERE {statements.MINE}"
        if ask(connection, mine, **_owner(claim)).scalar() is None:
            raise lost(connection, claim)
        return True  # this attempt has settled it: the answer was lost
    return bool(row.failures) or end.state == SlotState.FAILED


def _finish(
    connection: Connection,
    spec: StudySpec,
    who: Mapping[str, Any],
    end: End,
    amendments: Sequence[Any],
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
        **optuna_tables.outcome_rows(spec, end, end.shown(who["attempt"], amendments)),
    }
    return connection.execute(
        statements.FINISH, {**who, **values, **_member_of(end.last)}
    ).first()


def restore(connection: Connection, spec: StudySpec, slot: Row[Any], end: End) -> None:
    """Settle a trial from a backup, inserted as running, with its old end; Optuna's,
    too."""
    end = replace(end, trained=snapshots.read_members(connection, slot.id))
    who = {
        "slot_id": slot.id,
        "attempt": slot.attempts,
        "worker": slot.worker,
        "token": slot.token,
    }
    if slot.params:
        suggestion = Suggestion(params=slot.params, attrs=slot.attrs)
        connection.execute(
            statements.STORE_SUGGESTION, {**who, **_suggested(spec, suggestion)}
        )
    if end.state != SlotState.RUNNING:
        _finish(connection, spec, who, end, slot.amendments)


def apply_failure_policy(connection: Connection, study_id: int) -> None:
    """Stop a study whose objective fails systematically, to waste no more slots.

    Only trials before the first running one count, by number, so that the outcome does
    not depend on speed. Accepted failures (``hpo resume``) do not count.
    """
    raised = ask(connection, statements.RAISED, study_id=study_id).all()
    failed = [row.number for row in raised]
    if len(failed) < statements.FAILURES_IN_A_ROW:
        return
    runs = zip(failed, failed[statements.FAILURES_IN_A_ROW - 1 :], strict=False)
    if any(last - first == statements.FAILURES_IN_A_ROW - 1 for first, last in runs):
        rule = f"{statements.FAILURES_IN_A_ROW} slots in a row failed"
    elif len(failed) * FAILED_SHARE >= raised[-1].budget:
        rule = f"{len(failed)} of {raised[-1].budget} slots failed"
    else:
        return
    reason = f"{rule}; the last one:\n{raised[-1].message}"
    turn(connection, study_id, StudyState.FAILED, reason)


def judge_failures(connection: Connection, study_id: int) -> None:
    """Apply the failure policy under the lock on the study's row."""
    lock_study(connection, study_id)
    apply_failure_policy(connection, study_id)
