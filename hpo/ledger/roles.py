"""The role of workers: all rights on what studies are made of, none on the tables themselves.

A worker that was broken into, or that is simply of another version, can then spoil studies, but
neither drop nor alter a table, nor create anything. The database is taken to be this service's
alone: whatever the owner has or will have in these schemas is granted.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from hpo.errors import StorageError
from hpo.ledger.tables import SCHEMA, schema
from hpo.postgres.connect import SCHEMA_LOCK, Storage, driver_of, prepare_database

_GRANTS = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    "REVOKE CREATE ON SCHEMA {optuna} FROM PUBLIC",  # what PostgreSQL 14 and older give to all
    "GRANT USAGE ON SCHEMA {optuna}, {ledger} TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {optuna}, {ledger} TO {role}",
    "REVOKE INSERT, UPDATE, DELETE ON {optuna}.alembic_version, {optuna}.version_info, "
    "{ledger}.version FROM {role}",
    "REVOKE UPDATE, DELETE ON {ledger}.events FROM {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {optuna}, {ledger} TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {optuna}, {ledger} "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA {optuna}, {ledger} "
    "GRANT USAGE, SELECT ON SEQUENCES TO {role}",
)
_NO_LARGE_OBJECTS = """
    REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea)
    FROM PUBLIC
"""
_TOO_MUCH = """
    SELECT array_remove(ARRAY[
        CASE WHEN rolsuper THEN 'superuser' END,
        CASE WHEN rolcreaterole THEN 'createrole' END,
        CASE WHEN rolcreatedb THEN 'createdb' END,
        CASE WHEN NOT rolsuper AND pg_has_role(oid, current_user, 'MEMBER')
            THEN 'member of ' || current_user END,
        CASE WHEN has_database_privilege(oid, current_database(), 'CREATE')
            THEN 'create in the database' END,
        CASE WHEN has_schema_privilege(oid, current_schema(), 'CREATE')
            OR has_schema_privilege(oid, %(ledger)s, 'CREATE') THEN 'create tables' END
    ], NULL)
    FROM pg_roles WHERE rolname = %(role)s
"""


def set_up(storage: Storage, role: str, password: str | None = None) -> None:
    """Make the role, or correct it, and create or upgrade the tables that it may use.

    Safe to repeat, in many processes at once, and beside workers at work. The storage was opened by
    the owner of the tables. Without a password, the role keeps the one that it has; a new one is
    sent as a SCRAM-SHA-256 verifier, so that no log of the server holds it.

    Raises:
        StorageError: this user may not do that, or the role has rights that a worker must not have.
    """
    prepare_database(storage, schema)
    try:
        with storage.engine.begin() as connection:
            driver = driver_of(connection)
            driver.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            _make(driver, role, password)
            _grant(driver, role)
            _revoke_large_objects(driver)
            _refuse_more(driver, role, storage.place())
    except psycopg.errors.InsufficientPrivilege as error:
        raise StorageError(
            f"{storage.place()}: the user must own the tables and be allowed to create roles, but "
            f"got: {error.diag.message_primary}. Run this as the owner of the database, after: "
            "ALTER ROLE ... CREATEROLE."
        ) from error


def _make(driver: psycopg.Connection[Any], role: str, password: str | None) -> None:
    name = sql.Identifier(role)
    if not driver.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        driver.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    if password is not None:
        words = password.encode(), role.encode(), b"scram-sha-256"
        secret = sql.Literal(driver.pgconn.encrypt_password(*words).decode())
        driver.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, secret))


def _grant(driver: psycopg.Connection[Any], role: str) -> None:
    here = driver.execute("SELECT current_database(), current_schema()").fetchone() or ("", "")
    names = {"database": here[0], "optuna": here[1], "ledger": SCHEMA, "role": role}
    quoted = {key: sql.Identifier(name) for key, name in names.items()}
    for grant in _GRANTS:
        driver.execute(sql.SQL(grant).format(**quoted))


def _revoke_large_objects(driver: psycopg.Connection[Any]) -> None:
    """Have nobody but superusers make large objects, which could fill the disk."""
    row = driver.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row and row[0]:  # else only an administrator can: docs/how-to/several-hosts.md
        driver.execute(_NO_LARGE_OBJECTS)


def _refuse_more(driver: psycopg.Connection[Any], role: str, place: str) -> None:
    """Refuse a role that may do more than work: the promise would be an empty one."""
    row = driver.execute(_TOO_MUCH, {"role": role, "ledger": SCHEMA}).fetchone()
    if row is None or row[0]:
        raise StorageError(
            f"{place}: the role of workers must have no rights but on the rows of the tables, but "
            f"got {role} with rights={', '.join(row[0]) if row else 'unknown'}. Name another role; "
            "one that does not exist is made."
        )
