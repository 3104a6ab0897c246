"""What tests of embedded servers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from hpo.embedded import status


def connect(url: str, **options: Any) -> psycopg.Connection[Any]:
    """Connect without SQLAlchemy."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, **options)


def write(url: str) -> None:
    """Commit something to be read later."""
    with connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def read(url: str) -> int:
    """Return 42, if it is still there."""
    with connect(url) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def gone(home: Path) -> bool:
    """Return whether neither server nor keeper run."""
    now = status(home)
    return not now.running and now.keeper_pid is None
