"""Using an embedded server: acquire it, look at it, stop it."""

from __future__ import annotations

import contextlib
import os
import signal
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
from hpo.postgres.embedded.layout import (
    DATABASE,
    POLL_S,
    PORT,
    ROLE,
    Layout,
    holders,
    is_locked,
    locked,
    read_keeper,
    wait_lock,
)
from hpo.postgres.embedded.server import Postmaster, postmaster

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
        self._lock: int | None = None

    def acquire(self) -> str:
        """Start the server unless it runs, keep it running until `release`, and return its URL.

        The URL names the password file instead of a password, so it may be shown and passed on.

        Raises:
            StorageError: the server cannot run here.
        """
        if self._lock is None:
            self.layout.create()
            lock = wait_lock(self.layout.users_lock, shared=True, timeout_s=STOP_TIMEOUT_S)
            if lock is None:
                raise StorageError(
                    f"{self.layout.home}: the server that is stopping must end within "
                    f"{STOP_TIMEOUT_S:.0f} s, but got pids={holders(self.layout.users_lock)}. "
                    f"Look at {self.layout.keeper_log}."
                )
            self._lock = lock
            _acquired.add(self)
        try:
            with said_if_slow(self._why_slow):
                return server_url(self.layout, self._running())
        except BaseException:
            self.release()
            raise

    def revive(self) -> None:
        """Start the server again if it and its keeper are gone, as before each new connection.

        Raises:
            StorageError: it cannot run, or somebody stopped it on purpose.
        """
        keeper = read_keeper(self.layout)
        if not is_locked(self.layout.keeper_lock):
            if keeper is not None and keeper.phase == "stopped":
                raise StorageError(
                    f"{self.layout.home}: the embedded server must run, but got it stopped by "
                    "`hpo storage stop`. Start the study again; that starts the server."
                )
            self._running()

    def release(self) -> None:
        """Give the share back. Nothing happens if there is none."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
            _acquired.discard(self)

    def __enter__(self) -> Self:
        """Acquire the server."""
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        """Release the server."""
        self.release()

    def _why_slow(self) -> str:
        """What is known of a server that is not ready."""
        keeper = read_keeper(self.layout) if is_locked(self.layout.keeper_lock) else None
        text = f"the embedded server in {self.layout.home} is not ready yet"
        text += f"; its keeper is process {keeper.pid}" if keeper else ""
        for log in (self.layout.log, self.layout.keeper_log):
            with contextlib.suppress(OSError):
                with log.open("rb") as stream:
                    stream.seek(max(0, log.stat().st_size - 2000))
                    lines = stream.read().decode(errors="replace").splitlines()
                text += "".join(f"\n  {log}: {line[:300]}" for line in lines[-1:])
        return text

    def _running(self) -> Postmaster:
        """The server, ready: one that runs, or is started. It may be gone again at any time."""
        with locked(self.layout.start_lock, timeout_s=START_TIMEOUT_S):
            deadline = time.monotonic() + START_TIMEOUT_S
            while True:
                if not is_locked(self.layout.keeper_lock):
                    start_keeper(self.layout)
                if (running := self._ready()) is not None:
                    return running
                if time.monotonic() >= deadline:
                    raise StorageError(
                        f"{self.layout.home}: the embedded server must become ready within "
                        f"{START_TIMEOUT_S:.0f} s, but got no sign of it. Look at "
                        f"{self.layout.keeper_log} and {self.layout.log}."
                    )
                time.sleep(POLL_S)

    def _ready(self) -> Postmaster | None:
        keeper = read_keeper(self.layout)
        if keeper is None or keeper.phase != "running":  # it is stopping: a new one comes next
            return None
        if keeper.host != socket.gethostname():
            raise StorageError(
                f"{self.layout.home}: an embedded server must be used on the host that runs it, "
                f"but got host={socket.gethostname()} and its host={keeper.host}. For several "
                "hosts set HPO_STORAGE to a PostgreSQL URL."
            )
        running = postmaster(self.layout)
        return running if running is not None and running.ready else None


def _forget_after_fork() -> None:
    """Close, in a forked child, the parent's locks: they would last as long as the child."""
    for embedded in list(_acquired):
        embedded.release()


