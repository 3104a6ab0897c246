"""Reading a study: its row, its trials as suggestions and as views see them, its
networks.

Nothing here imports Optuna, so that read-only commands start fast.
"""

from __future__ import annotations

from collections import defaultdict, namedtuple
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Row

from hpo.contract import read_baselines
from hpo.errors import StudyError, near_miss, printable
from hpo.ledger import past, statements
from hpo.ledger.claims import Claim
from hpo.ledger.schema import ask
from hpo.study import file
from hpo.study.networks import Member
from hpo.study.result import Result, Search
from hpo.study.spec import StudySpec
from hpo.study.trials import (
    MAX_LOSSES,
    Amendment,
    Event,
    Expected,
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

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")
LIMITS = f"{statements.PATIENT}, set_config('statement_timeout', :seconds, true)"
"""Likewise for a reader; the database cancels its queries after this many seconds."""
_RECENT_S = 600.0
"""Time that ended or silent workers stay visible."""


def from_row(kind: type[D], row: Any, **more: Any) -> D:
    """Return a dataclass object with fields from the columns of a row, or from
    ``more``.

    Texts are stripped of control characters here, once for all views.
    """
    columns = {name: getattr(row, name) for name in _fields(kind) if name not in more}
    return kind(**_texts(columns), **more)


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    odd = {
        n: v for n, v in values.items() if isinstance(v, str) and not v.isprintable()
    }
    return {**values, **{name: printable(text, "\n\t") for name, text in odd.items()}}


@cache
def _fields(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def study(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """Return a study's row, and the time; with ``lock``, lock it until the transaction
    ends.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    query = f"{statements.STUDY} FOR UPDATE" if lock else statements.STUDY
    row = ask(connection, query, name=name).one_or_none()
    if row is None:
        others = ask(connection, "SELECT name FROM hpo_ledger.studies ORDER BY name")
        names = list(others.scalars())
        raise StudyError(
            f"study {name!r}: not in the database, which has"
            f" {', '.join(names) or 'no study yet'}. {near_miss(name, names)}Start one"
            " with: hpo launch NAME."
        )
    return row


def progress(connection: Connection, study_id: int, above: int = -1) -> Row[Any]:
    """Return the progress of a search in numbers of trials; see
    ``statements.PROGRESS``."""
    return ask(connection, statements.PROGRESS, study_id=study_id, above=above).one()


def unsuggested(connection: Connection, claim: Claim) -> tuple[int, int | None]:
    """Return number and first of the trials before this one that run without a
    suggestion."""
    values = {"study_id": claim.study_id, "number": claim.number}
    row = ask(connection, statements.UNSUGGESTED, **values).one()
    return row.n, row.first


class Ranking(NamedTuple):
    """A study's complete trials, the best first."""

    key: tuple[Any, ...]
    best: Sequence[tuple[int, Mapping[str, Any]]]
    """Number and parameters."""
    expected: Mapping[int, Expected]


_rankings: dict[int, Ranking] = {}
"""Cache by study: a study that is being confirmed needs its ranking often, and its
trials do not change."""


def ranked(connection: Connection, study: Row[Any], spec: StudySpec) -> Ranking | None:
    """Return the current ranking of a study; None if ``rank`` must compute it."""
    ranking = _rankings.get(study.id)
    return ranking if ranking and ranking.key == _key(connection, study, spec) else None


def rank(connection: Connection, study: Row[Any], spec: StudySpec) -> Ranking:
    """Compute a study's ranking, which may take long; the connection is in
    autocommit."""
    ranking = ranked(connection, study, spec)
    if ranking is None:
        key = _key(connection, study, spec)
        snapshot = built(fetched(connection, study.name))
        result = Result.of(snapshot)
        trials = (result if result.selects else Search(snapshot)).ranking
        best = [(trial.number, trial.params) for trial in trials]
        ranking = _rankings[study.id] = Ranking(key, best, snapshot.expected)
    return ranking


def _key(connection: Connection, study: Row[Any], spec: StudySpec) -> tuple[Any, ...]:
    now = progress(connection, study.id)
    return now.settled, now.latest, study.amendments, spec


def read_members(connection: Connection, slot_id: int) -> tuple[Member, ...]:
    """Return the stored members of a slot with their curves, in order."""
    rows = _member_rows(connection, statements.OF_SLOT, curves=True, slot_id=slot_id)
    return tuple(map(_member, rows))


def network(connection: Connection, name: str, confirmation: int) -> bytes | None:
    """Return the stored network of a confirmation, or None."""
    values = {"name": name, "confirmation": confirmation}
    return cast("bytes | None", ask(connection, statements.NETWORK, **values).scalar())


def _member_rows(
    connection: Connection, which: str, *, curves: bool = False, **values: Any
) -> CursorResult[Any]:
    return ask(
        connection, statements.MEMBERS.format(which=which), curves=curves, **values
    )


def _member(row: Row[Any]) -> Member:
    curves = {
        "curve": tuple(row.curve or ()),
        "loss_curve": tuple(row.loss_curve or ()),
    }
    info = {
        k: v for k, v in row.info.items() if k != "per_epoch" or row.curve is not None
    }
    return from_row(Member, row, **curves, info=_texts(info))


_A_NETWORK = Member(
    member=0,
    seed=-1,
    score=nan,
    curve=(),
    loss_curve=(),
    diverged=False,
    info={},
    seconds=nan,
)
"""Placeholder for a member that exists, with unknown data."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A study's rows at one moment. Its snapshot is built after the transaction, since
    this may take longer than a transaction may idle."""

    study: Row[Any]
    slots: Sequence[Row[Any]]
    members: Sequence[Row[Any]]
    workers: Sequence[WorkerInfo] = ()
    foreign_trials: int = 0
    briefly: bool = False
    """Holds only what lists show; see ``fetched_studies``."""


def fetched(connection: Connection, name: str, *, curves: bool = False) -> Fetched:
    """Return the rows of a study; without ``curves``, members have no curves.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    row = study(connection, name)
    (rows,) = fetched_studies(connection, [row], curves=curves)
    values = {"study_id": row.id, "optuna_study_id": row.optuna_study_id}
    foreign = ask(connection, statements.FOREIGN, **values).scalar_one()
    return replace(rows, workers=seen_workers(connection), foreign_trials=foreign)


def fetched_studies(
    connection: Connection,
    studies: Sequence[Row[Any]],
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
    which = statements.FRESH_OF_STUDIES if briefly else statements.OF_STUDIES
    # slots first: members are stored before their slot is settled, so none can be
    # missing
    slots = _by_study(
        ask(connection, statements.BRIEFLY if briefly else statements.SLOTS, ids=ids)
    )
    members = _by_study(_member_rows(connection, which, curves=curves, ids=ids))
    return [
        Fetched(
            study=row, slots=slots[row.id], members=members[row.id], briefly=briefly
        )
        for row in studies
    ]


def _by_study(rows: CursorResult[Any]) -> defaultdict[int, list[Any]]:
    groups: defaultdict[int, list[Any]] = defaultdict(list)
    plain = cast(
        "Any", namedtuple("plain", rows.keys())
    )  # read in half the time of a Row
    for row in map(plain._make, rows):
        groups[row.study_id].append(row)
    return groups


def built(rows: Fetched) -> StudySnapshot:
    """Build a snapshot from a study's rows.

    Raises:
        StudyError: a trial's row does not hold what workers write.
    """
    row, spec = rows.study, file.restore(rows.study.spec, rows.study.name)
    trained: defaultdict[int, list[Member]] = defaultdict(list)
    for member in rows.members:
        trained[member.slot_id].append(_member(member))

    def trial(slot: Row[Any]) -> Trial:
        spec.named_costs(slot.costs)  # refuses others
        if not rows.briefly:
            return _trial(slot, slot.steps, trained[slot.id])
        members = trained[slot.id] or [_A_NETWORK] * slot.n_members
        return _trial(slot, (nan,) * slot.n_steps, members)

    trials = [past.checked(slot, trial) for slot in rows.slots]
    return from_row(
        StudySnapshot,
        row,
        spec=spec,
        state=StudyState(row.state),
        code_changes=tuple(entry["since"] for entry in row.code[1:]),
        expected=_expected(row, spec, rows.slots, trials),
        baselines=read_baselines(row.baselines),
        foreign_trials=rows.foreign_trials,
        search=tuple(trial for trial in trials if trial.phase == Phase.SEARCH),
        confirm=tuple(trial for trial in trials if trial.phase == Phase.CONFIRM),
        workers=tuple(rows.workers),
    )


def _expected(
    study: Row[Any], spec: StudySpec, rows: Sequence[Row[Any]], built: Sequence[Trial]
) -> dict[int, Expected]:
    """Return the posterior means of complete trials, from all slots of a study in
    order.

    The row of a finished study stores them: any change reopens the study.
    """
    if spec.confirm is None or spec.confirm.by != "expected":
        return {}
    if study.state == StudyState.DONE and study.expected:
        return {
            int(number): Expected(**item) for number, item in study.expected.items()
        }
    from hpo.search.kriging_believer import expected  # a slow import

    search = [past.restored(row) for row in rows if row.phase == Phase.SEARCH]
    whole = (
        s
        for s in built
        if s.phase == Phase.SEARCH and len(s.members) == spec.budget.members
    )
    counts = (trial.estimate(spec, spec.protocol).n_series for trial in whole)
    return expected(spec, search, next(filter(None, counts), None))


def _trial(row: Row[Any], steps: Iterable[float], trained: Iterable[Member]) -> Trial:
    return from_row(
        Trial,
        row,
        phase=Phase(row.phase),
        state=SlotState(row.state),
        params=row.params or {},
        costs=tuple(row.costs),
        steps=tuple(steps),
        members=tuple(trained),
        is_stuck=row.state == SlotState.RUNNING and row.losses_in_a_row >= MAX_LOSSES,
        lineage=_texts(row.lineage or {}),
        enqueued=Suggestion(params={}, attrs=row.attrs or {}).enqueued,
        amendments=tuple(map(Amendment.restored, row.amendments or ())),
    )


def open_studies(connection: Connection) -> list[tuple[str, int, int]]:
    """Return the studies with work left, their numbers of slots at work, and their
    priorities.

    The order is that in which workers serve them: by highest priority, then fewest
    slots at work, then longest time since the last slot was opened.
    """
    rows = ask(connection, statements.OPEN_STUDIES)
    return [(row.name, row.at_work, row.priority) for row in rows]


def seen_workers(connection: Connection) -> list[WorkerInfo]:
    """Return current workers, those of the last minutes, and the slots they hold."""
    return [
        _worker(row) for row in ask(connection, statements.WORKERS, recent_s=_RECENT_S)
    ]


def _worker(row: Row[Any]) -> WorkerInfo:
    silent_s = float(row.silent)
    return from_row(
        WorkerInfo,
        row,
        state=WorkerState(row.state),
        doing=printable(_doing(row), "\n\t"),
        refuses=_texts(row.refuses),
        phase=None if row.phase is None else Phase(row.phase),
        trial=row.number if row.source is None else row.source,
        seconds_silent=max(0.0, silent_s) if silent_s > -row.lease_s / 3 else None,
        alive=row.ended_at is None and -row.lease_s / 3 < silent_s < row.lease_s,
    )


def _doing(row: Row[Any]) -> str:
    """Return the slot that a worker holds, or its own words, which may name the epoch.

    A slot that it lost or released still has its name, until another worker claims the
    slot.
    """
    words: str = row.doing
    if row.study is None:
        return words
    held = f"{row.study}: {slot_name(row.number, row.source, row.fresh_seeds)}"
    return (
        words if words == held or words.startswith((f"{held},", f"{held};")) else held
    )


def newest_events(
    connection: Connection, n: int, study: str | None = None
) -> list[Event]:
    """Return the last ``n`` events, of all studies or of an existing one; the newest is
    last."""
    rows = ask(connection, statements.NEWEST, n=n, study=study).all()
    return [from_row(Event, row) for row in rows][::-1]


def names(connection: Connection) -> dict[int, str]:
    """Return the names of all studies in Optuna's tables, by id."""
    return {
        row.study_id: row.study_name for row in ask(connection, "SELECT * FROM studies")
    }
