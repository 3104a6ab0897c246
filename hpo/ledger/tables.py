"""The ledger's tables, in a schema of their own beside Optuna's tables.

Every time stamp is taken from the database's clock, so that clocks of hosts do not matter.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.schema import CreateSchema

from hpo.errors import StorageError
from hpo.postgres.connect import Schema

SCHEMA = "hpo_ledger"  # not "hpo": PostgreSQL looks first into a schema named like the user
SCHEMA_VERSION = 8

UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        f"CREATE INDEX slots_failed ON {SCHEMA}.slots (study_id, number) WHERE state = 'failed'",
        f"ALTER TABLE {SCHEMA}.studies ADD amendments INTEGER NOT NULL DEFAULT 0",
        f"ALTER TABLE {SCHEMA}.studies ADD failures_from INTEGER NOT NULL DEFAULT 0",
        f"ALTER TABLE {SCHEMA}.slots ADD token TEXT",
        f"ALTER TABLE {SCHEMA}.slots ADD losses_in_a_row INTEGER NOT NULL DEFAULT 0",
        f"ALTER TABLE {SCHEMA}.slots ADD amendments JSON NOT NULL DEFAULT '[]'",
        f"UPDATE {SCHEMA}.slots SET losses_in_a_row = losses",  # version 1 judged by all of them
    ),
    2: (
        f"ALTER TABLE {SCHEMA}.studies ADD artifact_tries INTEGER NOT NULL DEFAULT 0",
        f"ALTER TABLE {SCHEMA}.studies ADD artifact_error TEXT",
        f"CREATE TABLE {SCHEMA}.artifacts (artifact_id TEXT PRIMARY KEY, study_id INTEGER NOT NULL "
        f"REFERENCES {SCHEMA}.studies ON DELETE CASCADE, filename TEXT NOT NULL, media_type TEXT "
        "NOT NULL, data BYTEA NOT NULL, created_at TIMESTAMPTZ NOT NULL DEFAULT now())",
        f"CREATE INDEX artifacts_of_study ON {SCHEMA}.artifacts (study_id)",
    ),
    3: (
        f"ALTER TABLE {SCHEMA}.workers ADD job TEXT",
        f"ALTER TABLE {SCHEMA}.workers ADD log TEXT",
        f"ALTER TABLE {SCHEMA}.studies ADD artifact_worker TEXT",
        f"ALTER TABLE {SCHEMA}.studies ADD artifact_until TIMESTAMPTZ",
    ),
    4: (
        f"ALTER TABLE {SCHEMA}.studies ADD search_end INTEGER",
        f"ALTER TABLE {SCHEMA}.studies ADD search_end_reason TEXT",
        f"ALTER TABLE {SCHEMA}.slots ADD cost DOUBLE PRECISION",
    ),
    5: (f"ALTER TABLE {SCHEMA}.studies ADD code JSON NOT NULL DEFAULT '[]'",),
    6: (
        f"ALTER TABLE {SCHEMA}.workers ADD numerics TEXT",
        f"CREATE TABLE {SCHEMA}.events (id BIGSERIAL PRIMARY KEY, at TIMESTAMPTZ NOT NULL "
        "DEFAULT now(), who TEXT NOT NULL, what TEXT NOT NULL, study TEXT NOT NULL)",
        # the role of workers was given all rights on tables to come
        f"""DO $$
        DECLARE other name;
        BEGIN
            FOR other IN SELECT DISTINCT grantee FROM information_schema.role_table_grants
                WHERE table_schema = '{SCHEMA}' AND table_name = 'events'
                AND grantee NOT IN (current_user, 'PUBLIC')
            LOOP EXECUTE format('REVOKE UPDATE, DELETE ON {SCHEMA}.events FROM %I', other);
            END LOOP;
        END $$""",
    ),
    7: (  # `cost` was a column of its own; what reads it goes on to
        f"ALTER TABLE {SCHEMA}.slots ADD costs DOUBLE PRECISION[] NOT NULL DEFAULT '{{}}'",
        f"UPDATE {SCHEMA}.slots SET costs = ARRAY[cost] WHERE cost IS NOT NULL",
        f"ALTER TABLE {SCHEMA}.slots DROP cost",
        f"ALTER TABLE {SCHEMA}.slots ADD cost DOUBLE PRECISION GENERATED ALWAYS AS (costs[1]) "
        "STORED",
    ),
}
"""Version -> the statements that turn its tables into those of the next version, declared below."""

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
    Column("artifact_tries", Integer, nullable=False, server_default=text("0")),
    Column("artifact_error", Text),
    Column("artifact_worker", Text),
    Column("artifact_until", DateTime(timezone=True)),
    Column("search_end", Integer),
    Column("search_end_reason", Text),
    Column("code", JSON, nullable=False, server_default=text("'[]'")),
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
    Column("job", Text),
    Column("log", Text),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    Column("numerics", Text),
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
    Column("params", JSON(none_as_null=True)),
    Column("attrs", JSON, nullable=False, server_default=text("'{}'")),
    Column("score", Float(53)),
    Column("costs", ARRAY(Float(53)), nullable=False, server_default=text("'{}'")),
    Column("cost", Float(53), Computed("costs[1]", persisted=True)),  # for people's queries
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

artifacts = Table(
    "artifacts",
    metadata,
    Column("artifact_id", Text, primary_key=True),
    Column("study_id", Integer, ForeignKey(studies.c.id, ondelete="CASCADE"), nullable=False),
    Column("filename", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("artifacts_of_study", "study_id"),
)

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
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
    """Whether the tables are there, and of this version.

    Raises:
        StorageError: they are of a newer version.
    """
    found = _version(connection)
    if found is not None and found > SCHEMA_VERSION:
        raise StorageError(
            f"database {connection.engine.url.database}: its tables must be of version "
            f"{SCHEMA_VERSION} or older, but got version={found}. "
            f"Update this installation: a newer one has used the database."
        )
    return found == SCHEMA_VERSION


def _version(connection: Connection) -> int | None:
    if connection.scalar(select(func.to_regclass(f"{SCHEMA}.version"))) is None:
        return None
    return connection.scalar(select(version.c.version))


def _make_current(connection: Connection) -> None:
    """Create the tables, or upgrade those of an older version.

    Raises:
        StorageError: workers of the older version are at work.
    """
    found = _version(connection)
    if found is None:
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        metadata.create_all(connection)
        connection.execute(upsert(version).values(version=SCHEMA_VERSION).on_conflict_do_nothing())
        return
    _refuse_while_at_work(connection, found)
    for older in range(found, SCHEMA_VERSION):
        for statement in UPGRADES[older]:
            connection.execute(text(statement))
    connection.execute(update(version).values(version=SCHEMA_VERSION))


def _refuse_while_at_work(connection: Connection, found: int) -> None:
    """Older workers would go on by older rules: the study would depend on who ran it."""
    silent = func.extract("epoch", func.clock_timestamp() - workers.c.seen_at)
    alive = workers.c.ended_at.is_(None) & (silent < workers.c.lease_s)
    names = list(connection.scalars(select(workers.c.name).where(alive).order_by(workers.c.name)))
    if names:
        raise StorageError(
            f"database {connection.engine.url.database}: no worker must be at work while its "
            f"tables are upgraded from version {found} to {SCHEMA_VERSION}, but got "
            f"workers={', '.join(names)}. Stop them (SIGTERM or Ctrl-C: nothing is lost), then "
            f"try again."
        )


schema = Schema(is_current=check_version, create=_make_current)
"""The ledger's tables, for ``connect.prepare_database``."""
