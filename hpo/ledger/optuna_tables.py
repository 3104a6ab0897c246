"""A mirror of the ledger's trials in Optuna's tables, for optuna-dashboard and Optuna.

Each function runs inside the ledger's transaction, so both always agree. Optuna's
storage interface cannot do that: every call is a transaction of its own, some forty per
trial. This is the only module that writes Optuna's tables; a test reads them through
Optuna.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo.errors import StudyError
from hpo.ledger import statements
from hpo.ledger.claims import End
from hpo.ledger.schema import ask
from hpo.search import space as search_space
from hpo.search.space import directions, names, values
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Suggestion

METRIC_NAMES = "study:metric_names"
TRIAL_USER_OF_OTHERS = (
    r"^(?!(lineage|members):|(attempts|message|amendments|excluded:score)$)"
)
"""Keys of a trial's user attributes that hpo does not write."""
TRIAL_SYSTEM_OF_OTHERS = r"^(artifacts|dashboard):"
"""Likewise keys of its system attributes; all others are the sampler's and the
pruner's."""

_STATES = {
    SlotState.COMPLETE: TrialState.COMPLETE,
    SlotState.PRUNED: TrialState.PRUNED,
    SlotState.FAILED: TrialState.FAIL,
    SlotState.EXCLUDED: TrialState.FAIL,  # so that Optuna ignores it
}


def create_study(connection: Connection, spec: StudySpec) -> int:
    """Create the Optuna study of a spec and return its id.

    Raises:
        StudyError: Optuna already has a study of this name, made by something else.
    """
    keys = {"name": spec.name, "directions": [way.name for way in directions(spec)]}
    study_id = ask(connection, statements.CREATE, **keys).scalar()
    if study_id is None:
        raise StudyError(
            f"study {spec.name!r}: another program has made an Optuna study of this"
            " name. Choose another name: --name NEW."
        )
    named = {METRIC_NAMES: json.dumps(names(spec))}
    set_attrs(connection, models.StudySystemAttributeModel, study_id, named)
    publish_study(connection, study_id, spec)
    return int(study_id)


def publish_study(connection: Connection, study_id: int, spec: StudySpec) -> None:
    """Show the spec, its hash and the reported optimum as the study's user
    attributes."""
    shown = {
        "hpo:spec_hash": json.dumps(spec.hash),
        "hpo:spec": json.dumps(spec.stored()),
    }
    if spec.reported is not None:
        shown["hpo:reported"] = json.dumps(spec.reported.model_dump(exclude_none=True))
    set_attrs(connection, models.StudyUserAttributeModel, study_id, shown)


def set_attrs(
    connection: Connection, model: Any, owner_id: int, texts: Mapping[str, str]
) -> None:
    """Write attributes of a study or trial, given as JSON; replace those of the same
    keys."""
    owner = "study_id" if "study_id" in model.__table__.c else "trial_id"
    rows = [
        {owner: owner_id, "key": key, "value_json": text} for key, text in texts.items()
    ]
    if rows:
        new = upsert(model.__table__)
        keys, shown = [owner, "key"], {"value_json": new.excluded.value_json}
        connection.execute(
            new.on_conflict_do_update(index_elements=keys, set_=shown), rows
        )


def delete_study(connection: Connection, study_id: int) -> None:
    """Delete a study with all its trials, if it exists."""
    by_trial = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = :id)"
    for table in reversed(
        models.BaseModel.metadata.sorted_tables
    ):  # tables with references first
        which = "study_id = :id" if "study_id" in table.c else by_trial
        if "study_id" in table.c or "trial_id" in table.c:
            ask(connection, f"DELETE FROM {table.name} WHERE {which}", id=study_id)


def require_study(connection: Connection, study_id: int, name: str) -> None:
    """Check that a study is still in Optuna's tables.

    Raises:
        StudyError: somebody has deleted it there, as optuna-dashboard can.
    """
    query = "SELECT study_id FROM studies WHERE study_id = :id"
    if ask(connection, query, id=study_id).scalar() is None:
        raise StudyError(
            f"study {name!r}: deleted from Optuna's tables, as optuna-dashboard can."
            " You can still read and export its trials; to use the name again: hpo"
            f" delete {name}."
        )


def open_trial(connection: Connection, study_id: int, number: int, at: datetime) -> int:
    """Add a running trial with this number, begun ``at``, and return Optuna's id of
    it."""
    ask(
        connection, "SELECT FROM studies WHERE study_id = :id FOR UPDATE", id=study_id
    )  # see OPEN
    new = """INSERT INTO trials (study_id, number, state, datetime_start)
    VALUES (:id, :number, 'RUNNING', timezone('UTC', CAST(:at AS timestamptz)))
    RETURNING trial_id"""
    return int(ask(connection, new, id=study_id, number=number, at=at).scalar_one())


def reopen_trial(connection: Connection, trial_id: int) -> None:
    """Set a failed trial to running again."""
    _forget_outcome(connection, trial_id, TrialState.RUNNING)


def exclude_trial(
    connection: Connection, trial_id: int, user_attrs: Mapping[str, Any]
) -> None:
    """Set a complete or pruned trial to failed, so that Optuna ignores it, and say
    why."""
    query = "SELECT trial_id FROM trials WHERE trial_id = :id FOR KEY SHARE"
    if ask(connection, query, id=trial_id).scalar() is None:
        return  # deleted by optuna-dashboard
    _forget_outcome(connection, trial_id, TrialState.FAIL)
    texts = {key: json.dumps(value) for key, value in user_attrs.items()}
    set_attrs(connection, models.TrialUserAttributeModel, trial_id, texts)


def _forget_outcome(connection: Connection, trial_id: int, state: TrialState) -> None:
    """Delete what ``FINISH`` has written; keep what other tools have added."""
    others = {"user": TRIAL_USER_OF_OTHERS, "system": TRIAL_SYSTEM_OF_OTHERS}
    ask(connection, statements.FORGET, id=trial_id, state=state.name, **others)


def param_rows(spec: StudySpec, suggestion: Suggestion) -> dict[str, Any]:
    """Return the parameters of ``STORE_SUGGESTION`` for Optuna's tables."""
    space = search_space.distributions(spec)
    keys = [name for name in space if name in suggestion.params]
    return {
        "names": keys,
        "values": [
            float(space[k].to_internal_repr(suggestion.params[k])) for k in keys
        ],
        "distributions": [distribution_to_json(space[name]) for name in keys],
    }


def outcome_rows(
    spec: StudySpec, end: End, user_attrs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of ``FINISH`` for Optuna's tables."""
    scored = end.state in (SlotState.COMPLETE, SlotState.PRUNED)
    gone = end.state == SlotState.EXCLUDED  # as ``exclude_trial`` leaves it
    system_attrs, steps = ({}, ()) if gone else (end.attrs or {}, end.steps)
    return {
        "trial_state": _STATES[end.state].name,
        "scores": values(end.score, end.costs) if scored else [],
        "numbers": effort.step_numbers(spec)[: len(steps)],
        "mirrored_steps": [step if math.isfinite(step) else math.nan for step in steps],
        "user_keys": list(user_attrs),
        "user_texts": [json.dumps(value) for value in user_attrs.values()],
        "own_keys": list(system_attrs),
        "own_texts": [json.dumps(value) for value in system_attrs.values()],
    }
