"""The PostgreSQL process of an embedded server: its start, its stop, its data.

Starting and stopping need `start.lock`. The keeper imports this module, which therefore
imports little.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from hpo.errors import StorageError
from hpo.postgres.layout import DATABASE, PORT, ROLE, ServerLayout, private
from hpo.postgres.locks import POLL_S
from hpo.postgres.programs import Account, Installation, find_installation

START_TIMEOUT_S = 120  # recovery after a crash takes its time
STOP_TIMEOUT_S = 60.0
ORPHANS_S = 15
# Written into postgresql.conf, where a user may change them.
SETTINGS = {
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # no errors of statements: clients get those
}
PASSWORD_ONLY = "local all all scram-sha-256\n"


@dataclass(frozen=True)
class Postmaster:
    """A running server's entry in `postmaster.pid`."""

    pid: int
    ready: bool


def postmaster(layout: ServerLayout) -> Postmaster | None:
    """Return the server that runs on the data directory, None if there is none."""
    try:
        lines = (layout.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not _is_server(int(lines[0]), layout):
        return None
    return Postmaster(int(lines[0]), lines[7:] == ["ready   "])


def _is_server(pid: int, layout: ServerLayout) -> bool:
    """Return whether process `pid` is this directory's server, not a later process of
    that pid."""
    with suppress(psutil.Error):
        return str(layout.data) in psutil.Process(pid).cmdline()
    return False


def start(layout: ServerLayout) -> None:
    """Start the server unless it runs, and return when it accepts connections.

    Raises:
        StorageError: it cannot run; the message holds the end of its log.
    """
    if _await_ready(layout):
        return
    installed = find_installation(layout)
    _clear_stale(layout)
    _prepare(layout, installed)
    claim_socket_directory(layout.socket_directory, installed.account)
    if layout.log.exists():
        layout.log.replace(layout.log.with_suffix(".log.1"))
    for patience in range(ORPHANS_S, -1, -1):
        if _spawn(layout, installed) and postmaster(layout) is not None:
            return
        end = " | ".join(layout.log.read_text(errors="replace").splitlines()[-5:])
        # The server was killed, and its children have yet to notice.
        if patience == 0 or "shared memory block" not in end:
            break
        time.sleep(1.0)
    stop(layout)
    raise StorageError(
        f"{layout.data}: PostgreSQL did not start within {START_TIMEOUT_S} s: {end} "
        f"Fix what it names; the whole log is {layout.log}."
    )


def _await_ready(layout: ServerLayout) -> bool:
    """Wait for a server that is starting; return whether one is ready."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        process = postmaster(layout)
        if process is None or process.ready:
            return process is not None
        time.sleep(POLL_S)
    return False


def stop(layout: ServerLayout) -> None:
    """Shut the server down and remove its socket directory.

    Open transactions are rolled back, commits are on disk.

    Raises:
        StorageError: it does not end.
    """
    for sign, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10.0)):
        process = postmaster(layout)
        if process is not None:
            os.kill(process.pid, sign)
            deadline = time.monotonic() + patience_s
            while postmaster(layout) is not None and time.monotonic() < deadline:
                time.sleep(POLL_S)
    process = postmaster(layout)
    if process is not None:
        raise StorageError(
            f"{layout.data}: PostgreSQL (pid={process.pid}) did not end within "
            f"{STOP_TIMEOUT_S:.0f} s. Look at {layout.log}."
        )
    # ours alone; /tmp stays tidy
    shutil.rmtree(layout.socket_directory, ignore_errors=True)


def _prepare(layout: ServerLayout, installed: Installation) -> None:
    """Create the data directory and the password, if they are missing."""
    if layout.data.exists():
        if not layout.password.exists():
            _set_password(layout, installed, layout.data)
        return
    partial = layout.home / "postgres.partial"
    shutil.rmtree(partial, ignore_errors=True)  # left by an interrupted start
    partial.mkdir(mode=0o700)
    os.chown(partial, installed.account.uid, installed.account.gid)
    installed.run(
        "initdb",
        "-D",
        partial,
        "-U",
        ROLE,
        "--locale=C",
        "--encoding=UTF8",
        "--auth=reject",
        "--no-instructions",
        *[f"--set={name}={value}" for name, value in SETTINGS.items()],
    )
    (partial / "pg_hba.conf").write_text(PASSWORD_ONLY)
    _set_password(layout, installed, partial, f"CREATE DATABASE {DATABASE}\n")
    partial.rename(layout.data)
    _sync(layout.home)


def _set_password(
    layout: ServerLayout, installed: Installation, data: Path, before: str = ""
) -> None:
    """Give our role a new password, with the server in single-user mode, and write it
    down."""
    password = secrets.token_urlsafe(24)
    installed.run(
        "postgres",
        "--single",
        "-D",
        data,
        "-c",
        "exit_on_error=on",
        "-c",
        "log_min_error_statement=panic",
        "postgres",
        text=f"{before}ALTER ROLE {ROLE} PASSWORD '{password}'",
    )
    partial = layout.password.with_suffix(".partial")
    with private(partial, "wb") as file:
        file.write(f"*:*:*:{ROLE}:{password}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    partial.rename(layout.password)
    _sync(layout.control)


def _spawn(layout: ServerLayout, installed: Installation) -> bool:
    """Start the server in the background; return whether it accepts connections."""
    data = shlex.quote(str(layout.data))  # a shell reads the options
    options = f"-D {data} -p {PORT} -k {layout.socket_directory} -h ''"
    with private(layout.log, "ab") as log:  # the server writes all to stdout
        done = installed.call(
            "pg_ctl",
            "start",
            "--silent",
            "--wait",
            f"--timeout={START_TIMEOUT_S}",
            "-o",
            options,
            env={"PGDATA": str(layout.data)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.DEVNULL,
        )
    return done.returncode == 0


def _clear_stale(layout: ServerLayout) -> None:
    """Remove the lock file of a crash, if its pid now belongs to another program.

    PostgreSQL itself detects a pid that is gone, but not one that is in use again, as
    after a reboot or in a container. Our lock ensures that no other server is starting.
    """
    file = layout.data / "postmaster.pid"
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        pid = file.read_text().partition("\n")[0]
        if pid.isdecimal():
            os.kill(int(pid), 0)
        file.unlink()


def claim_socket_directory(directory: Path, account: Account) -> None:
    """Create a new socket directory for the server alone.

    All users share /tmp: another user may have created this path, and would then
    receive our connections.

    Raises:
        StorageError: it belongs to another user, or is no directory.
    """
    shutil.rmtree(directory, ignore_errors=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        raise StorageError(
            f"{directory}: expected a socket directory of our own, got one that"
            f" uid={directory.lstat().st_uid} made. Have it removed, or set HPO_HOME to"
            " another directory."
        ) from None
    os.chown(directory, account.uid, account.gid)


def _sync(path: Path) -> None:
    """Make sure that a directory's entries are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
