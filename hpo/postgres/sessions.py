"""Sessions of the database: their settings, and the values that they return."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import psycopg
from psycopg.types.string import TextBinaryLoader
from sqlalchemy import Connection

from hpo.errors import StorageError

IDLE_S = 20
"""Silence within a transaction after which the server ends the session: the process is
paused or gone, and holds locks."""
PINNED = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""Settings of a session besides ``IDLE_S``, which override server, database and role.

No result depends on them, since behind a pooler a transaction may run on another's
session: values come in binary (``Cursor``), and each transaction sets its own isolation
level.
"""


class Cursor(psycopg.Cursor[Any]):
    """A cursor with binary values: no setting affects how many digits a number has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take psycopg's arguments."""
        super().__init__(*args, **options)
        self.format = psycopg.pq.Format.BINARY


class Unreadable(Mapping[str, Any]):
    """Placeholder for JSON that Python cannot parse, such as thousands of brackets; our
    programs never write it. Any use raises a StorageError."""

    def __getitem__(self, *_: object) -> NoReturn:
        """Refuse any use."""
        raise StorageError(
            "the database holds JSON that cannot be read and that hpo did not write."
            " Restore a backup under another name: hpo import FILE --name NEW."
        )

    __iter__ = __len__ = __getitem__


def read_json(text: str) -> Any:
    """Return a JSON value; ``Unreadable`` if Python cannot parse it.

    An error here would end the whole query; the placeholder makes it one of the study
    that uses the value, and lists show the others.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Unreadable()


def set_up(connection: psycopg.Connection[Any], record: Any) -> None:
    """Prepare a new connection."""
    # for types like Optuna's enums
    connection.adapters.register_loader(0, TextBinaryLoader)
    pinned = {**PINNED, "idle_in_transaction_session_timeout": f"{IDLE_S}s"}
    chosen = [
        f"set_config('{name}', '{value}', false)" for name, value in pinned.items()
    ]
    connection.autocommit = True
    # one statement, since answers are binary
    connection.execute(f"SELECT {', '.join(chosen)}")
    connection.autocommit = False


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """Return psycopg's connection under SQLAlchemy's."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
