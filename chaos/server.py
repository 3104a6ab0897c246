"""The database of a chaos run: an embedded server of its own, or a given one."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import sqlalchemy as sa

from chaos import states
from chaos.standby import Standby
from hpo.errors import StorageError
from hpo.postgres.embedded import Embedded, status, stop
from hpo.postgres.layout import ServerLayout
from hpo.postgres.urls import parse_url

RESTART_S = 60.0


class Given:
    """A server of somebody's: only the databases that were created here are touched."""

    ours = False

    def __init__(self, url: str) -> None:
        """Take the URL of any database on it, with a user who may create others."""
        self._url = parse_url(url, "--storage")
        self._engine = sa.create_engine(
            self._url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        self._created: list[str] = []

    def create(self, name: str) -> str:
        """Create a database and return its URL.

        Raises:
            StorageError: the server does not answer, or its user may not create any.
        """
        try:
            with self._connect() as connection:
                connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        except sa.exc.DBAPIError as error:
            raise StorageError(
                "--storage: expected a user who may create databases, got:"
                f" {error.orig}. Give the URL of one who is, or none for an embedded"
                " server."
            ) from error
        self._created.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def alter(self, url: str, settings: Mapping[str, str]) -> None:
        """Give every session of a database these settings."""
        name = sa.make_url(url).database
        with self._connect() as connection:
            for setting, value in settings.items():
                connection.exec_driver_sql(
                    f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'"
                )

    def drop(self) -> None:
        """Drop the databases that were created here."""
        with self._connect() as connection:
            for name in self._created:
                connection.exec_driver_sql(
                    f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
                )
        self._created.clear()

    def cut(self, url: str) -> int:
        """End every session of a database, as an administrator or a firewall does; how
        many."""
        with self._connect() as connection:
            name = sa.make_url(url).database
            end = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname"
                " = %s"
            )
            return len(connection.exec_driver_sql(end, (name,)).all())

    def close(self) -> None:
        """Leave the server."""

    def _connect(self) -> sa.Connection:
        return self._engine.connect()


class Own(Given):
    """An embedded server that may be stopped and killed."""

    ours = True

    def __init__(self, home: Path) -> None:
        """Start it in ``home``, and make it the embedded server of this process's
        children."""
        os.environ["HPO_HOME"] = str(home)
        self.home = home
        self._share = Embedded(home)
        self._copy = home / "copy"
        self._standby = Standby(self._share.layout)
        super().__init__(self._share.acquire())

    def end(self, how: signal.Signals) -> float:
        """Signal the server and wait until its keeper has started it again; seconds
        that it took.

        SIGQUIT is PostgreSQL's immediate stop, without a checkpoint; SIGINT its fast
        one.
        """
        before = status(self.home).pid
        began = time.monotonic()
        if before is not None:
            os.kill(before, how)
        while True:
            now = status(self.home)
            if now.running and now.pid != before:
                return time.monotonic() - began
            if time.monotonic() - began > RESTART_S:
                raise TimeoutError(
                    f"the server is not back {RESTART_S:.0f} s after {how.name}"
                )
            time.sleep(0.05)

    def kill_keeper(self) -> None:
        """Kill the process that looks after the server; the next user starts another
        one."""
        keeper = status(self.home).keeper_pid
        if keeper is not None:
            os.kill(keeper, signal.SIGKILL)

    def kill(self) -> None:
        """Kill every process of the server at once, and its keeper."""
        pid = status(self.home).pid
        self.kill_keeper()
        if pid is None:
            return
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(pid)
            for process in (server, *server.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def away(self, seconds: float) -> None:
        """Stop the server for good, and start it again after some time."""
        stop(self.home, force=True)
        time.sleep(seconds)
        self.ensure()

    def back_up(self) -> None:
        """Make a base backup, in place of an earlier one."""
        shutil.rmtree(self._copy, ignore_errors=True)
        self.ensure()
        url = self._url.render_as_string(hide_password=False)
        states.back_up(url, ServerLayout(self.home), self._copy)

    def return_to_backup(self) -> bool:
        """Start the last base backup in place of the server; False if there is none."""
        if not (self._copy / "backup_label").exists():
            return False
        self.ensure()
        self._standby.end()  # it has seen what is lost now
        states.start_in_place(ServerLayout(self.home), self._copy)
        self.ensure()
        return True

    def make_standby(self) -> None:
        """Make a standby that follows the server, in place of an earlier one."""
        self.ensure()
        self._standby.make(self._url.render_as_string(hide_password=False))

    def promote_standby(self, behind_s: float) -> bool:
        """Promote the standby after some seconds without news; False if there is
        none."""
        if not self._standby.follows():
            return False
        self._standby.fall_behind()
        time.sleep(behind_s)
        self.ensure()
        self._standby.promote()
        self.ensure()
        return True

    def ensure(self) -> None:
        """See to it that it runs."""
        self._share.acquire()

    def close(self) -> None:
        """Stop it."""
        self._standby.end()
        self._share.release()
        stop(self.home, force=True)
