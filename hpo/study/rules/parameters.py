"""The rules of the objective's parameters: in ``[space]``, ``[fixed]``, a sweep and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from hpo.errors import SpecError
from hpo.study.dimensions import split, unfolded
from hpo.study.messages import did_you_mean, first_error, rule
from hpo.study.rules import spaces
from hpo.study.spec import VARIABILITY, StudySpec
from hpo.study.tables import Curve
from hpo.study.warm_start import fitted, in_space, range_text


def _check_epochs(key: str, name: str) -> None:
    if name == "epochs":
        raise SpecError(
            f"{key}: epochs must be one number for the whole study. Give it as budget.epochs."
        )


def _is_hardware(spec: StudySpec, name: str) -> bool:
    """Whether a parameter says what a device takes: it is given, and not searched."""
    field = spec.objective_impl.Params.model_fields.get(name)
    marks = field.json_schema_extra if field else None
    return isinstance(marks, dict) and bool(marks.get("hardware"))


def check_names(spec: StudySpec) -> None:
    """Check that tables name parameters of the objective, each in one place.

    Raises:
        SpecError: the first broken rule; the text begins with the key.
    """
    objective, searchable = spec.objective_impl, spec.searchable
    if spec.variability is not None and objective.variability is None:
        raise SpecError(
            f"variability: an objective that is scored on simulated hardware must be given, but "
            f"got objective={spec.objective!r}, which is not. Remove [variability]."
        )
    if spec.sweep is None and not spec.space:
        raise SpecError("space: at least 1 entry must hold, but got space={}. Change it.")
    reported = spec.reported.params if spec.reported else {}
    tables = {"space": [*spec.space], "fixed": [*spec.fixed], "reported.params": [*reported]}
    for table, name in [(table, name) for table, names in tables.items() for name in names]:
        key = f"{table}.{name}"
        varied = objective.variability and f"{name}.".startswith(VARIABILITY)
        if varied or (table == "space" and _is_hardware(spec, name)):
            raise SpecError(
                f"{key}: the hardware must be the same for the whole search, which would otherwise "
                f"choose the kindest. Give it in [{'variability' if varied else 'fixed'}], or vary "
                f"it in a [sweep]."
            )
        _check_epochs(key, name)
        if name not in searchable:
            raise SpecError(
                f"{key}: objective {spec.objective!r} has no such parameter. "
                f"{did_you_mean(name, searchable)}"
            )
    for name in sorted(spec.space.keys() & spec.fixed.keys()):
        if spec.space[name].when is not None:
            continue  # what it is where it is not searched
        raise SpecError(
            f"fixed.{name}: a parameter must be either fixed or searched, but got it in both "
            f"[fixed] and [space]. Remove one."
        )
    spaces.check(spec)
    if spec.sweep is None:
        return
    for index, curve in enumerate(spec.sweep.curves):
        key = f"sweep.curves.{index}"
        _check_curve(spec, curve, key)
        missing = [
            name for name in spec.sweep.parameters if name not in {*curve.names, *curve.fixed}
        ]
        if missing:
            raise SpecError(
                f"{key}: every curve must set the same parameters, but this one lacks "
                f"{missing[0]!r}. Give it under `fixed`."
            )


def _check_curve(spec: StudySpec, curve: Curve, key: str) -> None:
    known = spec.sweepable
    names = [("x", name) for name in curve.names] + [("fixed", name) for name in curve.fixed]
    for place, name in names:
        _check_epochs(f"{key}.{place}", name)
        if name not in known and not spaces.is_of_a_layer(spec, name):
            raise SpecError(
                f"{key}.{place}: objective {spec.objective!r} has no parameter {name!r}. "
                f"{did_you_mean(name, known)}"
            )
        for table, kept in (("fixed", spec.fixed), ("variability", spec.varied)):
            if name in kept:
                raise SpecError(
                    f"{key}.{place}: a parameter must be either set by the curves or the same for "
                    f"all, but got {name!r} in [{table}], too. Remove one."
                )


def check_values(spec: StudySpec) -> None:
    """Check that the objective accepts fixed values, ends of ranges and points of a sweep.

    An end may be impossible together with some values of the other parameters, but not both with
    all of their low ends and with all of their high ones.

    Raises:
        SpecError: the first broken rule; the text begins with the key.
    """
    for number in range(spec.sweep.size if spec.sweep else 0):
        _check_sweep_point(spec, number)
    if spec.sweep is not None:
        return
    for name in spec.space:
        _check_kind(spec, name)
    lows = {name: _ends(spec, name)[0][1] for name in spec.dimensions}
    highs = {name: _ends(spec, name)[-1][1] for name in spec.dimensions}
    _check_fixed(spec, _refused(spec, lows, highs), "[space]")
    for name in spec.dimensions:
        where = spaces.where(spec, name)
        for end, value in _ends(spec, name):
            own = {**where, name: value}
            problem = _refused(spec, {**lows, **own}, {**highs, **own})
            if problem is None:
                continue
            if problem["loc"] and problem["loc"][0] != split(name)[0]:
                _check_fixed(spec, problem, "[space]")  # of one that is not there
            key = f"space.{name}.{end}"
            if not problem["loc"]:  # a rule between several parameters
                raise SpecError(f"{key}={value!r}: {rule(problem)}")
            raise SpecError(_out_of_bounds(spec, key, end, {**problem, "input": value}))


def _refused(spec: StudySpec, *candidates: Mapping[str, Any]) -> ErrorDetails | None:
    """What the objective has against trials that begin with these values; see ``first_error``."""
    return first_error(spec, *map(spec.present, candidates))


def _check_kind(spec: StudySpec, name: str) -> None:
    dimension = spec.space[name]
    if dimension.choices is not None:
        return
    if dimension.low is None or dimension.high is None:
        raise SpecError(f"space.{name}: `low` and `high`, or `choices`, must be given. Add them.")
    if not spec.accepted_types(name) & {int, float}:
        raise SpecError(f"space.{name}: only a number has a range. Give `choices` instead.")
    for field in ("low", "high", "step") if spec.number_kind(name) == "int" else ():
        value = getattr(dimension, field)
        if value is not None and value != int(value):
            raise SpecError(
                f"space.{name}.{field}: must be a whole number, but got {field}={value}."
            )


def _ends(spec: StudySpec, name: str) -> list[tuple[str, Any]]:
    """What must be possible for a parameter: its ends or choices, each with its key."""
    dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return [("choices", choice) for choice in dimension.choices]
    cast = int if spec.kind(name) == "int" else float
    return [("low", cast(dimension.low or 0)), ("high", cast(dimension.high or 0))]


def _check_fixed(spec: StudySpec, problem: ErrorDetails | None, other: str, key: str = "") -> None:
    """Refuse what is wrong with fixed values, or with none of a parameter without a default.

    ``other`` is where else a parameter may be given; ``key`` stands before a rule between several
    parameters, whose message names them.
    """
    if problem is None:
        return
    if not problem["loc"]:
        raise SpecError(f"{key}{rule(problem)}")
    name = _named(problem)
    if problem["type"] == "missing":
        raise SpecError(
            f"fixed.{name}: objective {spec.objective!r} has no default for this parameter. "
            f"Give it in [fixed] or {other}."
        )
    if split(name)[0] in spec.fixed:
        raise SpecError(_out_of_bounds(spec, f"fixed.{name}", name, problem))


def _named(problem: ErrorDetails) -> str:
    """The parameter that is wrong; pydantic names the branch of a union behind it, then a layer."""
    first, *rest = map(str, problem["loc"])
    if rest[:1] == ["layers"] and rest[1:]:
        return f"{first}.{rest[1]}"
    return ".".join(map(str, problem["loc"])) if f"{first}." == VARIABILITY else first


def _out_of_bounds(spec: StudySpec, key: str, name: str, problem: ErrorDetails) -> str:
    return (
        f"{key}: {rule(problem)} must hold, but got {name}={problem['input']!r}. "
        f"Stay within the bounds of the objective {spec.objective!r}."
    )


def _check_sweep_point(spec: StudySpec, number: int) -> None:
    assert spec.sweep is not None
    index, _, params = spec.sweep.points[number]
    curve, key = spec.sweep.curves[index], f"sweep.curves.{index}"
    for name, value in params.items():
        whole = not isinstance(value, bool | str) and spec.number_kind(name) == "int"
        if whole and value != int(value):
            raise SpecError(
                f"{key}: {name} must be a whole number, but got {name}={value}. Give `values`."
            )
    problem = first_error(spec, spec.point(number))
    _check_fixed(spec, problem, "on every curve", f"{key}: ")
    if problem is not None:
        name = _named(problem)
        varied = "values" if curve.range is None else "range"
        place = varied if name in curve.names else f"fixed.{name}"
        raise SpecError(_out_of_bounds(spec, f"{key}.{place}", name, problem))


def check_points(spec: StudySpec) -> None:
    """Check the points of a warm start, and the reported optimum.

    The reported optimum must be one of this objective, though it may lie outside the space.

    Raises:
        SpecError: the first broken rule; the text begins with the key.
    """
    points = (spec.warm_start and spec.warm_start.points) or ()
    for number, values in enumerate(points):
        check_point(spec, values, f"warm_start.points.{number}", "Widen that, or change the point.")
    lows = spec.present({name: _ends(spec, name)[0][1] for name in spec.dimensions})
    lows |= spec.point(0) if spec.sweep is not None else {}
    reported = spec.reported.params if spec.reported else {}
    problem = first_error(spec, {**lows, **spec.reported_params}) if spec.reported else None
    if problem is not None and problem["loc"] and problem["loc"][0] in reported:
        name = _named(problem)
        raise SpecError(
            f"reported.params.{name}: {rule(problem)} must hold, but got "
            f"{name}={problem['input']!r}. Change it."
        )


def check_point(spec: StudySpec, values: Mapping[str, Any], key: str, todo: str) -> None:
    """Check parameters that are given to a trial; what they leave out, the sampler draws.

    Raises:
        SpecError: the first broken rule; the text begins with the key. ``todo`` says what to do
            about a value outside the space.
    """
    for name, value in (own := unfolded(values, spec.dimensions)).items():
        if name not in spec.dimensions:
            raise SpecError(
                f"{key}.{name}: a point must name searched parameters, but got {name}={value!r}. "
                f"{did_you_mean(name, spec.dimensions)}"
            )
        if fitted(spec, name, value) is None:
            raise SpecError(
                f"{key}.{name}: a value must lie in the space, but got {name}={value!r} where "
                f"space.{name} is {range_text(spec.dimensions[name])}. {todo}"
            )
        whole = values.get(split(name)[0])
        if name in values or isinstance(whole, list | tuple):  # one number is of what layers exist
            spaces.check_conditions(spec, own, name, f"{key}.{name}")
    found = in_space(spec, values)
    whole = all(name in found for name, own in spec.dimensions.items() if own.is_there(found))
    problem = first_error(spec, found) if whole else None
    if problem is not None:
        raise SpecError(f"{key}: {rule(problem).rstrip('.')}. Change the point.")
