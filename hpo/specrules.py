"""The rules of a study file that need more than one key, and the words for broken ones.

Form of every message: ``<file>: <key>: <rule> must hold, but got <name>=<value>. <what to do>``.
"""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Iterable, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

import objectives
from hpo.errors import SpecError
from hpo.spec import Dimension, StudySpec
from objectives.contract import ObjectiveParams


def validate(raw: Mapping[str, Any], *, where: str) -> StudySpec:
    """The spec of a parsed study file.

    Args:
        raw: the parsed TOML with ``name`` added.
        where: the file, for messages.

    Raises:
        SpecError: the first broken rule, located.
    """
    try:
        spec = StudySpec.model_validate(raw)
    except ValidationError as error:
        raise SpecError(explain(error, StudySpec, where)) from None
    check(spec, where)
    return spec


def restore(stored: Mapping[str, Any]) -> StudySpec:
    """The spec that a database holds, written by ``StudySpec.stored``.

    Raises:
        SpecError: it does not fit this version of the software.
    """
    return validate(stored, where=f"study {stored.get('name')!r} in the database")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the closest valid word, if one is close, and lists them all."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Valid: {', '.join(known) or '(none)'}."


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """One line for the first problem of a pydantic error, located and with what to do."""
    problem = error.errors(include_url=False)[0]
    parts = [str(part) for part in problem["loc"]]
    found = problem.get("input")
    kind = problem["type"]
    if kind == "extra_forbidden":
        owner = _model_at(model, parts[:-1])
        valid = [name for name in owner.model_fields if name != "name" or owner is not StudySpec]
        return f"{where}: {'.'.join(parts)}: unknown key. {did_you_mean(parts[-1], valid)}"
    if kind == "missing":
        return f"{where}: {'.'.join(parts)}: this key must be given. Add it."
    rule = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    key = ".".join(_without_union_branches(parts))
    return f"{where}: {key}: {rule} must hold, but got {parts[-1]}={found!r}. Change it."


def _without_union_branches(parts: list[str]) -> list[str]:
    branches = {"float", "int", "str", "bool"}
    return parts[:-1] if len(parts) > 1 and parts[-1] in branches else parts


def _model_at(model: type[BaseModel], parts: list[str]) -> type[BaseModel]:
    current: type[BaseModel] = model
    for part in parts:
        annotation = current.model_fields[part].annotation if part in current.model_fields else None
        for candidate in _models_in(annotation):
            current = candidate
    return current


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, dict):
        return [m for argument in get_args(annotation) for m in _models_in(argument)]
    return []


def check(spec: StudySpec, where: str) -> None:
    """Check a spec against its objective, and its keys against each other.

    Raises:
        SpecError: the first broken rule, located.
    """
    try:
        objective = objectives.load(spec.objective)
    except LookupError as error:
        raise SpecError(f"{where}: objective: {error}.") from None
    _check_task(spec, where)
    fields = objective.Params.model_fields
    searchable = [name for name in fields if name != "epochs"]
    for table, keys in (("space", spec.space), ("fixed", spec.fixed)):
        for key in keys:
            if key == "epochs":
                raise SpecError(
                    f"{where}: {table}.epochs: epochs must be one number for the whole study. "
                    f"Give it as budget.epochs."
                )
            if key not in fields:
                raise SpecError(
                    f"{where}: {table}.{key}: objective {spec.objective!r} has no such parameter. "
                    f"{did_you_mean(key, searchable)}"
                )
    both = sorted(spec.space.keys() & spec.fixed.keys())
    if both:
        raise SpecError(
            f"{where}: fixed.{both[0]}: a parameter must be either fixed or searched, but got it "
            f"in both [fixed] and [space]. Remove one."
        )
    for name, dimension in spec.space.items():
        _check_dimension(spec, name, dimension, where)
    _check_values(spec, where)
    _check_grid(spec, where)
    _check_reported(spec, where, searchable)


def _check_task(spec: StudySpec, where: str) -> None:
    tasks = spec.objective_impl.tasks
    name = str(spec.task.get("name", next(iter(tasks))))
    if name not in tasks:
        raise SpecError(
            f"{where}: task.name: objective {spec.objective!r} has no task {name!r}. "
            f"{did_you_mean(name, tasks)}"
        )
    try:
        _ = spec.task_params
    except ValidationError as error:
        raise SpecError(explain(error, tasks[name], f"{where}: task")) from None


