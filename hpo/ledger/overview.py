"""Lists of studies, for which the trials of changed studies only are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection

from hpo.ledger import snapshots
from hpo.ledger.rows import from_row
from hpo.ledger.schema import Row, ask
from hpo.ledger.statements.imports import LIST_NATIVE
from hpo.ledger.statements.studies import LIST_STUDIES, SELECT_STUDIES
from hpo.study.trials import Listed, NativeStudy, StudySnapshot, StudyState

T = TypeVar("T")
MOST = 2_000
"""The home page shows the posterior means of unfinished studies of so many trials,
which takes seconds at 20,000. A command lists them of none: computing one takes longer
than the rest of the list."""
_AT_ONCE = 50
"""Number of studies per query."""
Mark = tuple[Any, ...]


def list_studies(connection: Connection) -> list[Listed]:
    """Return a line per study, oldest first."""
    return [_build_line(row) for row in ask(connection, LIST_STUDIES, most=0)]


def list_native(connection: Connection) -> list[NativeStudy]:
    """Return the studies that Optuna has made in this database, oldest first."""
    return [from_row(NativeStudy, row) for row in ask(connection, LIST_NATIVE)]


def _build_line(row: Row, problem: str = "") -> Listed:
    number = row.optuna_study_id
    state = StudyState(row.state)
    return from_row(Listed, row, number=number, state=state, problem=problem)


def _mark(row: Row) -> Mark:
    """Return a mark that changes with anything in a study except its workers."""
    return (row.id, *row[row._fields.index("state") :])


def read_marks(connection: Connection, study: str) -> dict[str, Mark]:
    """Return the marks of a study, and of the existing studies in its figure; see
    ``_mark``."""
    rows = {row.name: row for row in ask(connection, LIST_STUDIES, most=0)}
    names = [study]
    if study in rows and isinstance(rows[study].overlay, list):
        names += rows[study].overlay
    return {name: _mark(rows[name]) for name in names if name in rows}


class Made(NamedTuple, Generic[T]):
    """The value of a study at a mark; without a value, why it cannot be read."""

    mark: Mark
    value: T | None
    problem: str = ""


Changes = tuple[Sequence[Row], Sequence[snapshots.Fetched]]
"""A row of every study, and the rows behind the lists for changed studies."""


class Overview(Generic[T]):
    """A cache of values made from studies' snapshots, until the study changes."""

    def __init__(self, make: Callable[[StudySnapshot], T], *, most: int) -> None:
        """Create an empty cache; of unfinished studies with posterior means, read all
        trials of those that have up to ``most``."""
        self._make = make
        self._most = most
        self._cache: dict[int, Made[T]] = {}

    def read(self, connection: Connection, finished: int | None = None) -> Changes:
        """Read the rows of changed studies, for ``made`` after the transaction.

        Of the studies that are done, read only the newest ``finished``.
        """
        listing = ask(connection, LIST_STUDIES, most=self._most).all()
        done = [row.id for row in listing if row.state == StudyState.DONE]
        aside = set(done[:-finished] if finished else ())
        changed = [
            row for row in listing if row.id not in aside and not self._is_known(row)
        ]
        fetched: list[snapshots.Fetched] = []
        for briefly in (True, False):
            ids = [row.id for row in changed if row.whole != briefly]
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                studies = ask(connection, SELECT_STUDIES, ids=some).all()
                fetched += snapshots.fetch_studies(connection, studies, briefly=briefly)
        gone = {row.id for row in changed} - {rows.study.id for rows in fetched}
        return [row for row in listing if row.id not in gone], fetched

    def _is_known(self, row: Row) -> bool:
        return row.id in self._cache and self._cache[row.id].mark == _mark(row)

    def made(self, changes: Changes) -> list[tuple[Listed, T | None]]:
        """Return every study with its value, oldest first.

        A study that cannot be read has a ``problem`` and the value None; so has,
        without a problem, a study that was not read.
        """
        listing, fetched = changes
        rows_of = {rows.study.id: rows for rows in fetched}
        cache = {}
        lines = []
        for row in listing:
            made = Made[T](_mark(row), None)
            if row.id in rows_of:
                made = self._build(made.mark, rows_of[row.id])
                cache[row.id] = made
            elif self._is_known(row):
                made = self._cache[row.id]
                cache[row.id] = made
            lines.append((_build_line(row, made.problem), made.value))
        self._cache = cache
        return lines

    def _build(self, mark: Mark, rows: snapshots.Fetched) -> Made[T]:
        try:
            return Made(mark, self._make(snapshots.build(rows)))
        except Exception as error:  # a bad row or an old spec affects its study alone
            return Made(mark, None, str(error) or type(error).__name__)
