"""Access to PostgreSQL: by a URL, or on the embedded server.

The database is the argument of `open_storage`, else `HPO_STORAGE`, else the embedded
server in `HPO_HOME`.

    with open_storage(prepare=schema) as storage:
        with storage.engine.begin() as connection: ...
        optuna.load_study(study_name="seqdigits", storage=storage.optuna())
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import psycopg
import sqlalchemy as sa
from psycopg.types.string import TextBinaryLoader
from sqlalchemy import URL, Connection, event

from hpo import settings
from hpo.errors import StorageError
from hpo.postgres.embedded import Embedded, read_password, said_if_slow
from hpo.postgres.retry import DATABASE_ERRORS, answering, explained, retry, said_by

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

EXAMPLE = "postgresql://user:password@host:5432/database"
_FILES = {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"}
"""Options of libpq that are paths; libpq does not expand `~`."""
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
OLDEST_MAJOR = 13
CONNECT_TIMEOUT_S = 10
RESTART_S = 30.0
"""Longest wait at opening for a server that may be restarting."""
CONNECTIONS = 4
"""Most connections of a process. A worker holds one, and a second one for a heartbeat
during a transaction: a slow checkpoint must not cost its lease."""
PING_S = 1.0
"""Idle time after which a worker tests a connection before use, which is a round trip.
Other processes always test, since they do not retry."""
IDLE_S = 20
"""Silence within a transaction after which the server ends the session: the process is
paused or gone, and holds locks."""
SCHEMA_LOCK = 0x68706F  # "hpo", the key of the advisory lock
PINNED = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""Settings of a session besides ``IDLE_S``, which override server, database and role.

No result depends on them, since behind a pooler a transaction may run on another's
session:
values come in binary (``Cursor``), and each transaction sets its own isolation level.
"""
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


class Cursor(psycopg.Cursor[Any]):
    """A cursor with binary values: no setting affects how many digits a number has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Take psycopg's arguments."""
        super().__init__(*args, **options)
        self.format = psycopg.pq.Format.BINARY


class Unreadable(Mapping[str, Any]):
    """Placeholder for JSON that Python cannot parse, such as thousands of brackets; our
    programs never write it. Any use raises a StorageError."""

    def __getitem__(self, *_: object) -> NoReturn:
        """Refuse any use."""
        raise StorageError(
            "the database holds JSON that cannot be read and that hpo did not write."
            " Restore a backup under another name: hpo import FILE --name NEW."
        )

    __iter__ = __len__ = __getitem__


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Unreadable()


@dataclass(frozen=True)
class Schema:
    """The tables of a program, and how to create them.

    Attributes:
        is_current: returns whether all tables exist, with SELECTs only.
        create: creates missing tables in one transaction, in one process at a time.
    """

    is_current: Callable[[Connection], bool]
    create: Callable[[Connection], None]


class Storage:
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
        options = {
            name: value for name, value in _LIBPQ.items() if name not in url.query
        }
        self.engine = sa.create_engine(
            url,
            pool_size=1 if worker else CONNECTIONS,
            max_overflow=1 if worker else 0,
            connect_args={**options, "cursor_factory": Cursor},
            isolation_level="READ COMMITTED",
            json_deserializer=_json,
        )
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", self._check_idle)
        event.listen(self.engine, "do_connect", self._before_connecting)
        event.listen(self.engine, "connect", _set_up)

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
            local = is_of_this_host(self.engine.url)
            return (
                None if local and not verified else (driver.pgconn.ssl_in_use, verified)
            )

    def place(self) -> str:
        """Return where the database is, without a connection."""
        if self._server:
            home = self._server.layout.home
            return (
                f"database {self.engine.url.database} of the embedded server in {home}"
            )
        return place(self.engine.url)

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

    def __enter__(self) -> Self:
        """Return the storage itself."""
        return self

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
        if version < OLDEST_MAJOR * 10000:
            raise StorageError(
                f"{self.place()}: expected PostgreSQL {OLDEST_MAJOR} or newer, got"
                f" {version // 10000}.{version % 10000}. Use a newer server, or the"
                " embedded one."
            )
        return f"{version // 10000}.{version % 10000}"

    def _before_connecting(
        self, dialect: Any, record: Any, arguments: Any, options: Any
    ) -> None:
        """Restart a dead embedded server before each new connection.

        Read a password file again: it may have changed while a worker runs.
        """
        if self._server is None:
            if password := password_from_file(self.engine.url):
                options["password"] = password
            return
        try:
            self._server.revive()
            options["password"] = read_password(
                self._server.layout
            )  # overrides PGPASSWORD
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
        options = (
            {"execution_options": {"postgresql_readonly": True}} if read_only else {}
        )
        try:
            storage = RDBStorage(
                self.url,
                engine_kwargs={**options, "pool": pool},
                skip_table_creation=not create,
                skip_compatibility_check=True,  # ours says how to fix it
            )
            version, expected = (
                storage.get_current_version(),
                storage.get_head_version(),
            )
            if version != expected:
                raise StorageError(
                    f"{self.place()}: expected Optuna's tables of version {expected},"
                    f" got {version}. If they are older, back up the database and run"
                    " `optuna storage upgrade --storage URL`; if they are newer,"
                    " upgrade hpo."
                )
        except BaseException:
            pool.dispose()
            raise
        storage.engine_kwargs = {**options, "poolclass": sa.NullPool}  # for pickling
        return storage


