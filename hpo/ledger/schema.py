"""The ledger's tables, in a schema of their own beside Optuna's tables.

All time stamps come from the database's clock, so clocks of hosts do not matter. Each
table checks its values, so readers meet no invalid ones, whoever has written them.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Float, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.schema import CreateSchema

from hpo.contract import MAX_SCORE
from hpo.errors import StorageError
from hpo.postgres.connect import Schema
from hpo.postgres.retry import said_by
from hpo.study.trials import Phase, SlotState, StudyState, WorkerState

SCHEMA = (  # not "hpo": PostgreSQL looks first into a schema named like the user
    "hpo_ledger"
)
SCHEMA_VERSION = 303
"""Version of release 0.3.0; its drafts had 300 and 301, earlier releases have less than
10."""
HIGHEST_PRIORITY = 1000

_FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.clock() RETURNS timestamptz
LANGUAGE sql VOLATILE
AS 'SELECT clock_timestamp()';
CREATE OR REPLACE FUNCTION {SCHEMA}.holds(until timestamptz, lease_s float8)
RETURNS boolean LANGUAGE sql VOLATILE
AS 'SELECT until > {SCHEMA}.clock()
AND until <= {SCHEMA}.clock() + make_interval(secs => lease_s * 4 / 3)'
"""
"""The time; and whether a lease is valid: for at most four thirds of it from now on,
whatever the clock said at its renewal. A clock that goes back a little frees no
slot."""


NOW = text(f"{SCHEMA}.clock()")
Row = sa.Row[Any]
Rows = sa.CursorResult[Any]
_parse = cache(text)


def ask(connection: Connection, statement: str, **values: Any) -> Rows:
    """Run a statement with parameters named ``:name``; other values are ignored."""
    return connection.execute(_parse(statement), values)


def _one_of(column: str, kind: type[StrEnum]) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        f"{column} IN ({', '.join(repr(str(one)) for one in kind)})"
    )


def _json(column: str, kind: str) -> sa.CheckConstraint:
    """Return the check that JSON is an object or an array."""
    return sa.CheckConstraint(f"json_typeof({column}) = '{kind}'")


def _path(column: str, path: str) -> sa.CheckConstraint:
    """Return the check of JSON by an SQL path; it refuses NUL and half characters,
    too."""
    return sa.CheckConstraint(f"CAST({column} AS jsonb) @@ '{path}'")


def _between(low: str, high: str, *columns: str) -> sa.CheckConstraint:
    """Return the check that numbers or times lie in a range; NaN exceeds any number."""
    return sa.CheckConstraint(
        " AND ".join(f"{name} BETWEEN {low} AND {high}" for name in columns)
    )


def _numbers(column: str, *but: str) -> sa.CheckConstraint:
    """Return the check that a list holds numbers, except some special values."""
    none = (
        f"array_position({column}, NULL) IS NULL AND coalesce(array_ndims({column}),"
        " 1) = 1"
    )
    others = ", ".join(f"'{one}'" for one in but)
    return sa.CheckConstraint(
        f"{none} AND NOT {column} && CAST(ARRAY[{others}] AS float8[])"
    )


def _line(column: str) -> sa.CheckConstraint:
    """Return the check that a name has no control characters for a terminal."""
    return sa.CheckConstraint(f"{column} !~ E'[\\u0001-\\u001f\\u007f-\\u009f]'")


_TIME = ("'1900-01-01'", "'9000-01-01'")  # Python has no years of five digits
_COUNT, _SECONDS = ("0", "2147483647"), ("0", "1e12")
_SCORE = (f"-{MAX_SCORE!r}", f"{MAX_SCORE!r}")
_SPEC = '$.objective.type() == "string" && $.budget.trials.type() == "number"'
_SOURCES = (
    "!exists($[*] ? (!(exists(@.hash) && exists(@.modules.*) && exists(@.revision))))"
)


def _of_slot() -> Column[int]:
    own = sa.ForeignKey(f"{SCHEMA}.slots.id", ondelete="CASCADE")
    return Column("slot_id", sa.BigInteger, own, primary_key=True)


metadata = sa.MetaData(schema=SCHEMA)
Time = sa.DateTime(timezone=True)

