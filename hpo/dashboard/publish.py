"""Publishing: figures and notes of studies, written where optuna-dashboard reads them.

Whoever watches a study publishes it: a launch, ``hpo dashboard``, ``hpo publish``. One process at a
time does, at most every few seconds, and only if something has changed.

The system attribute ``hpo:published`` of a study holds the ``fingerprint`` of the state that is
shown, and ``at``, when it was published by the database's clock. Whoever publishes a study holds
its advisory lock, and writes everything in the transaction that holds it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from hpo.errors import StudyError
from hpo.ledger import optuna_notes, optuna_tables, overview, reading
from hpo.ledger.tables import schema
from hpo.postgres.connect import Storage, prepare_database
from hpo.postgres.retry import is_passing
from hpo.study.result import Result

FORMAT = 9
"""Raised when figures or notes come to look different: everything is then published anew."""
_LOCK = 0x68706F  # first of the two keys of a study's advisory lock
LEAST_S = 4.0
"""A study is published again after so many seconds at the earliest."""
EVERY_S, LONGEST_PAUSE_S = 5.0, 60.0
"""How often a thread looks for changes; how long it waits at most for a database that is away."""
SHARE = 0.1
"""A thread takes at most this share of one core."""
STOP_S = 2.0
"""How long a publication is waited for that is being made when its thread is stopped."""


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


def _find(connection: Connection) -> dict[str, Publication]:
    """Every study by name, oldest first."""
    published = optuna_tables.system_attr_of_all(connection, optuna_tables.PUBLISHED)
    rows = {row.name: row for row in overview.states(connection)}
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


def _write(
    connection: Connection, publication: Publication, cards: Mapping[str, str], note: str
) -> bool:
    """Show figures (JSON by name) and our part of the note in place of those that are shown.

    Returns whether it did: not if the study was deleted meanwhile.
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


def _fingerprint(*rows: Row[Any]) -> str:
    """16 hex digits over the states of a study and of those that its figure is drawn with."""
    state = [
        (row.state, row.reason, row.amendments, row.spec, row.code, row.settled, str(row.latest))
        for row in rows
    ]
    return hashlib.sha256(json.dumps([FORMAT, state]).encode()).hexdigest()[:16]


def _seconds_since(at: str | None, now: datetime) -> float:
    """The age of a time stamp; infinite of none, and of one by a clock that was ahead of this."""
    seconds = (now - datetime.fromisoformat(at)).total_seconds() if at else -1.0
    return seconds if seconds >= 0 else float("inf")


class Publisher:
    """Publishes the studies of a database."""

    def __init__(self, storage: Storage) -> None:
        """Publish what a database holds.

        Raises:
            StorageError: its tables are those of a newer version of this software.
        """
        prepare_database(storage, schema)
        self._engine = storage.engine

    def stale(self) -> list[Publication]:
        """The studies of which the dashboard shows another state than theirs, or none."""
        with self._engine.begin() as connection:
            return [found for found in _find(connection).values() if found.stale]

    def publish(self, study: str, *, least_s: float = LEAST_S) -> bool:
        """Show the state that a study is in, unless it was published less than ``least_s`` ago.

        Returns whether anything was written: not if the state is shown already, if another process
        is at it, or if it is too early, whoever published it last.

        Raises:
            StudyError: there is no such study.
            SpecError: its spec cannot be read here, as where its objective is not installed.
        """
        from hpo.views import verdict  # plotly, for which a launch need not wait
        from hpo.views.figures.convergence import convergence
        from hpo.views.report.html import compact

        alone = func.pg_try_advisory_xact_lock(_LOCK, func.hashtext(study))
        with self._engine.begin() as connection:
            if not connection.scalar(select(alone)):
                return False
            known = _find(connection)  # before the study is read: it may move on
            if study not in known:
                raise StudyError(reading.no_such_study(connection, study))
            found = known[study]
            if not found.stale or found.seconds_old < least_s:
                return False
            snapshot = reading.snapshot(connection, study, curves=False)
            shown = Result.of(snapshot)
            cards = {"1-convergence": compact(convergence(shown))} if shown.selects else {}
            return _write(connection, found, cards, verdict.verdict(shown))


def _complain(text: str) -> None:
    print(f"dashboard figures: {text}", file=sys.stderr, flush=True)


class PublishingThread(threading.Thread):
    """Publishes studies beside whatever its process does, and never disturbs that.

    Each kind of trouble is told once; a database that is away is tried again, with growing pauses.
    """

    def __init__(
        self,
        storage: Storage,
        studies: Sequence[str] | None = None,
        *,
        after_s: float = 0.0,
        every_s: float = EVERY_S,
        say: Callable[[str], None] = _complain,
    ) -> None:
        """Prepare to publish; ``start`` begins.

        Args:
            storage: the database; it stays open until ``stop`` has returned.
            studies: names, or None for every study that there is and will be.
            after_s: seconds until the first look for changes.
            every_s: seconds between two looks, at least.
            say: told of each kind of trouble once, in this thread.
        """
        super().__init__(name="publishing", daemon=True)
        self._storage, self._studies, self._say = storage, studies, say
        self._after_s, self._every_s = after_s, every_s
        self._ended = threading.Event()
        self._deadline_s = 0.0
        self._publisher: Publisher | None = None
        self._told: set[str] = set()
        self._refused: dict[str, str] = {}
        """Study -> fingerprint of the state that could not be published."""

    def stop(self, *, last_s: float = 0.0, wait_s: float = STOP_S) -> None:
        """Stop, soon.

        Args:
            last_s: seconds that may pass until the last state is shown; with 0, it is left to
                whoever looks next.
            wait_s: seconds for which a publication that is being made is waited for.
        """
        self._deadline_s = time.monotonic() + last_s
        self._ended.set()
        if self.is_alive():
            self.join(last_s or wait_s)

    def run(self) -> None:
        """Look for changes until told to stop; then once more, if there is time for it."""
        pause_s = self._after_s
        while not self._ended.wait(pause_s):
            began_s = time.thread_time()
            if self._look(LEAST_S) is None:
                pause_s = min(LONGEST_PAUSE_S, max(self._every_s, 2 * pause_s))
            else:
                pause_s = max(self._every_s, (time.thread_time() - began_s) / SHARE)
        while time.monotonic() < self._deadline_s and self._look(0.0) is False:
            time.sleep(0.05)  # another process is at it, maybe with an earlier state

    def _look(self, least_s: float) -> bool | None:
        """Publish what has changed; whether all is shown then, None if the database is away."""
        try:
            self._publisher = self._publisher or Publisher(self._storage)
            stale = self._publisher.stale()
        except Exception as error:
            return self._failed(error)
        wanted = [
            found
            for found in stale
            if (self._studies is None or found.study in self._studies)
            and self._refused.get(found.study) != found.fingerprint
        ]
        shown = 0
        for found in wanted:
            if least_s and self._ended.is_set():
                break
            try:
                shown += self._publisher.publish(found.study, least_s=least_s)
            except Exception as error:
                if self._failed(error, found.study) is None:
                    return None
                self._refused[found.study] = found.fingerprint
        return shown == len(wanted)

    def _failed(self, error: Exception, study: str = "") -> bool | None:
        """Tell of trouble once; None if it passes by itself."""
        passing = is_passing(error)
        lines = str(error).splitlines() or [type(error).__name__]
        text = "the database does not answer, trying again" if passing else lines[0]
        if text not in self._told:
            self._told.add(text)
            self._say(f"{study}: {text}" if study and not passing else text)
        return None if passing else False
