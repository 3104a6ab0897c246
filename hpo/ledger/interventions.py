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

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from hpo.errors import OTHER_NAME, StudyError, advise
from hpo.ledger import optuna_tables, pins, snapshots
from hpo.ledger.claim_records import End
from hpo.ledger.ledger import Ledger, Registered
from hpo.ledger.locked_study import LockedStudy
from hpo.ledger.rows import from_row
from hpo.ledger.schema import Row
from hpo.ledger.statements import interventions as sql
from hpo.ledger.statements.studies import FORGET_POSTERIOR
from hpo.search import constraints
from hpo.study import file, functions
from hpo.study.messages import refuse
from hpo.study.tables import ParamValue
from hpo.study.trials import (
    FIXED_PARAMS,
    MAX_LOSSES,
    Amendment,
    Phase,
    SlotState,
    StudyState,
    read_steps,
    sampler_attrs,
)
from hpo.study.values import check_point

HIGHEST_PRIORITY = 1000


def stop(ledger: Ledger, name: str, *, release: bool = False) -> int:
    """Stop an open study: its workers save checkpoints and release its slots.

    With ``release``, for dead workers, free its slots at once. Return the number of
    slots that are still at work.

    Raises:
        StudyError: there is no such study, or it is over.
    """
    with ledger.locked(name) as study:
        state = study.row.state
        if state not in (StudyState.OPEN, StudyState.STOPPED):
            raise study.refusal(
                f"it is {state} already, and no worker claims its trials."
            )
        if state == StudyState.OPEN:
            now = datetime.now(UTC)
            reason = f"hpo stop, on {platform.node()} at {now:%Y-%m-%d %H:%M} UTC"
            study.turn(StudyState.STOPPED, reason)
            study.note("stopped")
        if release:
            _release_slots(study)
        return len(_list_holders(study))


def _release_slots(study: LockedStudy) -> int:
    """Free the slots of a study for its workers; a live worker continues until a
    takeover."""
    n = study.ask(sql.RELEASE_SLOTS).rowcount
    study.note(f"released running trials: {n}")
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
    with ledger.locked(name) as study:
        state = StudyState(study.row.state)
        is_stuck = study.ask(sql.IS_STUCK, most=MAX_LOSSES).scalar()
        if state == StudyState.FAILED and not is_stuck:
            study.ask(sql.ACCEPT_FAILURES, since=study.progress().unbegun)
        if state in (StudyState.STOPPED, StudyState.FAILED):
            study.turn(StudyState.OPEN)
            study.ask(sql.FORGET_LOSSES)
            study.note("resumed")
        return state, _release_slots(study) if release else 0


def extend(ledger: Ledger, name: str, trials: int) -> Registered:
    """Raise the budget of trials, as a larger ``budget.trials`` in the study file does.

    Raises:
        StudyError: there is no such study, its budget is larger, or it is a sweep.
        SpecError: the spec does not allow that number.
    """
    ledger.code_of(name)  # imports the objective, which is slow, not under the lock
    with ledger.locked(name) as study:
        _refuse_ended(study)
        _refuse_sweep(study, "Add points to its file and launch it under another name")
        raw = study.spec.stored()
    raw["budget"]["trials"] = trials
    spec = file.validate(raw, where=f"study {name!r}, extended")
    return ledger.register(spec)


def enqueue(ledger: Ledger, name: str, params: Mapping[str, ParamValue]) -> int:
    """Set some parameters of the next unopened trial, like Optuna's ``enqueue_trial``.

    The sampler suggests the others when the trial begins, as soon as the window allows
    it. The trial counts in the budget. A function may have any parameter: it ignores
    one that it does not ask for, and fails if one is outside of its range.

    Returns:
        The trial's number.

    Raises:
        StudyError: there is no such study, it is over, or it is no search that can take
            the trial.
        SpecError: a parameter is not searched, lies outside the space, or breaks a
            constraint.
    """
    ledger.code_of(name)  # imports the objective, which is slow, not under the lock
    with ledger.locked(name) as study:
        optuna_tables.require_study(study)
        number: int = study.progress().opened
        _refuse_enqueued(study, number)
        where = f"study {name!r}: enqueued"
        advice = "Give another value."
        fixed = dict(params)
        if study.spec.is_function:
            refuse(functions.check_enqueued(params, where))
        else:
            refuse(check_point(study.spec, params, where, advice))
            fixed = study.spec.in_space(params)
            constraints.check_point(study.spec, fixed, where, advice)
        trial_id = optuna_tables.open_trial(
            study.connection, study.row.optuna_study_id, number, study.row.now
        )
        study.ask(
            sql.ENQUEUE_TRIAL,
            number=number,
            attrs=json.dumps({FIXED_PARAMS: fixed}),
            optuna_trial_id=trial_id,
        )
        study.note(f"enqueued trial {number}")
        return number


