"""What the holder of a slot writes down, and how slots end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, TextClause, and_, func, null, select, update

from hpo.ledger import optuna_tables, reading
from hpo.ledger.lease import Held, LeaseLostError
from hpo.ledger.statements import (
    FAILURES_IN_A_ROW,
    FINISH_LOCKED,
    FINISH_MINE,
    FINISH_WITH_MEMBER,
    MAX_LOSSES,
    NOW,
    STORE_CHECKPOINT,
    STORE_MEMBER,
    STORE_SUGGESTION,
)
from hpo.ledger.tables import IS_FAILED, IS_RUNNING, slots, studies
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.trials import Member, Phase, SlotState, Suggestion


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


def free(connection: Connection, slot_id: int) -> None:
    """Give a slot back, to be claimed by the next worker."""
    connection.execute(update(slots).where(slots.c.id == slot_id).values(lease_until=null()))


def whose(held: Held) -> dict[str, Any]:
    """The values of ``MINE``."""
    return {
        "slot_id": held.slot_id,
        "worker": held.worker,
        "attempt": held.attempt,
        "token": held.token,
    }


def _write(connection: Connection, statement: TextClause, held: Held, **values: Any) -> None:
    """Write something down for the holder of a running slot.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    if connection.execute(statement, {**whose(held), **values}).first() is None:
        raise lost(connection, held)


def store_suggestion(
    connection: Connection, held: Held, spec: StudySpec, suggestion: Suggestion
) -> None:
    """Write down what was suggested for a trial, in the ledger and in Optuna's tables alike.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    params, attrs = json.dumps(dict(suggestion.params)), json.dumps(dict(suggestion.attrs))
    shown = optuna_tables.params_of(spec, suggestion)
    _write(connection, STORE_SUGGESTION, held, params=params, attrs=attrs, **shown)


def store_member(connection: Connection, held: Held, member: Member) -> None:
    """Write down a finished training; its checkpoint is no longer needed.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    _write(connection, STORE_MEMBER, held, **member_of(member))


def member_of(member: Member) -> dict[str, Any]:
    """The values of ``STORED``."""
    return {
        "m_member": member.member,
        "m_seed": member.seed,
        "m_score": member.score,
        "m_curve": list(member.curve),
        "m_loss_curve": list(member.loss_curve),
        "m_diverged": member.diverged,
        "m_info": json.dumps(dict(member.info)),
        "m_seconds": member.seconds,
    }


def store_checkpoint(connection: Connection, held: Held, **values: Any) -> None:
    """Keep an unfinished training safe: ``member``, ``curve``, ``seconds`` and ``data``.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    _write(connection, STORE_CHECKPOINT, held, **values)


FAILED_SHARE = 5
"""Failures of one slot in this many stop the study, too."""


SILENT = (
    "killed, out of memory, or cut off from the database, each without progress since the one "
    "before. Look at their logs and at the memory of their hosts."
)
"""What may have become of workers that were lost."""


def lock_study(connection: Connection, study_id: int) -> None:
    """Lock a study's row until the transaction ends: before its slots, wherever both are locked."""
    connection.execute(select(studies.c.id).where(studies.c.id == study_id).with_for_update())


def release_lost(connection: Connection, worker: str, *, lost: bool) -> bool:
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
    _give_up(connection, slot, message)
    return False


@dataclass(frozen=True, kw_only=True)
class End:
    """How a slot ends."""

    state: SlotState
    score: float | None = None
    """Mean over the members that were trained."""
    cost: float | None = None
    """Likewise of what ``[cost]`` names; None of a slot that is not complete."""
    steps: Sequence[float] = ()
    """Values reported to the pruner."""
    attrs: Mapping[str, Any] | None = None
    """The sampler's and pruner's memory of the trial."""
    message: str | None = None
    """Why it failed or was pruned."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Where the result comes from."""

    def values(self, user_attrs: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``_FINISH``; ``user_attrs`` is what Optuna's tables show of the trial."""
        return {
            "state": self.state,
            "slot_score": self.score,
            "slot_cost": self.cost,
            "steps": list(self.steps),
            "attrs": json.dumps(self.attrs),
            "message": self.message,
            "lineage": json.dumps(self.lineage),
            **optuna_tables.outcome_of(
                self.state, self.score, self.cost, self.steps, user_attrs, self.attrs or {}
            ),
        }


def finish(
    connection: Connection,
    held: Held,
    end: End,
    amendments: Sequence[Mapping[str, Any]],
    trained: Sequence[Member],
    last: Member | None = None,
) -> bool:
    """Settle a slot, in the ledger and in Optuna's tables alike.

    Args:
        connection: a transaction.
        held: who holds it.
        end: how it ends.
        amendments: of the slot.
        trained: its members.
        last: the one of them that is still to be stored.

    Returns:
        Whether the failure policy must be asked; see ``apply_failure_policy``.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    facts = _facts(held.attempt, trained, end.message, end.lineage, amendments)
    values = {**whose(held), **end.values(facts)}
    if last is None:
        row = connection.execute(FINISH_MINE, values).first()
    else:
        row = connection.execute(FINISH_WITH_MEMBER, {**values, **member_of(last)}).first()
    if row is None:
        state = connection.scalar(select(slots.c.state).where(is_mine(held)))
        if state is None:
            raise lost(connection, held)
        return True  # settled by this very attempt: the answer was lost
    return bool(row.failures) or end.state == SlotState.FAILED


def _give_up(connection: Connection, slot: Row[Any], message: str) -> None:
    """Fail a slot whose row is locked, and that of its study."""
    end = End(state=SlotState.FAILED, message=message, attrs=slot.attrs)
    trained = reading.members_of(connection, slot.id)
    facts = _facts(slot.attempts, trained, message, {}, slot.amendments)
    connection.execute(FINISH_LOCKED, {"slot_id": slot.id, **end.values(facts)})
    apply_failure_policy(connection, slot.study_id)


def shown(
    slot: Row[Any], trained: Sequence[Member], message: str | None, lineage: Mapping[str, Any]
) -> dict[str, Any]:
    """A trial's user attributes in Optuna's tables."""
    facts = _facts(slot.attempts, trained, message, lineage, slot.amendments)
    if slot.state == SlotState.EXCLUDED:
        facts["excluded:score"] = slot.score
    return facts


def _facts(
    attempts: int,
    trained: Sequence[Member],
    message: str | None,
    lineage: Mapping[str, Any],
    amendments: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    facts: dict[str, Any] = {f"lineage:{key}": value for key, value in lineage.items()}
    facts["attempts"] = attempts
    if trained:
        facts["members:score"] = [m.score for m in trained]
        facts["members:seed"] = [m.seed for m in trained]
        facts["members:diverged"] = sum(m.diverged for m in trained)
    if message:
        facts["message"] = message
    if amendments:
        facts["amendments"] = [{"what": a["what"], "since": a["since"]} for a in amendments]
    return facts


def apply_failure_policy(connection: Connection, study_id: int) -> None:
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
