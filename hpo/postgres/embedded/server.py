"""The PostgreSQL process of an embedded server: create its data, start it, adopt it, stop it.

Whoever starts or stops it holds `start.lock`, so nothing here happens twice at once. The others use
`postmaster` to look.
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
from typing import Any

from hpo.errors import StorageError
from hpo.postgres.embedded import installation
from hpo.postgres.embedded.installation import Account, Installation
from hpo.postgres.embedded.layout import DATABASE, POLL_S, PORT, ROLE, Layout, private

START_TIMEOUT_S = 120  # recovery after a crash takes its time
STOP_TIMEOUT_S = 60.0
ORPHANS_S = 15
# Written into postgresql.conf, where a user may change them.
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # no errors of statements: they are told to whoever sent those
    "log_line_prefix": "%m [%p] ",
}
PASSWORD_ONLY = "local all all scram-sha-256\n"


@dataclass(frozen=True)
class Postmaster:
    """What a running server says about itself in `postmaster.pid`."""

    pid: int
    socket_directory: Path | None  # None in the first moments of its start
    ready: bool


def postmaster(layout: Layout) -> Postmaster | None:
    """Return the server that runs on the data directory, None if there is none."""
    try:
        lines = (layout.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not _is_server(int(lines[0]), layout):
        return None
    socket_directory = Path(lines[4]) if len(lines) > 4 else None
    return Postmaster(int(lines[0]), socket_directory, lines[7:] == ["ready   "])


def _is_server(pid: int, layout: Layout) -> bool:
    """Return whether process `pid` is this directory's server, not a later bearer of the pid."""
    if Path("/proc/self/cmdline").exists():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        words = subprocess.run(ps, capture_output=True, check=False).stdout
    return os.fsencode(layout.data) in words


