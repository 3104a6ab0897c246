"""Reading a study: its row, its trials as suggestions and as views see them, its
networks.

Nothing here imports Optuna, so that read-only commands start fast.
"""

from __future__ import annotations

import math
import shlex
from collections import defaultdict, namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import nan
from typing import Any, cast

from sqlalchemy import Connection

from hpo.contract import read_baselines
from hpo.errors import StudyError, advise, near_miss
from hpo.ledger import past, workers
from hpo.ledger.claim_records import Claim
from hpo.ledger.rows import clean_texts, from_row
from hpo.ledger.schema import Row, Rows, ask, require_whole
from hpo.ledger.statements import studies as sql
from hpo.ledger.statements.imports import FIND_NATIVE
from hpo.postgres.sessions import read_json
from hpo.study import file, functions
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.spec import ASK_AND_TELL, StudySpec
from hpo.study.trials import (
    MANY,
    MAX_LOSSES,
    Amendment,
    Phase,
    Posterior,
    SlotState,
    Step,
    StudySnapshot,
    StudyState,
    Suggestion,
    Trial,
    WorkerInfo,
    read_steps,
)

_SOME = 200
"""Number of the best trials whose curves a report draws or could draw, and of
others."""


_BEST = 3
"""Number of the best trials, by what ranks them, whose curves a report draws."""


class NativeStudyError(StudyError):
    """A study is none of ours, but one that Optuna has made in this database."""


def find_study(
    connection: Connection, name: str, statement: str = sql.SELECT_STUDY
) -> Row:
    """Return a study's row, and the time.

    Raises:
        MissingTablesError: a backup that may have it is being restored.
        StudyError: there is no such study; the message lists those that exist.
    """
    row = ask(connection, statement, name=name).one_or_none()
    if row is None:
        require_whole(connection)
    if row is None and ask(connection, FIND_NATIVE, name=name).first() is not None:
        raise NativeStudyError(
            f"study {name!r}: Optuna has made it in this database. Import it first,"
            f" which copies nothing: hpo import {shlex.quote(name)}."
        )
    if row is None:
        names = ask(connection, sql.SELECT_NAMES).scalars().all()
        raise StudyError(
            f"study {name!r}: not in the database, which has"
            f" {', '.join(names) or 'no study yet'}. {near_miss(name, names)}Start one"
            f" with: {advise('hpo launch NAME', 'hpo.launch(NAME)')}."
        )
    return row


def restore_spec(row: Row) -> StudySpec:
    """Return the spec of a study's row, without the class of its objective.

    Raises:
        SpecError: it does not fit this version of the software.
    """
    return file.restore(row.spec, row.about, f"study {row.name!r} in the database")


def count_unsuggested(connection: Connection, claim: Claim) -> tuple[int, int | None]:
    """Return number and first of the trials before this one that run without a
    suggestion."""
    row = ask(connection, sql.COUNT_UNSUGGESTED, **vars(claim)).one()
    return row.n, row.first


def read_members(connection: Connection, slot_id: int) -> tuple[Member, ...]:
    """Return the stored members of a slot with their curves, in order."""
    rows = ask(
        connection, sql.SELECT_MEMBERS_OF_SLOT, slot_id=slot_id, curves=True, whole=None
    )
    return tuple(map(_build_member, rows))


def read_members_of_trial(
    connection: Connection, study_id: int, number: int
) -> tuple[Member, ...]:
    """Return the stored members of a search trial with their curves, in order."""
    slot = ask(connection, sql.SELECT_SLOT_ID, study_id=study_id, number=number)
    return read_members(connection, slot.scalar_one())


def read_network(
    connection: Connection, name: str, source: int
) -> tuple[int, bytes] | None:
    """Return the stored network of a confirmed trial, after the number of its training;
    or None."""
    row = ask(connection, sql.SELECT_NETWORK, name=name, source=source).first()
    return None if row is None else (row.number, row.data)


