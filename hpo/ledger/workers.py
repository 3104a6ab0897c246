"""What views show of workers."""

from __future__ import annotations

from sqlalchemy import Connection

from hpo.errors import printable
from hpo.ledger.rows import clean_texts, from_row
from hpo.ledger.schema import Row, ask
from hpo.ledger.statements.workers import SELECT_WORKERS
from hpo.settings import BEATS_PER_LEASE
from hpo.study.trials import Phase, WorkerInfo, WorkerState, slot_name

_RECENT_S = 600.0
"""Time that ended or silent workers stay visible."""


def read_workers(connection: Connection) -> list[WorkerInfo]:
    """Return current workers, those of the last minutes, and the slots they hold."""
    rows = ask(connection, SELECT_WORKERS, recent_s=_RECENT_S)
    return [_build_worker(row) for row in rows]


def _build_worker(row: Row) -> WorkerInfo:
    """Return what views show of a worker.

    The silence of one that was seen in the future, by more than a heartbeat, is
    unknown: the database's clock was set back.
    """
    silent_s = float(row.silent)
    is_known = silent_s > -row.lease_s / BEATS_PER_LEASE
    return from_row(
        WorkerInfo,
        row,
        state=WorkerState(row.state),
        doing=printable(_describe_work(row), "\n\t"),
        refuses=clean_texts(row.refuses),
        phase=None if row.phase is None else Phase(row.phase),
        trial=row.number if row.source is None else row.source,
        seconds_silent=max(0.0, silent_s) if is_known else None,
        alive=row.ended_at is None and is_known and silent_s < row.lease_s,
    )


def _describe_work(row: Row) -> str:
    """Return the slot that a worker holds, or its own words, which may name the epoch.

    A slot that it lost or released still has its name, until another worker claims the
    slot.
    """
    words: str = row.doing
    if row.study is None:
        return words
    held = f"{row.study}: {slot_name(row.number, row.source, row.fresh_seeds)}"
    if words == held or words.startswith((f"{held},", f"{held};")):
        return words
    return held
