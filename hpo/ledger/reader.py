"""Read access to the ledger: studies, their trials, their workers.

An overview reads the trials of changed studies only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Generic, TypeVar, Unpack

from sqlalchemy import Connection, Row

from hpo.errors import SpecError, StudyError
from hpo.ledger import snapshots
from hpo.ledger.schema import ask, schema
from hpo.ledger.statements import LISTING, STUDIES
from hpo.postgres.connect import Storage, prepare_database
from hpo.postgres.retry import Patience, Transactional, statement, transaction
from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.spec import StudySpec
from hpo.study.trials import Listed, StudySnapshot, StudyState

T = TypeVar("T")
_AT_ONCE = 50
"""Number of studies per query."""


def listed(connection: Connection) -> list[Listed]:
    """Return a line per study, oldest first."""
    return [_listed(row) for row in ask(connection, LISTING)]


def _listed(row: Row[Any]) -> Listed:
    values = {
        "number": row.optuna_study_id,
        "state": StudyState(row.state),
        "problem": "",
    }
    return snapshots.from_row(Listed, row, **values)


def _mark(row: Row[Any]) -> tuple[Any, ...]:
    """Return a mark that changes with anything in a study except its workers."""
    fields = row._fields
    return (row.id, *row[fields.index("state") :])


def marks(connection: Connection, study: str) -> dict[str, tuple[Any, ...]]:
    """Return the marks of a study, and of the existing studies in its figure; see
    ``_mark``."""
    rows = {row.name: row for row in ask(connection, LISTING)}
    overlay = rows[study].overlay if study in rows else ()
    names = (study, *(overlay if isinstance(overlay, list) else ()))
    return {name: _mark(rows[name]) for name in names if name in rows}


Changes = tuple[Sequence[Row[Any]], Sequence[snapshots.Fetched]]
"""A row of every study, and the rows behind the lists for changed studies."""


class Overview(Generic[T]):
    """A cache of values made from studies' snapshots, until the study changes."""

    def __init__(self, make: Callable[[StudySnapshot], T]) -> None:
        """Create an empty cache."""
        self._make = make
        self._cache: dict[int, tuple[tuple[Any, ...], tuple[T | None, str]]] = {}

    def read(self, connection: Connection, finished: int | None = None) -> Changes:
        """Read the rows of changed studies, for ``made`` after the transaction.

        Of the studies that are done, read only the newest ``finished``.
        """
        listing = ask(connection, LISTING).all()
        done = [row.id for row in listing if row.state == StudyState.DONE]
        aside = set(done[:-finished] if finished else ())
        rows = (row for row in listing if row.id not in aside)
        changed = [row for row in rows if self._cached(row) is None]
        fetched: list[snapshots.Fetched] = []
        for briefly in (True, False):
            ids = [row.id for row in changed if row.whole != briefly]
            for start in range(0, len(ids), _AT_ONCE):
                studies = ask(
                    connection, STUDIES, ids=ids[start : start + _AT_ONCE]
                ).all()
                fetched += snapshots.fetched_studies(
                    connection, studies, briefly=briefly
                )
        gone = {row.id for row in changed} - {rows.study.id for rows in fetched}
        return [row for row in listing if row.id not in gone], fetched

    def _cached(self, row: Row[Any]) -> tuple[T | None, str] | None:
        mark, made = self._cache.get(row.id, ((), None))
        return made if mark == _mark(row) else None

    def made(self, changes: Changes) -> list[tuple[Listed, T | None]]:
        """Return every study with its value, oldest first.

        A study that cannot be read here has a ``problem`` and the value None; so has,
        without a problem, a study that was not read.
        """
        listing, fetched = changes
        made = {rows.study.id: self._made(rows) for rows in fetched}
        values = {row.id: made.get(row.id) or self._cached(row) for row in listing}
        self._cache = {
            row.id: (_mark(row), value) for row in listing if (value := values[row.id])
        }
        lines = ((_listed(row), *(values[row.id] or (None, ""))) for row in listing)
        return [
            (replace(line, problem=problem), value) for line, value, problem in lines
        ]

    def _made(self, rows: snapshots.Fetched) -> tuple[T | None, str]:
        try:
            return self._make(snapshots.built(rows)), ""
        except Exception as error:  # a bad row or an old spec affects its study alone
            return None, str(error) or type(error).__name__


class LedgerReader(Transactional):
    """Read access to the ledger; ``Ledger`` also writes, and takes longer to import."""

    def __init__(self, storage: Storage, **patience: Unpack[Patience]) -> None:
        """Open the ledger of a database; create missing tables.

        Methods retry with ``patience`` while the database is unreachable; see
        ``Transactional``.

        Raises:
            StorageError: the tables belong to another version of hpo.
        """
        super().__init__(storage.engine, **patience)
        self._overview: Overview[Result] = Overview(Result.of)
        self._retry(lambda: prepare_database(storage, schema))

    _fetched = statement(snapshots.fetched)  # no transaction idles while rows are read
    studies = transaction(listed)
    network = transaction(snapshots.network)
    open_studies = transaction(snapshots.open_studies)
    events = transaction(snapshots.newest_events)
    workers = transaction(snapshots.seen_workers)

    def named(self, name: str | None) -> str:
        """Return the name, or that of the only study of the database.

        Raises:
            StudyError: no name is given, and there is no study or several; the message
                lists them.
        """
        names = [study.name for study in self.studies()] if name is None else [name]
        if len(names) != 1:
            raise StudyError(
                f"name one of the studies: {', '.join(names) or 'there is none yet'}."
            )
        return names[0]

    def snapshot(self, name: str, *, curves: bool = False) -> StudySnapshot:
        """Return a study as it is now; without ``curves``, members come without their
        curves.

        Raises:
            StudyError: there is no such study; the message lists those that exist.
        """
        return snapshots.built(self._fetched(name, curves=curves))

    def result(self, name: str, *, curves: bool = False) -> Search | Front | Sweep:
        """Return the current result of a study; see ``snapshot``.

        Raises:
            StudyError: there is no such study.
        """
        return Result.of(self.snapshot(name, curves=curves))

    def results(
        self, finished: int | None = None
    ) -> list[tuple[Listed, Result | None]]:
        """Return every study with its result, oldest first; None if it cannot be read
        here.

        Unchanged studies are not read again. Of the studies that are done, only the
        newest ``finished`` are read; the others have None.
        """
        changes = self._within(
            self._autocommit, lambda c: self._overview.read(c, finished)
        )
        return self._overview.made(changes)

    def overlays(self, spec: StudySpec) -> list[Result]:
        """Return the other studies that a study's figure shows, if they can be read
        here."""
        results: list[Result] = []
        for name in spec.figure.overlay if spec.figure else ():
            with suppress(
                SpecError, StudyError
            ):  # no such study, or its objective is not here
                results.append(self.result(name))
        return results
