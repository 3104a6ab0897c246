"""Access to PostgreSQL: by a URL, or on the embedded server.

The database is the argument of `open_storage`, else `HPO_STORAGE`, else the embedded
server in `HPO_HOME`.

    with open_storage(prepare=schema) as storage:
        with storage.engine.begin() as connection: ...
        optuna.load_study(study_name="seqdigits", storage=storage.optuna())
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import URL, Connection, event

from hpo import settings
from hpo.errors import NothingYetError, StorageError
from hpo.postgres.embedded import Embedded, read_password, said_if_slow
from hpo.postgres.retry import (
    DATABASE_ERRORS,
    MissingTablesError,
    answering,
    explained,
    lack_of_connections,
    lacks_tables,
    retry,
    said_by,
)
from hpo.postgres.sessions import Cursor, driver_of, read_json, set_up
from hpo.postgres.urls import is_of_this_host, parse_url, password_from_file, place

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

OLDEST_MAJOR = 13
SCHEMA_LOCK = 0x68706F  # "hpo", the key of the advisory lock
CONNECT_TIMEOUT_S = 10
RESTART_S = 30.0
"""Longest wait at opening for a server that may be restarting."""
CONNECTIONS = 4
"""Most connections of a process. A worker holds one, and a second one for a heartbeat
during a transaction: a slow checkpoint must not cost its lease."""
PING_S = 1.0
"""Idle time after which a worker tests a connection before use, which is a round trip.
Other processes always test, since they do not retry."""
WAL_BYTES = 2**24
"""Size of a file of PostgreSQL's log: with less room, nothing can be written soon."""
FULL = "its disk is full; workers wait until it has room"
_PROBE = (
    "SET LOCAL work_mem = '64kB'",
    "SET LOCAL statement_timeout = '5s'",
    (
        "SELECT count(DISTINCT repeat(md5(n::text), 200))"
        " FROM generate_series(1, 200) AS n"
    ),
)
"""Sort a little more than the memory holds: the server does it on its disk. It takes no
right, and only reads."""
_CONNECTIONS_OF_USER = """
    SELECT rolconnlimit AS limited,
        (SELECT count(*) FROM pg_stat_activity WHERE usename = rolname) AS taken
    FROM pg_roles WHERE rolname = current_user
"""
_FIRST_LAUNCH = "The first `hpo launch NAME` makes all, or `hpo storage migrate`."
_LIBPQ = {
    "application_name": "hpo",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # detect a vanished host within a minute rather than hours
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""Defaults for options of libpq that the URL does not set."""


@dataclass(frozen=True)
class Schema:
    """The tables of a program, and how to create them.

    Attributes:
        is_current: returns whether all tables exist, with SELECTs only.
        create: creates missing tables in one transaction, in one process at a time.
    """

    is_current: Callable[[Connection], bool]
    create: Callable[[Connection], None]


class Storage(AbstractContextManager["Storage"]):
    """A PostgreSQL database with Optuna's tables. Close it, or use it in `with`.

    Attributes:
        engine: SQLAlchemy engine with the session settings of `PINNED`.
        url: URL that leads other processes of this environment to the same database. It
            may hold a password: do not print it.
        embedded: whether this is the embedded server.
    """

    def __init__(self, url: URL, embedded: Embedded | None, *, worker: bool) -> None:
        """Take the results of `open_storage`."""
        self.url = url.render_as_string(hide_password=False)
        self.embedded = embedded is not None
        self._server = embedded
        self._optuna: dict[bool, RDBStorage] = {}
        self._ping_s = PING_S if worker else 0.0
        options = {**_LIBPQ, "cursor_factory": Cursor}
        for name in url.query:
            options.pop(name, None)
        self.engine = sa.create_engine(
            url,
            pool_size=1 if worker else CONNECTIONS,
            max_overflow=1 if worker else 0,
            connect_args=options,
            isolation_level="READ COMMITTED",
            json_deserializer=read_json,
        )
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", self._check_idle)
        event.listen(self.engine, "do_connect", self._before_connecting)
        event.listen(self.engine, "connect", set_up)

    def describe(self) -> str:
        """Return a description of the database for people, without any password."""
        return f"PostgreSQL {self._version()}, {self.place()}"

    def encryption(self) -> tuple[bool, bool] | None:
        """Return whether the connection is encrypted, and whether the server is
        verified.

        None for a database on this host, unless the URL asks for verification.
        """
        with self.engine.connect() as connection:
            driver = driver_of(connection)
            verified = driver.info.get_parameters().get("sslmode") == "verify-full"
            if is_of_this_host(self.engine.url) and not verified:
                return None
            return driver.pgconn.ssl_in_use, verified

    def place(self) -> str:
        """Return where the database is, without a connection."""
        if self._server is None:
            return place(self.engine.url)
        database = self.engine.url.database
        return (
            f"database {database} of the embedded server in {self._server.layout.home}"
        )

    def limit_reached(self) -> int | None:
        """Return how many connections this user may have, if all of them are taken.

        None also if there is no limit.
        """
        with self.engine.connect() as connection:
            row = connection.exec_driver_sql(_CONNECTIONS_OF_USER).one()
        if 0 <= row.limited <= row.taken:
            return int(row.limited)
        return None

    def full_disk(self) -> Path | None:
        """Return the directory of the embedded server if its disk is full, so that
        nothing can be written.

        Then reading still works. Of a server elsewhere nothing is known.
        """
        if self._server is None:
            return None
        home = self._server.layout.home
        return home if is_full(home) else None

    def explain_full_disk(self) -> str:
        """Say that the disk of the server is full, also of one elsewhere; empty if it
        is not."""
        where: object = self.full_disk()
        if where is None and self._lacks_room():
            where = self.place()
        return f"{where}: {FULL}" if where is not None else ""

    def _lacks_room(self) -> bool:
        try:
            with self.engine.connect() as connection:
                for statement in _PROBE:
                    connection.exec_driver_sql(statement)
        except sa.exc.DBAPIError as error:
            return isinstance(error.orig, psycopg.errors.DiskFull)
        return False

    def optuna(self, *, read_only: bool = False) -> RDBStorage:
        """Return Optuna's storage on this database; the tables exist, so it only reads
        here.

        With ``read_only`` the database refuses every write.

        Raises:
            StorageError: Optuna's tables are of another version.
        """
        if read_only not in self._optuna:
            self._optuna[read_only] = self._rdb_storage(read_only=read_only)
        return self._optuna[read_only]

    def close(self) -> None:
        """Close the connections, and leave the embedded server."""
        self.engine.dispose()
        for optuna in self._optuna.values():
            optuna.engine.dispose()
        if self._server:
            self._server.release()

    def __exit__(self, *error: object) -> None:
        """Close the storage."""
        self.close()

    def _version(self) -> str:
        """Return the server's version; explain the problem if the connection fails."""
        try:
            with self.engine.connect() as connection:
                version = driver_of(connection).info.server_version  # 180004 for 18.4
        except DATABASE_ERRORS as error:
            limit_s = self.engine.url.query.get("connect_timeout", CONNECT_TIMEOUT_S)
            raise explained(error, self.place(), limit_s) from error
        name = f"{version // 10000}.{version % 10000}"
        if version < OLDEST_MAJOR * 10000:
            raise StorageError(
                f"{self.place()}: expected PostgreSQL {OLDEST_MAJOR} or newer, got"
                f" {name}. Use a newer server, or the embedded one."
            )
        return name

    def _before_connecting(
        self, dialect: Any, record: Any, arguments: Any, options: Any
    ) -> None:
        """Restart a dead embedded server before each new connection.

        Read a password file again: it may have changed while a worker runs.
        """
        if self._server is None:
            password = password_from_file(self.engine.url)
            if password is not None:
                options["password"] = password
            return
        layout = self._server.layout
        if not layout.control.exists():  # no time brings it back
            raise StorageError(
                f"{layout.home}: the directory of the embedded server was deleted, and"
                " its studies with it. Restore it, or import backups of the studies"
                " (hpo import); `hpo launch` begins anew."
            )
        try:
            self._server.revive()
            # overrides PGPASSWORD
            options["password"] = read_password(self._server.layout)
        except StorageError as error:  # to be retried like any failed connection
            raise psycopg.OperationalError(str(error)) from error

    def _check_idle(self, connection: Any, record: Any, proxy: Any) -> None:
        """Test a connection that was idle for a while: a round trip.

        A new one is not tested: if it were lost, too, SQLAlchemy would hide the cause.
        """
        if time.monotonic() - record.info.get("used_s", math.inf) < self._ping_s:
            return
        # Not SQLAlchemy's ``do_ping``: it hides a Ctrl-C during the query behind a
        # driver error, and opens a new connection as if nothing had happened.
        try:
            connection.autocommit = True
            connection.execute("SELECT 1", prepare=False)
        except BaseException as error:
            connection.close()
            if isinstance(error, psycopg.Error):
                raise sa.exc.DisconnectionError(str(error)) from error
            raise
        connection.autocommit = False

    def _rdb_storage(
        self, *, create: bool = False, read_only: bool = False
    ) -> RDBStorage:
        from optuna.storages import RDBStorage

        # the same settings and events, connections of its own
        pool = self.engine.pool.recreate()
        options: dict[str, Any] = {}
        if read_only:
            options["execution_options"] = {"postgresql_readonly": True}
        try:
            storage = RDBStorage(
                self.url,
                engine_kwargs={**options, "pool": pool},
                skip_table_creation=not create,
                skip_compatibility_check=True,  # ours says how to fix it
            )
            self._check_optuna(storage)
        except BaseException:
            pool.dispose()
            raise
        storage.engine_kwargs = {**options, "poolclass": sa.NullPool}  # for pickling
        return storage

    def _check_optuna(self, storage: RDBStorage) -> None:
        version = storage.get_current_version()
        expected = storage.get_head_version()
        if version != expected:
            raise StorageError(
                f"{self.place()}: expected Optuna's tables of version {expected},"
                f" got {version}. If they are older, back up the database and run"
                " `optuna storage upgrade --storage URL`; if they are newer,"
                " upgrade hpo."
            )


def is_full(directory: Path) -> bool:
    """Return whether the disk of a directory is full; of a deleted one nothing is
    known."""
    try:
        return shutil.disk_usage(directory).free < WAL_BYTES
    except FileNotFoundError:
        return False


def open_storage(
    url: str | None = None,
    *,
    prepare: Schema | None = None,
    worker: bool = False,
    creates: bool = True,
    patience_s: float = RESTART_S,
) -> Storage:
    """Return the database at `url`, else `HPO_STORAGE`, else on the embedded server.

    Args:
        url: PostgreSQL URL. The URL of a `Storage` on the embedded server of this
            HPO_HOME keeps that server alive, too.
        prepare: our own tables, created with Optuna's if they are missing.
        worker: open it for a worker, which holds one connection and retries.
        creates: whether to create the embedded server, if it is missing.
        patience_s: longest wait for a server that may be restarting, or that has no
            connection left; a worker does not wait here.

    Raises:
        NothingYetError: nothing may be created, and there is no embedded server.
        StorageError: the database cannot be reached or used; the message says why and
            what to do.
    """
    embedded = Embedded(settings.home())
    with ExitStack() as on_failure:
        on_failure.callback(embedded.release)
        if url is not None:
            parsed = parse_url(url)
        elif (chosen := settings.storage_url()) is not None:
            parsed = parse_url(chosen, "HPO_STORAGE")
        else:
            if not creates:
                _require_server(embedded)
            parsed = sa.make_url(embedded.acquire())
        server = None
        if parsed.query.get("passfile") == str(embedded.layout.password):
            server = embedded
            server.acquire()
        storage = Storage(parsed, server, worker=worker)
        on_failure.callback(storage.close)
        _open(storage, prepare, 0.0 if worker else patience_s)
        on_failure.pop_all()
    return storage


def _require_server(embedded: Embedded) -> None:
    """Check that the embedded server was made, without making it.

    Raises:
        NothingYetError: it was not.
    """
    layout = embedded.layout
    layout.check_owner()
    if not layout.control.exists():
        raise NothingYetError(
            f"{layout.home}: there is no study yet, and no embedded server."
            f" {_FIRST_LAUNCH}"
        )


def _open(storage: Storage, prepare: Schema | None, patience_s: float) -> None:
    """Connect for the first time, and create missing tables of ``prepare``.

    Wait for a server that may be restarting: our own, or one that has answered once,
    if only that it has no connection left.
    For others, the address may be wrong. A server that never answers is not about to
    start.
    """
    exists = storage.embedded
    status = "does not answer yet"

    def work() -> None:
        nonlocal exists, status
        storage._version()
        exists = True
        status = "is being prepared"
        if prepare is not None:
            with answering(storage.place()):
                prepare_database(storage, prepare)

    def wait(waited_s: float, error: Exception) -> None:
        nonlocal exists, status
        shortage = lack_of_connections(error)
        if shortage is not None:
            exists = True
            status = f"does not let this process in: {shortage[0]}"
        cause = getattr(error.__cause__, "orig", None)
        silent = isinstance(cause, psycopg.errors.ConnectionTimeout)
        if not exists or silent or waited_s >= patience_s:
            raise error

    with said_if_slow(lambda: f"{storage.place()} {status}"):
        retry(work, on_wait=wait)


def prepare_database(storage: Storage, schema: Schema | None = None) -> None:
    """Create missing tables of Optuna and of `schema`, once, however many processes
    ask.

    A complete database costs a few SELECTs, without a lock or the right to create
    tables.

    Raises:
        StorageError: the user may not create tables, or Optuna's are of another
            version.
    """
    try:
        if has_tables(storage, schema):
            return
        with storage.engine.begin() as connection:
            connection.scalar(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK))
            ours = schema is not None and schema.is_current(connection)
            if not _has_optuna(connection):
                if ours:  # made after Optuna's: those are being restored
                    raise MissingTablesError(
                        f"{storage.place()}: tables of Optuna are missing. If a backup"
                        " is being restored, wait until that is done; else restore one"
                        " to its end."
                    )
                storage._rdb_storage(create=True).engine.dispose()
            if schema is not None and not ours:
                schema.create(connection)
    except sa.exc.DBAPIError as error:
        if lacks_tables(error):
            raise MissingTablesError(
                f"{storage.place()}: somebody else makes or restores its tables now:"
                f" {said_by(error)}. Wait until that is done, then try again."
            ) from error
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise StorageError(
            f"{storage.place()}: this user may not create tables or triggers, as the"
            f" first use must: {said_by(error)}. Run `hpo storage migrate` as a user"
            " who may, or: GRANT CREATE ON DATABASE ..., GRANT CREATE ON SCHEMA public,"
            " and if Optuna's tables are another user's, GRANT TRIGGER ON trials."
        ) from error


def has_tables(storage: Storage, schema: Schema | None = None) -> bool:
    """Return whether the tables of Optuna and of `schema` exist, by a few SELECTs.

    Raises:
        StorageError: those of `schema` are of another version.
    """
    with storage.engine.connect() as connection:
        ours = schema is None or schema.is_current(connection)
        return ours and _has_optuna(connection)


def require_tables(storage: Storage, schema: Schema) -> None:
    """Check that the tables of Optuna and of `schema` exist, and create none.

    Raises:
        NothingYetError: they do not.
        StorageError: they are of another version.
    """
    if not has_tables(storage, schema):
        raise NothingYetError(
            f"{storage.place()}: hpo has no table here yet, and so no study."
            f" {_FIRST_LAUNCH}"
        )


def _has_optuna(connection: Connection) -> bool:
    """Return whether Optuna's tables are complete: it writes the row of
    `alembic_version` last."""
    exists = sa.text("SELECT to_regclass('alembic_version') IS NOT NULL")
    if not connection.scalar(exists):
        return False
    return bool(connection.scalar(sa.text("SELECT count(*) FROM alembic_version")))


def _note_use(connection: Any, record: Any) -> None:
    record.info["used_s"] = time.monotonic()
