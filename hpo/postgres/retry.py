"""Retries across restarts of the database, and messages for when retries do not help.

A passing error is retried (`retry`; for the methods of a class, `transaction` and
`statement`). A lasting error says what is wrong, and what to do (`explained`).
"""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypedDict, TypeVar, Unpack

import psycopg
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from hpo.errors import StorageError

DATABASE_ERRORS = (sa.exc.SQLAlchemyError, psycopg.Error)
"""All errors of a database or its connection."""
P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_S = 600.0
RIGHTS_S = 3600.0
"""Longest wait of a process that the database has let in before for a role or rights
that are missing."""
SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# Classes of SQLSTATE: connection, rollback (serialization, deadlock), resources,
# operator's intervention (a shutdown), system error (a full disk); then single codes
# that time does (not) fix.
PASSING_CLASSES = {"08", "40", "53", "57", "58"}
PASSING = {"55P03", "25P03", "25P04"}  # lock not available; idle, or open, for too long
# schema, table, type, function or unique index is missing: the tables, which exist
# since the database was opened, are being restored; or tables of the same name, or half
# a table, appear while ours are created
MISSING = {"3F000", "42P01", "42704", "42883", "42P10", "42830", "42P07", "42710"}
_REPLACED = r"cache lookup failed|could not open relation with OID|cached plan"
"""Words of errors that have no code of their own while tables are being restored."""
LASTING = {
    "57014",
    "57P04",
}  # query cancelled (as by statement_timeout), database dropped
# What time does not mend, tried in this order: libpq gives no error code when a
# connection fails. Roles, rights and a database may come back, see `lacks_rights`.
RIGHTS = {"28000", "28P01", "3D000", "42501"}
_RIGHTS = (
    (
        r"no pg_hba\.conf entry",
        "the server does not let this user in from this host",
        (
            "Ask its administrator for a line in pg_hba.conf; if that says hostssl, and"
            " the connection had no encryption, add"
            " ?sslmode=verify-full&sslrootcert=CA.crt to the URL."
        ),
    ),
    (
        (
            r"authentication failed|no password supplied|role .* does not exist|not"
            r" permitted to log"
        ),
        "wrong user or password",
        (
            "Correct them in the URL (write special characters as in %40 for @), or the"
            " password in the file that HPO_STORAGE_PASSWORD_FILE names."
        ),
    ),
    (
        r"database .* does not exist",
        "no such database",
        "Create it with `createdb`, or correct its name in the URL.",
    ),
)
_REFUSALS = (
    *_RIGHTS,
    (
        r"does not match host name|certificate verify failed|root certificate file",
        (
            "cannot verify the server's certificate: it must name the host in the URL"
            " (subjectAltName) and be signed by the CA in the file that sslrootcert"
            " names"
        ),
        (
            "Get ca.crt from the server's administrator, or have another certificate"
            " made. Do not lower sslmode: this may be another server."
        ),
    ),
    (
        r"certificate|support SSL|SSL was required|SSL error: (?!unexpected eof)",
        "no encrypted connection as the URL asks for",
        (
            "Check sslmode, sslrootcert and the like in the URL, or ask the server's"
            " administrator."
        ),
    ),
    (
        r"invalid connection option|invalid \w+ value|bad value for",
        "the URL has a wrong option of libpq after the ?",
        "Correct or remove the option in the URL.",
    ),
)
# What passes.
_CONNECTIONS = (
    (
        r"too many connections for role",
        "no connection is left to this user",
        (
            "Its limit is rolconnlimit in pg_roles. Run fewer workers, launches and"
            " dashboards as this user, raise the limit (docker/worker-role.sql -v"
            " connections=N), or put a pooler in front."
        ),
    ),
    (
        r"too many connections for database",
        "no connection is left to this database",
        (
            "Its limit is datconnlimit in pg_database. Run fewer workers, launches and"
            " dashboards, raise the limit (ALTER DATABASE ... CONNECTION LIMIT), or put"
            " a pooler in front."
        ),
    ),
    (
        r"too many clients|remaining connection slots",
        "the server has no connection left",
        (
            "End workers or dashboards that are not needed, or raise its"
            " max_connections; the embedded server has 200, so use a PostgreSQL of"
            " your own for more."
        ),
    ),
)
_SHORTAGES = (
    *_CONNECTIONS,
    (
        r"No space left on device",
        "the disk of the server is full",
        "Free some space there.",
    ),
)


class MissingTablesError(StorageError):
    """Tables are missing or empty, as while a backup is being restored; passes."""


