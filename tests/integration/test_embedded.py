"""The embedded server against real processes and real kills."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from processes import ENTER, HOLD, USER, eventually, finish, running, script, start
from servers import gone, read, write
from sqlalchemy import Connection

from hpo.errors import StorageError
from hpo.postgres.connect import Schema, open_storage
from hpo.postgres.embedded import client
from hpo.postgres.embedded.client import Embedded, EmbeddedStatus, status, stop
from hpo.postgres.embedded.layout import Layout
from hpo.postgres.embedded.server import Postmaster


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def kept(home: Path) -> EmbeddedStatus:
    """What is known of a server whose keeper is there."""
    eventually(lambda: bool(status(home).keeper_pid))
    return status(home)


# --- many users, one server ----------------------------------------------------------------------


def test_the_server_starts_once_and_runs_until_its_last_user_was_killed(new_home: Path) -> None:
    code = ENTER + (
        "import psycopg\n"
        "url = Embedded(Path(sys.argv[1])).acquire()\n"
        "with psycopg.connect(url.replace('+psycopg', '')) as c: c.execute('SELECT 1')\n"
        "print(status(Path(sys.argv[1])).pid, flush=True); sys.stdin.read()\n"
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
    eventually(lambda: gone(new_home), within_s=6.0)
    assert not Layout(new_home).socket_directory.exists()


def test_a_forked_child_does_not_keep_the_server_alive(hpo_home: Path) -> None:
    fork = "import os, time\nif os.fork() == 0:\n    os.close(1); os.close(2); time.sleep(60)\n"
    code = ENTER + "url = Embedded(Path(sys.argv[1])).acquire()\n" + fork + HOLD
    with running(code, hpo_home) as user:
        (child,) = psutil.Process(user.pid).children()
        user.kill()
        user.wait()
        eventually(lambda: gone(hpo_home))
        assert child.is_running()
        child.kill()


def test_who_comes_while_it_is_stopping_gets_the_next_one(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        write(embedded.acquire())
        for _ in range(3):
            stopping = threading.Thread(target=stop, args=(hpo_home, True))
            stopping.start()
            eventually(lambda: not Layout(hpo_home).host.exists())
            with Embedded(hpo_home) as another:
                assert read(another.acquire()) == 42
            stopping.join()


# --- kills ---------------------------------------------------------------------------------------


def test_who_comes_replaces_a_killed_keeper_and_the_keeper_a_killed_server(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire()
        write(url)
        before = kept(hpo_home)
        kill(before.keeper_pid)
        eventually(lambda: status(hpo_home).keeper_pid is None)
        with running(USER, hpo_home):
            adopted = kept(hpo_home)
            assert adopted.pid == before.pid
            assert adopted.keeper_pid != before.keeper_pid
            assert read(url) == 42
        kill(adopted.pid)
        eventually(lambda: (now := status(hpo_home)).running and now.pid != adopted.pid)
        assert status(hpo_home).keeper_pid == adopted.keeper_pid
        assert Layout(hpo_home).log.with_suffix(".log.1").exists(), "what the killed one said"
        assert read(url) == 42
        kill(adopted.keeper_pid)
        kill(status(hpo_home).pid)
        eventually(lambda: gone(hpo_home))
        embedded.revive()
        assert read(url) == 42
        kill(kept(hpo_home).keeper_pid)
    stop(hpo_home)
    assert gone(hpo_home)


@pytest.mark.parametrize("when", ["seen", "opened", "opened, of another home"])
def test_a_server_that_dies_when_somebody_comes_is_waited_for(
    when: str, hpo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of another home is only an address, but it has answered once."""
    url_of, killed = client.server_url, list[int | None]()

    def kill_once() -> None:
        if not killed:
            killed.append(status(hpo_home).pid)
            kill(killed[0])

    def seen(layout: Layout, server: Postmaster) -> str:
        kill_once()
        return url_of(layout, server)

    def opened(connection: Connection) -> bool:
        kill_once()
        return connection.scalar(sa.text("SELECT 1")) == 1

    with Embedded(hpo_home) as embedded:
        url = embedded.acquire()
        if when == "seen":
            monkeypatch.setattr(client, "server_url", seen)
        elif when != "opened":
            monkeypatch.setenv("HPO_HOME", str(tmp_path))
        schema = None if when == "seen" else Schema(opened, create=lambda connection: None)
        given = None if when == "seen" else url
        with open_storage(given, prepare=schema) as storage:
            assert storage.embedded == (when != "opened, of another home")
            assert len(killed) == 1
            assert status(hpo_home).pid not in (None, *killed)


