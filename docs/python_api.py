"""The Python interface as tables: what stands in the ``eval-rst`` blocks of
``docs/reference/python.md``, by name, with the first sentence of each docstring."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import study_file

import hpo

PAGE = Path(__file__).parent / "reference" / "python.md"
_BLOCK = re.compile(r"```\{eval-rst\}\n(.*?)```", re.DOTALL)
_DIRECTIVE = re.compile(
    r"^\.\. auto(function|class|module):: ([\w.]+)(?:\(\))?\n((?:   .*\n)*)",
    re.MULTILINE,
)


@cache
def blocks() -> list[str]:
    """Return the blocks that describe objects, in the order of the page."""
    found = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [block for block in found if _DIRECTIVE.search(block)]


def table(number: str) -> str:
    """Return the table of the block of this number, from 1 on."""
    rows = []
    for kind, name, options in _DIRECTIVE.findall(blocks()[int(number) - 1]):
        listed = re.search(r":members: ([^\n]+)", options)
        names = [] if listed is None else re.split(r",\s*", listed[1].strip())
        if kind == "module":
            rows += [_row(f"{name}.{one}") for one in names]
            continue
        rows.append(_row(name))
        if ":members:" in options:
            rows += _members(name, names)
    return "\n".join(["| name | what it is |", "|---|---|", *rows])


def _row(name: str) -> str:
    value = _named(name)
    shown = f"{_public(name, value)}{_arguments(value)}"
    return f"| `{shown}` | {_sentence(inspect.getdoc(value))} |"


def _members(name: str, names: list[str]) -> Iterator[str]:
    """Yield a row for each member that has a docstring."""
    owner = _named(name)
    short = name.rpartition(".")[2]
    for one in names or _own(owner):
        text = _documented(owner, one)
        if text:
            value = inspect.getattr_static(owner, one, None)
            yield f"| `{short}.{one}{_arguments(value)}` | {_sentence(text)} |"


def _own(owner: type) -> list[str]:
    """Return the public members of a class of ours, in the order of its source."""
    names: dict[str, None] = {}
    for model in reversed(owner.__mro__):
        if model.__module__.partition(".")[0] == "hpo":
            names |= dict.fromkeys(study_file._docstrings(model))
            names |= dict.fromkeys(vars(model))
    return [name for name in names if not name.startswith("_")]


def _documented(owner: type, name: str) -> str | None:
    """Return the docstring of a method or property, or the string below a field."""
    for model in owner.__mro__:
        if text := study_file._docstrings(model).get(name):
            return text
    value = inspect.getattr_static(owner, name, None)
    if isinstance(value, (property, staticmethod, classmethod)) or callable(value):
        return inspect.getdoc(value)
    return getattr(value, "__doc__", None) if hasattr(value, "func") else None


def _named(name: str) -> Any:
    """Return the object of a dotted name."""
    module, _, rest = name.rpartition(".")
    return getattr(importlib.import_module(module), rest)


def _public(name: str, value: Any) -> str:
    """Return the name under which users import it."""
    short = name.rpartition(".")[2]
    if name == "hpo.launch.launch":  # the package itself can be called
        return "hpo.launch"
    return f"hpo.{short}" if getattr(hpo, short, None) is value else name


def _arguments(value: Any) -> str:
    """Return the names of a function's arguments, in parentheses."""
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if not inspect.isfunction(value):
        return ""
    shown = []
    for parameter in inspect.signature(value).parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
        shown.append(star.get(parameter.kind, "") + parameter.name)
    return f"({', '.join(shown)})"


def _sentence(text: str | None) -> str:
    """Return the first sentence of a docstring, as a cell."""
    first = " ".join((text or "").split("\n\n")[0].split())
    first = re.sub(r":(?:py:)?\w+:`~?([^`]+)`", r"`\1`", first)
    return study_file._worded(first)
