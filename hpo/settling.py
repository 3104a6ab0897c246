"""What the holder of a slot writes down: suggestion, checkpoints, members, the end.

Every write first checks, in its own transaction, that the slot is still its writer's: a worker
that was silent beyond its lease finds its successor there and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Row, and_, delete, func, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo import mirror, reading
from hpo.errors import HpoError
from hpo.snapshot import Member, Phase, SlotState, StudyState
from hpo.tables import IS_FAILED, IS_RUNNING, checkpoints, members, slots, studies

MAX_LOSSES = 3
"""A slot that loses so many workers in a row fails: it may be what kills them.

A stored member or checkpoint begins the count anew: a long trial on hosts that come and go is lost
often, but never at the same place.
"""
FAILURES_IN_A_ROW = 3
"""So many failed trials, one number after the other, stop the study."""
FAILED_SHARE = 5
"""Failures of one slot in this many stop the study, too."""

SILENT = (
    "killed, out of memory, or cut off from the database, each without progress since the one "
    "before. Look at their logs and at the memory of their hosts."
)
"""What may have become of workers that were lost."""

NOW = func.clock_timestamp()


class LeaseLostError(HpoError):
    """The slot is no longer its worker's, which was silent for longer than its lease."""


class Held(Protocol):
    """A slot in a worker's hands, as far as ownership goes."""

    @property
    def slot_id(self) -> int:
        """The slot."""

    @property
    def worker(self) -> str:
        """Its holder."""

    @property
    def attempt(self) -> int:
        """Which claim of the slot this is."""

    @property
    def token(self) -> str:
        """What tells its holder from others of the same name, living or dead."""


def after(seconds: float) -> Any:
    """The database's time, so many seconds from now."""
    return NOW + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def is_mine(held: Held) -> Any:
    """The condition that a slot is held under this claim, or was settled under it."""
    return and_(
        slots.c.id == held.slot_id,
        slots.c.worker == held.worker,
        slots.c.attempts == held.attempt,
        slots.c.token == held.token,
    )


def lost(connection: Connection, held: Held) -> LeaseLostError:
    """The refusal of a late write, and what became of the slot."""
    query = select(slots.c.token, slots.c.state).where(slots.c.id == held.slot_id)
    slot = connection.execute(query).one_or_none()
    if slot is None:
        return LeaseLostError(f"{held}: it was deleted while {held.worker} was at work on it")
    if slot.token is None and slot.state == SlotState.FAILED:
        return LeaseLostError(
            f"{held}: the lease of {held.worker} ran out as the {MAX_LOSSES}rd in a row, and the "
            f"slot has failed. Its late result is not taken: `hpo retry` runs it again"
        )
    return LeaseLostError(f"{held}: the lease of {held.worker} has passed to another worker")


def lock(connection: Connection, held: Held) -> Row[Any]:
    """The running slot's row, locked.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    mine = is_mine(held) & (slots.c.state == SlotState.RUNNING)
    slot = connection.execute(select(slots).where(mine).with_for_update()).one_or_none()
    if slot is None:
        raise lost(connection, held)
    return slot


def progressed(connection: Connection, slot: Row[Any]) -> None:
    """Begin the count of lost workers anew: this one has brought the slot further."""
    if slot.losses_in_a_row:
        connection.execute(update(slots).where(slots.c.id == slot.id).values(losses_in_a_row=0))


def free(connection: Connection, slot_id: int) -> None:
    """Give a slot back, to be claimed by the next worker."""
    connection.execute(update(slots).where(slots.c.id == slot_id).values(lease_until=null()))


def lock_study(connection: Connection, study_id: int) -> None:
    """Lock a study's row until the transaction ends: before its slots, wherever both are locked."""
    connection.execute(select(studies.c.id).where(studies.c.id == study_id).with_for_update())


def bereave(connection: Connection, worker: str, *, lost: bool) -> bool:
    """Free what a dead worker held, as lost or not; whether it held anything."""
    running = slots.c.lease_until.is_not(None) & IS_RUNNING
    held = select(slots).where(slots.c.worker == worker, running)
    found = connection.execute(held).all()
    for study_id in sorted({slot.study_id for slot in found}):
        lock_study(connection, study_id)
    for slot in connection.execute(held.with_for_update()).all():
        if lost:
            lose(connection, slot, SILENT)
        else:
            free(connection, slot.id)
    return bool(found)


def lose(connection: Connection, slot: Row[Any], why: str) -> bool:
    """Count a lost worker against its slot, and free it; whether the slot may still go on.

    Args:
        connection: a transaction that holds the lock on the study's row.
        slot: the slot's row, running.
        why: what became of the worker, and what to do; for the message of a slot that fails.
    """
    in_a_row = slot.losses_in_a_row + 1
    counts = {"losses": slot.losses + 1, "losses_in_a_row": in_a_row, "lease_until": null()}
    own = slots.c.id == slot.id
    connection.execute(update(slots).where(own).values(counts))
    if in_a_row < MAX_LOSSES:
        return True
    connection.execute(update(slots).where(own).values(token=null()))
    message = f"lost {MAX_LOSSES} workers, the last one {slot.worker}: {why}"
    finish(connection, slot, SlotState.FAILED, message=message)
    return False


