"""Events of studies: what people and workers did to them, and notifications of ends."""

from __future__ import annotations

import getpass
import os
import platform

from sqlalchemy import Connection

from hpo.errors import printable
from hpo.ledger.rows import from_row
from hpo.ledger.schema import ask
from hpo.ledger.statements.studies import LOCK_STUDY, SELECT_NEWEST_EVENTS
from hpo.ledger.statements.workers import (
    CLAIM_NOTICE,
    NOTE_EVENT,
    NOTE_NEW_EVENT,
    SELECT_DUE_NOTICES,
    SETTLE_NOTICE,
)
from hpo.study.trials import Event, StudyState

ATTEMPT_S = 8.0
"""Limit of one attempt to send a notice."""
PAUSES_S = (1.0, 5.0, 0.0)
"""Pauses after failed attempts by a channel."""
CHANNELS = 2
"""A command and a webhook."""
NOTICE_S = 2 * CHANNELS * sum(ATTEMPT_S + pause_s for pause_s in PAUSES_S)
"""Lifetime of a claimed notice: twice as long as sending takes if every attempt hangs.
With a shorter one, another worker would send it again."""


def note(connection: Connection, study: str, what: str) -> None:
    """Record what the user of this process does to a study, in the same transaction."""
    ask(connection, NOTE_EVENT, who=name_user(), what=what, study=study)


def note_left_out(connection: Connection, study: str, why: str) -> None:
    """Record that this host leaves out a study, unless it has done so lately for the
    same reason."""
    what = f"left out on {platform.node()}: {why}"
    ask(connection, NOTE_NEW_EVENT, who=name_user(), what=what, study=study)


def name_user() -> str:
    """Return ``user@host`` of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    return printable(f"{user}@{platform.node()}")


def newest_events(
    connection: Connection, n: int, study: str | None = None
) -> list[Event]:
    """Return the last ``n`` events, of all studies or of an existing one; the newest is
    last."""
    rows = ask(connection, SELECT_NEWEST_EVENTS, n=n, study=study).all()
    return [from_row(Event, row) for row in reversed(rows)]


def due_notices(
    connection: Connection, study: str | None
) -> list[tuple[str, StudyState]]:
    """Return study and notice of pending notifications that no worker sends: of one
    study, or all.

    A study that is done or failed again is notified again.
    """
    rows = ask(connection, SELECT_DUE_NOTICES, study=study, claim_s=NOTICE_S)
    return [(row.name, StudyState(row.state)) for row in rows]


def claim_notice(connection: Connection, study: str, notice: StudyState) -> bool:
    """Claim a notice for this process; return whether it must send it within
    ``NOTICE_S``."""
    ask(connection, LOCK_STUDY, name=study)
    if (study, notice) not in due_notices(connection, study):
        return False
    ask(connection, CLAIM_NOTICE, study=study, notice=notice)
    return True


def settle_notice(
    connection: Connection, study: str, notice: StudyState, sent: bool
) -> None:
    """Record that a notice was sent, or could not be."""
    ask(connection, SETTLE_NOTICE, study=study, notice=notice)
    what = "notified" if sent else "not notified"
    note(connection, study, f"{what}: {notice}")
