"""The ledger's tables, in a schema of their own beside Optuna's tables.

Every time stamp is taken from the database's clock, so that clocks of hosts do not matter. What a
value may be is a rule of its table: no reader meets another, whoever has written it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    Connection,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.schema import CreateSchema

from hpo.errors import StorageError
from hpo.postgres.connect import Schema
from hpo.study.trials import Phase, SlotState, StudyState, WorkerState
from objectives.contract import MAX_SCORE

SCHEMA = "hpo_ledger"  # not "hpo": PostgreSQL looks first into a schema named like the user
SCHEMA_VERSION = 300
"""The release that last changed these tables, 0.3.0. Those of before have numbers below 10."""
HIGHEST_PRIORITY = 1000

_FUNCTIONS = f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
AS 'SELECT clock_timestamp()';
CREATE OR REPLACE FUNCTION {SCHEMA}.holds(until timestamptz, lease_s float8) RETURNS boolean
LANGUAGE sql VOLATILE
AS 'SELECT until > {SCHEMA}.clock() AND until <= {SCHEMA}.clock() + make_interval(secs => lease_s)'
"""
"""What time it is; and whether a lease counts: never for longer than it is from now on, whatever
the clock said when it was renewed."""


def clock() -> ColumnElement[datetime]:
    """What time it is in the database, which tests move."""
    now: ColumnElement[datetime] = getattr(func, SCHEMA).clock(type_=DateTime(timezone=True))
    return now


NOW = clock()


def holds(slots: Any) -> ColumnElement[bool]:
    """The condition that a worker's lease on a slot counts."""
    own = slots.c.lease_until, slots.c.lease_s
    counts: ColumnElement[bool] = getattr(func, SCHEMA).holds(*own, type_=Boolean)
    return counts


def _one_of(column: str, kind: type[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(one)) for one in kind)})")


def _json(column: str, kind: str) -> CheckConstraint:
    return CheckConstraint(f"json_typeof({column}) = '{kind}'")


def _finite(*columns: str) -> CheckConstraint:
    """The rule that times are no infinity, which Python does not know."""
    return CheckConstraint(" AND ".join(f"isfinite({column})" for column in columns))


def _score(column: str) -> CheckConstraint:
    return CheckConstraint(f"abs({column}) <= {MAX_SCORE!r}")  # NaN is larger than any number


metadata = MetaData(schema=SCHEMA)
Time = DateTime(timezone=True)

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
    Column("created_at", Time, nullable=False, server_default=NOW),
    _one_of("state", StudyState),
    _json("spec", "object"),
    _json("code", "array"),
    _finite("state_since", "created_at"),
    CheckConstraint(f"abs(priority) <= {HIGHEST_PRIORITY}"),
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
    _json("refuses", "object"),
    _finite("started_at", "seen_at", "ended_at"),
)

slots = Table(
    "slots",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("study_id", Integer, ForeignKey(studies.c.id, ondelete="CASCADE"), nullable=False),
    Column("phase", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("source", Integer),
    Column("state", Text, nullable=False),
    Column("params", JSON(none_as_null=True)),
    Column("attrs", JSON, nullable=False, server_default=text("'{}'")),
    Column("score", Float(53)),
    Column("costs", ARRAY(Float(53)), nullable=False, server_default=text("'{}'")),
    Column("cost", Float(53), Computed("costs[1]", persisted=True)),  # for people's queries
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
    UniqueConstraint("study_id", "phase", "number"),
    _one_of("phase", Phase),
    _one_of("state", SlotState),
    _json("params", "object"),
    _json("attrs", "object"),
    _json("lineage", "object"),
    _json("amendments", "array"),
    _score("score"),
    _finite("lease_until", "started_at", "settled_at"),
    Index("slots_running", "study_id", "number", postgresql_where=text("state = 'running'")),
    Index("slots_failed", "study_id", "number", postgresql_where=text("state = 'failed'")),
)

IS_RUNNING = slots.c.state == literal_column("'running'")
"""A running slot: spelt out, so that its index serves prepared statements, too."""
IS_FAILED = slots.c.state == literal_column("'failed'")
"""A failed slot, likewise."""

members = Table(
    "members",
    metadata,
    Column("slot_id", BigInteger, ForeignKey(slots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("member", Integer, primary_key=True),
    Column("seed", BigInteger, nullable=False),
    Column("score", Float(53), nullable=False),
    Column("curve", ARRAY(Float(53)), nullable=False),
    Column("loss_curve", ARRAY(Float(53)), nullable=False),
    Column("diverged", Boolean, nullable=False),
    Column("info", JSON, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("worker", Text, nullable=False),
    _score("score"),
    _json("info", "object"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("slot_id", BigInteger, ForeignKey(slots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("member", Integer, nullable=False),
    Column("curve", ARRAY(Float(53)), nullable=False),
    Column("seconds", Float, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

networks = Table(
    "networks",
    metadata,
    Column("slot_id", BigInteger, ForeignKey(slots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""The network of the first fresh seed of each confirmed trial, as its training gave it."""

notices = Table(
    "notices",
    metadata,
    Column("study_id", Integer, ForeignKey(studies.c.id, ondelete="CASCADE"), primary_key=True),
    Column("notice", Text, primary_key=True),
    Column("claimed_at", Time),
    Column("told_at", Time),
)
"""What people were told of studies last, and what somebody is about to tell."""

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("at", Time, nullable=False, server_default=NOW),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("study", Text, nullable=False),
)
"""What people did to studies, or were told of them, those that are deleted, too: the role of
workers only adds to it."""


def slots_of(study_id: ColumnElement[int] | int, phase: str) -> ColumnElement[bool]:
    """The condition that a slot is one of this study, in this phase."""
    return (slots.c.study_id == study_id) & (slots.c.phase == phase)


def check_version(connection: Connection) -> bool:
    """Whether the tables are there, which must be of this version.

    Raises:
        StorageError: they are of another version.
    """
    if connection.scalar(select(func.to_regclass(f"{SCHEMA}.version"))) is None:
        return False
    found = connection.scalar(select(version.c.version))
    if found == SCHEMA_VERSION:
        return True
    todo = (
        "Update this installation: a newer one has used the database."
        if found is None or found > SCHEMA_VERSION
        else "No release changes older tables: take another database, or the release that made "
        "these."
    )
    raise StorageError(
        f"database {connection.engine.url.database}: its tables must be of version "
        f"{SCHEMA_VERSION}, but got version={found}. {todo}"
    )


def _create(connection: Connection) -> None:
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    for function in _FUNCTIONS.split(";"):
        connection.execute(text(function))
    metadata.create_all(connection)
    connection.execute(upsert(version).values(version=SCHEMA_VERSION).on_conflict_do_nothing())


schema = Schema(is_current=check_version, create=_create)
"""The ledger's tables, for ``connect.prepare_database``."""
