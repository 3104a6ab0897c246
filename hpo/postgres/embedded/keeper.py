"""The keeper: a small process that stops the server when nobody uses it any more.

It belongs to no one. Every process that uses the server holds a shared lock on `users.lock`, which
the kernel releases when that process dies, whatever the cause. While the keeper cannot get that
lock for itself, somebody is there. When it could for some time, it keeps the lock (newcomers wait),
shuts the server down and ends. It restarts a server that died. If the keeper itself dies, the
server runs on, and the next user starts another keeper.

    python -m hpo.postgres.embedded.keeper HOME    leaves a keeper behind, if there is none

Standard library only, to stay small.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from hpo.errors import StorageError
from hpo.postgres.embedded.client import Embedded
from hpo.postgres.embedded.layout import Layout, try_lock
from hpo.postgres.embedded.server import postmaster, stop

GRACE_S = 2.0
WATCH_S = 0.25
LONGEST_PAUSE_S = 30.0


def main() -> int:
    """Leave a keeper behind, which is nobody's child."""
    if os.fork():
        return 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    layout = Layout(Path(sys.argv[1]))
    lock = try_lock(layout.keeper_lock)
    if lock is None:
        return 0  # another one was faster
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    try:
        users = _until_unused(layout)
    finally:
        stop(layout)
    os.close(lock)
    if users is not None:
        os.close(users)  # after the keeper's lock: whoever waits for this one finds that free
    return 0


def _until_unused(layout: Layout) -> int | None:
    """Watch until nobody is there, and return the users' lock; None if the server was stopped.

    A server that died is started again. What fails, as on a full disk, is tried for as long as
    somebody waits, ever more slowly.
    """
    unused_since, pause_s = None, WATCH_S
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
            if users is None and postmaster(layout) is None:
                _say("the server is not there; sees that it starts")
                Embedded(layout.home).start(anew=False)
            pause_s = WATCH_S
        except (StorageError, OSError) as error:
            _say(str(error))
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        time.sleep(pause_s)
    return None


def _say(message: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), os.getpid(), message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