def open_storage(
    url: str | None = None, *, prepare: Schema | None = None, worker: bool = False
) -> Storage:
    """Return the database at `url`, else `HPO_STORAGE`, else on the embedded server.

    Args:
        url: PostgreSQL URL. The URL of a `Storage` on the embedded server of this
            HPO_HOME keeps that server alive, too.
        prepare: our own tables, created beside Optuna's if they are missing.
        worker: open it for a worker, which holds one connection and retries.

    Raises:
        StorageError: the database cannot be reached or used; the message says why and
            what to do.
    """
    embedded = Embedded(settings.home())
    with ExitStack() as on_failure:
        on_failure.callback(embedded.release)
        if url is not None:
            parsed = parse_url(url, "storage URL")
        elif (chosen := settings.storage_url()) is not None:
            parsed = parse_url(chosen, "HPO_STORAGE")
        else:
            parsed = sa.make_url(embedded.acquire())
        is_ours = parsed.query.get("passfile") == str(embedded.layout.password)
        server = embedded if is_ours else None
        if server:
            server.acquire()
        storage = Storage(parsed, server, worker=worker)
        on_failure.callback(storage.close)
        _open(storage, prepare, patience_s=0.0 if worker else RESTART_S)
        on_failure.pop_all()
    return storage


def _open(storage: Storage, prepare: Schema | None, patience_s: float) -> None:
    """Connect for the first time, and create missing tables.

    Wait for a server that may be restarting: our own, or one that has answered once.
    For others, the address may be wrong. A server that never answers is not about to
    start.
    """
    exists, status = storage.embedded, "does not answer yet"

    def work() -> None:
        nonlocal exists, status
        storage._version()
        exists, status = True, "is being prepared"
        with answering(storage.place()):
            prepare_database(storage, prepare)

    def wait(waited_s: float, error: Exception) -> None:
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
        with storage.engine.connect() as connection:
            ours = schema is None or schema.is_current(connection)
            if ours and _has_optuna(connection):
                return
        with storage.engine.begin() as connection:
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK}
            )
            if not _has_optuna(connection):
                storage._rdb_storage(create=True).engine.dispose()
            if schema is not None and not schema.is_current(connection):
                schema.create(connection)
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise StorageError(
            f"{storage.place()}: this user may not create tables, as the first use"
            f" must: {said_by(error)}. Run `hpo storage migrate` as a user who may, or:"
            " GRANT CREATE ON DATABASE ..., GRANT CREATE ON SCHEMA public."
        ) from error


def _has_optuna(connection: Connection) -> bool:
    """Return whether Optuna's tables are complete: it writes the row of
    `alembic_version` last."""
    exists = connection.scalar(
        sa.text("SELECT to_regclass('alembic_version') IS NOT NULL")
    )
    return bool(exists) and bool(
        connection.scalar(sa.text("SELECT count(*) FROM alembic_version"))
    )


