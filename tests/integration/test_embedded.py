"""The embedded server against real processes and real kills."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from processes import ENTER, HOLD, USER, eventually, finish, running, start
from servers import gone, read, write
from sqlalchemy import Connection
from workers import toy_spec

from hpo.config import SiteConfig
from hpo.errors import StorageError
from hpo.launch.arguments import parser
from hpo.launch.run import Launch
from hpo.postgres.connect import Schema, open_storage
from hpo.postgres.embedded import client
from hpo.postgres.embedded.client import Embedded, EmbeddedStatus, status, stop
from hpo.postgres.embedded.layout import Layout, read_keeper
from hpo.postgres.embedded.server import LARGEST_LOG, Postmaster, Server


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def runs_anew(home: Path, before: EmbeddedStatus) -> bool:
    now = status(home)  # one look: between two of them the server may have changed
    return now.running and now.pid != before.pid


def phase(home: Path) -> str:
    keeper = read_keeper(Layout(home))
    assert keeper is not None
    return keeper.phase


# --- many users, one server ----------------------------------------------------------------------


def test_eight_processes_at_once_start_one_server(new_home: Path) -> None:
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
    for process in processes:
        finish(process)


def test_server_outlives_who_started_it_and_stops_after_the_last(hpo_home: Path) -> None:
    with running(USER, hpo_home) as first:
        pid = status(hpo_home).pid
        with running(USER, hpo_home):
            first.kill()
            first.wait()
            time.sleep(3.0)  # longer than the keeper's grace
            assert status(hpo_home).running
            assert status(hpo_home).pid == pid
    killed = time.monotonic()
    eventually(lambda: gone(hpo_home))
    assert time.monotonic() - killed < 6.0
    assert not Layout(hpo_home).socket_directory.exists()


def test_a_forked_child_does_not_keep_the_server_alive(hpo_home: Path) -> None:
    fork = "import os, time\nif os.fork() == 0:\n    os.close(1); os.close(2); time.sleep(60)\n"
    with running(
        ENTER + "url = Embedded(Path(sys.argv[1])).acquire()\n" + fork + HOLD, hpo_home
    ) as user:
        children = psutil.Process(user.pid).children()
        user.kill()
        user.wait()
        eventually(lambda: gone(hpo_home))
        assert [child.is_running() for child in children] == [True]
        for child in children:
            child.kill()


def test_starting_while_it_is_stopping(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        write(embedded.acquire())
    for _ in range(3):
        keeper = status(hpo_home).keeper_pid
        assert keeper is not None
        os.kill(keeper, signal.SIGTERM)
        eventually(lambda: phase(hpo_home) != "running")
        with Embedded(hpo_home) as embedded:
            assert read(embedded.acquire()) == 42
            assert status(hpo_home).keeper_pid != keeper


# --- kills ---------------------------------------------------------------------------------------


def test_a_server_whose_keeper_was_killed_is_adopted(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        write(embedded.acquire())
        before = status(hpo_home)
        kill(before.keeper_pid)
        eventually(lambda: status(hpo_home).keeper_pid is None)
        with running(USER, hpo_home):
            after = status(hpo_home)
            assert after.pid == before.pid
            assert after.keeper_pid not in (None, before.keeper_pid)
            assert read(embedded.acquire()) == 42
    eventually(lambda: gone(hpo_home))


def test_stop_reaches_a_server_whose_keeper_was_killed(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        embedded.acquire()
        kill(status(hpo_home).keeper_pid)
    eventually(lambda: status(hpo_home).keeper_pid is None)
    stop(hpo_home)
    assert gone(hpo_home)


def test_a_killed_server_is_restarted_with_its_data(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire()
        write(url)
        before = status(hpo_home)
        kill(before.pid)
        eventually(lambda: runs_anew(hpo_home, before), within_s=60.0)
        assert status(hpo_home).keeper_pid == before.keeper_pid
        assert read(url) == 42


def test_a_server_that_dies_when_it_was_seen_is_waited_for(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = client.postmaster

    def killed(layout: Layout) -> Postmaster | None:
        found = seen(layout)
        monkeypatch.setattr(client, "postmaster", seen)
        kill(found.pid if found else None)
        eventually(lambda: seen(layout) != found)
        return found

    with running(USER, hpo_home), Embedded(hpo_home) as embedded:
        before = status(hpo_home)
        monkeypatch.setattr(client, "postmaster", killed)
        with Embedded(hpo_home) as another:
            assert another.acquire() == embedded.acquire()
        eventually(lambda: runs_anew(hpo_home, before))


def test_a_server_that_dies_before_the_first_connection_is_waited_for(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPO_HOME", str(hpo_home))
    url_of = client.server_url

    def killed(layout: Layout, server: Postmaster) -> str:
        kill(server.pid)
        return url_of(layout, server)

    monkeypatch.setattr(client, "server_url", killed)
    with open_storage() as storage:
        assert storage.embedded


@pytest.mark.parametrize("ours", [True, False])
def test_a_server_that_dies_while_it_is_opened_is_waited_for(
    ours: bool, hpo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of another home is only an address, but it has answered once."""
    monkeypatch.setenv("HPO_HOME", str(hpo_home if ours else tmp_path))
    killed: list[int | None] = []

    def is_current(connection: Connection) -> bool:
        if not killed:
            killed.append(status(hpo_home).pid)
            kill(killed[0])
        return connection.scalar(sa.text("SELECT 1")) == 1

    with Embedded(hpo_home) as embedded:
        schema = Schema(is_current, create=lambda connection: None)
        with open_storage(embedded.acquire(), prepare=schema) as storage:
            assert storage.embedded == ours
            assert len(killed) == 1
            assert status(hpo_home).pid not in (None, *killed)


