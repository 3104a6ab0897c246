"""Rows of the ledger as JSON, exactly: what a backup is written from and read into.

What JSON lacks is spelt: floats that are not finite as "nan", "inf", "-inf", bytes in base64, times
as ISO 8601.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from hpo.ledger.backup.file import BackupError

_KEYS = {"id", "study_id", "slot_id", "optuna_study_id", "optuna_trial_id"}
LEFT_OUT = {*_KEYS, "lease_until", "lease_s"}
"""Columns that mean something in their own database, or at their own time, only."""
ADDED = {"priority", "state_since", "search_end", "search_end_reason", "costs", "code"}
"""Columns that files of an earlier version may lack: the tables have grown."""
_ODD_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def columns(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that a backup holds: not those that are made of others."""
    return [c for c in table.c if c.name not in LEFT_OUT and c.computed is None]


def encode(table: sa.Table, row: sa.Row[Any]) -> dict[str, Any]:
    """A row as JSON."""
    found = row._mapping
    return {column.name: _encode(column.type, found[column]) for column in columns(table)}


def _encode(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, ARRAY):
        return [_encode(kind.item_type, item) for item in value]
    if isinstance(kind, sa.Float):
        return value if math.isfinite(value) else str(value)
    if isinstance(kind, sa.DateTime):
        return value.astimezone(UTC).isoformat()
    if isinstance(kind, sa.LargeBinary):
        return base64.b64encode(value).decode("ascii")
    return value


def decode(table: sa.Table, record: Any, where: str, *, older: bool = False) -> dict[str, Any]:
    """The values of a row of which `encode` has made ``record``; ``where`` is said in messages.

    An ``older`` file may lack those that were ``ADDED``, which get their defaults.

    Raises:
        BackupError: something is missing, unknown, or of the wrong type.
    """
    known = {column.name: column for column in columns(table)}
    if not isinstance(record, Mapping):
        raise BackupError(f"{where}: a row of {table.name} must be an object, but got {record!r}.")
    if older and "cost" in record:  # until version 7 a slot had one, or null
        cost = record["cost"]
        kept = {name: value for name, value in record.items() if name != "cost"}
        record = {**kept, "costs": [] if cost is None else [cost]}
    lacking = known.keys() - record.keys() - (ADDED if older else set())
    wrong = [*sorted(record.keys() - known.keys()), *sorted(lacking)]
    if wrong:
        raise BackupError(
            f"{where}: a row of {table.name} must have the columns {', '.join(known)}, but "
            f"differs in {', '.join(wrong)}. It was changed; take another copy."
        )
    return {name: _decoded(known[name], value, where) for name, value in record.items()}


def _decoded(column: sa.Column[Any], value: Any, where: str) -> Any:
    if value is None and column.nullable:
        return None
    try:
        return _decode(column.type, value)
    except (ValueError, TypeError, OverflowError) as error:
        kind = str(column.type).lower()
        shown = repr(value)
        raise BackupError(
            f"{where}: {column.table.name}.{column.name} must be {kind}, but got "
            f"{shown if len(shown) < 60 else shown[:60] + '…'} ({error}). It was changed; take "
            f"another copy."
        ) from error


def _decode(kind: Any, value: Any) -> Any:
    if isinstance(kind, JSON):
        return value
    if isinstance(kind, ARRAY):
        return [_decode(kind.item_type, item) for item in _of(list, value)]
    if isinstance(kind, sa.Float):
        return _ODD_FLOATS[value] if value in _ODD_FLOATS else float(_of((float, int), value))
    if isinstance(kind, sa.Integer):
        limit = 2**63 if isinstance(kind, sa.BigInteger) else 2**31
        if not -limit <= _of(int, value) < limit:
            raise OverflowError("too large")
        return value
    if isinstance(kind, sa.Boolean):
        return _of(bool, value)
    text = _of(str, value)
    if isinstance(kind, sa.DateTime):
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("without time zone")
        return at
    if isinstance(kind, sa.LargeBinary):
        return base64.b64decode(text, validate=True)
    if not isinstance(kind, sa.Text) or "\0" in text:
        raise ValueError("no text that PostgreSQL can hold")
    text.encode()  # a lone surrogate is no UTF-8
    return text


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError("of another type")
    return value
