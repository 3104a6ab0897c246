"""Rows of the database as objects of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from hpo.errors import printable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")


def from_row(kind: type[D], row: Any, **more: Any) -> D:
    """Return a dataclass object with fields from the columns of a row, or from
    ``more``.

    Control characters in texts of the row (not newline, tab) are replaced. Values of
    ``more`` are taken as they are: clean them yourself.
    """
    columns = {name: getattr(row, name) for name in _fields(kind) if name not in more}
    return kind(**clean_texts(columns), **more)


def clean_texts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values; control characters in texts are replaced."""
    clean = dict(values)
    for name, value in values.items():
        if isinstance(value, str) and not value.isprintable():
            clean[name] = printable(value, "\n\t")
    return clean


@cache
def _fields(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
