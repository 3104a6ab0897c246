"""Methods that do their work in one transaction each, and wait for a database that is away."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypedDict, TypeVar, Unpack

from sqlalchemy import Connection, Engine

from hpo.postgres.retry import retry

P = ParamSpec("P")
T = TypeVar("T")


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

    def impatient(self) -> Self:
        """The same, whose methods raise at once while the database is away."""
        other = copy.copy(self)
        other._patience = {}
        return other


def transaction(
    work: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Transactional, P], T]:
    """A method that does this work in one transaction, and again while the database is away."""

    @wraps(work)
    def transact(self: Transactional, /, *args: P.args, **kwargs: P.kwargs) -> T:
        def once() -> T:
            with self._engine.begin() as connection:
                return work(connection, *args, **kwargs)

        return self._retry(once)

    return transact


def statement(
    work: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Transactional, P], T]:
    """Likewise of work whose one statement is a transaction by itself: two round trips less."""

    @wraps(work)
    def execute(self: Transactional, /, *args: P.args, **kwargs: P.kwargs) -> T:
        def once() -> T:
            with self._autocommit.connect() as connection:
                return work(connection, *args, **kwargs)

        return self._retry(once)

    return execute
