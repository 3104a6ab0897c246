"""Our pages, made in the background on request, once for all viewers."""

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

from sqlalchemy import Connection, Engine

from hpo.errors import SpecError, StudyError
from hpo.ledger import snapshots
from hpo.ledger.events import newest_events
from hpo.ledger.overview import Overview, read_marks
from hpo.ledger.workers import read_workers
from hpo.study.result import Result
from hpo.study.trials import WorkerInfo
from hpo.views.pages import metrics, overview, report

SHORTEST_S = 2.0
"""Requests within this time share a page."""
SHARE = 0.1
"""The largest share of time for remaking a page, unless it gets half as old as
``OLDEST_S``."""
WAIT_S = 0.7
"""A request waits this long for a new page; then it gets the last one."""
LONG_S = 5.0
"""A request without a fallback waits this long."""
OLDEST_S = 30.0
"""Older pages are not shown, so that a dead database does not look like an idle one."""
QUERY_S = 20
"""The time limit of a query."""
_PAGES = 16
"""Number of cached reports, the least recently viewed are dropped."""
_EVENTS = 10
_HTML = "text/html; charset=utf-8"
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
"""An Accept-Encoding header that permits gzip."""
T = TypeVar("T")


class Away(Exception):
    """The database cannot answer now; the text says why."""


@dataclass(frozen=True)
class Reply:
    """An answer: status, headers and body."""

    body: bytes
    media: str = _HTML
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()

    def head(self) -> list[tuple[str, str]]:
        """Return all headers."""
        length = ("Content-Length", str(len(self.body)))
        return [("Content-Type", self.media), length, *self.headers]


class Shown:
    """A text for many viewers: compressed once, and sent only to clients without a
    copy."""

    def __init__(self, content: str, media: str = _HTML) -> None:
        """Take the text; lone surrogates are replaced."""
        self._plain, self._media = content.encode(errors="replace"), media
        self._packed = gzip.compress(self._plain, compresslevel=5, mtime=0)
        self._version = f'"{hashlib.sha256(self._plain).hexdigest()[:16]}"'

    def reply(self, accepted: str, etag: str = "") -> Reply:
        """Return the text for the accepted encodings; 304 if ``etag`` is its ETag."""
        headers = (("ETag", self._version), ("Vary", "Accept-Encoding"))
        if self._version == etag:
            return Reply(b"", self._media, "304 Not Modified", headers)
        if not _GZIP.search(accepted):
            return Reply(self._plain, self._media, headers=headers)
        return Reply(
            self._packed, self._media, headers=(*headers, ("Content-Encoding", "gzip"))
        )


def connected(engine: Engine, seconds: float) -> Connection:
    """Open a connection with a time limit for its queries."""
    connection = engine.connect()
    snapshots.limit_reader(connection, seconds)
    return connection


