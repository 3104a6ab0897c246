"""Reading a study: its row, its trials as suggestions and as views see them, its networks.

Nothing here imports Optuna: who only looks starts fast.
"""

from __future__ import annotations

from collections import defaultdict, namedtuple
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Row

from hpo.errors import StudyError, near_miss, printable
from hpo.ledger import past, statements
from hpo.ledger.claims import Claim
from hpo.ledger.schema import ask
from hpo.objectives.contract import restored_baselines
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
"""Likewise of a reader, whose questions the database gives up after so many seconds."""
_RECENT_S = 600.0
"""Ended or silent workers are shown for this long."""


def filled(kind: type[D], row: Any, **more: Any) -> D:
    """An object of a dataclass: its fields are columns of a row, but those that are given.

    Texts are without control characters, whoever wrote them: here, once for all views.
    """
    own = {name: getattr(row, name) for name in _fields(kind) if name not in more}
    return kind(**_texts(own), **more)


def _texts(values: Mapping[str, Any]) -> dict[str, Any]:
    odd = {n: v for n, v in values.items() if isinstance(v, str) and not v.isprintable()}
    return {**values, **{name: printable(text, "\n\t") for name, text in odd.items()}}


@cache
def _fields(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def study(connection: Connection, name: str, *, lock: bool = False) -> Row[Any]:
    """A study's row, and what time it is; with ``lock``, locked until the transaction ends.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    query = f"{statements.STUDY} FOR UPDATE" if lock else statements.STUDY
    row = ask(connection, query, name=name).one_or_none()
    if row is None:
        others = ask(connection, "SELECT name FROM hpo_ledger.studies ORDER BY name")
        names = list(others.scalars())
        raise StudyError(
            f"study {name!r}: the database must hold it, but it holds "
            f"{', '.join(names) or 'no study yet'}. {near_miss(name, names)}"
            f"Start one with: hpo launch NAME."
        )
    return row


def progress(connection: Connection, study_id: int, above: int = -1) -> Row[Any]:
    """How far a search is, in numbers of trials: ``statements.PROGRESS`` says what is told."""
    return ask(connection, statements.PROGRESS, study_id=study_id, above=above).one()


def unsuggested(connection: Connection, claim: Claim) -> tuple[int, int | None]:
    """Trials before this one that run without a suggestion: how many, and the first."""
    asked = {"study_id": claim.study_id, "number": claim.number}
    row = ask(connection, statements.UNSUGGESTED, **asked).one()
    return row.n, row.first


class Ranking(NamedTuple):
    """A study's complete trials, the best first."""

    made_of: tuple[Any, ...]
    best: Sequence[tuple[int, Mapping[str, Any]]]
    """Number and parameters."""
    expected: Mapping[int, Expected]


_rankings: dict[int, Ranking] = {}
"""By study. One that is being confirmed is asked for it again and again, and its trials do not
change."""


def ranked(connection: Connection, study: Row[Any], spec: StudySpec) -> Ranking | None:
    """The ranking of a study by what is known now; None if it is to be worked out by ``rank``."""
    found = _rankings.get(study.id)
    return found if found and found.made_of == _made_of(connection, study, spec) else None


def rank(connection: Connection, study: Row[Any], spec: StudySpec) -> Ranking:
    """Work out a study's ranking. That may take long: the connection is in autocommit."""
    known = ranked(connection, study, spec)
    if known is None:
        made_of = _made_of(connection, study, spec)
        snapshot = built(fetched(connection, study.name))
        result = Result.of(snapshot)
        trials = (result if result.selects else Search(snapshot)).ranking
        best = [(trial.number, trial.params) for trial in trials]
        known = _rankings[study.id] = Ranking(made_of, best, snapshot.expected)
    return known


def _made_of(connection: Connection, study: Row[Any], spec: StudySpec) -> tuple[Any, ...]:
    now = progress(connection, study.id)
    return now.settled, now.latest, study.amendments, spec


def members_of(connection: Connection, slot_id: int) -> tuple[Member, ...]:
    """The stored members of a slot, with their curves, in order."""
    rows = _member_rows(connection, statements.OF_SLOT, curves=True, slot_id=slot_id)
    return tuple(map(_member, rows))


def network(connection: Connection, name: str, confirmation: int) -> bytes | None:
    """The network that is kept of a confirmation; None if none is."""
    asked = {"name": name, "confirmation": confirmation}
    return cast("bytes | None", ask(connection, statements.NETWORK, **asked).scalar())


def _member_rows(
    connection: Connection, which: str, *, curves: bool = False, **values: Any
) -> CursorResult[Any]:
    return ask(connection, statements.MEMBERS.format(which=which), curves=curves, **values)


def _member(row: Row[Any]) -> Member:
    curves = {"curve": tuple(row.curve or ()), "loss_curve": tuple(row.loss_curve or ())}
    return filled(Member, row, **curves, info=_texts(row.info))


_A_NETWORK = Member(
    member=0, seed=-1, score=nan, curve=(), loss_curve=(), diverged=False, info={}, seconds=nan
)
"""One of which nothing is told but that it is there."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A study's rows at one moment, of which a snapshot can be built when the transaction is over:
    where there are many, or the host is busy, that takes longer than a transaction may be idle."""

    study: Row[Any]
    slots: Sequence[Row[Any]]
    members: Sequence[Row[Any]]
    workers: Sequence[WorkerInfo] = ()
    foreign_trials: int = 0
    briefly: bool = False
    """Whether it tells what lists show; see ``fetched_studies``."""


def fetched(connection: Connection, name: str, *, curves: bool = False) -> Fetched:
    """A study as it is now; without ``curves``, members come without their curves.

    Raises:
        StudyError: there is no such study; the message lists those that exist.
    """
    row = study(connection, name)
    (rows,) = fetched_studies(connection, [row], curves=curves)
    asked = {"study_id": row.id, "optuna_study_id": row.optuna_study_id}
    foreign = ask(connection, statements.FOREIGN, **asked).scalar_one()
    return replace(rows, workers=seen_workers(connection), foreign_trials=foreign)


def fetched_studies(
    connection: Connection,
    studies: Sequence[Row[Any]],
    *,
    briefly: bool = False,
    curves: bool = False,
) -> list[Fetched]:
    """Several studies, given by their rows, with two questions; none of their workers.

    What is told ``briefly`` is what lists show: of a trial, its state, score and costs, above all;
    of its steps and networks how many there are, but for the networks of confirmations.
    """
    ids = [row.id for row in studies]
    which = statements.FRESH_OF_STUDIES if briefly else statements.OF_STUDIES
    # slots first: members are stored before their slot is settled, so none can be missing
    slots = _by_study(ask(connection, statements.BRIEFLY if briefly else statements.SLOTS, ids=ids))
    members = _by_study(_member_rows(connection, which, curves=curves, ids=ids))
    return [
        Fetched(study=row, slots=slots[row.id], members=members[row.id], briefly=briefly)
        for row in studies
    ]


def _by_study(rows: CursorResult[Any]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    plain = cast("Any", namedtuple("plain", rows.keys()))  # read in half the time of a Row
    for row in map(plain._make, rows):
        found[row.study_id].append(row)
    return found


def built(rows: Fetched) -> StudySnapshot:
    """What a study's rows say.

    Raises:
        StudyError: the row of a trial does not hold what workers write.
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
    return filled(
        StudySnapshot,
        row,
        spec=spec,
        state=StudyState(row.state),
        code_changes=tuple(entry["since"] for entry in row.code[1:]),
        expected=_expected(row, spec, rows.slots, trials),
        baselines=restored_baselines(row.baselines),
        foreign_trials=rows.foreign_trials,
        search=tuple(trial for trial in trials if trial.phase == Phase.SEARCH),
        confirm=tuple(trial for trial in trials if trial.phase == Phase.CONFIRM),
        workers=tuple(rows.workers),
    )


def _expected(
    study: Row[Any], spec: StudySpec, rows: Sequence[Row[Any]], built: Sequence[Trial]
) -> dict[int, Expected]:
    """What is expected of complete trials, from all slots of a study in order.

    The row of a study that is done tells it: whatever changes it opens the study again.
    """
    if spec.confirm is None or spec.confirm.by != "expected":
        return {}
    if study.state == StudyState.DONE and study.expected:
        return {int(number): Expected(**told) for number, told in study.expected.items()}
    from hpo.search.kriging_believer import expected  # which takes long to import, and few need

    search = [past.restored(row) for row in rows if row.phase == Phase.SEARCH]
    whole = (s for s in built if s.phase == Phase.SEARCH and len(s.members) == spec.budget.members)
    told = (trial.estimate(spec, spec.protocol).n_series for trial in whole)
    return expected(spec, search, next(filter(None, told), None))


def _trial(row: Row[Any], steps: Iterable[float], trained: Iterable[Member]) -> Trial:
    return filled(
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
    """Studies with work left, how many of their slots are at work, and their priority.

    In the order in which workers serve them: those of the highest priority come first; among them,
    those with the fewest slots at work; among these, those that have waited the longest since a
    slot of theirs was opened.
    """
    rows = ask(connection, statements.OPEN_STUDIES)
    return [(row.name, row.at_work, row.priority) for row in rows]


def seen_workers(connection: Connection) -> list[WorkerInfo]:
    """Workers that are at work, or were a few minutes ago, and what they hold just now."""
    return [_worker(row) for row in ask(connection, statements.WORKERS, recent_s=_RECENT_S)]


def _worker(row: Row[Any]) -> WorkerInfo:
    silent_s = float(row.silent)
    return filled(
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
    """The slot that a worker holds, else its own words, which are older but may tell the epoch.

    A slot that it lost or gave back still bears its name, until somebody else takes it up.
    """
    said: str = row.doing
    if row.study is None:
        return said
    held = f"{row.study}: {slot_name(row.number, row.source, row.fresh_seeds)}"
    return said if said == held or said.startswith((f"{held},", f"{held};")) else held


def newest_events(connection: Connection, n: int, study: str | None = None) -> list[Event]:
    """The last ``n`` events, of all studies or of one that is there; the newest comes last."""
    rows = ask(connection, statements.NEWEST, n=n, study=study).all()
    return [filled(Event, row) for row in rows][::-1]


def names(connection: Connection) -> dict[int, str]:
    """Every study of Optuna's tables by its number, whoever made it."""
    return {row.study_id: row.study_name for row in ask(connection, "SELECT * FROM studies")}
