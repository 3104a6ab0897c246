"""Of what people have not been told yet: each is told once, by one process.

That somebody was told is an event, ``notified: done``. Who tells claims it before, by the event
``notifying: done``, and holds no connection meanwhile: of many processes one tells, and what one
that was killed has not told is told by the next that looks when its claim is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, true

from hpo.ledger import events, summaries
from hpo.ledger.tables import events as events_table
from hpo.ledger.tables import slots, studies, workers
from hpo.postgres.retry import Transactional, transaction
from hpo.study.snapshot import StudyState

_LOCK = 0x68706E  # first of the two keys of a study's advisory lock
CLAIM_S = 120.0
"""So long a claim lasts; to tell takes 70 s at most, where every way hangs."""
_NEWS_S = 86400.0
"""What is older when somebody first looks is no news."""


class Notice(StrEnum):
    """What people are told of a study."""

    DONE = "done"
    FAILED = "failed"
    STALLED = "stalled"
    BEATS = "beats-reported"


def _told(notice: Notice) -> tuple[str, str]:
    """The events that say so: it was sent, or could not be."""
    return f"notified: {notice}", f"not notified: {notice}"


def _claimed(notice: Notice) -> str:
    """The event that says that a process is about to tell it."""
    return f"{events.CLAIM}{notice}"


def _courses(study: str | None) -> Select[Any]:
    """A row per study: ``moved``, when a slot last began or ended; ``held``, since when the workers
    are there that are at work on it (null without); ``deed``, when somebody last let it go on."""
    now = func.clock_timestamp()
    of_slots = (
        select(func.max(func.greatest(slots.c.started_at, slots.c.settled_at)).label("moved"))
        .where(slots.c.study_id == studies.c.id)
        .correlate(studies)
        .lateral()
    )
    of_workers = (
        select(func.min(workers.c.started_at).label("held"))
        .join(slots, slots.c.worker == workers.c.name)
        .where(slots.c.study_id == studies.c.id, slots.c.lease_until > now)
        .correlate(studies)
        .lateral()
    )
    deed = select(func.max(events_table.c.at).label("deed")).where(
        events_table.c.study == studies.c.name,
        events_table.c.what.regexp_match("^(resumed|retried)"),
    )
    named = (studies.c[name] for name in ("id", "name", "state", "created_at"))
    columns = (of_slots.c.moved, of_workers.c.held, deed.scalar_subquery().label("deed"))
    reported = studies.c.spec["reported"].label("reported")
    query = select(*named, *columns, reported, now.label("now"))
    query = (
        query.select_from(studies)
        .join(of_slots, true())
        .join(of_workers, true())
        .order_by(studies.c.id)
    )
    return query if study is None else query.where(studies.c.name == study)


def due(connection: Connection, stalled_s: float, study: str | None) -> list[tuple[str, Notice]]:
    """Study and notice of what nobody has been told yet, nor is being told: of one study, or all.

    A study is told to be done, or to have failed, again when it was so again; to stall, once
    between two trials; to beat the reported score, once.
    """
    found = []
    for row in connection.execute(_courses(study)).all():
        if row.moved is None or row.now - row.moved > timedelta(seconds=_NEWS_S + stalled_s):
            continue
        deed = max(filter(None, (row.created_at, row.deed)))
        if row.state == StudyState.DONE:
            found += _unless_told(connection, row, Notice.DONE, row.moved)
        if row.state == StudyState.FAILED:
            found += _unless_told(connection, row, Notice.FAILED, deed)
        if row.state == StudyState.OPEN and row.held is not None:
            still = max(row.moved, row.held, deed)
            if row.now - still > timedelta(seconds=stalled_s):
                found += _unless_told(connection, row, Notice.STALLED, still)
        beats = row.reported and _unless_told(connection, row, Notice.BEATS, row.created_at)
        found += beats if beats and _beats(connection, row.id) else []
    return found


def _unless_told(
    connection: Connection, row: Row[Any], notice: Notice, since: Any
) -> list[tuple[str, Notice]]:
    at, what = events_table.c.at, events_table.c.what
    last = select(at, what).where(
        events_table.c.study == row.name, what.in_((_claimed(notice), *_told(notice)))
    )
    found = connection.execute(last.order_by(events_table.c.id.desc()).limit(1)).one_or_none()
    if found is None:
        return [(row.name, notice)]
    if found.what == _claimed(notice):
        since = row.now - timedelta(seconds=CLAIM_S)
    return [] if found.at > since else [(row.name, notice)]


def _beats(connection: Connection, study_id: int) -> bool:
    """Whether a trial of a search is better than what was reported."""
    for study in summaries.summaries(connection, [study_id]):
        if study.spec is None or study.spec.reported is None or study.best_score is None:
            return False
        gain = study.best_score - study.spec.reported.score
        return not study.spec.costs and (gain > 0 if study.spec.maximize else gain < 0)
    return False


def claim(connection: Connection, study: str, notice: Notice, stalled_s: float) -> bool:
    """Whether this process is to tell it, and no other: ``settle`` it within ``CLAIM_S``."""
    alone = func.pg_try_advisory_xact_lock(_LOCK, func.hashtext(study))
    if not connection.scalar(select(alone)):
        return False
    if (study, notice) not in due(connection, stalled_s, study):
        return False
    events.note(connection, study, _claimed(notice))
    return True


def settle(connection: Connection, study: str, notice: Notice, sent: bool) -> None:
    """Write down that it was told, or could not be."""
    events.note(connection, study, _told(notice)[0 if sent else 1])


class Notices(Transactional):
    """What is to be told of the studies of a database."""

    due: Callable[..., Sequence[tuple[str, Notice]]] = transaction(due)
    claim: Callable[..., bool] = transaction(claim)
    settle: Callable[..., None] = transaction(settle)
