"""What people did to studies, and who: a study that is deleted leaves this much."""

from __future__ import annotations

import getpass
import os
import platform

from sqlalchemy import Connection, insert, select

from hpo.ledger.tables import events
from hpo.study.summary import Event


def note(connection: Connection, study: str, what: str) -> None:
    """Write down what the user of this process does to a study, in the transaction of the deed."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    who = f"{user}@{platform.node()}"
    connection.execute(insert(events).values(who=who, what=what, study=study))


def newest(connection: Connection, n: int, study: str | None = None) -> list[Event]:
    """The last ``n`` events, of one study or of all; the newest comes last."""
    query = select(events.c.at, events.c.who, events.c.what, events.c.study)
    if study is not None:
        query = query.where(events.c.study == study)
    rows = connection.execute(query.order_by(events.c.id.desc()).limit(n)).mappings()
    return [Event(**row) for row in rows][::-1]
