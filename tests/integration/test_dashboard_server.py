"""``hpo dashboard`` as a server: what it allows, its connections, its beginning and its
end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from dashboards import Dashboard, dashboard
from servers import connect, database
from workers import ledger_at, toy_spec, wait_until

from hpo.dashboard.renewed_values import SHORTEST_S
from hpo.dashboard.server import CONNECTIONS, SILENCE_S, THREADS
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import open_storage
from hpo.postgres.embedded import Embedded, status, stop


@pytest.fixture(scope="module")
def shared(server_url: str, with_tables: str) -> Iterator[Dashboard]:
    """A dashboard of a database without studies."""
    with (
        database(server_url, with_tables) as url,
        dashboard("--storage", url, "--allowed-host", "LabServer") as running,
    ):
        yield running


def refused(*arguments: str, **environment: str) -> str:
    """What a dashboard says that does not start."""
    ended = subprocess.run(
        [sys.executable, "-m", "hpo", "dashboard", *arguments],
        env={"PATH": "", "HPO_HOME": "/nonexistent/hpo", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    return ended.stderr


# --- what it allows ---


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /static/%2e%2e/%2e%2e/_app.py HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET //evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 33_000 + b"\r\n\r\n",
            431,
        ),
        (b"nonsense\r\n\r\n", 400),
        (
            (
                b"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length:"
                b" 99999999\r\n\r\n"
            ),
            413,
        ),
    ],
)
def test_malformed_requests(shared: Dashboard, request_: bytes, status: int) -> None:
    answer = shared.send(request_)
    assert re.match(rb"HTTP/1\.[01] (\d+)", answer)[1] == str(status).encode(), answer  # type: ignore[index]
    assert b"Traceback" not in answer
    assert b"waitress" not in answer.lower()


def test_who_asks_on_and_on_and_takes_nothing_keeps_no_thread(
    shared: Dashboard,
) -> None:
    """Else so many as there are threads would hold them until they leave."""
    ask = b"GET /static/bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(2 * THREADS):
            connection = stack.enter_context(
                socket.create_connection((shared.host, shared.port), timeout=60)
            )
            connection.sendall(20 * ask)
        for _ in range(
            3
        ):  # whoever waits for a thread comes after those that are there already
            assert shared.get("/healthz").status == 200
    assert shared.send(20 * ask).count(b"HTTP/1.1 200 OK") == 1


def test_idle_connections_of_many_browsers_keep_nobody_out(shared: Dashboard) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS + 150):  # more than are held open
            idle = socket.create_connection((shared.host, shared.port), timeout=60)
            with suppress(ConnectionError):  # closed already, to make room
                stack.enter_context(idle).sendall(b"GET /")
        began_s = time.monotonic()
        assert shared.get("/healthz").status == 200
        assert time.monotonic() - began_s < SILENCE_S / 6


# --- its beginning and its end ---


def test_what_it_does_not_start_with(database_url: str, tmp_path: Path) -> None:
    assert (
        refused("--host", "0.0.0.0", "--port", "0")
        == "error: dashboard at 0.0.0.0: a password is required, since other machines"
        " can reach this address. Create one: (umask 077; openssl rand -base64 24 >"
        " dashboard-password); then use --password-file dashboard-password. Or leave"
        " out --host, and use `ssh -L 8080:127.0.0.1:8080 THIS_MACHINE`.\n"
    )
    (tmp_path / "short").write_text("short")
    said = refused(
        "--host", "0.0.0.0", "--port", "0", "--password-file", str(tmp_path / "short")
    )
    assert "expected one line of at least 16 characters" in said
    wrong = re.sub(r"/\w+\?", "/nosuchdatabase?", database_url)
    said = refused(
        "--port", "0", "--storage", wrong, PATH="/usr/bin:/bin", HPO_HOME="/tmp"
    )
    assert "no such database" in said


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon(database_url: str, signum: int) -> None:
    """With connections open, idle and in the middle of a request."""
    with dashboard("--storage", database_url) as running:
        address = (running.host, running.port)
        with (
            socket.create_connection(address),
            socket.create_connection(address) as half,
        ):
            half.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert running.get("/healthz").status == 200
            status, seconds = running.end(signum)
        assert status == 0
        assert seconds < 2.0
        assert "Traceback" not in running.errors


def test_it_keeps_the_embedded_server_up(hpo_home: Path) -> None:
    with dashboard(HPO_HOME=str(hpo_home)) as running:
        page = running.get("/")
        assert b"<h1>No study yet</h1>" in page.body
        assert b"The first `hpo launch NAME` makes all" in page.body
        with open_storage() as storage:
            Ledger(storage)
        wait_until(lambda: running.get("/").status == 200, 20)
        page = running.get("/")
        assert b"hpo launch --study seqdigits<" in page.body.replace(b"\n", b"<")
        assert status(hpo_home).running
        with dashboard(HPO_HOME=str(hpo_home)) as second:
            assert second.get("/api/studies").json == {"study_summaries": []}
            assert second.end()[0] == 0
        assert running.get("/api/studies").status == 200
        assert running.end()[0] == 0
    wait_until(lambda: not status(hpo_home).running, 60)


def test_a_database_without_tables_is_waited_for_and_left_as_it_is(
    empty_database_url: str, server_url: str
) -> None:
    with connect(empty_database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS looker")
        connection.execute("CREATE ROLE looker LOGIN PASSWORD 'n0t-told'")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = sa.make_url(empty_database_url).set(username="looker", password="n0t-told")
    text = url.difference_update_query(["passfile"]).render_as_string(
        hide_password=False
    )
    try:
        with dashboard("--storage", text) as running:
            page = running.get("/")
            assert page.status == 503
            assert b"<h1>No study yet</h1>" in page.body
            assert b"hpo has no table here yet" in page.body
            assert b"n0t-told" not in page.body
            assert "hpo has no table here yet" in running.get("/api/studies").reason
            assert running.get("/api/studies").status == 503
            with ledger_at(empty_database_url) as ledger:
                ledger.register(toy_spec())
            with connect(empty_database_url) as connection:
                connection.execute("GRANT USAGE ON SCHEMA hpo_ledger TO looker")
                connection.execute(
                    "GRANT SELECT ON ALL TABLES IN SCHEMA hpo_ledger TO looker"
                )
                connection.execute(
                    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker"
                )
            wait_until(
                lambda: b"/study/toy" in running.get("/", Accept_Encoding="").body, 60
            )
            assert running.get("/api/studies/1").json["name"] == "toy"
            assert running.end()[0] == 0
            assert "n0t-told" not in running.errors
    finally:
        with connect(empty_database_url) as connection:
            connection.execute("DROP OWNED BY looker; DROP ROLE looker")


def test_the_database_goes_away_and_comes_back(hpo_home: Path) -> None:
    with Embedded(hpo_home) as server:
        url = server.acquire()
        with open_storage(url) as storage:
            Ledger(storage).register(toy_spec())
        with dashboard("--storage", url, HPO_HOME="/tmp/another-home") as running:
            assert running.get("/api/studies/1").status == 200
            stop(hpo_home, force=True)
            wait_until(lambda: running.get("/api/studies/1").status == 503, 60)
            assert running.get("/api/studies/1").reason.startswith(
                "The database cannot be read: "
            )
            for path in ("/", "/study/toy"):
                page = running.get(path)
                assert page.status == 503
                assert b"The database cannot be read" in page.body
            assert running.get("/metrics").status == 503, (
                "what Prometheus takes for `up == 0`"
            )
            assert running.get("/healthz").status == 200
            with open_storage():  # it starts again with its next user
                wait_until(lambda: running.get("/api/studies/1").status == 200, 60)
                assert running.get("/").status == 200
                assert running.end()[0] == 0


def test_a_database_that_is_silent_holds_no_thread_but_one(tmp_path: Path) -> None:
    """A host that is gone refuses nothing: to ask it takes two seconds each time, else
    ten."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        url = f"postgresql://me:secret@127.0.0.1:{silent.getsockname()[1]}/hpo?connect_timeout=2"
        with dashboard("--storage", url, HPO_HOME=str(tmp_path)) as running:
            wait_until(lambda: "cannot connect within" in running.errors)
            time.sleep(1.5 * SHORTEST_S)  # so that it is asked again
            with ThreadPoolExecutor(2 * THREADS) as pool:
                asked = [pool.submit(running.get, "/") for _ in range(2 * THREADS)]
                wait_until(
                    lambda: all(one.done() for one in asked), 10
                )  # not two for each
                answers = [one.result() for one in asked]
    assert {got.status for got in answers} == {503}
    assert not any(b"secret" in got.body for got in answers)
