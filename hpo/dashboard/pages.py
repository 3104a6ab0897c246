"""What our pages say: made in the background when somebody asks, once for all who look."""

from __future__ import annotations

import gzip
import hashlib
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Generic, TypeVar

from sqlalchemy import Connection, Engine, text

from hpo.errors import SpecError, StudyError
from hpo.ledger import snapshots
from hpo.ledger.reader import Overview, marks
from hpo.study.result import Result
from hpo.study.trials import WorkerInfo
from hpo.views import overview, report

SHORTEST_S = 2.0
"""Viewers that ask within this time see the same."""
SHARE = 0.1
"""To read and draw one thing takes at most this share of the time, unless it is half too old."""
WAIT_S = 0.7
"""So long a request waits for what is being made; then it gets the last one that was."""
LONG_S = 5.0
"""So long waits who can show nothing else."""
OLDEST_S = 30.0
"""What is older is not shown: a database that does not answer must not look like one at rest."""
QUERY_S = 20
"""The database gives up a question that takes longer."""
_PAGES = 16
"""The reports of so many studies are kept, of those that were looked at last."""
_EVENTS = 10
_HTML = "text/html; charset=utf-8"
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
"""In an Accept-Encoding header: answers may be compressed."""
T = TypeVar("T")


class Away(Exception):
    """The database cannot answer now; the text says why, for people."""


@dataclass(frozen=True)
class Reply:
    """What is answered: a status, headers, and bytes."""

    body: bytes
    media: str = _HTML
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()

    def head(self) -> list[tuple[str, str]]:
        """All headers."""
        length = ("Content-Length", str(len(self.body)))
        return [("Content-Type", self.media), length, *self.headers]


class Shown:
    """A text that many look at: packed once, and sent only to those who do not have it yet."""

    def __init__(self, said: str, media: str = _HTML) -> None:
        """Take the text, of which no lone surrogate is UTF-8."""
        self._plain, self._media = said.encode(errors="replace"), media
        self._packed = gzip.compress(self._plain, compresslevel=5, mtime=0)
        self._version = f'"{hashlib.sha256(self._plain).hexdigest()[:16]}"'

    def reply(self, accepted: str, known: str = "") -> Reply:
        """The text for a client that accepts encodings, and has what its ETag names."""
        own = (("ETag", self._version), ("Vary", "Accept-Encoding"))
        if self._version == known:
            return Reply(b"", self._media, "304 Not Modified", own)
        if not _GZIP.search(accepted):
            return Reply(self._plain, self._media, headers=own)
        return Reply(self._packed, self._media, headers=(*own, ("Content-Encoding", "gzip")))


def connected(engine: Engine, seconds: float) -> Connection:
    """A connection whose questions the database gives up after so many seconds."""
    connection = engine.connect()
    connection.execute(text(snapshots.LIMITS), {"seconds": f"{seconds:.0f}s"})
    return connection


