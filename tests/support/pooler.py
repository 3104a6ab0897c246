"""PgBouncer between workers and the database, each transaction on whichever session is
free."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from processes import free_port, listens
from required import program
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
    """Yield the URL of a database through a pooler with a number of sessions."""
    pgbouncer, there = program("pgbouncer", "/usr/sbin/pgbouncer"), sa.make_url(url)
    folder = Path(tempfile.mkdtemp(prefix="pooler-"))
    account: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses root, and must reach the server's socket
        owner = pwd.getpwuid(Path(str(there.query["host"])).stat().st_uid)
        account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    port = free_port()
    password = password_of(url)
    values = {
        "database": there.database,
        "socket": there.query["host"],
        "user": there.username,
    }
    about = _INI.format(
        **values, password=password, port=port, sessions=sessions, folder=folder
    )
    (folder / "pgbouncer.ini").write_text(about)
    command = [pgbouncer, "--quiet", folder / "pgbouncer.ini"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **account) as process:
        try:
            wait_until(lambda: listens(port))
            yield f"postgresql://anybody@127.0.0.1:{port}/{there.database}"
        finally:
            process.terminate()
            process.wait(timeout=30)
            shutil.rmtree(folder)
