"""Every study of a database as it is now, of which only those are read that have changed."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, func, lateral, select, true

from hpo.ledger import events, optuna_tables, reading, summaries
from hpo.ledger.tables import slots, studies
from hpo.study import effort
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.summary import LAST, RECENT_S, Course, Overview, StudySummary
from hpo.study.trials import Phase, SlotState

_EVENTS = 10


def _states() -> Any:
    """A row per study with all that is said of it, but for what is running; see ``states``."""
    settled = lateral(
        select(func.count(slots.c.id).label("count"), func.max(slots.c.settled_at).label("latest"))
        .where(
            slots.c.study_id == studies.c.id,
            slots.c.state != SlotState.RUNNING,
            studies.c.state != StudyState.DONE,
        )
        .correlate(studies)
    )
    named = ("id", "name", "optuna_study_id", "state", "reason", "amendments", "search_end")
    return (
        select(
            *(studies.c[name] for name in named),
            func.md5(cast(studies.c.spec, Text)).label("spec"),
            func.md5(cast(studies.c.code, Text)).label("code"),
            studies.c.spec["figure"]["overlay"].label("overlay"),
            optuna_tables.priority_of(studies.c.optuna_study_id).label("priority"),
            settled.c.count.label("settled"),
            settled.c.latest,
            func.clock_timestamp().label("now"),
        )
        .join(settled, true())
        .order_by(studies.c.created_at, studies.c.id)
    )


_STATES = _states()


def states(connection: Connection) -> Sequence[Row[Any]]:
    """A row per study that differs whenever anything of it does; oldest first.

    Slots of a finished study change by amendments alone, which count; so they are passed over.
    """
    return connection.execute(_STATES).all()


class OverviewReader:
    """Reads overviews of one database, one at a time."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._read: dict[int, tuple[tuple[Any, ...], StudySummary, Course]] = {}

    def read(self, connection: Connection) -> Overview:
        """All studies as they are now."""
        rows = states(connection)
        stamps = {row.id: tuple(row)[:-1] for row in rows}
        stale = [i for i, stamp in stamps.items() if (self._read.get(i) or ((),))[0] != stamp]
        if stale:
            found = {study.name: study for study in summaries.summaries(connection, stale)}
            specs = {row.id: found[row.name].spec for row in rows if row.name in found}
            courses = _courses(connection, specs)
            names = {row.id: row.name for row in rows}
            self._read |= {i: (stamps[i], found[names[i]], courses[i]) for i in specs}
        self._read = {i: known for i, known in self._read.items() if i in stamps}
        optuna = optuna_tables.names(connection)
        shown = [
            (
                row.optuna_study_id if row.optuna_study_id in optuna else None,
                *self._read[row.id][1:],
            )
            for row in rows
            if row.id in self._read
        ]
        ours = {row.optuna_study_id for row in rows}
        return Overview(
            now=connection.scalar(select(func.clock_timestamp())) or datetime.max,
            studies=tuple(shown),
            others=tuple((i, name) for i, name in sorted(optuna.items()) if i not in ours),
            workers=tuple(reading.seen_workers(connection)),
            events=tuple(events.newest(connection, _EVENTS)),
        )


def _courses(connection: Connection, specs: Mapping[int, StudySpec | None]) -> dict[int, Course]:
    """How the searches of some studies went, from the slots that are settled."""
    names = ("study_id", "phase", "number", "state", "score", "settled_at")
    query = select(
        *(slots.c[name] for name in names),
        func.cardinality(slots.c.steps).label("n_steps"),
        func.clock_timestamp().label("now"),
    ).where(slots.c.study_id.in_(specs), slots.c.state != SlotState.RUNNING)
    rows: defaultdict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query.order_by(slots.c.study_id, slots.c.number)):
        rows[row.study_id].append(row)
    return {study_id: _course(spec, rows[study_id]) for study_id, spec in specs.items()}


def _course(spec: StudySpec | None, rows: Collection[Row[Any]]) -> Course:
    search = [row for row in rows if row.phase == Phase.SEARCH]
    complete = [r for r in search if r.state == SlotState.COMPLETE and r.score is not None]
    points = [(row.number, row.score) for row in complete if math.isfinite(row.score)]
    recent = [row for row in rows if row.now - row.settled_at < timedelta(seconds=RECENT_S)]
    sign = 1.0 if spec is None or spec.maximize else -1.0
    best: list[tuple[int, float]] = []
    for number, score in points:
        if not best or sign * score > sign * best[-1][1]:
            best.append((number, score))
    return Course(
        counts=Counter(SlotState(row.state) for row in search),
        best=tuple(best),
        middle=statistics.median(score for _, score in points) if points else None,
        settled_at=tuple(sorted((row.settled_at for row in search), reverse=True)[:LAST]),
        trained=tuple((row.settled_at, _epochs(spec, row)) for row in recent),
    )


def _epochs(spec: StudySpec | None, row: Row[Any]) -> int:
    """Epochs that a settled slot has trained; see ``effort.of_slot``."""
    if spec is None:
        return 0
    if row.phase == Phase.CONFIRM:
        return 0 if row.score is None else spec.confirm_epochs
    return effort.of_steps(spec, row.n_steps, complete=row.state == SlotState.COMPLETE)
