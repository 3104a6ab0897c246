"""Every study of a database as it is now, of which only those are read that have changed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    DateTime,
    Row,
    Select,
    Text,
    cast,
    func,
    lateral,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from hpo.ledger import events, optuna_reading, reading, summaries
from hpo.ledger.summaries import by_study
from hpo.ledger.tables import NOW, slots, studies
from hpo.study import effort
from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec
from hpo.study.summary import LAST, RECENT_S, Course, Overview, StudySummary
from hpo.study.trials import Phase, SlotState

_EVENTS = 10
_LARGEST = sys.float_info.max


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
            studies.c.priority,
            func.md5(cast(studies.c.spec, Text)).label("spec"),
            func.md5(cast(studies.c.code, Text)).label("code"),
            studies.c.spec["figure"]["overlay"].label("overlay"),
            settled.c.count.label("settled"),
            settled.c.latest,
            NOW.label("now"),
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


def marks(connection: Connection, study: str) -> dict[str, tuple[Any, ...]]:
    """What differs whenever anything of a study does, or of those that its figure is drawn with.

    By their names; those that are not there are left out.
    """
    rows = {row.name: row for row in states(connection)}
    wanted = (study, *(rows[study].overlay or ())) if study in rows else ()
    return {name: tuple(rows[name])[:-1] for name in wanted if name in rows}


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
        optuna = optuna_reading.names(connection)
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
            now=connection.scalar(select(NOW)) or datetime.max,
            studies=tuple(shown),
            others=tuple((i, name) for i, name in sorted(optuna.items()) if i not in ours),
            workers=tuple(reading.seen_workers(connection)),
            events=tuple(events.newest(connection, _EVENTS)),
        )


def _courses(connection: Connection, specs: Mapping[int, StudySpec | None]) -> dict[int, Course]:
    """How the searches of some studies went, from the slots that are settled.

    The database counts and compares: of its trials only those are read that may have been the best
    when they ended, and those that have just ended.
    """
    which, at, score = slots.c.study_id, slots.c.settled_at, slots.c.score
    settled = which.in_(specs) & (slots.c.state != SlotState.RUNNING)
    search = settled & (slots.c.phase == Phase.SEARCH)
    scored = (slots.c.state == SlotState.COMPLETE) & score.between(-_LARGEST, _LARGEST)
    counts = select(which, slots.c.state, func.count().label("n")).where(search)
    latest = func.array_agg(aggregate_order_by(at, at.desc()), type_=ARRAY(DateTime(timezone=True)))
    middle = func.percentile_cont(0.5).within_group(score).filter(scored)
    facts = select(which, middle.label("middle"), latest[1:LAST].label("latest")).where(search)
    counted, best, ended = (
        by_study(connection, query)
        for query in (
            counts.group_by(which, slots.c.state),
            _leaders(search & scored),
            _trained(settled),
        )
    )
    found = {row.study_id: row for row in connection.execute(facts.group_by(which))}
    return {
        i: Course(
            counts=Counter({SlotState(row.state): row.n for row in counted[i]}),
            best=_best(spec, best[i]),
            middle=found[i].middle if i in found else None,
            settled_at=tuple(found[i].latest) if i in found else (),
            trained=tuple((row.settled_at, row.n * _epochs(spec, row)) for row in ended[i]),
        )
        for i, spec in specs.items()
    }


def _trained(settled: ColumnElement[bool]) -> Select[Any]:
    """How many slots have ended in which way in each of the last ``RECENT_S``."""
    second = func.date_trunc("second", slots.c.settled_at).label("settled_at")
    scored, n_steps = slots.c.score.is_not(None), func.cardinality(slots.c.steps)
    named = slots.c.study_id, slots.c.phase, slots.c.state
    facts = (*named, second, scored.label("scored"), n_steps.label("n_steps"))
    recent = NOW - timedelta(seconds=RECENT_S)
    query = select(*facts, func.count().label("n")).where(settled, slots.c.settled_at > recent)
    return query.group_by(*facts).order_by(second)


def _leaders(scored: ColumnElement[bool]) -> Select[Any]:
    """Trials with a score above, or below, that of all before them, in their order."""
    which, number, score = slots.c.study_id, slots.c.number, slots.c.score

    before: dict[str, Any] = {"partition_by": which, "order_by": number, "rows": (None, -1)}
    largest = func.max(score).over(**before).label("largest")
    smallest = func.min(score).over(**before).label("smallest")
    seen = select(which, number, score, largest, smallest).where(scored).subquery().c
    leads = seen.largest.is_(None) | (seen.score > seen.largest) | (seen.score < seen.smallest)
    return select(seen.study_id, seen.number, seen.score).where(leads).order_by(seen.number)


def _best(spec: StudySpec | None, leaders: Sequence[Row[Any]]) -> tuple[tuple[int, float], ...]:
    sign = 1.0 if spec is None or spec.maximize else -1.0
    best: list[tuple[int, float]] = []
    for row in leaders:
        if not best or sign * row.score > sign * best[-1][1]:
            best.append((row.number, row.score))
    return tuple(best)


def _epochs(spec: StudySpec | None, row: Row[Any]) -> int:
    """Epochs that a slot that ended so has trained; see ``effort.of_slot``."""
    if spec is None:
        return 0
    if row.phase == Phase.CONFIRM:
        return spec.confirm_epochs if row.scored else 0
    return effort.of_steps(spec, row.n_steps, complete=row.state == SlotState.COMPLETE)