def test_what_a_crash_left_behind_is_seen_through(new_home: Path) -> None:
    """Half an initialisation; and a pid that belongs to another program now."""
    partial = new_home / "postgres.partial"
    partial.mkdir()
    (partial / "PG_VERSION").write_text("18\n")
    with Embedded(new_home) as embedded:
        write(embedded.acquire())
    assert not partial.exists()
    stop(new_home)
    layout = Layout(new_home)
    lines = [os.getpid(), layout.data, 1, 5432, layout.socket_directory, "", " 1 1", "ready   "]
    (layout.data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
    assert not status(new_home).running
    with Embedded(new_home) as embedded:
        assert read(embedded.acquire()) == 42


def test_server_and_keeper_end_when_their_home_is_removed(hpo_home: Path) -> None:
    with running(USER, hpo_home):
        known = kept(hpo_home)
        shutil.rmtree(hpo_home / "server")
        eventually(lambda: not any(map(psutil.pid_exists, [known.pid or 0, known.keeper_pid or 0])))


# --- stop and status -----------------------------------------------------------------------------


def test_stop_refuses_while_others_use_it_unless_forced_and_then_it_stays_so(
    hpo_home: Path,
) -> None:
    with Embedded(hpo_home) as user:
        user.acquire()
        with pytest.raises(StorageError) as caught:
            stop(hpo_home)
        assert str(caught.value) == (
            f"{hpo_home}: the embedded server must be unused to be stopped, but got "
            f"users=({os.getpid()},). Stop those processes first, or force it: `hpo storage stop "
            "--force`."
        )
        assert status(hpo_home).running
        stop(hpo_home, force=True)
        assert gone(hpo_home)
        stop(hpo_home)  # nothing to do
        with pytest.raises(StorageError) as caught:
            user.revive()
        assert str(caught.value) == (
            f"{hpo_home}: the embedded server must run, but got it stopped by `hpo storage stop`. "
            "Start the study again; that starts the server."
        )
        with Embedded(hpo_home) as starter:
            starter.acquire()
            user.revive()


def test_status_without_and_with_a_server(new_home: Path) -> None:
    data, log = new_home / "postgres", new_home / "server" / "postgres.log"
    none = EmbeddedStatus(new_home, data, log, False, None, None, None, users=())
    assert status(new_home) == none
    with Embedded(new_home) as embedded:
        embedded.acquire()
        now = kept(new_home)
        assert psutil.Process(now.keeper_pid).memory_info().rss < 40e6
        known = replace(none, running=True, version="18", users=(os.getpid(),))
        assert replace(now, pid=None, keeper_pid=None) == known


# --- a server that does not come -----------------------------------------------------------------


def test_a_server_that_does_not_answer_is_said_within_five_seconds(hpo_home: Path) -> None:
    hpo = [sys.executable, "-m", "hpo"]
    subprocess.run([*hpo, "--version"], check=True)  # warms its start up
    with running(USER, hpo_home):
        pid = status(hpo_home).pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        with subprocess.Popen([*hpo, "status"], stderr=subprocess.PIPE, text=True) as asked:
            try:
                assert asked.stderr is not None
                line = asked.stderr.readline()
                assert time.monotonic() - began < 5.0
                assert line.startswith("waiting: ")
                assert f"{hpo_home} does not answer yet" in line
                said = asked.stderr.read()
            finally:
                os.kill(pid, signal.SIGCONT)
    assert "the server must accept connections within 10 s, but got: " in said


def test_a_keeper_that_does_not_start_is_said_in_words(
    new_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "python", "kill -KILL $$")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(StorageError) as caught:
        Embedded(new_home).acquire()
    assert str(caught.value) == (
        f"{new_home}: a keeper must start, which stops the embedded server in the end, but got "
        f"exit=-9. Look at {new_home}/server/keeper.log, and try again."
    )


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("postgresql.conf", "work_mem = 'plenty'\n", 'value for parameter "work_mem": "plenty"'),
        ("PG_VERSION", "12\n", "by PostgreSQL version 12, which is not compatible with"),
    ],
)
def test_a_server_that_cannot_start_says_why(
    hpo_home: Path, file: str, text: str, said: str
) -> None:
    (hpo_home / "postgres" / file).write_text(text)
    with pytest.raises(StorageError) as caught:
        Embedded(hpo_home).acquire()
    assert said in str(caught.value)
    assert str(caught.value).endswith(
        f"Mend what it names; the whole log is {hpo_home}/server/postgres.log."
    )


def test_another_host_is_refused(hpo_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(USER, hpo_home):
        kept(hpo_home)
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        with pytest.raises(
            StorageError, match="must be used on the host that runs it, but got host=elsewhere and"
        ):
            Embedded(hpo_home).acquire()
        monkeypatch.undo()
        finish(start(USER, hpo_home))
