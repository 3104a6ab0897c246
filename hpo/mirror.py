"""The ledger's trials as Optuna's own rows, for optuna-dashboard and ``optuna.load_study``.

Each function runs inside the ledger's transaction, so both always tell the same: Optuna's storage
interface cannot do that (every call is a transaction of its own, some forty of them per trial).
This is the one module that knows Optuna's tables; a test reads what it wrote through Optuna.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import Connection, func, insert, select, text, update

from hpo import suggest
from hpo.errors import StudyError
from hpo.past import Suggestion
from hpo.snapshot import Confirmation, SlotState
from hpo.spec import StudySpec

_UTC_NOW = func.timezone("UTC", func.now())
_STATES = {
    SlotState.RUNNING: TrialState.RUNNING,
    SlotState.COMPLETE: TrialState.COMPLETE,
    SlotState.PRUNED: TrialState.PRUNED,
    SlotState.FAILED: TrialState.FAIL,
    SlotState.EXCLUDED: TrialState.FAIL,  # for Optuna, which passes over it
}


def create_study(storage: RDBStorage, spec: StudySpec) -> int:
    """Create the Optuna study of a spec and return its id.

    Raises:
        StudyError: Optuna already has a study of this name, made by something else.
    """
    direction = StudyDirection[spec.objective_impl.direction.upper()]
    try:
        with suggest.quiet():
            study_id = storage.create_new_study([direction], study_name=spec.name)
    except optuna.exceptions.DuplicatedStudyError:
        study_id = storage.get_study_id_from_name(spec.name)
        owner = storage.get_study_user_attrs(study_id).get("hpo:spec_hash")
        foreign = storage.get_study_directions(study_id) != [direction]
        if foreign or owner not in (None, spec.hash) or storage.get_n_trials(study_id) > 0:
            raise StudyError(
                f"study {spec.name!r}: the database must not hold an Optuna study of this name "
                f"that something else made, but it does. Choose another name: --name NEW."
            ) from None
    with suggest.quiet():
        optuna_study = optuna.load_study(study_name=spec.name, storage=storage)
        optuna_study.set_metric_names([spec.objective_impl.metric])
    publish_study(storage, study_id, spec)
    return study_id


def publish_study(storage: RDBStorage, study_id: int, spec: StudySpec) -> None:
    """Show the spec, its hash and the reported optimum as the study's user attributes."""
    storage.set_study_user_attr(study_id, "hpo:spec_hash", spec.hash)
    storage.set_study_user_attr(study_id, "hpo:spec", spec.stored())
    if spec.reported is not None:
        reported = spec.reported.model_dump(exclude_none=True)
        storage.set_study_user_attr(study_id, "hpo:reported", reported)


def delete_study(connection: Connection, study_id: int) -> None:
    """Delete a study with all its trials; it need not be there."""
    trials = models.TrialModel.__table__
    own = select(trials.c.trial_id).where(trials.c.study_id == study_id)
    tables = reversed(models.BaseModel.metadata.sorted_tables)  # those that refer to others first
    for table in tables:
        if "study_id" in table.c:
            connection.execute(table.delete().where(table.c.study_id == study_id))
        elif "trial_id" in table.c:
            connection.execute(table.delete().where(table.c.trial_id.in_(own)))


def publish_confirmed(
    connection: Connection, study_id: int, confirmations: Sequence[Confirmation]
) -> None:
    """Show the confirmed results as the study's user attribute ``hpo:confirmed``."""
    confirmed = [
        {"trial": c.source, "mean": c.mean, "std": c.std, "scores": c.scores, "failed": c.failed}
        for c in confirmations
        if len(c.scores) > 1
    ]
    table = models.StudyUserAttributeModel.__table__
    owner = (table.c.study_id == study_id) & (table.c.key == "hpo:confirmed")
    connection.execute(table.delete().where(owner))
    row = {"study_id": study_id, "key": "hpo:confirmed", "value_json": json.dumps(confirmed)}
    connection.execute(insert(table).values(row))


def require_study(connection: Connection, study_id: int, name: str) -> None:
    """Check that a study is still in Optuna's tables.

    Raises:
        StudyError: it was deleted there, as optuna-dashboard can.
    """
    table = models.StudyModel.__table__
    query = select(table.c.study_id).where(table.c.study_id == study_id)
    if connection.scalar(query) is None:
        raise StudyError(
            f"study {name!r}: Optuna's tables must hold it, too, but it was deleted there (as "
            f"optuna-dashboard can). Its trials can still be read and exported; to use the name "
            f"again: hpo delete {name}."
        )


