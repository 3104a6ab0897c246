"""What a database holds at one moment, without importing Optuna: who only looks starts fast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    ScalarSelect,
    Text,
    column,
    func,
    select,
    table,
)

from hpo.errors import printable
from hpo.ledger import reading
from hpo.ledger.tables import (
    IS_RUNNING,
    NOW,
    holds,
    slots,
    slots_of,
    studies,
    workers,
)
from hpo.study import file
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    MAX_LOSSES,
    Amendment,
    Expected,
    Member,
    Phase,
    SlotState,
    StudySnapshot,
    StudyState,
    Suggestion,
    Trial,
    WorkerInfo,
    WorkerState,
    slot_name,
)

_RECENT_S = 600.0
"""Ended or silent workers are shown for this long."""
_STUDIES = table("studies", column("study_id", Integer), column("study_name", Text))
_TRIALS = table("trials", column("trial_id", Integer), column("study_id", Integer))


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A study's rows at one moment, of which a snapshot can be built when the transaction is over:
    where there are many, or the host is busy, that takes longer than a transaction may be idle."""

    study: Row[Any]
    slots: Sequence[Row[Any]]
    members: Sequence[Row[Any]]
    workers: Sequence[Row[Any]]
    foreign_trials: int


def fetched(connection: Connection, name: str, *, curves: bool = False) -> Fetched:
    """A study as it is now; without ``curves``, members come without their curves.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    row = reading.study(connection, name)
    # slots first: members are stored before their slot is settled, so none can be missing
    held = func.coalesce(holds(slots), False).label("held")
    query = select(slots, held).where(slots.c.study_id == row.id)
    return Fetched(
        study=row,
        slots=connection.execute(query.order_by(slots.c.phase, slots.c.number)).all(),
        members=reading.member_rows(connection, slots.c.study_id == row.id, curves),
        workers=worker_rows(connection),
        foreign_trials=n_foreign(connection, row.id, row.optuna_study_id),
    )


def built(rows: Fetched) -> StudySnapshot:
    """What a study's rows say.

    Raises:
        StudyError: the row of a trial does not hold what workers write.
    """
    row, spec = rows.study, file.restore(rows.study.spec, rows.study.name)
    trained = reading.by_slot(rows.members)

    def trial(slot: Row[Any]) -> Trial:
        return _trial(slot, trained[slot.id])

    trials = [reading.checked(slot, trial) for slot in rows.slots]
    return StudySnapshot(
        spec=spec,
        state=StudyState(row.state),
        reason=None if row.reason is None else printable(row.reason, "\n\t"),
        search_end=row.search_end,
        search_end_reason=row.search_end_reason,
        code_changes=tuple(entry["since"] for entry in reading.code_of(row)[1:]),
        expected=_expected(spec, rows.slots, trials),
        foreign_trials=rows.foreign_trials,
        created_at=row.created_at,
        now=row.now,
        search=tuple(trial for trial in trials if trial.phase == Phase.SEARCH),
        confirm=tuple(trial for trial in trials if trial.phase == Phase.CONFIRM),
        workers=tuple(map(worker_info, rows.workers)),
    )


def snapshot(connection: Connection, name: str, *, curves: bool = False) -> StudySnapshot:
    """Both in one transaction, for who cannot end it before."""
    return built(fetched(connection, name, curves=curves))


def _expected(
    spec: StudySpec, rows: Sequence[Row[Any]], built: Sequence[Trial]
) -> dict[int, Expected]:
    """What is expected of complete trials, from all slots of a study in order."""
    if spec.confirm is None or spec.confirm.by != "expected":
        return {}
    from hpo.search.kriging_believer import expected  # which takes long to import, and few need

    search = [reading.past(row) for row in rows if row.phase == Phase.SEARCH]
    trained = (slot.members for slot in built if slot.phase == Phase.SEARCH)
    sizes = ([member.info.get("n_scored", 0) for member in own] for own in trained)
    whole = (own for own in sizes if len(own) == spec.budget.members)
    n_scored = next((sum(own) for own in whole if all(type(n) is int and n > 0 for n in own)), None)
    return expected(spec, search, n_scored)


def _trial(row: Row[Any], trained: Iterable[Member]) -> Trial:
    return Trial(
        phase=Phase(row.phase),
        number=row.number,
        source=row.source,
        state=SlotState(row.state),
        params=row.params or {},
        score=row.score,
        costs=tuple(row.costs),
        steps=tuple(row.steps),
        members=tuple(trained),
        attempts=row.attempts,
        losses=row.losses,
        is_stuck=row.state == SlotState.RUNNING and row.losses_in_a_row >= MAX_LOSSES,
        worker=row.worker,
        started_at=row.started_at,
        settled_at=row.settled_at,
        message=None if row.message is None else printable(row.message, "\n\t"),
        lineage=row.lineage,
        held=row.held,
        enqueued=Suggestion(params={}, attrs=row.attrs).enqueued,
        amendments=tuple(map(Amendment.restored, row.amendments)),
    )


def open_studies(connection: Connection) -> list[tuple[str, int, int]]:
    """Studies with work left, how many of their slots are at work, and their priority.

    In the order in which workers serve them: those of the highest priority come first; among them,
    those with the fewest slots at work; among these, those that have waited the longest since a
    slot of theirs was opened.
    """
    at_work = count_at_work(studies.c.id).label("at_work")
    opened = func.greatest(*(_last_opened(phase) for phase in Phase))  # of those that are not null
    query = (
        select(studies.c.name, at_work, studies.c.priority)
        .where(studies.c.state == StudyState.OPEN)
        .order_by(studies.c.priority.desc(), at_work, opened.nulls_first(), studies.c.created_at)
    )
    return [(row.name, row.at_work, row.priority) for row in connection.execute(query)]


def count_at_work(
    study_id: ColumnElement[int] | int, *more: ColumnElement[bool]
) -> ScalarSelect[int]:
    """How many slots of a study workers are at work on."""
    held = (slots.c.study_id == study_id, IS_RUNNING, holds(slots))
    return select(func.count()).where(*held, *more).scalar_subquery()


def _last_opened(phase: Phase) -> ScalarSelect[datetime]:
    """When a study's last slot of a phase was opened: that of the highest number."""
    own = select(slots.c.started_at).where(slots_of(studies.c.id, phase))
    return own.order_by(slots.c.number.desc()).limit(1).scalar_subquery()


