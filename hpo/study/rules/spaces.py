"""The rules of a space of which some is searched layer by layer, or in some trials alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo.errors import SpecError
from hpo.study.dimensions import LAYERS, Dimension, has, ordered, split
from hpo.study.messages import did_you_mean
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue

_DEEPEST = 100
_NUMBERED = 10_000
"""Values of a range of whole numbers, at most, that are looked at one by one."""


def check(spec: StudySpec) -> None:
    """Check what is searched layer by layer, and the conditions of what is not always searched.

    Raises:
        SpecError: the first broken rule; the text begins with the key.
    """
    for name, dimension in spec.space.items():
        if dimension.per_layer:
            _check_layers(spec, name)
        for parent, values in (dimension.when or {}).items():
            _check_condition(spec, name, parent, values)
        required = spec.objective_impl.Params.model_fields[name].is_required()
        if dimension.when is not None and required and name not in spec.fixed:
            raise SpecError(
                f"space.{name}.when: a parameter must have a value where it is not searched, but "
                f"objective {spec.objective!r} has no default for it. Give it in [fixed], too."
            )
    try:
        ordered(spec.dimensions)
    except ValueError as error:
        raise SpecError(
            f"space: conditions must not depend on each other, but got a circle in those of "
            f"{error}. Remove a `when`."
        ) from None
    for name, value in spec.fixed.items():
        if isinstance(value, tuple) and spec.is_per_layer(name) and LAYERS in spec.space:
            raise SpecError(
                f"fixed.{name}: `layers` must be fixed where each layer is given a value, but got "
                f"it in [space]. Move it to [fixed], or give one number."
            )


def _check_layers(spec: StudySpec, name: str) -> None:
    key, fields = f"space.{name}.per_layer", spec.objective_impl.Params.model_fields
    if LAYERS not in fields or not spec.is_per_layer(name):
        known = [field for field in spec.searchable if spec.is_per_layer(field)]
        raise SpecError(
            f"{key}: a parameter must have a value for each layer to be searched so, but got "
            f"{name!r} of objective {spec.objective!r}. {did_you_mean(name, known)}"
        )
    layers = spec.space.get(LAYERS, Dimension())
    if layers.size > _DEEPEST:
        raise SpecError(
            f"space.{LAYERS}: at most {_DEEPEST} values must hold where parameters are searched "
            f"layer by layer, but got {layers.size}. Narrow the range."
        )
    if layers.when is not None:
        raise SpecError(
            f"{key}: `layers` must be known in every trial, but got `when` in space.{LAYERS}. "
            f"Remove one of them."
        )


def _check_condition(
    spec: StudySpec, name: str, parent: str, values: tuple[ParamValue, ...]
) -> None:
    key, other = f"space.{name}.when.{parent}", spec.space.get(parent)
    known = [n for n in spec.space if n != name and _has_values(spec, n, spec.space[n])]
    if other is None or parent not in known:
        raise SpecError(
            f"{key}: a condition must name another searched parameter, of choices or of whole "
            f"numbers, but got {parent!r}. {did_you_mean(parent, known)}"
        )
    there = other.grid(whole=other.choices is None)
    for value in values:
        if not has(there, value):
            shown = ", ".join(map(str, there[:20])) + ", ..." * (len(there) > 20)
            raise SpecError(
                f"{key}: space.{parent} must have each of the values, but got {value!r} where it "
                f"has {shown}. Take one of these."
            )


def _has_values(spec: StudySpec, name: str, dimension: Dimension) -> bool:
    """Whether it has values that a condition can name: few, and one for the whole network."""
    if dimension.choices is None and spec.number_kind(name) != "int":
        return False
    return not dimension.per_layer and dimension.size <= _NUMBERED


def where(spec: StudySpec, name: str) -> dict[str, Any]:
    """Values of others with which a dimension is there.

    Raises:
        SpecError: it never is.
    """
    allowed: dict[str, tuple[ParamValue, ...]] = {}

    def add(own: str) -> None:
        for parent, values in (spec.dimensions[own].when or {}).items():
            known = allowed.get(parent, values)
            allowed[parent] = tuple(value for value in known if has(values, value))
            add(parent)

    add(name)
    if never := [parent for parent, values in allowed.items() if not values]:
        raise SpecError(
            f"space.{split(name)[0]}.when: conditions must hold together in some trial, but got "
            f"none of {never[0]} that fits all of them. Change one."
        )
    return {parent: values[0] for parent, values in allowed.items()}


def check_conditions(spec: StudySpec, given: Mapping[str, Any], name: str, key: str) -> None:
    """Check that a point which names a dimension says that it is there.

    Raises:
        SpecError: it does not; the text begins with ``key``.
    """
    for parent, values in (spec.dimensions[name].when or {}).items():
        if parent not in given or not has(values, given[parent]):
            got = f"{parent}={given[parent]!r}" if parent in given else f"no {parent}"
            raise SpecError(
                f"{key}: a point must have {parent} = {' or '.join(map(str, values))} to name it, "
                f"but got {got}. Change that, or leave {name} out."
            )


def is_of_a_layer(spec: StudySpec, name: str) -> bool:
    """Whether a name is that of a parameter in one layer of all: ``tau_ns.1``."""
    parameter, layer = split(name)
    known = layer is not None and parameter in spec.searchable and spec.is_per_layer(parameter)
    return known and layer is not None and layer < max(spec.depths)
