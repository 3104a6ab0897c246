"""Work on the database lives through restarts, crashes and conflicts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from servers import press_ctrl_c
from tables import SCHEMA, THINGS

from hpo.errors import StorageError
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.embedded.client import status, stop
from hpo.postgres.embedded.layout import Layout
from hpo.postgres.retry import is_passing, retry


def insert(storage: Storage, number: int) -> None:
    with storage.engine.begin() as connection:
        row = connection.scalar(sa.select(THINGS.c.id).where(THINGS.c.id == number))
        if row is None:
            connection.execute(sa.insert(THINGS).values(id=number))


def test_work_goes_on_through_crashes_of_the_server(hpo_home: Path) -> None:
    waits: list[float] = []
    with open_storage(prepare=SCHEMA) as storage:
        for number in range(60):
            if number % 20 == 10:
                pid = status(hpo_home).pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            retry(
                partial(insert, storage, number),
                on_wait=lambda waited_s, error: waits.append(waited_s),
            )
        with storage.engine.connect() as connection:
            numbers = connection.scalars(sa.select(THINGS.c.id).order_by(THINGS.c.id)).all()
    assert list(numbers) == list(range(60))
    assert waits[0] == 0.0
    assert 0.0 < max(waits) < 15.0


def test_work_goes_on_though_server_and_keeper_were_killed(hpo_home: Path) -> None:
    with open_storage() as storage:
        rdb = storage.optuna()
        before = status(hpo_home)
        for pid in (before.keeper_pid, before.pid):
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        # a lost answer may be that of a study which is there: no attempt repeats a name
        directions, names = [optuna.study.StudyDirection.MINIMIZE], map("s{}".format, range(1000))
        study_id = retry(lambda: rdb.create_new_study(directions, next(names)))
        assert rdb.get_study_name_from_id(study_id).startswith("s")
        rdb.engine.dispose()


def test_a_server_stopped_for_good_is_given_up_in_time(hpo_home: Path) -> None:
    with open_storage(prepare=SCHEMA) as storage:
        stop(hpo_home, force=True)
        began = time.monotonic()
        with pytest.raises(StorageError, match=r"database: it must answer within 1 s, but got: "):
            retry(lambda: insert(storage, 1), patience_s=1.0)
        assert 1.0 <= time.monotonic() - began < 3.0


def test_a_worker_can_start_while_the_server_restarts(hpo_home: Path) -> None:
    with open_storage():
        layout, state = Layout(hpo_home), status(hpo_home)
        assert state.pid is not None
        os.kill(state.pid, signal.SIGKILL)
        with retry(open_storage) as storage:
            assert "embedded" in storage.describe()
    assert layout.data.exists()


def test_serialization_failures_are_repeated(database_url: str) -> None:
    with open_storage(database_url, prepare=SCHEMA) as storage:
        insert(storage, 0)
        attempts = []

        def work() -> None:
            attempts.append(1)
            serializable = storage.engine.execution_options(isolation_level="SERIALIZABLE")
            with serializable.begin() as connection:
                top = connection.scalar(sa.select(sa.func.max(THINGS.c.id)))
                assert top is not None
                if len(attempts) == 1:  # another transaction comes in between
                    with serializable.begin() as other:
                        other.execute(sa.update(THINGS).values(id=top + 10))
                connection.execute(sa.update(THINGS).values(id=top + 1))

        retry(work)
        assert len(attempts) == 2
        with storage.engine.connect() as connection:
            assert connection.scalar(sa.select(THINGS.c.id)) == 11


def test_a_session_ended_by_the_administrator_is_repeated(database_url: str) -> None:
    with open_storage(database_url) as storage:
        attempts = []

        def work() -> int | None:
            attempts.append(1)
            with storage.engine.connect() as connection:
                if len(attempts) == 1:
                    connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
                answer: int | None = connection.scalar(sa.text("SELECT 7"))
                return answer

        assert retry(work) == 7
        assert len(attempts) == 2


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("INSERT INTO ours.things (id) VALUES (1), (1)", sa.exc.IntegrityError),
        ("SELECT * FROM nowhere", sa.exc.ProgrammingError),
        ("SET LOCAL statement_timeout = 50; SELECT pg_sleep(5)", sa.exc.OperationalError),
    ],
)
def test_errors_of_our_own_are_not_repeated(
    database_url: str, statement: str, kind: type[Exception]
) -> None:
    with open_storage(database_url, prepare=SCHEMA) as storage:
        attempts = []

        def work() -> None:
            attempts.append(1)
            with storage.engine.begin() as connection:
                connection.execute(sa.text(statement))

        with pytest.raises(kind):
            retry(work)
        assert len(attempts) == 1


def test_wrong_passwords_are_not_repeated_but_closed_ports_are(
    tcp_url: Callable[[str], str],
) -> None:
    for url, passing in ((tcp_url("hpo:wrong"), False), ("postgresql://127.0.0.1:1/x", True)):
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(url)
        assert is_passing(caught.value) is passing


def test_on_wait_may_end_the_waiting() -> None:
    def away() -> None:
        raise psycopg.OperationalError("connection refused")

    def enough(waited_s: float, error: Exception) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retry(away, on_wait=enough)


def test_a_worker_holds_one_connection_and_for_moments_two(database_url: str) -> None:
    with open_storage(database_url, worker=True) as storage:
        storage.engine.pool._timeout = 0.05  # type: ignore[attr-defined]

        def ask() -> int | None:
            with storage.engine.connect() as connection:
                return connection.scalar(sa.text("SELECT 42"))

        busy = storage.engine.connect()
        assert ask() == 42, "its heart beats in the middle of a transaction"
        heart = storage.engine.connect()
        with pytest.raises(sa.exc.TimeoutError) as caught:
            ask()
        assert is_passing(caught.value)
        heart.close()
        assert retry(ask) == 42
        busy.close()
        assert storage.engine.pool.checkedin() == 1  # type: ignore[attr-defined]


def test_a_connection_that_was_cut_off_while_idle_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpo.postgres.connect.PING_S", 0.0)
    with open_storage(database_url, worker=True) as storage:
        with storage.engine.connect() as connection:
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        with storage.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != pid


def test_ctrl_c_while_an_idle_connection_is_tried_is_not_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_storage(database_url) as storage:
        with storage.engine.connect() as connection:
            pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        press_ctrl_c(monkeypatch, psycopg.Cursor)
        with pytest.raises(KeyboardInterrupt), storage.engine.connect():
            pass
        with storage.engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT pg_backend_pid()")) != pid
