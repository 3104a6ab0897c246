"""Confirmation of an imported study: it gets a function, and is open again."""

from __future__ import annotations

import json
import shlex

from hpo.ledger import optuna_tables, pins
from hpo.ledger.ledger import Ledger
from hpo.ledger.statements.claims import DELETE_CONFIRMATIONS, SELECT_CONFIRMATIONS
from hpo.ledger.statements.studies import AMEND_SPEC
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudyState


def confirm(ledger: Ledger, spec: StudySpec) -> None:
    """Give an imported study its function and its ``[confirm]``, and open it.

    Confirmations by another function, all failed or unfinished, are deleted.

    Args:
        ledger: of the database.
        spec: that of the study, with these changes.

    Raises:
        StudyError: there is no such study, a trial is confirmed already, or the study
            was deleted from Optuna's tables.
    """
    pins.hash_modules(spec)  # slow at first, so not under the lock
    with ledger.locked(spec.name) as study:
        optuna_tables.require_study(study)
        states = [row.state for row in study.ask(SELECT_CONFIRMATIONS)]
        if SlotState.COMPLETE in states:
            raise study.refusal(
                "a confirmation has just succeeded. See it: hpo status"
                f" {shlex.quote(study.name)}."
            )
        study.ask(DELETE_CONFIRMATIONS)
        study.ask(AMEND_SPEC, spec=json.dumps(spec.stored()), spec_hash=spec.hash)
        pins.pin_anew(study, spec)
        study.turn(StudyState.OPEN)
        optuna_tables.publish_spec(study.connection, study.row.optuna_study_id, spec)
        study.note(f"amended: to confirm with {spec.objective}")
