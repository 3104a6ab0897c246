"""Signs of life of workers: their registration, heartbeats, end and loss."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection

from hpo.ledger import failures, writing
from hpo.ledger.claim_records import Claim
from hpo.ledger.locked_study import lock_study_by_id
from hpo.ledger.schema import ask
from hpo.ledger.statements.workers import (
    DEREGISTER_WORKER,
    MARK_WORKER_LOST,
    REGISTER_WORKER,
    RENEW_WORKER,
    SELECT_HELD_SLOTS,
)
from hpo.study.trials import StudyState, WorkerState


def register_worker(
    connection: Connection,
    /,
    worker: str,
    *,
    host: str,
    pid: int,
    lease_s: float,
    **more: str | None,
) -> None:
    """Register a worker as alive; it replaces an earlier one of the same name.

    ``more`` are its fields ``serves``, ``job``, ``log`` and ``numerics``.
    """
    row: dict[str, Any] = {"host": host, "pid": pid, "lease_s": lease_s}
    row |= {"serves": None, "job": None, "log": None, "numerics": None, **more}
    ask(connection, REGISTER_WORKER, worker=worker, **row)


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
    owner: dict[str, Any] = {"slot_id": None, "attempt": None, "token": None}
    if claim is not None:
        owner = claim.owner
    row = ask(
        connection,
        RENEW_WORKER,
        **owner | {"worker": worker},
        doing=doing,
        lease_s=lease_s,
        state=state,
        refuses=json.dumps(dict(refuses)),
    ).one()
    if claim is None:
        return True, row.now
    if row.state is None:
        raise writing.explain_loss(connection, claim)
    return row.state == StudyState.OPEN, row.now


def deregister_worker(
    connection: Connection, worker: str, *, refused: str | None = None
) -> None:
    """Record the end of a worker: a clean one, or because it ``refused`` its study."""
    state = WorkerState.ENDED if refused is None else WorkerState.REFUSED
    doing = refused or "ended"
    ask(connection, DEREGISTER_WORKER, worker=worker, state=state, doing=doing)


def record_loss(connection: Connection, worker: str, why: str | None = None) -> bool:
    """Record the death of a worker and free its slot; return whether it held one.

    ``why`` is the cause, None if somebody killed it. A study may stop after too many
    losses; see ``failures.count_loss``. Studies are locked before slots, as everywhere.
    """
    ask(connection, MARK_WORKER_LOST, worker=worker)
    held = ask(connection, SELECT_HELD_SLOTS, worker=worker).all()
    studies = {}
    for study_id in sorted({slot.study_id for slot in held}):
        studies[study_id] = lock_study_by_id(connection, study_id)
    for slot in ask(connection, f"{SELECT_HELD_SLOTS} FOR UPDATE", worker=worker).all():
        study = studies.get(slot.study_id)
        if study is not None:
            failures.count_loss(study, slot, why)
    return bool(held)
