"""Files and locks of an embedded server, as its users and its keeper both see them.

    <home>/postgres/            the data directory (owned by the account that runs the server)
    <home>/postgresql-18.4/     copy of the programs, if that account cannot read the wheel's
    <home>/server/              all that follows, private to the user
    <home>/server/users.lock    every user process holds it shared; its death releases it
    <home>/server/keeper.lock   the keeper holds it exclusively, and writes into it who it is
    <home>/server/start.lock    held by whoever is starting a keeper
    <home>/server/password      libpq password file
    <home>/server/keeper.log    what the keeper says
    <home>/server/postgres.log  what PostgreSQL says

Standard library only: the keeper imports this.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from hpo.errors import StorageError

DATABASE = ROLE = "hpo"
PORT = 5432  # part of the socket's name; the server does not listen on the network
LONGEST_SOCKET_PATH = 103  # bytes; the kernel takes 107 on Linux and 103 on macOS
POLL_S = 0.05
OTHER_HOME = "Set HPO_HOME to a directory of your own, or HPO_STORAGE to a PostgreSQL URL."


class Layout:
    """Names of everything that belongs to the embedded server of one home directory."""

    def __init__(self, home: Path) -> None:
        """The layout of `home`; every way to spell that directory means the same server."""
        self.home = home.resolve()
        self.data = self.home / "postgres"
        self.control = self.home / "server"
        self.users_lock = self.control / "users.lock"
        self.keeper_lock = self.control / "keeper.lock"
        self.start_lock = self.control / "start.lock"
        self.password = self.control / "password"
        self.log = self.control / "postgres.log"
        self.keeper_log = self.control / "keeper.log"

    @property
    def socket_directory(self) -> Path:
        """A short directory for the socket, since a socket's path must fit into about 100 bytes.

        It is below /tmp rather than XDG_RUNTIME_DIR: that one is removed when the user logs out,
        while workers go on over night. It depends on the home alone, so that addresses outlive
        restarts.
        """
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        name = f"hpo-{os.geteuid()}-{digest}"
        for base in (Path("/tmp"), Path(tempfile.gettempdir())):
            directory = base / name
            fits = len(os.fsencode(directory / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH
            if fits and os.access(base, os.W_OK | os.X_OK):
                return directory
        raise StorageError(
            "embedded server: a temporary directory with a short path must be writable, but got "
            f"/tmp and {tempfile.gettempdir()}. Make /tmp writable, or set HPO_STORAGE."
        )

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
            raise StorageError(
                f"{self.home}: the embedded server's home must be writable, but got {error}. "
                f"{OTHER_HOME}"
            ) from error
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
            raise StorageError(
                f"{self.home}: the embedded server's home must be readable, but got {error}. "
                f"{OTHER_HOME}"
            ) from error
        if owner != os.geteuid():
            raise StorageError(
                f"{self.control}: an embedded server must belong to the user who uses it, but got "
                f"owner uid={owner} and user uid={os.geteuid()}. {OTHER_HOME}"
            )


@dataclass(frozen=True)
class KeeperState:
    """What a keeper writes into its lock file: who and where it is, and what it is doing.

    `phase` is "running", "stopping", "idle" (it stopped since nobody was left) or "stopped" (it was
    told to).
    """

    pid: int
    host: str
    phase: str


def write_keeper(descriptor: int, keeper: KeeperState) -> None:
    """Write `keeper` into the lock file open as `descriptor`."""
    text = json.dumps(asdict(keeper)).encode()
    os.pwrite(descriptor, text.ljust(256), 0)  # one write of fixed size: readers never see half


def read_keeper(layout: Layout) -> KeeperState | None:
    """Return what the present or last keeper wrote, None if there was none."""
    try:
        text = layout.keeper_lock.read_text()
    except FileNotFoundError:
        return None
    return KeeperState(**json.loads(text)) if text else None


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock the file at `path` without waiting; return the descriptor that holds the lock, or None.

    The lock ends when the descriptor is closed or the process dies. Programs that are started do
    not inherit it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def wait_lock(path: Path, *, shared: bool = False, timeout_s: float) -> int | None:
    """Lock like `try_lock`, waiting up to `timeout_s`; return None if that was too short."""
    deadline = time.monotonic() + timeout_s
    while (descriptor := try_lock(path, shared=shared)) is None:
        if time.monotonic() >= deadline:
            return None
        time.sleep(POLL_S)
    return descriptor


@contextmanager
def locked(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold an exclusive lock for a `with` block.

    Raises:
        StorageError: another process held it for `timeout_s`.
    """
    descriptor = wait_lock(path, timeout_s=timeout_s)
    if descriptor is None:
        raise StorageError(
            f"{path}: the lock must become free within {timeout_s:.0f} s, but got pids="
            f"{holders(path)}. Look at the logs beside it; end those processes if they hang."
        )
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
