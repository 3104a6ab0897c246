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

from sqlalchemy import Connection

from hpo.errors import printable
from hpo.ledger.statements import DUE, NEWEST
from hpo.ledger.tables import ask
from hpo.postgres.retry import Transactional, transaction
from hpo.study.trials import Event

_LONGEST = 80
CLAIM_S = 120
"""So long a claim lasts; to tell takes 70 s at most, where every way hangs."""


def note(connection: Connection, study: str, what: str) -> None:
    """Write down what the user of this process does to a study, in the transaction of the deed."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        user = str(os.getuid())
    who = printable(f"{user}@{platform.node()}")[:_LONGEST]
    new = "INSERT INTO hpo_ledger.events (who, what, study) VALUES (:who, :what, :study)"
    ask(connection, new, who=who, what=what, study=study)


def newest(connection: Connection, n: int, study: str | None = None) -> list[Event]:
    """The last ``n`` events, of all studies or of one that is there; the newest comes last."""
    rows = ask(connection, NEWEST, n=n, study=study).all()
    named = ("who", "what", "study")
    texts = [{name: printable(getattr(row, name))[:_LONGEST] for name in named} for row in rows]
    return [Event(at=row.at, **own) for row, own in zip(rows, texts, strict=True)][::-1]


class Notice(StrEnum):
    """What people are told of a study."""

    DONE = "done"
    FAILED = "failed"


def due(connection: Connection, study: str | None) -> list[tuple[str, Notice]]:
    """Study and notice of what nobody has been told yet, nor is being told: of one study, or all.

    A study is told to be done, or to have failed, again when it was so again.
    """
    rows = ask(connection, DUE, study=study, claim_s=CLAIM_S)
    return [(row.name, Notice(row.state)) for row in rows]


def claim(connection: Connection, study: str, notice: Notice) -> bool:
    """Whether this process is to tell it, and no other: ``settle`` it within ``CLAIM_S``."""
    ask(connection, "SELECT FROM hpo_ledger.studies WHERE name = :study FOR UPDATE", study=study)
    if (study, notice) not in due(connection, study):
        return False
    mine = """INSERT INTO hpo_ledger.notices (study_id, notice, claimed_at)
    SELECT id, :notice, hpo_ledger.clock() FROM hpo_ledger.studies WHERE name = :study
    ON CONFLICT (study_id, notice) DO UPDATE SET claimed_at = excluded.claimed_at"""
    ask(connection, mine, study=study, notice=notice)
    return True


def settle(connection: Connection, study: str, notice: Notice, sent: bool) -> None:
    """Write down that it was told, or could not be."""
    told = """UPDATE hpo_ledger.notices SET told_at = hpo_ledger.clock(), claimed_at = NULL
    WHERE notice = :notice
      AND study_id = (SELECT id FROM hpo_ledger.studies WHERE name = :study)"""
    ask(connection, told, study=study, notice=notice)
    note(connection, study, f"{'notified' if sent else 'not notified'}: {notice}")


class Notices(Transactional):
    """What is to be told of the studies of a database."""

    due: Callable[..., Sequence[tuple[str, Notice]]] = transaction(due)
    claim: Callable[..., bool] = transaction(claim)
    settle: Callable[..., None] = transaction(settle)