def seen_workers(connection: Connection) -> list[WorkerInfo]:
    """Workers that are at work, or were a few minutes ago, and what they hold just now."""
    return list(map(worker_info, worker_rows(connection)))


def worker_rows(connection: Connection) -> Sequence[Row[Any]]:
    """Likewise, as rows."""
    silent = func.extract("epoch", NOW - workers.c.seen_at)
    query = (
        select(
            workers,
            silent.label("silent"),
            studies.c.name.label("study"),
            studies.c.spec,
            *(slots.c[name] for name in ("phase", "number", "source")),
        )
        .outerjoin_from(
            workers, slots, (slots.c.worker == workers.c.name) & IS_RUNNING & holds(slots)
        )
        .outerjoin(studies, studies.c.id == slots.c.study_id)
        .where(silent < _RECENT_S)
        .order_by(workers.c.started_at, workers.c.name)
    )
    return connection.execute(query).all()


def worker_info(row: Row[Any]) -> WorkerInfo:
    """What such a row says."""
    return WorkerInfo(
        name=row.name,
        host=row.host,
        pid=row.pid,
        state=WorkerState(row.state),
        doing=_doing(row),
        serves=row.serves,
        refuses=row.refuses,
        job=row.job,
        log=row.log,
        study=row.study,
        phase=None if row.phase is None else Phase(row.phase),
        trial=row.number if row.source is None else row.source,
        started_at=row.started_at,
        seconds_silent=max(0.0, float(row.silent)),
        alive=row.ended_at is None and abs(float(row.silent)) < row.lease_s,
    )


def _doing(row: Row[Any]) -> str:
    """The slot that a worker holds, else its own words, which are older but may tell the epoch.

    A slot that it lost or gave back still bears its name, until somebody else takes it up.
    """
    said: str = row.doing
    if row.study is None:
        return said
    confirm = (row.spec.get("confirm") if isinstance(row.spec, dict) else None) or {}
    held = f"{row.study}: {slot_name(row.number, row.source, confirm.get('members'))}"
    return said if said == held or said.startswith((f"{held},", f"{held};")) else held


def names(connection: Connection) -> dict[int, str]:
    """Every study of Optuna's tables by its number, whoever made it."""
    rows = connection.execute(select(_STUDIES.c.study_id, _STUDIES.c.study_name))
    return {row.study_id: row.study_name for row in rows}


def n_foreign(connection: Connection, study_id: int, optuna_study_id: int) -> int:
    """How many trials of a study's Optuna study are not its own: ``study.optimize`` adds such."""
    of_it = _TRIALS.c.study_id == optuna_study_id
    query = select(func.count()).where(of_it, ~is_ours(study_id, _TRIALS.c.trial_id))
    return connection.execute(query).scalar_one()


def is_ours(
    study_id: ColumnElement[int] | int, trial_id: ColumnElement[int]
) -> ColumnElement[bool]:
    """The condition that a trial in Optuna's tables is one of a study of the ledger."""
    own = (slots.c.study_id == study_id) & (slots.c.optuna_trial_id == trial_id)
    return select(slots.c.id).where(own).exists()
