"""The embedded server against real processes and real kills."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from processes import ENTER, HOLD, USER, finish, free_port, running, start
from servers import connect, gone, password_of, read, write
from stack import ROOT
from users import toy_study
from workers import wait_until

from hpo.errors import StorageError
from hpo.postgres import programs
from hpo.postgres.embedded import Embedded, EmbeddedStatus, status, stop
from hpo.postgres.layout import ServerLayout
from hpo.postgres.locks import locked
from hpo.postgres.programs import OWN_ACCOUNT, WHEEL, Account, find_shipped
from hpo.postgres.server import claim_socket_directory

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root, to act as other users"
)
NOBODY = 65534
STRANGER = 12345


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def kept(home: Path) -> EmbeddedStatus:
    """What is known of a server whose keeper is there."""
    wait_until(lambda: bool(status(home).keeper_pid))
    return status(home)


def refusal(home: Path) -> str:
    """What is said to who wants to use it."""
    with pytest.raises(StorageError) as caught:
        Embedded(home).acquire()
    return str(caught.value)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def server_of(home: Path) -> psutil.Process:
    return psutil.Process(status(home).pid)


# --- many users, one server ---


def test_the_server_starts_once_and_runs_until_its_last_user_was_killed(
    new_home: Path,
) -> None:
    code = (
        ENTER + "import psycopg\nurl = Embedded(Path(sys.argv[1])).acquire()\nwith"
        " psycopg.connect(url.replace('+psycopg', '')) as c: c.execute('SELECT"
        " 1')\nprint(status(Path(sys.argv[1])).pid, flush=True); sys.stdin.read()\n"
    )
    processes = [start(code, new_home) for _ in range(8)]
    pids = {p.stdout.readline() for p in processes if p.stdout}
    assert pids == {f"{status(new_home).pid}\n"}
    assert set(status(new_home).users or ()) == {p.pid for p in processes}
    *others, last = processes
    for process in others:
        process.kill()
        process.communicate()
    time.sleep(3.0)  # longer than the keeper's grace
    assert pids == {f"{status(new_home).pid}\n"}
    last.kill()
    last.communicate()
    wait_until(lambda: gone(new_home), timeout_s=6.0)
    assert not ServerLayout(new_home).socket_directory.exists()


def test_a_forked_child_does_not_keep_the_server_alive(hpo_home: Path) -> None:
    fork = (
        "import os, time\nif os.fork() == 0:\n    os.close(1); os.close(2);"
        " time.sleep(60)\n"
    )
    code = ENTER + "url = Embedded(Path(sys.argv[1])).acquire()\n" + fork + HOLD
    with running(code, hpo_home) as user:
        (child,) = psutil.Process(user.pid).children()
        user.kill()
        user.wait()
        wait_until(lambda: gone(hpo_home))
        assert child.is_running()
        child.kill()


def test_who_comes_while_it_is_stopping_gets_the_next_one(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        write(embedded.acquire())
        for _ in range(3):
            stopping = threading.Thread(target=stop, args=(hpo_home, True))
            stopping.start()
            wait_until(lambda: not ServerLayout(hpo_home).host.exists())
            with Embedded(hpo_home) as another:
                assert read(another.acquire()) == 42
            stopping.join()


# --- kills ---


def test_who_comes_replaces_a_killed_keeper_and_the_keeper_a_killed_server(
    hpo_home: Path,
) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire()
        write(url)
        before = kept(hpo_home)
        kill(before.keeper_pid)
        wait_until(lambda: status(hpo_home).keeper_pid is None)
        with running(USER, hpo_home):
            adopted = kept(hpo_home)
            assert adopted.pid == before.pid
            assert adopted.keeper_pid != before.keeper_pid
            assert read(url) == 42
        kill(adopted.pid)
        wait_until(lambda: (now := status(hpo_home)).running and now.pid != adopted.pid)
        assert status(hpo_home).keeper_pid == adopted.keeper_pid
        assert ServerLayout(hpo_home).log.with_suffix(".log.1").exists(), (
            "what the killed one said"
        )
        assert read(url) == 42
        kill(adopted.keeper_pid)
        kill(status(hpo_home).pid)
        wait_until(lambda: gone(hpo_home))
        embedded.revive()
        assert read(url) == 42
        kill(kept(hpo_home).keeper_pid)
    stop(hpo_home)
    assert gone(hpo_home)


def test_what_a_crash_left_behind_is_seen_through(new_home: Path) -> None:
    """Half an initialisation; and a pid that belongs to another program now."""
    partial = new_home / "postgres.partial"
    partial.mkdir()
    (partial / "PG_VERSION").write_text("18\n")
    with Embedded(new_home) as embedded:
        write(embedded.acquire())
    assert not partial.exists()
    stop(new_home)
    layout = ServerLayout(new_home)
    lines = [
        os.getpid(),
        layout.data,
        1,
        5432,
        layout.socket_directory,
        "",
        " 1 1",
        "ready   ",
    ]
    (layout.data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
    assert not status(new_home).running
    with Embedded(new_home) as embedded:
        assert read(embedded.acquire()) == 42


def test_server_and_keeper_end_when_their_home_is_removed(hpo_home: Path) -> None:
    with running(USER, hpo_home):
        known = kept(hpo_home)
        shutil.rmtree(hpo_home / "server")
        wait_until(
            lambda: (
                not any(map(psutil.pid_exists, [known.pid or 0, known.keeper_pid or 0]))
            )
        )


# --- stop and status ---


def test_stop_refuses_while_others_use_it_unless_forced_and_then_it_stays_so(
    hpo_home: Path,
) -> None:
    with Embedded(hpo_home) as user:
        user.acquire()
        with pytest.raises(StorageError) as caught:
            stop(hpo_home)
        assert (
            str(caught.value)
            == f"{hpo_home}: processes use the embedded server: pids=({os.getpid()},)."
            " Stop them first, or force it: `hpo storage stop --force`."
        )
        assert status(hpo_home).running
        stop(hpo_home, force=True)
        assert gone(hpo_home)
        stop(hpo_home)  # nothing to do
        with pytest.raises(StorageError) as caught:
            user.revive()
        assert (
            str(caught.value)
            == f"{hpo_home}: `hpo storage stop` has stopped the embedded server. Start"
            " the study again; that starts the server."
        )
        with Embedded(hpo_home) as starter:
            starter.acquire()
            user.revive()


# --- a server that does not come ---


def test_a_server_that_does_not_answer_is_said_within_five_seconds(
    hpo_home: Path,
) -> None:
    hpo = [sys.executable, "-m", "hpo"]
    subprocess.run([*hpo, "--version"], check=True)  # warms its start up
    with running(USER, hpo_home):
        pid = status(hpo_home).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        with subprocess.Popen(
            [*hpo, "status"], stderr=subprocess.PIPE, text=True
        ) as asked:
            try:
                assert asked.stderr is not None
                line = asked.stderr.readline()
                assert time.monotonic() - began < 5.0
                assert line.startswith("waiting: ")
                assert f"{hpo_home} does not answer yet" in line
                said = asked.stderr.read()
            finally:
                os.kill(pid, signal.SIGCONT)
    assert "cannot connect within 10 s: " in said


def test_a_start_that_takes_some_seconds_is_no_error(hpo_home: Path) -> None:
    layout = ServerLayout(hpo_home)
    layout.create()
    with (
        locked(layout.start_lock, timeout_s=9.0),
        subprocess.Popen(
            [sys.executable, "-m", "hpo", "status"], stderr=subprocess.PIPE, text=True
        ) as asked,
    ):
        assert asked.stderr is not None
        line = asked.stderr.readline()
        asked.kill()
    assert line == (
        "waiting: the embedded server is starting (a few seconds the first time)\n"
    )


def test_a_server_that_cannot_start_says_why(hpo_home: Path) -> None:
    (hpo_home / "postgres/postgresql.conf").write_text("work_mem = 'plenty'\n")
    refused = refusal(hpo_home)
    assert 'value for parameter "work_mem": "plenty"' in refused
    whole = f"Fix what it names; the whole log is {hpo_home}/server/postgres.log."
    assert refused.endswith(whole)


@as_root
def test_a_home_or_an_account_that_cannot_be_used_is_said_in_words(
    new_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nosuchuser", "root"):
        monkeypatch.setenv("HPO_SERVER_USER", name)
        assert (
            refusal(new_home)
            == "HPO_SERVER_USER: expected an existing account other than root, got"
            f" {name}. Set it to an unprivileged account, such as nobody."
        )
    monkeypatch.delenv("HPO_SERVER_USER")
    monkeypatch.setattr(programs, "OWN_ACCOUNT", "hpo-no-such-account")
    monkeypatch.setattr(
        programs, "_USERADD", ("no-such-program",)
    )  # the account is nobody then
    (new_home / "blocked").mkdir(mode=0o700)
    home = new_home / "blocked/home"
    assert (
        refusal(home)
        == f"HPO_HOME: account nobody, which runs PostgreSQL, cannot reach {home}: it"
        " may not enter a directory on the way. Run `chmod o+x` on that directory,"
        " or set HPO_HOME to one that it can reach, such as /var/lib/hpo."
    )


def test_another_host_is_refused(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(USER, hpo_home):
        kept(hpo_home)
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        assert "serves that host only; this is elsewhere. For" in refusal(hpo_home)
        monkeypatch.undo()
        finish(start(USER, hpo_home))


# --- other users, and strange places


def test_a_server_in_a_strange_place_is_private_and_out_of_the_network(
    new_home: Path,
) -> None:
    home = new_home / "größe α $HOME `x`" / ("long " * 30).strip()
    home.mkdir(parents=True)
    layout, log = ServerLayout(home), home / "server" / "postgres.log"
    none = EmbeddedStatus(
        home, home / "postgres", log, False, None, None, None, users=()
    )
    assert status(home) == none
    with Embedded(home) as embedded:
        write(url := embedded.acquire())
        assert read(url) == 42
        now = kept(home)
        assert psutil.Process(now.keeper_pid).memory_info().rss < 40e6
        known = replace(none, running=True, version="18", users=(os.getpid(),))
        assert replace(now, pid=None, keeper_pid=None) == known
        assert (
            mode(layout.data)
            == mode(layout.control)
            == mode(layout.socket_directory)
            == "0o700"
        )
        assert (
            mode(layout.password)
            == mode(layout.log)
            == mode(layout.users_lock)
            == "0o600"
        )
        server = server_of(home)
        assert server.username() == (
            OWN_ACCOUNT if os.geteuid() == 0 else os.environ["USER"]
        )
        assert server.net_connections(kind="inet") == []
        with connect(url) as connection:
            rules = connection.execute(
                "SELECT type, auth_method FROM pg_hba_file_rules"
            ).fetchall()
            shown = (
                "fsync",
                "full_page_writes",
                "TimeZone",
                "server_encoding",
                "max_connections",
            )
            values = [connection.execute(f"SHOW {name}").fetchone() for name in shown]
        assert rules == [("local", "scram-sha-256")]
        assert values == [("on",), ("on",), ("UTC",), ("UTF8",), ("200",)]
    stop(home)


def test_no_entrance_without_the_password_which_is_made_anew_if_it_is_lost(
    hpo_home: Path,
) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire()
        old = password_of(url)
        assert len(old) == 32
        assert old not in url
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            connect(url, passfile=os.devnull)
        ServerLayout(hpo_home).password.unlink()
        assert "has no password file. Look at" in refusal(hpo_home)
    stop(hpo_home)
    with Embedded(hpo_home) as embedded:
        connect(embedded.acquire()).close()
        with pytest.raises(
            psycopg.OperationalError, match="password authentication failed"
        ):
            connect(url, password=old)


@as_root
@pytest.mark.parametrize("user", [OWN_ACCOUNT, STRANGER])
def test_another_user_is_refused(hpo_home: Path, user: str | int) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire().replace("+psycopg", "")
        uid = user if isinstance(user, int) else pwd.getpwnam(user).pw_uid
        # Not with the arguments of `subprocess`: Python itself may be out of that
        # user's reach.
        become = (
            f"import os, psycopg; os.setgroups([]); os.setgid({uid});"
            f" os.setuid({uid})\n"
        )

        def said(code: str) -> str:
            with start(ENTER + become + code, hpo_home, url) as thief:
                return thief.communicate(timeout=30)[1]

        # The server's own account may knock, but has no password.
        answer = "no password supplied" if user == OWN_ACCOUNT else "Permission denied"
        assert answer in said("psycopg.connect(sys.argv[2])")
        for use in (
            "Embedded(Path(sys.argv[1])).acquire()",
            "status(Path(sys.argv[1]))",
        ):
            assert (
                f"{hpo_home}/server: this embedded server belongs to uid=0, and you are"
                f" uid={uid}. Set HPO_HOME to a directory of your own, or HPO_STORAGE"
                " to a PostgreSQL URL." in said(use)
            )


def test_what_others_put_in_place_of_the_socket_directory_is_not_used(
    tmp_path: Path,
) -> None:
    planted = tmp_path / "planted"
    planted.symlink_to(tmp_path)
    ours = Account("ours", os.geteuid(), os.getegid())
    with pytest.raises(StorageError) as caught:
        claim_socket_directory(planted, ours)
    assert (
        str(caught.value)
        == f"{planted}: expected a socket directory of our own, got one that"
        f" uid={os.geteuid()} made. Have it removed, or set HPO_HOME to another"
        " directory."
    )
    planted.unlink()
    planted.mkdir(mode=0o777)
    if os.geteuid() == 0:
        os.chown(planted, STRANGER, STRANGER)
    claim_socket_directory(planted, ours)
    assert (planted.stat().st_uid, mode(planted)) == (os.geteuid(), "0o700")


def as_nobody() -> dict[str, Any]:
    """Arguments for `start` that make Python run as nobody; skips if that user can
    reach none."""
    who: dict[str, Any] = {
        "user": NOBODY,
        "group": NOBODY,
        "extra_groups": [],
        "cwd": "/",
    }
    own = sysconfig.get_path("stdlib")  # another Python has its own
    ours = (own, f"{own}/lib-dynload")
    path = [p for p in sys.path if p not in ("", *ours) and not p.endswith(".zip")]
    who["env"] = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{name}"):
        try:
            finish(start("import hpo.postgres.embedded, psycopg", python=python, **who))
        except (OSError, AssertionError):
            continue
        return who | {"python": python}
    pytest.skip("Python or this project is out of an unprivileged user's reach")


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
    wait_until(lambda: gone(home))


@as_root
def test_an_ordinary_user_gets_the_trials_that_root_gets(new_home: Path) -> None:
    """Root's server runs as another account, an ordinary user's as his own."""
    who = as_nobody()
    program = [who.pop("python"), "-m", "hpo"]
    tables = []
    for name in ("users", "roots"):
        home = new_home / name
        home.mkdir(mode=0o711)
        study = toy_study(trials=3, epochs=2, sleep_s=0.0)
        (home / "toy.toml").write_text(study)
        how = {**who, "env": who["env"] | {"HPO_HOME": str(home)}, "cwd": home}
        if name == "roots":
            how = {"env": how["env"], "cwd": home}
        else:
            os.chown(home, NOBODY, NOBODY)
        for line in ("launch toy.toml --workers=2 --no-report", "trials toy --json"):
            done = subprocess.run(
                [*program, *line.split()], capture_output=True, text=True, **how
            )
            assert done.returncode == 0, done.stderr
        trials = json.loads(done.stdout)["trials"]
        tables.append([(t["number"], t["params"], t["score"]) for t in trials])
        owner = (home / "server/password").stat().st_uid
        assert owner == (NOBODY if name == "users" else os.geteuid())
        wait_until(partial(gone, home))
    assert tables[0] == tables[1]


@as_root
def test_a_database_of_ones_own_is_the_same_postgresql(new_home: Path) -> None:
    """As deploy/slurm/database.sh starts it; root is told who may."""
    script = ["bash", ROOT / "deploy/slurm/database.sh"]
    refused = subprocess.run(script, capture_output=True, text=True)
    said = "error: PostgreSQL refuses to run as root. Run this as an ordinary user, who"
    assert (refused.returncode, refused.stderr.startswith(said)) == (1, True)

    who = as_nobody()
    home = new_home / "mine"
    home.mkdir(mode=0o700)
    (home / "python").symlink_to(who.pop("python"))
    os.chown(home, NOBODY, NOBODY)
    port = free_port()
    who["env"] |= {
        "HPO_DATABASE": str(home / "database"),
        "HPO_DATABASE_PORT": str(port),
        "PATH": f"{home}:{os.environ['PATH']}",
    }
    with subprocess.Popen(script, **who) as server:
        wait_until((home / "database/service").exists)
        word = (home / "database/password").read_text().strip()
        with psycopg.connect(f"postgresql://hpo:{word}@127.0.0.1:{port}/hpo") as client:
            row = client.execute("SHOW server_version").fetchone()
        server.terminate()
    assert server.returncode == 0
    assert row is not None
    newest = find_shipped(home).name.removeprefix("pginstall")
    assert row[0].partition(".")[0] == newest


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
def test_programs_out_of_the_servers_reach_are_copied(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = find_shipped(hpo_home / "postgres").parent
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
