"""A database of another version is refused in words, and left as it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from servers import connect
from workers import toy_spec

from hpo.errors import StorageError
from hpo.ledger.ledger import Ledger
from hpo.ledger.schema import SCHEMA_VERSION
from hpo.postgres.connect import open_storage


def content(url: str) -> dict[str, Any]:
    """Every row of every table of ours and of Optuna's, and every column."""
    with connect(url) as connection:
        columns = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns "
            "WHERE table_schema IN ('public', 'hpo_ledger') ORDER BY 1, 2, 3"
        ).fetchall()
        names = {f"{schema}.{name}" for schema, name, _ in columns}
        rows = {n: connection.execute(f"SELECT * FROM {n}").fetchall() for n in sorted(names)}
    return {"columns": columns, **rows}


@pytest.mark.parametrize(
    ("version", "todo"),
    [
        (300, "No release changes older tables: use another database, or the release that made"),
        (SCHEMA_VERSION + 1, "Update this installation: a newer one has used the database."),
    ],
)
def test_it_is_refused_at_the_start_and_by_the_next_claim(
    database_url: str, version: int, todo: str
) -> None:
    said = f"expected tables of version {SCHEMA_VERSION}, got version={version}. {todo}"
    with open_storage(database_url) as storage:
        ledger = Ledger(storage)
        ledger.register(toy_spec())
        with storage.engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE hpo_ledger.version SET version = {version}"))
            connection.execute(sa.text("DROP TABLE hpo_ledger.events"))
        before = content(database_url)
        with pytest.raises(StorageError, match=re.escape(said)):
            ledger.claim("toy", "w", lease_s=60)
        with pytest.raises(StorageError, match=re.escape(said)):
            Ledger(storage)
    assert content(database_url) == before
