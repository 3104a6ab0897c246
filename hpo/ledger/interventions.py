"""Interventions in a study by hand: stop, resume, extend, enqueue, retry, exclude, and
so on.

Each is one transaction that holds the study's lock, so it is atomic and safe beside
running workers, from any host.

Retries and exclusions change an outcome that later trials may have learnt from. They
therefore count from the next unclaimed trial on; ``Amendment`` stores that number with
the old outcome. An earlier trial that is resumed or repeated sees the history that it
saw. The study stays a pure function of its spec and its amendments. Enqueued parameters
become the next trial at once, which waits for a worker.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, null, update

from hpo.errors import StudyError
from hpo.ledger import optuna_tables, pins, snapshots, statements, writing
from hpo.ledger.claims import End
from hpo.ledger.ledger import Ledger
from hpo.ledger.schema import HIGHEST_PRIORITY, ask, slots
from hpo.search import constraints
from hpo.study import file, parameters
from hpo.study.messages import refuse
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import (
    FIXED_PARAMS,
    MAX_LOSSES,
    Amendment,
    Phase,
    SlotState,
    StudyState,
    sampler_attrs,
)


def stop(ledger: Ledger, name: str, *, release: bool = False) -> int:
    """Stop an open study: its workers save checkpoints and release its slots.

    With ``release``, for dead workers, free its slots at once. Return the number of
    slots that are still at work.

    Raises:
        StudyError: there is no such study, or it is over.
    """
    with ledger.locked(name) as (connection, study):
        if study.state not in (StudyState.OPEN, StudyState.STOPPED):
            raise _refusal(
                name, f"it is {study.state} already, and no worker claims its trials."
            )
        reason = (
            f"hpo stop, on {platform.node()} at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        )
        if study.state == StudyState.OPEN:
            writing.turn(connection, study.id, StudyState.STOPPED, reason)
            writing.note(connection, name, "stopped")
        if release:
            _release(connection, study)
        return len(_holders(connection, study.id))


def _release(connection: Connection, study: Row[Any]) -> int:
    """Free the slots of a study for its workers; a live worker continues until a
    takeover."""
    held = "WHERE study_id = :id AND lease_until IS NOT NULL"
    free = f"UPDATE hpo_ledger.slots SET lease_until = NULL {held}"
    n = ask(connection, free, id=study.id).rowcount
    writing.note(connection, study.name, f"released {n} running trials")
    return n


def resume(
    ledger: Ledger, name: str, *, release: bool = False
) -> tuple[StudyState, int]:
    """Resume a stopped or failed study.

    This accepts the failures so far, or the workers that a trial has lost: they no
    longer count. Return the earlier state, and the number of freed slots; see ``stop``
    for ``release``.

    Raises:
        StudyError: there is no such study.
    """
    with ledger.locked(name) as (connection, study):
        state = StudyState(study.state)
        stuck = ask(connection, statements.STUCK, id=study.id, most=MAX_LOSSES).scalar()
        if state == StudyState.FAILED and not stuck:
            since = snapshots.progress(connection, study.id).unbegun
            writing.change(connection, study.id, failures_from=since)
        if state in (StudyState.STOPPED, StudyState.FAILED):
            writing.turn(connection, study.id, StudyState.OPEN)
            ask(connection, statements.FORGET_LOSSES, id=study.id)
            writing.note(connection, name, "resumed")
        return state, _release(connection, study) if release else 0


def extend(ledger: Ledger, name: str, trials: int) -> Literal["continued", "extended"]:
    """Raise the budget of trials, as a larger ``budget.trials`` in the study file does.

    Raises:
        StudyError: there is no such study, its budget is larger, or it is a sweep.
        SpecError: the spec does not allow that number.
    """
    snapshot = ledger.snapshot(name)
    old = snapshot.spec
    if snapshot.search_end is not None:
        raise _ended_by_rule(name, snapshot)
    if old.aim == "sweep":
        do = "Add points to its file and launch it under another name: --name NEW."
        raise _refusal(name, f"it is a sweep, and its points are in its file. {do}")
    raw = old.stored()
    raw["budget"]["trials"] = trials
    spec = file.validate(raw, where=f"study {name!r}, extended")
    return "extended" if ledger.register(spec) == "extended" else "continued"


def enqueue(ledger: Ledger, name: str, params: Mapping[str, ParamValue]) -> int:
    """Set some parameters of the next unopened trial, like Optuna's ``enqueue_trial``.

    The sampler suggests the others when the trial begins, as soon as the window allows
    it. The trial counts in the budget.

    Returns:
        The trial's number.

    Raises:
        StudyError: there is no such study, it is over, or it is no search that can take
            the trial.
        SpecError: a parameter is not searched, lies outside the space, or breaks a
            constraint.
    """
    ledger.code_of(name)  # imports the objective, which is slow, not under the lock
    with ledger.locked(name) as (connection, study):
        optuna_tables.require_study(connection, study.optuna_study_id, name)
        spec = file.restore(study.spec, name)
        number: int = snapshots.progress(connection, study.id).opened
        _refuse_enqueued(study, spec, number)
        where = f"study {name!r}: enqueued"
        refuse(parameters.check_point(spec, params, where, "Give another value."))
        fixed = spec.in_space(params)
        constraints.check_point(spec, fixed, where, "Give another value.")
        trial = optuna_tables.open_trial(
            connection, study.optuna_study_id, number, study.now
        )
        slot = {
            "study_id": study.id,
            "phase": Phase.SEARCH,
            "number": number,
            "attempts": 0,
        }
        slot |= {
            "state": SlotState.RUNNING,
            "attrs": {FIXED_PARAMS: fixed},
            "optuna_trial_id": trial,
        }
        connection.execute(insert(slots).values(slot))
        writing.note(connection, name, f"enqueued trial {number}")
        return number


def _refuse_enqueued(study: Row[Any], spec: StudySpec, number: int) -> None:
    name = study.name
    if spec.aim == "sweep":
        do = "Launch one with other points under another name: --name NEW."
        raise _refusal(name, f"it is a sweep, and its points are in its file. {do}")
    if study.state == StudyState.FAILED:
        raise _refusal(name, f"it has failed. See what to do: hpo status {name}.")
    if study.search_end is not None:
        raise _ended_by_rule(name, study)
    if spec.warm_start_params(number):
        do = "Enqueue again when all of those have begun."
        raise _refusal(
            name, f"the next trial, {number}, is a point of [warm_start]. {do}"
        )
    if number >= spec.budget.trials:
        do = f"Raise the budget first: hpo resume {name} --trials {number + 1}."
        raise _refusal(
            name, f"all of budget.trials={number} have begun or are enqueued. {do}"
        )


def retry(
    ledger: Ledger, name: str, trial: int | None = None
) -> list[tuple[Phase, int]]:
    """Retry failed slots with their parameters; reopen a failed or done study.

    Retry a search ``trial`` and its confirmation trainings; by default, all failed
    slots. Return phase and number of every reopened slot.

    Raises:
        StudyError: there is no such study or trial, or that trial has not failed.
    """
    with ledger.locked(name) as (connection, study):
        optuna_tables.require_study(connection, study.optuna_study_id, name)
        row = None if trial is None else _trial(connection, study, trial)
        failed = ask(
            connection, statements.FAILED, study_id=study.id, trial=trial
        ).all()
        if row is not None and not failed:
            if row.state == SlotState.RUNNING:
                return []  # as after a retry a moment ago
            do = f"List failed trials: hpo trials {name} --state failed."
            raise _refusal(
                name, f"trial {trial} has not failed, it is {row.state}. {do}"
            )
        since = snapshots.progress(connection, study.id).unbegun
        for slot in failed:
            _reopen(connection, slot, since)
        if failed:
            _amended(connection, study, reopen=(StudyState.FAILED, StudyState.DONE))
            which = "what had failed" if trial is None else f"trial {trial}"
            writing.note(connection, name, f"retried {which}")
        return [(Phase(slot.phase), slot.number) for slot in failed]


def _reopen(connection: Connection, slot: Row[Any], since: int) -> None:
    """Turn a failed slot into a running one without a worker; keep its stored
    members."""
    empty = dict.fromkeys(("message", "token", "lease_until", "settled_at"), null())
    _amend(
        connection,
        slot,
        "retry",
        since,
        SlotState.RUNNING,
        steps=[],
        losses_in_a_row=0,
        **empty,
    )
    if slot.optuna_trial_id is not None:
        optuna_tables.reopen_trial(connection, slot.optuna_trial_id)


def exclude(ledger: Ledger, name: str, trial: int, reason: str = "") -> int:
    """Exclude a trial from the ranking and from the history that suggestions see.

    The trial is complete or pruned, or it is running without a worker: lost again and
    again.

    Returns:
        The first trial whose suggestion no longer sees it.

    Raises:
        StudyError: there is no such study or trial, it has failed, or a worker is at
            work on it.
    """
    with ledger.locked(name) as (connection, study):
        slot = _trial(connection, study, trial)
        if slot.state == SlotState.EXCLUDED:
            return int(slot.amendments[-1]["since"])
        if slot.state == SlotState.FAILED:
            do = f"To run it again: hpo resume {name} --retry {trial}."
            raise _refusal(
                name, f"trial {trial} has failed, and counts in no ranking. {do}"
            )
        if slot.held:
            do = f"Wait until it is settled: hpo status {name}. {_dead(name)}"
            raise _refusal(name, f"{slot.worker} is at work on trial {trial}. {do}")
        since: int = snapshots.progress(connection, study.id, above=trial).unbegun
        why = " ".join(reason.split())  # one line, as every view shows it
        message = f"excluded, for trials from {since} on" + (f": {why}" if why else "")
        settled = {"settled_at": slot.settled_at or study.now, "message": message}
        free = {
            "lease_until": null(),
            "token": null(),
        }  # later writes of its worker are refused
        amendments = _amend(
            connection, slot, "exclude", since, SlotState.EXCLUDED, **settled, **free
        )
        ask(
            connection,
            "DELETE FROM hpo_ledger.checkpoints WHERE slot_id = :id",
            id=slot.id,
        )
        if slot.optuna_trial_id is not None:
            end = End(
                state=SlotState.EXCLUDED,
                score=slot.score,
                message=message,
                lineage=slot.lineage,
                trained=snapshots.read_members(connection, slot.id),
            )
            facts = end.shown(slot.attempts, amendments)
            optuna_tables.exclude_trial(connection, slot.optuna_trial_id, facts)
        again = ask(
            connection, statements.MAY_CONFIRM_OTHERS, id=study.id, trial=trial
        ).scalar()
        _amended(connection, study, reopen=(StudyState.DONE,) if again else ())
        writing.note(connection, name, f"excluded trial {trial}")
        return since


def prioritise(
    ledger: Ledger, name: str, priority: int | None = None
) -> tuple[int, int]:
    """Set the priority of a study, or only read it; return the old and the new one.

    Workers that serve several studies serve those of higher priority first. Running
    trials are not interrupted, and no result depends on it.

    Raises:
        StudyError: there is no such study, or the priority is out of range.
    """
    if priority is not None and abs(priority) > HIGHEST_PRIORITY:
        do = (
            f"Take a number from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}: their order"
            " counts."
        )
        raise _refusal(name, f"priority={priority} is out of range. {do}")
    with ledger.locked(name) as (connection, study):
        if priority is None or priority == study.priority:
            return study.priority, study.priority
        writing.change(connection, study.id, priority=priority)
        writing.note(connection, name, f"priority {priority} (was {study.priority})")
        return study.priority, priority


def accept_code(ledger: Ledger, name: str) -> int | None:
    """Accept a change of the source of a study's objective.

    Return the first trial that may be computed with this host's source; None if it is
    unchanged.

    Raises:
        StudyError: there is no such study.
        SpecError: its spec cannot be read here.
    """
    ledger.code_of(name)  # slow at first, so not under the lock
    with ledger.locked(name) as (connection, study):
        since = pins.accept(connection, study, file.restore(study.spec, name))
        if since is not None:
            writing.note(connection, name, f"accepted code from trial {since} on")
        return since


def delete_study(ledger: Ledger, name: str) -> None:
    """Delete a study with all its data, in Optuna's tables, too.

    Raises:
        StudyError: there is no such study, or workers are at work on it.
    """
    with ledger.locked(name) as (connection, study):
        holders = _holders(connection, study.id)
        if holders:
            do = (
                f"Stop it first, and wait until they have stopped: hpo stop {name}."
                f" {_dead(name)}"
            )
            raise _refusal(
                name, f"workers are at work on it: {', '.join(holders[:3])}. {do}"
            )
        _delete(connection, study, "deleted")


def withdraw(ledger: Ledger, name: str) -> bool:
    """Delete a study in which no trial has begun; return whether that was so.

    Raises:
        StudyError: there is no such study.
    """
    with ledger.locked(name) as (connection, study):
        if snapshots.progress(connection, study.id).opened:
            return False
        _delete(connection, study, "withdrawn")
        return True


def _delete(connection: Connection, study: Row[Any], what: str) -> None:
    ask(connection, "DELETE FROM hpo_ledger.studies WHERE id = :id", id=study.id)
    optuna_tables.delete_study(connection, study.optuna_study_id)
    writing.note(connection, study.name, what)


def _holders(connection: Connection, study_id: int) -> Sequence[str]:
    """Return the workers with a lease on a slot of the study."""
    return ask(connection, statements.HOLDERS, study_id=study_id).scalars().all()


def _trial(connection: Connection, study: Row[Any], number: int) -> Row[Any]:
    opened = snapshots.progress(connection, study.id).opened
    if not 0 <= number < opened:
        valid = f"0 to {opened - 1}" if opened else "none yet"
        raise _refusal(study.name, f"trial {number} has not begun. Valid: {valid}.")
    return ask(connection, statements.TRIAL, study_id=study.id, number=number).one()


def _dead(name: str) -> str:
    return f"If its worker is dead: hpo stop {name} --release."


def _refusal(name: str, why: str) -> StudyError:
    return StudyError(f"study {name!r}: {why}")


def _ended_by_rule(name: str, study: Any) -> StudyError:
    why = (
        f"[stop] has ended it before trial {study.search_end}"
        f" ({study.search_end_reason})"
    )
    return _refusal(
        name, f"{why}. Launch it with another [stop] under another name: --name NEW."
    )


def _amend(
    connection: Connection,
    slot: Row[Any],
    what: Literal["retry", "exclude"],
    since: int,
    state: SlotState,
    **values: Any,
) -> list[dict[str, Any]]:
    """Replace the outcome of a slot, store the old one as an amendment, return all
    amendments."""
    deed: dict[str, Any] = {"what": what, "since": since, "host": platform.node()}
    deed["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    old = {
        "state": SlotState(slot.state),
        "costs": tuple(slot.costs),
        "steps": tuple(slot.steps),
    }
    amendment = snapshots.from_row(Amendment, slot, **deed, **old)
    amendments = [*slot.amendments, amendment.stored()]
    values |= {"state": state, "amendments": amendments}
    values["attrs"] = sampler_attrs(
        slot.attrs
    )  # or successive halving would still compare with it
    connection.execute(update(slots).where(slots.c.id == slot.id).values(values))
    return amendments


def _amended(
    connection: Connection, study: Row[Any], *, reopen: Sequence[StudyState]
) -> None:
    """Count a change of the history; reopen a study in one of the states ``reopen``."""
    writing.change(connection, study.id, amendments=study.amendments + 1)
    if study.state in reopen:
        writing.turn(connection, study.id, StudyState.OPEN)
