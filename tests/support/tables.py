"""Tables of a program, for tests of the storage."""

import sqlalchemy as sa

from hpo.postgres.connect import Schema

METADATA = sa.MetaData(schema="ours")
THINGS = sa.Table(
    "things",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now()),
)


def _is_current(connection: sa.Connection) -> bool:
    return sa.inspect(connection).has_table("things", schema="ours")


def _create(connection: sa.Connection) -> None:
    connection.execute(sa.schema.CreateSchema("ours", if_not_exists=True))
    METADATA.create_all(connection)


SCHEMA = Schema(_is_current, _create)
