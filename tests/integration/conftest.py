"""Fixtures that many tests of one database share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from golden_studies import STUDIES, golden_spec
from servers import alone, connect, database, run_program
from users import User, somebody

from hpo.cli import main
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage, open_storage
from hpo.worker.heartbeat import WorkerOptions
from hpo.worker.loop import Worker

LINEAGE = json.dumps({"revision": "0" * 40, "host": "host", "attempts": 1})
STEADY = (
    "UPDATE hpo_ledger.events SET who = 'somebody'",
    "UPDATE hpo_ledger.members SET worker = 'worker', seconds = 1.5",
    f"UPDATE hpo_ledger.slots SET worker = 'worker', lineage = '{LINEAGE}', "
    "finished_at = started_at + interval '3 seconds'",
    "DELETE FROM hpo_ledger.workers",
)
"""Statements after which nothing but points in time differs between two runs of a
study."""


@pytest.fixture(scope="session")
def golden_dump(server_url: str, with_tables: str, made_home: Path) -> Path:
    """SQL of a database in which one worker has run a study of each kind; made once for
    all processes of pytest."""
    dump = made_home.with_name("golden.sql")
    with alone(dump):
        if not dump.exists():
            with database(server_url, with_tables) as url:
                run_golden_studies(url)
                run_program("pg_dump", url, "--file", dump)
    return dump


def run_golden_studies(url: str) -> None:
    """Run a study of each kind, and take out what differs from run to run."""
    with open_storage(url) as storage:
        for kind in STUDIES:
            Ledger(storage).register(golden_spec(kind))
            Worker(storage, WorkerOptions(study=kind)).run()
    with connect(url) as connection:
        for statement in STEADY:
            connection.execute(statement)


@pytest.fixture(scope="session")
def golden_url(server_url: str, golden_dump: Path) -> Iterator[str]:
    """URL of such a database; tests only look."""
    with database(server_url, "template1") as url:
        quiet = (
            "--quiet",
            "--no-psqlrc",
            "--set=ON_ERROR_STOP=1",
            "--output=/dev/null",
        )
        run_program("psql", url, *quiet, "--file", golden_dump)
        yield url


@pytest.fixture
def golden_copy(server_url: str, golden_url: str) -> Iterator[str]:
    """URL of a copy of it, for tests that change something."""
    with database(server_url, str(sa.make_url(golden_url).database)) as url:
        yield url


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
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """``hpo`` in this process, on this database: what it prints; on stderr, if it
    fails."""
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
