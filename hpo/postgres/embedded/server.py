"""The PostgreSQL process of an embedded server: create its data, start it, adopt it, stop it.

Only the keeper uses this, while it holds the keeper's lock; so nothing here happens twice at once.
The other processes use `postmaster` to look.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hpo.errors import StorageError
from hpo.postgres.embedded import installation
from hpo.postgres.embedded.installation import Account, Installation
from hpo.postgres.embedded.layout import DATABASE, POLL_S, PORT, ROLE, Layout

START_TIMEOUT_S = 120.0  # recovery after a crash takes its time
STOP_TIMEOUT_S = 60.0
ORPHANS_S = 15
LARGEST_LOG = 2_000_000  # bytes
# Written into postgresql.conf, where a user may change them.
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
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
    if not lines or not is_server(int(lines[0]), layout):
        return None
    socket_directory = Path(lines[4]) if len(lines) > 4 else None
    return Postmaster(int(lines[0]), socket_directory, lines[7:] == ["ready   "])


def is_server(pid: int, layout: Layout) -> bool:
    """Return whether process `pid` is this directory's server, not a later bearer of the pid."""
    command = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            words = command.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return os.fsencode(layout.data) in words
    ps = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    said = subprocess.run(ps, capture_output=True, check=False).stdout
    return os.fsencode(layout.data) in said


