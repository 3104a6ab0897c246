"""Files and locks of an embedded server, as its users and its keeper both see them.

    <home>/postgres/            the data directory (owned by the account that runs the server)
    <home>/postgresql-0.6.0/    copy of the programs, if that account cannot read the wheel's
    <home>/server/              all that follows, private to the user
    <home>/server/users.lock    every user process holds it shared; its death releases it
    <home>/server/start.lock    held by whoever starts or stops the server
    <home>/server/keeper.lock   the keeper holds it, and writes its pid into it
    <home>/server/host          on which host the server shall run; gone where somebody stopped it
    <home>/server/password      libpq password file
    <home>/server/keeper.log    what the keeper says
    <home>/server/postgres.log  what PostgreSQL says; postgres.log.1: before its last start

Standard library only: the keeper imports this.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hpo.errors import StorageError

DATABASE = ROLE = "hpo"
PORT = 5432  # part of the socket's name; the server does not listen on the network
POLL_S = 0.05
_OTHER_HOME = "Set HPO_HOME to a directory of your own, or HPO_STORAGE to a PostgreSQL URL."


class Layout:
    """Names of everything that belongs to the embedded server of one home directory."""

    def __init__(self, home: Path) -> None:
        """The layout of `home`; every way to spell that directory means the same server."""
        self.home = home.resolve()
        self.data = self.home / "postgres"
        self.control = self.home / "server"
        self.users_lock = self.control / "users.lock"
        self.start_lock = self.control / "start.lock"
        self.keeper_lock = self.control / "keeper.lock"
        self.host = self.control / "host"
        self.password = self.control / "password"
        self.log = self.control / "postgres.log"
        self.keeper_log = self.control / "keeper.log"
        # A socket's path must fit into 103 bytes. It is below /tmp, since XDG_RUNTIME_DIR goes when
        # the user logs out, while workers go on over night; and it depends on the home alone, so
        # that addresses outlive restarts.
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        self.socket_directory = Path(f"/tmp/hpo-{os.geteuid()}-{digest}")

    def create(self) -> None:
        """Create the home and the control directory.

        Raises:
            StorageError: they cannot be created, or belong to somebody else.
        """
        try:
            if not self.home.is_dir():
                self.home.mkdir(parents=True, exist_ok=True)
                # Root's server runs as another account, which must be able to pass through.
                self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.control.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._out_of_reach(error) from error
        self.check_owner()

    def check_owner(self) -> None:
        """Make sure that what is there is ours.

        Raises:
            StorageError: it belongs to somebody else.
        """
        try:
            owner = self.control.stat().st_uid
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._out_of_reach(error) from error
        if owner != os.geteuid():
            raise StorageError(
                f"{self.control}: an embedded server must belong to the user who uses it, but got "
                f"owner uid={owner} and user uid={os.geteuid()}. {_OTHER_HOME}"
            )

    def keeper(self) -> int | None:
        """Return the pid of the keeper (0 in its first moment), None if there is none."""
        return int(self.keeper_lock.read_text() or 0) if is_locked(self.keeper_lock) else None

    def _out_of_reach(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.home}: the embedded server's home must be writable, but got {error}. "
            f"{_OTHER_HOME}"
        )


def private(path: Path, mode: str) -> IO[bytes]:
    """Open a file that only we can read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock the file at `path` without waiting; return the descriptor that holds the lock, or None.

    The lock ends when the descriptor is closed or the process dies. Programs that are started do
    not inherit it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked(path: Path, *, shared: bool = False, timeout_s: float) -> Iterator[None]:
    """Hold a lock for a `with` block, after waiting for it up to `timeout_s`.

    Raises:
        StorageError: other processes hold it for that long.
    """
    deadline = time.monotonic() + timeout_s
    while (descriptor := try_lock(path, shared=shared)) is None:
        if time.monotonic() >= deadline:
            raise StorageError(
                f"{path}: the lock must become free within {timeout_s:.0f} s, but got pids="
                f"{holders(path)}. Look at the logs beside it; end those processes if they hang."
            )
        time.sleep(POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether a process holds the exclusive lock at `path`."""
    if not path.exists():
        return False
    descriptor = try_lock(path, shared=True)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def holders(path: Path) -> tuple[int, ...] | None:
    """Return the pids that hold a lock on `path`, or None where the system does not tell."""
    if not path.exists():
        return ()
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    inode = str(path.stat().st_ino)
    pids = set()
    for fields in map(str.split, lines):  # "1: FLOCK ADVISORY READ 4711 00:2f:31337 0 EOF"
        if fields[1] == "FLOCK" and fields[5].rsplit(":", 1)[-1] == inode:
            pids.add(int(fields[4]))
    return tuple(sorted(pids))
