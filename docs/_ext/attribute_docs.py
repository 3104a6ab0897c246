"""Leaves the strings below attributes as they are: Napoleon takes what stands before a
colon there for a type."""

from __future__ import annotations

from typing import Any

_written: dict[str, list[str]] = {}


def _keep(
    _app: Any, what: str, name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    if what in ("attribute", "data", "property"):
        _written[name] = list(lines)


def _restore(
    _app: Any, _what: str, name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    lines[:] = _written.pop(name, lines)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx, around Napoleon's handler, of priority 500."""
    app.connect("autodoc-process-docstring", _keep, priority=400)
    app.connect("autodoc-process-docstring", _restore, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
