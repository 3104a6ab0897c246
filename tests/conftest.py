"""Fixtures for tests against a real PostgreSQL.

`database_url`        URL of a fresh database with all tables, on the session's server
`empty_database_url`  the same without any tables
`tcp_url`             the same over TCP, without any tables
`hpo_home`            HPO_HOME of a server of its own, to start, kill and inspect
`new_home`            the same, and nothing is there yet
`slurm_conf`          a SLURM of one node, for the whole session
`watched`             a page of a real browser; anything that goes wrong on it fails
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import forkserver

# all compute as a worker does: of a busy processor, two threads take several times as
# long
os.environ |= forkserver.ONE_THREAD
os.environ["HPO_COMPARE"] = "0"  # it takes two more processes for each study
# pytest-timeout; in pyproject.toml it would stop tests of users who work in a clone
# without that plugin
os.environ.setdefault("PYTEST_TIMEOUT", "300")
os.environ["PYTHONHASHSEED"] = "0"  # else a worker would start Python once more

import processes
import pytest
import slurm
import sqlalchemy as sa
from servers import alone, connect, copy_home, database, temporary_home
from tcp import forwarded

from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.postgres.embedded import Embedded, stop

if TYPE_CHECKING:
    from browsing import Watched
    from playwright.sync_api import Browser

# as in an activated virtual environment: commands are then printed as `hpo ...`
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)

# what processes of tests import: this project, even where another copy of it is
# installed
SUPPORT = Path(forkserver.__file__).parent
os.environ["PYTHONPATH"] = os.pathsep.join(map(str, [SUPPORT, SUPPORT.parents[1]]))

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # `make test &` in a script: what the tests
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # start would be deaf to Ctrl-C, too


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is imported by now, and stays."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _processes_end_with_their_test() -> Iterator[None]:
    yield
    processes.kill_all()


@pytest.fixture(scope="session", autouse=True)
def _quick_starts() -> Iterator[None]:
    """Programs that tests start, and those that these start, are forked: see
    ``forkserver``."""
    with forkserver.running():
        yield


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose server has run, to be copied; made once for all processes of pytest.

    Its server need not survive a crash of the machine.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made = shared / "home"
    with alone(made):
        if not made.exists():
            with temporary_home() as home:
                with Embedded(home) as embedded:
                    embedded.acquire()
                stop(home)
                with (home / "postgres" / "postgresql.conf").open("a") as settings:
                    settings.write("fsync = off\n")
                copy_home(home, made)
    return made


@pytest.fixture(scope="session")
def server_url(made_home: Path) -> Iterator[str]:
    """URL of the session's server."""
    with temporary_home() as home:
        copy_home(made_home, home)
        with Embedded(home) as embedded:
            yield embedded.acquire()


@pytest.fixture(scope="session")
def with_tables(server_url: str) -> str:
    """Name of a database with Optuna's tables and the ledger's, to be copied."""
    with connect(server_url) as connection:
        connection.execute("CREATE DATABASE with_tables")
    with open_storage(server_url.replace("/hpo?", "/with_tables?")) as storage:
        Ledger(storage)
    return "with_tables"


@pytest.fixture
def database_url(server_url: str, with_tables: str) -> Iterator[str]:
    """URL of a database whose tables are empty, dropped after the test."""
    with database(server_url, with_tables) as url:
        yield url


@pytest.fixture
def empty_database_url(server_url: str) -> Iterator[str]:
    """URL of a database without any tables, dropped after the test."""
    with database(server_url, "template1") as url:
        yield url


@pytest.fixture
def tcp_url(empty_database_url: str) -> Iterator[Callable[[str], str]]:
    """A database over TCP: a function from ``user:password`` to its URL."""
    url = sa.make_url(empty_database_url)
    with forwarded(f"{url.query['host']}/.s.PGSQL.5432") as port:
        yield lambda user: f"postgresql://{user}@127.0.0.1:{port}/{url.database}"


@pytest.fixture
def new_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """HPO_HOME of a server that does not exist yet; stopped and removed after the
    test."""
    with temporary_home() as home:
        monkeypatch.setenv("HPO_HOME", str(home))
        monkeypatch.delenv("HPO_STORAGE", raising=False)
        yield home


@pytest.fixture
def hpo_home(new_home: Path, made_home: Path) -> Path:
    """HPO_HOME of a server that has run before; stopped and removed after the test."""
    copy_home(made_home, new_home)
    return new_home


@pytest.fixture(scope="session")
def slurm_conf() -> Iterator[Path]:
    """The configuration of a running SLURM, which ``SLURM_CONF`` names from now on."""
    with slurm.cluster() as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(path))
        yield path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium with a profile of its own."""
    import browsing  # and Playwright, which other tests can do without

    with browsing.browser() as started:
        yield started


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A fresh page; whatever went wrong on it fails the test."""
    import browsing

    with browsing.watched(browser) as found:
        yield found
        assert found.troubles == []
        assert found.violations() == []
