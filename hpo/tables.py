"""The ledger's tables, in a schema of their own beside Optuna's tables.

Every time stamp is taken from the database's clock, so that clocks of hosts do not matter.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.schema import CreateSchema

from hpo.errors import StorageError
from hpo.storage import Schema

SCHEMA = "hpo_ledger"  # not "hpo": PostgreSQL looks first into a schema named like the user
SCHEMA_VERSION = 1

metadata = MetaData(schema=SCHEMA)

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
    Column("reason", Text),
    Column("optuna_study_id", Integer, nullable=False),
    Column("amendments", Integer, nullable=False, server_default=text("0")),
    Column("failures_from", Integer, nullable=False, server_default=text("0")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("doing", Text, nullable=False),
    Column("lease_s", Float, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
)

IS_RUNNING = text("state = 'running'")
"""A running slot: spelt out, so that its index serves prepared statements, too."""
IS_FAILED = text("state = 'failed'")
"""A failed slot, likewise."""

slots = Table(
    "slots",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("study_id", Integer, ForeignKey(studies.c.id, ondelete="CASCADE"), nullable=False),
    Column("phase", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("source", Integer),
    Column("state", Text, nullable=False),
    Column("params", JSON),
    Column("attrs", JSON, nullable=False, server_default=text("'{}'")),
    Column("score", Float(53)),
    Column("steps", ARRAY(Float(53)), nullable=False, server_default=text("'{}'")),
    Column("worker", Text),
    Column("token", Text),
    Column("lease_until", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, nullable=False, server_default=text("0")),
    Column("losses_in_a_row", Integer, nullable=False, server_default=text("0")),
    Column("message", Text),
    Column("lineage", JSON, nullable=False, server_default=text("'{}'")),
    Column("amendments", JSON, nullable=False, server_default=text("'[]'")),
    Column("optuna_trial_id", Integer),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("settled_at", DateTime(timezone=True)),
    UniqueConstraint("study_id", "phase", "number"),
    Index("slots_running", "study_id", "number", postgresql_where=IS_RUNNING),
    Index("slots_failed", "study_id", "number", postgresql_where=IS_FAILED),
)

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


def _is_current(connection: Connection) -> bool:
    """Whether the tables are there, and of this version.

    Raises:
        StorageError: they are of a newer version.
    """
    if connection.scalar(select(func.to_regclass(f"{SCHEMA}.version"))) is None:
        return False
    found = connection.scalar(select(version.c.version))
    if found is not None and found > SCHEMA_VERSION:
        raise StorageError(
            f"database {connection.engine.url.database}: its tables must be of version "
            f"{SCHEMA_VERSION} or older, but got version={found}. "
            f"Update this installation: a newer one has used the database."
        )
    return found == SCHEMA_VERSION


def _create(connection: Connection) -> None:
    connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
    metadata.create_all(connection)
    connection.execute(upsert(version).values(version=SCHEMA_VERSION).on_conflict_do_nothing())


schema = Schema(is_current=_is_current, create=_create)
"""The ledger's tables, for ``storage.prepare_database``."""
