"""Reaching a PostgreSQL: what works, what is said when it does not, and what is tried
again."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.testing.pytest_storages import StorageTestCase
from pooler import pooled
from servers import connect, password_of
from tables import SCHEMA, THINGS

from hpo.errors import StorageError
from hpo.postgres import connect as storage_module
from hpo.postgres.connect import Storage, open_storage
from hpo.postgres.embedded import status, stop
from hpo.postgres.retry import is_passing, retry

OTHERS = [
    *("extra_float_digits = 0", "TimeZone = 'Asia/Kolkata'", "DateStyle = 'German'"),
    *("IntervalStyle = 'sql_standard'", "bytea_output = 'escape'"),
    *("default_transaction_isolation = 'serializable'", "client_encoding = 'LATIN1'"),
]
VALUES = r"""SELECT 203::float8 / 269, '2026-11-12 13:00Z'::timestamptz,
  '\x00ff'::bytea, interval '1 day 00:00:05',
  current_setting('transaction_isolation')"""


def refusal(url: str) -> str:
    """What is said about a URL that does not work, within a reasonable time and without
    secrets."""
    began = time.monotonic()
    with pytest.raises(StorageError) as caught:
        open_storage(url, prepare=SCHEMA)
    assert time.monotonic() - began < 11.0
    assert "geheim" not in str(caught.value)
    return str(caught.value)


def changed(url: str, **parts: str) -> str:
    """The URL of a database with another name, user or password."""
    return sa.make_url(url).set(**parts).render_as_string(hide_password=False)


# --- the right way ---


@pytest.mark.parametrize("level", ["DATABASE {}", "ROLE CURRENT_USER", "SYSTEM"])
def test_values_are_the_same_whatever_is_set(database_url: str, level: str) -> None:
    """The second session of a pooler is one that nobody has set up."""
    where = f"ALTER {level.format(sa.make_url(database_url).database)}"
    with connect(database_url) as admin:
        for change in OTHERS:
            admin.execute(f"{where} SET {change}")
        admin.execute("SELECT pg_reload_conf()")
        try:
            with (
                pooled(database_url, 2) as url,
                open_storage(url) as storage,
                psycopg.connect(url) as other,
            ):
                other.execute("SELECT 1")
                with storage.engine.begin() as connection:
                    found = connection.exec_driver_sql(VALUES).one()
                    shown = connection.exec_driver_sql(
                        "SHOW extra_float_digits"
                    ).scalar()
        finally:
            admin.execute(f"{where} RESET ALL")
            admin.execute("SELECT pg_reload_conf()")
    at = datetime(2026, 11, 12, 13, tzinfo=UTC)
    assert (shown, *found) == (
        "0",
        203 / 269,
        at,
        b"\0\xff",
        timedelta(1, 5),
        "read committed",
    )


def test_a_password_in_the_url_or_in_a_file_that_changes_meanwhile(
    tcp_url: Callable[[str], str],
    empty_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    password = password_of(empty_database_url)
    with open_storage(tcp_url(f"hpo:{password}")) as storage:
        url = storage.engine.url
        assert (
            storage.describe()
            == f"PostgreSQL 18.4, database {url.database} at 127.0.0.1:{url.port},"
            " user hpo"
        )
        open_storage(storage.url).close()
    file = tmp_path / "password"
    monkeypatch.setenv("HPO_STORAGE_PASSWORD_FILE", str(file))
    file.write_text("geheim")
    assert "wrong user or password" in refusal(tcp_url("hpo"))
    file.write_text(f"{password}\n")
    with open_storage(tcp_url("hpo"), prepare=SCHEMA) as storage:
        assert password not in storage.url
        storage.optuna().get_all_studies()
        storage.engine.dispose()
        file.write_text("no longer")
        with pytest.raises(sa.exc.OperationalError), storage.engine.connect():
            pass
        file.write_text(password)
        storage.describe()


def test_the_argument_wins_over_the_variable_and_that_over_the_embedded_server(
    empty_database_url: str, hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPO_STORAGE", "postgresql://hpo@127.0.0.1:1/nowhere")
    with open_storage(empty_database_url) as storage:
        assert not storage.embedded
    monkeypatch.setenv("HPO_STORAGE", empty_database_url)
    with open_storage() as storage:
        assert storage.engine.url.database == sa.make_url(empty_database_url).database
    assert not status(hpo_home).running
    monkeypatch.setenv("HPO_STORAGE", "sqlite:///x.db")
    with pytest.raises(StorageError, match="HPO_STORAGE: expected the URL of a"):
        open_storage()
    with pytest.raises(StorageError, match=r"^storage URL: expected the URL of a"):
        open_storage("")


def test_the_embedded_server_is_kept_alive_by_its_url_too(
    hpo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "of some other database")
    with open_storage() as first:
        assert first.embedded
        assert (
            first.describe()
            == f"PostgreSQL 18.4, database hpo of the embedded server in {hpo_home}"
        )
        second = open_storage(first.url)
    with second, pytest.raises(StorageError, match="processes use the embedded server"):
        stop(hpo_home)
    stop(hpo_home)
    assert not status(hpo_home).running


# --- what is said when it does not work ---

NOBODY = "postgresql://me:geheim@127.0.0.1:1/studies"
ACCEPT = "cannot connect within 10 s: "
CHECK = (
    "Check host and port in the URL, that the server runs, and that no firewall is"
    " between."
)
RIGHT = "wrong user or password: "
OPTIONS = "the URL has a wrong option of libpq after the ?: "
OPTION = "Correct or remove the option in the URL."


@pytest.mark.parametrize(
    ("url", "rule", "end"),
    [
        (NOBODY, f"127.0.0.1:1, user me: {ACCEPT}", f"Connection refused. {CHECK}"),
        (f"{NOBODY}?colour=blue", OPTIONS, OPTION),
        (
            "hpo:geheim",
            f"user hpo: {RIGHT}",
            (
                'password authentication failed for user "hpo". Correct them in the URL'
                " (write special characters as in %40 for @), or the password in the"
                " file that HPO_STORAGE_PASSWORD_FILE names."
            ),
        ),
        (
            "?sslmode=require",
            "no encrypted connection as the URL asks for: ",
            (
                "server does not support SSL, but SSL was required. Check sslmode,"
                " sslrootcert and the like in the URL, or ask the server's"
                " administrator."
            ),
        ),
    ],
)
def test_a_database_out_of_reach(
    url: str, rule: str, end: str, tcp_url: Callable[[str], str]
) -> None:
    user, mark, options = url.partition("?")
    said = refusal(
        url if "://" in url else tcp_url(user or "hpo:geheim") + mark + options
    )
    assert rule in said
    assert said.endswith(end)


@pytest.mark.parametrize(
    ("full", "said"),
    [
        (
            "CREATE ROLE many LOGIN PASSWORD 'geheim' CONNECTION LIMIT 0",
            (
                "no connection is left to this user: {}too many connections for role"
                ' "many". Its limit is rolconnlimit in pg_roles. Run fewer workers,'
                " launches and dashboards as this user, raise the limit"
                " (docker/worker-role.sql -v connections=N), or put a pooler in front."
            ),
        ),
        (
            (
                "CREATE ROLE many LOGIN PASSWORD 'geheim'; ALTER DATABASE {name}"
                " CONNECTION LIMIT 0"
            ),
            (
                "no connection is left to this database: {}too many connections for"
                ' database "{name}". Its limit is datconnlimit in pg_database. Run'
                " fewer workers, launches and dashboards, raise the limit (ALTER"
                " DATABASE ... CONNECTION LIMIT), or put a pooler in front."
            ),
        ),
    ],
)
def test_a_server_without_a_connection_left_says_so(
    empty_database_url: str, full: str, said: str
) -> None:
    name = sa.make_url(empty_database_url).database
    url = changed(empty_database_url, username="many", password="geheim")
    with connect(empty_database_url) as connection:
        connection.execute(full.format(name=name).encode())
        try:
            with pytest.raises(StorageError) as refused:
                open_storage(url, patience_s=0.0)
        finally:
            connection.execute("DROP ROLE many")
    before, _, after = said.format("SPLIT", name=name).partition("SPLIT")
    assert f"user many: {before}connection failed: " in str(refused.value)
    assert str(refused.value).endswith(f"FATAL: {after}")


def test_a_server_that_is_mute_or_too_old_or_lacks_the_database(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        said = refusal(
            f"postgresql://me:geheim@127.0.0.1:{port}/studies?connect_timeout=2"
        )
    assert "cannot connect within 2 s: connection timeout expired" in said
    assert refusal(changed(empty_database_url, database="nothere")).endswith(
        'database "nothere" does not exist. Create it with `createdb`, or correct its'
        " name in the URL."
    )
    monkeypatch.setattr(storage_module, "OLDEST_MAJOR", 99)
    assert refusal(empty_database_url).endswith(
        ": expected PostgreSQL 99 or newer, got 18.4. Use a newer server, or the"
        " embedded one."
    )


# --- tables ---


def test_four_create_the_tables_once(empty_database_url: str) -> None:
    begin = Barrier(4)

    def create(number: int) -> None:
        begin.wait()
        opened = open_storage(empty_database_url, prepare=SCHEMA, worker=True)
        with opened as storage, storage.engine.begin() as connection:
            connection.execute(sa.insert(THINGS))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(4)))
    with connect(empty_database_url) as connection:
        counts = (
            "SELECT (SELECT count(*) FROM ours.things), (SELECT count(*) FROM"
            " alembic_version)"
        )
        assert connection.execute(counts).fetchone() == (4, 1)


def test_a_complete_database_is_only_read_and_an_empty_one_must_be_made_by_whoever_may(
    empty_database_url: str,
) -> None:
    url = changed(empty_database_url, username="reader", password="geheim")
    with connect(empty_database_url) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'geheim'")
        try:
            said = refusal(url)
            open_storage(empty_database_url, prepare=SCHEMA).close()
            connection.execute("GRANT USAGE ON SCHEMA ours TO reader")
            connection.execute(
                "GRANT SELECT ON ALL TABLES IN SCHEMA public, ours TO reader"
            )
            connection.execute(
                "ALTER ROLE reader SET default_transaction_read_only = on"
            )
            with open_storage(url, prepare=SCHEMA) as storage:
                assert storage.optuna().get_all_studies() == []
        finally:
            connection.execute("DROP OWNED BY reader")
            connection.execute("DROP ROLE reader")
    assert (
        "user reader: this user may not create tables or triggers, as the first use"
        " must: permission denied for schema public" in said
    )
    assert said.endswith(
        "Run `hpo storage migrate` as a user who may, or: GRANT CREATE ON DATABASE ...,"
        " GRANT CREATE ON SCHEMA public, and if Optuna's tables are another user's,"
        " GRANT TRIGGER ON trials."
    )


def test_tables_of_another_optuna(empty_database_url: str) -> None:
    with open_storage(empty_database_url, prepare=SCHEMA) as storage:
        with storage.engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE alembic_version SET version_num = 'v3.0.0.d'")
            )
        with pytest.raises(StorageError) as caught:
            storage.optuna()
    assert str(caught.value).endswith(
        ": expected Optuna's tables of version v3.2.0.a, got v3.0.0.d. If they are"
        " older, back up the database and run `optuna storage upgrade --storage URL`;"
        " if they are newer, upgrade hpo."
    )


# --- work on the database lives through restarts, crashes and conflicts ---


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


def test_a_deleted_directory_of_the_embedded_server_is_named_at_once(
    hpo_home: Path,
) -> None:
    with open_storage() as storage:
        storage.engine.dispose()
        moved = (hpo_home / "server").rename(hpo_home / "moved")
        try:
            with pytest.raises(StorageError) as caught:
                storage.engine.connect()
        finally:
            moved.rename(hpo_home / "server")
    assert str(caught.value).startswith(
        f"{hpo_home}: the directory of the embedded server was deleted, and its studies"
        " with it. Restore it, or import backups"
    )


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
        retry(
            lambda: conflict(storage, not waits),
            on_wait=lambda _, error: waits.append(error),
        )
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (psycopg.errors.IdleInTransactionSessionTimeout(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.QueryCanceled(), False),
        (
            psycopg.OperationalError('password authentication failed for user "hpo"'),
            False,
        ),
        (
            psycopg.OperationalError("connection to server failed: Connection refused"),
            True,
        ),
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
    monkeypatch.setattr(storage_module, "PING_S", 0.0)
    with open_storage(database_url, worker=True) as storage:
        pid = session_of(storage)
        with psycopg.connect(
            database_url.replace("+psycopg", ""), autocommit=True
        ) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        sa.event.listen(
            storage.engine, "connect", lambda new, _: new.close(), once=True
        )
        with pytest.raises(sa.exc.SQLAlchemyError) as lost:  # the next one as well
            session_of(storage)
        assert is_passing(lost.value)
        assert session_of(storage) != pid


def press_ctrl_c(patch: pytest.MonkeyPatch, cursor: type[psycopg.Cursor[Any]]) -> None:
    """The next query of such a cursor is sent, and Ctrl-C comes before its answer."""
    send = cursor._execute_send

    def send_and_press(self: psycopg.Cursor[Any], *args: Any, **kwargs: Any) -> None:
        patch.setattr(cursor, "_execute_send", send)
        send(self, *args, **kwargs)
        raise KeyboardInterrupt

    patch.setattr(cursor, "_execute_send", send_and_press)


def test_ctrl_c_while_an_idle_connection_is_tried_is_not_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_storage(database_url) as storage:
        pid = session_of(storage)
        press_ctrl_c(monkeypatch, psycopg.Cursor)
        with pytest.raises(KeyboardInterrupt):
            session_of(storage)
        assert session_of(storage) != pid


# --- Optuna's own conformance suite, on its RDB storage as `open_storage` makes it ---


@pytest.fixture(scope="module")
def opened(server_url: str) -> Iterator[Storage]:
    """One database for the whole suite: creating the tables takes longer than a
    test."""
    with open_storage(server_url, prepare=SCHEMA) as storage:
        yield storage


@pytest.mark.slow  # a hundred connections of a library as it comes
class TestOptunaStorage(StorageTestCase):  # type: ignore[misc]
    """Every test of Optuna's begins with an empty database."""

    @pytest.fixture
    def storage(self, opened: Storage) -> RDBStorage:
        with opened.engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE studies, trials CASCADE"))
        return opened.optuna()