def _has_trial(connection: Connection, trial_id: int) -> bool:
    """Whether a trial is still in Optuna's tables; if so, it stays for this transaction."""
    table = models.TrialModel.__table__
    query = select(table.c.trial_id).where(table.c.trial_id == trial_id)
    return connection.scalar(query.with_for_update(read=True, key_share=True)) is not None


def open_trial(connection: Connection, study_id: int, number: int) -> int:
    """Add a running trial with this number and return Optuna's id of it."""
    # Optuna's readers take the largest trial_id as the newest: serialise as Optuna itself does.
    study = models.StudyModel.__table__
    connection.execute(
        select(study.c.study_id).where(study.c.study_id == study_id).with_for_update()
    )
    table = models.TrialModel.__table__
    row = insert(table).values(
        study_id=study_id, number=number, state=TrialState.RUNNING, datetime_start=_UTC_NOW
    )
    return int(connection.execute(row.returning(table.c.trial_id)).scalar_one())


def reopen_trial(connection: Connection, trial_id: int) -> None:
    """Make a failed trial a running one again."""
    _forget_outcome(connection, trial_id)
    trials = models.TrialModel.__table__
    connection.execute(
        update(trials)
        .where(trials.c.trial_id == trial_id)
        .values(state=TrialState.RUNNING, datetime_complete=None)
    )


def exclude_trial(connection: Connection, trial_id: int, user_attrs: Mapping[str, Any]) -> None:
    """Make a complete or pruned trial a failed one, which Optuna passes over, and say why."""
    if not _has_trial(connection, trial_id):
        return  # deleted by optuna-dashboard: nothing is left to mirror
    _forget_outcome(connection, trial_id)
    _set_attrs(connection, models.TrialUserAttributeModel.__table__, trial_id, user_attrs)
    trials = models.TrialModel.__table__
    fail = update(trials).where(trials.c.trial_id == trial_id).values(state=TrialState.FAIL)
    connection.execute(fail)


def _forget_outcome(connection: Connection, trial_id: int) -> None:
    """Delete what ``settle_trial`` has written."""
    for model in (
        models.TrialValueModel,
        models.TrialIntermediateValueModel,
        models.TrialUserAttributeModel,
        models.TrialSystemAttributeModel,
    ):
        table = model.__table__
        connection.execute(table.delete().where(table.c.trial_id == trial_id))


def _set_attrs(connection: Connection, table: Any, trial_id: int, attrs: Mapping[str, Any]) -> None:
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attrs.items()
    ]
    if rows:
        connection.execute(insert(table), rows)


def set_params(
    connection: Connection, trial_id: int, spec: StudySpec, suggestion: Suggestion
) -> None:
    """Record what was suggested for a trial; it may be called again with the same suggestion."""
    if not _has_trial(connection, trial_id):
        return  # deleted by optuna-dashboard: nothing is left to mirror
    table = models.TrialParamModel.__table__
    connection.execute(table.delete().where(table.c.trial_id == trial_id))
    rows = [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": distribution.to_internal_repr(suggestion.params[name]),
            "distribution_json": distribution_to_json(distribution),
        }
        for name, distribution in suggest.distributions(spec).items()
    ]
    connection.execute(insert(table), rows)


def settle_trial(
    connection: Connection,
    trial_id: int,
    *,
    state: SlotState,
    score: float | None,
    steps: Sequence[float],
    user_attrs: Mapping[str, Any],
    system_attrs: Mapping[str, Any],
) -> None:
    """Finish a trial with everything it has to say, in one statement per table."""
    if not _has_trial(connection, trial_id):
        return  # deleted by optuna-dashboard: nothing is left to mirror
    values, curve = models.TrialValueModel, models.TrialIntermediateValueModel
    if score is not None and state in (SlotState.COMPLETE, SlotState.PRUNED):
        kind = values.TrialValueType.FINITE
        row = {"trial_id": trial_id, "objective": 0, "value": score, "value_type": kind}
        connection.execute(insert(values.__table__), [row])
    if steps:
        kinds = curve.TrialIntermediateValueType
        rows = [
            {
                "trial_id": trial_id,
                "step": step,
                "intermediate_value": value if math.isfinite(value) else None,
                "intermediate_value_type": kinds.FINITE if math.isfinite(value) else kinds.NAN,
            }
            for step, value in enumerate(steps, start=1)
        ]
        connection.execute(insert(curve.__table__), rows)
    _set_attrs(connection, models.TrialUserAttributeModel.__table__, trial_id, user_attrs)
    _set_attrs(connection, models.TrialSystemAttributeModel.__table__, trial_id, system_attrs)
    trials = models.TrialModel.__table__
    connection.execute(
        update(trials)
        .where(trials.c.trial_id == trial_id)
        .values(state=_STATES[state], datetime_complete=text("timezone('UTC', now())"))
    )
