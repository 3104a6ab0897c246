"""Lost workers and failed trials, and when they stop a study."""

from __future__ import annotations

from sqlalchemy import Connection

from hpo.ledger.locked_study import LockedStudy, lock_study_by_id
from hpo.ledger.schema import Row, ask
from hpo.ledger.statements.claims import FAILURES_IN_A_ROW, SELECT_FAILURES
from hpo.ledger.statements.losses import (
    CHECK_LOST_ALONE,
    COUNT_LOSS,
    IS_LOST_BY_ONE_HOST,
    SELECT_LOST_HERE,
)
from hpo.script import is_script
from hpo.study.trials import MAX_LOSSES, StudyState, slot_name

FAILED_SHARE = 5
"""A study also stops when one slot in this many has failed."""
FAILURES_OF_FUNCTION = 10
"""Number of failed trials in a row that stops the study of a function, which may return
NaN or raise an exception for part of its space, as in Optuna."""
MOST_LOST_HERE = 2
"""A host that loses more trials in a row than this, which other hosts then finish, is
broken."""


def was_lost_alone(connection: Connection, slot: Row, who: str) -> bool:
    """Return whether a slot with an expired lease lost its worker alone; ``who`` asks.

    That is so if an earlier worker is still alive, and none fell silent at the same
    time. Otherwise the power, a host, a launch or the network may have failed, and the
    trial need not have killed its worker. A worker beats three times per lease; nothing
    is known of one whose name another process has now.
    """
    alone = ask(
        connection,
        CHECK_LOST_ALONE,
        worker=slot.worker,
        lease_until=slot.lease_until,
        who=who,
    )
    return bool(alone.scalar())


def count_loss(study: LockedStudy, slot: Row, why: str | None) -> None:
    """Free a running slot that has lost its worker; stop the study after too many
    losses.

    ``why`` is the cause of death; None for an outside cause (a power cut, a kill),
    which does not count against the slot. Nor do losses of one host count while another
    one serves the study, which will take the slot. A slot never fails by losses, since
    later trials would learn from that.
    """
    in_a_row = slot.losses_in_a_row
    if why is not None:
        in_a_row += 1
    loss = {"slot_id": slot.id, "in_a_row": in_a_row}
    study.ask(COUNT_LOSS, **loss, why=why)
    if why is None or in_a_row < MAX_LOSSES:
        return
    if study.ask(IS_LOST_BY_ONE_HOST, **loss, study=study.name).scalar():
        return
    name = slot_name(slot.number, slot.source, study.spec.fresh_seeds)
    study.turn(
        StudyState.FAILED,
        f"{name} has lost {in_a_row} workers in a row without progress, it alone;"
        f" the last one, {slot.worker}: {why}",
    )


def explain_losses_of(
    connection: Connection, host: str, within_s: float
) -> dict[str, str]:
    """Return why a host should leave out studies: it loses their trials, and others
    finish these.

    It may try again once its last loss is longer ago than ``within_s``, and is let in
    again when it has finished a trial.
    """
    why = {}
    for row in ask(connection, SELECT_LOST_HERE, host=host, within_s=within_s):
        if row.n > MOST_LOST_HERE:
            why[row.name] = (
                f"this host has lost {row.n} trials that others then finished; the last"
                f" time: {row.why}"
            )
    return why


def apply_failure_policy(study: LockedStudy) -> None:
    """Stop a study whose objective fails systematically, to waste no more slots.

    Only trials before the first running one count, by number, so that the outcome does
    not depend on speed. Accepted failures (``hpo resume``) do not count.
    """
    failed = study.ask(SELECT_FAILURES).all()
    if len(failed) < FAILURES_IN_A_ROW:
        return
    last = failed[-1]
    numbers = {row.number for row in failed}
    is_function = is_script(study.row.spec["objective"])
    in_a_row = FAILURES_OF_FUNCTION if is_function else FAILURES_IN_A_ROW
    if any(numbers.issuperset(range(n, n + in_a_row)) for n in numbers):
        rule = f"{in_a_row} trials in a row failed"
    elif not is_function and len(failed) * FAILED_SHARE >= last.budget:
        rule = f"{len(failed)} of {last.budget} trials failed"
    else:
        return
    study.turn(StudyState.FAILED, f"{rule}; the last one:\n{last.message}")


def judge_failures(connection: Connection, study_id: int) -> None:
    """Apply the failure policy under the lock on the study's row."""
    study = lock_study_by_id(connection, study_id)
    if study is not None:
        apply_failure_policy(study)
