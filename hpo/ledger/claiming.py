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
from sqlalchemy import Connection

from hpo.ledger import failures, optuna_tables, past, ranking, snapshots
from hpo.ledger.claim_records import Checkpoint, Claim, Claimant, Over, Wait
from hpo.ledger.locked_study import LockedStudy
from hpo.ledger.past import StudyVersion
from hpo.ledger.schema import SCHEMA_VERSION, Row
from hpo.ledger.statements.claims import (
    COUNT_AT_WORK,
    DELETE_UNFINISHED_CONFIRMATIONS,
    FIND_ABANDONED_SLOT,
    MAY_BEGIN,
    OPEN_CONFIRMATION,
    OPEN_NEXT_TRIAL,
    SELECT_CHECKPOINT,
    SELECT_CONFIRMATIONS,
    TAKE_SLOT,
)
from hpo.ledger.statements.studies import END_SEARCH, SELECT_STATE, SET_POSTERIOR
from hpo.postgres.sessions import driver_of
from hpo.study.spec import StudySpec
from hpo.study.trials import Phase, Posterior, SlotState, StudyState, Suggestion

SILENT = (
    "silent for longer than its lease: killed, out of memory, or cut off from the"
    " database."
)
"""Possible reasons for an expired lease."""


def try_open(
    connection: Connection,
    study: str,
    who: Claimant,
    restore_spec: Callable[[Row], StudySpec],
) -> Claim | Wait | None:
    """Open the next trial if nothing else is to be claimed: one message, without a lock
    before.

    The connection is in autocommit. ``restore_spec`` restores a spec from a study's
    row.

    Returns:
        The claim, or the reason to wait; None if ``claim`` must decide.
    """
    row = open_next(connection, study, who, looked_after=False)
    # without a budget in the spec, its reader reports that
    if row is None or row.trials is None:
        return None
    if row.slot_id is None:
        return _explain_wait(row, study, who)
    row = row._replace(spec=json.loads(row.spec), about=json.loads(row.about))
    return _describe_opened(row, restore_spec(row), who)


def _describe_opened(row: Row, spec: StudySpec, who: Claimant) -> Claim:
    return Claim(
        slot_id=row.slot_id,
        study_id=row.id,
        spec=spec,
        number=row.number,
        worker=who.worker,
        token=who.token,
        version=StudyVersion(row.id, row.timeline, row.amendments),
        begins_at=row.begins_at,
        optuna_trial_id=row.optuna_trial_id,
    )


def _explain_wait(row: Row, study: str, who: Claimant) -> Wait | None:
    """Return why the next trial was not opened; None if there is no next trial."""
    if who.is_late(row.at_work):
        return Wait(f"{study}: another worker was faster", stale=True)
    if row.number < row.trials:
        return Wait(
            f"{study}: trial {row.number} waits for trial {row.oldest} "
            f"(budget.window = {row.width})"
        )
    return None


def open_next(
    connection: Connection,
    study: str,
    who: Claimant,
    *,
    looked_after: bool,
    may_open: bool = True,
) -> Any:
    """Open the next trial of a search if budget, window and fairness allow it.

    One message, one transaction in autocommit. There it would have the session's
    isolation level, which may hide what others committed while it waited for a lock.
    ``looked_after`` says that no other work comes first, such as an abandoned slot.
    Without ``may_open``, it only tells how things stand.

    Returns:
        A row: ``id name optuna_study_id amendments timeline spec about trials width``
        of the study, with JSON as text,
        ``number`` of the next trial, ``oldest`` running trial, number of others
        ``at_work``; ``slot_id`` and ``optuna_trial_id`` of the opened trial, else null.
        None if the study is not open, or other work comes first.
    """
    values = {
        "study": study,
        "version": SCHEMA_VERSION,
        "looked_after": looked_after,
        "may_open": may_open,
    }
    statements = OPEN_NEXT_TRIAL
    driver = driver_of(connection)
    if driver.autocommit:
        statements = f"SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {statements}"
    try:
        with psycopg.ClientCursor(driver, row_factory=namedtuple_row) as cursor:
            cursor.execute(statements, values | vars(who))
            while cursor.nextset():
                pass
            return cursor.fetchone()
    except BaseException as error:  # Ctrl-C, too: the answer is pending
        if driver.closed or not isinstance(error, Exception):
            connection.invalidate(error)  # as SQLAlchemy does for its own queries
        raise


def claim(
    study: LockedStudy, who: Claimant, *, confirm: bool
) -> Claim | Wait | Over | None:
    """Take the next slot of a study, the oldest abandoned one first.

    With ``confirm``, include confirmation trainings. Return None if
    ``ranking.compute`` must compute the ranking first, without the lock.

    Raises:
        StudyError: the study was deleted from Optuna's tables.
    """
    if study.row.timeline is None:
        return Wait(f"{study.name}: its database is being restored")
    if study.row.state != StudyState.OPEN:
        return _describe_end(study, study.row.state)
    optuna_tables.require_study(study)
    if who.is_late(study.ask(COUNT_AT_WORK, token=who.token).scalar_one()):
        return Wait(f"{study.name}: another worker was faster", stale=True)
    failures.apply_failure_policy(study)  # whoever finished a trial may have died
    return (
        _check_open(study)
        or _take_abandoned(study, who, Phase.SEARCH)
        or _open_next(study, who, confirm=confirm)
    )


def _check_open(study: LockedStudy) -> Over | None:
    """Return the answer for a study that has just been stopped; None if it is still
    open."""
    state = study.ask(SELECT_STATE).scalar()
    return None if state == StudyState.OPEN else _describe_end(study, state)


def _describe_end(study: LockedStudy, state: str | None) -> Over:
    return Over(f"{study.name} is {state}", failed=state == StudyState.FAILED)


