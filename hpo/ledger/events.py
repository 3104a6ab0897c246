"""What people did to studies, and who: a study that is deleted leaves this much."""

from __future__ import annotations

import getpass
import os
import platform

from sqlalchemy import Connection, func, insert, select

from hpo.ledger.tables import events
from hpo.study.summary import Event

GONE = ("deleted", "withdrawn")
"""After these, a study is no more."""
CLAIM = "notifying: "
"""So begins what a process claims, and no person did; nobody is shown it."""
_LONGEST = 80


def note(connection: Connection, study: str, what: str) -> None:
    """Write down what the user of this process does to a study, in the transaction of the deed."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    who = _plain(f"{user}@{platform.node()}")
    connection.execute(
        insert(events).values(at=func.clock_timestamp(), who=who, what=what, study=study)
    )


def newest(connection: Connection, n: int, study: str | None = None) -> list[Event]:
    """The last ``n`` events, of all studies or of one that is there; the newest comes last."""
    query = select(events.c.at, events.c.who, events.c.what, events.c.study)
    query = query.where(~events.c.what.startswith(CLAIM))
    if study is not None:  # not of another one of its name that is gone
        gone = select(func.max(events.c.id)).where(events.c.study == study, events.c.what.in_(GONE))
        since = func.coalesce(gone.scalar_subquery(), 0)
        query = query.where(events.c.study == study, events.c.id > since)
    rows = connection.execute(query.order_by(events.c.id.desc()).limit(n)).mappings()
    found = [Event(at=r["at"], **{k: _plain(r[k]) for k in ("who", "what", "study")}) for r in rows]
    return found[::-1]


def _plain(text: str) -> str:
    """What a terminal may be sent, whoever wrote it: a line of no more than so many characters."""
    return "".join(c if c.isprintable() else "?" for c in text)[:_LONGEST]