def _check_dimension(spec: StudySpec, name: str, dimension: Dimension, where: str) -> None:
    key = f"{where}: space.{name}"
    low, high = dimension.low, dimension.high
    if dimension.choices is not None:
        if not dimension.choices:
            raise SpecError(f"{key}.choices: at least one choice must be given. Add some.")
        if len(set(map(repr, dimension.choices))) < len(dimension.choices):
            raise SpecError(f"{key}.choices: every choice must be given once. Remove the double.")
        extra = [k for k in ("low", "high", "step", "points") if getattr(dimension, k) is not None]
        if extra or dimension.log:
            raise SpecError(
                f"{key}: `choices` must stand alone, but got {extra or ['log']} too. Remove either."
            )
        return
    if low is None or high is None:
        raise SpecError(f"{key}: `low` and `high`, or `choices`, must be given. Add them.")
    if not low < high:
        raise SpecError(
            f"{key}: `low < high` must hold, but got low={low}, high={high}. "
            + ("Give a fixed value under [fixed]." if low == high else "Swap them.")
        )
    if dimension.log and low <= 0:
        raise SpecError(
            f"{key}: a log range must begin above 0, but got low={low}. "
            f"Raise `low`, or remove `log`."
        )
    _check_step(spec, name, dimension, key)


def _check_step(spec: StudySpec, name: str, dimension: Dimension, key: str) -> None:
    if dimension.step is not None and dimension.log:
        raise SpecError(f"{key}: `step` and `log` must not be combined. Remove one.")
    if dimension.step is not None and dimension.step <= 0:
        raise SpecError(f"{key}.step: a step must be above 0, but got step={dimension.step}.")
    if spec.kind(name) == "int":
        for field in ("low", "high", "step"):
            value = getattr(dimension, field)
            if value is not None and value != int(value):
                raise SpecError(f"{key}.{field}: must be a whole number, but got {field}={value}.")


def _check_values(spec: StudySpec, where: str) -> None:
    """Every fixed value, and the ends of every range, within the objective's own bounds."""
    base: dict[str, Any] = {**spec.fixed, "epochs": spec.budget.epochs}
    try:
        spec.objective_impl.Params(**base)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] != "missing":
            raise SpecError(explain(error, ObjectiveParams, f"{where}: fixed")) from None
    middle = {name: _some_value(dimension) for name, dimension in spec.space.items()}
    for name, dimension in spec.space.items():
        ends = (
            [("choices", choice) for choice in dimension.choices]
            if dimension.choices is not None
            else [("low", dimension.low), ("high", dimension.high)]
        )
        for end, value in ends:
            cast = int(value) if spec.kind(name) == "int" and value is not None else value
            try:
                spec.objective_impl.Params(**{**base, **middle, name: cast})
            except ValidationError as error:
                rule = error.errors()[0]["msg"].removeprefix("Input should be ")
                raise SpecError(
                    f"{where}: space.{name}.{end}: {rule} must hold, but got {end}={value!r}. "
                    f"Stay within the bounds of the objective {spec.objective!r}."
                ) from None


def _some_value(dimension: Dimension) -> Any:
    return dimension.choices[0] if dimension.choices is not None else dimension.low


def _check_grid(spec: StudySpec, where: str) -> None:
    if spec.sampler.name != "grid":
        return
    for name, dimension in spec.space.items():
        if dimension.choices is None and dimension.step is None and dimension.points is None:
            raise SpecError(
                f"{where}: space.{name}: a grid must know its points. "
                f"Give `points`, `step` or `choices`."
            )
    size = math.prod(len(spec.grid(name)) for name in spec.space)
    if spec.budget.trials > size:
        raise SpecError(
            f"{where}: budget.trials: a grid of {size} points must not be run more often than "
            f"that, but got trials={spec.budget.trials}. Set trials = {size}."
        )


def _check_reported(spec: StudySpec, where: str, searchable: list[str]) -> None:
    for key in spec.reported.params if spec.reported else ():
        if key not in searchable:
            raise SpecError(
                f"{where}: reported.params.{key}: objective {spec.objective!r} has no such "
                f"parameter. {did_you_mean(key, searchable)}"
            )