version = Table(
    "version",
    metadata,
    Column("id", Integer, primary_key=True, server_default=text("1")),
    Column("version", Integer, nullable=False),
)

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("spec", JSON, nullable=False),
    Column("spec_hash", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_since", Time, nullable=False, server_default=NOW),
    Column("reason", Text),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("optuna_study_id", Integer, nullable=False),
    Column("amendments", Integer, nullable=False, server_default=text("0")),
    Column("failures_from", Integer, nullable=False, server_default=text("0")),
    Column("search_end", Integer),
    Column("search_end_reason", Text),
    Column("code", JSON, nullable=False, server_default=text("'[]'")),
    Column("expected", JSON, nullable=False, server_default=text("'{}'")),
    Column("baselines", JSON(none_as_null=True)),
    Column("created_at", Time, nullable=False, server_default=NOW),
    _one_of("state", StudyState),
    _line("name"),
    _path("spec", _SPEC),
    _path("code", _SOURCES),
    _json("expected", "object"),
    _json("baselines", "array"),
    _between(*_TIME, "state_since", "created_at"),
    _between(*_COUNT, "amendments", "failures_from", "search_end"),
    _between(f"-{HIGHEST_PRIORITY}", f"{HIGHEST_PRIORITY}", "priority"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("serves", Text),
    Column("state", Text, nullable=False),
    Column("doing", Text, nullable=False),
    Column("refuses", JSON, nullable=False, server_default=text("'{}'")),
    Column("lease_s", Float, nullable=False),
    Column("job", Text),
    Column("log", Text),
    Column("started_at", Time, nullable=False, server_default=NOW),
    Column("seen_at", Time, nullable=False, server_default=NOW),
    Column("ended_at", Time),
    Column("numerics", Text),
    _one_of("state", WorkerState),
    _line("name"),
    _path("refuses", '$.type() == "object" && !exists($.* ? (@.type() != "string"))'),
    _between(*_SECONDS, "lease_s"),
    _between(*_TIME, "started_at", "seen_at", "ended_at"),
)

slots = Table(
    "slots",
    metadata,
    Column("id", sa.BigInteger, primary_key=True),
    Column(
        "study_id",
        Integer,
        sa.ForeignKey(studies.c.id, ondelete="CASCADE"),
        nullable=False,
    ),
    Column("phase", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("source", Integer),
    Column("state", Text, nullable=False),
    Column("params", JSON(none_as_null=True)),
    Column("attrs", JSON, nullable=False, server_default=text("'{}'")),
    Column("score", Float(53)),
    Column("costs", ARRAY(Float(53)), nullable=False, server_default=text("'{}'")),
    Column(
        "cost", Float(53), sa.Computed("costs[1]", persisted=True)
    ),  # for people's queries
    Column("steps", ARRAY(Float(53)), nullable=False, server_default=text("'{}'")),
    Column("worker", Text),
    Column("token", Text),
    Column("lease_until", Time),
    Column("lease_s", Float),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, nullable=False, server_default=text("0")),
    Column("losses_in_a_row", Integer, nullable=False, server_default=text("0")),
    Column("message", Text),
    Column("lineage", JSON, nullable=False, server_default=text("'{}'")),
    Column("amendments", JSON, nullable=False, server_default=text("'[]'")),
    Column("optuna_trial_id", Integer),
    Column("started_at", Time, nullable=False, server_default=NOW),
    Column("settled_at", Time),
    sa.UniqueConstraint("study_id", "phase", "number"),
    _one_of("phase", Phase),
    _one_of("state", SlotState),
    _json("params", "object"),
    _json("attrs", "object"),
    _json("lineage", "object"),
    _json("amendments", "array"),
    _between(*_SCORE, "score"),
    _numbers("costs", "NaN", "Infinity", "-Infinity"),
    _numbers("steps"),
    _between(*_COUNT, "number", "source", "attempts", "losses", "losses_in_a_row"),
    _between(*_SECONDS, "lease_s"),
    _between(*_TIME, "lease_until", "started_at", "settled_at"),
    sa.Index(
        "slots_running",
        "study_id",
        "number",
        postgresql_where=text("state = 'running'"),
    ),
    sa.Index(
        "slots_failed", "study_id", "number", postgresql_where=text("state = 'failed'")
    ),
)

members = Table(
    "members",
    metadata,
    _of_slot(),
    Column("member", Integer, primary_key=True),
    Column("seed", sa.BigInteger, nullable=False),
    Column("score", Float(53), nullable=False),
    Column("curve", ARRAY(Float(53)), nullable=False),
    Column("loss_curve", ARRAY(Float(53)), nullable=False),
    Column("diverged", sa.Boolean, nullable=False),
    Column("info", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("worker", Text, nullable=False),
    _between(*_SCORE, "score"),
    _numbers("curve"),
    _numbers("loss_curve"),
    _between(*_SECONDS, "seconds"),
    _json("info", "object"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _of_slot(),
    Column("member", Integer, nullable=False),
    Column("curve", ARRAY(Float(53)), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("data", sa.LargeBinary, nullable=False),
    _numbers("curve"),
    _between(*_SECONDS, "seconds"),
)

networks = Table(
    "networks", metadata, _of_slot(), Column("data", sa.LargeBinary, nullable=False)
)
"""The network of the first fresh seed of each confirmed trial."""

notices = Table(
    "notices",
    metadata,
    Column(
        "study_id",
        Integer,
        sa.ForeignKey(studies.c.id, ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("notice", Text, primary_key=True),
    Column("claimed_at", Time),
    Column("told_at", Time),
)
"""Notifications of studies: the last one sent, and one that a worker is sending."""

events = Table(
    "events",
    metadata,
    Column("id", sa.BigInteger, primary_key=True),
    Column("at", Time, nullable=False, server_default=NOW),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("study", Text, nullable=False),
    _between(*_TIME, "at"),
)
"""Interventions and notifications, of deleted studies, too. The role of workers only
adds to it."""


def check_version(connection: Connection) -> bool:
    """Return whether the tables exist, and check their version.

    Raises:
        StorageError: they have another version.
    """
    if not ask(
        connection, f"SELECT to_regclass('{SCHEMA}.version') IS NOT NULL"
    ).scalar():
        return False
    version = ask(connection, f"SELECT version FROM {SCHEMA}.version").scalar()
    if version == SCHEMA_VERSION:
        return True
    todo = (
        "Update this installation: a newer one has used the database."
        if version is None or version > SCHEMA_VERSION
        else (
            "No release changes older tables: use another database, or the release that"
            " made them."
        )
    )
    raise StorageError(
        f"database {connection.engine.url.database}: expected tables of version "
        f"{SCHEMA_VERSION}, got version={version}. {todo}"
    )


def _create(connection: Connection) -> None:
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    for function in _FUNCTIONS.split(";"):
        connection.execute(text(function))
    metadata.create_all(connection)
    first = (
        f"INSERT INTO {SCHEMA}.version (version) VALUES (:version) ON CONFLICT DO"
        " NOTHING"
    )
    ask(connection, first, version=SCHEMA_VERSION)


_PLANTED = """
SELECT
  rolname,
  concat('ALTER ROLE ', quote_ident(rolname), ' IN DATABASE ' || quote_ident(datname),
         ' RESET ALL') AS reset
FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole
LEFT JOIN pg_database d ON d.oid = setdatabase
WHERE NOT rolsuper AND has_table_privilege(r.oid, 'hpo_ledger.slots', 'UPDATE')
  AND NOT pg_has_role(r.oid, (
    SELECT relowner FROM pg_class
    WHERE oid = CAST('hpo_ledger.slots' AS regclass)), 'MEMBER')"""
"""Statements that reset the lasting settings of roles of workers."""


def reset_roles(connection: Connection) -> list[str]:
    """Reset what roles of workers have set for their later sessions; return their
    names.

    A role of workers may change rows of the ledger, owns no table, and can change its
    settings.

    Raises:
        StorageError: this user lacks the right.
    """
    planted = ask(connection, _PLANTED).all()
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


schema = Schema(is_current=check_version, create=_create)
"""The ledger's tables, for ``connect.prepare_database``."""
