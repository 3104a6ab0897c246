"""A standby of the embedded server, and its promotion, as an operator does both."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import psycopg

from chaos import states
from hpo.postgres import server
from hpo.postgres.embedded import read_password
from hpo.postgres.layout import PORT, ROLE, ServerLayout
from hpo.postgres.programs import Installation, find_installation

_LETS_IN = "local replication all scram-sha-256\n"
_START_S = 60


class Standby:
    """A copy of a server that follows it, in a directory and a socket of its own."""

    def __init__(self, layout: ServerLayout) -> None:
        """Nothing is there yet."""
        self._layout = layout
        self._data = layout.home / "standby"
        self._log = layout.home / "standby.log"
        self._sockets = Path(f"{layout.socket_directory}-standby")

    def make(self, url: str) -> None:
        """Make a standby of the running server, in place of an earlier one."""
        self.end()
        self._let_in(url)
        installed = find_installation(self._layout)
        states.back_up(url, self._layout, self._data)
        primary = (
            f"host={self._layout.socket_directory} port={PORT} user={ROLE}"
            f" password={read_password(self._layout)}"
        )
        self._follow(primary)
        (self._data / "standby.signal").touch()
        owner = self._data.stat()
        os.chown(self._data / "standby.signal", owner.st_uid, owner.st_gid)
        server.claim_socket_directory(self._sockets, installed.account)
        options = f"-p {PORT} -k {self._sockets} -h ''"
        with self._log.open("ab") as log:
            self._control(installed, "start", f"--options={options}", stdout=log)

    def follows(self) -> bool:
        """Return whether a standby runs."""
        return (self._data / "postmaster.pid").exists()

    def fall_behind(self) -> None:
        """Cut the standby off: what is committed from now on is lost to it."""
        self._follow("")
        pid = int((self._data / "postmaster.pid").read_text().partition("\n")[0])
        os.kill(pid, signal.SIGHUP)

    def promote(self) -> None:
        """Promote the standby; it takes the place of the server, which is killed."""
        installed = find_installation(self._layout)
        self._control(installed, "promote")
        self._control(installed, "stop")
        states.start_in_place(self._layout, self._data)

    def end(self) -> None:
        """Stop the standby, if there is one, and remove it."""
        if self.follows():
            installed = find_installation(self._layout)
            self._control(installed, "stop", "--mode=immediate", check=False)
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _let_in(self, url: str) -> None:
        """Let standbys connect to the server."""
        rules = self._layout.data / "pg_hba.conf"
        if _LETS_IN in rules.read_text():
            return
        with rules.open("a") as file:
            file.write(_LETS_IN)
        with psycopg.connect(states.plain(url), autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.5)

    def _follow(self, primary: str) -> None:
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{primary}'\n")

    def _control(
        self,
        installed: Installation,
        action: str,
        *options: str,
        check: bool = True,
        stdout: object = None,
    ) -> None:
        line = ("--silent", "--wait", f"--timeout={_START_S}", "-D", self._data)
        done = installed.call(
            "pg_ctl", action, *line, *options, stdout=stdout, stderr=stdout
        )
        if check and done.returncode != 0:
            end = self._log.read_text(errors="replace").splitlines()[-5:]
            raise RuntimeError(f"standby: pg_ctl {action} failed: {' | '.join(end)}")
