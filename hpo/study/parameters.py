"""The rules of the objective's parameters: in ``[space]``, ``[fixed]``, a sweep and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpo.study.dimensions import LAYERS, Curve, Dimension, has, ordered, split, unfolded
from hpo.study.messages import Broken, broken_rule, did_you_mean, must, strictly
from hpo.study.spec import BUDGETED, VARIABILITY, StudySpec
from hpo.study.tables import ParamValue

_DEEPEST = 100
_NUMBERED = 10_000
"""Values of a range of whole numbers, at most, that are looked at one by one."""

# --- names ---------------------------------------------------------------------------------------


def names(spec: StudySpec) -> Broken:
    """What names no parameter of the objective, or one in two places."""
    objective = spec.objective_impl
    fields = objective.Params.model_fields
    if spec.variability is not None and objective.variability is None:
        rule = "an objective that is scored on simulated hardware must be given"
        got = f"objective={spec.objective!r}, which is not"
        yield must("variability", rule, got, "Remove [variability].")
    if spec.budget.score_every is not None and "score_every" not in fields:
        rule, got = "an objective must have a parameter of this name", repr(spec.objective)
        do = "Remove the key, or add the parameter to its `Params`."
        yield must("budget.score_every", rule, f"{got}, which has none", do)
    if spec.sweep is None and not spec.space:
        yield must("space", "at least 1 entry", "{}", "Change it.")
    reported = spec.reported.params if spec.reported else {}
    tables = {"space": [*spec.space], "fixed": [*spec.fixed], "reported.params": [*reported]}
    for table, name in [(table, name) for table, named in tables.items() for name in named]:
        key = f"{table}.{name}"
        varied = objective.variability and f"{name}.".startswith(VARIABILITY)
        if varied or (table == "space" and name in fields and spec.parameter(name).is_hardware):
            rule = "a search must not choose the kindest hardware"
            do = f"Give it in [{'variability' if varied else 'fixed'}], or vary it in a [sweep]."
            yield must(key, rule, do=do)
        yield from unknown(spec, key, name, spec.searchable)
    for name in sorted(spec.space.keys() & spec.fixed.keys()):
        if spec.space[name].when is None:  # else it is fixed where it is not searched
            rule = "a parameter must be either fixed or searched"
            yield must(f"fixed.{name}", rule, "it in both [fixed] and [space]", "Remove one.")
    yield from _of_space(spec)
    for index, curve in enumerate(spec.sweep.curves if spec.sweep else ()):
        yield from _of_curve(spec, curve, f"sweep.curves.{index}")


def unknown(spec: StudySpec, key: str, name: str, known: Sequence[str], more: str = "") -> Broken:
    """Refuse the name of a parameter that is not among the known ones; say ``more`` at the end."""
    if name in BUDGETED and name not in known:
        rule = f"{name} must be one number for the whole study"
        yield must(key, rule, do=f"Give it as budget.{name}.")
    if name not in known:
        lacks = f"objective {spec.objective!r} has no parameter {name!r}"
        yield f"{key}: {lacks}. {did_you_mean(name, known)}{more}"


def _of_curve(spec: StudySpec, curve: Curve, key: str) -> Broken:
    assert spec.sweep is not None
    named = [("x", name) for name in curve.names] + [("fixed", name) for name in curve.fixed]
    for place, name in named:
        if not _is_of_a_layer(spec, name):
            yield from unknown(spec, f"{key}.{place}", name, spec.sweepable)
        for table, kept in (("fixed", spec.fixed), ("variability", spec.varied)):
            if name in kept:
                rule = "a parameter must be either set by the curves or the same for all"
                yield must(f"{key}.{place}", rule, f"{name!r} in [{table}], too", "Remove one.")
    for name in spec.sweep.parameters:
        if name not in {*curve.names, *curve.fixed}:
            lacks = f"every curve must set the same parameters, but this one lacks {name!r}"
            yield f"{key}: {lacks}. Give it under `fixed`."


def _is_of_a_layer(spec: StudySpec, name: str) -> bool:
    """Whether a name is that of a parameter in one layer of all: ``tau_ns.1``."""
    parameter, layer = split(name)
    if layer is None or parameter not in spec.searchable:
        return False
    return spec.parameter(parameter).per_layer and layer < max(spec.depths)


# --- what is searched layer by layer, or in some trials alone -------------------------------------


def _of_space(spec: StudySpec) -> Broken:
    for name, dimension in spec.space.items():
        if dimension.per_layer:
            yield from _of_layers(spec, name)
        for parent, values in (dimension.when or {}).items():
            yield from _of_condition(spec, name, parent, values)
    for name, value in spec.fixed.items() if LAYERS in spec.space else ():
        if isinstance(value, tuple) and spec.parameter(name).per_layer:
            rule = "`layers` must be fixed where each layer is given a value"
            do = "Move it to [fixed], or give one number."
            yield must(f"fixed.{name}", rule, "it in [space]", do)
    try:
        ordered(spec.dimensions)
    except CycleError as error:
        got = f"a circle in those of {error}"
        yield must("space", "conditions must not depend on each other", got, "Remove a `when`.")


def _of_layers(spec: StudySpec, name: str) -> Broken:
    key, fields = f"space.{name}.per_layer", spec.objective_impl.Params.model_fields
    if LAYERS not in fields or not spec.parameter(name).per_layer:
        known = [field for field in spec.searchable if spec.parameter(field).per_layer]
        rule = "a parameter must have a value for each layer to be searched so"
        yield must(
            key, rule, f"{name!r} of objective {spec.objective!r}", did_you_mean(name, known)
        )
    layers = spec.space.get(LAYERS, Dimension())
    if layers.size > _DEEPEST:
        held = f"at most {_DEEPEST} values where parameters are searched layer by layer"
        yield must(f"space.{LAYERS}", held, f"{layers.size}", "Narrow the range.")
    for depth in layers.choices or ():
        if not isinstance(depth, int):
            yield must(f"space.{LAYERS}.choices", "a whole number", repr(depth), "Change it.")
    if layers.when is not None:
        rule, got = "`layers` must be known in every trial", f"`when` in space.{LAYERS}"
        yield must(key, rule, got, "Remove one of them.")


def _of_condition(
    spec: StudySpec, name: str, parent: str, values: tuple[ParamValue, ...]
) -> Broken:
    key, other = f"space.{name}.when.{parent}", spec.space.get(parent)
    known = [n for n in spec.space if n != name and _has_values(spec, n, spec.space[n])]
    if other is None or parent not in known:
        rule = "a condition must name another searched parameter, of choices or of whole numbers"
        yield must(key, rule, repr(parent), did_you_mean(parent, known))
        return
    there = other.grid
    for value in values:
        if not has(there, value):
            shown = ", ".join(map(str, there[:20])) + ", ..." * (len(there) > 20)
            rule, got = f"space.{parent} must have each of the values", f"{value!r} where it has"
            yield must(key, rule, f"{got} {shown}", "Take one of these.")


def _has_values(spec: StudySpec, name: str, dimension: Dimension) -> bool:
    """Whether it has values that a condition can name: few, and one for the whole network."""
    if dimension.choices is None and not spec.parameter(name).whole:
        return False
    return not dimension.per_layer and dimension.size <= _NUMBERED


def _conditions(spec: StudySpec, name: str) -> dict[str, tuple[ParamValue, ...]]:
    """Values of others with which a dimension is there; none of one with which it never is."""
    allowed: dict[str, tuple[ParamValue, ...]] = {}
    for parent, values in (spec.dimensions[name].when or {}).items():
        further = {**_conditions(spec, parent), parent: values}
        for key, found in further.items():
            kept = allowed.get(key, found)
            allowed[key] = tuple(value for value in kept if has(found, value))
    return allowed


# --- values --------------------------------------------------------------------------------------


def values(spec: StudySpec) -> Broken:
    """What the objective refuses of fixed values, ends of ranges and points of a sweep.

    An end may be impossible together with some values of the other parameters, but not both with
    all of their low ends and with all of their high ones.
    """
    if spec.sweep is not None:
        for number in range(spec.sweep.size):
            yield from _of_sweep_point(spec, number)
        return
    for name in spec.space:
        yield from _of_kind(spec, name)
    lows = {name: _ends(spec, name)[0][1] for name in spec.dimensions}
    highs = {name: _ends(spec, name)[-1][1] for name in spec.dimensions}
    yield from _of_problem(spec, _refused(spec, lows, highs), {})
    for name in spec.dimensions:
        allowed = _conditions(spec, name)
        for never in (parent for parent, found in allowed.items() if not found):
            rule, got = "conditions must hold together in some trial", f"none of {never}"
            key = f"space.{split(name)[0]}.when"
            yield must(key, rule, f"{got} that fits all of them", "Change one.")
        where = {parent: found[0] for parent, found in allowed.items()}
        for end, value in _ends(spec, name):
            trials = ({**others, **where, name: value} for others in (lows, highs))
            key = f"space.{name}.{end}"
            places = {split(name)[0]: key, "": key}
            yield from _of_problem(spec, _refused(spec, *trials), places, f"{key}={value!r}: ")


def first_error(spec: StudySpec, *candidates: Mapping[str, Any]) -> ErrorDetails | None:
    """What the objective has against the first of these choices; None if one of them is right."""
    found = []
    for suggested in candidates:
        try:
            strictly(spec.objective_impl.Params, spec.values(suggested))
        except ValidationError as error:
            found.append(error.errors(include_url=False)[0])
    return found[0] if len(found) == len(candidates) else None


def _refused(spec: StudySpec, *candidates: Mapping[str, Any]) -> ErrorDetails | None:
    """What the objective has against trials that begin with these values; see ``first_error``."""
    return first_error(spec, *map(spec.present, candidates))


def _of_kind(spec: StudySpec, name: str) -> Broken:
    dimension = spec.space[name]
    if dimension.choices is not None:
        return
    if dimension.low is None or dimension.high is None:
        rule = "`low` and `high`, or `choices`, must be given"
        yield must(f"space.{name}", rule, do="Add them.")
    if not spec.parameter(name).is_number:
        yield f"space.{name}: only a number has a range. Give `choices` instead."
    for field in ("low", "high", "step") if spec.parameter(name).whole else ():
        value = getattr(dimension, field)
        if value is not None and value != int(value):
            yield must(f"space.{name}.{field}", "a whole number", f"{value}", "Change it.")


def _ends(spec: StudySpec, name: str) -> list[tuple[str, Any]]:
    """What must be possible for a parameter: its ends or choices, each with its key."""
    dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return [("choices", choice) for choice in dimension.choices]
    cast = int if spec.kind(name) == "int" else float
    return [("low", cast(dimension.low or 0)), ("high", cast(dimension.high or 0))]


def _of_problem(
    spec: StudySpec, problem: ErrorDetails | None, places: Mapping[str, str], before: str = ""
) -> Broken:
    """What is wrong with a value, or with none of a parameter without a default.

    Args:
        spec: the study.
        problem: what the objective has against it.
        places: by parameter, the key of its value where that is not in [fixed]; "" of any other.
        before: what stands before a rule between several parameters, whose message names them.
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
    fixed = f"fixed.{name}" if parameter in spec.fixed else places.get("")
    if place := places.get(name) or places.get(parameter) or fixed:
        do = f"Stay within the bounds of the objective {spec.objective!r}."
        got = f"{problem['input']!r}" if name in place else f"{name}={problem['input']!r}"
        yield must(place, broken_rule(problem), got, do)


