"""Helpers of tests of embedded servers."""

from __future__ import annotations

import fcntl
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from hpo.postgres.embedded import status, stop
from hpo.postgres.programs import find_shipped

MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 * 2**30
_numbers = itertools.count()


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A home with spaces that the server's account can reach (pytest's tmp_path is
    0700).

    In memory, if there is room: a database has 300 files, and to make them on a disk
    takes longer than most tests.
    """
    in_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    home = Path(tempfile.mkdtemp(prefix="h p o ", dir=MEMORY if in_memory else None))
    home.chmod(0o711)
    try:
        yield home
    finally:
        stop(home, force=True)
        shutil.rmtree(home)


@contextmanager
def alone(made: Path) -> Iterator[None]:
    """Only one process of pytest at a time makes what all of them use."""
    with made.with_name(f"{made.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def copy_home(made: Path, home: Path) -> None:
    """Copy the data of a server that is stopped, and its password."""
    (home / "server").mkdir(mode=0o700, parents=True)
    for part in ("postgres", "server/password"):
        subprocess.run(["cp", "-a", made / part, home / part], check=True)


def connect(url: str, **options: Any) -> psycopg.Connection[Any]:
    """Connect without SQLAlchemy."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, **options)


@contextmanager
def database(server_url: str, template: str) -> Iterator[str]:
    """URL of a new database like ``template``, dropped in the end."""
    name = f"test_{next(_numbers)}"
    with connect(server_url) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
        )
        try:
            yield server_url.replace("/hpo?", f"/{name}?")
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run_program(name: str, url: str, *options: str | Path) -> None:
    """Run a program of PostgreSQL, such as psql, on a database."""
    program = find_shipped(Path()) / "bin" / name
    subprocess.run([program, *options, url.replace("+psycopg", "")], check=True)


def password_of(url: str) -> str:
    """The password in the file that the URL of an embedded server names."""
    return (
        Path(str(sa.make_url(url).query["passfile"]))
        .read_text()
        .strip()
        .rsplit(":", 1)[-1]
    )


def write(url: str) -> None:
    """Commit something to be read later."""
    with connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def read(url: str) -> int:
    """Return 42, if it is still there."""
    with connect(url) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    return int(row[0])


def gone(home: Path) -> bool:
    """Return whether neither server nor keeper run."""
    now = status(home)
    return not now.running and now.keeper_pid is None


@contextmanager
def cut_off(database_url: str) -> Iterator[None]:
    """Nobody reaches the database, though its server runs."""
    name = sa.make_url(database_url).database
    with connect(database_url.replace(f"/{name}?", "/hpo?")) as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
            f" '{name}'"
        )
        yield
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
