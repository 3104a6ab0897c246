"""Work on the database that survives its restart, and what is said when that does not help.

An error passes, and work is done again (`retry`; every method of a class by `transaction` and
`statement`), or it lasts: then it must say what is wrong, and what to do (`explained`).
"""

from __future__ import annotations

import copy
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypedDict, TypeVar, Unpack

import psycopg
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from hpo.errors import StorageError

DATABASE_ERRORS = (sa.exc.SQLAlchemyError, psycopg.Error)
"""Whatever goes wrong in or with a database."""
P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_S = 600.0
SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# Classes of SQLSTATE: connection, rollback (serialization, deadlock), resources, operator's
# intervention (a shutdown), system error (a full disk); then single codes that time does (not)
# mend.
PASSING_CLASSES = {"08", "40", "53", "57", "58"}
PASSING = {"55P03", "25P03", "25P04"}  # lock not available; idle, or open, for too long
LASTING = {"57014", "57P04"}  # query cancelled (as by statement_timeout), database dropped
# In the order of asking: libpq gives no error code when a connection fails.
_REFUSALS = (
    (
        r"no pg_hba\.conf entry",
        "the server must let this user in from this host",
        "Ask its administrator for a line in pg_hba.conf; if that says hostssl, and the connection "
        "had no encryption, add ?sslmode=verify-full&sslrootcert=CA.crt to the URL.",
    ),
    (
        r"authentication failed|no password supplied|role .* does not exist|not permitted to log",
        "user and password must be right",
        "Correct them in the URL (write special characters as in %40 for @), or the password in "
        "the file that HPO_STORAGE_PASSWORD_FILE names.",
    ),
    (
        r"database .* does not exist",
        "the database must exist",
        "Create it with `createdb`, or correct its name in the URL.",
    ),
    (
        r"does not match host name|certificate verify failed|root certificate file",
        "the server's certificate must be valid, made for the host name in the URL (subjectAltName)"
        ", and signed by the CA in the file that sslrootcert names",
        "Get ca.crt from the server's administrator, or have another certificate made. Do not "
        "lower sslmode: this may be another server.",
    ),
    (
        r"certificate|support SSL|SSL was required|SSL error: (?!unexpected eof)",
        "an encrypted connection must be possible as asked for",
        "Check sslmode, sslrootcert and the like in the URL, or ask the server's administrator.",
    ),
    (
        r"invalid connection option|invalid \w+ value|bad value for",
        "what follows the ? must be options of libpq",
        "Correct or remove the option in the URL.",
    ),
)


def retry(
    work: Callable[[], T],
    *,
    patience_s: float = PATIENCE_S,
    on_wait: Callable[[float, Exception], None] | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> T:
    """Return `work()`, done again while the database is away or asks for a repetition.

    Pauses grow from 0.1 s to 5 s, and are random up to that, so that many workers do not come back
    at once.

    Args:
        work: opens its own transaction, and may be done twice: a connection can be lost after the
            server committed and before it said so.
        patience_s: time after the first failure at which to give up.
        on_wait: called before each pause with the seconds since the first failure and the error. It
            may raise, to end the waiting.
        pause: waits for so many seconds, or shorter if there is a reason to.

    Raises:
        StorageError: the database stayed away for too long.
        Exception: whatever else `work` raises, at once; so are wrong passwords and missing
            databases.
    """
    began: float | None = None
    longest_s = SHORTEST_PAUSE_S
    while True:
        try:
            return work()
        except Exception as error:
            if not is_passing(error):
                raise
            now = time.monotonic()
            began = now if began is None else began
            waited_s = now - began
            if waited_s >= patience_s:
                raise StorageError(
                    f"database: it must answer within {patience_s:.0f} s, but got: {error}. "
                    "Start the server again, then the worker: the study goes on where it was."
                ) from error
            if on_wait:
                on_wait(waited_s, error)
            pause(min(random.uniform(0, longest_s), patience_s - waited_s))
            longest_s = min(LONGEST_PAUSE_S, 2 * longest_s)


@contextmanager
def answering(place: str) -> Iterator[None]:
    """Within ``with``, a database that goes away becomes a message; ``place`` says which one.

    Raises:
        StorageError: it went away meanwhile.
    """
    try:
        yield
    except Exception as error:
        if not is_passing(error):
            raise
        words = f"the database must answer, but got: {said_by(error)}"
        raise StorageError(f"{place}: {words}. Try again.") from error


def is_passing(error: BaseException | None) -> bool:
    """Return whether time may mend `error`; the causes of an error count, too.

    Optuna raises errors of its own from SQLAlchemy's, and so does `open_storage`.
    """
    while error is not None:
        lost = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
        # another thread has the connection, and waits; or the connection is closed
        if lost or isinstance(error, sa.exc.TimeoutError | psycopg.InterfaceError):
            return True
        if isinstance(error, psycopg.Error) and _passes(error):
            return True
        error = error.__cause__
    return False


def _passes(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError) and _refusal(said_by(error)) is None
    return state in PASSING or (state[:2] in PASSING_CLASSES and state not in LASTING)


def explained(error: Exception, place: str, timeout_s: object) -> StorageError:
    """Return what is wrong with a connection that failed within `timeout_s`, and what to do.

    The error is psycopg's, or SQLAlchemy's around it; `place` is the database, for people.
    """
    words = said_by(error)
    rule, remedy = _refusal(words) or (
        f"the server must accept connections within {timeout_s} s",
        "Check host and port in the URL, that the server runs, and that no firewall is between.",
    )
    return StorageError(f"{place}: {rule}, but got: {words}. {remedy}")


def _refusal(words: str) -> tuple[str, str] | None:
    """Return what no time mends, and what does, if a connection was refused for that."""
    for pattern, rule, remedy in _REFUSALS:
        if re.search(pattern, words):
            return rule, remedy
    return None


def said_by(error: Exception) -> str:
    """Return what the driver said, on one line, without its advice, some of which misleads."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    words = re.sub(r"Is the server running[^?]*\?|Either provide the file.*", "", str(cause))
    return " ".join(words.split())[:500].rstrip(".")


class Patience(TypedDict, total=False):
    """How work waits for a database that is away."""

    patience_s: float
    """For so long; with 0, errors (``sqlalchemy.exc.SQLAlchemyError``) are raised at once."""
    on_wait: Callable[[float, Exception], None] | None
    """Told of every wait, with the seconds waited so far and the error."""
    pause: Callable[[float], object]
    """Waits for so many seconds, or less if something calls."""


class Transactional:
    """Something that is kept in a database."""

    def __init__(self, engine: Engine, **patience: Unpack[Patience]) -> None:
        """Nothing is asked yet; without ``patience_s``, nothing is waited for either."""
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._patience = patience

    def _retry(self, work: Callable[[], T]) -> T:
        return retry(work, **self._patience) if self._patience.get("patience_s") else work()

    def _within(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        def once() -> T:
            with engine.begin() as connection:
                return work(connection)

        return self._retry(once)

    def impatient(self) -> Self:
        """The same, whose methods raise at once while the database is away."""
        other = copy.copy(self)
        other._patience = {}
        return other


def transaction(
    work: Callable[Concatenate[Connection, P], T], engine: str = "_engine"
) -> Callable[Concatenate[Transactional, P], T]:
    """A method that does this work in one transaction, and again while the database is away."""

    @wraps(work)
    def method(self: Transactional, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._within(getattr(self, engine), lambda each: work(each, *args, **kwargs))

    return method


def statement(
    work: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Transactional, P], T]:
    """Likewise of work whose one statement is a transaction by itself: two round trips less."""
    return transaction(work, "_autocommit")
