"""Slots that somebody outside holds: a heartbeat for them, and their end by what is
told.

Who asked for a trial, and whether the lease has run out, does not matter when its value
is told: a reading counts once, and is never lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hpo.errors import advise
from hpo.ledger import failures, pins, snapshots, writing
from hpo.ledger.claim_records import End
from hpo.ledger.locked_study import LockedStudy, lock_study
from hpo.ledger.schema import Row
from hpo.ledger.statements.slots import LOCK_SLOT, RENEW_ASKED
from hpo.study import ask_and_tell
from hpo.study.ask_and_tell import AskedSlot
from hpo.study.spec import StudySpec
from hpo.study.trials import VALUE_SD, Phase, SlotState, StudyState


@dataclass(frozen=True, kw_only=True)
class Told:
    """What somebody tells of a trial."""

    slot: AskedSlot
    state: SlotState = SlotState.COMPLETE
    values: Sequence[float] = ()
    """One for each metric; empty of a failed trial, and of a pruned one without."""
    sd: float | None = None
    """Standard deviation of the first value, if it is known."""
    client: str = ""
    """Who tells it."""


def tell(connection: Connection, name: str, told: Told) -> bool:
    """Settle a trial by what is told of it; return whether it was told before.

    Raises:
        StudyError: the study is no ask-and-tell study, the trial was not asked, the
            values cannot be stored, or others were told before.
    """
    study = lock_study(connection, name)
    spec = require_ask_and_tell(study)
    if told.values or told.state == SlotState.COMPLETE:
        ask_and_tell.check_told(spec, told.slot, told.values, told.sd)
    slot = _lock_slot(study, told.slot)
    end = _build_end(spec, slot, told)
    if slot.state != SlotState.RUNNING:
        _check_equal(study, slot, told, end)
        return True
    writing.settle_any(connection, slot, end)
    failures.apply_failure_policy(study)
    return False


def require_ask_and_tell(study: LockedStudy) -> StudySpec:
    """Return the spec of a study that is asked and told.

    Raises:
        StudyError: workers evaluate its trials.
    """
    if not study.spec.is_ask_and_tell:
        run = advise(f"hpo worker {study.name}", f"hpo.launch({study.name!r})")
        raise study.refusal(
            f"workers evaluate its trials: {run}. To evaluate them yourself, write"
            ' objective = "ask-and-tell" in a study file of another name.'
        )
    return study.spec


def _lock_slot(study: LockedStudy, asked: AskedSlot) -> Row:
    """Return the row of a slot that was asked, locked.

    Raises:
        StudyError: it was not.
    """
    phase = Phase.SEARCH
    number = asked.number
    is_known = True
    if asked.repetition is not None:
        phase = Phase.CONFIRM
        is_known = 1 <= asked.repetition <= (study.spec.fresh_seeds or 0)
        if is_known:
            number = asked.slot_number(study.spec)
    slot = None
    if is_known:
        slot = study.ask(LOCK_SLOT, phase=phase, number=number).one_or_none()
    if slot is None or slot.params is None:
        ask = advise(f"hpo ask {study.name}", "study.ask()")
        raise study.refusal(
            f"trial {asked} has not been asked, so it has no value. Ask first: {ask}."
        )
    return slot


def _build_end(spec: StudySpec, slot: Row, told: Told) -> End:
    """Return the end of a slot by what is told of it."""
    member = None
    score = None
    costs: list[float] = []
    if told.values:
        measured = ask_and_tell.build_member(
            spec, told.values, told.sd, seconds=max(0.0, slot.seconds)
        )
        score = measured.score
        costs = spec.change_signs(told.values)[1:]
        if told.state == SlotState.COMPLETE:
            member = measured
    message = None
    if told.state != SlotState.COMPLETE:
        message = f"{told.state}, as {told.client} has told"
    return End(
        state=told.state,
        score=score,
        costs=costs,
        attrs=ask_and_tell.add_sd(slot.attrs, told.sd),
        message=message,
        lineage=_lineage(spec, slot, told),
        trained=() if member is None else (member,),
        last=member,
    )


def _lineage(spec: StudySpec, slot: Row, told: Told) -> dict[str, Any]:
    return {
        "spec_hash": spec.hash,
        "code": pins.fingerprint(spec),
        "worker": slot.worker,
        "told_by": told.client,
        "attempts": slot.attempts,
        "seconds": round(slot.seconds, 3),
    }


def _check_equal(study: LockedStudy, slot: Row, told: Told, end: End) -> None:
    """Accept what was told before, and refuse anything else.

    Raises:
        StudyError: it is something else.
    """
    before = f"{slot.state}"
    if slot.state == SlotState.COMPLETE:
        values = study.spec.change_signs([slot.score, *slot.costs])
        before = " ".join(f"{value:.15g}" for value in values)
    sd = slot.attrs.get(VALUE_SD)
    if sd is not None:
        before += f" with a standard deviation of {sd:.15g}"
    same = (
        slot.state == end.state
        and slot.score == end.score
        and list(slot.costs) == list(end.costs)
        and sd == told.sd
    )
    if same:
        return
    exclude = advise(
        f"hpo exclude {study.name} --trial {told.slot.number}",
        f"study.exclude({told.slot.number})",
    )
    who = slot.lineage.get("told_by", slot.worker)
    raise study.refusal(
        f"{who} has told trial {told.slot} before: {before}. The first value counts. If"
        f" it is wrong, take it out of the search: {exclude}. If two loops of `hpo ask`"
        " run on one computer, give each a name: hpo ask --client NAME."
    )


def renew(
    connection: Connection, name: str, asked: AskedSlot, client: str, lease_s: float
) -> None:
    """Extend the lease of a client on a trial that it has asked for.

    Raises:
        StudyError: it does not hold the trial any more.
    """
    study = lock_study(connection, name)
    require_ask_and_tell(study)
    slot = _lock_slot(study, asked)
    stop = "Stop the measurement"
    if slot.state != SlotState.RUNNING:
        raise study.refusal(f"trial {asked} is {slot.state} already. {stop}.")
    if slot.worker != client:
        raise study.refusal(
            f"the lease of {client} on trial {asked} has passed to {slot.worker}."
            f" {stop}, or tell its value: the first one that is told counts."
        )
    study.ask(RENEW_ASKED, slot_id=slot.id, lease_s=lease_s)


def refuse_ask_and_tell(connection: Connection, name: str) -> None:
    """Refuse a study whose trials no worker can evaluate.

    Raises:
        StudyError: it is one, or there is no such study.
    """
    study = LockedStudy(connection, snapshots.find_study(connection, name))
    if study.spec.is_ask_and_tell:
        ask = advise(f"hpo ask {name}", f"hpo.load({name!r}).ask()")
        raise study.refusal(
            "no worker evaluates its trials: its objective is ask-and-tell. Ask for"
            f" them yourself: {ask}."
        )


def read_asked_state(connection: Connection, name: str) -> StudyState:
    """Return the state of a study that is asked and told.

    Raises:
        StudyError: there is no such study, or workers evaluate its trials.
    """
    row = snapshots.find_study(connection, name)
    require_ask_and_tell(LockedStudy(connection, row))
    return StudyState(row.state)
