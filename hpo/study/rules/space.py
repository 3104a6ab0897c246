"""The rules of ``[space]`` and ``[fixed]``."""

from __future__ import annotations

import math
from typing import Any

from pydantic_core import ErrorDetails

from hpo.errors import SpecError
from hpo.study.messages import first_error, rule
from hpo.study.spec import Dimension, StudySpec

MAX_GRID = 100_000
"""Points of a grid: Optuna makes them all before the first trial."""


def check_dimension(spec: StudySpec, name: str, dimension: Dimension, where: str) -> None:
    """Refuse a dimension that its parameter does not admit.

    Raises:
        SpecError: it says which bound is broken.
    """
    key = f"{where}: space.{name}"
    low, high = dimension.low, dimension.high
    if dimension.choices is not None:
        _check_choices(dimension, key)
        return
    if low is None or high is None:
        raise SpecError(f"{key}: `low` and `high`, or `choices`, must be given. Add them.")
    if not spec.accepted_types(name) & {int, float}:
        raise SpecError(f"{key}: only a number has a range. Give `choices` instead.")
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
    if spec.kind(name) == "int":
        for field in ("low", "high", "step"):
            value = getattr(dimension, field)
            if value is not None and value != int(value):
                raise SpecError(f"{key}.{field}: must be a whole number, but got {field}={value}.")
    if dimension.step is not None:
        _check_step(dimension, dimension.step, low, high, key)


def _check_choices(dimension: Dimension, key: str) -> None:
    choices = dimension.choices or ()
    if not choices:
        raise SpecError(f"{key}.choices: at least one choice must be given. Add some.")
    if len({(isinstance(choice, bool), choice) for choice in choices}) < len(choices):
        raise SpecError(f"{key}.choices: every choice must be given once. Remove the double.")
    extra = [k for k in ("low", "high", "step", "points") if getattr(dimension, k) is not None]
    extra += ["log"] if dimension.log else []
    if extra:
        raise SpecError(
            f"{key}: `choices` must stand alone, but got {', '.join(extra)} too. Remove either."
        )


def _check_step(dimension: Dimension, step: float, low: float, high: float, key: str) -> None:
    if dimension.log:
        raise SpecError(f"{key}: `step` and `log` must not be combined. Remove one.")
    if dimension.points is not None:
        raise SpecError(f"{key}: `step` and `points` must not be combined. Remove one.")
    if step <= 0:
        raise SpecError(f"{key}.step: a step must be above 0, but got step={step}. Change it.")
    steps = (high - low) / step
    if not math.isclose(steps, round(steps), abs_tol=1e-9):
        last = low + math.floor(steps) * step
        raise SpecError(
            f"{key}.step: `high` must be `low` plus whole steps, but got low={low}, high={high}, "
            f"step={step}. Set high = {last if steps >= 1 else low + step:.12g}."
        )


def check_values(spec: StudySpec, where: str) -> None:
    """Fixed values, and the ends of every range, within the objective's own bounds.

    An end may be impossible together with some values of the other parameters, but not both with
    all of their low ends and with all of their high ones.
    """
    lows = {name: ends(spec, name)[0][1] for name in spec.space}
    highs = {name: ends(spec, name)[-1][1] for name in spec.space}
    _check_fixed(spec, first_error(spec, lows, highs), where)
    for name in spec.space:
        for end, value in ends(spec, name):
            problem = first_error(spec, {**lows, name: value}, {**highs, name: value})
            if problem is None:
                continue
            key = f"{where}: space.{name}.{end}"
            if not problem["loc"]:  # a rule between several parameters
                raise SpecError(f"{key}={value!r}: {rule(problem)}")
            raise SpecError(
                f"{key}: {rule(problem)} must hold, but got {end}={value!r}. "
                f"Stay within the bounds of the objective {spec.objective!r}."
            )


def _check_fixed(spec: StudySpec, problem: ErrorDetails | None, where: str) -> None:
    if problem is None:
        return
    if not problem["loc"]:  # a rule between several parameters, whose message names them
        raise SpecError(f"{where}: {rule(problem)}")
    name = str(problem["loc"][0])
    if problem["type"] == "missing":
        raise SpecError(
            f"{where}: fixed.{name}: objective {spec.objective!r} has no default for this "
            f"parameter. Give it in [fixed] or [space]."
        )
    if name in spec.fixed:
        raise SpecError(
            f"{where}: fixed.{name}: {rule(problem)} must hold, but got "
            f"{name}={problem['input']!r}. Stay within the bounds of the objective "
            f"{spec.objective!r}."
        )


def ends(spec: StudySpec, name: str) -> list[tuple[str, Any]]:
    """What must be possible for a parameter: its ends or choices, each with its key."""
    dimension = spec.space[name]
    if dimension.choices is not None:
        return [("choices", choice) for choice in dimension.choices]
    cast = int if spec.kind(name) == "int" else float
    return [("low", cast(dimension.low or 0)), ("high", cast(dimension.high or 0))]


def check_grid(spec: StudySpec, where: str) -> None:
    """Refuse a grid that has no step, or too many points.

    Raises:
        SpecError: as it says.
    """
    if spec.sampler.name != "grid":
        return
    for name, dimension in spec.space.items():
        if dimension.choices is None and dimension.step is None and dimension.points is None:
            raise SpecError(
                f"{where}: space.{name}: a grid must know its points. "
                f"Give `points`, `step` or `choices`."
            )
    size = math.prod(spec.grid_size(name) for name in spec.space)
    if size > MAX_GRID:
        raise SpecError(
            f"{where}: sampler.name: a grid must have at most {MAX_GRID:,} points, but got "
            f"{size:,}. Take fewer points, or another sampler."
        )
    size = math.prod(len(spec.grid(name)) for name in spec.space)
    if spec.budget.trials > size:
        raise SpecError(
            f"{where}: budget.trials: a grid of {size} points must not be run more often than "
            f"that, but got trials={spec.budget.trials}. Set trials = {size}."
        )
