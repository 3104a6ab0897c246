"""Workers as the ledger knows them: signs of life, leases, and their end."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, alias, func, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo.ledger import writing
from hpo.ledger.claims import Claim
from hpo.ledger.tables import IS_RUNNING, NOW, slots, studies, workers
from hpo.ledger.writing import is_mine, lease
from hpo.study.trials import StudyState, WorkerState


def register(
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
    """Write a worker down as alive; one of the same name is taken for its predecessor."""
    row = {"host": host, "pid": pid, "lease_s": lease_s, "serves": serves, "job": job, "log": log}
    row |= {"state": WorkerState.IDLE, "doing": "starting", "refuses": {}, "numerics": numerics}
    again = {**row, "started_at": NOW, "seen_at": NOW, "ended_at": null()}
    connection.execute(
        upsert(workers)
        .values(name=worker, **row)
        .on_conflict_do_update(index_elements=[workers.c.name], set_=again)
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
) -> bool:
    """Sign of life of a worker and of what it holds; whether its slot's study is still open.

    If it is not, the worker should release the slot.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    alive: dict[str, Any] = {"seen_at": NOW, "ended_at": null()}
    alive |= {"state": state, "doing": doing, "refuses": dict(refuses)}
    connection.execute(update(workers).where(workers.c.name == worker).values(alive))
    if claim is None:
        return True
    held = update(slots).where(is_mine(claim), slots.c.lease_until.is_not(None))
    renewed = connection.execute(held.values(lease(lease_s))).rowcount  # unless settled meanwhile
    if not renewed and connection.scalar(select(slots.c.id).where(is_mine(claim))) is None:
        raise writing.lost(connection, claim)
    query = select(studies.c.state).where(studies.c.id == claim.study_id)
    return connection.scalar(query) == StudyState.OPEN


def deregister(connection: Connection, worker: str, *, refused: str | None = None) -> None:
    """Write a worker down as ended: in order, or because it ``refused`` to serve its study."""
    state = WorkerState.ENDED if refused is None else WorkerState.REFUSED
    ended = {"state": state, "doing": refused or "ended", "seen_at": NOW, "ended_at": NOW}
    connection.execute(update(workers).where(workers.c.name == worker).values(ended))


def release_lost(connection: Connection, worker: str, why: str | None = None) -> bool:
    """Write a worker down as dead; what it held need not wait for the end of its lease.

    Returns whether it held a slot. ``why`` says what it died of, None if somebody killed it: see
    ``writing.count_loss``.
    """
    alive = (workers.c.name == worker) & workers.c.ended_at.is_(None)
    connection.execute(update(workers).where(alive).values(ended_at=NOW, state=WorkerState.LOST))
    running = slots.c.lease_until.is_not(None) & IS_RUNNING
    held = select(slots).where(slots.c.worker == worker, running)
    found = connection.execute(held).all()
    for study_id in sorted({slot.study_id for slot in found}):
        writing.lock_study(connection, study_id)
    for slot in connection.execute(held.with_for_update()).all():
        writing.count_loss(connection, slot, why)
    return bool(found)


def was_alone(connection: Connection, slot: Row[Any], who: str) -> bool:
    """Whether the worker of a slot whose lease ran out was lost alone, as ``who`` finds it.

    So it was if a worker that was there before is alive after, and none fell silent together with
    it. Otherwise the power, a host, a launch or the network may have failed: the trial need not be
    what killed its worker. A worker gives a sign of life three times per lease; of one whose name
    another process bears by now, nothing is known.
    """
    dead = alias(workers, "dead")
    latest = dead.c.seen_at + _seconds(dead.c.lease_s / 3)
    others = select(workers.c.name).where(
        dead.c.name == slot.worker,
        dead.c.started_at <= slot.lease_until - _seconds(dead.c.lease_s),
        workers.c.name != slot.worker,
        workers.c.started_at < latest,
    )
    lives = others.where((workers.c.seen_at > latest) | (workers.c.name == who))
    fell_silent = workers.c.seen_at.between(dead.c.seen_at - _seconds(workers.c.lease_s), latest)
    not_ended = workers.c.ended_at.is_(None) | (workers.c.state == WorkerState.LOST)
    with_it = others.where(fell_silent, not_ended, workers.c.name != who)
    return bool(connection.scalar(select(lives.exists() & ~with_it.exists())))


def _seconds(seconds: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)
