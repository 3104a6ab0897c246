"""The rules of ``[warm_start]`` that need more than one key, and the points in terms of the space.

Form of every message: ``<file>: <key>: <rule> must hold, but got <name>=<value>. <what to do>``.
"""

from __future__ import annotations

import math

from hpo.errors import SpecError
from hpo.spec import Dimension, StudySpec
from hpo.specmodel import first_error
from hpo.spectable import ParamValue
from hpo.specwords import did_you_mean, rule
from hpo.warmspec import WarmStart


def point(spec: StudySpec, number: int) -> dict[str, ParamValue]:
    """The parameters that trial ``number`` is told to have, by name; {} if it is told none."""
    points = (spec.warm_start and spec.warm_start.points) or ()
    if number >= len(points):
        return {}
    found = {name: fitted(spec, name, value) for name, value in points[number].items()}
    return {name: value for name, value in found.items() if value is not None}


def fitted(spec: StudySpec, name: str, value: ParamValue) -> ParamValue | None:
    """A value as the space of a study holds it: 1 as 1.0 of a float; None if it lies outside."""
    dimension = spec.space[name]
    if dimension.choices is not None:
        alike = (c for c in dimension.choices if isinstance(c, bool) == isinstance(value, bool))
        return next((choice for choice in alike if choice == value), None)
    if isinstance(value, bool | str) or dimension.low is None or dimension.high is None:
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


def summary(spec: StudySpec) -> str:
    """The warm start in words: ``trials 0 to 4 begin with the best of seqdigits``, or nothing."""
    warm = spec.warm_start
    if warm is None:
        return ""
    first = "trial 0 begins" if warm.count == 1 else f"trials 0 to {warm.count - 1} begin"
    return f"{first} with " + (f"the best of {warm.study}" if warm.study else "points of the file")


def check(spec: StudySpec, where: str) -> None:
    """Check the table against the rest of the study file.

    Raises:
        SpecError: the first broken rule, located.
    """
    warm = spec.warm_start
    if warm is None:
        return
    _check_search(spec, where)
    if warm.study is None and warm.points is None:
        raise SpecError(f"{where}: warm_start: `study` or `points` must be given. Add one.")
    if warm.study is None and warm.top is not None:
        raise SpecError(
            f"{where}: warm_start.top: it must stand beside `study`, but got top={warm.top} with "
            f"points alone. Remove it."
        )
    if warm.points is None and warm.study == spec.name:
        raise SpecError(
            f"{where}: warm_start.study: a study must not begin with its own trials, but got "
            f"study={warm.study!r}. Name another study, or give this one another name: --name NEW."
        )
    if warm.count > spec.budget.trials:
        key = "top" if warm.points is None else "points"
        raise SpecError(
            f"{where}: warm_start.{key}: there must be a trial for every point, but got "
            f"{warm.count} points where budget.trials={spec.budget.trials}. Take fewer points."
        )
    for number in range(len(warm.points or ())):
        _check_point(spec, warm, number, where)


def _check_search(spec: StudySpec, where: str) -> None:
    if not spec.selects:
        raise SpecError(
            f"{where}: warm_start: a study must look for a best trial to have this table, but a "
            f'sweep, and protocol = "confirm", do not. Remove [warm_start].'
        )
    if spec.sampler.name == "grid":
        raise SpecError(
            f"{where}: warm_start: a grid must visit its own points, each once, but got "
            f'sampler.name="grid". Take another sampler, or remove [warm_start].'
        )


def _check_point(spec: StudySpec, warm: WarmStart, number: int, where: str) -> None:
    assert warm.points is not None
    for name, value in warm.points[number].items():
        key = f"{where}: warm_start.points.{number}.{name}"
        if name not in spec.space:
            raise SpecError(
                f"{key}: a point must name searched parameters, but got {name}={value!r}. "
                f"{did_you_mean(name, spec.space)}"
            )
        if fitted(spec, name, value) is None:
            raise SpecError(
                f"{key}: a value must lie in the space, but got {name}={value!r} where "
                f"space.{name} is {range_text(spec.space[name])}. Widen that, or change the point."
            )
    own = point(spec, number)
    problem = first_error(spec, own) if own.keys() == spec.space.keys() else None
    if problem is not None:
        raise SpecError(
            f"{where}: warm_start.points.{number}: {rule(problem).rstrip('.')}. Change the point."
        )
