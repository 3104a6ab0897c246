"""The rules of the names of parameters: in ``[space]``, ``[fixed]``, a sweep and
elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError

from hpo.errors import expected
from hpo.study.dimensions import (
    LAYERS,
    Curve,
    Dimension,
    has,
    order_dimensions,
    split,
)
from hpo.study.messages import Broken, did_you_mean
from hpo.study.spec import BUDGETED, VARIABILITY, StudySpec
from hpo.study.tables import ParamValue

_DEEPEST = 100
_NUMBERED = 10_000
"""Most values of a range of whole numbers that conditions may name."""


def check_names(spec: StudySpec) -> Broken:
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
    if spec.variability is not None and spec.about.hardware is None:
        lacks = f"objective {spec.objective!r} has no simulated hardware"
        yield f"variability: {lacks}. Remove [variability]."
    known = spec.about.parameters
    if spec.budget.score_every is not None and "score_every" not in known:
        lacks = f"objective {spec.objective!r} has no parameter of this name"
        yield f"budget.score_every: {lacks}. Remove the key, or add it to its `Params`."


def _check_name(spec: StudySpec, key: str, name: str) -> Broken:
    is_varied = f"{name}.".startswith(VARIABILITY)
    if is_varied and spec.about.hardware is not None:
        yield _given_hardware(key, "variability")
    yield from check_known(spec, key, name, spec.searchable)


def _given_hardware(key: str, table: str) -> str:
    do = f"Give it in [{table}], or vary it in a [sweep]."
    return f"{key}: hardware is given, not searched. {do}"


def check_known(
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
        yield from check_known(spec, key, name, spec.sweepable)
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
        order_dimensions(spec.dimensions)
    except CycleError as error:
        yield f"space: the conditions of {error} depend on each other. Remove a `when`."


def _check_layers(spec: StudySpec, name: str) -> Broken:
    key = f"space.{name}.per_layer"
    if LAYERS not in spec.about.parameters or not spec.parameter(name).per_layer:
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
