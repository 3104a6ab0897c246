"""The files of an embedded server.

<home>/postgres/            the data directory, owned by the server's account
<home>/postgresql-0.6.0/    copy of the programs, if that account cannot read ours
<home>/server/              all that follows, private to the user
<home>/server/users.lock    every process that uses the server holds it, shared
<home>/server/start.lock    held during a start or stop of the server
<home>/server/keeper.lock   held by the keeper, with its pid inside
<home>/server/host          host of the server; removed when somebody stops it
<home>/server/password      libpq password file
<home>/server/keeper.log    log of the keeper
<home>/server/postgres.log  log of PostgreSQL; postgres.log.1: before its last start
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO

from hpo.errors import StorageError

DATABASE = ROLE = "hpo"
PORT = 5432  # part of the socket's name; the server does not listen on the network
_OTHER_HOME = (
    "Set HPO_HOME to a directory of your own, or HPO_STORAGE to a PostgreSQL URL."
)


class ServerLayout:
    """Paths of the embedded server of one home directory."""

    def __init__(self, home: Path) -> None:
        """Take a home; every spelling of a directory means the same server."""
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
        # A socket's path must fit into 103 bytes. It is below /tmp, since
        # XDG_RUNTIME_DIR goes when the user logs out, while workers go on over night;
        # and it depends on the home alone, so that addresses outlive restarts.
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        self.socket_directory = Path(f"/tmp/hpo-{os.geteuid()}-{digest}")

    def create(self) -> None:
        """Create the home and the control directory.

        Raises:
            StorageError: they cannot be created, or belong to another user.
        """
        try:
            if not self.home.is_dir():
                self.home.mkdir(parents=True, exist_ok=True)
                # Root's server runs as another account, which must be able to enter.
                self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.control.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._out_of_reach(error) from error
        self.check_owner()

    def check_owner(self) -> None:
        """Check that an existing control directory is ours.

        Raises:
            StorageError: it belongs to another user.
        """
        try:
            owner = self.control.stat().st_uid
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._out_of_reach(error) from error
        if owner != os.geteuid():
            raise StorageError(
                f"{self.control}: this embedded server belongs to uid={owner}, and you"
                f" are uid={os.geteuid()}. {_OTHER_HOME}"
            )

    def _out_of_reach(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.home}: cannot write to the embedded server's home: {error}."
            f" {_OTHER_HOME}"
        )


def private(path: Path, mode: str) -> IO[bytes]:
    """Open a file that only this user can read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))
