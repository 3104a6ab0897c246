"""The rules of the values of parameters: in ``[space]``, ``[fixed]``, a sweep, and the
points that a trial begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpo.errors import expected
from hpo.study.dimensions import (
    has,
    split,
    split_layers,
)
from hpo.study.messages import Broken, broken_rule, did_you_mean, strictly
from hpo.study.spec import BUDGETED, VARIABILITY, StudySpec
from hpo.study.tables import ParamValue


def _conditions(spec: StudySpec, name: str) -> dict[str, tuple[ParamValue, ...]]:
    """Return the values of other dimensions where this one exists; empty if it never
    does."""
    allowed: dict[str, tuple[ParamValue, ...]] = {}
    for parent, values in (spec.dimensions[name].when or {}).items():
        conditions = {**_conditions(spec, parent), parent: values}
        for key, choices in conditions.items():
            earlier = allowed.get(key, choices)
            allowed[key] = tuple(value for value in earlier if has(choices, value))
    return allowed


def check_values(spec: StudySpec) -> Broken:
    """Check fixed values, ends of ranges and points of a sweep against the objective's
    model.

    An end may be impossible together with some values of the other parameters, but not
    both with all of their low ends and with all of their high ones.
    """
    if spec.sweep is not None:
        for number in range(spec.sweep.size):
            yield from _check_sweep_point(spec, number)
        return
    for name in spec.space:
        yield from _check_kind(spec, name)
    ends = {name: _ends(spec, name) for name in spec.dimensions}
    lows = {name: own[0][1] for name, own in ends.items()}
    highs = {name: own[-1][1] for name, own in ends.items()}
    yield from _explain(spec, _error_at_ends(spec, lows, highs), {})
    for name in spec.dimensions:
        allowed = _conditions(spec, name)
        for parent, choices in allowed.items():
            if not choices:
                key = f"space.{split(name)[0]}.when"
                yield f"{key}: no value of {parent} meets all conditions. Change one."
        where = {parent: choices[0] for parent, choices in allowed.items()}
        for end, value in ends[name]:
            trials = ({**others, **where, name: value} for others in (lows, highs))
            key = f"space.{name}.{end}"
            places = {split(name)[0]: key}
            problem = _error_at_ends(spec, *trials)
            yield from _explain(spec, problem, places, f"{key}={value!r}: ")


def first_error(spec: StudySpec, *candidates: Mapping[str, Any]) -> ErrorDetails | None:
    """Return the objective's error for the first of these choices; None if one of them
    is valid, or nothing here knows the objective."""
    if not spec.has_class:
        return None
    errors = []
    for suggested in candidates:
        try:
            strictly(spec.objective_impl.Params, spec.values(suggested))
        except ValidationError as error:
            errors.append(error.errors(include_url=False)[0])
        else:
            return None
    return errors[0]


def _error_at_ends(
    spec: StudySpec, *candidates: Mapping[str, Any]
) -> ErrorDetails | None:
    """Return ``first_error`` of trials that begin with these values."""
    return first_error(spec, *map(spec.present, candidates))


def _check_kind(spec: StudySpec, name: str) -> Broken:
    dimension = spec.space[name]
    if dimension.choices is not None:
        return
    if dimension.low is None or dimension.high is None:
        yield f"space.{name}: give `low` and `high`, or `choices`."
    if not spec.parameter(name).is_number:
        yield f"space.{name}: only a number has a range. Give `choices` instead."
    if spec.parameter(name).whole:
        for field in ("low", "high", "step"):
            value = getattr(dimension, field)
            if value is not None and value != int(value):
                key = f"space.{name}.{field}"
                yield expected(key, "a whole number", value, "Change it.")


def _ends(spec: StudySpec, name: str) -> list[tuple[str, Any]]:
    """Return the ends or choices of a parameter, each with its key."""
    dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return [("choices", choice) for choice in dimension.choices]
    cast = int if spec.is_integer(name) else float
    return [("low", cast(dimension.low or 0)), ("high", cast(dimension.high or 0))]


def _explain(
    spec: StudySpec,
    problem: ErrorDetails | None,
    places: Mapping[str, str],
    before: str = "",
) -> Broken:
    """Say what is wrong with a value, or that a parameter without a default has none.

    A problem of another searched parameter is left to the check of that one.

    Args:
        spec: the study.
        problem: the objective's error.
        places: by parameter, the key of its value where that is not in [fixed].
        before: a prefix of a rule between several parameters, whose message names them.
    """
    if problem is None:
        return
    if not problem["loc"]:
        yield f"{before}{broken_rule(problem)}"
        return
    name = _name_parameter(problem)
    parameter = split(name)[0]
    if problem["type"] == "missing":
        lacks = f"objective {spec.objective!r} has no default for this parameter"
        yield f"fixed.{name}: {lacks}. Give it in [fixed]."
    place = places.get(name) or places.get(parameter)
    if place is None and (parameter in spec.fixed or parameter not in spec.space):
        table = "budget" if name in BUDGETED else "fixed"
        place = f"{table}.{name}"
    if place is not None:
        do = f"Stay within the bounds of the objective {spec.objective!r}."
        got = repr(problem["input"])
        if name not in place:
            got = f"{name}={got}"
        yield expected(place, broken_rule(problem), got, do)


def _name_parameter(problem: ErrorDetails) -> str:
    """Return the wrong parameter; pydantic adds the branch of a union, then a layer."""
    first, *rest = map(str, problem["loc"])
    if f"{first}." == VARIABILITY:
        return ".".join([first, *rest])
    if len(rest) > 1 and rest[0] == "layers":
        return f"{first}.{rest[1]}"
    return first


def _check_sweep_point(spec: StudySpec, number: int) -> Broken:
    assert spec.sweep is not None
    index, _, params = spec.sweep.points[number]
    curve = spec.sweep.curves[index]
    key = f"sweep.curves.{index}"
    for name, value in params.items():
        whole = not isinstance(value, bool | str) and spec.parameter(name).whole
        if whole and value != int(value):
            yield expected(key, f"a whole number for {name}", value, "Give `values`.")
    varied = "values" if curve.range is None else "range"
    places = dict.fromkeys(curve.names, f"{key}.{varied}")
    places |= {name: f"{key}.fixed.{name}" for name in curve.fixed}
    yield from _explain(spec, first_error(spec, spec.point(number)), places, f"{key}: ")


# --- points ---


def check_points(spec: StudySpec) -> Broken:
    """Check the points of a warm start, and the reported optimum.

    The reported optimum must be one of this objective, though it may lie outside the
    space.
    """
    for number, point in enumerate(spec.warm_start_points):
        do = "Widen that, or change the point."
        yield from check_point(spec, point, f"warm_start.points.{number}", do)
    if spec.reported is None:
        return
    lows = spec.present({name: _ends(spec, name)[0][1] for name in spec.dimensions})
    if spec.sweep is not None:
        lows |= spec.point(0)
    problem = first_error(spec, {**lows, **spec.reported_params})
    if problem is None or not problem["loc"]:
        return
    if problem["loc"][0] in spec.reported.params:
        name = _name_parameter(problem)
        yield from _explain(spec, problem, {name: f"reported.params.{name}"})


def check_point(
    spec: StudySpec, params: Mapping[str, Any], key: str, do: str
) -> Broken:
    """Check the parameters that a trial begins with; the sampler draws the others.

    ``do`` says what to do about a value outside the space.
    """
    values = split_layers(params, spec.dimensions)
    for name, value in values.items():
        place = f"{key}.{name}"
        if name not in spec.dimensions:
            hint = did_you_mean(name, spec.dimensions)
            yield f"{place}: not a searched parameter. {hint}"
        if spec.inside(name, value) is None:
            rule = f"{spec.dimensions[name].allowed}, as in space.{name}"
            yield expected(place, rule, repr(value), do)
        is_list = isinstance(params.get(split(name)[0]), list | tuple)
        if is_list or name in params:  # one number fits any depth
            yield from _check_point_condition(spec, values, name, place)
    point = spec.in_space(params)
    if not spec.is_whole(point):
        return  # the sampler draws the others
    problem = first_error(spec, point)
    if problem is not None:
        yield f"{key}: {broken_rule(problem).rstrip('.')}. Change the point."


def _check_point_condition(
    spec: StudySpec, values: Mapping[str, Any], name: str, key: str
) -> Broken:
    """Check that a point which names a dimension meets its conditions."""
    for parent, allowed in (spec.dimensions[name].when or {}).items():
        if parent not in values or not has(allowed, values[parent]):
            rule = f"{parent} = {' or '.join(map(str, allowed))} beside it"
            got = repr(values[parent]) if parent in values else f"no {parent}"
            yield expected(key, rule, got, f"Change that, or leave {name} out.")
