"""Reading the ledger: snapshots of a study, the list of studies, the workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    func,
    select,
)

from hpo.errors import StudyError, near_miss, printable
from hpo.ledger import optuna_reading
from hpo.ledger.claims import Claim
from hpo.ledger.tables import (
    IS_RUNNING,
    NOW,
    holds,
    members,
    networks,
    slots,
    slots_of,
    studies,
    workers,
)
from hpo.study import file
from hpo.study.snapshot import StudySnapshot, StudyState, WorkerInfo, WorkerState
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    MAX_LOSSES,
    Amendment,
    Expected,
    Member,
    Past,
    Phase,
    SlotState,
    Suggestion,
    Trial,
    sampler_attrs,
    slot_name,
)

T = TypeVar("T")
_RECENT_S = 600.0
"""Ended or silent workers are shown for this long."""


def study(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """A study's row, and what time it is; with ``lock``, locked until the transaction ends.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    query = select(studies, NOW.label("now")).where(studies.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise StudyError(no_such_study(connection, name))
    return row


def no_such_study(connection: Connection, name: str) -> str:
    """The message for an unknown study, listing those that exist."""
    names = list(connection.execute(select(studies.c.name).order_by(studies.c.name)).scalars())
    return (
        f"study {name!r}: the database must hold it, but it holds "
        f"{', '.join(names) or 'no study yet'}. {near_miss(name, names)}"
        f"Start one with: hpo launch NAME."
    )


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
    row = study(connection, name)
    # slots first: members are stored before their slot is settled, so none can be missing
    held = func.coalesce(holds(slots), False).label("held")
    query = select(slots, held).where(slots.c.study_id == row.id)
    return Fetched(
        study=row,
        slots=connection.execute(query.order_by(slots.c.phase, slots.c.number)).all(),
        members=_members(connection, slots.c.study_id == row.id, curves),
        workers=worker_rows(connection),
        foreign_trials=optuna_reading.n_foreign(connection, row.id, row.optuna_study_id),
    )