os.register_at_fork(after_in_child=_forget_after_fork)


def server_url(layout: Layout, running: Postmaster) -> str:
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


def start_keeper(layout: Layout) -> None:
    """Start a keeper and wait until its server is ready.

    Raises:
        StorageError: it could not start the server.
    """
    code = str(Path(__file__).parents[3])  # so that the keeper imports this very package
    path = os.pathsep.join(p for p in (code, os.environ.get("PYTHONPATH")) if p)
    command = [sys.executable, "-P", "-m", "hpo.postgres.embedded.keeper", str(layout.home)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd="/",
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        said = f"no sign of it within {START_TIMEOUT_S:.0f} s"
    else:
        if done.returncode == 0:
            return
        if said := done.stderr.decode(errors="replace").strip():
            raise StorageError(said)
        said = f"exit status {done.returncode} without a word"
    raise StorageError(
        f"{layout.home}: a keeper must start the embedded server, but got {said}. Try again; "
        f"if it stays so, look at {layout.keeper_log} and {layout.log}."
    )


@dataclass(frozen=True)
class EmbeddedStatus:
    """What is known of an embedded server without starting it."""

    home: Path
    data_directory: Path
    log: Path
    running: bool
    pid: int | None
    keeper_pid: int | None
    socket: Path | None
    version: str | None
    size_bytes: int
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
    running = postmaster(layout)
    keeper = read_keeper(layout) if is_locked(layout.keeper_lock) else None
    version_file = layout.data / "PG_VERSION"
    directory = running.socket_directory if running else None
    return EmbeddedStatus(
        home=layout.home,
        data_directory=layout.data,
        log=layout.log,
        running=running is not None and running.ready,
        pid=running.pid if running else None,
        keeper_pid=keeper.pid if keeper else None,
        socket=directory / f".s.PGSQL.{PORT}" if directory else None,
        version=version_file.read_text().strip() if version_file.exists() else None,
        size_bytes=_size_bytes(layout.data),
        users=holders(layout.users_lock),
    )


def _size_bytes(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the server removes files while we count
            total += path.lstat().st_size
    return total


def stop(home: Path, force: bool = False) -> None:
    """Shut the server of `home` down and wait for its end; nothing happens if it does not run.

    With `force` although processes use it: they lose their connections until somebody starts it
    again.

    Raises:
        StorageError: other processes use it, it belongs to somebody else, or it does not end.
    """
    layout = Layout(home)
    layout.check_owner()
    if not is_locked(layout.keeper_lock):
        if postmaster(layout) is None:
            return
        start_keeper(layout)  # its keeper was killed: a new one adopts the server, and stops it
    users = wait_lock(layout.users_lock, timeout_s=1.0)  # the keeper itself holds it for instants
    keeper = read_keeper(layout)
    try:
        if users is None and not force and keeper is not None and keeper.phase == "running":
            raise StorageError(
                f"{layout.home}: the embedded server must be unused to be stopped, but got "
                f"users={holders(layout.users_lock)}. Stop those processes first, or force it: "
                "`hpo storage stop --force`."
            )
        if keeper is not None and is_locked(layout.keeper_lock):
            os.kill(keeper.pid, signal.SIGTERM)
        _wait_end(layout)
    finally:
        if users is not None:
            os.close(users)


def _wait_end(layout: Layout) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while is_locked(layout.keeper_lock):
        if time.monotonic() >= deadline:
            raise StorageError(
                f"{layout.home}: the embedded server must end within {STOP_TIMEOUT_S:.0f} s, but "
                f"got it running. Look at {layout.keeper_log} and {layout.log}."
            )
        time.sleep(POLL_S)
