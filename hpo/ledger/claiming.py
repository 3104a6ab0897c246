"""Claiming: which slot a worker works on next.

All of it happens in one transaction that holds the lock on the study's row, so that slots are
opened one by one: the budget is exact and the window is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Row, insert

from hpo.ledger import optuna_tables, past, snapshots, statements, writing
from hpo.ledger.claims import Checkpoint, Claim, Claimant, Over, Wait
from hpo.ledger.schema import SCHEMA_VERSION, ask, slots
from hpo.postgres.connect import driver_of
from hpo.study.spec import StudySpec
from hpo.study.trials import Expected, Phase, SlotState, StudyState, Suggestion

SILENT = "silent for longer than its lease: killed, out of memory, or cut off from the database."
"""All that is known of a worker whose lease ran out."""


def try_open(
    connection: Connection,
    study: str,
    who: Claimant,
    known_spec: Callable[[int, Mapping[str, Any]], StudySpec],
) -> Claim | Wait | None:
    """Open the next trial if that is what there is to claim: one message, and no lock before.

    The connection is in autocommit. ``known_spec`` restores a spec from the study's id and what is
    stored.

    Returns:
        The claim, or why there is none just now; None where ``claim`` must look.
    """
    row = open_next(connection, study, who, looked_after=False)
    if row is None or row.trials is None:  # a spec without a budget: its reader says so
        return None
    if row.slot_id is None:
        return _why_not(row, study, who)
    return _opened(row, known_spec(row.id, json.loads(row.spec)), who)


def _opened(row: Any, spec: StudySpec, who: Claimant) -> Claim:
    return Claim(
        slot_id=row.slot_id,
        study_id=row.id,
        spec=spec,
        number=row.number,
        worker=who.worker,
        token=who.token,
        amendments=row.amendments,
        optuna_trial_id=row.optuna_trial_id,
    )


def _why_not(row: Any, study: str, who: Claimant) -> Wait | None:
    """Why the next trial was not opened; None if there is none."""
    if who.at_work is not None and row.at_work > who.at_work:
        return Wait(f"{study}: another worker was faster", stale=True)
    if row.number < row.trials:
        return Wait(
            f"{study}: trial {row.number} waits for trial {row.oldest} "
            f"(budget.window = {row.width})"
        )
    return None


def open_next(connection: Connection, study: str, who: Claimant, *, looked_after: bool) -> Any:
    """Open the next trial of a search if budget, window and fairness allow it.

    In autocommit, the message is a transaction of its own. ``looked_after`` says that there is
    nothing else to be done before, such as an abandoned slot.

    Returns:
        A row of facts: ``id optuna_study_id amendments spec trials width`` of the study, ``number``
        of the next trial, ``oldest`` that runs, how many others are ``at_work``; of the trial that
        was opened ``slot_id optuna_trial_id``, else null. None if the study is not open, or
        something must be looked after.
    """
    values = {**vars(who), "study": study, "version": SCHEMA_VERSION, "looked_after": looked_after}
    return _last_row(connection, statements.OPEN, values)


def _last_row(connection: Connection, statements: str, values: Mapping[str, Any]) -> Any:
    """The row that the last of several statements gives, if any; one message, one transaction."""
    driver = driver_of(connection)
    try:
        with psycopg.ClientCursor(driver, row_factory=namedtuple_row) as cursor:
            cursor.execute(statements, values)
            while cursor.nextset():
                pass
            return cursor.fetchone()
    except BaseException as error:  # Ctrl-C, too: the answer is still to come
        if driver.closed or not isinstance(error, Exception):
            connection.invalidate(error)  # as SQLAlchemy does with what goes through it
        raise


def claim(
    connection: Connection, study: Row[Any], spec: StudySpec, who: Claimant, *, confirm: bool
) -> Claim | Wait | Over | None:
    """Take the next slot of a study, the oldest abandoned one first.

    The transaction holds the lock on ``study``, its row. With ``confirm``, confirmation trainings
    are wanted, too. None where its ranking is to be worked out first, while nobody waits:
    ``snapshots.rank``.

    Raises:
        StudyError: the study was deleted from Optuna's tables.
    """
    if study.state != StudyState.OPEN:
        return Over(f"{spec.name} is {study.state}")
    optuna_tables.require_study(connection, study.optuna_study_id, spec.name)
    at_work = ask(connection, statements.AT_WORK, study_id=study.id, token=who.token).scalar_one()
    if who.at_work is not None and at_work > who.at_work:
        return Wait(f"{spec.name}: another worker was faster", stale=True)
    writing.apply_failure_policy(connection, study.id)  # whoever settled a trial may have died
    found = (
        _ended(connection, study)
        or _abandoned(connection, study, spec, who, Phase.SEARCH)
        or _next(connection, study, spec, who, confirm)
    )
    return _take(connection, found, study, spec, who) if isinstance(found, Row) else found


def _abandoned(
    connection: Connection,
    study: Row[Any],
    spec: StudySpec,
    who: Claimant,
    phase: Phase,
    numbers: Sequence[int] | None = None,
) -> Row[Any] | Over | None:
    """A slot that its worker released or lost, unless it was lost so often that all is over."""
    asked = {"study_id": study.id, "phase": phase, "numbers": numbers, "window": spec.budget.window}
    asked |= {"worker": who.worker, "token": who.token, "take_over": who.take_over}
    slot = ask(connection, statements.ABANDONED, **asked).one_or_none()
    if slot is None or slot.lease_until is None or _is_own(slot, who):
        return slot
    alone = writing.was_alone(connection, slot, who.worker)
    writing.count_loss(connection, slot, SILENT if alone else None)
    return _ended(connection, study) or slot


def _is_own(slot: Row[Any], who: Claimant) -> bool:
    """Whether a leased slot is the worker's already: our answer to its claim was lost."""
    return bool((slot.worker, slot.token) == (who.worker, who.token))


