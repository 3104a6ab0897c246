"""The rules of ``[sampler] name = "grid"``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hpo.errors import expected
from hpo.study import grid
from hpo.study.dimensions import MAX_POINTS
from hpo.study.messages import Broken, did_you_mean
from hpo.study.spec import StudySpec


def check(spec: StudySpec) -> Broken:
    """Check the options of a grid, and that the budget is that of its points."""
    for option in spec.sampler.options:
        if option != "points":
            yield f"sampler.{option}: 'grid' has no such option. Valid: points."
    points = spec.sampler.options.get("points", {})
    if isinstance(points, Mapping):
        yield from _check_names(spec, points)
    elif not _is_count(points):
        rule = "a whole number from 2, or a table of them by parameter"
        yield expected("sampler.points", rule, repr(points), "Write points = 7.")
    for name, dimension in spec.dimensions.items():
        has_values = spec.is_integer(name) or grid.count(points, name)
        if grid.is_free(dimension) and not has_values:
            yield (
                f"space.{name}: a grid needs its values. Give it `step` or `choices`,"
                " or write points = 7 under [sampler]."
            )
    yield from _check_size(spec)


def _check_size(spec: StudySpec) -> Broken:
    counts = [len(values) for values in spec.grid.values()]
    size = math.prod(counts)
    if size > MAX_POINTS:
        rule = f"at most {MAX_POINTS:,} points"
        yield expected("sampler", rule, f"a grid of {size:,}", "Take fewer values.")
    if spec.budget.trials != size:
        rule = f"{size}, the points of the grid ({' x '.join(map(str, counts))})"
        yield expected("budget.trials", rule, spec.budget.trials, "Change it.")


def _check_names(spec: StudySpec, points: Mapping[str, Any]) -> Broken:
    for name, own in points.items():
        key = f"sampler.points.{name}"
        if name not in spec.dimensions:
            hint = did_you_mean(name, spec.dimensions)
            yield expected(key, "a parameter of [space]", repr(name), hint)
        elif not grid.is_free(spec.dimensions[name]):
            yield f"{key}: {name} has choices or steps of its own. Remove one."
        elif not _is_count(own):
            rule = "a whole number from 2"
            yield expected(key, rule, repr(own), f"Write {name} = 7.")


def _is_count(value: Any) -> bool:
    return type(value) is int and 2 <= value <= MAX_POINTS
