"""Reading a single trial with all that is known of it, and all trials as rows."""

from __future__ import annotations

from sqlalchemy import Connection

from hpo.errors import StudyError
from hpo.ledger import snapshots
from hpo.ledger.rows import from_row
from hpo.ledger.schema import ask
from hpo.ledger.statements import one_trial as sql
from hpo.study.one_trial import Checkpoint, Loss, OneTrial, Training, TrialRow
from hpo.study.result import Result
from hpo.study.spec import StudySpec


def read_trial(connection: Connection, name: str, number: int) -> OneTrial:
    """Return a search trial, with curves and confirmation.

    Raises:
        StudyError: there is no such study, or no such trial in it.
    """
    row = snapshots.find_study(connection, name)
    known = {"study_id": row.id, "number": number}
    slots = ask(connection, sql.SELECT_SLOTS_OF_TRIAL, **known).all()
    if not any(slot.source is None for slot in slots):
        raise StudyError(
            f"study {name!r}: it has no trial {number} yet. Its trials: hpo trials"
            f" {name}."
        )
    members = ask(
        connection, sql.SELECT_MEMBERS_OF_TRIAL, **known, curves=True, whole=None
    ).all()
    rows = snapshots.Fetched(study=row, slots=slots, members=members, is_one=True)
    checkpoint = ask(connection, sql.SELECT_CHECKPOINT_OF_TRIAL, **known).first()
    losses = ask(connection, sql.SELECT_LOSSES_OF_TRIAL, **known)
    trainings = ask(connection, sql.SELECT_TRAININGS_OF_TRIAL, **known)
    return OneTrial(
        result=Result.of(snapshots.build(rows)),
        losses=[from_row(Loss, loss) for loss in losses],
        trainings=[from_row(Training, training) for training in trainings],
        checkpoint=checkpoint and from_row(Checkpoint, checkpoint),
    )


def list_trials(connection: Connection, name: str) -> tuple[StudySpec, list[TrialRow]]:
    """Return the spec of a study and its search trials as rows, without networks.

    Raises:
        StudyError: there is no such study.
    """
    row = snapshots.find_study(connection, name)
    rows = ask(connection, sql.LIST_TRIALS, study_id=row.id)
    return snapshots.restore_spec(row), list(map(TrialRow._make, rows))
