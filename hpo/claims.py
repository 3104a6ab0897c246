"""Claiming: which slot a worker works on next.

All of it happens in one transaction that holds the lock on the study's row, so that slots are
opened one by one: the budget is exact and the window is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    false,
    func,
    insert,
    or_,
    select,
    update,
)

from hpo import mirror, reading
from hpo.settling import NOW, SILENT, after, lose
from hpo.snapshot import Member, Phase, SlotState, StudyState
from hpo.spec import Confirm, StudySpec
from hpo.suggest import Suggestion
from hpo.tables import IS_RUNNING, checkpoints, slots, studies


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An unfinished training, as saved by a worker that stopped or kept it safe."""

    member: int
    curve: tuple[float, ...]
    """Scores that were reported before it."""
    seconds: float
    """Wall time spent up to it."""
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A slot in a worker's hands."""

    slot_id: int
    study_id: int
    spec: StudySpec
    phase: Phase
    number: int
    source: int | None
    attempt: int
    worker: str
    suggestion: Suggestion | None
    optuna_trial_id: int | None
    finished: tuple[Member, ...]
    """Members that were stored by earlier attempts, in order."""
    checkpoint: Checkpoint | None

    @property
    def fresh_seed(self) -> int:
        """Which of the fresh seeds a confirmation trains, from 0."""
        return 0 if self.spec.confirm is None else self.number % self.spec.confirm.members

    def __str__(self) -> str:
        """In words, for logs and views."""
        if self.phase == Phase.SEARCH or self.spec.confirm is None:
            return f"{self.spec.name}: trial {self.number}"
        seeds = f"seed {self.fresh_seed + 1} of {self.spec.confirm.members}"
        return f"{self.spec.name}: confirming trial {self.source}, {seeds}"


@dataclass(frozen=True)
class Wait:
    """Nothing to claim just now."""

    reason: str


@dataclass(frozen=True)
class Over:
    """Nothing to claim ever again, unless the study is extended."""

    reason: str


def claim(
    connection: Connection,
    study: Row[Any],
    spec: StudySpec,
    *,
    worker: str,
    lease_s: float,
    confirm: bool,
    take_over: bool,
) -> Claim | Wait | Over:
    """Take the next slot of a study, the oldest abandoned one first.

    Args:
        connection: a transaction that holds the lock on the study's row.
        study: that row.
        spec: its spec.
        worker: name of the worker, who holds one slot at a time.
        lease_s: seconds for which the slot is the worker's without a sign of life.
        confirm: whether confirmation trainings are wanted, too.
        take_over: whether slots may be taken whose lease has run out. Only by a worker that could
            reach the database for a whole lease: after an outage the others, who could not renew
            theirs, may still be at work.
    """
    if study.state != StudyState.OPEN:
        return Over(f"{spec.name} is {study.state}")
    slot = _abandoned(connection, study.id, worker, confirm=confirm, take_over=take_over)
    if slot is None:
        state = connection.execute(
            select(studies.c.state).where(studies.c.id == study.id)
        ).scalar_one()
        if state != StudyState.OPEN:  # giving up on a lost slot has stopped it
            return Over(f"{spec.name} is {state}")
        opened = _next(connection, study, spec, confirm)
        if not isinstance(opened, Row):
            return opened
        slot = opened
    return _take(connection, slot, spec, worker, lease_s)


def _abandoned(
    connection: Connection, study_id: int, worker: str, *, confirm: bool, take_over: bool
) -> Row[Any] | None:
    """A slot that its worker released or lost; slots lost too often are failed on the way."""
    phases = [Phase.SEARCH, Phase.CONFIRM] if confirm else [Phase.SEARCH]
    expired = slots.c.lease_until < NOW if take_over else false()
    free = or_(slots.c.lease_until.is_(None), expired)
    query = (
        select(slots)
        .where(
            slots.c.study_id == study_id,
            IS_RUNNING,
            slots.c.phase.in_(phases),
            or_(slots.c.worker == worker, free),
        )
        .order_by(slots.c.phase.desc(), slots.c.number)
        .limit(1)
        .with_for_update()
    )
    while True:
        slot = connection.execute(query).one_or_none()
        if slot is None or slot.worker == worker or slot.lease_until is None:
            return slot
        if lose(connection, slot, SILENT):
            return slot


