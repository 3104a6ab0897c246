"""A study as a generator of the standard gest-api, which optimas, Xopt and libEnsemble
share: ``suggest``, ``ingest``, ``finalize``.

It needs ``pip install 'hpo-dynamics[gest]'``.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gest_api import generator
from gest_api.vocs import (
    VOCS,
    ContextualVariable,
    ContinuousVariable,
    DiscreteVariable,
    MaximizeObjective,
    MinimizeObjective,
)

from hpo.asktell.session import AskedTrial, Session
from hpo.errors import StudyError, for_python
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.study import file
from hpo.study.spec import ASK_AND_TELL

_DIRECTIONS = {MinimizeObjective: "minimize", MaximizeObjective: "maximize"}


class Generator(generator.Generator):
    """A study of the database that suggests points, and learns from their results.

    A generator of the same name goes on with the study, also in another process: it
    first suggests what was suggested before, and never ingested.
    """

    returns_id = True

    def __init__(
        self, vocs: VOCS, *, name: str, storage: str | None = None, **tables: Any
    ) -> None:
        """Register the study, or go on with it.

        Args:
            vocs: variables, objectives to minimise or maximise, and constants.
            name: name of the study.
            storage: PostgreSQL URL of the database; default: ``HPO_STORAGE``, else the
                embedded server.
            tables: tables of a study file, such as ``budget={"trials": 60, "window":
                4}`` (at most 4 points are out at once) and ``sampler``.

        Raises:
            ValueError: the study cannot have such variables, objectives or
                constraints.
            HpoError: a table is invalid, or another study has this name.
        """
        super().__init__(vocs)
        self._objectives = vocs.objective_names
        self._constants = {key: own.value for key, own in vocs.constants.items()}
        raw = {"name": name, "objective": ASK_AND_TELL, **_tables(vocs), **tables}
        with for_python():
            spec = file.read(raw, base=Path(), where="hpo Generator")
            self._storage = open_storage(storage)
            weakref.finalize(self, self._storage.close)
            Ledger(self._storage).register(spec)
        self._window = spec.budget.window
        self._session = Session(self._storage, name)
        self._ready: list[AskedTrial] = []
        self._out: dict[str, AskedTrial] = {}

    def _validate_vocs(self, vocs: VOCS) -> None:
        if vocs.constraints:
            names = ", ".join(vocs.constraint_names)
            raise ValueError(
                f"constraints are not supported, got {names}. Let a point that breaks"
                " one fail: give NaN as its objective."
            )
        for name, variable in vocs.variables.items():
            if isinstance(variable, ContextualVariable):
                raise ValueError(
                    f"variable {name}: a contextual variable is not supported. Remove"
                    " it."
                )
        for name, objective in vocs.objectives.items():
            if type(objective) not in _DIRECTIONS:
                raise ValueError(
                    f"objective {name}: expected MINIMIZE or MAXIMIZE, got"
                    f" {type(objective).__name__}. Change it."
                )
        if not vocs.objectives:
            raise ValueError("objectives: expected at least one, got none. Add it.")

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """Return points to evaluate, each with its ``_id``; default: one point.

        Raises:
            ValueError: so many points cannot be out at once, or the study is done.
        """
        wanted = num_points or 1
        if len(self._out) + wanted > self._window:
            raise ValueError(
                f"at most {self._window} points are out at once (budget.window), and"
                f" {len(self._out)} are. Ingest some, or ask for fewer."
            )
        while len(self._ready) < wanted:
            with for_python():
                trial = self._session.ask()
            if trial is None:
                raise ValueError(
                    f"the study has {len(self._ready)} points left, not {wanted}. Raise"
                    " budget.trials for more."
                )
            self._ready.append(trial)
        points = []
        for trial in self._ready:
            key = str(trial.slot)
            self._out[key] = trial
            points.append({**self._constants, **trial.params, "_id": key})
        self._ready = []
        return points

    def ingest(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Learn from the results of points that this generator, or an earlier one of
        its study, has suggested.

        A point whose objective is not finite has failed. Its standard deviation, if it
        has one, is its ``value_sd``.

        Raises:
            ValueError: a point was not suggested, lacks an objective, or has another
                result already.
        """
        for result in results:
            if "_id" not in result:
                raise ValueError(
                    "a point has no _id: a study learns from what it has suggested. Use"
                    " earlier points as its warm_start."
                )
            missing = [name for name in self._objectives if name not in result]
            if missing:
                raise ValueError(
                    f"point {result['_id']} has no {', '.join(missing)}. Add it."
                )
            values = [float(result[name]) for name in self._objectives]
            try:
                with for_python():
                    self._tell(str(result["_id"]), values, result.get("value_sd"))
            except StudyError as error:
                raise ValueError(str(error)) from error
            self._out.pop(str(result["_id"]), None)

    def _tell(self, key: str, values: Sequence[float], sd: float | None) -> None:
        if all(map(math.isfinite, values)):
            self._session.tell(key, values, sd=sd, state=None)
        else:
            self._session.tell(key, None, sd=None, state="failed")

    def finalize(self) -> None:
        """Close the connection to the database; what was ingested is stored."""
        self._storage.close()


def _tables(vocs: VOCS) -> dict[str, Any]:
    """Return the tables of a study file that follow from variables and objectives."""
    space: dict[str, Any] = {}
    for name, variable in vocs.variables.items():
        if isinstance(variable, DiscreteVariable):
            space[name] = {"choices": sorted(variable.values, key=_order)}
        elif isinstance(variable, ContinuousVariable):
            low, high = variable.domain
            if variable.dtype in (int, "int"):
                space[name] = {"low": int(low), "high": int(high)}
            else:
                space[name] = {"low": float(low), "high": float(high)}
    directions = [_DIRECTIONS[type(own)] for own in vocs.objectives.values()]
    return {"space": space, "directions": directions, "metrics": vocs.objective_names}


def _order(value: Any) -> tuple[bool, Any]:
    """Order numbers before texts: a set has no order of its own."""
    if isinstance(value, str):
        return True, value
    return False, value