def list_open_studies(connection: Connection) -> list[tuple[str, int, int, int]]:
    """Return the studies with work left for workers, their numbers of slots at work,
    their priorities, and their numbers of accepted sources.

    The order is that in which workers serve them: by highest priority, then fewest
    slots at work, then longest time since the last slot was opened.
    """
    rows = ask(connection, sql.LIST_OPEN_STUDIES, not_served=ASK_AND_TELL)
    return [(row.name, row.at_work, row.priority, row.sources) for row in rows]


def limit_reader(connection: Connection, seconds: float) -> None:
    """Let a transaction idle while rows are processed, but cancel its queries after
    this time."""
    ask(connection, sql.LIMIT_READER, seconds=f"{seconds:.0f}s")


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A study's rows at one moment. Its snapshot is built after the transaction, since
    this may take longer than a transaction may idle."""

    study: Row
    slots: Sequence[Row]
    members: Sequence[Row]
    workers: Sequence[WorkerInfo] = ()
    foreign_trials: int = 0
    briefly: bool = False
    """Holds only what lists show; see ``fetch_studies``."""
    with_curves: frozenset[int] | None = None
    """As in a snapshot; see ``fetch_drawn``."""
    is_one: bool = False
    """Holds a single trial: posterior means are those that are stored."""


def fetch(connection: Connection, name: str, *, curves: bool = False) -> Fetched:
    """Return the rows of a study; without ``curves``, members have no curves.

    Workers of another study alone are left out.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    row = find_study(connection, name)
    (rows,) = fetch_studies(connection, [row], curves=curves)
    return _with_others(connection, rows)