class Fresh(Generic[T]):
    """Something that is made anew, in a thread of its own, when somebody asks and it is too old."""

    def __init__(
        self, make: Callable[[T | None], T], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``make`` is given the last one, and may give it back; nothing is made yet."""
        self._make, self._clock = make, clock
        self._lock = threading.Lock()
        self._making: Future[T] | None = None
        self._known: tuple[T, float] | None = None
        self._until_s = 0.0

    def get(self, wait_s: float = WAIT_S, oldest_s: float = OLDEST_S) -> tuple[T, float] | None:
        """The thing and its age in seconds, soon; None where there is none but too old ones.

        Raises:
            Exception: whatever the making raised.
        """
        with self._lock:
            if self._making is None and self._clock() >= self._until_s:
                self._making = Future()
                threading.Thread(target=self._run, args=(self._making,), daemon=True).start()
            making = self._making
        if making is not None and wait([making], wait_s).done:
            making.result()
        if self._known is None:
            return None
        made, at_s = self._known
        age_s = self._clock() - at_s
        return None if age_s > oldest_s else (made, age_s)

    def _run(self, making: Future[T]) -> None:
        began_s = self._clock()
        try:
            made = self._make(self._known[0] if self._known else None)
        except BaseException as error:
            self._making = None
            making.set_exception(error)
            return
        took_s = self._clock() - began_s
        self._known = made, began_s
        self._until_s = began_s + max(SHORTEST_S, min(took_s / SHARE, OLDEST_S / 2))
        self._making = None
        making.set_result(made)


@dataclass(frozen=True)
class _Home:
    """All studies at one moment, and the page that shows them."""

    studies: Sequence[overview.Study]
    workers: Sequence[WorkerInfo]
    shown: Shown


@dataclass(frozen=True)
class _Report:
    """A study's page, and of which state of the study."""

    mark: object
    shown: Shown


class Pages:
    """What there is to see of all studies of a database, read when somebody looks."""

    def __init__(self, engine: Engine, *, option: str = "") -> None:
        """Read through ``engine``; nothing is read yet. ``option`` leads a command to it, too."""
        self._engine = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._option = option
        self._overview = Overview(lambda snapshot: overview.card(Result.of(snapshot)))
        self._home = Fresh(self._read)
        self._of = lru_cache(_PAGES)(self._made)
        self._drawing = threading.Lock()

    def begin(self) -> None:
        """Begin to read all studies, before somebody asks."""
        self._home.get(0.0)

    def home(self, accepted: str, known: str) -> Reply:
        """All studies, as a page."""
        found = self._home.get()
        if found is None:
            return Reply(overview.drawing("Studies").encode())
        return found[0].shown.reply(accepted, known)

    def metrics(self) -> Reply:
        """All numbers for Prometheus, and how old they are."""
        home, age_s = _soon(self._home)
        said = overview.metrics(home.studies, home.workers, age_s)
        return Reply(said.encode(), overview.MEDIA_TYPE)

    def study(self, name: str, accepted: str, known: str) -> Reply:
        """The report of a study."""
        found = self._of(name)[0].get(oldest_s=float("inf"))
        if found is None:
            return Reply(overview.drawing(name).encode())
        return found[0].shown.reply(accepted, known)

    def now(self, name: str, accepted: str, known: str) -> Reply:
        """Who is at work on a study, and what happened to it lately: a part of its page."""
        return _soon(self._of(name)[1])[0].reply(accepted, known)

    def _made(self, name: str) -> tuple[Fresh[_Report], Fresh[Shown]]:
        return Fresh(partial(self._report, name)), Fresh(partial(self._now, name))

    def _read(self, last: _Home | None) -> _Home:
        with connected(self._engine, QUERY_S) as connection:
            changes = self._overview.read(connection)
            names = snapshots.names(connection)
            workers = snapshots.seen_workers(connection)
            deeds = snapshots.newest_events(connection, _EVENTS)
        studies = self._overview.made(changes)
        ours = {study.number for study, _ in studies}
        others = [(number, names[number]) for number in sorted(names) if number not in ours]
        found = overview.home(studies, others, workers, deeds)
        said = found if names else overview.no_study(self._option)
        return _Home(studies, workers, Shown(said))

    def _report(self, name: str, last: _Report | None) -> _Report:
        with connected(self._engine, QUERY_S) as connection:
            mark = marks(connection, name)
            if last is not None and last.mark == mark:
                return last
            rows = snapshots.fetched(connection, name, curves=True)
            other_rows = [snapshots.fetched(connection, one) for one in mark if one != name]
        try:
            result = Result.of(snapshots.built(rows))
        except (SpecError, StudyError) as error:
            return _Report(mark, Shown(overview.notice(name, str(error))))
        others, notices = list[Result](), list[str]()
        for one in other_rows:
            try:
                others.append(Result.of(snapshots.built(one)))
            except (SpecError, StudyError) as error:  # it harms no page but its own
                notices.append(f"Not drawn, for it cannot be read: {one.study.name}: {error}")
        with self._drawing:  # one at a time: the others' pages are answered meanwhile
            return _Report(mark, Shown(report.html(result, others, notices=notices, live=True)))

    def _now(self, name: str, last: Shown | None) -> Shown:
        with connected(self._engine, QUERY_S) as connection:
            number = snapshots.study(connection, name).optuna_study_id
            workers = snapshots.seen_workers(connection)
            deeds = snapshots.newest_events(connection, _EVENTS, name)
        return Shown(overview.now(name, number, workers, deeds))


def _soon(fresh: Fresh[T]) -> tuple[T, float]:
    """A thing and its age in seconds.

    Raises:
        Away: there is none but too old ones.
    """
    found = fresh.get(LONG_S)
    if found is None:
        raise Away(f"it has not answered for {LONG_S:.0f} s")
    return found