def _ended(connection: Connection, study: Row[Any]) -> Over | None:
    """What is said of a study that was stopped a moment ago; None if it is open still."""
    state = writing.state_of(connection, study.id)
    return None if state == StudyState.OPEN else Over(f"{study.name} is {state}")


def _next(
    connection: Connection, study: Row[Any], spec: StudySpec, who: Claimant, confirm: bool
) -> Row[Any] | Claim | Wait | Over | None:
    """Open the next slot, if the window and the budget allow it."""
    _end_search(connection, study, spec, who)
    row = open_next(connection, spec.name, who, looked_after=True)
    if row.slot_id is not None:
        return _opened(row, spec, who)
    if (wait := _why_not(row, spec.name, who)) is not None:
        return wait
    if row.oldest is not None:
        return Wait(f"{spec.name}: every trial is taken, trial {row.oldest} is still running")
    if not confirm:
        return Over(f"{spec.name}: every trial is settled")
    return _next_confirmation(connection, study, spec, who)


def _end_search(connection: Connection, study: Row[Any], spec: StudySpec, who: Claimant) -> None:
    """Write down before which trial the search ends, if it is the next one."""
    if spec.stop is None or study.search_end is not None:
        return
    number = snapshots.progress(connection, study.id).opened
    of, read = (study.id, study.amendments), partial(past.read, connection)
    why = past.why_ended(spec, number, lambda n: who.known.first(n, of, read))
    if why is not None:
        writing.change(connection, study.id, search_end=number, search_end_reason=why)


def _next_confirmation(
    connection: Connection, study: Row[Any], spec: StudySpec, who: Claimant
) -> Row[Any] | Wait | Over | None:
    """The next confirmation training; without one left, the study is done.

    Only what is among the best now is confirmed: a longer search, or a trial that was excluded,
    may have changed who that is. What was finished for others is kept, but no longer counts.
    """
    wanted: dict[int, tuple[int, Any]] = {}
    """Source and parameters of every confirmation training by number, the best trial's first."""
    known: Mapping[int, Expected] = {}
    if spec.confirm is not None:
        members, ranking = spec.confirm.members, snapshots.ranked(connection, study, spec)
        if ranking is None:
            return None
        known = ranking.expected
        for best, params in ranking.best[: spec.confirm.top]:
            numbers = range(best * members, (best + 1) * members)
            wanted |= dict.fromkeys(numbers, (best, params))
        slot = _abandoned(connection, study, spec, who, Phase.CONFIRM, list(wanted))
        if slot is not None:
            return slot
    own = "FROM hpo_ledger.slots WHERE study_id = :id AND phase = 'confirm'"
    rows = ask(connection, f"SELECT number, state {own}", id=study.id)
    taken = {row.number: row.state for row in rows}
    for number, (source, params) in wanted.items():
        if number not in taken:
            row = {"study_id": study.id, "phase": Phase.CONFIRM, "state": SlotState.RUNNING}
            row |= {"number": number, "source": source, "params": params, "attempts": 0}
            return connection.execute(insert(slots).values(row).returning(slots)).one()
    if any(taken[number] == SlotState.RUNNING for number in wanted):
        return Wait(f"{spec.name}: the last confirmations are running")
    ask(connection, f"DELETE {own} AND state = 'running'", id=study.id)  # those of others
    writing.change(connection, study.id, expected={n: asdict(known[n]) for n in known})
    writing.turn(connection, study.id, StudyState.DONE)
    return Over(f"{spec.name} is {StudyState.DONE}", ended=True)


def _take(
    connection: Connection, slot: Row[Any], study: Row[Any], spec: StudySpec, who: Claimant
) -> Claim:
    again = slot.lease_until is not None and _is_own(slot, who)
    attempt = slot.attempts if again else slot.attempts + 1
    taken = {"slot_id": slot.id, "attempt": attempt, "begins": attempt == 1 and not again}
    taken |= {"worker": who.worker, "token": who.token, "lease_s": who.lease_s}
    ask(connection, statements.TAKE, **taken)
    query = "SELECT member, curve, seconds, data FROM hpo_ledger.checkpoints WHERE slot_id = :id"
    saved = ask(connection, query, id=slot.id).one_or_none()
    known = Suggestion(params=slot.params or {}, attrs=slot.attrs)
    return Claim(
        slot_id=slot.id,
        study_id=slot.study_id,
        spec=spec,
        phase=Phase(slot.phase),
        number=slot.number,
        source=slot.source,
        attempt=attempt,
        worker=who.worker,
        token=who.token,
        amendments=study.amendments,
        suggestion=known if slot.params else None,
        enqueued=past.checked(slot, lambda _: known.enqueued),
        optuna_trial_id=slot.optuna_trial_id,
        finished=snapshots.members_of(connection, slot.id),
        checkpoint=None if saved is None else Checkpoint(**saved._mapping),
        slot_amendments=tuple(slot.amendments),
    )
