"""Methods that do their work in one transaction each, and wait for a database that is away."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine

from hpo.postgres.retry import retry

P = ParamSpec("P")
T = TypeVar("T")


class Transactional:
    """Something that is kept in a database."""

    def __init__(
        self,
        engine: Engine,
        *,
        patience_s: float,
        on_wait: Callable[[float, Exception], None] | None,
        pause: Callable[[float], object],
    ) -> None:
        """See ``Ledger`` for the arguments."""
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._patience_s, self._on_wait, self._pause = patience_s, on_wait, pause

    def _retry(self, work: Callable[[], T]) -> T:
        if not self._patience_s:
            return work()
        return retry(work, patience_s=self._patience_s, on_wait=self._on_wait, pause=self._pause)

    def impatient(self) -> Self:
        """The same, whose methods raise at once while the database is away."""
        other = copy.copy(self)
        other._patience_s = 0.0
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
