"""The points of ``[sampler] name = "grid"``: all combinations of values of the space.

A parameter has its choices, the steps of its range, or ``points`` evenly spaced values;
a range of whole numbers without ``points`` has each of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hpo.errors import expected
from hpo.study.dimensions import MAX_POINTS, Dimension, spaced
from hpo.study.messages import Broken, did_you_mean

if TYPE_CHECKING:
    from hpo.study.spec import StudySpec
    from hpo.study.tables import ParamValue

Axes = Mapping[str, Sequence["ParamValue"]]
"""The values of each parameter."""


def check(spec: StudySpec) -> Broken:
    """Check the options of a grid, and that the budget is that of its points."""
    for option in spec.sampler.options:
        if option != "points":
            yield f"sampler.{option}: 'grid' has no such option. Valid: points."
    counts = spec.sampler.options.get("points", {})
    if isinstance(counts, Mapping):
        yield from _check_names(spec, counts)
    elif not _is_count(counts):
        rule = "a whole number from 2, or a table of them by parameter"
        yield expected("sampler.points", rule, repr(counts), "Write points = 7.")
    for name, dimension in spec.dimensions.items():
        if _lacks_values(spec, name, dimension):
            yield (
                f"space.{name}: a grid needs its values. Give it `step` or `choices`,"
                " or write points = 7 under [sampler]."
            )
    size = math.prod(len(values) for values in spec.grid.values())
    if size > MAX_POINTS:
        rule = f"at most {MAX_POINTS:,} points"
        yield expected("sampler", rule, f"a grid of {size:,}", "Take fewer values.")
    if spec.budget.trials != size:
        sides = " x ".join(str(len(values)) for values in spec.grid.values())
        rule = f"{size}, the points of the grid ({sides})"
        yield expected("budget.trials", rule, spec.budget.trials, "Change it.")


def _check_names(spec: StudySpec, counts: Mapping[str, Any]) -> Broken:
    for name, count in counts.items():
        key = f"sampler.points.{name}"
        if name not in spec.dimensions:
            hint = did_you_mean(name, spec.dimensions)
            yield expected(key, "a parameter of [space]", repr(name), hint)
        elif not _is_free(spec.dimensions[name]):
            yield f"{key}: {name} has choices or steps of its own. Remove one."
        elif not _is_count(count):
            rule = "a whole number from 2"
            yield expected(key, rule, repr(count), f"Write {name} = 7.")


def _is_count(count: Any) -> bool:
    return type(count) is int and 2 <= count <= MAX_POINTS


def _is_free(dimension: Dimension) -> bool:
    """Whether neither choices nor steps give the values of a dimension."""
    return dimension.choices is None and dimension.step is None


def _count(spec: StudySpec, name: str) -> int | None:
    """Return the number of values that ``points`` asks of a parameter; None if it does
    not."""
    counts = spec.sampler.options.get("points")
    if isinstance(counts, Mapping):
        counts = counts.get(name)
    return counts


def _lacks_values(spec: StudySpec, name: str, dimension: Dimension) -> bool:
    return (
        _is_free(dimension) and not spec.is_integer(name) and _count(spec, name) is None
    )


def axes(spec: StudySpec) -> dict[str, list[ParamValue]]:
    """Return the values of each parameter, in the order in which trials get them."""
    return {name: _values(spec, name) for name in spec.in_order}


def _values(spec: StudySpec, name: str) -> list[ParamValue]:
    dimension = spec.dimensions[name]
    count = _count(spec, name)
    if dimension.choices is not None:
        return [spec.parameter(name).typed(choice) for choice in dimension.choices]
    if dimension.step is None and count is not None:
        low, high = dimension.ends
        values = spaced(low, high, count, log=dimension.log)
        if spec.is_integer(name):
            return list(dict.fromkeys(map(round, values)))
        return [low, *map(_short, values[1:-1]), high]
    if spec.is_integer(name):
        return dimension.grid
    first = Decimal(str(dimension.low))
    step = Decimal(str(dimension.step))
    return [float(first + k * step) for k in range(dimension.size)]


def _short(value: float) -> float:
    """Return a value with six digits, as a person would write it."""
    return float(f"{value:.6g}")


def point(own: Axes, number: int) -> dict[str, ParamValue]:
    """Return the parameters of trial ``number``; the last parameter varies first."""
    params: dict[str, ParamValue] = {}
    rest = number
    for name in reversed([*own]):
        rest, place = divmod(rest, len(own[name]))
        params[name] = own[name][place]
    return {name: params[name] for name in own}