def _take_abandoned(
    study: LockedStudy,
    who: Claimant,
    phase: Phase,
    numbers: Sequence[int] | None = None,
) -> Claim | Over | None:
    """Take a slot that its worker released or lost, unless this loss ends the study."""
    slot = study.ask(
        FIND_ABANDONED_SLOT,
        **vars(who),
        phase=phase,
        numbers=numbers,
        window=study.spec.budget.window,
    ).one_or_none()
    if slot is None:
        return None
    if slot.lease_until is not None and not _is_own(slot, who):
        alone = failures.was_lost_alone(study.connection, slot, who.worker)
        failures.count_loss(study, slot, SILENT if alone else None)
        over = _check_open(study)
        if over is not None:
            return over
    return _take(study, slot, who)


def _is_own(slot: Row, who: Claimant) -> bool:
    """Return whether the worker holds the leased slot already: the answer to its claim
    was lost."""
    return bool(slot.worker == who.worker and slot.token == who.token)


def _open_next(
    study: LockedStudy, who: Claimant, *, confirm: bool
) -> Claim | Wait | Over | None:
    """Open the next slot, if the window and the budget allow it."""
    name = study.name
    may_open = _end_search(study, who)
    row = open_next(study.connection, name, who, looked_after=True, may_open=may_open)
    if row.slot_id is not None:
        return _describe_opened(row, study.spec, who)
    wait = _explain_wait(row, name, who)
    if wait is not None:
        return wait
    if row.oldest is not None:
        return Wait(
            f"{name}: every trial is taken, trial {row.oldest} is still running"
        )
    if not confirm:
        return Over(f"{name}: every trial is finished")
    return _open_confirmation(study, who)


def _end_search(study: LockedStudy, who: Claimant) -> bool:
    """Store the end of the search if ``[stop]`` ends it before the next trial.

    Return whether that is decided. It is not as long as the trial may not begin, even
    if it may a moment later.
    """
    if study.spec.stop is None or study.row.search_end is not None:
        return True
    number = study.progress().opened
    window = study.spec.budget.window
    if not study.ask(MAY_BEGIN, number=number, window=window).scalar():
        return False
    read = partial(past.read, study.connection)
    why = past.explain_end(
        study.spec, number, lambda n: who.known.first(n, study.version, read)
    )
    if why is not None:
        study.ask(END_SEARCH, number=number, why=why)
    return True


def _open_confirmation(study: LockedStudy, who: Claimant) -> Claim | Wait | Over | None:
    """Open the next confirmation training; if none is left, set the study to done.

    Confirm the current best trials only, which a longer search or an exclusion may have
    changed. Finished trainings of other trials are stored, but no longer count.
    """
    trainings: dict[int, tuple[int, Any]] = {}
    """Source and parameters of every confirmation training by number, the best trial's
    first."""
    confirm = study.spec.confirm
    if confirm is not None:
        ranked = ranking.look_up(study.connection, study.row, study.spec)
        if ranked is None:
            return None
        _store_means(study, ranked.posterior)
        for best, params in ranked.chosen:
            for number in confirm.numbers(best):
                trainings[number] = best, params
        taken = _take_abandoned(study, who, Phase.CONFIRM, list(trainings))
        if taken is not None:
            return taken
    states = {row.number: row.state for row in study.ask(SELECT_CONFIRMATIONS)}
    for number, (source, params) in trainings.items():
        if number not in states:
            text = json.dumps(params)
            opened = study.ask(
                OPEN_CONFIRMATION, number=number, source=source, params=text
            )
            return _take(study, opened.one(), who)
    if any(states[number] == SlotState.RUNNING for number in trainings):
        return Wait(f"{study.name}: the last confirmations are running")
    study.ask(DELETE_UNFINISHED_CONFIRMATIONS)  # those of other trials
    study.turn(StudyState.DONE)
    return Over(f"{study.name} is {StudyState.DONE}", ended=True)


def _store_means(study: LockedStudy, posterior: Mapping[int, Posterior]) -> None:
    """Store the posterior means of a search that has ended, for lists, unless they
    are."""
    if posterior and not study.row.posterior:
        stored = json.dumps({n: asdict(item) for n, item in posterior.items()})
        study.ask(SET_POSTERIOR, posterior=stored)


def _take(study: LockedStudy, slot: Row, who: Claimant) -> Claim:
    """Give a slot to a worker, under its lease."""
    again = slot.lease_until is not None and _is_own(slot, who)
    attempt = slot.attempts
    if not again:
        attempt += 1
    begins = attempt == 1 and not again
    taken = study.ask(
        TAKE_SLOT,
        **vars(who),
        slot_id=slot.id,
        attempt=attempt,
        begins=begins,
        window=study.spec.budget.window,
        has_clock=bool(study.spec.budget.clock),
    ).one()
    saved = study.ask(SELECT_CHECKPOINT, slot_id=slot.id).one_or_none()
    suggestion = Suggestion(params=slot.params or {}, attrs=slot.attrs)
    return Claim(
        slot_id=slot.id,
        study_id=slot.study_id,
        spec=study.spec,
        phase=Phase(slot.phase),
        number=slot.number,
        source=slot.source,
        attempt=attempt,
        worker=who.worker,
        token=who.token,
        version=study.version,
        begins_at=taken.begins_at,
        suggestion=suggestion if slot.params else None,
        enqueued=past.check_row(slot, lambda _: suggestion.enqueued),
        optuna_trial_id=slot.optuna_trial_id,
        finished=snapshots.read_members(study.connection, slot.id),
        checkpoint=None if saved is None else Checkpoint(**saved._mapping),
        slot_amendments=tuple(slot.amendments),
    )
