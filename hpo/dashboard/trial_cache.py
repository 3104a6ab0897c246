"""The trials of Optuna studies, read once and kept, in a form that many viewers can share.

Optuna's own reader takes 13 s and 700 MB for 5,000 trials with 60 intermediate values each, and its
cache keeps finished trials for ever. This one reads a few columns in bulk, shares what is equal,
and notices by state and time of completion when a finished trial became another (`hpo retry`,
`hpo exclude`) or was deleted. Of the ledger's studies it shows the ledger's trials alone.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Engine, Select, Text, cast, func, select

from hpo.ledger import optuna_reading
from hpo.ledger.tables import studies

SHORTEST_S = 1.0
"""Viewers that ask within this time see the same."""
MOST_TRIALS = 15_000
"""So many trials are kept, of the studies that were looked at last."""
_CHUNK = 1000
_LONGEST_SHARED = 100
"""Characters; longer texts are not held when their studies are gone."""
_TRIALS = models.TrialModel.__table__
_INFINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
_Stamp = tuple[TrialState, datetime | None]


@dataclass(frozen=True)
class View:
    """A study's trials at one moment: what viewers share. Nothing in it is ever changed.

    Attributes:
        version: another one whenever anything is different; never used again.
        trials: by number.
        shared: what was derived from this view, kept with it.
    """

    version: int
    trials: list[FrozenTrial]
    shared: dict[Any, Any] = field(default_factory=dict)


class _Study:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.at = -math.inf
        self.stamps: dict[int, _Stamp] = {}
        self.trials: dict[int, FrozenTrial] = {}
        self.view: View | None = None


class Trials:
    """The trials of all studies of a database."""

    def __init__(self, engine: Engine) -> None:
        """Read through ``engine``; nothing is read yet."""
        self._engine = engine.execution_options(isolation_level="REPEATABLE READ")
        self._studies: OrderedDict[int, _Study] = OrderedDict()
        self._lock = threading.Lock()
        self._versions = 0

    def of(self, study_id: int) -> View:
        """The trials of a study now, or a second ago; none if there is no such study."""
        with self._lock:
            study = self._studies.setdefault(study_id, _Study())
            self._studies.move_to_end(study_id)
        with study.lock:
            if study.view is None or time.monotonic() - study.at >= SHORTEST_S:
                self._refresh(study, study_id)
                study.at = time.monotonic()
            view = study.view
        assert view is not None
        self._forget_oldest()
        return view

    def kept(self) -> set[int]:
        """The ids of the studies whose trials are kept."""
        with self._lock:
            return set(self._studies)

    def _refresh(self, study: _Study, study_id: int) -> None:
        columns = (_TRIALS.c.trial_id, _TRIALS.c.state, _TRIALS.c.datetime_complete)
        query = select(*columns).where(_TRIALS.c.study_id == study_id)
        with self._engine.connect() as connection:
            named = select(studies.c.id).where(studies.c.optuna_study_id == study_id)
            if (ours := connection.scalar(named)) is not None:
                query = query.where(optuna_reading.is_ours(ours, _TRIALS.c.trial_id))
            stamps = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
            asked = [
                trial_id
                for trial_id, stamp in stamps.items()
                if not stamp[0].is_finished() or study.stamps.get(trial_id) != stamp
            ]
            read: dict[int, FrozenTrial] = {}
            for first in range(0, len(asked), _CHUNK):
                read.update(_read(connection, asked[first : first + _CHUNK]))
        same = stamps.keys() == study.stamps.keys()
        if study.view is not None and same and all(study.trials[i] == t for i, t in read.items()):
            return
        study.stamps = stamps
        study.trials = {i: read[i] if i in read else study.trials[i] for i in stamps}
        with self._lock:
            self._versions += 1
            version = self._versions
        study.view = View(version, sorted(study.trials.values(), key=lambda t: t.number))

    def _forget_oldest(self) -> None:
        with self._lock:
            kept = sum(len(study.trials) for study in self._studies.values())
            while kept > MOST_TRIALS and len(self._studies) > 1:
                _, study = self._studies.popitem(last=False)
                kept -= len(study.trials)


def _read(connection: Connection, ids: Sequence[int]) -> dict[int, FrozenTrial]:
    trial_id = _TRIALS.c.trial_id
    values = _by_trial(connection, models.TrialValueModel, ids, "objective", "value", "value_type")
    curves = _curves(connection, ids)
    params = _by_trial(
        connection, models.TrialParamModel, ids, "param_name", "param_value", "distribution_json"
    )
    user = _by_trial(connection, models.TrialUserAttributeModel, ids, "key", "value_json")
    system = _by_trial(connection, models.TrialSystemAttributeModel, ids, "key", "value_json")
    columns = ("number", "state", "datetime_start", "datetime_complete")
    query = select(trial_id, *(_TRIALS.c[name] for name in columns)).where(trial_id.in_(ids))
    trials = {}
    for id_, number, state, start, complete in connection.execute(query):
        spaces = {name: _distribution(text) for name, _, text in params[id_]}
        numbers = {objective: _number(value, kind.name) for objective, value, kind in values[id_]}
        trials[id_] = FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=[numbers[objective] for objective in sorted(numbers)] or None,
            datetime_start=_local(start),
            datetime_complete=_local(complete),
            params={name: spaces[name].to_external_repr(value) for name, value, _ in params[id_]},
            distributions=spaces,
            user_attrs={key: _json(text) for key, text in user[id_]},
            system_attrs={key: _json(text) for key, text in system[id_]},
            intermediate_values=curves.get(id_, {}),
            trial_id=id_,
        )
    return trials


def _by_trial(
    connection: Connection, model: Any, ids: Sequence[int], *names: str
) -> dict[int, list[Any]]:
    """The rows of a table by trial, in the order in which they were written."""
    table = model.__table__
    columns = [table.c[name] for name in names]
    (key,) = table.primary_key.columns
    query = select(table.c.trial_id, *columns).where(table.c.trial_id.in_(ids)).order_by(key)
    found: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row[0]].append(row[1:])
    return found


def _curves(connection: Connection, ids: Sequence[int]) -> dict[int, dict[int, float]]:
    """Intermediate values by trial: one row per trial, since there may be 60 times as many."""
    table = models.TrialIntermediateValueModel.__table__
    kind = cast(table.c.intermediate_value_type, Text)
    arrays = (table.c.step, table.c.intermediate_value, kind)
    query: Select[Any] = (
        select(table.c.trial_id, *map(func.array_agg, arrays))
        .where(table.c.trial_id.in_(ids))
        .group_by(table.c.trial_id)
    )
    return {
        row[0]: {
            step: _number(value, kind)
            for step, value, kind in sorted(
                zip(row[1], row[2], row[3], strict=True), key=itemgetter(0)
            )
        }
        for row in connection.execute(query)
    }


def _number(value: float | None, kind: str) -> float:
    return _INFINITE[kind] if value is None else value


_distribution = lru_cache(maxsize=4096)(json_to_distribution)
_scalar = lru_cache(maxsize=65536)(json.loads)


def _json(text: str) -> Any:
    """What a JSON text says; equal texts of short scalars share it."""
    long = len(text) > _LONGEST_SHARED or text[:1] in ("[", "{")
    return json.loads(text) if long else _scalar(text)


def _local(at: datetime | None) -> datetime | None:
    """As Optuna gives its time stamps, which are stored in UTC: in local time, not saying so."""
    return None if at is None else at.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


def complete(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Those that have a score that counts."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]
