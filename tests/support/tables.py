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
SCHEMA = Schema.of(METADATA)
