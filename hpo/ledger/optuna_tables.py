"""The ledger's trials as Optuna's own rows, for optuna-dashboard and ``optuna.load_study``.

Each function runs inside the ledger's transaction, so both always tell the same: Optuna's storage
interface cannot do that (every call is a transaction of its own, some forty of them per trial).
This is the one module that writes Optuna's tables; a test reads what it wrote through Optuna.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo.errors import StudyError
from hpo.ledger.claims import End
from hpo.search import space as search_space
from hpo.search.space import directions, values
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Suggestion

METRIC_NAMES = "study:metric_names"
TRIAL_USER_OF_OTHERS = r"^(?!(lineage|members):|(attempts|message|amendments|excluded:score)$)"
"""Keys of a trial's user attributes that are not ours."""
TRIAL_SYSTEM_OF_OTHERS = r"^(artifacts|dashboard):"
"""Likewise of its system attributes, which else are the sampler's and the pruner's."""

_STUDIES = models.StudyModel.__table__
_TRIALS = models.TrialModel.__table__
_SYSTEM = models.StudySystemAttributeModel.__table__
_STATES = {
    SlotState.COMPLETE: TrialState.COMPLETE,
    SlotState.PRUNED: TrialState.PRUNED,
    SlotState.FAILED: TrialState.FAIL,
    SlotState.EXCLUDED: TrialState.FAIL,  # for Optuna, which passes over it
}


def create_study(connection: Connection, spec: StudySpec) -> int:
    """Create the Optuna study of a spec and return its id.

    Raises:
        StudyError: Optuna already has a study of this name, made by something else.
    """
    new = upsert(_STUDIES).values(study_name=spec.name).on_conflict_do_nothing()
    study_id = connection.scalar(new.returning(_STUDIES.c.study_id))
    if study_id is None:
        raise StudyError(
            f"study {spec.name!r}: the database must not hold an Optuna study of this name "
            f"that something else made, but it does. Choose another name: --name NEW."
        )
    rows = [
        {"study_id": study_id, "objective": objective, "direction": direction}
        for objective, direction in enumerate(directions(spec))
    ]
    connection.execute(insert(models.StudyDirectionModel.__table__).values(rows))
    metrics = [spec.objective_impl.metric, *spec.costs]
    set_system_attrs(connection, study_id, {METRIC_NAMES: json.dumps(metrics)})
    publish_study(connection, study_id, spec)
    return int(study_id)


def publish_study(connection: Connection, study_id: int, spec: StudySpec) -> None:
    """Show the spec, its hash and the reported optimum as the study's user attributes."""
    shown = {"hpo:spec_hash": json.dumps(spec.hash), "hpo:spec": json.dumps(spec.stored())}
    if spec.reported is not None:
        shown["hpo:reported"] = json.dumps(spec.reported.model_dump(exclude_none=True))
    set_attrs(connection, models.StudyUserAttributeModel, study_id, shown)


def set_attrs(connection: Connection, model: Any, owner_id: int, texts: Mapping[str, str]) -> None:
    """Write attributes of a study or trial, given as JSON, over those of the same keys."""
    owner = "study_id" if "study_id" in model.__table__.c else "trial_id"
    rows = [{owner: owner_id, "key": key, "value_json": text} for key, text in texts.items()]
    if rows:
        new = upsert(model.__table__)
        keys, shown = [owner, "key"], {"value_json": new.excluded.value_json}
        connection.execute(new.on_conflict_do_update(index_elements=keys, set_=shown), rows)


def set_system_attrs(connection: Connection, study_id: int, texts: Mapping[str, str]) -> None:
    """Write system attributes of a study, given as JSON, over those of the same keys."""
    set_attrs(connection, models.StudySystemAttributeModel, study_id, texts)


def drop_system_attrs(connection: Connection, study_id: int, keys: Collection[str]) -> None:
    """Delete system attributes of a study."""
    own = (_SYSTEM.c.study_id == study_id) & _SYSTEM.c.key.in_(keys)
    connection.execute(_SYSTEM.delete().where(own))


def delete_study(connection: Connection, study_id: int) -> None:
    """Delete a study with all its trials; it need not be there."""
    own = select(_TRIALS.c.trial_id).where(_TRIALS.c.study_id == study_id)
    tables = reversed(models.BaseModel.metadata.sorted_tables)  # those that refer to others first
    for table in tables:
        if "study_id" in table.c:
            connection.execute(table.delete().where(table.c.study_id == study_id))
        elif "trial_id" in table.c:
            connection.execute(table.delete().where(table.c.trial_id.in_(own)))


