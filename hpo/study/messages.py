"""The words for a broken rule: where, which rule, the value, what to do."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hpo.errors import HpoError, SpecError, expected, near_miss

_RULES = {
    "float_type": "a number",
    "greater_than": "a number above {}",
    "greater_than_equal": "at least {}",
    "less_than": "a number below {}",
    "less_than_equal": "at most {}",
    "int_type": "a whole number",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
"""Words for pydantic's error types, in the terms of a study file."""


Broken = Iterator[str]
"""A message for each broken rule."""


def refuse(broken: Iterable[str], where: str = "") -> None:
    """Refuse what breaks a rule; rules run one by one, so that later ones may rely on
    earlier ones.

    Raises:
        SpecError: the first broken rule, after ``where``.
    """
    for message in broken:
        raise SpecError(f"{where}: {message}" if where else message)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint: the closest valid word, if one is close, and the list of all."""
    known = sorted(known)
    return f"{near_miss(word, known)}Valid: {', '.join(known) or '(none)'}."


@contextmanager
def explained(where: str, model: type[BaseModel]) -> Iterator[None]:
    """Turn errors of a model, of data or of the physics into a message.

    Raises:
        HpoError: a value is invalid.
    """
    try:
        yield
    except ValidationError as error:
        raise HpoError(explain(error, model, where)) from None
    except (OverflowError, ValueError) as error:
        raise HpoError(f"{where}: {error}") from None


def explain(
    error: ValidationError, model: type[BaseModel], where: str, table: str = ""
) -> str:
    """Return one line for the first problem of a pydantic error: where, what is wrong,
    what to do.

    An unknown key comes first: it is often the misspelling of a missing one.

    Args:
        error: what pydantic raised.
        model: the model that it validated.
        where: the file, or the command.
        table: the table of the file that ``model`` describes; empty if it describes the
            file.
    """
    problem = min(
        error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden"
    )
    parts = [str(part) for part in problem["loc"]]
    if len(parts) > 1 and parts[-1] in ("all", "float", "int", "str", "bool"):
        # pydantic ends the place of a problem in ``float | int`` with the branch
        parts.pop()
    places = [*parts]
    if table:
        places.insert(0, table)
    key = ".".join(places)
    kind = problem["type"]
    message = broken_rule(problem)
    is_sentence = kind == "value_error" and message.endswith(".")
    if is_sentence or not parts:
        place = f"{where}: {key}" if key else where
        if message.startswith("."):
            return f"{place}{message}"
        return f"{place}: {message}"
    if kind == "extra_forbidden":
        known = _model_at(model, parts[:-1]).model_fields
        return f"{where}: unknown key {key}. {did_you_mean(parts[-1], known)}"
    if kind == "missing":
        return f"{where}: {key} is missing. Add it."
    got = repr(problem["input"])
    if problem["input"] and isinstance(problem["input"], Mapping):
        got = "a table"
    remedy = "Change it."
    if message == "a table":
        remedy = f"Write its keys below [{key}]."
    return expected(f"{where}: {key}", message, got, remedy)


def broken_rule(problem: ErrorDetails) -> str:
    """Return what pydantic expected, as a noun phrase, or the whole message of our own
    check."""
    if problem["type"] == "too_short":
        return f"at least {problem['ctx']['min_length']} entry"
    start = r"^(Value error, |Input should be |String should match )"
    message = re.sub(start, "", problem["msg"])
    message = re.sub(r"<\w+\.\w+: ('[^']*')>", r"\1", message)  # a member of an enum
    bound = message.rpartition(" ")[2]
    rule = _RULES.get(problem["type"])
    if rule is None:
        return message
    return rule.format(bound)


def _model_at(model: type[BaseModel], parts: list[str]) -> type[BaseModel]:
    current: type[BaseModel] = model
    for part in parts:
        if part.isdecimal():  # an item of a list, whose model is ``current``
            continue
        field = current.model_fields.get(part)
        if field is not None:
            for candidate in _models_in(field.annotation):
                current = candidate
    return current


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, dict, tuple):
        return [m for argument in get_args(annotation) for m in _models_in(argument)]
    return []


def matching(pattern: str, rule: str) -> AfterValidator:
    """Refuse a text that ``pattern`` does not match as a whole; ``rule`` is the
    expected value."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(rule)
        return text

    return AfterValidator(check)


ONE_LINE = matching(r"[^\x00-\x1f]*", "a text of one line")


M = TypeVar("M", bound=BaseModel)


def strictly(model: type[M], values: Mapping[str, Any]) -> M:
    """Validate without conversions: neither "40" nor true is a number.

    By way of JSON, because only there a strict model takes a list for a tuple and a
    text for an enum; a study file holds nothing that JSON lacks: dates are refused.
    """
    return model.model_validate_json(json.dumps(values), strict=True)
