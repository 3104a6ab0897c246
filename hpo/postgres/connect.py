"""One way to reach PostgreSQL: a URL, or the embedded server.

Which database: the argument of `open_storage`, else `HPO_STORAGE`, else the embedded server in
`HPO_HOME`.

    with open_storage(prepare=schema) as storage:
        with storage.engine.begin() as connection: ...
        optuna.load_study(study_name="seqdigits", storage=storage.optuna())
"""

from __future__ import annotations

import json
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
"""Options of libpq that are paths; it takes `~` for a directory of that name."""
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
OLDEST_MAJOR = 13
CONNECT_TIMEOUT_S = 10
RESTART_S = 30.0
"""Who opens a database waits so long for a server that may be starting anew."""
CONNECTIONS = 4
"""The most that a process holds; a worker holds one, and a second one while its heart beats in the
middle of a transaction: a checkpoint that takes long must not cost it its lease."""
PING_S = 1.0
"""Workers try a connection that was idle for so long before they use it, which is a round trip.
Others always do: they do not repeat what fails."""
IDLE_S = 20
"""A process that says nothing for so long in the middle of a transaction, holding its locks, is
paused or gone: the server ends its session."""
SCHEMA_LOCK = 0x68706F  # "hpo", the key of the advisory lock
PINNED = {
    "TimeZone": "UTC",
    "client_encoding": "UTF8",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""What a session is set to, whatever server, database and role say, besides ``IDLE_S``.

No result depends on them, since behind a pooler a transaction may run on a session that others
have set: values come in binary (``Cursor``), and a transaction says itself how it is isolated.
"""
_LIBPQ = {
    "application_name": "hpo",
    "connect_timeout": CONNECT_TIMEOUT_S,
    # A host that vanished is noticed within a minute rather than hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""Options of libpq for what the URL leaves open."""


class Cursor(psycopg.Cursor[Any]):
    """Values come as they are, not as text: no setting decides how many digits a number has."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """As psycopg's."""
        super().__init__(*args, **options)
        self.format = psycopg.pq.Format.BINARY


class Unreadable(Mapping[str, Any]):
    """In place of JSON that is none to Python, as of thousands of brackets, which nobody of ours
    writes: whoever makes use of it is told so."""

    def __getitem__(self, *_: object) -> NoReturn:
        """Refuse it, whatever is asked of it."""
        raise StorageError(
            "the database holds JSON that cannot be read, as nobody of ours writes it. Restore a "
            "backup under another name: hpo import FILE --name NEW."
        )

    __iter__ = __len__ = __getitem__


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Unreadable()


@dataclass(frozen=True)
class Schema:
    """The tables of a program, and how to make them.

    Attributes:
        is_current: says whether everything is there, with SELECTs only.
        create: creates what is missing; runs in one transaction, in one process at a time.
    """

    is_current: Callable[[Connection], bool]
    create: Callable[[Connection], None]


class Storage:
    """A PostgreSQL database with Optuna's tables. Close it, or use it in `with`.

    Attributes:
        engine: SQLAlchemy engine; its sessions are set as `PINNED` says.
        url: with it, another process of the same environment reaches the same database. It holds
            the password, if the database was given by a URL with one: do not print it.
        embedded: whether this is the embedded server.
    """

    def __init__(self, url: URL, embedded: Embedded | None, *, worker: bool) -> None:
        """Take what `open_storage` found out."""
        self.url = url.render_as_string(hide_password=False)
        self.embedded = embedded is not None
        self._server = embedded
        self._optuna: dict[bool, RDBStorage] = {}
        self._ping_s = PING_S if worker else 0.0
        options = {name: value for name, value in _LIBPQ.items() if name not in url.query}
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
        """Return which database this is, for people: without any password."""
        return f"PostgreSQL {self._version()}, {self.place()}"

    def encryption(self) -> tuple[bool, bool] | None:
        """Return whether the connection is encrypted, and whether it is known whose server it is.

        None where nothing leaves this host, and nobody asked for more.
        """
        with self.engine.connect() as connection:
            driver = driver_of(connection)
            verified = driver.info.get_parameters().get("sslmode") == "verify-full"
            local = is_of_this_host(self.engine.url)
            return None if local and not verified else (driver.pgconn.ssl_in_use, verified)

    def place(self) -> str:
        """Return where the database is, without asking it."""
        if self._server:
            home = self._server.layout.home
            return f"database {self.engine.url.database} of the embedded server in {home}"
        return place(self.engine.url)

    def optuna(self, *, read_only: bool = False) -> RDBStorage:
        """Return Optuna's view of the database. Only reads, since the tables are there.

        With ``read_only`` the database refuses whatever would write.

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
        """The server's version; the first to connect, it explains what is wrong if that fails."""
        try:
            with self.engine.connect() as connection:
                version = driver_of(connection).info.server_version  # 180004 for 18.4
        except DATABASE_ERRORS as error:
            limit_s = self.engine.url.query.get("connect_timeout", CONNECT_TIMEOUT_S)
            raise explained(error, self.place(), limit_s) from error
        if version < OLDEST_MAJOR * 10000:
            raise StorageError(
                f"{self.place()}: the server must be PostgreSQL {OLDEST_MAJOR} or newer, but got "
                f"version={version // 10000}.{version % 10000}. Use a newer server, or the "
                "embedded one."
            )
        return f"{version // 10000}.{version % 10000}"

    def _before_connecting(self, dialect: Any, record: Any, arguments: Any, options: Any) -> None:
        """Before each new connection: start the embedded server again if it died.

        A password in a file is read anew: it may have been changed while a worker runs.
        """
        if self._server is None:
            if password := password_from_file(self.engine.url):
                options["password"] = password
            return
        try:
            self._server.revive()
            options["password"] = read_password(self._server.layout)  # else PGPASSWORD would win
        except StorageError as error:  # so that it is retried like any other failure to connect
            raise psycopg.OperationalError(str(error)) from error

    def _check_idle(self, connection: Any, record: Any, proxy: Any) -> None:
        """Ask a connection that was idle for a while whether it still stands: a round trip."""
        if time.monotonic() - record.info.get("used_s", 0.0) < self._ping_s:
            return
        # Not ``do_ping`` of SQLAlchemy: where Ctrl-C comes between question and answer, it hides
        # that behind an error of the driver, and opens a new connection as if nothing had happened.
        try:
            connection.autocommit = True
            connection.execute("SELECT 1", prepare=False)
        except BaseException as error:
            connection.close()
            if isinstance(error, psycopg.Error):
                raise sa.exc.DisconnectionError(str(error)) from error
            raise
        connection.autocommit = False

    def _rdb_storage(self, *, create: bool = False, read_only: bool = False) -> RDBStorage:
        from optuna.storages import RDBStorage

        # the same settings and events, connections of its own
        pool = self.engine.pool.recreate()
        options = {"execution_options": {"postgresql_readonly": True}} if read_only else {}
        try:
            storage = RDBStorage(
                self.url,
                engine_kwargs={**options, "pool": pool},
                skip_table_creation=not create,
                skip_compatibility_check=True,  # ours says what to do
            )
            found, wanted = storage.get_current_version(), storage.get_head_version()
            if found != wanted:
                raise StorageError(
                    f"{self.place()}: Optuna's tables must be of version {wanted}, but got "
                    f"version={found}. If it is older, back the database up and run `optuna "
                    "storage upgrade --storage URL`; if it is newer, upgrade this project."
                )
        except BaseException:
            pool.dispose()
            raise
        storage.engine_kwargs = {**options, "poolclass": sa.NullPool}  # of what is pickled
        return storage


def open_storage(
    url: str | None = None, *, prepare: Schema | None = None, worker: bool = False
) -> Storage:
    """Return the database at `url`, else `HPO_STORAGE`, else on the embedded server.

    Args:
        url: PostgreSQL URL. That of a `Storage` on the embedded server of this HPO_HOME keeps that
            server alive, too.
        prepare: tables of our own, created beside Optuna's if they are not there.
        worker: for a worker, which holds one connection, and repeats what fails.

    Raises:
        StorageError: it cannot be reached or used; the message says why and what to do.
    """
    own = Embedded(settings.home())
    with ExitStack() as on_failure:
        on_failure.callback(own.release)
        if url is not None:
            parsed = parse_url(url, "storage URL")
        elif (chosen := settings.storage_url()) is not None:
            parsed = parse_url(chosen, "HPO_STORAGE")
        else:
            parsed = sa.make_url(own.acquire())
        server = own if parsed.query.get("passfile") == str(own.layout.password) else None
        if server:
            server.acquire()
        storage = Storage(parsed, server, worker=worker)
        on_failure.callback(storage.close)
        _open(storage, prepare, patience_s=0.0 if worker else RESTART_S)
        on_failure.pop_all()
    return storage


def _open(storage: Storage, prepare: Schema | None, patience_s: float) -> None:
    """Connect for the first time, and create what is missing.

    A server that may be starting anew is waited for: it is ours, or has answered once. Of others,
    the address may be wrong; and one that is silent for so long is not about to start.
    """
    known, doing = storage.embedded, "does not answer yet"

    def work() -> None:
        nonlocal known, doing
        storage._version()
        known, doing = True, "is being prepared"
        with answering(storage.place()):
            prepare_database(storage, prepare)

    def wait(waited_s: float, error: Exception) -> None:
        cause = getattr(error.__cause__, "orig", None)
        silent = isinstance(cause, psycopg.errors.ConnectionTimeout)
        if not known or silent or waited_s >= patience_s:
            raise error

    with said_if_slow(lambda: f"{storage.place()} {doing}"):
        retry(work, on_wait=wait)


def prepare_database(storage: Storage, schema: Schema | None = None) -> None:
    """Create what is missing of Optuna's tables and of `schema`, once, however many processes ask.

    A complete database costs a few SELECTs; no lock, and no right to create anything.

    Raises:
        StorageError: the user may not create tables, or Optuna's are of another version.
    """

    try:
        with storage.engine.connect() as connection:
            ours = schema is None or schema.is_current(connection)
            if ours and _has_optuna(connection):
                return
        with storage.engine.begin() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
            if not _has_optuna(connection):
                storage._rdb_storage(create=True).engine.dispose()
            if schema is not None and not schema.is_current(connection):
                schema.create(connection)
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
            raise
        raise StorageError(
            f"{storage.place()}: the user must be allowed to create tables the first time, but "
            f"got: {said_by(error)}. Run `hpo storage migrate` as a user who is, or: GRANT CREATE "
            "ON DATABASE ..., GRANT CREATE ON SCHEMA public."
        ) from error


def _has_optuna(connection: Connection) -> bool:
    """Return whether Optuna's tables are complete: it writes the row of `alembic_version` last."""
    there = connection.scalar(sa.text("SELECT to_regclass('alembic_version') IS NOT NULL"))
    return bool(there) and bool(connection.scalar(sa.text("SELECT count(*) FROM alembic_version")))


def _set_up(connection: psycopg.Connection[Any], record: Any) -> None:
    connection.adapters.register_loader(0, TextBinaryLoader)  # of types like Optuna's enums
    pinned = {**PINNED, "idle_in_transaction_session_timeout": f"{IDLE_S}s"}
    connection.autocommit = True
    chosen = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in pinned.items())
    connection.execute(f"SELECT {chosen}")  # a statement that is answered in binary stands alone
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
        text: a URL that starts with `postgresql://`, `postgres://` or `postgresql+psycopg://`.
        source: where the text comes from, for the message.

    Raises:
        StorageError: it is anything else. The message never repeats the text, which may hold a
            password.

    >>> parse_url("postgres://me:secret@db.example.org/studies")
    postgresql+psycopg://me:***@db.example.org/studies
    """
    scheme, separator, _ = text.strip().partition("://")
    if not separator or scheme not in SCHEMES:
        got = f"scheme={scheme}" if re.fullmatch(r"[a-z0-9+.]+", scheme) and separator else "no URL"
        raise StorageError(
            f"{source}: the storage must be a PostgreSQL database, but got {got}. Many workers "
            "share a study, and their leases need row locks, which files and other databases "
            f"do not give. Use a URL like {EXAMPLE}, or none for the embedded server."
        )
    try:
        url = sa.make_url(text.strip())
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or "@" in (url.host or ""):
        raise StorageError(
            f"{source}: the URL must read like {EXAMPLE}, but got one that cannot be taken apart. "
            "Write special characters of the password as in %40 for @, %2F for / and %3A for :."
        ) from None  # the cause would show the text
    return _with_whole_paths(url).set(drivername="postgresql+psycopg")


def _with_whole_paths(url: URL) -> URL:
    """The URL with its files by absolute paths: workers may be started from another directory."""
    paths = {name: str(url.query[name]) for name in _FILES & url.query.keys()}
    named = {name: path for name, path in paths.items() if path not in ("", "system")}
    whole = {name: str(Path(path).expanduser().absolute()) for name, path in named.items()}
    return url.update_query_dict(whole)


def password_from_file(url: URL) -> str | None:
    """Return what the file of `HPO_STORAGE_PASSWORD_FILE` holds, None where the URL needs none.

    The end of its line does not belong to the password; messages never repeat it.

    Raises:
        StorageError: it cannot be read, or is not one line of text.
    """
    path = settings.file("HPO_STORAGE_PASSWORD_FILE")
    if path is None or url.password or {"password", "passfile"} & set(url.query):
        return None
    where = "HPO_STORAGE_PASSWORD_FILE: the file must"
    try:
        lines = [] if path.is_fifo() else path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise StorageError(
            f"{where} be readable, but got {path}: {why}. Correct the path, or let this user read "
            "it."
        ) from None  # the cause may show a part of the password
    if len(lines) != 1 or not lines[0].strip():
        found = "an empty line" if len(lines) == 1 else f"{len(lines)} lines"
        raise StorageError(
            f"{where} hold the password and nothing else, on one line, but got {path} with "
            f"{found}. Write it anew, as a plain file."
        )
    return lines[0]


def place(url: URL) -> str:
    """Return which database a URL leads to, for people: without any password."""
    host = _host(url) or "the default host"
    database, user = url.database or "(default)", url.username or "(default)"
    return f"database {database} at {host}:{url.port or 5432}, user {user}"


def is_of_this_host(url: URL) -> bool:
    """Whether no other host reaches the database by this URL: a socket, or the loopback address.

    Examples:
        >>> is_of_this_host(parse_url("postgresql://me@127.0.0.1/hpo"))
        True
        >>> is_of_this_host(parse_url("postgresql://me@db.lab.example/hpo"))
        False
    """
    return (_host(url) or "/").startswith(("/", "127.", "::1", "localhost"))


def _host(url: URL) -> str:
    return str(url.host or url.query.get("host") or "")
