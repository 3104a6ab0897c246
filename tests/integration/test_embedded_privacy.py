"""The embedded server against other users, and in strange places."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from processes import ENTER, USER, eventually, finish, running, start
from servers import connect, gone, password_of, read, write

from hpo.errors import StorageError
from hpo.postgres.embedded import server
from hpo.postgres.embedded.client import Embedded, status, stop
from hpo.postgres.embedded.layout import Layout
from hpo.postgres.embedded.server import (
    OWN_ACCOUNT,
    WHEEL,
    Account,
    claim_socket_directory,
    shipped,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as other users")
NOBODY = 65534
STRANGER = 12345


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def server_of(home: Path) -> psutil.Process:
    return psutil.Process(status(home).pid)


def as_nobody() -> dict[str, Any]:
    """Arguments for `start` that make Python run as nobody; skips if that user can reach none."""
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
    who["env"] = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{name}"):
        try:
            finish(start("import hpo.postgres.embedded, psycopg", python=python, **who))
        except (OSError, AssertionError):
            continue
        return who | {"python": python}
    pytest.skip("Python or this project is out of an unprivileged user's reach")


# --- privacy -------------------------------------------------------------------------------------


def test_files_are_private_and_the_network_is_shut(new_home: Path) -> None:
    layout = Layout(new_home)
    with Embedded(new_home) as embedded:
        url = embedded.acquire()
        assert mode(layout.data) == mode(layout.control) == mode(layout.socket_directory) == "0o700"
        assert mode(layout.password) == mode(layout.log) == mode(layout.users_lock) == "0o600"
        server = server_of(new_home)
        assert server.username() == (OWN_ACCOUNT if os.geteuid() == 0 else os.environ["USER"])
        assert server.net_connections(kind="inet") == []
        with connect(url) as connection:
            rules = connection.execute("SELECT type, auth_method FROM pg_hba_file_rules").fetchall()
            shown = "fsync", "full_page_writes", "TimeZone", "server_encoding", "max_connections"
            values = [connection.execute(f"SHOW {name}").fetchone() for name in shown]
        assert rules == [("local", "scram-sha-256")]
        assert values == [("on",), ("on",), ("UTC",), ("UTF8",), ("200",)]


def test_no_entrance_without_the_password_which_is_made_anew_if_it_is_lost(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire()
        old = password_of(url)
        assert len(old) == 32
        assert old not in url
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            connect(url, passfile=os.devnull)
        Layout(hpo_home).password.unlink()
        lost = r"must be there, but got no password file\. Look at"
        with pytest.raises(StorageError, match=lost):
            Embedded(hpo_home).acquire()
    stop(hpo_home)
    with Embedded(hpo_home) as embedded:
        connect(embedded.acquire()).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(url, password=old)


@as_root
@pytest.mark.parametrize("user", [OWN_ACCOUNT, "nobody", STRANGER])
def test_another_user_is_refused(hpo_home: Path, user: str | int) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire().replace("+psycopg", "")
        uid = user if isinstance(user, int) else pwd.getpwnam(user).pw_uid
        # Not with the arguments of `subprocess`: Python itself may be out of that user's reach.
        become = f"import os, psycopg; os.setgroups([]); os.setgid({uid}); os.setuid({uid})\n"

        def said(code: str) -> str:
            with start(ENTER + become + code, hpo_home, url) as thief:
                return thief.communicate(timeout=30)[1]

        # The server's own account may knock, but has no password.
        answer = "no password supplied" if user == OWN_ACCOUNT else "Permission denied"
        assert answer in said("psycopg.connect(sys.argv[2])")
        for use in ("Embedded(Path(sys.argv[1])).acquire()", "status(Path(sys.argv[1]))"):
            assert (
                f"{hpo_home}/server: an embedded server must belong to the user who uses it, but "
                f"got owner uid=0 and user uid={uid}. Set HPO_HOME to a directory of your own, or "
                "HPO_STORAGE to a PostgreSQL URL."
            ) in said(use)


def test_what_others_put_in_place_of_the_socket_directory_is_not_used(tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.symlink_to(tmp_path)
    ours = Account("ours", os.geteuid(), os.getegid())
    with pytest.raises(StorageError) as caught:
        claim_socket_directory(planted, ours)
    assert str(caught.value) == (
        f"{planted}: the socket's directory must be our own, but got uid={os.geteuid()}. Somebody "
        "else made it; have it removed, or set HPO_HOME to another directory."
    )
    planted.unlink()
    planted.mkdir(mode=0o777)
    if os.geteuid() == 0:
        os.chown(planted, STRANGER, STRANGER)
    claim_socket_directory(planted, ours)
    assert (planted.stat().st_uid, mode(planted)) == (os.geteuid(), "0o700")


# --- places --------------------------------------------------------------------------------------


def test_a_long_and_foreign_path(new_home: Path) -> None:
    home = new_home / "größe α $HOME `x`" / ("long " * 30).strip()
    home.mkdir(parents=True)
    try:
        with Embedded(home) as embedded:
            write(embedded.acquire())
            assert read(embedded.acquire()) == 42
    finally:
        stop(home, force=True)


@as_root
def test_an_ordinary_user_has_a_server_of_his_own(new_home: Path) -> None:
    who = as_nobody()
    home = new_home / "mine"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    with running(USER, home, **who):
        assert server_of(home).uids().real == NOBODY
        assert (home / "server" / "password").stat().st_uid == NOBODY
        for process in [start(USER, home, **who) for _ in range(4)]:
            finish(process)
    eventually(lambda: gone(home))


@as_root
def test_data_stay_with_the_account_that_they_belong_to(
    new_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("HPO_SERVER_USER", "nobody")
        with Embedded(new_home) as embedded:
            write(embedded.acquire())
        stop(new_home)
    with Embedded(new_home) as embedded:
        assert read(embedded.acquire()) == 42
        assert server_of(new_home).uids().real == NOBODY


@as_root
def test_a_home_out_of_reach_of_the_account_is_refused(
    monkeypatch: pytest.MonkeyPatch, new_home: Path
) -> None:
    """Here that is nobody, since no account for this alone can be made."""
    monkeypatch.setattr(server, "OWN_ACCOUNT", "hpo-no-such-account")
    monkeypatch.setattr(server, "_USERADD", ("no-such-program",))
    blocked = new_home / "blocked"
    blocked.mkdir(mode=0o700)
    with pytest.raises(StorageError) as caught:
        Embedded(blocked / "home").acquire()
    assert str(caught.value) == (
        "HPO_HOME: the account nobody, which runs PostgreSQL, must be able to reach "
        f"{blocked}/home, but got a directory on the way that it may not pass. Run `chmod o+x` on "
        "that, or set HPO_HOME to a directory that it can reach, such as /var/lib/hpo."
    )


@as_root
@pytest.mark.parametrize("name", ["nosuchuser", "root"])
def test_the_servers_account_must_exist_and_not_be_root(
    new_home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HPO_SERVER_USER", name)
    with pytest.raises(StorageError) as caught:
        Embedded(new_home).acquire()
    assert str(caught.value) == (
        "HPO_SERVER_USER: PostgreSQL must run as an existing account other than root, but got "
        f"HPO_SERVER_USER={name}. Set it to an unprivileged account, such as nobody."
    )


@as_root
def test_programs_out_of_the_servers_reach_are_copied(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = shipped(hpo_home / "postgres").parent
    private = hpo_home / "private"
    private.mkdir(mode=0o700)
    for name in (WHEEL, f"{WHEEL}.libs"):
        (private / name).symlink_to(wheel.parent / name)
    monkeypatch.syspath_prepend(private)
    for _ in range(2):
        with Embedded(hpo_home) as embedded:
            embedded.acquire()
            (copy,) = hpo_home.glob("postgresql-*")
            assert Path(server_of(hpo_home).exe()).is_relative_to(copy)
        stop(hpo_home)