class Fresh(Generic[T]):
    """A cached value, renewed in a background thread when somebody needs it and it is
    old."""

    def __init__(
        self, make: Callable[[T | None], T], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take ``make``, which gets the last value and may return it again."""
        self._make, self._clock = make, clock
        self._lock = threading.Lock()
        self._making: Future[T] | None = None
        self._known: tuple[T, float] | None = None
        self._until_s = 0.0

    def get(
        self, wait_s: float = WAIT_S, oldest_s: float = OLDEST_S
    ) -> tuple[T, float] | None:
        """Return the value and its age in seconds; None if there is no recent one.

        Raises:
            Exception: from ``make``.
        """
        with self._lock:
            if self._making is None and self._clock() >= self._until_s:
                self._making = Future()
                threading.Thread(
                    target=self._run, args=(self._making,), daemon=True
                ).start()
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
    """All studies at one moment, and their page."""

    studies: Sequence[overview.Study]
    workers: Sequence[WorkerInfo]
    shown: Shown


@dataclass(frozen=True)
class _Report:
    """A study's page, and the version of the study that it shows."""

    mark: object
    shown: Shown


class Pages:
    """The pages on the studies of a database, read on request."""

    def __init__(self, engine: Engine, *, option: str = "") -> None:
        """Take the engine, and the option by which a command reaches the same
        database."""
        self._engine = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._option = option
        self._overview = Overview(lambda snapshot: overview.card(Result.of(snapshot)))
        self._home = Fresh(self._read)
        self._caches = lru_cache(_PAGES)(self._new)
        self._drawing = threading.Lock()

    def begin(self) -> None:
        """Start to read all studies, before the first request."""
        self._home.get(0.0)

    def home(self, accepted: str, etag: str) -> Reply:
        """Return the home page."""
        value = self._home.get()
        if value is None:
            return Reply(overview.drawing("Studies").encode())
        return value[0].shown.reply(accepted, etag)

    def metrics(self) -> Reply:
        """Return the metrics for Prometheus."""
        home, age_s = _soon(self._home)
        body = metrics.metrics(home.studies, home.workers, age_s)
        return Reply(body.encode(), metrics.MEDIA_TYPE)

    def study(self, name: str, accepted: str, etag: str) -> Reply:
        """Return the report of a study."""
        value = self._caches(name)[0].get(oldest_s=float("inf"))
        if value is None:
            return Reply(overview.drawing(name).encode())
        return value[0].shown.reply(accepted, etag)

    def now(self, name: str, accepted: str, etag: str) -> Reply:
        """Return the part of a study's page with its workers and last events."""
        return _soon(self._caches(name)[1])[0].reply(accepted, etag)

    def _new(self, name: str) -> tuple[Fresh[_Report], Fresh[Shown]]:
        return Fresh(partial(self._report, name)), Fresh(partial(self._now, name))

    def _read(self, last: _Home | None) -> _Home:
        with connected(self._engine, QUERY_S) as connection:
            changes = self._overview.read(connection)
            names = snapshots.read_names(connection)
            workers = read_workers(connection)
            events = newest_events(connection, _EVENTS)
        studies = self._overview.made(changes)
        ours = {study.number for study, _ in studies}
        others = [
            (number, names[number]) for number in sorted(names) if number not in ours
        ]
        page = overview.home(studies, others, workers, events)
        page = page if names else overview.no_study(self._option)
        return _Home(studies, workers, Shown(page))

    def _report(self, name: str, last: _Report | None) -> _Report:
        with connected(self._engine, QUERY_S) as connection:
            mark = read_marks(connection, name)
            if last is not None and last.mark == mark:
                return last
            rows = snapshots.fetch(connection, name, curves=True)
            other_rows = [
                snapshots.fetch(connection, one) for one in mark if one != name
            ]
        try:
            result = Result.of(snapshots.build(rows))
        except (SpecError, StudyError) as error:
            return _Report(mark, Shown(overview.notice(name, str(error))))
        others, notices = list[Result](), list[str]()
        for one in other_rows:
            try:
                others.append(Result.of(snapshots.build(one)))
            except (SpecError, StudyError) as error:  # it affects no other page
                notices.append(
                    f"Not drawn: study {one.study.name} cannot be read: {error}"
                )
        with self._drawing:  # one at a time, to leave threads for other pages
            return _Report(
                mark, Shown(report.html(result, others, notices=notices, live=True))
            )

    def _now(self, name: str, last: Shown | None) -> Shown:
        with connected(self._engine, QUERY_S) as connection:
            number = snapshots.find_study(connection, name).optuna_study_id
            workers = read_workers(connection)
            events = newest_events(connection, _EVENTS, name)
        return Shown(overview.now(name, number, workers, events))


def _soon(fresh: Fresh[T]) -> tuple[T, float]:
    """Return a value and its age in seconds.

    Raises:
        Away: there is no recent value.
    """
    value = fresh.get(LONG_S)
    if value is None:
        raise Away(f"no answer for {LONG_S:.0f} s")
    return value