class Server:
    """Starts PostgreSQL on a data directory and stops it; `pid` is that of the running one."""

    def __init__(self, layout: Layout) -> None:
        """Remember the place; nothing is started."""
        self.layout = layout
        self.pid: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Adopt the server that runs already, or start one; return when it accepts connections.

        Raises:
            StorageError: it cannot run; the message holds the end of its log.
        """
        running = postmaster(self.layout)
        if running:
            self.pid = running.pid
            self._wait_ready()
            return
        account = installation.server_account(self.layout.data)
        installation.check_home(self.layout, account)
        chosen = installation.choose(self.layout, installation.shipped())
        installed = installation.runnable(self.layout, account, chosen)
        self._clear_stale()
        self._prepare(installed)
        for patience in range(ORPHANS_S, -1, -1):
            self._spawn(installed)
            try:
                return self._wait_ready()
            except StorageError as error:
                # The server was killed, and its own children have yet to notice.
                if patience == 0 or "shared memory block" not in str(error):
                    raise
            time.sleep(1.0)

    def alive(self) -> bool:
        """Return whether the server runs."""
        if self._child is not None:
            return self._child.poll() is None
        return self.pid is not None and is_server(self.pid, self.layout)

    def stop(self) -> None:
        """Shut down: open transactions are rolled back, everything committed is on disk."""
        for sign, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10.0)):
            if self.pid is not None and self.alive():
                os.kill(self.pid, sign)
                deadline = time.monotonic() + patience_s
                while self.alive() and time.monotonic() < deadline:
                    time.sleep(POLL_S)
        if self.alive():
            raise StorageError(
                f"{self.layout.data}: PostgreSQL must end within {STOP_TIMEOUT_S:.0f} s, but got "
                f"pid={self.pid} alive. Look at {self.layout.log}."
            )
        self.pid = self._child = None
        _remove(self.layout.socket_directory)  # ours alone; /tmp stays tidy

    def trim_log(self) -> None:
        """Copy a log that has grown large aside, and empty it: the server goes on writing to it."""
        log = self.layout.log
        if log.exists() and log.stat().st_size > LARGEST_LOG:
            try:
                shutil.copyfile(log, log.with_suffix(".log.1"))
            finally:  # on a full disk, too
                os.truncate(log, 0)

    def _prepare(self, installed: Installation) -> None:
        """Create what is missing: the data directory and the password."""
        if not self.layout.data.exists():
            partial = self.layout.home / "postgres.partial"
            _remove(partial)  # of a start that was cut short
            self._initialise(installed, partial)
            self._set_password(installed, partial, [f"CREATE DATABASE {DATABASE}"])
            partial.rename(self.layout.data)
            _sync(self.layout.home)
        elif not self.layout.password.exists():
            self._set_password(installed, self.layout.data, [])

    def _initialise(self, installed: Installation, data: Path) -> None:
        data.mkdir(mode=0o700)
        _give(data, installed.account)
        command: list[str | Path] = [installed.program("initdb"), "-D", data, "-U", ROLE]
        command += ["--locale=C", "--encoding=UTF8", "--auth=reject", "--no-instructions"]
        for name, value in SETTINGS.items():
            command += ["--set", f"{name}={value}"]
        self._run(installed, command)
        (data / "pg_hba.conf").write_text(PASSWORD_ONLY)

    def _set_password(self, installed: Installation, data: Path, also: list[str]) -> None:
        """Give our role a new password, with the server in single-user mode, and write it down."""
        password = secrets.token_urlsafe(24)
        commands = [*also, f"ALTER ROLE {ROLE} PASSWORD '{password}'"]
        words: list[str | Path] = [installed.program("postgres"), "--single", "-D", data]
        words += ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic", "postgres"]
        self._run(installed, words, "\n".join(commands))
        _write_private(self.layout.password, f"*:*:*:{ROLE}:{password}\n")

    def _run(self, installed: Installation, command: list[str | Path], text: str = "") -> None:
        done = subprocess.run(
            command,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_environment(),
            check=False,
            **installed.run_as,
        )
        if done.returncode != 0:
            raise StorageError(
                f"{self.layout.data}: PostgreSQL's {Path(command[0]).name} must succeed, but got "
                f"exit={done.returncode}: {done.stdout.decode(errors='replace').strip()[-1000:]} "
                "Mend what it names (often a full disk), then try again."
            )

    def _spawn(self, installed: Installation) -> None:
        directory = self.layout.socket_directory
        claim_socket_directory(directory, installed.account)
        command: list[str | Path] = [installed.program("postgres"), "-D", self.layout.data]
        command += ["-c", f"port={PORT}", "-c", "listen_addresses="]
        command += ["-c", f'unix_socket_directories="{directory}"']
        command += ["-c", "unix_socket_permissions=0700"]
        with self.layout.log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                start_new_session=True,
                **installed.run_as,
            )
        self.pid = self._child.pid

    def _clear_stale(self) -> None:
        """Remove lock files that a crash left, where their pid now belongs to some other program.

        PostgreSQL itself sees through a pid that is gone, but not through one in use again, as
        after a reboot or in a container. The keeper's lock says that no other server can be
        starting.
        """
        pid_file = self.layout.data / "postmaster.pid"
        if pid_file.exists():
            pid = pid_file.read_text().partition("\n")[0]
            if not pid.isdecimal() or _in_use(int(pid)):
                pid_file.unlink()
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self.layout.socket_directory / name).unlink(missing_ok=True)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.alive() and time.monotonic() < deadline:
            running = postmaster(self.layout)
            if running and running.ready:
                return
            time.sleep(POLL_S)
        said = " | ".join(self.layout.log.read_text(errors="replace").splitlines()[-5:])
        raise StorageError(
            f"{self.layout.data}: PostgreSQL must accept connections within {START_TIMEOUT_S:.0f} "
            f"s, but got {'no answer' if self.alive() else 'its end'}: {said} "
            f"Mend what it names; the whole log is {self.layout.log}."
        )


def claim_socket_directory(directory: Path, account: Account | None) -> None:
    """Create the socket's directory for the server alone, or check that it is so.

    /tmp is everyone's: another user may have put something there under the same name, and would
    then receive our connections.

    Raises:
        StorageError: it belongs to somebody else, or is no directory.
    """
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        found = directory.lstat()
        trusted = {os.geteuid()} | ({account.pw_uid} if account else set())
        if found.st_uid not in trusted or directory.is_symlink() or not directory.is_dir():
            raise StorageError(
                f"{directory}: the socket's directory must be our own, but got uid={found.st_uid}. "
                "Somebody else made it; have it removed, or set HPO_HOME to another directory."
            ) from None
    directory.chmod(0o700)
    _give(directory, account)


def _give(path: Path, account: Account | None) -> None:
    """Make the account that runs the server the owner of a directory."""
    if account:
        os.chown(path, account.pw_uid, account.pw_gid)


def _environment() -> dict[str, str]:
    """Return our environment without PostgreSQL's variables (PGDATA ...), in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def _in_use(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


def _sync(path: Path) -> None:
    """Make sure that a directory's entries are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all, and to disk."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    _sync(path.parent)