def retry(
    work: Callable[[], T],
    *,
    patience_s: float = PATIENCE_S,
    on_wait: Callable[[float, Exception], None] | None = None,
    pause: Callable[[float], object] = time.sleep,
    standing: bool = False,
) -> T:
    """Return `work()`, with retries while the database is unreachable or asks for a
    repetition.

    Pauses are random, up to a limit that grows from 0.1 s to 5 s, so that many workers
    do not return at once.

    Args:
        work: opens its own transaction, and may run twice: a connection can be lost
            between the server's commit and its answer.
        patience_s: time to give up, after the first failure.
        on_wait: called before each pause with the seconds since the first failure and
            the error; it may raise to end the waiting.
        pause: sleeps for a number of seconds, or less.
        standing: the database has let this process in before: also wait for a role,
            a password, rights or a database that are missing, as after a restore.

    Raises:
        StorageError: the database was unreachable for too long.
        Exception: any other error of `work`, at once; among these, unless `standing`,
            wrong passwords and missing databases.
    """
    outage = Outage(patience_s, standing=standing)
    longest_s = SHORTEST_PAUSE_S
    while True:
        try:
            return work()
        except Exception as error:
            waited_s = outage.check(error)
            if on_wait:
                on_wait(waited_s, error)
            pause(min(random.uniform(0, longest_s), patience_s - waited_s))
            longest_s = min(LONGEST_PAUSE_S, 2 * longest_s)


class Outage:
    """An outage of the database: how long it has lasted, and whether to wait for its
    end."""

    def __init__(self, patience_s: float, *, standing: bool = False) -> None:
        """Take the limits of ``retry``."""
        self._patience_s = patience_s
        self._standing = standing
        self._began_s: float | None = None

    def check(self, error: Exception) -> float:
        """Return the seconds since the first error, if its end is worth waiting for.

        Raises:
            StorageError: it has lasted for too long.
            Exception: ``error``, if time does not mend it.
        """
        limit_s = self._patience_s
        if not is_passing(error):
            if not (self._standing and lacks_rights(error)):
                raise error
            limit_s = min(limit_s, RIGHTS_S)
        now = time.monotonic()
        if self._began_s is None:
            self._began_s = now
        waited_s = now - self._began_s
        if waited_s >= limit_s:
            raise _give_up(error, limit_s) from error
        return waited_s


def _give_up(error: Exception, patience_s: float) -> StorageError:
    """Return an error that says what was waited for in vain, and what to do."""
    if lacks_tables(error):
        return StorageError(
            f"database: tables are missing after {patience_s:.0f} s. Restore a backup"
            " to its end, then start this again."
        )
    if lacks_rights(error):
        return StorageError(
            f"database: it has refused this role for {patience_s:.0f} s:"
            f" {said_by(error)}. Give the role its password and its rights back, then"
            " start this again: the study continues where it was."
        )
    shortage = lack_of_connections(error)
    if shortage is not None:
        problem, remedy = shortage
        return StorageError(
            f"database: {problem}, for {patience_s:.0f} s. {remedy} Then start this"
            " again: the study continues where it was."
        )
    return StorageError(
        f"database: no answer within {patience_s:.0f} s: {error}. Restart the server,"
        " then the worker: the study continues where it was."
    )


def outage_text(error: Exception) -> str:
    """Return what an error that is retried says of the database, in a few words."""
    if any(isinstance(cause, psycopg.errors.DiskFull) for cause in _causes(error)):
        return "the disk of the database is full"
    if lacks_tables(error):
        return "tables of the database are missing or replaced, as during a restore"
    if lacks_rights(error):
        return "the database refuses this role, as after a restore without its rights"
    shortage = lack_of_connections(error)
    if shortage is not None:
        return shortage[0]
    return "database unreachable"


def lacks_tables(error: BaseException) -> bool:
    """Return whether a cause of an error is that tables are missing or replaced."""
    return any(_is_of_a_restore(cause) for cause in _causes(error))


def lacks_rights(error: BaseException) -> bool:
    """Return whether a cause of an error is that a role, its password, a right or the
    database is missing: a restore may bring them back later than the tables."""
    return any(_is_refused(cause) for cause in _causes(error))


def lack_of_connections(error: BaseException) -> tuple[str, str] | None:
    """Return what is wrong and what to do if a cause of an error is that the database
    is reached, and has no connection left; else None."""
    for cause in _causes(error):
        if isinstance(cause, psycopg.OperationalError):
            return _match(_CONNECTIONS, said_by(cause))
    return None


def _is_refused(error: BaseException) -> bool:
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is not None:
        return error.sqlstate in RIGHTS
    return _match(_RIGHTS, said_by(error)) is not None


def may_come_back(error: BaseException) -> bool:
    """Return whether a process that the database has let in before should wait."""
    return is_passing(error) or lacks_rights(error)


