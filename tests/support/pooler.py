"""PgBouncer between workers and the database, each transaction on whichever session is free."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from required import pgbouncer
from servers import password_of
from workers import wait_until

_INI = """\
[databases]
{database} = host={socket} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
logfile = {folder}/pgbouncer.log
"""


@contextmanager
def pooled(url: str, sessions: int) -> Iterator[str]:
    """The URL of a database through a pooler that has so many sessions with it."""
    program, there = pgbouncer(), sa.make_url(url)
    folder = Path(tempfile.mkdtemp(prefix="pooler-"))
    account: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses root, and must reach the server's socket
        owner = pwd.getpwuid(Path(str(there.query["host"])).stat().st_uid)
        account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    password = password_of(url)
    values = {"database": there.database, "socket": there.query["host"], "user": there.username}
    about = _INI.format(**values, password=password, port=port, sessions=sessions, folder=folder)
    (folder / "pgbouncer.ini").write_text(about)
    command = [program, "--quiet", folder / "pgbouncer.ini"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **account) as process:
        try:
            wait_until(lambda: _listens(port))
            yield f"postgresql://anybody@127.0.0.1:{port}/{there.database}"
        finally:
            process.terminate()
            process.wait(timeout=30)
            shutil.rmtree(folder)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
