"""A spec written back as a study file: what a report shows can be saved and run again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from hpo.spec import StudySpec

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dumps(spec: StudySpec) -> str:
    """The study file of a spec: valid TOML that ``specrules.validate`` turns into an equal spec.

    Not so of one that was stored before a default changed, and names none: its file names the value
    that it means, so that the trials are the same, but spec and hash are others. A launch of the
    file goes on with the stored study all the same: see ``specrules.in_terms_of``.
    """
    before = {name: spec.objective_impl.unnamed[name] for name in spec.unnamed}
    tree = {**spec.stored(), "fixed": {**spec.fixed, **before}}
    tree = {key: value for key, value in tree.items() if value not in ({}, "")}
    return "\n".join(_table((), tree)).strip() + "\n"


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> list[str]:
    """Lines of a table: its values first, then its subtables; ``[space]`` holds inline tables."""
    inline = path[:1] == ("space",)
    lines = ["", f"[{_name(path)}]"] if path else []
    subtables = []
    for key, value in table.items():
        tables = isinstance(value, list) and value and isinstance(value[0], Mapping)
        if (isinstance(value, Mapping) and not inline) or tables:
            subtables.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in subtables:
        if isinstance(value, Mapping):
            lines += _table((*path, key), value)
        for item in value if isinstance(value, list) else ():
            pairs = [f"{_key(name)} = {_value(entry)}" for name, entry in item.items()]
            lines += ["", f"[[{_name((*path, key))}]]", *pairs]
    return lines


def _name(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        items = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    # A TOML basic string is a JSON string, but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
