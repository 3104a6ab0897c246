"""Claiming: choosing the next slot of a worker.

A claim is one transaction that locks the study's row, so slots are opened one by one:
the budget is exact and the window holds.
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

SILENT = (
    "silent for longer than its lease: killed, out of memory, or cut off from the"
    " database."
)
"""Possible reasons for an expired lease."""


def try_open(
    connection: Connection,
    study: str,
    who: Claimant,
    restore_spec: Callable[[int, Mapping[str, Any]], StudySpec],
) -> Claim | Wait | None:
    """Open the next trial if nothing else is to be claimed: one message, without a lock
    before.

    The connection is in autocommit. ``restore_spec`` restores a spec from the study's
    id and the stored JSON.

    Returns:
        The claim, or the reason to wait; None if ``claim`` must decide.
    """
    row = open_next(connection, study, who, looked_after=False)
    if (
        row is None or row.trials is None
    ):  # no budget in the spec: its reader reports that
        return None
    if row.slot_id is None:
        return _why_not(row, study, who)
    return _opened(row, restore_spec(row.id, json.loads(row.spec)), who)


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
    """Return why the next trial was not opened; None if there is no next trial."""
    if who.at_work is not None and row.at_work > who.at_work:
        return Wait(f"{study}: another worker was faster", stale=True)
    if row.number < row.trials:
        return Wait(
            f"{study}: trial {row.number} waits for trial {row.oldest} "
            f"(budget.window = {row.width})"
        )
    return None


def open_next(
    connection: Connection, study: str, who: Claimant, *, looked_after: bool
) -> Any:
    """Open the next trial of a search if budget, window and fairness allow it.

    In autocommit, the message is a transaction of its own. ``looked_after`` says that
    no other work comes first, such as an abandoned slot.

    Returns:
        A row: ``id optuna_study_id amendments spec trials width`` of the study,
        ``number`` of the next trial, ``oldest`` running trial, number of others
        ``at_work``; ``slot_id`` and ``optuna_trial_id`` of the opened trial, else null.
        None if the study is not open, or other work comes first.
    """
    values = {
        **vars(who),
        "study": study,
        "version": SCHEMA_VERSION,
        "looked_after": looked_after,
    }
    return _last_row(connection, statements.OPEN, values)


def _last_row(
    connection: Connection, statements: str, values: Mapping[str, Any]
) -> Any:
    """Return the row of the last of several statements, if any; one message, one
    transaction.

    In autocommit it would have the session's isolation level, which may hide what
    others committed while it waited for a lock.
    """
    driver = driver_of(connection)
    if driver.autocommit:
        statements = f"SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {statements}"
    try:
        with psycopg.ClientCursor(driver, row_factory=namedtuple_row) as cursor:
            cursor.execute(statements, values)
            while cursor.nextset():
                pass
            return cursor.fetchone()
    except BaseException as error:  # Ctrl-C, too: the answer is pending
        if driver.closed or not isinstance(error, Exception):
            connection.invalidate(error)  # as SQLAlchemy does for its own queries
        raise


def claim(
    connection: Connection,
    study: Row[Any],
    spec: StudySpec,
    who: Claimant,
    *,
    confirm: bool,
) -> Claim | Wait | Over | None:
    """Take the next slot of a study, the oldest abandoned one first.

    The transaction holds the lock on ``study``, its row. With ``confirm``, include
    confirmation trainings. Return None if ``snapshots.rank`` must compute the ranking
    first, without the lock.

    Raises:
        StudyError: the study was deleted from Optuna's tables.
    """
    if study.state != StudyState.OPEN:
        return Over(f"{spec.name} is {study.state}")
    optuna_tables.require_study(connection, study.optuna_study_id, spec.name)
    at_work = ask(
        connection, statements.AT_WORK, study_id=study.id, token=who.token
    ).scalar_one()
    if who.at_work is not None and at_work > who.at_work:
        return Wait(f"{spec.name}: another worker was faster", stale=True)
    writing.apply_failure_policy(
        connection, study.id
    )  # the worker that settled a trial may have died
    answer = (
        _ended(connection, study)
        or _abandoned(connection, study, spec, who, Phase.SEARCH)
        or _next(connection, study, spec, who, confirm)
    )
    return (
        _take(connection, answer, study, spec, who)
        if isinstance(answer, Row)
        else answer
    )


def _abandoned(
    connection: Connection,
    study: Row[Any],
    spec: StudySpec,
    who: Claimant,
    phase: Phase,
    numbers: Sequence[int] | None = None,
) -> Row[Any] | Over | None:
    """Return a slot that its worker released or lost, unless this loss ends the
    study."""
    values = {"study_id": study.id, "phase": phase, "numbers": numbers}
    values |= {"window": spec.budget.window, "take_over": who.take_over}
    values |= {"worker": who.worker, "token": who.token}
    slot = ask(connection, statements.ABANDONED, **values).one_or_none()
    if slot is None or slot.lease_until is None or _is_own(slot, who):
        return slot
    alone = writing.was_alone(connection, slot, who.worker)
    writing.count_loss(connection, slot, SILENT if alone else None)
    return _ended(connection, study) or slot


def _is_own(slot: Row[Any], who: Claimant) -> bool:
    """Return whether the worker holds the leased slot already: the answer to its claim
    was lost."""
    return bool((slot.worker, slot.token) == (who.worker, who.token))


def _ended(connection: Connection, study: Row[Any]) -> Over | None:
    """Return the answer for a study that has just been stopped; None if it is still
    open."""
    state = writing.state_of(connection, study.id)
    return None if state == StudyState.OPEN else Over(f"{study.name} is {state}")


def _next(
    connection: Connection,
    study: Row[Any],
    spec: StudySpec,
    who: Claimant,
    confirm: bool,
) -> Row[Any] | Claim | Wait | Over | None:
    """Open the next slot, if the window and the budget allow it."""
    _end_search(connection, study, spec, who)
    row = open_next(connection, spec.name, who, looked_after=True)
    if row.slot_id is not None:
        return _opened(row, spec, who)
    if (wait := _why_not(row, spec.name, who)) is not None:
        return wait
    if row.oldest is not None:
        return Wait(
            f"{spec.name}: every trial is taken, trial {row.oldest} is still running"
        )
    if not confirm:
        return Over(f"{spec.name}: every trial is settled")
    return _next_confirmation(connection, study, spec, who)


def _end_search(
    connection: Connection, study: Row[Any], spec: StudySpec, who: Claimant
) -> None:
    """Store the end of the search if ``[stop]`` ends it before the next trial."""
    if spec.stop is None or study.search_end is not None:
        return
    number = snapshots.progress(connection, study.id).opened
    key, read = (study.id, study.amendments), partial(past.read, connection)
    why = past.why_ended(spec, number, lambda n: who.known.first(n, key, read))
    if why is not None:
        writing.change(connection, study.id, search_end=number, search_end_reason=why)


def _next_confirmation(
    connection: Connection, study: Row[Any], spec: StudySpec, who: Claimant
) -> Row[Any] | Wait | Over | None:
    """Open the next confirmation training; if none is left, the study is done.

    Confirm the current best trials only, which a longer search or an exclusion may have
    changed. Finished trainings of other trials are stored, but no longer count.
    """
    trainings: dict[int, tuple[int, Any]] = {}
    """Source and parameters of every confirmation training by number, the best trial's
    first."""
    expected: Mapping[int, Expected] = {}
    if spec.confirm is not None:
        members, ranking = (
            spec.confirm.members,
            snapshots.ranked(connection, study, spec),
        )
        if ranking is None:
            return None
        expected = ranking.expected
        for best, params in ranking.best[: spec.confirm.top]:
            numbers = range(best * members, (best + 1) * members)
            trainings |= dict.fromkeys(numbers, (best, params))
        slot = _abandoned(connection, study, spec, who, Phase.CONFIRM, list(trainings))
        if slot is not None:
            return slot
    own = "FROM hpo_ledger.slots WHERE study_id = :id AND phase = 'confirm'"
    rows = ask(connection, f"SELECT number, state {own}", id=study.id)
    states = {row.number: row.state for row in rows}
    for number, (source, params) in trainings.items():
        if number not in states:
            row = {
                "study_id": study.id,
                "phase": Phase.CONFIRM,
                "state": SlotState.RUNNING,
            }
            row |= {"number": number, "source": source, "params": params, "attempts": 0}
            return connection.execute(insert(slots).values(row).returning(slots)).one()
    if any(states[number] == SlotState.RUNNING for number in trainings):
        return Wait(f"{spec.name}: the last confirmations are running")
    ask(
        connection, f"DELETE {own} AND state = 'running'", id=study.id
    )  # those of other trials
    writing.change(
        connection, study.id, expected={n: asdict(item) for n, item in expected.items()}
    )
    writing.turn(connection, study.id, StudyState.DONE)
    return Over(f"{spec.name} is {StudyState.DONE}", ended=True)


def _take(
    connection: Connection,
    slot: Row[Any],
    study: Row[Any],
    spec: StudySpec,
    who: Claimant,
) -> Claim:
    again = slot.lease_until is not None and _is_own(slot, who)
    attempt = slot.attempts if again else slot.attempts + 1
    values = {
        "slot_id": slot.id,
        "attempt": attempt,
        "begins": attempt == 1 and not again,
    }
    values |= {"worker": who.worker, "token": who.token, "lease_s": who.lease_s}
    ask(connection, statements.TAKE, **values)
    query = (
        "SELECT member, curve, seconds, data FROM hpo_ledger.checkpoints WHERE slot_id"
        " = :id"
    )
    saved = ask(connection, query, id=slot.id).one_or_none()
    suggestion = Suggestion(params=slot.params or {}, attrs=slot.attrs)
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
        suggestion=suggestion if slot.params else None,
        enqueued=past.checked(slot, lambda _: suggestion.enqueued),
        optuna_trial_id=slot.optuna_trial_id,
        finished=snapshots.read_members(connection, slot.id),
        checkpoint=None if saved is None else Checkpoint(**saved._mapping),
        slot_amendments=tuple(slot.amendments),
    )