def built(rows: Fetched) -> StudySnapshot:
    """What a study's rows say.

    Raises:
        StudyError: the row of a trial does not hold what workers write.
    """
    row, spec = rows.study, file.restore(rows.study.spec, rows.study.name)
    trained = _by_slot(rows.members)
    trials = [checked(slot, lambda slot: _trial(slot, trained[slot.id])) for slot in rows.slots]
    return StudySnapshot(
        spec=spec,
        state=StudyState(row.state),
        reason=None if row.reason is None else printable(row.reason, "\n\t"),
        search_end=row.search_end,
        search_end_reason=row.search_end_reason,
        code_changes=tuple(entry["since"] for entry in code_of(row)[1:]),
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
    from hpo.search import expectation  # which takes long to import, and few need

    search = [_past(row) for row in rows if row.phase == Phase.SEARCH]
    trained = (slot.members for slot in built if slot.phase == Phase.SEARCH)
    sizes = ([member.info.get("n_scored", 0) for member in own] for own in trained)
    whole = (own for own in sizes if len(own) == spec.budget.members)
    n_scored = next((sum(own) for own in whole if all(type(n) is int and n > 0 for n in own)), None)
    return expectation.expected(spec, search, n_scored)


def code_of(study: Row[Any]) -> list[dict[str, Any]]:
    """Which sources of its objective a study was computed with, the last one at the end."""
    kinds = {"since": int, "hash": str, "modules": dict}
    entries = (entry for entry in study.code if isinstance(entry, dict))
    return [e for e in entries if all(isinstance(e.get(name), t) for name, t in kinds.items())]


def history(connection: Connection, study_id: int, numbers: range) -> list[Past]:
    """Search trials by their numbers, as suggestions see them."""
    names = ("number", "state", "params", "attrs", "score", "costs", "steps", "amendments")
    asked = (slots.c.number >= numbers.start) & (slots.c.number < numbers.stop)
    query = select(*(slots.c[name] for name in names))
    query = query.where(slots_of(study_id, Phase.SEARCH), asked)
    return [checked(row, _past) for row in connection.execute(query.order_by(slots.c.number))]


def opened(connection: Connection, study_id: int) -> int:
    """How many search slots were opened: the number of the next one."""
    count = select(func.count()).where(slots_of(study_id, Phase.SEARCH))
    return int(connection.execute(count).scalar_one())


def unbegun(connection: Connection, study_id: int, above: int = -1) -> int:
    """The first search trial that nobody has begun, of those above one.

    Mostly it is the next one; what was enqueued is there, but not begun.
    """
    waits = IS_RUNNING & (slots.c.attempts == 0) & slots.c.params.is_(None)
    first = select(func.min(slots.c.number)).where(
        slots_of(study_id, Phase.SEARCH), waits, slots.c.number > above
    )
    found = connection.scalar(first)
    return opened(connection, study_id) if found is None else int(found)


def outcomes(connection: Connection, study_id: int, n: int) -> list[Past]:
    """How the first ``n`` search trials ended; of their steps, only how many there are is told."""
    n_steps = func.cardinality(slots.c.steps).label("n_steps")
    query = select(slots.c.state, slots.c.score, slots.c.amendments, n_steps)
    query = query.where(slots_of(study_id, Phase.SEARCH), slots.c.number < n)
    untold: dict[str, Any] = {"params": None, "attrs": {}, "costs": ()}
    return [
        _past(SimpleNamespace(**row._mapping, **untold, steps=(0.0,) * row.n_steps))
        for row in connection.execute(query.order_by(slots.c.number))
    ]


def unsuggested(connection: Connection, claim: Claim) -> tuple[int, int | None]:
    """Trials before this one that run without a suggestion: how many, and the first."""
    number = slots.c.number
    search = slots_of(claim.study_id, Phase.SEARCH)
    query = select(func.count(), func.min(number)).where(search, number < claim.number, IS_RUNNING)
    row = connection.execute(query.where(slots.c.params.is_(None))).one()
    return row[0], row[1]


def checked(row: Any, build: Callable[[Any], T]) -> T:
    """What is built of a slot's row, in whose JSON the worker role may have written anything.

    Raises:
        StudyError: it does not hold what workers write.
    """
    try:
        return build(row)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StudyError(
            f"trial {row.number}: its row must hold what workers write, but got "
            f"{type(error).__name__}: {str(error)[:80]}. Somebody has changed it by hand: restore "
            "a backup under another name: hpo import FILE --name NEW."
        ) from error


def _past(row: Any) -> Past:
    params = row.params or {}
    before = []
    for amendment in map(Amendment.restored, row.amendments):
        attrs = amendment.attrs or sampler_attrs(row.attrs)
        outcome = Past(
            suggestion=Suggestion(params=params, attrs=attrs),
            state=amendment.state,
            score=amendment.score,
            costs=amendment.costs,
            steps=amendment.steps,
        )
        before.append((amendment.since, outcome))
    return Past(
        suggestion=Suggestion(params=params, attrs=row.attrs),
        state=SlotState(row.state),
        score=row.score,
        costs=tuple(row.costs),
        steps=tuple(row.steps),
        before=tuple(before),
    )


def members_of(connection: Connection, slot_id: int) -> tuple[Member, ...]:
    """The stored members of a slot, with their curves, in order."""
    return tuple(_by_slot(_members(connection, slots.c.id == slot_id))[slot_id])


def network(connection: Connection, name: str, confirmation: int) -> bytes | None:
    """The network that is kept of a confirmation's training, by its number; None if none is."""
    of_it = slots_of(studies.c.id, Phase.CONFIRM) & (slots.c.number == confirmation)
    query = select(networks.c.data).select_from(networks.join(slots).join(studies))
    data: bytes | None = connection.scalar(query.where(studies.c.name == name, of_it))
    return data


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


_MEMBER = ("slot_id", "member", "seed", "score", "diverged", "info", "seconds")
_CURVES = ("curve", "loss_curve")


def _members(
    connection: Connection, which: ColumnElement[bool], curves: bool = True
) -> Sequence[Row[Any]]:
    columns = (members.c[name] for name in (*_MEMBER, *_CURVES * curves))
    query = select(*columns).join(slots, slots.c.id == members.c.slot_id).where(which)
    return connection.execute(query.order_by(members.c.slot_id, members.c.member)).all()


def _by_slot(rows: Iterable[Row[Any]]) -> dict[int, list[Member]]:
    found: defaultdict[int, list[Member]] = defaultdict(list)
    for row in rows:
        facts = dict(row._mapping)
        own = found[facts.pop("slot_id")]
        own.append(Member(**facts | {name: tuple(facts.get(name, ())) for name in _CURVES}))
    return found


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