def _named(problem: ErrorDetails) -> str:
    """The parameter that is wrong; pydantic names the branch of a union behind it, then a layer."""
    first, *rest = map(str, problem["loc"])
    if rest[:1] == ["layers"] and rest[1:]:
        return f"{first}.{rest[1]}"
    return ".".join(map(str, problem["loc"])) if f"{first}." == VARIABILITY else first


def _of_sweep_point(spec: StudySpec, number: int) -> Broken:
    assert spec.sweep is not None
    index, _, params = spec.sweep.points[number]
    curve, key = spec.sweep.curves[index], f"sweep.curves.{index}"
    for name, value in params.items():
        whole = not isinstance(value, bool | str) and spec.parameter(name).whole
        if whole and value != int(value):
            yield must(key, f"{name} must be a whole number", f"{name}={value}", "Give `values`.")
    places = dict.fromkeys(curve.names, f"{key}.{'values' if curve.range is None else 'range'}")
    places |= {name: f"{key}.fixed.{name}" for name in curve.fixed}
    yield from _of_problem(spec, first_error(spec, spec.point(number)), places, f"{key}: ")


# --- points --------------------------------------------------------------------------------------


def points(spec: StudySpec) -> Broken:
    """What is wrong with the points of a warm start, and with the reported optimum.

    The reported optimum must be one of this objective, though it may lie outside the space.
    """
    for number, told in enumerate((spec.warm_start and spec.warm_start.points) or ()):
        yield from of_point(
            spec, told, f"warm_start.points.{number}", "Widen that, or change the point."
        )
    if spec.reported is None:
        return
    lows = spec.present({name: _ends(spec, name)[0][1] for name in spec.dimensions})
    lows |= spec.point(0) if spec.sweep is not None else {}
    problem = first_error(spec, {**lows, **spec.reported_params})
    if problem is not None and problem["loc"] and problem["loc"][0] in spec.reported.params:
        name = _named(problem)
        yield from _of_problem(spec, problem, {name: f"reported.params.{name}"})


