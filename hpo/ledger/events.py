"""What people did to studies, and who; and of what nobody has been told yet.

Each thing is told once, by one process: it claims the notice before, and holds no connection
meanwhile. What one that was killed has not told is told by the next that looks when its claim is
over. A study that is deleted leaves its events.
"""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from hpo.errors import printable
from hpo.ledger.tables import NOW, events, notices, studies
from hpo.postgres.retry import Transactional, transaction
from hpo.study.trials import Event, StudyState

GONE = ("deleted", "withdrawn")
"""After these, a study is no more."""
_LONGEST = 80
CLAIM_S = 120
"""So long a claim lasts; to tell takes 70 s at most, where every way hangs."""
_NEWS_S = 86400
"""What is older when somebody first looks is no news."""


def note(connection: Connection, study: str, what: str) -> None:
    """Write down what the user of this process does to a study, in the transaction of the deed."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    who = printable(f"{user}@{platform.node()}")[:_LONGEST]
    connection.execute(insert(events).values(at=NOW, who=who, what=what, study=study))


def newest(connection: Connection, n: int, study: str | None = None) -> list[Event]:
    """The last ``n`` events, of all studies or of one that is there; the newest comes last."""
    named = ("who", "what", "study")
    query = select(events.c.at, *(events.c[name] for name in named))
    if study is not None:  # not of another one of its name that is gone
        gone = select(func.max(events.c.id)).where(events.c.study == study, events.c.what.in_(GONE))
        since = func.coalesce(gone.scalar_subquery(), 0)
        query = query.where(events.c.study == study, events.c.id > since)
    rows = connection.execute(query.order_by(events.c.id.desc()).limit(n)).mappings().all()
    return [
        Event(at=row["at"], **{name: printable(row[name])[:_LONGEST] for name in named})
        for row in reversed(rows)
    ]


class Notice(StrEnum):
    """What people are told of a study."""

    DONE = "done"
    FAILED = "failed"


_STATES = {StudyState.DONE: Notice.DONE, StudyState.FAILED: Notice.FAILED}


def _ago(seconds: int) -> ColumnElement[Any]:
    return NOW - text(f"interval '{seconds} s'")


def due(connection: Connection, study: str | None) -> list[tuple[str, Notice]]:
    """Study and notice of what nobody has been told yet, nor is being told: of one study, or all.

    A study is told to be done, or to have failed, again when it was so again.
    """
    told = (notices.c.study_id == studies.c.id) & (notices.c.notice == studies.c.state)
    query = (
        select(studies.c.name, studies.c.state)
        .outerjoin(notices, told)
        .where(
            studies.c.state.in_(_STATES),
            studies.c.state_since > _ago(_NEWS_S),
            or_(notices.c.told_at.is_(None), notices.c.told_at < studies.c.state_since),
            or_(notices.c.claimed_at.is_(None), notices.c.claimed_at < _ago(CLAIM_S)),
        )
        .order_by(studies.c.id)
    )
    query = query if study is None else query.where(studies.c.name == study)
    return [(row.name, _STATES[StudyState(row.state)]) for row in connection.execute(query)]


def claim(connection: Connection, study: str, notice: Notice) -> bool:
    """Whether this process is to tell it, and no other: ``settle`` it within ``CLAIM_S``."""
    one = select(studies.c.id).where(studies.c.name == study).with_for_update()
    study_id = connection.scalar(one)
    if (study, notice) not in due(connection, study):
        return False
    row = upsert(notices).values(study_id=study_id, notice=notice, claimed_at=NOW)
    key = [notices.c.study_id, notices.c.notice]
    connection.execute(row.on_conflict_do_update(index_elements=key, set_={"claimed_at": NOW}))
    return True


def settle(connection: Connection, study: str, notice: Notice, sent: bool) -> None:
    """Write down that it was told, or could not be."""
    own = select(studies.c.id).where(studies.c.name == study).scalar_subquery()
    told = update(notices).where(notices.c.study_id == own, notices.c.notice == notice)
    connection.execute(told.values(told_at=NOW, claimed_at=None))
    note(connection, study, f"{'notified' if sent else 'not notified'}: {notice}")


class Notices(Transactional):
    """What is to be told of the studies of a database."""

    due: Callable[..., Sequence[tuple[str, Notice]]] = transaction(due)
    claim: Callable[..., bool] = transaction(claim)
    settle: Callable[..., None] = transaction(settle)