def _set_up(connection: psycopg.Connection[Any], record: Any) -> None:
    connection.adapters.register_loader(
        0, TextBinaryLoader
    )  # for types like Optuna's enums
    pinned = {**PINNED, "idle_in_transaction_session_timeout": f"{IDLE_S}s"}
    connection.autocommit = True
    chosen = ", ".join(
        f"set_config('{name}', '{value}', false)" for name, value in pinned.items()
    )
    connection.execute(f"SELECT {chosen}")  # a binary answer needs a single statement
    connection.autocommit = False


def _note_use(connection: Any, record: Any) -> None:
    record.info["used_s"] = time.monotonic()


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """Return psycopg's connection under SQLAlchemy's."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


# --- its address ---


def parse_url(text: str, source: str = "storage URL") -> URL:
    """Return `text` as the URL of a PostgreSQL database, reached through psycopg 3.

    Args:
        text: a URL that starts with `postgresql://`, `postgres://` or
            `postgresql+psycopg://`.
        source: where the text comes from, for the message.

    Raises:
        StorageError: the text is anything else. The message never repeats it, since it
            may hold a password.

    >>> parse_url("postgres://me:secret@db.example.org/studies")
    postgresql+psycopg://me:***@db.example.org/studies
    """
    scheme, separator, _ = text.strip().partition("://")
    if not separator or scheme not in SCHEMES:
        got = (
            f"scheme={scheme}"
            if re.fullmatch(r"[a-z0-9+.]+", scheme) and separator
            else "no URL"
        )
        raise StorageError(
            f"{source}: expected the URL of a PostgreSQL database, got {got}. Workers"
            " share a study through leases, which need row locks; files and other"
            f" databases have none. Use a URL like {EXAMPLE}, or none for the embedded"
            " server."
        )
    try:
        url = sa.make_url(text.strip())
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise StorageError(
            f"{source}: expected a URL like {EXAMPLE}, got one that cannot be parsed."
            " Write special characters of the password as in %40 for @, %2F for / and"
            " %3A for :."
        ) from None  # the cause would show the text
    return _with_whole_paths(url).set(drivername="postgresql+psycopg")


def _with_whole_paths(url: URL) -> URL:
    """Return the URL with absolute paths: workers may start in another directory."""
    paths = {name: str(url.query[name]) for name in _FILES & url.query.keys()}
    files = {name: path for name, path in paths.items() if path not in ("", "system")}
    absolute = {
        name: str(Path(path).expanduser().absolute()) for name, path in files.items()
    }
    return url.update_query_dict(absolute)


def password_from_file(url: URL) -> str | None:
    """Return the password in the file `HPO_STORAGE_PASSWORD_FILE`, None if the URL
    needs none.

    The line break does not belong to the password; messages never repeat the password.

    Raises:
        StorageError: the file cannot be read, or is not one line of text.
    """
    path = settings.file("HPO_STORAGE_PASSWORD_FILE")
    if path is None or url.password or {"password", "passfile"} & set(url.query):
        return None
    where = "HPO_STORAGE_PASSWORD_FILE:"
    try:
        lines = [] if path.is_fifo() else path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise StorageError(
            f"{where} cannot read {path}: {why}. Correct the path, or let this user"
            " read the file."
        ) from None  # the cause may show a part of the password
    if len(lines) != 1 or not lines[0].strip():
        got = "an empty line" if len(lines) == 1 else f"{len(lines)} lines"
        raise StorageError(
            f"{where} expected the password alone, on one line of {path}, got {got}."
            " Write it again, as a plain file."
        )
    return lines[0]


def place(url: URL) -> str:
    """Return the database that a URL leads to, for people and without any password."""
    host = _host(url) or "the default host"
    database, user = url.database or "(default)", url.username or "(default)"
    return f"database {database} at {host}:{url.port or 5432}, user {user}"


def is_of_this_host(url: URL) -> bool:
    """Return whether the URL leads to this very host: a socket, or the loopback
    address.

    Examples:
        >>> is_of_this_host(parse_url("postgresql://me@127.0.0.1/hpo"))
        True
        >>> is_of_this_host(parse_url("postgresql://me@db.lab.example/hpo"))
        False
    """
    return (_host(url) or "/").startswith(("/", "127.", "::1", "localhost"))


def _host(url: URL) -> str:
    return str(url.host or url.query.get("host") or "")