def test_a_launch_waits_for_a_server_that_dies_before_its_tables_are_there(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPO_HOME", str(hpo_home))
    with open_storage() as storage:
        kill(status(hpo_home).pid)
        launch = Launch(parser().parse_args(["--study", "toy"]), SiteConfig(), toy_spec(), storage)
        assert launch._ledger.studies() == []


def test_everything_killed_starts_again_with_its_data(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        url = embedded.acquire()
        write(url)
        before = status(hpo_home)
        kill(before.keeper_pid)
        kill(before.pid)
        eventually(lambda: gone(hpo_home))
        embedded.revive()
        assert read(url) == 42


def test_a_stale_pid_that_another_program_has_now(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        write(embedded.acquire())
    stop(hpo_home)
    layout = Layout(hpo_home)
    lines = [os.getpid(), layout.data, 1, 5432, layout.socket_directory, "", " 1 1", "ready   "]
    (layout.data / "postmaster.pid").write_text("\n".join(map(str, lines)) + "\n")
    assert not status(hpo_home).running
    with Embedded(hpo_home) as embedded:
        assert read(embedded.acquire()) == 42


def test_an_initialisation_cut_short_is_done_again(new_home: Path) -> None:
    partial = new_home / "postgres.partial"
    partial.mkdir()
    (partial / "PG_VERSION").write_text("18\n")
    with Embedded(new_home) as embedded:
        write(embedded.acquire())
    assert not partial.exists()


def test_the_keeper_ends_when_its_home_is_removed(hpo_home: Path) -> None:
    with running(USER, hpo_home):
        pid, keeper = status(hpo_home).pid, status(hpo_home).keeper_pid
        shutil.rmtree(hpo_home / "server")
        eventually(lambda: not psutil.pid_exists(keeper or 0) and not psutil.pid_exists(pid or 0))


# --- stop and status -----------------------------------------------------------------------------


def test_stop_and_start_keep_the_data(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        write(embedded.acquire())
    stop(hpo_home)
    assert gone(hpo_home)
    stop(hpo_home)  # nothing to do
    with Embedded(hpo_home) as embedded:
        assert read(embedded.acquire()) == 42


def test_stop_refuses_while_others_use_it_unless_forced(hpo_home: Path) -> None:
    with running(USER, hpo_home) as user:
        with pytest.raises(StorageError) as caught:
            stop(hpo_home)
        assert str(caught.value) == (
            f"{hpo_home}: the embedded server must be unused to be stopped, but got "
            f"users=({user.pid},). Stop those processes first, or force it: `hpo storage stop "
            "--force`."
        )
        assert status(hpo_home).running
        stop(hpo_home, force=True)
        assert gone(hpo_home)


def test_a_server_stopped_by_force_is_not_revived_by_its_users(hpo_home: Path) -> None:
    with Embedded(hpo_home) as embedded:
        embedded.acquire()
        stop(hpo_home, force=True)
        with pytest.raises(StorageError) as caught:
            embedded.revive()
        assert str(caught.value) == (
            f"{hpo_home}: the embedded server must run, but got it stopped by `hpo storage stop`. "
            "Start the study again; that starts the server."
        )
        with Embedded(hpo_home) as starter:
            starter.acquire()
            embedded.revive()


def test_status_without_and_with_a_server(new_home: Path) -> None:
    data, log = new_home / "postgres", new_home / "server" / "postgres.log"
    assert status(new_home) == EmbeddedStatus(
        new_home, data, log, False, None, None, None, None, size_bytes=0, users=()
    )
    with Embedded(new_home) as embedded:
        embedded.acquire()
        now = status(new_home)
        assert now.running
        assert now.pid is not None
        assert now.keeper_pid is not None
        assert psutil.Process(now.pid).ppid() == now.keeper_pid
        assert psutil.Process(now.keeper_pid).memory_info().rss < 40e6
        assert now.socket is not None
        assert stat.S_ISSOCK(now.socket.stat().st_mode)
        assert (now.version, now.users) == ("18", (os.getpid(),))
        assert 10e6 < now.size_bytes < 200e6
        assert log.read_text().count("ready to accept connections") == 1


def test_a_large_log_is_moved_aside(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    with layout.log.open("ab") as server_side:
        server_side.write(b"x" * (LARGEST_LOG + 1))
        server_side.flush()
        Server(layout).trim_log()
        server_side.write(b"and on")
    assert layout.log.read_text() == "and on"
    assert (tmp_path / "server" / "postgres.log.1").stat().st_size == LARGEST_LOG + 1


# --- a server that does not come -----------------------------------------------------------------


def test_a_server_that_does_not_answer_is_said_within_five_seconds(hpo_home: Path) -> None:
    """Its keeper is stopped while the server is dead; then the server itself is stopped."""
    subprocess.run([sys.executable, "-m", "hpo", "--version"], check=True)  # warms its start up
    with running(USER, hpo_home):
        for kept in (True, False):
            known = status(hpo_home)
            assert known.pid is not None
            assert known.keeper_pid is not None
            stopped = known.keeper_pid if kept else known.pid
            os.kill(stopped, signal.SIGSTOP)
            if kept:
                kill(known.pid)
            began = time.monotonic()
            with ExitStack() as stack:
                stack.callback(os.kill, stopped, signal.SIGCONT)
                asked = stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-m", "hpo", "status"],
                        env={**os.environ, "HPO_HOME": str(hpo_home)},
                        stderr=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                assert asked.stderr is not None
                line = asked.stderr.readline()
                assert time.monotonic() - began < 5.0
                assert line.startswith("waiting: ")
                assert str(hpo_home) in line
                if kept:
                    assert f"is not ready yet; its keeper is process {stopped}" in line
                    os.kill(stopped, signal.SIGCONT)
                    out, _ = asked.communicate(timeout=60)
                    assert "The database holds no study yet." in out
                else:
                    assert "does not answer yet" in line
                    _, err = asked.communicate(timeout=60)
                    assert "the server must accept connections within 10 s, but got: " in err


def test_a_keeper_that_ends_without_a_word_is_said_in_words(
    new_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nkill -KILL $$\n")
    silent.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(silent))
    with pytest.raises(StorageError) as caught:
        Embedded(new_home).acquire()
    assert str(caught.value).startswith(
        f"{new_home}: a keeper must start the embedded server, but got exit status -9 without a "
        "word. Try again; if it stays so, look at "
    )