def _is_of_a_restore(error: BaseException) -> bool:
    if not isinstance(error, psycopg.Error):
        return isinstance(error, MissingTablesError)
    if error.sqlstate in ("XX000", "0A000"):
        return re.search(_REPLACED, said_by(error)) is not None
    return error.sqlstate in MISSING


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, and so on to the first one."""
    while error is not None:
        yield error
        error = error.__cause__


@contextmanager
def answering(place: str) -> Iterator[None]:
    """Turn an outage within ``with`` into a message; ``place`` names the database.

    Raises:
        StorageError: the database became unreachable.
    """
    try:
        yield
    except Exception as error:
        if not is_passing(error) or isinstance(error, MissingTablesError):
            raise
        words = f"{place}: the database does not answer: {said_by(error)}. Try again."
        raise StorageError(words) from error


def is_passing(error: BaseException) -> bool:
    """Return whether time may fix `error` or one of its causes.

    Optuna raises errors of its own from SQLAlchemy's, and so does `open_storage`.
    """
    return any(_passes(cause) for cause in _causes(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, sa.exc.DBAPIError):
        return error.connection_invalidated
    # another thread has the connection, and waits; or the connection is closed
    if isinstance(error, sa.exc.TimeoutError | psycopg.InterfaceError):
        return True
    if isinstance(error, psycopg.Error) and _may_be_mended(error):
        return True
    return _is_of_a_restore(error)


def _may_be_mended(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:
        return (
            isinstance(error, psycopg.OperationalError)
            and _match(_REFUSALS, said_by(error)) is None
        )
    return state in PASSING or (state[:2] in PASSING_CLASSES and state not in LASTING)


def explained(error: Exception, place: str, timeout_s: object) -> StorageError:
    """Return an error that says why a connection failed within `timeout_s`, and what to
    do.

    The error is psycopg's, or SQLAlchemy's around it; `place` names the database.
    """
    words = said_by(error)
    problem, remedy = _match((*_REFUSALS, *_SHORTAGES), words) or (
        f"cannot connect within {timeout_s} s",
        (
            "Check host and port in the URL, that the server runs, and that no firewall"
            " is between."
        ),
    )
    return StorageError(f"{place}: {problem}: {words}. {remedy}")


def _match(
    refusals: Iterable[tuple[str, str, str]], words: str
) -> tuple[str, str] | None:
    """Return problem and remedy of the refusal that the server's words are."""
    for pattern, problem, remedy in refusals:
        if re.search(pattern, words):
            return problem, remedy
    return None


def said_by(error: Exception) -> str:
    """Return the driver's message on one line, without its advice, some of which
    misleads."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    words = re.sub(
        r"Is the server running[^?]*\?|Either provide the file.*", "", str(cause)
    )
    return " ".join(words.split())[:500].rstrip(".")


class Patience(TypedDict, total=False):
    """Options of retries while the database is unreachable."""

    patience_s: float
    """Time limit; with 0, errors (``sqlalchemy.exc.SQLAlchemyError``) are raised at
    once."""
    on_wait: Callable[[float, Exception], None] | None
    """Called before every pause with the seconds waited so far and the error."""
    pause: Callable[[float], object]
    """Sleeps for a number of seconds, or less."""
    standing: bool
    """Whether to wait for roles and rights, too; see ``retry``."""


class Transactional:
    """Base of classes whose methods are transactions."""

    def __init__(self, engine: Engine, **patience: Unpack[Patience]) -> None:
        """Take an engine, and options of retries; without ``patience_s`` there are
        none."""
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._patience = patience

    def _retry(self, work: Callable[[], T]) -> T:
        if not self._patience.get("patience_s"):
            return work()
        return retry(work, **self._patience)

    def stand(self) -> None:
        """Note that the database has let this process in: from now on, retries wait
        for missing roles and rights, too."""
        self._patience["standing"] = True

    def impatient(self) -> Self:
        """Return a copy whose methods raise at once while the database is
        unreachable."""
        other = copy.copy(self)
        other._patience = {}
        return other


Work = Callable[Concatenate[Connection, P], T]
Method = Callable[Concatenate[Transactional, P], T]


def transaction(work: Work[P, T], *, autocommit: bool = False) -> Method[P, T]:
    """Return a method that runs this work in one transaction, with retries."""

    @wraps(work)
    def method(self: Transactional, /, *args: P.args, **kwargs: P.kwargs) -> T:
        engine = self._autocommit if autocommit else self._engine

        def once() -> T:
            with engine.begin() as connection:
                return work(connection, *args, **kwargs)

        return self._retry(once)

    return method


def statement(work: Work[P, T]) -> Method[P, T]:
    """Return such a method for a single statement, its own transaction: two round trips
    less."""
    return transaction(work, autocommit=True)
