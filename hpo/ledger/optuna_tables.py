"""A mirror of the ledger's trials in Optuna's tables, for optuna-dashboard and Optuna.

Each function runs inside the ledger's transaction, so both always agree. Optuna's
storage interface cannot do that: every call is a transaction of its own, some forty per
trial. This module and ``optuna_copies`` alone write Optuna's tables; a test reads them
through Optuna.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import TrialState
from sqlalchemy import Connection

from hpo.errors import OTHER_NAME, StudyError, advise
from hpo.ledger.locked_study import LockedStudy
from hpo.ledger.schema import ask
from hpo.ledger.statements import optuna as sql
from hpo.search.space import directions, distributions, names
from hpo.study.spec import StudySpec
from hpo.study.trials import Suggestion

METRIC_NAMES = "study:metric_names"
SPEC_KEYS = ("hpo:spec_hash", "hpo:spec", "hpo:reported")
"""Keys of a study's user attributes that ``publish_spec`` writes."""
TRIAL_USER_OF_OTHERS = (
    r"^(?!(lineage|members):|(attempts|message|amendments|excluded:score)$)"
)
"""Keys of a trial's user attributes that hpo does not write."""
TRIAL_SYSTEM_OF_OTHERS = r"^(artifacts|dashboard):"
"""Likewise keys of its system attributes; all others are the sampler's and the
pruner's."""


def create_study(connection: Connection, spec: StudySpec) -> int:
    """Create the Optuna study of a spec and return its id.

    Raises:
        StudyError: Optuna already has a study of this name, made by something else.
    """
    ways = [way.name for way in directions(spec)]
    study_id = create(connection, spec.name, ways)
    metrics = {METRIC_NAMES: json.dumps(names(spec))}
    set_attrs(connection, sql.SET_STUDY_SYSTEM_ATTRS, study_id, metrics)
    publish_spec(connection, study_id, spec)
    return study_id


def create(connection: Connection, name: str, ways: Sequence[str]) -> int:
    """Create an empty Optuna study with these directions and return its id.

    Raises:
        StudyError: Optuna already has a study of this name, made by something else.
    """
    created = ask(connection, sql.CREATE_STUDY, name=name, directions=ways)
    study_id: int | None = created.scalar()
    if study_id is None:
        raise StudyError(
            f"study {name!r}: another program has made an Optuna study of this"
            f" name. Choose another name: {advise(*OTHER_NAME)}."
        )
    return study_id


def publish_spec(connection: Connection, study_id: int, spec: StudySpec) -> None:
    """Write the spec, its hash and the reported optimum, if any, as the study's user
    attributes."""
    hash_key, spec_key, reported_key = SPEC_KEYS
    shown = {hash_key: spec.hash, spec_key: spec.stored()}
    if spec.reported is not None:
        shown[reported_key] = spec.reported.model_dump(exclude_none=True)
    set_attrs(connection, sql.SET_STUDY_USER_ATTRS, study_id, write_texts(shown))


def write_texts(attrs: Mapping[str, Any]) -> dict[str, str]:
    """Return attributes as Optuna stores them: each value as JSON."""
    return {key: json.dumps(value) for key, value in attrs.items()}


def set_attrs(
    connection: Connection, statement: str, owner_id: int, texts: Mapping[str, str]
) -> None:
    """Write attributes of a study or trial; replace those of the same keys."""
    keys = list(texts)
    ask(connection, statement, id=owner_id, keys=keys, texts=list(texts.values()))


def delete_study(connection: Connection, study_id: int) -> None:
    """Delete a study with all its trials, if it exists."""
    tables = models.BaseModel.metadata.sorted_tables
    for table in reversed(tables):  # those with references first
        if "study_id" in table.c:
            ask(
                connection,
                f"DELETE FROM {table.name} WHERE study_id = :id",
                id=study_id,
            )
        elif "trial_id" in table.c:
            which = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = :id)"
            ask(connection, f"DELETE FROM {table.name} WHERE {which}", id=study_id)


def require_study(study: LockedStudy) -> None:
    """Check that a study is still in Optuna's tables.

    Raises:
        StudyError: somebody has deleted it there, as optuna-dashboard can.
    """
    if study.ask(sql.FIND_STUDY, id=study.row.optuna_study_id).scalar() is None:
        raise study.refusal(
            "deleted from Optuna's tables, as optuna-dashboard can."
            " You can still read and export its trials; to use the name again: hpo"
            f" delete {study.name}."
        )


def open_trial(
    connection: Connection, optuna_study_id: int, number: int, at: datetime
) -> int:
    """Add a running trial with this number, begun ``at``, and return Optuna's id of it.

    For trials that are enqueued or imported. A worker opens its next trial by
    ``statements.claims.OPEN_NEXT_TRIAL``, which inserts the same row.
    """
    ask(connection, sql.LOCK_STUDY, id=optuna_study_id)
    opened = ask(connection, sql.OPEN_TRIAL, id=optuna_study_id, number=number, at=at)
    trial_id: int = opened.scalar_one()
    return trial_id


def reopen_trial(connection: Connection, trial_id: int) -> None:
    """Set a failed trial to running again."""
    _forget_outcome(connection, trial_id, TrialState.RUNNING)


def exclude_trial(
    connection: Connection, trial_id: int, user_attrs: Mapping[str, Any]
) -> None:
    """Set a complete or pruned trial to failed, so that Optuna ignores it, and say
    why."""
    if ask(connection, sql.LOCK_TRIAL, id=trial_id).scalar() is None:
        return  # deleted by optuna-dashboard
    _forget_outcome(connection, trial_id, TrialState.FAIL)
    set_attrs(connection, sql.SET_TRIAL_USER_ATTRS, trial_id, write_texts(user_attrs))


def _forget_outcome(connection: Connection, trial_id: int, state: TrialState) -> None:
    """Delete what ``SETTLE_SLOT`` has written; keep what other tools have added."""
    ask(
        connection,
        sql.FORGET_OUTCOME,
        id=trial_id,
        state=state.name,
        user=TRIAL_USER_OF_OTHERS,
        system=TRIAL_SYSTEM_OF_OTHERS,
    )


def list_params(spec: StudySpec, suggestion: Suggestion) -> dict[str, list[Any]]:
    """Return the parameters of ``STORE_SUGGESTION`` for Optuna's tables."""
    rows: dict[str, list[Any]] = {"names": [], "values": [], "distributions": []}
    known = distributions(spec)
    for name, text in suggestion.distributions.items():
        known[name] = json_to_distribution(text)
    for name, distribution in known.items():
        if name in suggestion.params:
            value = distribution.to_internal_repr(suggestion.params[name])
            rows["names"].append(name)
            rows["values"].append(float(value))
            rows["distributions"].append(distribution_to_json(distribution))
    return rows
