"""The tables of a study file as Markdown, from the models that check it: keys, types,
defaults."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import types
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as bounds
from commands import _escaped
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hpo import objectives
from hpo.study.dimensions import Dimension
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure

MEANINGS = {
    "StudySpec.name": "name of the study in the database",
    "StudySpec.description": "a text for people",
    "StudySpec.tags": "words for the filters of `hpo status --tag` and the home page",
    "StudySpec.objective": (
        'what is trained: `"spintronic"`, `"ctrnn"`, `"module:Class"`, or a function'
        ' `"train.py:objective"`; `"ask-and-tell"` if you evaluate trials yourself'
    ),
    "StudySpec.seed": "every random number of the study follows from it",
    "StudySpec.protocol": (
        '`"validation"`: the search does not see the test part; `"search_on_test"`: '
        "trials are scored on the test part, as in the paper; "
        '`"confirm"`: nothing is selected, and every network is tested once'
    ),
    "Dimension.low": "least value of a range",
    "Dimension.high": "largest value of a range",
    "Dimension.log": "search the logarithm",
    "Dimension.step": "distance between the values of a range",
    "Dimension.choices": "in place of a range: the values, in any order",
    "Stop.target": "score that a complete trial must reach",
    "Stop.patience": "trials in a row without a better score",
    "Stop.max_epochs": "epochs trained in the search",
    "WarmStart.study": (
        "another study in the same database; its best trials are the points"
    ),
    "WarmStart.top": "how many trials of `study`; default 5",
    "Reported.score": "the published score",
    "Reported.std": "its standard deviation",
    "Reported.n": "number of networks in this mean",
    "Reported.source": "where it was published",
    "Reported.params": (
        "the published parameters; those that the study searches are compared"
    ),
    "Curve.label": "name in the figure",
    "Curve.values": "values of `x`",
    "Curve.range": (
        "in place of `values`: evenly spaced ones, `{ low, high, points, log }`"
    ),
    "Range.low": "first value",
    "Range.high": "last value",
    "Range.points": "number of values, both ends included",
    "Range.log": "values with equal ratios, not with equal differences",
    "SweepTable.curves": "`[[sweep.curves]]`, one table for each curve",
    "Figure.kind": (
        '`"curves"`: medians and quartiles against `x` of a sweep; `"scatter"`: the '
        'median score of every trial against `x`; `"map"`: a grid of two parameters'
    ),
    "Figure.title": "heading",
    "Figure.x_label": "label of the axis",
    "Figure.y_label": "label of the axis",
    "Figure.log_x": "logarithmic axis",
    "Sampler.name": (
        "Optuna's `tpe`, `random`, `qmc`, `gp`, `cmaes` or `nsga2`, our "
        "`kriging-believer` or `grid`, or your own"
    ),
    "Pruner.name": "one of Optuna's pruners; `none`: every trial trains to its end",
    "Cost.name": (
        "costs that the objective declares; one alone needs no brackets; the first "
        "decides what is cheapest"
    ),
    "TaskParams.name": "the task",
}
"""Meanings of keys without a description in their model."""
DEFAULTS = {"StudySpec.name": "the file's name"}
"""Defaults that the reader of a file fills in."""

LIMITS = (("Ge", "≥"), ("Gt", ">"), ("Le", "≤"), ("Lt", "<"))


def tables(spec: type[BaseModel] = StudySpec) -> dict[str, type[BaseModel]]:
    """Return the models of the tables that the study's model has, by key of the study
    file."""
    by_key = {}
    for key, field in spec.model_fields.items():
        if model := _model(field.annotation):
            by_key[key] = model
    return by_key


@cache
def models() -> dict[str, type[BaseModel]]:
    """Return all models with a table of keys, by the name in its mark."""
    by_name = {"study": StudySpec, "space": Dimension, **tables()}
    curve = _model(by_name["sweep"].model_fields["curves"].annotation)
    by_name |= {
        "sweep.curves": curve,
        "range": _model(curve.model_fields["range"].annotation),
    }
    by_name["figure.reference"] = _model(Figure.model_fields["reference"].annotation)
    for name in objectives.BUILT_IN:
        objective = objectives.load(name)
        by_name |= {f"task {task}": model for task, model in objective.tasks.items()}
        by_name[name] = objective.Params
    if model := objectives.load("spintronic").variability:
        by_name["variability"] = model
    return by_name


def keys(name: str) -> str:
    """Return the table of the keys of one model."""
    apart = {
        "study": {*tables(), "task", "fixed", "space", "variability", "constraints"}
    }
    in_other_tables = (
        {"epochs", "variability"} if name in objectives.BUILT_IN else set()
    )
    return _table(models()[name], without=apart.get(name, in_other_tables))


def costs(name: str) -> str:
    """Return the table of an objective's costs."""
    rows = [
        f"| `{key}` | {_worded(text)} |"
        for key, text in objectives.load(name).costs.items()
    ]
    return "\n".join(["| cost | meaning |", "|---|---|", *rows])


