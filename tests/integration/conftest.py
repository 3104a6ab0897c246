"""Fixtures that many tests of one database share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import database
from users import User, somebody

from hpo.cli import main
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    """The database, open; its tables are empty."""
    with open_storage(database_url) as storage:
        yield storage


@pytest.fixture
def ledger(storage: Storage) -> Ledger:
    """The ledger of this database."""
    return Ledger(storage)


@pytest.fixture
def hpo(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """``hpo`` in this process, on this database: what it prints; on stderr, if it fails."""
    monkeypatch.setenv("HPO_STORAGE", database_url)

    def run(*arguments: object, status: int = 0) -> str:
        assert main.main([*map(str, arguments)]) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    return run


@pytest.fixture
def user(tmp_path: Path, database_url: str) -> Iterator[User]:
    """Somebody with an empty database."""
    with somebody(tmp_path, database_url) as user:
        yield user


@pytest.fixture(scope="module")
def owner(
    tmp_path_factory: pytest.TempPathFactory, server_url: str, with_tables: str
) -> Iterator[User]:
    """Somebody whose study is finished; who uses it only looks."""
    directory = tmp_path_factory.mktemp("owner")
    with database(server_url, with_tables) as url, somebody(directory, url) as user:
        user.said = user.launched("--workers", "2", "--json")
        yield user
