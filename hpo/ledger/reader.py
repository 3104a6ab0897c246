"""The ledger for those who only look: studies, their trials, their workers.

Of every study as it is now, trials are read of those alone that have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar, Unpack

from sqlalchemy import Connection, Row

from hpo.errors import StudyError
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
"""So many studies are read with one question."""


def listed(connection: Connection) -> list[Listed]:
    """Every study in a line, oldest first."""
    return [_listed(row) for row in ask(connection, LISTING)]


def _listed(row: Row[Any]) -> Listed:
    known = {"number": row.optuna_study_id, "state": StudyState(row.state), "problem": ""}
    return snapshots.filled(Listed, row, **known)


def _mark(row: Row[Any]) -> tuple[Any, ...]:
    """What differs whenever anything of a study does, but for who is at work on it."""
    fields = row._fields
    return (row.id, *row[fields.index("state") :])


def marks(connection: Connection, study: str) -> dict[str, tuple[Any, ...]]:
    """The marks of a study, and of those that its figure is drawn with, as far as they are there.

    A mark differs whenever anything of its study does, but for who is at work on it.
    """
    rows = {row.name: row for row in ask(connection, LISTING)}
    overlay = rows[study].overlay if study in rows else ()
    wanted = (study, *(overlay if isinstance(overlay, list) else ()))
    return {name: _mark(rows[name]) for name in wanted if name in rows}


Changes = tuple[Sequence[Row[Any]], Sequence[snapshots.Fetched]]
"""A row of every study, and of those that have changed all that lists show."""


class Overview(Generic[T]):
    """What is made of every study's snapshot, and kept until the study has changed."""

    def __init__(self, make: Callable[[StudySnapshot], T]) -> None:
        """Nothing is read yet."""
        self._make = make
        self._kept: dict[int, tuple[tuple[Any, ...], tuple[T | None, str]]] = {}

    def read(self, connection: Connection, finished: int | None = None) -> Changes:
        """The rows of what has changed; ``made`` makes it, when the transaction is over.

        Of the studies that are done, only the newest ``finished`` are read.
        """
        listing = ask(connection, LISTING).all()
        done = [row.id for row in listing if row.state == StudyState.DONE]
        aside = set(done[:-finished] if finished else ())
        rows = (row for row in listing if row.id not in aside)
        changed = [row for row in rows if self._known(row) is None]
        fetched: list[snapshots.Fetched] = []
        for briefly in (True, False):
            ids = [row.id for row in changed if row.whole != briefly]
            for start in range(0, len(ids), _AT_ONCE):
                studies = ask(connection, STUDIES, ids=ids[start : start + _AT_ONCE]).all()
                fetched += snapshots.fetched_studies(connection, studies, briefly=briefly)
        gone = {row.id for row in changed} - {rows.study.id for rows in fetched}
        return [row for row in listing if row.id not in gone], fetched

    def _known(self, row: Row[Any]) -> tuple[T | None, str] | None:
        mark, made = self._kept.get(row.id, ((), None))
        return made if mark == _mark(row) else None

    def made(self, changes: Changes) -> list[tuple[Listed, T | None]]:
        """Every study with what is made of it, oldest first.

        A study that cannot be read here has a ``problem``, and nothing is made of it; nor of one
        that was not read.
        """
        listing, fetched = changes
        made = {rows.study.id: self._made(rows) for rows in fetched}
        known = {row.id: made.get(row.id) or self._known(row) for row in listing}
        self._kept = {row.id: (_mark(row), own) for row in listing if (own := known[row.id])}
        made_of = ((_listed(row), *(known[row.id] or (None, ""))) for row in listing)
        return [(replace(one, problem=problem), found) for one, found, problem in made_of]

    def _made(self, rows: snapshots.Fetched) -> tuple[T | None, str]:
        try:
            return self._make(snapshots.built(rows)), ""
        except Exception as error:  # a bad row, or a spec of another version, harms its study alone
            return None, str(error) or type(error).__name__


class LedgerReader(Transactional):
    """What the ledger tells; ``Ledger`` writes, too, and takes longer to import."""

    def __init__(self, storage: Storage, **patience: Unpack[Patience]) -> None:
        """Open the ledger of a database; create its tables if there are none.

        Methods wait with ``patience`` for a database that is away; see ``Transactional``.

        Raises:
            StorageError: the tables are those of another version of this software.
        """
        super().__init__(storage.engine, **patience)
        self._overview: Overview[Result] = Overview(Result.of)
        self._retry(lambda: prepare_database(storage, schema))

    _fetched = statement(snapshots.fetched)  # while rows are read, no transaction idles
    studies = transaction(listed)
    network = transaction(snapshots.network)
    open_studies = transaction(snapshots.open_studies)
    events = transaction(snapshots.newest_events)
    workers = transaction(snapshots.seen_workers)

    def named(self, name: str | None) -> str:
        """Return the name, or that of the only study of the database.

        Raises:
            StudyError: no name is given, and there is none or several; the message lists them.
        """
        names = [study.name for study in self.studies()] if name is None else [name]
        if len(names) != 1:
            raise StudyError(f"name one of the studies: {', '.join(names) or 'there is none yet'}.")
        return names[0]

    def snapshot(self, name: str, *, curves: bool = False) -> StudySnapshot:
        """Return a study as it is now; without ``curves``, members come without their curves.

        Raises:
            StudyError: there is no such study; the message lists those that exist.
        """
        return snapshots.built(self._fetched(name, curves=curves))

    def result(self, name: str, *, curves: bool = False) -> Search | Front | Sweep:
        """Return what a study has found as it is now; see ``snapshot``.

        Raises:
            StudyError: there is no such study.
        """
        return Result.of(self.snapshot(name, curves=curves))

    def results(self, finished: int | None = None) -> list[tuple[Listed, Result | None]]:
        """Return every study, oldest first; None of one that cannot be read here.

        Those that have not changed since the last time are not read again; of those that are done,
        only the newest ``finished`` are read, and None is returned of the others.
        """
        changes = self._within(self._autocommit, lambda c: self._overview.read(c, finished))
        return self._overview.made(changes)

    def overlays(self, spec: StudySpec) -> list[Result]:
        """The other studies that a study's figure asks for, as far as they are there."""
        wanted = spec.figure.overlay if spec.figure else ()
        there = {summary.name for summary in self.studies()} if wanted else set()
        return [self.result(name) for name in wanted if name in there]
