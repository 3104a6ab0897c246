"""The points of ``[warm_start]`` in terms of the search space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hpo.study.dimensions import Dimension, unfolded
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue


def point(spec: StudySpec, number: int) -> dict[str, ParamValue]:
    """The parameters that trial ``number`` is told to have, by name; {} if it is told none."""
    points = (spec.warm_start and spec.warm_start.points) or ()
    if number >= len(points):
        return {}
    return in_space(spec, points[number])


def in_space(spec: StudySpec, values: Mapping[str, Any]) -> dict[str, ParamValue]:
    """Those of the values that lie in the space of a study, as it holds them; see ``fitted``.

    Values that a trial which begins with the others lacks are left out.
    """
    own = {
        n: value for n, value in unfolded(values, spec.dimensions).items() if n in spec.dimensions
    }
    found = {name: fitted(spec, name, value) for name, value in own.items()}
    told = spec.present({name: value for name, value in found.items() if value is not None})
    return {name: told[name] for name in own if name in told}


def fitted(spec: StudySpec, name: str, value: ParamValue) -> ParamValue | None:
    """A value as the space of a study holds it: 1 as 1.0 of a float; None if it lies outside."""
    dimension = spec.dimensions[name]
    if dimension.choices is not None:
        alike = (c for c in dimension.choices if isinstance(c, bool) == isinstance(value, bool))
        return next((choice for choice in alike if choice == value), None)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if dimension.low is None or dimension.high is None:
        return None
    if not dimension.low <= value <= dimension.high:
        return None
    step = dimension.step or (1 if spec.kind(name) == "int" else None)
    if step is not None:
        steps = (value - dimension.low) / step
        if not math.isclose(steps, round(steps), abs_tol=1e-8):
            return None
    return spec.as_param(name, value)


def range_text(dimension: Dimension) -> str:
    """What a dimension allows, for messages: ``1 to 100``, ``1 to 9 in steps of 2``, ``a | b``."""
    if dimension.choices is not None:
        return " | ".join(str(choice) for choice in dimension.choices)
    steps = "" if dimension.step is None else f" in steps of {dimension.step:g}"
    return f"{dimension.low:g} to {dimension.high:g}{steps}"