def publish_confirmed(
    connection: Connection, study_id: int, confirmed: Sequence[Mapping[str, Any]]
) -> None:
    """Show the confirmed results as the study's user attribute ``hpo:confirmed``."""
    shown = {"hpo:confirmed": json.dumps(confirmed)}
    set_attrs(connection, models.StudyUserAttributeModel, study_id, shown)


def _is_there(connection: Connection, key: Any, wanted: int, *, shared: bool) -> bool:
    query = select(key).where(key == wanted).with_for_update(read=shared, key_share=shared)
    return connection.scalar(query) is not None


def lock_study(connection: Connection, study_id: int) -> bool:
    """Whether a study is still in Optuna's tables; if so, nobody else adds a trial until the end of
    this transaction."""
    return _is_there(connection, _STUDIES.c.study_id, study_id, shared=False)


def require_study(connection: Connection, study_id: int, name: str) -> None:
    """Check that a study is still in Optuna's tables.

    Raises:
        StudyError: it was deleted there, as optuna-dashboard can.
    """
    query = select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == study_id)
    if connection.scalar(query) is None:
        raise StudyError(
            f"study {name!r}: Optuna's tables must hold it, too, but it was deleted there (as "
            f"optuna-dashboard can). Its trials can still be read and exported; to use the name "
            f"again: hpo delete {name}."
        )


def open_trial(connection: Connection, study_id: int, number: int, at: datetime) -> int:
    """Add a running trial with this number, begun ``at``, and return Optuna's id of it."""
    lock_study(connection, study_id)  # as in ``OPEN``
    row = {"study_id": study_id, "number": number, "state": TrialState.RUNNING}
    utc = at.astimezone(UTC).replace(tzinfo=None)  # as Optuna's time stamps, not saying so
    new = insert(_TRIALS).values(**row, datetime_start=utc)
    return int(connection.execute(new.returning(_TRIALS.c.trial_id)).scalar_one())


def reopen_trial(connection: Connection, trial_id: int) -> None:
    """Make a failed trial a running one again."""
    _forget_outcome(connection, trial_id)
    running = {"state": TrialState.RUNNING, "datetime_complete": None}
    connection.execute(update(_TRIALS).where(_TRIALS.c.trial_id == trial_id).values(running))


def exclude_trial(connection: Connection, trial_id: int, user_attrs: Mapping[str, Any]) -> None:
    """Make a complete or pruned trial a failed one, which Optuna passes over, and say why."""
    if not _is_there(connection, _TRIALS.c.trial_id, trial_id, shared=True):
        return  # deleted by optuna-dashboard: nothing is left to mirror
    _forget_outcome(connection, trial_id)
    texts = {key: json.dumps(value) for key, value in user_attrs.items()}
    set_attrs(connection, models.TrialUserAttributeModel, trial_id, texts)
    failed = update(_TRIALS).where(_TRIALS.c.trial_id == trial_id)
    connection.execute(failed.values(state=TrialState.FAIL))


def _forget_outcome(connection: Connection, trial_id: int) -> None:
    """Delete what ``FINISH`` has written; what others have added stays."""
    for model, others in (
        (models.TrialValueModel, None),
        (models.TrialIntermediateValueModel, None),
        (models.TrialUserAttributeModel, TRIAL_USER_OF_OTHERS),
        (models.TrialSystemAttributeModel, TRIAL_SYSTEM_OF_OTHERS),
    ):
        table = model.__table__
        own = table.delete().where(table.c.trial_id == trial_id)
        if others is not None:
            own = own.where(~table.c.key.regexp_match(others))
        connection.execute(own)


def params_of(spec: StudySpec, suggestion: Suggestion) -> dict[str, Any]:
    """The parameters of ``STORE_SUGGESTION`` for Optuna's tables."""
    space = search_space.distributions(spec)
    known = [name for name in space if name in suggestion.params]
    return {
        "names": known,
        "values": [float(space[k].to_internal_repr(suggestion.params[k])) for k in known],
        "distributions": [distribution_to_json(space[name]) for name in known],
    }


def outcome_of(end: End, user_attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of ``FINISH`` for Optuna's tables."""
    scored = end.state in (SlotState.COMPLETE, SlotState.PRUNED)
    system_attrs = end.attrs or {}
    return {
        "trial_state": _STATES[end.state].name,
        "scores": values(end.score, end.costs) if scored else [],
        "mirrored_steps": [step if math.isfinite(step) else math.nan for step in end.steps],
        "user_keys": list(user_attrs),
        "user_texts": [json.dumps(value) for value in user_attrs.values()],
        "own_keys": list(system_attrs),
        "own_texts": [json.dumps(value) for value in system_attrs.values()],
    }
