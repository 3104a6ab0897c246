"""Every study of a database as it is now; trials are read of those alone that have changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, Text, cast, func, lateral, select, true
from sqlalchemy.exc import SQLAlchemyError

from hpo.ledger import snapshots
from hpo.ledger.tables import holds, slots, studies
from hpo.study.trials import Listed, Phase, SlotState, StudySnapshot, StudyState

T = TypeVar("T")


def _listing() -> Any:
    """A row per study, oldest first. Columns from ``state`` to ``latest`` are its mark."""
    settled, search = slots.c.state != SlotState.RUNNING, slots.c.phase == Phase.SEARCH
    counts = lateral(
        select(
            func.count().filter(search & settled).label("settled"),
            func.count().filter(search & holds(slots)).label("running"),
            func.count().filter(settled).label("ended"),
            func.max(slots.c.settled_at).label("latest"),
        )
        .where(slots.c.study_id == studies.c.id)
        .correlate(studies)
    )
    named = ("id", "name", "optuna_study_id", "priority", "created_at")
    spec = studies.c.spec
    return (
        select(
            *(studies.c[name] for name in named),
            spec["objective"].as_string().label("objective"),
            spec["figure"]["overlay"].label("overlay"),
            *(counts.c[name] for name in ("settled", "running")),
            *(studies.c[name] for name in ("state", "reason", "amendments", "search_end")),
            func.md5(cast(spec, Text)).label("spec_hash"),
            func.md5(cast(studies.c.code, Text)).label("code_hash"),
            *(counts.c[name] for name in ("ended", "latest")),
        )
        .join(counts, true())
        .order_by(studies.c.created_at, studies.c.id)
    )


_LISTING = _listing()


def listed(connection: Connection) -> list[Listed]:
    """Every study in a line, oldest first."""
    return [_listed(row) for row in connection.execute(_LISTING)]


def _listed(row: Row[Any]) -> Listed:
    return Listed(
        name=row.name,
        number=row.optuna_study_id,
        objective=row.objective or "unknown",
        state=StudyState(row.state),
        reason=row.reason,
        priority=row.priority,
        settled=row.settled,
        running=row.running,
        created_at=row.created_at,
    )


def _mark(row: Row[Any]) -> tuple[Any, ...]:
    """What differs whenever anything of a study does, but for who is at work on it."""
    fields = row._fields
    return (row.id, *row[fields.index("state") :])


def marks(connection: Connection, study: str) -> dict[str, tuple[Any, ...]]:
    """The marks of a study, and of those that its figure is drawn with, as far as they are there.

    A mark differs whenever anything of its study does, but for who is at work on it.
    """
    rows = {row.name: row for row in connection.execute(_LISTING)}
    overlay = rows[study].overlay if study in rows else ()
    wanted = (study, *(overlay if isinstance(overlay, list) else ()))
    return {name: _mark(rows[name]) for name in wanted if name in rows}


class Overview(Generic[T]):
    """What is made of every study's snapshot, and kept until the study has changed."""

    def __init__(self, make: Callable[[StudySnapshot], T]) -> None:
        """Nothing is read yet."""
        self._make = make
        self._kept: dict[str, tuple[tuple[Any, ...], T | str]] = {}

    def read(self, connection: Connection) -> list[tuple[Listed, T | None]]:
        """Every study with what is made of it, oldest first.

        A study that cannot be read here has a ``problem``, and nothing is made of it.
        """
        rows: Sequence[Row[Any]] = connection.execute(_LISTING).all()
        there = snapshots.names(connection)
        self._kept = {row.name: self._kept[row.name] for row in rows if row.name in self._kept}
        found: list[tuple[Listed, T | None]] = []
        for row in rows:
            mark, made = self._kept.get(row.name, ((), ""))
            if mark != _mark(row):
                made = self._made(connection, row.name)
                self._kept[row.name] = _mark(row), made
            one = _listed(row)
            if one.number not in there:
                one = replace(one, number=None)
            known = (replace(one, problem=made), None) if isinstance(made, str) else (one, made)
            found.append(known)
        return found

    def _made(self, connection: Connection, name: str) -> T | str:
        try:
            return self._make(snapshots.snapshot(connection, name))
        except SQLAlchemyError:
            raise
        except Exception as error:  # a bad row, or a spec of another version, harms its study alone
            return str(error) or type(error).__name__
