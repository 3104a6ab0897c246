"""Fixtures for tests against a real PostgreSQL.

`database_url`  URL of a fresh, empty database, on one embedded server for the whole session
`tcp_url`       the same database over TCP
`hpo_home`      HPO_HOME of a server of its own, which the test may start, kill and inspect
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from tcp import forwarded

from hpo.embedded import Embedded, stop

_numbers = itertools.count()


@contextlib.contextmanager
def temporary_home() -> Iterator[Path]:
    """A home with spaces that the server's account can reach (pytest's tmp_path is 0700)."""
    home = Path(tempfile.mkdtemp(prefix="h p o "))
    home.chmod(0o711)
    try:
        yield home
    finally:
        stop(home, force=True)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """URL of the session's server, which need not survive a crash of the machine."""
    with temporary_home() as home, Embedded(home) as embedded:
        url = embedded.acquire()
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """URL of a database without any tables, dropped after the test."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server_url.replace("/hpo?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def tcp_url(database_url: str) -> Iterator[Callable[[str], str]]:
    """The same database over TCP: a function from ``user:password`` to its URL."""
    url = sa.make_url(database_url)
    with forwarded(f"{url.query['host']}/.s.PGSQL.5432") as port:
        yield lambda user: f"postgresql://{user}@127.0.0.1:{port}/{url.database}"


@pytest.fixture
def hpo_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """HPO_HOME of a server that does not exist yet; stopped and removed after the test."""
    with temporary_home() as home:
        monkeypatch.setenv("HPO_HOME", str(home))
        monkeypatch.delenv("HPO_STORAGE", raising=False)
        yield home
