"""Work on the database lives through restarts, crashes and conflicts."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from servers import press_ctrl_c
from tables import SCHEMA, THINGS

from hpo.errors import StorageError
from hpo.postgres import connect
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.embedded import stop
from hpo.postgres.retry import is_passing, retry


def insert(storage: Storage, number: int) -> None:
    with storage.engine.begin() as connection:
        connection.execute(sa.insert(THINGS).values(id=number))


def session_of(storage: Storage) -> int | None:
    with storage.engine.connect() as connection:
        return connection.scalar(sa.text("SELECT pg_backend_pid()"))


def test_a_server_stopped_for_good_is_given_up_in_time(hpo_home: Path) -> None:
    with open_storage(prepare=SCHEMA) as storage:
        stop(hpo_home, force=True)
        began = time.monotonic()
        with pytest.raises(StorageError, match=r"database: no answer within 1 s: "):
            retry(lambda: insert(storage, 1), patience_s=1.0)
        assert 1.0 <= time.monotonic() - began < 3.0


def conflict(storage: Storage, first: bool) -> None:
    """A serialization failure."""
    serializable = storage.engine.execution_options(isolation_level="SERIALIZABLE")
    with serializable.begin() as connection:
        top = connection.scalar(sa.select(sa.func.max(THINGS.c.id)))
        if first:  # another transaction comes in between
            with serializable.begin() as other:
                other.execute(sa.update(THINGS).values(id=10))
        connection.execute(sa.update(THINGS).values(id=(top or 0) + 1))


def test_what_passes_is_repeated(database_url: str) -> None:
    waits: list[Exception] = []
    with open_storage(database_url, prepare=SCHEMA) as storage:
        insert(storage, 0)
        retry(lambda: conflict(storage, not waits), on_wait=lambda _, error: waits.append(error))
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (psycopg.errors.IdleInTransactionSessionTimeout(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.QueryCanceled(), False),
        (psycopg.OperationalError('password authentication failed for user "hpo"'), False),
        (psycopg.OperationalError("connection to server failed: Connection refused"), True),
        (psycopg.ProgrammingError("cannot adapt type"), False),
        (sa.exc.TimeoutError("another thread has the connection"), True),
    ],
)
def test_what_time_may_mend(error: Exception, passing: bool) -> None:
    outer = RuntimeError("of Optuna's")
    outer.__cause__ = error
    assert is_passing(error) is is_passing(outer) is passing


def test_a_worker_holds_one_connection_and_for_moments_two(database_url: str) -> None:
    with open_storage(database_url, worker=True) as storage:
        storage.engine.pool._timeout = 0.05  # type: ignore[attr-defined]
        busy = storage.engine.connect()
        assert session_of(storage), "its heart beats in the middle of a transaction"
        heart = storage.engine.connect()
        with pytest.raises(sa.exc.TimeoutError):
            session_of(storage)
        heart.close()
        busy.close()
        assert storage.engine.pool.checkedin() == 1  # type: ignore[attr-defined]


def test_a_connection_that_was_cut_off_while_idle_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "PING_S", 0.0)
    with open_storage(database_url, worker=True) as storage:
        pid = session_of(storage)
        with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        sa.event.listen(storage.engine, "connect", lambda new, _: new.close(), once=True)
        with pytest.raises(sa.exc.SQLAlchemyError) as lost:  # the next one as well
            session_of(storage)
        assert is_passing(lost.value)
        assert session_of(storage) != pid


def test_ctrl_c_while_an_idle_connection_is_tried_is_not_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_storage(database_url) as storage:
        pid = session_of(storage)
        press_ctrl_c(monkeypatch, psycopg.Cursor)
        with pytest.raises(KeyboardInterrupt):
            session_of(storage)
        assert session_of(storage) != pid