def _next(
    connection: Connection, study: Row[Any], spec: StudySpec, confirm: bool
) -> Row[Any] | Wait | Over:
    """Open the next slot, if the window and the budget allow it."""
    own = (slots.c.study_id == study.id) & (slots.c.phase == Phase.SEARCH)
    last = connection.execute(select(func.max(slots.c.number)).where(own)).scalar_one()
    count = 0 if last is None else last + 1  # slots are opened in order, and never removed
    oldest_running = select(func.min(slots.c.number)).where(own, IS_RUNNING)
    oldest = connection.execute(oldest_running).scalar_one()
    if count < spec.budget.trials:
        if oldest is not None and oldest <= count - spec.budget.window:
            return Wait(
                f"{spec.name}: trial {count} waits for trial {oldest} "
                f"(budget.window = {spec.budget.window})"
            )
        trial_id = mirror.open_trial(connection, study.optuna_study_id, count)
        return _open(connection, study.id, Phase.SEARCH, count, optuna_trial_id=trial_id)
    if oldest is not None:
        return Wait(f"{spec.name}: every trial is taken, trial {oldest} is still running")
    if not confirm:
        return Over(f"{spec.name}: every trial is settled")
    return _next_confirmation(connection, study, spec)


def _next_confirmation(
    connection: Connection, study: Row[Any], spec: StudySpec
) -> Row[Any] | Wait | Over:
    """Open the next confirmation training; without one left, the study is done."""
    query = select(slots.c.number, slots.c.state).where(
        slots.c.study_id == study.id, slots.c.phase == Phase.CONFIRM
    )
    taken = {row.number: row.state for row in connection.execute(query)}
    if spec.confirm is not None:
        best = reading.best(connection, study.id, spec, spec.confirm.top)
        for number, source, params in _wanted(spec.confirm, best):
            if number not in taken:
                values = {"source": source, "params": params}
                return _open(connection, study.id, Phase.CONFIRM, number, **values)
    if SlotState.RUNNING in taken.values():
        return Wait(f"{spec.name}: the last confirmations are running")
    done = update(studies).where(studies.c.id == study.id).values(state=StudyState.DONE)
    connection.execute(done)
    snapshot = reading.snapshot(connection, spec.name, curves=False)
    mirror.publish_confirmed(connection, study.optuna_study_id, snapshot.confirmations)
    return Over(f"{spec.name} is {StudyState.DONE}")


def _wanted(confirm: Confirm, best: Sequence[Row[Any]]) -> Iterator[tuple[int, int, Any]]:
    """Number, source and parameters of every confirmation training, the best trial's first."""
    for row in best:
        for member in range(confirm.members):
            yield row.number * confirm.members + member, row.number, row.params


def _open(
    connection: Connection, study_id: int, phase: Phase, number: int, **values: Any
) -> Row[Any]:
    row = {"study_id": study_id, "phase": phase, "number": number, "state": SlotState.RUNNING}
    return connection.execute(
        insert(slots).values(**row, attempts=0, **values).returning(slots)
    ).one()


def _take(
    connection: Connection, slot: Row[Any], spec: StudySpec, worker: str, lease_s: float
) -> Claim:
    again = slot.worker == worker and slot.lease_until is not None  # our answer was lost
    attempt = slot.attempts if again else slot.attempts + 1
    connection.execute(
        update(slots)
        .where(slots.c.id == slot.id)
        .values(worker=worker, attempts=attempt, lease_until=after(lease_s))
    )
    saved = connection.execute(
        select(checkpoints).where(checkpoints.c.slot_id == slot.id)
    ).one_or_none()
    checkpoint = (
        None
        if saved is None
        else Checkpoint(
            member=saved.member, curve=tuple(saved.curve), seconds=saved.seconds, data=saved.data
        )
    )
    return Claim(
        slot_id=slot.id,
        study_id=slot.study_id,
        spec=spec,
        phase=Phase(slot.phase),
        number=slot.number,
        source=slot.source,
        attempt=attempt,
        worker=worker,
        suggestion=Suggestion(params=slot.params, attrs=slot.attrs) if slot.params else None,
        optuna_trial_id=slot.optuna_trial_id,
        finished=reading.members_of(connection, slot.id),
        checkpoint=checkpoint,
    )