def _model(annotation: Any) -> Any:
    """Return the model within an annotation such as ``Stop | None``, ``tuple[Curve,
    ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is dict:
        return None
    return next(
        (model for part in get_args(annotation) if (model := _model(part))), None
    )


def _table(model: type[BaseModel], without: set[str] | None = None) -> str:
    rows = [
        f"| `{name}` | {_kind(field)} | {_default(model, name)} |"
        f" {meaning(model, name)} |"
        for name, field in model.model_fields.items()
        if name not in (without or ())
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def meaning(model: type[BaseModel], name: str) -> str:
    """Return the meaning of a key: ``MEANINGS``, its description or docstring; else
    nothing."""
    for owner in model.__mro__:
        if text := MEANINGS.get(f"{owner.__name__}.{name}"):
            return text.replace("|", "\\|")
    if text := model.model_fields[name].description:
        return _worded(text)
    for owner in model.__mro__:
        if text := _docstrings(owner).get(name):
            return _worded(text)
    return ""


def _worded(text: str) -> str:
    """A description as a cell: without a full stop, and without places in the code."""
    text = re.sub(r"[,;] see `*[\w.]+`*$", "", " ".join(text.split()).rstrip("."))
    if text[1:2].islower():
        text = text[0].lower() + text[1:]
    parts = text.replace("``", "`").split(
        "`"
    )  # nothing but a bar is escaped within code
    return "`".join(
        p.replace("|", "\\|") if n % 2 else _escaped(p) for n, p in enumerate(parts)
    )


@cache
def _docstrings(model: type) -> dict[str, str]:
    """The strings below the fields of a class of ours."""
    if model.__module__.partition(".")[0] != "hpo":
        return {}
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: ast.literal_eval(text.value)
        for field, text in pairwise(body.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if found := DEFAULTS.get(f"{model.__name__}.{name}"):
        return found
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), {}):
        return "–"
    if isinstance(value, enum.Enum):
        value = value.value
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return f"`{text}`"


def _kind(field: FieldInfo) -> str:
    for item in field.metadata:  # a parameter of a device
        if own := getattr(item, "bounds", None):
            return f"{_type(float)}{_of_bounds(own)}; or one for each layer"
    limits = [limit for item in field.metadata for limit in _limits(item)]
    return ", ".join([_type(field.annotation), *limits])


def _of_bounds(own: dict[str, float]) -> str:
    return "".join(
        f", {sign} {own[n.lower()]:,.10g}" for n, sign in LIMITS if n.lower() in own
    )


def _limits(item: Any) -> Iterator[str]:
    for name, sign in LIMITS:
        if isinstance(item, getattr(bounds, name)):
            yield f"{sign} {getattr(item, name.lower()):,.10g}"


def _type(annotation: Any) -> str:
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        limits = [limit for item in arguments[1:] for limit in _limits_of(item)]
        return ", ".join([_type(arguments[0]), *limits])
    if origin is Literal:
        return " ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    return "table" if origin is dict else _plain_type(annotation)


def _union(arguments: tuple[Any, ...]) -> str:
    """Return the names of the types of a union, one for each kind."""
    kinds = list(dict.fromkeys(_type(a) for a in arguments if a is not type(None)))
    if kinds[1:] == [f"list of {kinds[0]}"] and "number" in kinds[0]:
        return f"{kinds[0]}; or one for each layer"
    return " or ".join(k for k in kinds if k != "whole number" or "number" not in kinds)


def _plain_type(annotation: Any) -> str:
    """Return the name of a type without arguments."""
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    names = {int: "whole number", float: "number", str: "text", bool: "`true` `false`"}
    return names.get(annotation, "value")


def _limits_of(item: Any) -> Iterator[str]:
    """Yield the limits of metadata, also of a pydantic ``Field`` within an
    annotation."""
    for part in getattr(item, "metadata", [item]):
        yield from _limits(part)
