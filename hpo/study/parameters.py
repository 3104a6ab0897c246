"""The rules of the objective's parameters: in ``[space]``, ``[fixed]``, a sweep and
elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpo.study.dimensions import LAYERS, Curve, Dimension, has, ordered, split, unfolded
from hpo.study.messages import Broken, broken_rule, did_you_mean, expected, strictly
from hpo.study.spec import BUDGETED, VARIABILITY, StudySpec
from hpo.study.tables import ParamValue

_DEEPEST = 100
_NUMBERED = 10_000
"""Most values of a range of whole numbers that conditions may name."""

# --- names ---


def names(spec: StudySpec) -> Broken:
    """Check that every name is one of the objective's parameters, and stands in one
    place."""
    yield from _check_objective(spec)
    if spec.sweep is None and not spec.space:
        yield "space is missing or empty. Add a parameter to search, or a [sweep]."
    for name in spec.space:
        yield from _check_name(spec, f"space.{name}", name)
        if spec.parameter(name).is_hardware:
            yield _given_hardware(f"space.{name}", "fixed")
    for name in spec.fixed:
        yield from _check_name(spec, f"fixed.{name}", name)
    if spec.reported is not None:
        for name in spec.reported.params:
            yield from _check_name(spec, f"reported.params.{name}", name)
    for name in sorted(spec.space.keys() & spec.fixed.keys()):
        if spec.space[name].when is None:  # else it is fixed where it is not searched
            yield f"fixed.{name}: {name} is in [space], too. Remove one."
    yield from _check_space(spec)
    for index, curve in enumerate(spec.curves):
        yield from _check_curve(spec, curve, f"sweep.curves.{index}")


def _check_objective(spec: StudySpec) -> Broken:
    """Check that the objective has what the study uses besides parameters."""
    objective = spec.objective_impl
    fields = objective.Params.model_fields
    if spec.variability is not None and objective.variability is None:
        lacks = f"objective {spec.objective!r} has no simulated hardware"
        yield f"variability: {lacks}. Remove [variability]."
    if spec.budget.score_every is not None and "score_every" not in fields:
        lacks = f"objective {spec.objective!r} has no parameter of this name"
        yield f"budget.score_every: {lacks}. Remove the key, or add it to its `Params`."


def _check_name(spec: StudySpec, key: str, name: str) -> Broken:
    is_varied = f"{name}.".startswith(VARIABILITY)
    if is_varied and spec.objective_impl.variability is not None:
        yield _given_hardware(key, "variability")
    yield from unknown(spec, key, name, spec.searchable)


def _given_hardware(key: str, table: str) -> str:
    do = f"Give it in [{table}], or vary it in a [sweep]."
    return f"{key}: hardware is given, not searched. {do}"


def unknown(
    spec: StudySpec, key: str, name: str, known: Sequence[str], more: str = ""
) -> Broken:
    """Refuse the name of a parameter that is not among the known ones; say ``more`` at
    the end."""
    if name in known:
        return
    if name in BUDGETED:
        do = f"Give it as budget.{name}."
        yield f"{key}: {name} is the same for the whole study. {do}"
    lacks = f"objective {spec.objective!r} has no parameter {name!r}"
    yield f"{key}: {lacks}. {did_you_mean(name, known)}{more}"


def _check_curve(spec: StudySpec, curve: Curve, key: str) -> Broken:
    assert spec.sweep is not None
    for name in curve.names:
        yield from _check_swept(spec, name, f"{key}.x")
    for name in curve.fixed:
        yield from _check_swept(spec, name, f"{key}.fixed")
    for name in spec.sweep.parameters:
        if name not in {*curve.names, *curve.fixed}:
            lacks = f"another curve sets {name!r}, this one does not"
            yield f"{key}: {lacks}. Give it under `fixed`."


def _check_swept(spec: StudySpec, name: str, key: str) -> Broken:
    if not _is_of_a_layer(spec, name):
        yield from unknown(spec, key, name, spec.sweepable)
    for table, values in (("fixed", spec.fixed), ("variability", spec.varied)):
        if name in values:
            yield f"{key}: {name} is in [{table}], too. Remove one."


def _is_of_a_layer(spec: StudySpec, name: str) -> bool:
    """Whether a name is a parameter of one layer: ``tau_ns.1``."""
    parameter, layer = split(name)
    if layer is None or parameter not in spec.searchable:
        return False
    return spec.parameter(parameter).per_layer and layer < max(spec.depths)


# --- what is searched layer by layer, or in some trials alone ---


def _check_space(spec: StudySpec) -> Broken:
    for name, dimension in spec.space.items():
        if dimension.per_layer:
            yield from _check_layers(spec, name)
        for parent, values in (dimension.when or {}).items():
            yield from _check_condition(spec, name, parent, values)
    for name, value in spec.fixed.items():
        is_layered = isinstance(value, tuple) and spec.parameter(name).per_layer
        if is_layered and LAYERS in spec.space:
            rule = "expected one number, since `layers` is searched"
            yield f"fixed.{name}: {rule}. Give one, or move `layers` to [fixed]."
    try:
        ordered(spec.dimensions)
    except CycleError as error:
        yield f"space: the conditions of {error} depend on each other. Remove a `when`."


def _check_layers(spec: StudySpec, name: str) -> Broken:
    key = f"space.{name}.per_layer"
    fields = spec.objective_impl.Params.model_fields
    if LAYERS not in fields or not spec.parameter(name).per_layer:
        layered = [
            field for field in spec.searchable if spec.parameter(field).per_layer
        ]
        lacks = f"objective {spec.objective!r} has no {name!r} by layer"
        yield f"{key}: {lacks}. {did_you_mean(name, layered)}"
    layers = spec.space.get(LAYERS, Dimension())
    if layers.size > _DEEPEST:
        rule = f"at most {_DEEPEST} values where parameters are searched layer by layer"
        yield expected(f"space.{LAYERS}", rule, layers.size, "Narrow the range.")
    depths = layers.choices or ()
    for depth in depths:
        if not isinstance(depth, int):
            place = f"space.{LAYERS}.choices"
            yield expected(place, "a whole number", repr(depth), "Change it.")
    if layers.when is not None:
        needs = "needs `layers` in every trial, but that has a `when`"
        yield f"{key}: {needs}. Remove one."


def _check_condition(
    spec: StudySpec, name: str, parent: str, values: tuple[ParamValue, ...]
) -> Broken:
    key = f"space.{name}.when.{parent}"
    parents = [own for own in spec.space if own != name and _has_values(spec, own)]
    if parent not in parents:
        rule = "another searched parameter, with choices or whole numbers"
        yield expected(key, rule, repr(parent), did_you_mean(parent, parents))
        return
    grid = spec.space[parent].grid
    for value in values:
        if not has(grid, value):
            valid = ", ".join(map(str, grid[:20]))
            if len(grid) > 20:
                valid += ", ..."
            yield f"{key}: space.{parent} has no value {value!r}. Valid: {valid}."


def _has_values(spec: StudySpec, name: str) -> bool:
    """Return whether a condition can name the values of a parameter: there are few,
    each for the whole network."""
    dimension = spec.space[name]
    if dimension.choices is None and not spec.parameter(name).whole:
        return False
    return not dimension.per_layer and dimension.size <= _NUMBERED


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


# --- values ---


def values(spec: StudySpec) -> Broken:
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
    lows = {name: _ends(spec, name)[0][1] for name in spec.dimensions}
    highs = {name: _ends(spec, name)[-1][1] for name in spec.dimensions}
    yield from _explain(spec, _error_at_ends(spec, lows, highs), {})
    for name in spec.dimensions:
        allowed = _conditions(spec, name)
        for parent, choices in allowed.items():
            if not choices:
                key = f"space.{split(name)[0]}.when"
                yield f"{key}: no value of {parent} meets all conditions. Change one."
        where = {parent: choices[0] for parent, choices in allowed.items()}
        for end, value in _ends(spec, name):
            trials = ({**others, **where, name: value} for others in (lows, highs))
            key = f"space.{name}.{end}"
            places = {split(name)[0]: key}
            problem = _error_at_ends(spec, *trials)
            yield from _explain(spec, problem, places, f"{key}={value!r}: ")


def first_error(spec: StudySpec, *candidates: Mapping[str, Any]) -> ErrorDetails | None:
    """Return the objective's error for the first of these choices; None if one of them
    is valid."""
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
    cast = int if spec.kind(name) == "int" else float
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
    name = _named(problem)
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


def _named(problem: ErrorDetails) -> str:
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


def points(spec: StudySpec) -> Broken:
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
        name = _named(problem)
        yield from _explain(spec, problem, {name: f"reported.params.{name}"})


def check_point(
    spec: StudySpec, params: Mapping[str, Any], key: str, do: str
) -> Broken:
    """Check the parameters that a trial begins with; the sampler draws the others.

    ``do`` says what to do about a value outside the space.
    """
    values = unfolded(params, spec.dimensions)
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
    for name, dimension in spec.dimensions.items():
        if name not in point and dimension.is_there(point):
            return  # the sampler draws it
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