def store_member(connection: Connection, held: Held, member: Member) -> None:
    """Write down a finished training; its checkpoint is no longer needed."""
    row = {
        "slot_id": held.slot_id,
        "member": member.member,
        "seed": member.seed,
        "score": member.score,
        "curve": list(member.curve),
        "loss_curve": list(member.loss_curve),
        "diverged": member.diverged,
        "info": dict(member.info),
        "seconds": member.seconds,
        "worker": held.worker,
    }
    connection.execute(upsert(members).values(row).on_conflict_do_nothing())
    connection.execute(delete(checkpoints).where(checkpoints.c.slot_id == held.slot_id))


def finish(
    connection: Connection,
    slot: Row[Any],
    state: SlotState,
    *,
    score: float | None = None,
    steps: Sequence[float] = (),
    attrs: Mapping[str, Any] | None = None,
    message: str | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> None:
    """Settle a slot, in the ledger and in Optuna's tables alike.

    Args:
        connection: a transaction that holds the lock on the study's row.
        slot: the slot's row, running.
        state: how it ended.
        score: mean over the members that were trained.
        steps: values reported to the pruner.
        attrs: the sampler's and pruner's memory of the trial, added to what was stored.
        message: why it failed or was pruned.
        lineage: where the result comes from.
    """
    all_attrs = {**slot.attrs, **(attrs or {})}
    values = {
        "state": state,
        "score": score,
        "steps": list(steps),
        "attrs": all_attrs,
        "message": message,
        "lineage": dict(lineage or {}),
        "lease_until": null(),
        "settled_at": NOW,
    }
    settled = update(slots).where(slots.c.id == slot.id).values(values)
    at = connection.execute(settled.returning(slots.c.settled_at)).scalar_one()
    connection.execute(delete(checkpoints).where(checkpoints.c.slot_id == slot.id))
    if slot.optuna_trial_id is not None:
        trained = reading.members_of(connection, slot.id)
        mirror.settle_trial(
            connection,
            slot.optuna_trial_id,
            state=state,
            at=at,
            score=score,
            steps=steps,
            user_attrs=shown(slot, trained, message, lineage or {}),
            system_attrs=all_attrs,
        )
    _apply_failure_policy(connection, slot.study_id)


def shown(
    slot: Row[Any], trained: Sequence[Member], message: str | None, lineage: Mapping[str, Any]
) -> dict[str, Any]:
    """A trial's user attributes in Optuna's tables."""
    facts: dict[str, Any] = {f"lineage:{key}": value for key, value in lineage.items()}
    facts["attempts"] = slot.attempts
    if trained:
        facts["members:score"] = [m.score for m in trained]
        facts["members:seed"] = [m.seed for m in trained]
        facts["members:diverged"] = sum(m.diverged for m in trained)
    if message:
        facts["message"] = message
    if slot.amendments:
        facts["amendments"] = [{"what": a["what"], "since": a["since"]} for a in slot.amendments]
    if slot.state == SlotState.EXCLUDED:
        facts["excluded:score"] = slot.score
    return facts


def _apply_failure_policy(connection: Connection, study_id: int) -> None:
    """Stop a study whose objective fails systematically: every further slot would be wasted.

    Only trials before the first running one count, by their numbers, so that the verdict does not
    depend on who was faster. Lost workers do not count: they say nothing about the objective; nor
    do failures that were accepted (``hpo resume``).
    """
    search = (slots.c.study_id == study_id) & (slots.c.phase == Phase.SEARCH)
    oldest = select(func.min(slots.c.number)).where(search, IS_RUNNING)
    accepted = select(studies.c.failures_from).where(studies.c.id == study_id)
    raised = and_(
        search,
        IS_FAILED,
        slots.c.losses_in_a_row < MAX_LOSSES,
        slots.c.number >= accepted.scalar_subquery(),
        slots.c.number < func.coalesce(oldest.scalar_subquery(), 2**31 - 1),
    )
    query = select(slots.c.number).where(raised).order_by(slots.c.number)
    failed = list(connection.execute(query).scalars())
    if len(failed) < FAILURES_IN_A_ROW:
        return
    budget = connection.execute(
        select(studies.c.spec["budget"]["trials"].as_integer()).where(studies.c.id == study_id)
    ).scalar_one()
    runs = zip(failed, failed[FAILURES_IN_A_ROW - 1 :], strict=False)
    if any(last - first == FAILURES_IN_A_ROW - 1 for first, last in runs):
        rule = f"{FAILURES_IN_A_ROW} slots in a row failed"
    elif len(failed) * FAILED_SHARE >= budget:
        rule = f"{len(failed)} of {budget} slots failed"
    else:
        return
    message = connection.execute(
        select(slots.c.message).where(search, slots.c.number == failed[-1])
    ).scalar_one()
    connection.execute(
        update(studies)
        .where(studies.c.id == study_id)
        .values(state=StudyState.FAILED, reason=f"{rule}; the last one:\n{message}")
    )
