"""All problems by their names."""

from __future__ import annotations

from benchmarks.outside import coco, conditional, tables
from benchmarks.outside.problem import Problem

KINDS = ("bbob", "bbob-noisy", "bbob-mixint", "tables", "scikit-learn")


def list_problems(kind: str, dimension: int = coco.DIMENSION) -> list[str]:
    """Return the names of a kind's problems; the dimension is that of COCO's.

    Raises:
        MissingError: the package of the problems is not installed.
    """
    if kind == "tables":
        return tables.list_problems()
    if kind == "scikit-learn":
        return conditional.list_problems()
    return coco.list_problems(kind, dimension)


def load(name: str, seed: int) -> Problem:
    """Return a problem as the search of a seed sees it.

    Raises:
        MissingError: the package of the problem is not installed.
    """
    kind = name.partition("/")[0]
    if kind == "tables":
        return tables.load(name, seed)
    if kind == "scikit-learn":
        return conditional.load(name, seed)
    return coco.load(name)
