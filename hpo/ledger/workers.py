"""Workers as the ledger knows them: signs of life, leases, and their end."""

from __future__ import annotations

from sqlalchemy import Connection, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo.ledger import writing
from hpo.ledger.claims import Claim
from hpo.ledger.tables import IS_RUNNING, slots, studies, workers
from hpo.ledger.worker_statements import NOW
from hpo.ledger.writing import after, is_mine
from hpo.study.snapshot import StudyState


def register(
    connection: Connection,
    worker: str,
    *,
    host: str,
    pid: int,
    lease_s: float,
    job: str | None = None,
    log: str | None = None,
) -> None:
    """Write a worker down as alive; one of the same name is taken for its predecessor."""
    row = {"host": host, "pid": pid, "lease_s": lease_s, "job": job, "log": log}
    row["doing"] = "starting"
    again = {**row, "started_at": NOW, "seen_at": NOW, "ended_at": null()}
    connection.execute(
        upsert(workers)
        .values(name=worker, **row)
        .on_conflict_do_update(index_elements=[workers.c.name], set_=again)
    )


def renew(
    connection: Connection, worker: str, claim: Claim | None, *, doing: str, lease_s: float
) -> bool:
    """Sign of life of a worker and of what it holds; whether its slot's study is still open.

    If it is not, the worker should release the slot.

    Raises:
        LeaseLostError: the slot is another worker's by now.
    """
    alive = {"seen_at": NOW, "doing": doing, "ended_at": null()}
    connection.execute(update(workers).where(workers.c.name == worker).values(alive))
    if claim is None:
        keeps = (studies.c.artifact_worker == worker) & studies.c.artifact_until.is_not(None)
        lease = {"artifact_until": after(lease_s)}
        connection.execute(update(studies).where(keeps).values(lease))
        return True
    lease = {"lease_until": after(lease_s)}  # unless settled or released a moment ago
    held = update(slots).where(is_mine(claim), slots.c.lease_until.is_not(None))
    renewed = connection.execute(held.values(lease)).rowcount
    if not renewed and connection.scalar(select(slots.c.id).where(is_mine(claim))) is None:
        raise writing.lost(connection, claim)
    query = select(studies.c.state).where(studies.c.id == claim.study_id)
    return connection.scalar(query) == StudyState.OPEN


def deregister(connection: Connection, worker: str, *, doing: str = "ended") -> None:
    """Write a worker down as ended, or as having refused to serve."""
    ended = {"seen_at": NOW, "ended_at": NOW, "doing": doing}
    connection.execute(update(workers).where(workers.c.name == worker).values(ended))


def release_lost(connection: Connection, worker: str, *, lost: bool = True) -> bool:
    """Write a worker down as dead; what it held need not wait for the end of its lease.

    Returns whether it held a slot. Its end counts as a loss of that unless ``lost`` is False: it
    was killed on purpose.
    """
    alive = (workers.c.name == worker) & workers.c.ended_at.is_(None)
    connection.execute(update(workers).where(alive).values(ended_at=NOW, doing="died"))
    kept = update(studies).where(studies.c.artifact_worker == worker)
    connection.execute(kept.values(artifact_worker=null(), artifact_until=null()))
    running = slots.c.lease_until.is_not(None) & IS_RUNNING
    held = select(slots).where(slots.c.worker == worker, running)
    found = connection.execute(held).all()
    for study_id in sorted({slot.study_id for slot in found}):
        writing.lock_study(connection, study_id)
    for slot in connection.execute(held.with_for_update()).all():
        if lost:
            writing.count_loss(connection, slot, writing.SILENT)
        else:
            writing.free(connection, slot)
    return bool(found)
