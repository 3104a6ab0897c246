"""Using an embedded server: acquire it, look at it, stop it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from hpo.errors import StorageError
from hpo.postgres.embedded import server
from hpo.postgres.embedded.layout import (
    DATABASE,
    POLL_S,
    PORT,
    ROLE,
    Layout,
    holders,
    locked,
    private,
)

START_TIMEOUT_S = 150.0
STOP_TIMEOUT_S = 90.0

SILENCE_S = 3.0
"""Who waits for longer is told for what."""

_acquired: set[Embedded] = set()


@contextlib.contextmanager
def said_if_slow(words: Callable[[], str]) -> Iterator[None]:
    """Say on the standard error for what is waited, if it takes long."""

    def say() -> None:
        print(f"waiting: {words()}", file=sys.stderr, flush=True)

    timer = threading.Timer(SILENCE_S, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Embedded:
    """This process's share in the server of one home directory.

    The server runs from the first `acquire` of any process to the last `release`; the death of a
    process, even by `kill -9`, releases for it. A forked child has no share of its own until it
    acquires one.
    """

    def __init__(self, home: Path) -> None:
        """Name the home; nothing is started."""
        self.layout = Layout(home)
        self._share = contextlib.ExitStack()

    def acquire(self) -> str:
        """Start the server unless it runs, keep it running until `release`, and return its URL.

        The URL names the password file instead of a password, so it may be shown and passed on.

        Raises:
            StorageError: the server cannot run here.
        """
        layout = self.layout
        layout.create()
        waiting = f"the embedded server in {layout.home} is not ready yet"
        logs = f"look at {layout.keeper_log} and {layout.log}"
        try:
            with said_if_slow(lambda: f"{waiting}; {logs}"):
                if self not in _acquired:
                    users = locked(layout.users_lock, shared=True, timeout_s=STOP_TIMEOUT_S)
                    self._share.enter_context(users)
                    _acquired.add(self)
                return server_url(layout, self.start(anew=True))
        except BaseException:
            self.release()
            raise

    def start(self, *, anew: bool) -> server.Postmaster:
        """Return the server, ready, after starting it unless it runs. It may be gone at any time.

        Args:
            anew: also if somebody stopped it on purpose.

        Raises:
            StorageError: it cannot run here, or was stopped.
        """
        layout, ours = self.layout, socket.gethostname()
        with locked(layout.start_lock, timeout_s=START_TIMEOUT_S):
            host = layout.host.read_text() if layout.host.exists() else None
            if host is None and not anew:
                raise StorageError(
                    f"{layout.home}: the embedded server must run, but got it stopped by "
                    "`hpo storage stop`. Start the study again; that starts the server."
                )
            keeper = layout.keeper()
            if keeper is not None and host not in (None, ours):
                raise StorageError(
                    f"{layout.home}: an embedded server must be used on the host that runs it, but "
                    f"got host={ours} and its host={host}. For several hosts set HPO_STORAGE to a "
                    "PostgreSQL URL."
                )
            layout.host.write_text(ours)
            with _keeper(layout) if keeper is None else contextlib.nullcontext():
                return server.start(layout)

    def revive(self) -> None:
        """Start the server again if its keeper is gone, as before each new connection.

        Raises:
            StorageError: it cannot run, or somebody stopped it on purpose.
        """
        if self.layout.keeper() is None:
            self.start(anew=False)

    def release(self) -> None:
        """Give the share back. Nothing happens if there is none."""
        self._share.close()
        _acquired.discard(self)

    def __enter__(self) -> Self:
        """Acquire the server."""
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        """Release the server."""
        self.release()


def _forget_after_fork() -> None:
    """Close, in a forked child, the parent's locks: they would last as long as the child."""
    for embedded in list(_acquired):
        embedded.release()


os.register_at_fork(after_in_child=_forget_after_fork)


@contextlib.contextmanager
def _keeper(layout: Layout) -> Iterator[None]:
    """Start a keeper meanwhile."""
    code = str(Path(__file__).parents[3])  # so that the keeper imports this very package
    path = os.pathsep.join(p for p in (code, os.environ.get("PYTHONPATH")) if p)
    with private(layout.keeper_log, "ab") as log:
        starter = subprocess.Popen(
            [sys.executable, "-P", "-m", "hpo.postgres.embedded.keeper", str(layout.home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )
    with starter:
        yield
    if starter.returncode != 0:
        raise StorageError(
            f"{layout.home}: a keeper must start, which stops the embedded server in the end, but "
            f"got exit={starter.returncode}. Look at {layout.keeper_log}, and try again."
        )


def server_url(layout: Layout, running: server.Postmaster) -> str:
    """Return the URL of the database on the running server, and on the next one of this home.

    Raises:
        StorageError: its password file is missing.
    """
    if not layout.password.exists():
        raise StorageError(
            f"{layout.home}: a running server with its password file must be there, but got no "
            f"password file. Look at {layout.keeper_log}; `hpo storage stop` and a new start make "
            "a new password."
        )
    host, passfile = (quote(str(p), safe="/") for p in (running.socket_directory, layout.password))
    return f"postgresql+psycopg://{ROLE}@/{DATABASE}?host={host}&port={PORT}&passfile={passfile}"


def read_password(layout: Layout) -> str:
    """Return the password from the libpq password file."""
    return layout.password.read_text().strip().rsplit(":", 1)[-1]


@dataclass(frozen=True)
class EmbeddedStatus:
    """What is known of an embedded server without starting it."""

    home: Path
    data_directory: Path
    log: Path
    running: bool
    pid: int | None
    keeper_pid: int | None
    version: str | None
    users: tuple[int, ...] | None
    """Pids of the processes that use the server; None where the system does not tell."""


def status(home: Path) -> EmbeddedStatus:
    """Return what the server of `home` is doing.

    Raises:
        StorageError: it belongs to somebody else.
    """
    layout = Layout(home)
    if os.geteuid() != 0:  # root may look at everyone's
        layout.check_owner()
    found = server.postmaster(layout)
    version_file = layout.data / "PG_VERSION"
    return EmbeddedStatus(
        home=layout.home,
        data_directory=layout.data,
        log=layout.log,
        running=found is not None and found.ready,
        pid=found.pid if found else None,
        keeper_pid=layout.keeper(),
        version=version_file.read_text().strip() if version_file.exists() else None,
        users=holders(layout.users_lock),
    )


def stop(home: Path, force: bool = False) -> None:
    """Shut the server of `home` down and wait for its end; nothing happens if it does not run.

    With `force` although processes use it: they lose their connections until somebody starts it
    again.

    Raises:
        StorageError: other processes use it, it belongs to somebody else, or it does not end.
    """
    layout = Layout(home)
    layout.check_owner()
    if layout.keeper() is None and server.postmaster(layout) is None:
        return
    with contextlib.ExitStack() as locks:
        try:  # the keeper itself holds it for instants
            locks.enter_context(locked(layout.users_lock, timeout_s=1.0))
        except StorageError as error:
            if not force:
                raise StorageError(
                    f"{layout.home}: the embedded server must be unused to be stopped, but got "
                    f"users={holders(layout.users_lock)}. Stop those processes first, or force it: "
                    "`hpo storage stop --force`."
                ) from error
        with locked(layout.start_lock, timeout_s=STOP_TIMEOUT_S):
            layout.host.unlink(missing_ok=True)
            server.stop(layout)
        while layout.keeper() is not None and not layout.host.exists():
            time.sleep(POLL_S)