def of_point(spec: StudySpec, given: Mapping[str, Any], key: str, todo: str) -> Broken:
    """What is wrong with parameters given to a trial; what they leave out, the sampler draws.

    ``todo`` says what to do about a value outside the space.
    """
    for name, value in (own := unfolded(given, spec.dimensions)).items():
        place, got = f"{key}.{name}", f"{name}={value!r}"
        if name not in spec.dimensions:
            known = did_you_mean(name, spec.dimensions)
            yield must(place, "a point must name searched parameters", got, known)
        if spec.inside(name, value) is None:
            got += f" where space.{name} is {spec.dimensions[name].allowed}"
            yield must(place, "a value must lie in the space", got, todo)
        whole = given.get(split(name)[0])
        if name in given or isinstance(whole, list | tuple):  # one number is of what layers exist
            yield from _of_point_condition(spec, own, name, place)
    found = spec.in_space(given)
    whole = all(name in found for name, own in spec.dimensions.items() if own.is_there(found))
    problem = first_error(spec, found) if whole else None
    if problem is not None:
        yield f"{key}: {broken_rule(problem).rstrip('.')}. Change the point."


def _of_point_condition(spec: StudySpec, given: Mapping[str, Any], name: str, key: str) -> Broken:
    """A point which names a dimension must say that it is there."""
    for parent, allowed in (spec.dimensions[name].when or {}).items():
        if parent not in given or not has(allowed, given[parent]):
            rule = f"a point must have {parent} = {' or '.join(map(str, allowed))} to name it"
            got = f"{parent}={given[parent]!r}" if parent in given else f"no {parent}"
            yield must(key, rule, got, f"Change that, or leave {name} out.")
