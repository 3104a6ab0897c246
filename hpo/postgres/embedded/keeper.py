"""The keeper: a small process that runs the server for as long as anybody uses it.

It belongs to no one. Every process that uses the server holds a shared lock on `users.lock`, which
the kernel releases when that process dies, whatever the cause. While the keeper cannot get that
lock for itself, somebody is there. When it could for some time, it keeps the lock (newcomers wait),
shuts the server down and ends. It restarts a server that died. If the keeper itself dies, the
server runs on, and the next user starts a keeper that adopts it.

    python -m hpo.postgres.embedded.keeper HOME    returns when the server is ready; leaves a keeper

Standard library only, to stay small.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

from hpo.errors import StorageError
from hpo.postgres.embedded.layout import KeeperState, Layout, try_lock, wait_lock, write_keeper
from hpo.postgres.embedded.server import LARGEST_LOG, Server

READY = b"ready"
GRACE_S = 2.0
WATCH_S = 0.25
LONGEST_PAUSE_S = 30.0


def main() -> int:
    """Leave a keeper behind; return 0 once its server is ready, or print what went wrong."""
    layout = Layout(Path(sys.argv[1]))
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            said = pipe.read()
        if said != READY:
            print(said.decode() or f"the keeper died; see {layout.keeper_log}", file=sys.stderr)
        return int(said != READY)
    os.close(ours)
    _detach(layout)
    try:
        _keep(layout, theirs)
    except Exception:
        _say(traceback.format_exc())
        return 1
    return 0


def _detach(layout: Layout) -> None:
    """Leave the session, directory and streams of the process that started us."""
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    if layout.keeper_log.exists() and layout.keeper_log.stat().st_size > LARGEST_LOG:
        layout.keeper_log.unlink()
    log = os.open(layout.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, stream in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, stream)


def _keep(layout: Layout, starter: int) -> None:
    """Start the server, tell the process behind the pipe `starter`, and watch until the end."""
    lock = wait_lock(layout.keeper_lock, timeout_s=2.0)  # is_locked() holds it for an instant
    if lock is None:
        _tell(starter, READY)  # another keeper was faster
        return
    host = socket.gethostname()
    write_keeper(lock, KeeperState(os.getpid(), host, "running"))
    watch = _KeeperLoop(layout, lock)
    try:
        watch.server.start()
    except StorageError as error:
        _say(str(error))
        _tell(starter, str(error).encode())
        watch.server.stop()
        return
    except Exception as error:
        _tell(starter, f"{layout.home}: {type(error).__name__}: {error}".encode())
        raise
    _say(f"keeps server {watch.server.pid}")
    _tell(starter, READY)
    os.close(starter)

    users = watch.until_done()
    write_keeper(lock, KeeperState(os.getpid(), host, "stopping"))
    watch.server.stop()
    write_keeper(lock, KeeperState(os.getpid(), host, "stopped" if watch.told.is_set() else "idle"))
    _say("stopped, as told" if watch.told.is_set() else "stopped, since nobody uses it")
    os.close(lock)
    if users is not None:
        os.close(users)  # after the keeper's lock: whoever waits for this one finds the other free


class _KeeperLoop:
    """The keeper's loop: restarts a server that died, and notices when it is time to end."""

    def __init__(self, layout: Layout, lock: int) -> None:
        self.layout = layout
        self.lock = lock
        self.server = Server(layout)
        self.told = threading.Event()
        self._pause_s = 0.0
        self._next_start = 0.0
        signal.signal(signal.SIGTERM, lambda *_: self.told.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def until_done(self) -> int | None:
        """Return when told to end, or, with the users' lock held, when nobody was there."""
        unused_since = None
        while not self.told.is_set() and self._home_is_there():
            now = time.monotonic()
            users = try_lock(self.layout.users_lock)
            if users is None:
                unused_since = None
            elif unused_since is not None and now - unused_since >= GRACE_S:
                return users
            else:
                os.close(users)
                unused_since = unused_since or now
            self._tend(now)
            self.told.wait(WATCH_S)
        return None

    def _home_is_there(self) -> bool:
        """Return whether the home was neither removed nor replaced under us."""
        try:
            return os.path.samestat(os.stat(self.layout.keeper_lock), os.fstat(self.lock))
        except FileNotFoundError:
            return False

    def _tend(self, now: float) -> None:
        """Restart the server if it died, and keep its log small.

        What fails, as on a full disk, is tried as long as somebody waits, ever more slowly.
        """
        if now < self._next_start:
            return
        try:
            self.server.trim_log()
            if not self.server.alive():
                _say(f"server {self.server.pid} died; starts it again")
                self.server.start()
            self._pause_s = 0.0
        except (StorageError, OSError) as error:
            _say(str(error))
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s or WATCH_S)
            self._next_start = time.monotonic() + self._pause_s


def _tell(starter: int, message: bytes) -> None:
    """Tell the process that started us how it went, if it is still there."""
    try:
        os.write(starter, message)
    except BrokenPipeError:
        _say("the process that started this keeper is gone")


def _say(message: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), os.getpid(), message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
