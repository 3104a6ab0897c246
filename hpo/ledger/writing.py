"""Writes by the holder of a slot, one statement each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection

from hpo.contract import Baseline
from hpo.errors import printable
from hpo.ledger import failures, snapshots
from hpo.ledger.claim_records import Checkpoint, Claim, End, LeaseLostError
from hpo.ledger.locked_study import lock_study_by_id
from hpo.ledger.optuna_tables import list_params, write_texts
from hpo.ledger.schema import Row, ask
from hpo.ledger.statements.slots import (
    CHECK_SLOT,
    LOCK_HELD_SLOT,
    RELEASE_SLOT,
    SELECT_ATTRS,
    SETTLE_SLOT,
    STORE_BOUND,
    STORE_CHECKPOINT,
    STORE_MEMBER,
    STORE_SUGGESTION,
)
from hpo.ledger.statements.studies import (
    LACKS_BASELINES,
    LACKS_DIFFERENCES,
    STORE_BASELINES,
    STORE_DIFFERENCES,
)
from hpo.study import effort
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Suggestion

NOTHING = {"is_suggested": False, "n_stored": 0}
"""Parameters of statements whose holder need not have stored anything before."""


def explain_loss(connection: Connection, claim: Claim) -> LeaseLostError:
    """Return the error for a late write, with the slot's fate."""
    slot = ask(connection, CHECK_SLOT, **claim.owner).one_or_none()
    if slot is None:
        return LeaseLostError(
            f"{claim}: deleted while {claim.worker} was at work on it"
        )
    if slot.is_mine and slot.state == SlotState.RUNNING:
        return LeaseLostError(
            f"{claim}: the database came back in an earlier state, without what"
            f" {claim.worker} had stored of it"
        )
    return LeaseLostError(
        f"{claim}: the lease of {claim.worker} has passed to another worker"
    )


def _write(
    connection: Connection,
    statement: str,
    claim: Claim,
    **values: Any,
) -> Row:
    """Run a statement for the holder of a running slot only."""
    row = ask(connection, statement, **claim.owner, **NOTHING | values).first()
    if row is None:
        raise explain_loss(connection, claim)
    return row


def release(connection: Connection, claim: Claim) -> None:
    """Release a slot for the next worker.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    _write(connection, RELEASE_SLOT, claim)


def lose(connection: Connection, claim: Claim, why: str) -> None:
    """Release a slot as lost: its worker could not continue, for the reason ``why``.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    study = lock_study_by_id(connection, claim.study_id)
    slot = _write(connection, LOCK_HELD_SLOT, claim)
    # without a lease it was released, and the answer was lost
    if study is not None and slot.lease_until is not None:
        failures.count_loss(study, slot, why)


def store_suggestion(
    connection: Connection, claim: Claim, suggestion: Suggestion
) -> None:
    """Store the suggestion of a claimed trial.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    values = _list_suggestion(claim.spec, suggestion)
    _write(connection, STORE_SUGGESTION, claim, **values)


def _list_suggestion(spec: StudySpec, suggestion: Suggestion) -> dict[str, Any]:
    return {
        "params": json.dumps(dict(suggestion.params)),
        "attrs": json.dumps(dict(suggestion.attrs)),
        **list_params(spec, suggestion),
    }


def store_member(connection: Connection, claim: Claim, member: Member) -> None:
    """Store a finished training, and delete its checkpoint.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    _write(
        connection,
        STORE_MEMBER,
        claim,
        is_suggested=True,
        n_stored=member.member,
        **_list_member(member),
    )


def _list_member(member: Member | None) -> dict[str, Any]:
    """Return the parameters of a member; null without one."""
    if member is None:
        return {f"m_{one.name}": None for one in fields(Member)}
    row = {f"m_{name}": value for name, value in vars(member).items()}
    row["m_curve"] = list(member.curve)
    row["m_scored_at"] = list(member.scored_at)
    row["m_loss_curve"] = list(member.loss_curve)
    row["m_info"] = json.dumps(dict(member.info))
    return row


def store_checkpoint(
    connection: Connection, claim: Claim, checkpoint: Checkpoint
) -> None:
    """Store the checkpoint of an unfinished training.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    saved = {
        **vars(checkpoint),
        "curve": list(checkpoint.curve),
        "scored_at": list(checkpoint.scored_at),
    }
    _write(
        connection,
        STORE_CHECKPOINT,
        claim,
        is_suggested=not claim.spec.is_function,  # those are found by the call
        n_stored=checkpoint.member,
        **saved,
    )


def store_bound(connection: Connection, claim: Claim, ends_at: float) -> None:
    """Store before when a trial cannot end in virtual time.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    _write(connection, STORE_BOUND, claim, ends_at=ends_at)