def start(layout: Layout) -> Postmaster:
    """Adopt the server that runs already, or start one; return it when it accepts connections.

    Raises:
        StorageError: it cannot run; the message holds the end of its log.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while (found := postmaster(layout)) is not None and time.monotonic() < deadline:
        if found.ready:
            return found
        time.sleep(POLL_S)
    installed = installation.installed(layout)
    _clear_stale(layout)
    _prepare(layout, installed)
    claim_socket_directory(layout.socket_directory, installed.account)
    if layout.log.exists():
        layout.log.replace(layout.log.with_suffix(".log.1"))
    for patience in range(ORPHANS_S, -1, -1):
        if _spawn(layout, installed) and (found := postmaster(layout)) is not None:
            return found
        said = " | ".join(layout.log.read_text(errors="replace").splitlines()[-5:])
        # It was killed, and its own children have yet to notice.
        if patience == 0 or "shared memory block" not in said:
            break
        time.sleep(1.0)
    stop(layout)
    raise StorageError(
        f"{layout.data}: PostgreSQL must accept connections within {START_TIMEOUT_S} s, but got: "
        f"{said} Mend what it names; the whole log is {layout.log}."
    )


def stop(layout: Layout) -> None:
    """Shut down: open transactions are rolled back, everything committed is on disk.

    Raises:
        StorageError: it does not end.
    """
    for sign, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10.0)):
        if (found := postmaster(layout)) is not None:
            os.kill(found.pid, sign)
            deadline = time.monotonic() + patience_s
            while postmaster(layout) is not None and time.monotonic() < deadline:
                time.sleep(POLL_S)
    if (found := postmaster(layout)) is not None:
        raise StorageError(
            f"{layout.data}: PostgreSQL must end within {STOP_TIMEOUT_S:.0f} s, but got "
            f"pid={found.pid} alive. Look at {layout.log}."
        )
    shutil.rmtree(layout.socket_directory, ignore_errors=True)  # ours alone; /tmp stays tidy


def _prepare(layout: Layout, installed: Installation) -> None:
    """Create what is missing: the data directory and the password."""
    if not layout.data.exists():
        partial = layout.home / "postgres.partial"
        shutil.rmtree(partial, ignore_errors=True)  # of a start that was cut short
        partial.mkdir(mode=0o700)
        os.chown(partial, installed.account.uid, installed.account.gid)
        command: list[str | Path] = [installed.program("initdb"), "-D", partial, "-U", ROLE]
        command += ["--locale=C", "--encoding=UTF8", "--auth=reject", "--no-instructions"]
        for name, value in SETTINGS.items():
            command += ["--set", f"{name}={value}"]
        _run(installed, command)
        (partial / "pg_hba.conf").write_text(PASSWORD_ONLY)
        _set_password(layout, installed, partial, f"CREATE DATABASE {DATABASE}\n")
        partial.rename(layout.data)
        _sync(layout.home)
    elif not layout.password.exists():
        _set_password(layout, installed, layout.data)


def _set_password(layout: Layout, installed: Installation, data: Path, before: str = "") -> None:
    """Give our role a new password, with the server in single-user mode, and write it down."""
    password = secrets.token_urlsafe(24)
    command: list[str | Path] = [installed.program("postgres"), "--single", "-D", data]
    command += ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic", "postgres"]
    _run(installed, command, f"{before}ALTER ROLE {ROLE} PASSWORD '{password}'")
    partial = layout.password.with_suffix(".partial")
    with private(partial, "wb") as file:
        file.write(f"*:*:*:{ROLE}:{password}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    partial.rename(layout.password)
    _sync(layout.control)


def _run(installed: Installation, command: list[str | Path], text: str = "") -> None:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = _call(installed, command, input=text.encode(), **streams)
    if done.returncode != 0:
        raise StorageError(
            f"embedded server: PostgreSQL's `{' '.join(map(str, command[:3]))}` must succeed, but "
            f"got exit={done.returncode}: {done.stdout.decode(errors='replace').strip()[-1000:]} "
            "Mend what it names (often a full disk), then try again."
        )


def _spawn(layout: Layout, installed: Installation) -> bool:
    """Start the server in the background; return whether it accepts connections."""
    data = shlex.quote(str(layout.data))  # a shell reads the options
    options = f"-D {data} -p {PORT} -k {layout.socket_directory} -h ''"
    command: list[str | Path] = [installed.program("pg_ctl"), "start", "--silent", "--wait"]
    command += [f"--timeout={START_TIMEOUT_S}", "-o", options]
    with private(layout.log, "ab") as log:  # the server writes all to stdout
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.DEVNULL}
        done = _call(installed, command, env={"PGDATA": str(layout.data)}, **streams)
    return bool(done.returncode == 0)


def _call(installed: Installation, command: list[str | Path], **options: Any) -> Any:
    """Run a program as the account, in English, and without our variables for PostgreSQL."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    kept |= {"LC_ALL": "C"} | options.pop("env", {})
    options |= {"cwd": "/", "env": kept, "start_new_session": True, "check": False}
    return subprocess.run(command, **options, **installed.account.run_as)


def _clear_stale(layout: Layout) -> None:
    """Remove the lock file that a crash left, if its pid now belongs to some other program.

    PostgreSQL itself sees through a pid that is gone, but not through one in use again, as after a
    reboot or in a container. Our lock says that no other server can be starting.
    """
    file = layout.data / "postmaster.pid"
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        pid = file.read_text().partition("\n")[0]
        if pid.isdecimal():
            os.kill(int(pid), 0)
        file.unlink()


def claim_socket_directory(directory: Path, account: Account) -> None:
    """Create the socket's directory anew, for the server alone.

    /tmp is everyone's: another user may have put something there under the same name, and would
    then receive our connections.

    Raises:
        StorageError: it belongs to somebody else, or is no directory.
    """
    shutil.rmtree(directory, ignore_errors=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        raise StorageError(
            f"{directory}: the socket's directory must be our own, but got "
            f"uid={directory.lstat().st_uid}. Somebody else made it; have it removed, or set "
            "HPO_HOME to another directory."
        ) from None
    os.chown(directory, account.uid, account.gid)


def _sync(path: Path) -> None:
    """Make sure that a directory's entries are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