def _refuse_enqueued(study: LockedStudy, number: int) -> None:
    _refuse_sweep(study, "Launch one with other points under another name")
    if study.row.state == StudyState.FAILED:
        see = advise(f"hpo status {study.name}", "study")
        raise study.refusal(f"it has failed. See what to do: {see}.")
    _refuse_ended(study)
    if study.spec.warm_start_params(number):
        raise study.refusal(
            f"the next trial, {number}, is a point of [warm_start]. Enqueue again when"
            " all of those have begun."
        )
    if number >= study.spec.budget.trials:
        more = number + 1
        extend = advise(
            f"hpo resume {study.name} --trials {more}", f"study.extend({more})"
        )
        raise study.refusal(
            f"all of budget.trials={number} have begun or are enqueued. Raise the"
            f" budget first: {extend}."
        )


def _refuse_sweep(study: LockedStudy, advice: str) -> None:
    if study.spec.has_points:
        kind = "sweep" if study.spec.curves else "grid"
        raise study.refusal(
            f"it is a {kind}, and its points are in its file. {advice}:"
            f" {advise(*OTHER_NAME)}."
        )


def _refuse_ended(study: LockedStudy) -> None:
    if study.row.search_end is not None:
        raise study.refusal(
            f"[stop] has ended it before trial {study.row.search_end}"
            f" ({study.row.search_end_reason}). Launch it with another [stop] under"
            f" another name: {advise(*OTHER_NAME)}."
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
    with ledger.locked(name) as study:
        optuna_tables.require_study(study)
        row = None if trial is None else _lock_trial(study, trial)
        failed = study.ask(sql.LOCK_FAILED_SLOTS, trial=trial).all()
        if row is not None and not failed:
            if row.state == SlotState.RUNNING:
                return []  # as after a retry a moment ago
            see = advise(f"hpo trials {name} --state failed", "study.trials")
            raise study.refusal(
                f"trial {trial} has not failed, it is {row.state}. List failed trials:"
                f" {see}."
            )
        since = study.progress().unbegun
        for slot in failed:
            _reopen_slot(study, slot, since)
        if failed:
            _change_history(study, reopen=(StudyState.FAILED, StudyState.DONE))
            which = "what had failed" if trial is None else f"trial {trial}"
            study.note(f"retried {which}")
        return [(Phase(slot.phase), slot.number) for slot in failed]


def _reopen_slot(study: LockedStudy, slot: Row, since: int) -> None:
    """Turn a failed slot into a running one without a worker; keep its stored
    members."""
    _amend_slot(study, slot, "retry", since, sql.REOPEN_SLOT)
    if slot.optuna_trial_id is not None:
        optuna_tables.reopen_trial(study.connection, slot.optuna_trial_id)


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
    with ledger.locked(name) as study:
        slot = _lock_trial(study, trial)
        if slot.state == SlotState.EXCLUDED:
            return int(slot.amendments[-1]["since"])
        _refuse_excluded(study, slot)
        since: int = study.progress(above=trial).unbegun
        message = f"excluded, for trials from {since} on"
        why = " ".join(reason.split())  # one line, as every view shows it
        if why:
            message += f": {why}"
        _exclude_slot(study, slot, since, message)
        again = study.ask(sql.MAY_CONFIRM_OTHERS, trial=trial).scalar()
        _change_history(study, reopen=(StudyState.DONE,) if again else ())
        study.note(f"excluded trial {trial}")
        return since


def _refuse_excluded(study: LockedStudy, slot: Row) -> None:
    if slot.state == SlotState.FAILED:
        again = advise(
            f"hpo resume {study.name} --retry {slot.number}",
            f"study.retry({slot.number})",
        )
        raise study.refusal(
            f"trial {slot.number} has failed, and counts in no ranking. To run it"
            f" again: {again}."
        )
    if slot.held:
        see = advise(f"hpo status {study.name}", "study.trials")
        raise study.refusal(
            f"{slot.worker} is at work on trial {slot.number}. Wait until it is"
            f" finished: {see}. {_if_dead(study)}"
        )


def _exclude_slot(study: LockedStudy, slot: Row, since: int, message: str) -> None:
    """Replace the outcome of a slot, in Optuna's tables, too."""
    amendments = _amend_slot(
        study,
        slot,
        "exclude",
        since,
        sql.EXCLUDE_SLOT,
        message=message,
        has_clock=bool(study.spec.budget.clock),
    )
    study.ask(sql.DELETE_CHECKPOINT, slot_id=slot.id)
    if slot.optuna_trial_id is not None:
        end = End(
            state=SlotState.EXCLUDED,
            score=slot.score,
            message=message,
            lineage=slot.lineage,
        )
        trained = snapshots.read_members(study.connection, slot.id)
        facts = end.list_facts(trained, slot.attempts, amendments)
        optuna_tables.exclude_trial(study.connection, slot.optuna_trial_id, facts)


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
        raise StudyError(
            f"study {name!r}: priority={priority} is out of range. Take a number from"
            f" -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}: their order counts."
        )
    with ledger.locked(name) as study:
        old: int = study.row.priority
        if priority is None or priority == old:
            return old, old
        study.ask(sql.SET_PRIORITY, priority=priority)
        study.note(f"priority {priority} (was {old})")
        return old, priority


def accept_code(
    ledger: Ledger, name: str, *, only_ours: bool = False
) -> pins.Accepted | None:
    """Accept a change of the source of a study's objective; return None if it is
    unchanged.

    Args:
        ledger: the ledger with the study.
        name: name of the study.
        only_ours: accept changes of hpo and of the packages that suggest, no others.

    Raises:
        StudyError: there is no such study; or ``only_ours``, and its own modules
            differ.
        SpecError: its spec cannot be read here.
    """
    if only_ours:
        with ledger.locked(name) as study:
            row = study.row
        pins.check_own(row)
    ledger.code_of(name)  # slow at first, so not under the lock
    with ledger.locked(name) as study:
        accepted = pins.accept(study, only_ours=only_ours)
        if accepted is not None:
            study.note(f"accepted code from trial {accepted.since} on")
        return accepted


def delete_study(ledger: Ledger, name: str) -> None:
    """Delete a study with all its data, in Optuna's tables, too.

    Raises:
        StudyError: there is no such study, or workers are at work on it.
    """
    with ledger.locked(name) as study:
        holders = ", ".join(_list_holders(study)[:3])
        if holders:
            raise study.refusal(
                f"workers are at work on it: {holders}. Stop it first, and wait until"
                f" they have stopped: hpo stop {name}. {_if_dead(study)}"
            )
        _delete(study, "deleted")


def withdraw(ledger: Ledger, name: str) -> bool:
    """Delete a study in which no trial has begun; return whether that was so.

    Raises:
        StudyError: there is no such study.
    """
    with ledger.locked(name) as study:
        if study.progress().opened:
            return False
        _delete(study, "withdrawn")
        return True


def _delete(study: LockedStudy, what: str) -> None:
    """Delete a study, in Optuna's tables, too, and note the event."""
    study.ask(sql.DELETE_STUDY)
    optuna_tables.delete_study(study.connection, study.row.optuna_study_id)
    study.note(what)


def _list_holders(study: LockedStudy) -> Sequence[str]:
    """Return the workers with a lease on a slot of the study."""
    return study.ask(sql.SELECT_HOLDERS).scalars().all()


def _lock_trial(study: LockedStudy, number: int) -> Row:
    """Lock a trial that has begun until the transaction ends, and return its row.

    Raises:
        StudyError: there is no such trial.
    """
    opened = study.progress().opened
    if not 0 <= number < opened:
        valid = f"0 to {opened - 1}" if opened else "none yet"
        raise study.refusal(f"trial {number} has not begun. Valid: {valid}.")
    return study.ask(sql.LOCK_TRIAL, number=number).one()


def _if_dead(study: LockedStudy) -> str:
    free = advise(f"hpo stop {study.name} --release", "study.stop(release=True)")
    return f"If its worker is dead: {free}."


def _amend_slot(
    study: LockedStudy,
    slot: Row,
    what: Literal["retry", "exclude"],
    since: int,
    statement: str,
    **values: Any,
) -> list[dict[str, Any]]:
    """Replace the outcome of a slot, store the old one as an amendment, return all
    amendments."""
    amendment = from_row(
        Amendment,
        slot,
        what=what,
        since=since,
        host=platform.node(),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        state=SlotState(slot.state),
        costs=tuple(slot.costs),
        steps=read_steps(slot.steps),
    )
    amendments = [*slot.amendments, amendment.stored()]
    study.ask(
        statement,
        slot_id=slot.id,
        amendments=json.dumps(amendments),
        # other attributes would let successive halving still compare with it
        attrs=json.dumps(sampler_attrs(slot.attrs)),
        **values,
    )
    return amendments


def _change_history(study: LockedStudy, *, reopen: Sequence[StudyState]) -> None:
    """Forget what depends on the history from before; reopen a study in one of the
    states ``reopen``."""
    study.ask(FORGET_POSTERIOR)
    if study.row.state in reopen:
        study.turn(StudyState.OPEN)
