"""The ledger's tables, in a schema of their own beside Optuna's tables.

The schema is not "hpo": PostgreSQL looks first into a schema named like the user.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, text

from hpo.errors import StorageError
from hpo.ledger.statements import tables as sql
from hpo.postgres.connect import Schema
from hpo.postgres.retry import MissingTablesError, said_by

SCHEMA_VERSION = 311
"""Release 0.3.0 has 303."""

Row = sa.Row[Any]
Rows = sa.CursorResult[Any]
_parse = cache(text)


def ask(connection: Connection, statement: str, **values: Any) -> Rows:
    """Run a statement with parameters named ``:name``; other values are ignored."""
    return connection.execute(_parse(statement), values)


def check_version(connection: Connection) -> bool:
    """Return whether the tables exist, and check their version.

    Raises:
        MissingTablesError: some are missing, or they have no version: a backup, which
            stores it late, may be being restored.
        StorageError: they have another version.
    """
    if not ask(connection, sql.HAS_VERSION).scalar():
        if ask(connection, sql.HAS_OTHERS).scalar():
            raise _lacks_tables(connection)
        return False
    version = ask(connection, sql.SELECT_VERSION).scalar()
    if version == SCHEMA_VERSION:
        return True
    database = connection.engine.url.database
    if version is None:
        raise _lacks_tables(connection)
    do = "Update this installation: a newer one has used the database."
    if version < SCHEMA_VERSION:
        do = (
            "No release changes older tables: use another database, or the release that"
            " made them."
        )
    raise StorageError(
        f"database {database}: expected tables of version "
        f"{SCHEMA_VERSION}, got version={version}. {do}"
    )


def require_whole(connection: Connection) -> None:
    """Check that no restore is under way, which may lack rows that the backup has.

    Raises:
        MissingTablesError: tables are not complete.
    """
    if not ask(connection, sql.IS_WHOLE).scalar():
        raise _lacks_tables(connection)


def _lacks_tables(connection: Connection) -> MissingTablesError:
    return MissingTablesError(
        f"database {connection.engine.url.database}: its tables are not complete. If a"
        " backup is being restored, wait until that is done; else restore one to its"
        " end."
    )


def create_tables(connection: Connection) -> None:
    """Create missing tables."""
    for statement in sql.CREATE_ALL:
        connection.exec_driver_sql(statement)
    ask(connection, sql.STORE_VERSION, version=SCHEMA_VERSION)


def reset_roles(connection: Connection) -> list[str]:
    """Reset what roles of workers have set for their later sessions; return their
    names.

    A role of workers may change rows of the ledger, owns no table, and can change its
    settings.

    Raises:
        StorageError: this user lacks the right.
    """
    planted = ask(connection, sql.SELECT_RESETS).all()
    names = sorted({row.rolname for row in planted})
    try:
        for row in planted:
            connection.exec_driver_sql(row.reset)
    except sa.exc.ProgrammingError as error:
        raise StorageError(
            f"role {', '.join(names)}: cannot reset its settings (ALTER ROLE ... SET): "
            f"{said_by(error)}. Run ALTER ROLE ... RESET ALL as a superuser."
        ) from error
    return names


schema = Schema(is_current=check_version, create=create_tables)
"""The ledger's tables, for ``connect.prepare_database``."""
