"""The hash of a study: over everything that its trials depend on, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hpo.study.tables import ASIDE, StudyTable


def keep_essential(value: Any, stored: Any) -> Any:
    """Return the part of a stored value that trials depend on; see ``tables.ASIDE``.

    Args:
        value: a table of a study file, or a value in it.
        stored: its JSON form.
    """
    if isinstance(value, StudyTable):
        kept = {}
        for name, part in stored.items():
            field = type(value).model_fields[name]
            if field.json_schema_extra != ASIDE.json_schema_extra:
                kept[name] = keep_essential(getattr(value, name), part)
        return kept
    if isinstance(value, tuple) and isinstance(stored, list):
        return [keep_essential(*pair) for pair in zip(value, stored, strict=True)]
    return stored


def digest(tree: Mapping[str, Any]) -> str:
    """Return 16 hex digits over a JSON tree, in which 1 and 1.0 are the same."""
    text = json.dumps(_canonical(tree), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any) -> Any:
    """Return the same JSON tree with whole numbers as integers."""
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return values by dotted keys: ``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
