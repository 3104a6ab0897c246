"""What the dashboard shows of a study, in the database: figures and note, and of which state.

The system attribute ``hpo:published`` of a study holds the ``fingerprint`` of the state that is
shown, and ``at``, when it was published by the database's clock. Whoever publishes a study holds
its advisory lock, and writes everything in the transaction that holds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, func, lateral, select, true

from hpo.ledger import optuna_notes, optuna_tables
from hpo.ledger.tables import slots, studies
from hpo.study.snapshot import StudyState
from hpo.study.trials import SlotState

FORMAT = 3
"""Raised when figures or notes come to look different: everything is then published anew."""
_LOCK = 0x68706F  # first of the two keys of a study's advisory lock


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A study, and whether the dashboard shows the state that it is in."""

    study: str
    optuna_study_id: int
    there: bool
    """Whether Optuna's tables hold it: optuna-dashboard can delete it there."""
    fingerprint: str
    """Of the state that it is in."""
    shown: str | None
    """Fingerprint of the state that is shown; None if none is."""
    seconds_old: float
    """Since it was published, by the database's clock; infinite if it was not, or by another."""

    @property
    def stale(self) -> bool:
        """Whether another state is shown, or none."""
        return self.there and self.fingerprint != self.shown


def find(connection: Connection) -> dict[str, Publication]:
    """Every study by name, oldest first."""
    published = optuna_tables.system_attr_of_all(connection, optuna_tables.PUBLISHED)
    rows = {row.name: row for row in connection.execute(_STATES)}
    found = {}
    for row in rows.values():
        overlaid = [rows[name] for name in row.overlay or () if name in rows]
        shown = json.loads(published.get(row.optuna_study_id) or "{}")
        found[row.name] = Publication(
            study=row.name,
            optuna_study_id=row.optuna_study_id,
            there=row.optuna_study_id in published,
            fingerprint=_fingerprint(row, *overlaid),
            shown=shown.get("fingerprint"),
            seconds_old=_seconds_since(shown.get("at"), row.now),
        )
    return found


def try_lock(connection: Connection, study: str) -> bool:
    """Whether this transaction may publish a study: until it ends, no other does."""
    lock = func.pg_try_advisory_xact_lock(_LOCK, func.hashtext(study))
    return bool(connection.scalar(select(lock)))


def write(
    connection: Connection, publication: Publication, cards: Mapping[str, str], note: str
) -> bool:
    """Show figures (JSON by name) and our part of the note in place of those that are shown.

    Returns:
        Whether it did: not if the study was deleted meanwhile.
    """
    study_id = publication.optuna_study_id
    if not optuna_tables.has_study(connection, study_id):
        return False
    attrs = optuna_tables.system_attrs(connection, study_id)
    at = connection.scalar(select(func.clock_timestamp()))
    shown = {"fingerprint": publication.fingerprint, "at": at.isoformat() if at else None}
    new = {optuna_tables.PUBLISHED: json.dumps(shown)}
    new |= {f"{optuna_tables.CARD}{name}:0": json.dumps(card) for name, card in cards.items()}
    stale = {key for key in attrs if key.startswith(optuna_tables.CARD)} - new.keys()
    before = optuna_notes.read(attrs)
    body = optuna_notes.with_ours(note, before)
    if body != before:
        new |= optuna_notes.written(attrs, body)
        stale |= {key for key in attrs if optuna_notes.is_part(key)} - new.keys()
    optuna_tables.drop_system_attrs(connection, study_id, stale)
    optuna_tables.set_system_attrs(connection, study_id, new)
    return True


def _states() -> Any:
    """A row per study with all that figures and note depend on.

    Slots of a finished study change by amendments alone, which count; so they are passed over.
    """
    settled = lateral(
        select(func.count(slots.c.id).label("count"), func.max(slots.c.settled_at).label("latest"))
        .where(
            slots.c.study_id == studies.c.id,
            slots.c.state != SlotState.RUNNING,
            studies.c.state != StudyState.DONE,
        )
        .correlate(studies)
    )
    return (
        select(
            studies.c.name,
            studies.c.optuna_study_id,
            studies.c.state,
            studies.c.reason,
            studies.c.amendments,
            func.md5(cast(studies.c.spec, Text)).label("spec"),
            studies.c.spec["figure"]["overlay"].label("overlay"),
            settled.c.count.label("settled"),
            settled.c.latest,
            func.clock_timestamp().label("now"),
        )
        .join(settled, true())
        .order_by(studies.c.created_at, studies.c.id)
    )


_STATES = _states()


def _fingerprint(*rows: Row[Any]) -> str:
    """16 hex digits over the states of a study and of those that its figure is drawn with."""
    state = [
        (row.state, row.reason, row.amendments, row.spec, row.settled, str(row.latest))
        for row in rows
    ]
    return hashlib.sha256(json.dumps([FORMAT, state]).encode()).hexdigest()[:16]


def _seconds_since(at: str | None, now: datetime) -> float:
    """The age of a time stamp; infinite of none, and of one by a clock that was ahead of this."""
    seconds = (now - datetime.fromisoformat(at)).total_seconds() if at else -1.0
    return seconds if seconds >= 0 else float("inf")
