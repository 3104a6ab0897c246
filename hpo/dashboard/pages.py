"""Our pages, made in the background on request, once for all viewers."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial

from sqlalchemy import Connection, Engine

from hpo import settings
from hpo.dashboard.renewed_values import Away, Fresh
from hpo.dashboard.replies import Shown
from hpo.errors import SpecError, StudyError
from hpo.ledger import one_trial, snapshots
from hpo.ledger.events import newest_events
from hpo.ledger.overview import MOST, Overview, list_native, read_marks
from hpo.ledger.workers import read_workers
from hpo.postgres.connect import Storage, is_full
from hpo.study.result import Result
from hpo.study.trials import WorkerInfo
from hpo.views.pages import metrics, overview, report, trial, trials

LONG_S = 5.0
"""A request without a fallback waits this long."""
QUERY_S = 20
"""The time limit of a query."""
_PAGES = 16
"""Number of cached reports, the least recently viewed are dropped."""
_LISTS = 2
"""Likewise of the tables of all trials, which may be large."""
_EVENTS = 10


def connected(engine: Engine, seconds: float) -> Connection:
    """Open a connection with a time limit for its queries."""
    connection = engine.connect()
    snapshots.limit_reader(connection, seconds)
    return connection


@dataclass(frozen=True)
class _Home:
    """All studies at one moment, and their page."""

    read_s: float
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

    def __init__(self, storage: Storage, *, option: str = "") -> None:
        """Take the database, and the option by which a command reaches it."""
        self._storage = storage
        self._engine = storage.engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._option = option
        self._overview = Overview(
            lambda snapshot: overview.card(Result.of(snapshot)), most=MOST
        )
        self._home = Fresh(self._read_home)
        self._reports: Callable[[str], Fresh[_Report]] = lru_cache(_PAGES)(
            lambda name: Fresh(partial(self._draw, name))
        )
        self._nows: Callable[[str], Fresh[Shown]] = lru_cache(_PAGES)(
            lambda name: Fresh(partial(self._read_now, name))
        )
        self._trials: Callable[[str, int], Fresh[Shown]] = lru_cache(_PAGES)(
            lambda name, number: Fresh(partial(self._draw_trial, name, number))
        )
        self._rows: Callable[[str], Fresh[Shown]] = lru_cache(_LISTS)(
            lambda name: Fresh(partial(self._list, name))
        )
        self._drawing = threading.Lock()

    def begin(self) -> None:
        """Start to read all studies, before the first request."""
        with suppress(Away):
            self._home.get(wait_s=0.0)

    def home(self) -> Shown:
        """Return the home page."""
        try:
            return self._home.get().shown
        except Away:
            return Shown(overview.drawing("Studies"))

    @property
    def error(self) -> Exception | None:
        """Why the studies could not be read the last time, if so."""
        return self._home.error

    def metrics(self) -> Shown:
        """Return the metrics for Prometheus.

        Raises:
            Away: there are no recent ones.
        """
        home = self._home.get(LONG_S)
        age_s = time.monotonic() - home.read_s
        text = metrics.metrics(home.studies, home.workers, age_s)
        return Shown(text, metrics.MEDIA_TYPE)

    def study(self, name: str) -> Shown:
        """Return the report of a study.

        Raises:
            StudyError: there is no such study.
        """
        try:
            return self._reports(name).get(oldest_s=math.inf).shown
        except Away:
            return Shown(overview.drawing(name))

    def now(self, name: str) -> Shown:
        """Return the part of a study's page with its workers and last events.

        Raises:
            StudyError: there is no such study.
            Away: there is no recent one.
        """
        return self._nows(name).get(LONG_S)

    def trial(self, name: str, number: int) -> Shown:
        """Return the page of a trial.

        Raises:
            StudyError: there is no such study, or no such trial.
            Away: there is no recent one.
        """
        return self._trials(name, number).get(LONG_S)

    def trials(self, name: str) -> Shown:
        """Return the page with the table of all trials, which fetches ``rows``.

        Raises:
            StudyError: there is no such study.
            Away: there are no recent rows.
        """
        self.rows(name)
        return Shown(trials.page(name))

    def rows(self, name: str) -> Shown:
        """Return all trials of a study as JSON.

        Raises:
            StudyError: there is no such study.
            Away: there are no recent ones.
        """
        return self._rows(name).get(LONG_S)

    def _draw_trial(self, name: str, number: int, last: Shown | None) -> Shown:
        with connected(self._engine, QUERY_S) as connection:
            read = one_trial.read_trial(connection, name, number)
        with self._drawing:
            return Shown(trial.html(read, live=True))

    def _list(self, name: str, last: Shown | None) -> Shown:
        with connected(self._engine, QUERY_S) as connection:
            spec, rows = one_trial.list_trials(connection, name)
        return Shown(trials.data(spec, rows), trials.MEDIA_TYPE)

    def _read_home(self, last: _Home | None) -> _Home:
        read_s = time.monotonic()
        with connected(self._engine, QUERY_S) as connection:
            changes = self._overview.read(connection)
            native = list_native(connection)
            workers = read_workers(connection)
            events = newest_events(connection, _EVENTS)
        studies = self._overview.made(changes)
        page = overview.no_study(self._option)
        if studies or native:
            troubles = self._list_full_disks()
            page = overview.home(studies, native, workers, events, troubles)
        return _Home(read_s, studies, workers, Shown(page))

    def _list_full_disks(self) -> list[str]:
        """Say which disks are full: the server's, or that of logs and reports here."""
        found = [self._storage.explain_full_disk()]
        home = settings.home()
        if self._storage.full_disk() != home and is_full(home):
            found.append(
                f"HPO_HOME, {home}: its disk is full; logs of workers go there"
            )
        return [text for text in found if text]

    def _draw(self, name: str, last: _Report | None) -> _Report:
        with connected(self._engine, QUERY_S) as connection:
            mark = read_marks(connection, name)
            if last is not None and last.mark == mark:
                return last
            rows = [snapshots.fetch_drawn(connection, name)]
            overlays = [other for other in mark if other != name]
            for other in overlays:
                rows.append(snapshots.fetch_drawn(connection, other, curves=False))
        with self._drawing:  # one at a time, to leave threads for other pages
            return _Report(mark, _page(name, rows, self._complete))

    def _complete(self, result: Result) -> Result:
        """Return a result with the curves of its best trials."""
        lacking = snapshots.lack_steps(result)
        if not lacking:
            return result
        with connected(self._engine, QUERY_S) as connection:
            return Result.of(snapshots.add_steps(connection, result.snapshot, lacking))

    def _read_now(self, name: str, last: Shown | None) -> Shown:
        with connected(self._engine, QUERY_S) as connection:
            number = snapshots.find_study(connection, name).optuna_study_id
            workers = read_workers(connection)
            events = newest_events(connection, _EVENTS, name)
        return Shown(overview.now(name, number, workers, events))


def _page(
    name: str,
    rows: list[snapshots.Fetched],
    complete: Callable[[Result], Result],
) -> Shown:
    """Return the report of a study, the first of ``rows``, or why it cannot be read.

    ``complete`` reads what is drawn of its best trials. Its rows are taken out of the
    list, so that they do not stay beside what is built of them.
    """
    try:
        result = complete(Result.of(snapshots.build(rows.pop(0))))
    except (SpecError, StudyError) as error:
        return Shown(overview.notice(name, str(error)))
    results, notices = _readable(rows)
    return Shown(report.html(result, results, notices=notices, live=True))


def _readable(studies: Iterable[snapshots.Fetched]) -> tuple[list[Result], list[str]]:
    """Return the results of studies, and a notice for each that cannot be read."""
    results: list[Result] = []
    notices: list[str] = []
    for rows in studies:
        try:
            results.append(Result.of(snapshots.build(rows)))
        except (SpecError, StudyError) as error:  # it affects no other page
            name = rows.study.name
            notices.append(f"Not drawn: study {name} cannot be read: {error}")
    return results, notices
