"""A database of another version is refused in words, and left as it is."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from servers import connect
from workers import toy_spec

from hpo.errors import StorageError
from hpo.ledger.ledger import Ledger
from hpo.ledger.schema import SCHEMA_VERSION
from hpo.postgres.connect import open_storage

NEWER = (
    f"its tables must be of version {SCHEMA_VERSION}, but got version={SCHEMA_VERSION + 1}. Update "
    "this installation: a newer one has used the database."
)


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


def test_an_older_database_is_refused_and_left_untouched(empty_database_url: str) -> None:
    """Versions 1 to 8 were those of releases before 0.3.0."""
    old = 8
    with connect(empty_database_url) as connection:
        connection.execute("CREATE SCHEMA hpo_ledger")
        connection.execute("CREATE TABLE hpo_ledger.version (id int, version int)")
        connection.execute("INSERT INTO hpo_ledger.version VALUES (1, %s)", [old])
        connection.execute("CREATE TABLE hpo_ledger.studies (id int, name text)")
        connection.execute("INSERT INTO hpo_ledger.studies VALUES (1, 'toy')")
    open_storage(empty_database_url).close()  # Optuna's tables are there, as in any older one
    before = content(empty_database_url)
    with open_storage(empty_database_url) as storage, pytest.raises(StorageError) as caught:
        Ledger(storage)
    assert str(caught.value).endswith(
        f"its tables must be of version {SCHEMA_VERSION}, but got version={old}. No release "
        "changes older tables: take another database, or the release that made these."
    )
    assert content(empty_database_url) == before


def test_a_newer_database_is_refused_at_the_start_and_by_the_next_claim(database_url: str) -> None:
    with open_storage(database_url) as storage:
        ledger = Ledger(storage)
        ledger.register(toy_spec())
        with storage.engine.begin() as connection:
            connection.execute(
                sa.text(f"UPDATE hpo_ledger.version SET version = {SCHEMA_VERSION + 1}")
            )
        before = content(database_url)
        with pytest.raises(StorageError) as caught:
            ledger.claim("toy", "w", lease_s=60)
        assert str(caught.value).endswith(NEWER)
        with pytest.raises(StorageError) as caught:
            Ledger(storage)
        assert str(caught.value).endswith(NEWER)
        assert content(database_url) == before