def fetch_drawn(connection: Connection, name: str, *, curves: bool = True) -> Fetched:
    """Return what a report draws of a study: steps and ``curves``, of more than
    ``MANY`` search trials those of the best and of a sample.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    row = find_study(connection, name)
    sizes = {"many": MANY, "some": _SOME, "sign": _sign(row)}
    chosen = ask(connection, sql.CHOOSE_DRAWN, study_id=row.id, **sizes).all()
    whole = [slot.id for slot in chosen]
    known = {"study_id": row.id, "whole": whole, "means": not row.posterior}
    # slots first, as in ``fetch_studies``
    slots = ask(connection, sql.SELECT_SLOTS_DRAWN, **known)
    slots_of = _group_by_study(slots)
    members = ask(
        connection, sql.SELECT_MEMBERS, ids=[row.id], curves=curves, whole=whole
    )
    rows = Fetched(
        study=row,
        slots=slots_of[row.id],
        members=_group_by_study(members)[row.id],
    )
    numbers = frozenset(slot.number for slot in chosen if slot.phase == Phase.SEARCH)
    if sum(slot.phase == Phase.SEARCH for slot in rows.slots) > len(numbers):
        rows = replace(rows, with_curves=numbers)
    return _with_others(connection, rows)


def lack_steps(result: Result) -> list[int]:
    """Return which of the best trials a report reads in part alone.

    ``fetch_drawn`` reads those of the highest scores; posterior means may rank others
    above them.
    """
    read = result.snapshot.with_curves
    if read is None:
        return []
    best = [trial.number for trial in result.ranking[:_BEST]]
    return [number for number in best if number not in read]


def add_steps(
    connection: Connection, snapshot: StudySnapshot, numbers: Sequence[int]
) -> StudySnapshot:
    """Return a snapshot with all steps and curves of more search trials."""
    which = {"name": snapshot.spec.name, "numbers": numbers}
    slots = ask(connection, sql.SELECT_SLOTS_OF_TRIALS, **which).all()
    ids = [slot.id for slot in slots]
    rows = ask(
        connection, sql.SELECT_MEMBERS_OF_SLOTS, slots=ids, curves=True, whole=None
    )
    trained: defaultdict[int, list[Member]] = defaultdict(list)
    for row in rows:
        trained[row.slot_id].append(_build_member(row))
    whole = {}
    for slot in slots:
        steps = read_steps(slot.steps)
        lineage = _read_lineage(slot.lineage)
        whole[slot.number] = _build_trial(slot, steps, trained[slot.id], lineage)
    known = snapshot.with_curves or frozenset()
    return replace(
        snapshot,
        search=tuple(whole.get(trial.number, trial) for trial in snapshot.search),
        with_curves=known | whole.keys(),
    )


def _sign(row: Row) -> int:
    """Return the sign that makes a larger score a better one, without reading the
    whole spec, which another version may have written."""
    return -1 if row.about.get("direction") == "minimize" else 1


def _with_others(connection: Connection, rows: Fetched) -> Fetched:
    """Add the workers, and the number of trials that others have added."""
    study_id = rows.study.id
    foreign = ask(connection, sql.COUNT_FOREIGN_TRIALS, study_id=study_id).scalar_one()
    seen = workers.read_workers(connection)
    own = [worker for worker in seen if _concerns(worker, rows.study.name)]
    return replace(rows, workers=own, foreign_trials=foreign)


def _concerns(worker: WorkerInfo, study: str) -> bool:
    """Return whether a study's views have a worker: one of it, or that works for all;
    of these, one that is gone only with a trial of the study."""
    if worker.serves is not None:
        return worker.serves == study
    return worker.alive or worker.study == study


def fetch_studies(
    connection: Connection,
    studies: Sequence[Row],
    *,
    briefly: bool = False,
    curves: bool = False,
) -> list[Fetched]:
    """Return several studies, given by their rows, with two queries and without
    workers.

    ``briefly`` reads what lists show: mainly state, score and costs of a trial, and the
    numbers of its steps and networks; networks of confirmations are read in full.
    """
    ids = [row.id for row in studies]
    select_slots = sql.SELECT_SLOTS
    select_members = sql.SELECT_MEMBERS
    if briefly:
        select_slots = sql.SELECT_SLOTS_BRIEFLY
        select_members = sql.SELECT_CONFIRMED_MEMBERS
    # slots first: members are stored before their slot is finished, so none can be
    # missing
    slots = _group_by_study(ask(connection, select_slots, ids=ids))
    members = _group_by_study(
        ask(connection, select_members, ids=ids, curves=curves, whole=None)
    )
    return [
        Fetched(
            study=row, slots=slots[row.id], members=members[row.id], briefly=briefly
        )
        for row in studies
    ]


def _group_by_study(rows: Rows) -> defaultdict[int, list[Any]]:
    groups: defaultdict[int, list[Any]] = defaultdict(list)
    # read in half the time of SQLAlchemy's rows
    plain = cast("Any", namedtuple("plain", rows.keys()))
    for row in map(plain._make, rows):
        groups[row.study_id].append(row)
    return groups


def build(rows: Fetched) -> StudySnapshot:
    """Build a snapshot from a study's rows.

    Raises:
        StudyError: a trial's row does not hold what workers write.
    """
    row = rows.study
    spec = restore_spec(row)
    trained: defaultdict[int, list[Member]] = defaultdict(list)
    for member in rows.members:
        trained[member.slot_id].append(_build_member(member))
    read_lineage = cache(_read_lineage)  # an object for all trials that share it

    def build_trial(slot: Row) -> Trial:
        """Build a trial; of one that was read briefly, only the last step is known, and
        of its networks the epochs."""
        spec.named_costs(slot.costs)  # refuses others
        members = trained[slot.id]
        lineage = read_lineage(slot.lineage)
        if not rows.briefly:
            return _build_trial(slot, read_steps(slot.steps), members, lineage)
        if not members:
            members = [replace(_SOME_MEMBER, epochs=n) for n in slot.trained_epochs]
        return _build_trial(slot, _last_step(slot), members, lineage)

    trials = [past.check_row(slot, build_trial) for slot in rows.slots]
    if spec.defines_by_run:
        found = [
            Suggestion(params={}, attrs=slot.attrs or {})
            for slot in rows.slots
            if slot.phase == Phase.SEARCH
        ]
        functions.attach(spec, found)
    return from_row(
        StudySnapshot,
        row,
        spec=spec,
        state=StudyState(row.state),
        imported=_is_imported(row, spec),
        code_changes=tuple(entry["since"] for entry in row.code[1:]),
        posterior=_find_posterior_means(rows, spec, trials),
        lacks_means=rows.briefly and spec.ranks_by_mean and not row.posterior,
        baselines=read_baselines(row.baselines),
        differences=None if row.differences is None else tuple(row.differences),
        foreign_trials=rows.foreign_trials,
        with_curves=rows.with_curves,
        search=tuple(trial for trial in trials if trial.phase == Phase.SEARCH),
        confirm=tuple(trial for trial in trials if trial.phase == Phase.CONFIRM),
        workers=tuple(rows.workers),
    )


def _is_imported(row: Row, spec: StudySpec) -> bool:
    """Return whether a study had all its trials before it got a function, if any."""
    begins = [entry["since"] for entry in row.code]
    return spec.defines_by_run and min(begins, default=math.inf) >= spec.budget.trials


def _find_posterior_means(
    rows: Fetched, spec: StudySpec, trials: Sequence[Trial]
) -> dict[int, Posterior]:
    """Return the posterior means of complete trials; none if scores rank them.

    The row of a study stores them once its search has ended, until a trial is amended.
    Others need every trial, so those of a study that is read briefly are unknown.
    """
    if not spec.ranks_by_mean:
        return {}
    stored = rows.study.posterior
    if stored:
        return {int(n): Posterior(**item) for n, item in stored.items()}
    if rows.is_one or rows.briefly:
        return {}
    from hpo.search.surrogate import predict_scores  # a slow import

    history = [
        past.restore_past(row, trial.steps)
        for row, trial in zip(rows.slots, trials, strict=True)
        if row.phase == Phase.SEARCH
    ]
    for trial in trials:
        is_whole = len(trial.members) == spec.budget.seeds
        if trial.phase == Phase.SEARCH and is_whole:
            n_series = trial.estimate(spec, spec.protocol).n_series
            if n_series:
                return predict_scores(spec, history, n_series)
    return predict_scores(spec, history, None)


def _last_step(slot: Row) -> tuple[Step, ...]:
    """Return the last step of a slot, without its score; empty if it has none."""
    if slot.last_network is None:
        return ()
    return (Step(int(slot.last_network), int(slot.last_epoch), nan),)


def _read_lineage(stored: str) -> Mapping[str, Any]:
    return clean_texts(read_json(stored))


def _build_trial(
    row: Row,
    steps: tuple[Step, ...],
    members: Sequence[Member],
    lineage: Mapping[str, Any],
) -> Trial:
    return from_row(
        Trial,
        row,
        phase=Phase(row.phase),
        state=SlotState(row.state),
        params=row.params or {},
        costs=tuple(row.costs),
        steps=steps,
        members=tuple(members),
        is_stuck=row.state == SlotState.RUNNING and row.losses_in_a_row >= MAX_LOSSES,
        lineage=lineage,
        enqueued=Suggestion(params={}, attrs=row.attrs or {}).enqueued,
        amendments=tuple(map(Amendment.restore, row.amendments or ())),
    )


def _build_member(row: Row) -> Member:
    info = clean_texts(row.info)
    if row.curve is None:
        info.pop("per_epoch", None)
    return from_row(
        Member,
        row,
        curve=tuple(row.curve or ()),
        scored_at=tuple(row.scored_at or ()),
        loss_curve=tuple(row.loss_curve or ()),
        info=info,
    )


_SOME_MEMBER = Member(
    member=0,
    seed=-1,
    score=nan,
    epochs=0,
    curve=(),
    scored_at=(),
    loss_curve=(),
    diverged=False,
    info={},
    seconds=nan,
)
"""Placeholder for a member that exists, with unknown data."""
