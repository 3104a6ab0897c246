"""The points of ``[sampler] name = "grid"``: all combinations of values of the space.

A parameter has its choices, the steps of its range, or ``points`` evenly spaced values;
a range of whole numbers without ``points`` has each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hpo.study.dimensions import Dimension, spaced
from hpo.study.tables import ParamValue

Axes = Mapping[str, Sequence[ParamValue]]
"""The values of each parameter."""


def is_free(dimension: Dimension) -> bool:
    """Return whether neither choices nor steps give the values of a dimension."""
    return dimension.choices is None and dimension.step is None


def count(points: Any, name: str) -> int | None:
    """Return the number of values that ``points`` asks of a parameter; None if it asks
    none."""
    if isinstance(points, Mapping):
        points = points.get(name)
    own: int | None = points
    return own


def values(
    dimension: Dimension, points: int | None, *, whole: bool
) -> list[ParamValue]:
    """Return the values of a dimension, ``points`` of a range that has no steps.

    Other numbers than the ends of a range have six digits.
    """
    if dimension.choices is not None:
        return list(dimension.choices)
    if dimension.step is None and points is not None:
        low, high = dimension.ends
        between = spaced(low, high, points, log=dimension.log)
        if whole:
            return list(dict.fromkeys(map(round, between)))
        return [low, *(float(f"{value:.6g}") for value in between[1:-1]), high]
    if whole:
        return dimension.grid
    first = Decimal(str(dimension.low))
    step = Decimal(str(dimension.step))
    return [float(first + k * step) for k in range(dimension.size)]


def point(axes: Axes, number: int) -> dict[str, ParamValue]:
    """Return the parameters of trial ``number``; the last parameter varies first."""
    params: dict[str, ParamValue] = {}
    rest = number
    for name in reversed([*axes]):
        rest, place = divmod(rest, len(axes[name]))
        params[name] = axes[name][place]
    return {name: params[name] for name in axes}
