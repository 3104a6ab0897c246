"""An embedded server: acquire it, show its status, stop it; and its keeper.

The keeper is a small process that stops the server when no process uses it any more.
Every process that uses the server holds a shared lock on `users.lock`, which the kernel
releases when the process dies, for whatever reason. While the keeper cannot get an
exclusive lock, the server is in use. When it could for some time, it keeps the lock
(new users wait), shuts the server down and ends. It restarts a server that died. If the
keeper itself dies, the server runs on, and the next user starts another keeper.

    python -m hpo.postgres.embedded HOME    starts a keeper in the background, if needed

This module imports little, to keep the keeper small.
"""

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
from hpo.postgres import server
from hpo.postgres.layout import DATABASE, PORT, ROLE, ServerLayout, private
from hpo.postgres.locks import POLL_S, holders, locked, try_lock

START_TIMEOUT_S = 150.0
STOP_TIMEOUT_S = 90.0
GRACE_S = 2.0
WATCH_S = 0.25
LONGEST_PAUSE_S = 30.0

SILENCE_S = 3.0
"""Waits longer than this are explained on stderr."""
LONG_S = 30.0
"""A start that takes longer than this may have failed: its logs are named."""

_active: set[Embedded] = set()


@contextlib.contextmanager
def said_if_slow(
    words: Callable[[], str], after_s: float = SILENCE_S
) -> Iterator[None]:
    """Say on stderr what a wait of more than ``after_s`` seconds is for."""

    def say() -> None:
        print(f"waiting: {words()}", file=sys.stderr, flush=True)

    timer = threading.Timer(after_s, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Embedded:
    """This process's use of the server of one home directory.

    The server runs from the first `acquire` of any process to the last `release`; the
    end of a process, even by `kill -9`, counts as its release. A forked child must
    acquire the server itself.
    """

    def __init__(self, home: Path) -> None:
        """Name the home; ``acquire`` starts the server."""
        self.layout = ServerLayout(home)
        self._lock = contextlib.ExitStack()

    def acquire(self) -> str:
        """Start the server unless it runs, keep it running until `release`, and return
        its URL.

        The URL names the password file instead of the password, so it may be shown.

        Raises:
            StorageError: the server cannot run here.
        """
        layout = self.layout
        layout.create()
        starting = "the embedded server is starting (a few seconds the first time)"
        late = (
            f"the embedded server in {layout.home} is not ready yet; look at"
            f" {layout.keeper_log} and {layout.log}"
        )
        try:
            with said_if_slow(lambda: starting), said_if_slow(lambda: late, LONG_S):
                if self not in _active:
                    users = locked(
                        layout.users_lock, shared=True, timeout_s=STOP_TIMEOUT_S
                    )
                    self._lock.enter_context(users)
                    _active.add(self)
                self.start(anew=True)
                return server_url(layout)
        except BaseException:
            self.release()
            raise

    def start(self, *, anew: bool) -> None:
        """Start the server unless it runs, and return when it is ready; it may end at
        any time.

        Args:
            anew: start it even if somebody has stopped it on purpose.

        Raises:
            StorageError: it cannot run here, or somebody has stopped it.
        """
        layout = self.layout
        ours = socket.gethostname()
        with locked(layout.start_lock, timeout_s=START_TIMEOUT_S):
            host = layout.host.read_text() if layout.host.exists() else None
            if host is None and not anew:
                raise StorageError(
                    f"{layout.home}: `hpo storage stop` has stopped the embedded"
                    " server. Start the study again; that starts the server."
                )
            keeper = keeper_of(layout)
            if keeper is not None and host not in (None, ours):
                raise StorageError(
                    f"{layout.home}: the embedded server runs on host {host} and serves"
                    f" that host only; this is {ours}. For several hosts set"
                    " HPO_STORAGE to a PostgreSQL URL."
                )
            layout.host.write_text(ours)
            with (
                _starting_keeper(layout) if keeper is None else contextlib.nullcontext()
            ):
                server.start(layout)

    def revive(self) -> None:
        """Restart the server if its keeper is gone; called before each new connection.

        Raises:
            StorageError: it cannot run, or somebody has stopped it on purpose.
        """
        if keeper_of(self.layout) is None:
            self.start(anew=False)

    def release(self) -> None:
        """Release the server; do nothing if it was not acquired."""
        self._lock.close()
        _active.discard(self)

    def __enter__(self) -> Self:
        """Acquire the server."""
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        """Release the server."""
        self.release()


def _forget_after_fork() -> None:
    """Close the parent's locks in a forked child, which would hold them until its
    end."""
    for embedded in list(_active):
        embedded.release()


os.register_at_fork(after_in_child=_forget_after_fork)


@contextlib.contextmanager
def _starting_keeper(layout: ServerLayout) -> Iterator[None]:
    """Start a keeper in the background, in parallel with the block; it outlives the
    block.

    On leaving, wait for the starter (``keep``, which forks and returns 0).

    Raises:
        StorageError: the keeper did not start.
    """
    path = str(Path(__file__).parents[2])  # the keeper imports this very package
    if "PYTHONPATH" in os.environ:
        path += os.pathsep + os.environ["PYTHONPATH"]
    with private(layout.keeper_log, "ab") as log:
        starter = subprocess.Popen(
            [sys.executable, "-P", "-m", "hpo.postgres.embedded", str(layout.home)],
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
            f"{layout.home}: the keeper of the embedded server did not start (exit"
            f" status {starter.returncode}). Look at {layout.keeper_log}, and try"
            " again."
        )


def server_url(layout: ServerLayout) -> str:
    """Return the URL of the database, which stays valid when the server restarts.

    Raises:
        StorageError: its password file is missing.
    """
    if not layout.password.exists():
        raise StorageError(
            f"{layout.home}: the embedded server has no password file. Look at"
            f" {layout.keeper_log}; `hpo storage stop` and a new start make a new"
            " password."
        )
    host = quote(str(layout.socket_directory))
    passfile = quote(str(layout.password))
    query = f"host={host}&port={PORT}&passfile={passfile}"
    return f"postgresql+psycopg://{ROLE}@/{DATABASE}?{query}"


def read_password(layout: ServerLayout) -> str:
    """Return the password from the libpq password file."""
    return layout.password.read_text().strip().rsplit(":", 1)[-1]


@dataclass(frozen=True)
class EmbeddedStatus:
    """Status of an embedded server, read without starting it."""

    home: Path
    data_directory: Path
    log: Path
    running: bool
    pid: int | None
    keeper_pid: int | None
    version: str | None
    users: tuple[int, ...] | None
    """Pids of the processes that use the server; None if the system does not say."""


def status(home: Path) -> EmbeddedStatus:
    """Return the status of the server of `home`.

    Raises:
        StorageError: it belongs to another user.
    """
    layout = ServerLayout(home)
    if os.geteuid() != 0:  # root may look at everyone's
        layout.check_owner()
    process = server.postmaster(layout)
    version_file = layout.data / "PG_VERSION"
    return EmbeddedStatus(
        home=layout.home,
        data_directory=layout.data,
        log=layout.log,
        running=process is not None and process.ready,
        pid=process.pid if process else None,
        keeper_pid=keeper_of(layout),
        version=version_file.read_text().strip() if version_file.exists() else None,
        users=holders(layout.users_lock),
    )


def stop(home: Path, force: bool = False) -> None:
    """Shut the server of `home` down and wait for its end; do nothing if it does not
    run.

    With `force`, even if processes use it: they lose their connections until somebody
    starts it again.

    Raises:
        StorageError: other processes use it, it belongs to another user, or it does not
            end.
    """
    layout = ServerLayout(home)
    layout.check_owner()
    if keeper_of(layout) is None and server.postmaster(layout) is None:
        return
    with contextlib.ExitStack() as locks:
        try:  # the keeper itself holds it briefly
            locks.enter_context(locked(layout.users_lock, timeout_s=1.0))
        except StorageError as error:
            if not force:
                raise StorageError(
                    f"{layout.home}: processes use the embedded server: "
                    f"pids={holders(layout.users_lock)}. Stop them first, or force it: "
                    "`hpo storage stop --force`."
                ) from error
        with locked(layout.start_lock, timeout_s=STOP_TIMEOUT_S):
            layout.host.unlink(missing_ok=True)
            server.stop(layout)
        while keeper_of(layout) is not None and not layout.host.exists():
            time.sleep(POLL_S)


# --- the keeper ---


def keeper_of(layout: ServerLayout) -> int | None:
    """Return the pid of the keeper (0 in its first moment), None if there is none."""
    if not layout.keeper_lock.exists():
        return None
    free = try_lock(layout.keeper_lock, shared=True)
    if free is not None:
        os.close(free)
        return None
    return int(layout.keeper_lock.read_text() or 0)


def keep() -> int:
    """Fork a keeper into the background, as no process's child; it ignores Ctrl-C and
    stops the server when nobody uses it any more."""
    if os.fork():
        return 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    layout = ServerLayout(Path(sys.argv[1]))
    lock = try_lock(layout.keeper_lock)
    if lock is None:
        return 0  # another one was faster
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    try:
        users = _until_unused(layout)
    finally:
        server.stop(layout)
    os.close(lock)
    if users is not None:
        # after the keeper's lock, which whoever waits for this one then finds free
        os.close(users)
    return 0


def _until_unused(layout: ServerLayout) -> int | None:
    """Watch until the server is unused, and return the users' lock; None if it was
    stopped.

    Restart a server that died. If that fails, as on a full disk, retry with growing
    pauses while a process waits for it.
    """
    unused_since = None
    pause_s = WATCH_S
    while layout.host.exists():
        users = try_lock(layout.users_lock)
        if users is None:
            unused_since = None
        elif unused_since is not None and time.monotonic() - unused_since >= GRACE_S:
            return users
        else:
            os.close(users)
            unused_since = unused_since or time.monotonic()
        try:
            if users is None and server.postmaster(layout) is None:
                _log("the server is gone; restarting it")
                Embedded(layout.home).start(anew=False)
            pause_s = WATCH_S
        except (StorageError, OSError) as error:
            _log(str(error))
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        time.sleep(pause_s)
    return None


def _log(message: str) -> None:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    print(now, os.getpid(), message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(keep())
