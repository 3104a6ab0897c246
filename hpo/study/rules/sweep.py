"""The rules of ``[sweep]``, of ``[figure]``, and of a study that selects nothing.

Form of every message: ``<file>: <key>: <rule> must hold, but got <name>=<value>. <what to do>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from hpo.errors import SpecError
from hpo.study.messages import did_you_mean, explain, first_error, rule, strictly
from hpo.study.sections import MAX_POINTS, Curve, Sweep
from hpo.study.spec import StudySpec
from objectives.contract import Protocol

WINDOW = 1024
"""Trials of a sweep in flight at most: none of them learns from another."""
_SELECTING = ("space", "sampler", "pruner", "confirm")
_PLAIN_SAMPLERS = ("random", "qmc", "grid")


def completed(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A parsed study file with what follows from the rest of it.

    A sweep runs each of its points once, and tests what it trained: nothing is selected by it.

    Raises:
        SpecError: the sweep is broken, or stands beside what only a search has.
    """
    tree = dict(raw)
    if "sweep" in tree:
        _refuse_search(tree, where)
        try:
            sweep = strictly(Sweep, tree["sweep"])
        except ValidationError as error:
            raise SpecError(_located(error, where)) from None
        for index, curve in enumerate(sweep.curves):
            _check_points(curve, f"{where}: sweep.curves.{index}")
        budget = tree.get("budget", {})
        if isinstance(budget, Mapping):
            _check_size(sweep, budget, where)
            tree["budget"] = {"trials": sweep.size, "window": WINDOW, **budget}
        tree["protocol"] = tree.get("protocol", Protocol.CONFIRM.value)
        tree["confirm"] = False
    elif "space" not in tree:
        raise SpecError(f"{where}: space: this key must be given. Add it, or a [sweep].")
    if tree.get("protocol") == Protocol.CONFIRM.value and "confirm" not in tree:
        tree["confirm"] = False
    return tree


def _refuse_search(tree: Mapping[str, Any], where: str) -> None:
    for table in _SELECTING:
        if table in tree and tree[table] is not False:
            raise SpecError(
                f"{where}: {table}: a sweep must stand without [{table}], but got both: it "
                f"measures every point and selects none. Remove [{table}] or [sweep]."
            )


def _check_size(sweep: Sweep, budget: Mapping[str, Any], where: str) -> None:
    if sweep.size > MAX_POINTS:
        raise SpecError(
            f"{where}: sweep: at most {MAX_POINTS:,} points must hold, but got {sweep.size:,}. "
            f"Take fewer values."
        )
    trials = budget.get("trials", sweep.size)
    if trials != sweep.size:
        raise SpecError(
            f"{where}: budget.trials: a sweep of {sweep.size} points must run each of them once, "
            f"but got trials={trials}. Leave it out; other points are another study."
        )


def _located(error: ValidationError, where: str) -> str:
    if not error.errors()[0]["loc"]:
        return f"{where}: sweep: a table must hold. Write [[sweep.curves]]."
    return explain(error, Sweep, where, "sweep")


def check(spec: StudySpec, where: str) -> None:
    """Check the sweep, the figure, and that nothing is selected on the test half unsaid.

    Raises:
        SpecError: the first broken rule, located.
    """
    if spec.sweep is not None:
        _check_sweep(spec, spec.sweep, where)
    if spec.protocol == Protocol.CONFIRM:
        _check_unselected(spec, where)
    if spec.figure is not None:
        _check_figure(spec, where)


def _check_unselected(spec: StudySpec, where: str) -> None:
    """Under ``protocol = "confirm"`` a trial is tested once, and nothing may learn from it."""
    if spec.pruner.name != "none":
        raise SpecError(
            f'{where}: pruner: protocol = "confirm" must have no pruner, but got '
            f"name={spec.pruner.name!r}: nothing is scored before the last epoch. Remove it."
        )
    if spec.sweep is None and spec.sampler.name not in _PLAIN_SAMPLERS:
        raise SpecError(
            f'{where}: sampler.name: protocol = "confirm" must have a sampler that learns nothing '
            f"from the test half, but got name={spec.sampler.name!r}. "
            f"Valid: {', '.join(_PLAIN_SAMPLERS)}."
        )
    if spec.confirm is not None:
        raise SpecError(
            f'{where}: confirm: protocol = "confirm" must have no [confirm]: every trial is tested '
            f"on the test half already. Remove it."
        )


# --- sweep ----------------------------------------------------------------------------------------


def _check_sweep(spec: StudySpec, sweep: Sweep, where: str) -> None:
    labels: set[str] = set()
    for index, curve in enumerate(sweep.curves):
        key = f"{where}: sweep.curves.{index}"
        if curve.label in labels:
            raise SpecError(
                f"{key}.label: every curve must have a label of its own, but got "
                f"label={curve.label!r} twice. Change one."
            )
        labels.add(curve.label)
        if min(curve.label) < " ":
            raise SpecError(
                f"{key}.label: a label must stand on one line, but got label={curve.label!r}. "
                f"Change it."
            )
        _check_names(spec, curve, set(spec.sweepable), key)
        missing = [name for name in sweep.parameters if name not in {*curve.names, *curve.fixed}]
        if missing:
            raise SpecError(
                f"{key}: every curve must set the same parameters, but this one lacks "
                f"{missing[0]!r}. Give it under `fixed`."
            )
    for number, (index, _, params) in enumerate(sweep.points):
        _check_point(spec, sweep.curves[index], params, number, f"{where}: sweep.curves.{index}")


