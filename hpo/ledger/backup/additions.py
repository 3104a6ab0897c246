"""What others added to a study in Optuna's tables: notes, a user's own attributes.

`hpo.ledger.optuna_tables` writes our rows, which a backup makes anew; these it has to carry. Of a
note it carries what people wrote, and no published figures: whoever watches the study publishes it
anew. A study's priority is among them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from optuna.storages._rdb import models
from sqlalchemy import Connection, select

from hpo.ledger import optuna_notes, optuna_tables

Additions = Mapping[str, Mapping[str, Any]]
"""JSON texts by key: of the study as ``user`` and ``system``; as ``trial_user`` and
``trial_system`` by a trial's number, then by key. Keys name trials by number, not by Optuna's id.
"""

_KINDS: dict[str, tuple[Any, str]] = {
    "user": (models.StudyUserAttributeModel, r"^(?!hpo:(spec|spec_hash|reported)$)"),
    "system": (
        models.StudySystemAttributeModel,
        rf"^(?!({optuna_tables.METRIC_NAMES}|{optuna_tables.PUBLISHED})$|{optuna_tables.CARD})",
    ),
    "trial_user": (models.TrialUserAttributeModel, optuna_tables.TRIAL_USER_OF_OTHERS),
    "trial_system": (models.TrialSystemAttributeModel, optuna_tables.TRIAL_SYSTEM_OF_OTHERS),
}
"""Where they are, and the keys that are not ours."""
_OF_TRIAL = re.compile(r"^dashboard:(\d+):")
"""Where optuna-dashboard keeps what it knows of a trial: among the study's attributes."""
_LONGEST_KEY = 512


def find(connection: Connection, study_id: int) -> Additions:
    """The additions to a study, given by Optuna's id of it."""
    ids = _trial_ids(connection, study_id)
    numbers = {trial_id: number for number, trial_id in ids.items()}
    found: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
    for kind, (model, pattern) in _KINDS.items():
        table, trials = model.__table__, models.TrialModel.__table__
        query = select(table).where(table.c.key.regexp_match(pattern))
        if kind.startswith("trial"):
            query = query.join(trials, trials.c.trial_id == table.c.trial_id)
            for row in connection.execute(query.where(trials.c.study_id == study_id)):
                own = found[kind].setdefault(str(numbers[row.trial_id]), {})
                own[row.key] = row.value_json
        else:
            for row in connection.execute(query.where(table.c.study_id == study_id)):
                found[kind][_renamed(row.key, numbers)] = row.value_json
    found["system"] = optuna_notes.without_ours(found["system"])
    return found


def check(found: Any) -> Additions:
    """Take additions from a file.

    Raises:
        ValueError: they are not what `find` gives.
    """
    if not isinstance(found, Mapping) or found.keys() != _KINDS.keys():
        raise ValueError(f"it does not have {', '.join(_KINDS)}")
    for kind, owned in found.items():
        for texts in owned.values() if kind.startswith("trial") else [owned]:
            for key, text in texts.items():
                json.loads(text)
                if len(key) > _LONGEST_KEY or "\0" in key + text:
                    raise ValueError(f"{key[:40]!r} is no key of Optuna's")
                (key + text).encode()  # a lone surrogate is no UTF-8
        if kind.startswith("trial") and not all(number.isdecimal() for number in owned):
            raise ValueError(f"{kind} is not by trial")
    return found


def add(connection: Connection, study_id: int, additions: Additions) -> None:
    """Add them to a study that has all its trials."""
    ids = _trial_ids(connection, study_id)
    for kind, (model, pattern) in _KINDS.items():
        if kind.startswith("trial"):
            for number, texts in additions[kind].items():
                if int(number) in ids:
                    optuna_tables.set_attrs(connection, model, ids[int(number)], texts)
        else:
            texts = {
                _renamed(key, ids): text
                for key, text in additions[kind].items()
                if re.match(pattern, key)
            }
            optuna_tables.set_attrs(connection, model, study_id, texts)


def _trial_ids(connection: Connection, study_id: int) -> dict[int, int]:
    """Optuna's ids of the trials of a study, by number."""
    table = models.TrialModel.__table__
    query = select(table.c.number, table.c.trial_id).where(table.c.study_id == study_id)
    return {row.number: row.trial_id for row in connection.execute(query)}


def _renamed(key: str, names: Mapping[int, int]) -> str:
    return _OF_TRIAL.sub(lambda m: f"dashboard:{names.get(int(m[1]), m[1])}:", key)