def finish(connection: Connection, claim: Claim, end: End) -> bool:
    """Settle a slot, in the ledger and in Optuna's tables.

    Return whether ``failures.judge_failures`` must run.

    Raises:
        LeaseLostError: another worker holds the slot now.
    """
    if end.network is not None:
        # one at a time: else two could both find theirs to be the best
        lock_study_by_id(connection, claim.study_id)
    row = _settle(connection, claim.owner, end, claim.slot_amendments)
    if row is not None:
        return row.failures or end.state == SlotState.FAILED
    slot = ask(connection, CHECK_SLOT, **claim.owner).one_or_none()
    if slot is None or not slot.is_mine or slot.state == SlotState.RUNNING:
        raise explain_loss(connection, claim)
    return True  # this attempt has finished it: the answer was lost


def _settle(
    connection: Connection,
    owner: Mapping[str, Any],
    end: End,
    amendments: Sequence[Any],
) -> Row | None:
    """Write the end of a slot, in Optuna's tables, too; return None if its holder has
    changed."""
    trained = end.trained
    if trained is None:
        trained = snapshots.read_members(connection, owner["slot_id"])
    n_stored = len(trained)
    if end.last is not None:
        n_stored -= 1
    attrs = end.attrs
    if attrs is None:
        attrs = ask(connection, SELECT_ATTRS, **owner).scalar() or {}
    user_texts = write_texts(end.list_facts(trained, owner["attempt"], amendments))
    system_texts = write_texts(attrs)
    values = {
        **vars(end),
        **_list_member(end.last),
        "n_stored": n_stored,
        "costs": list(end.costs),
        "steps": json.dumps(list(end.steps)),
        "numbers": effort.step_numbers(end.steps),
        "attrs": json.dumps(attrs),
        "lineage": json.dumps(end.lineage),
        "user_keys": list(user_texts),
        "user_texts": list(user_texts.values()),
        "system_keys": list(system_texts),
        "system_texts": list(system_texts.values()),
    }
    return ask(connection, SETTLE_SLOT, **owner, **values).first()


def restore(connection: Connection, spec: StudySpec, slot: Row, end: End) -> None:
    """Settle a trial from a backup, inserted as running, with its old end; Optuna's,
    too."""
    if slot.params:
        suggestion = Suggestion(params=slot.params, attrs=slot.attrs)
        values = _list_suggestion(spec, suggestion)
        ask(connection, STORE_SUGGESTION, **_holder(slot), **NOTHING, **values)
    if end.state.is_finished:
        settle_any(connection, slot, end)


def settle_any(connection: Connection, slot: Row, end: End) -> None:
    """Settle a running slot, whoever holds it; its row is locked."""
    _settle(connection, _holder(slot), end, slot.amendments)


def _holder(slot: Row) -> dict[str, Any]:
    """Return the parameters of statements that identify the holder of a slot."""
    return {
        "slot_id": slot.id,
        "attempt": slot.attempts,
        "worker": slot.worker,
        "token": slot.token,
    }


def lacks_baselines(connection: Connection, study_id: int) -> bool:
    """Return whether a study has no stored baselines yet."""
    return bool(ask(connection, LACKS_BASELINES, study_id=study_id).scalar())


def store_baselines(
    connection: Connection, study_id: int, baselines: Sequence[Baseline]
) -> None:
    """Store the baselines of a study, unless it has some."""
    stored = json.dumps([item.model_dump() for item in baselines])
    ask(connection, STORE_BASELINES, study_id=study_id, baselines=stored)


def lacks_differences(connection: Connection, study_id: int) -> bool:
    """Return whether nobody has compared two trainings of a study yet."""
    return bool(ask(connection, LACKS_DIFFERENCES, study_id=study_id).scalar())


def store_differences(
    connection: Connection, study_id: int, differences: Sequence[str]
) -> None:
    """Store what differs between two trainings of a study's first network."""
    stored = json.dumps([printable(text) for text in differences])
    ask(connection, STORE_DIFFERENCES, study_id=study_id, differences=stored)