def _check_names(spec: StudySpec, curve: Curve, known: set[str], key: str) -> None:
    if not curve.names:
        raise SpecError(f"{key}.x: at least one parameter must be given. Add it.")
    if len(set(curve.names)) < len(curve.names):
        raise SpecError(f"{key}.x: every parameter must be given once. Remove the double.")
    for place, names in (("x", curve.names), ("fixed", tuple(curve.fixed))):
        for name in names:
            if name == "epochs":
                raise SpecError(
                    f"{key}.{place}: epochs must be one number for the whole study. "
                    f"Give it as budget.epochs."
                )
            if name not in known:
                raise SpecError(
                    f"{key}.{place}: objective {spec.objective!r} has no parameter {name!r}. "
                    f"{did_you_mean(name, known)}"
                )
            for table, kept in (("fixed", spec.fixed), ("variability", spec.varied)):
                if name in kept:
                    raise SpecError(
                        f"{key}.{place}: a parameter must be either set by the curves or the same "
                        f"for all, but got {name!r} in [{table}], too. Remove one."
                    )
    both = [name for name in curve.names if name in curve.fixed]
    if both:
        raise SpecError(
            f"{key}.fixed.{both[0]}: a parameter must either vary or stay, but got it in `x`, too. "
            f"Remove one."
        )


def _check_points(curve: Curve, key: str) -> None:
    if (curve.values is None) == (curve.range is None):
        raise SpecError(f"{key}: either `values` or `range` must be given. Give one of them.")
    if curve.size == 0:
        raise SpecError(f"{key}.values: at least one value must be given. Add some.")
    if curve.range is None:
        values = curve.values or ()
        if len({(isinstance(value, bool), value) for value in values}) < len(values):
            raise SpecError(f"{key}.values: every value must be given once. Remove the double.")
        return
    low, high = curve.range.low, curve.range.high
    if not low < high:
        raise SpecError(
            f"{key}.range: `low < high` must hold, but got low={low}, high={high}. Swap them."
        )
    if curve.range.log and low <= 0:
        raise SpecError(
            f"{key}.range: a log range must begin above 0, but got low={low}. "
            f"Raise `low`, or remove `log`."
        )


def _check_point(
    spec: StudySpec, curve: Curve, params: Mapping[str, Any], number: int, key: str
) -> None:
    for name, value in params.items():
        is_number = not isinstance(value, bool | str)
        whole = is_number and spec.number_kind(name) == "int"
        if whole and value != int(value):
            raise SpecError(
                f"{key}: {name} must be a whole number, but got {name}={value}. Give `values`."
            )
    problem = first_error(spec, spec.point(number))
    if problem is None:
        return
    if not problem["loc"]:  # a rule between several parameters, whose message names them
        raise SpecError(f"{key}: {rule(problem)}")
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        raise SpecError(
            f"{key.partition(': sweep')[0]}: fixed.{name}: objective {spec.objective!r} has no "
            f"default for this parameter. Give it in [fixed] or on every curve."
        )
    if name in spec.fixed:
        place = f"{key.partition(': sweep')[0]}: fixed.{name}"
    elif name in curve.names:
        place = f"{key}.{'values' if curve.range is None else 'range'}"
    else:
        place = f"{key}.fixed.{name}"
    raise SpecError(
        f"{place}: {rule(problem)} must hold, but got "
        f"{name}={problem['input']!r}. Stay within the bounds of the objective {spec.objective!r}."
    )


# --- figure ---------------------------------------------------------------------------------------


def _check_figure(spec: StudySpec, where: str) -> None:
    figure = spec.figure
    assert figure is not None
    key = f"{where}: figure"
    if figure.kind == "curves":
        if spec.sweep is None:
            raise SpecError(
                f'{key}.kind: kind = "curves" must have a [sweep], but got a search. '
                f'Use kind = "scatter".'
            )
        for name in ("x", "colour", "colour_labels"):
            if getattr(figure, name) is not None:
                raise SpecError(
                    f'{key}.{name}: only kind = "scatter" has this key. Remove it; the curves '
                    f"themselves say what varies."
                )
    else:
        _check_scatter(spec, key)
    if figure.log_x and any(mark <= 0 for mark in figure.marks):
        raise SpecError(
            f"{key}.marks: a mark on a log axis must be above 0, but got marks="
            f"{min(figure.marks)}. Change it, or remove `log_x`."
        )
    if spec.name in figure.overlay:
        raise SpecError(f"{key}.overlay: other studies must be named, but got this one. Remove it.")


def _check_scatter(spec: StudySpec, key: str) -> None:
    figure = spec.figure
    assert figure is not None
    known = sorted([*spec.searchable, "epochs"])
    if figure.x is None:
        raise SpecError(f"{key}.x: this key must be given. Name a parameter, or info.NAME.")
    if not figure.x.removeprefix("info.") or (
        not figure.x.startswith("info.") and figure.x not in known
    ):
        raise SpecError(
            f"{key}.x: objective {spec.objective!r} has no parameter {figure.x!r}. "
            f"{did_you_mean(figure.x, known)} Or info.NAME for what a training measured."
        )
    try:
        sides = figure.rule()
    except ValueError as error:
        raise SpecError(
            f"{key}.colour: {error} must hold, but got colour={figure.colour!r}. "
            f'Write for instance colour = "dt_ns < tau_ns".'
        ) from None
    for side in sides or ():
        if isinstance(side, str) and side not in known:
            raise SpecError(
                f"{key}.colour: objective {spec.objective!r} has no parameter {side!r}. "
                f"{did_you_mean(side, known)}"
            )
        if isinstance(side, str) and not spec.accepted_types(side) & {int, float}:
            raise SpecError(
                f"{key}.colour: only numbers are smaller than others, but got the parameter "
                f"{side!r}. Compare others."
            )
    if figure.colour_labels is not None and figure.colour is None:
        raise SpecError(f"{key}.colour_labels: a rule must be given, too. Add `colour`.")
