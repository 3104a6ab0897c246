"""Locks on files, which the kernel releases when their process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from hpo.errors import StorageError

POLL_S = 0.05


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock the file at `path` without waiting; return the descriptor that holds the
    lock, or None.

    The lock ends when the descriptor is closed or the process dies. Child programs do
    not inherit it.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, timeout_s: float) -> Iterator[None]:
    """Hold a lock for a `with` block; wait for it up to `timeout_s`.

    Raises:
        StorageError: other processes hold it for longer.
    """
    deadline = time.monotonic() + timeout_s
    while (descriptor := try_lock(path, shared=shared)) is None:
        if time.monotonic() >= deadline:
            raise StorageError(
                f"{path}: locked for {timeout_s:.0f} s by pids={holders(path)}. Look at"
                " the logs beside it; end those processes if they hang."
            )
        time.sleep(POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)


def holders(path: Path) -> tuple[int, ...] | None:
    """Return the pids that hold a lock on `path`, or None if the system does not
    say."""
    if not path.exists():
        return ()
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    pids = set()
    for line in lines:
        fields = line.split()  # "1: FLOCK ADVISORY READ 4711 00:2f:31337 0 EOF"
        inode = fields[5].rsplit(":", 1)[-1]
        if fields[1] == "FLOCK" and inode == str(path.stat().st_ino):
            pids.add(int(fields[4]))
    return tuple(sorted(pids))
