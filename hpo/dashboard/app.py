"""Who answers which route, and what is answered while the database is empty or away."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import optuna_dashboard
import psycopg
import sqlalchemy as sa
from optuna.storages._rdb import models

from hpo.dashboard.guard import Kind
from hpo.dashboard.pages import LONG_S, Away, Pages, Reply, Shown, connected
from hpo.errors import HpoError, StudyError
from hpo.postgres.connect import Storage
from hpo.postgres.retry import is_passing
from hpo.views import overview, page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PAUSE_S = 2.0
"""A database that is away is asked again after this time, by one request."""
AT_ONCE = 2
"""So many questions optuna-dashboard answers at once: 5,000 trials of 60 epochs take it half a
minute and 0.6 GB, and threads must be left for our pages."""
TURN_S = 5.0
"""So long a question waits for its turn."""
_TROUBLE = (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.TimeoutError)
"""The database's trouble and not ours: a password that was changed, tables that were dropped."""
_PAGES = (Kind.HOME, Kind.STUDY, Kind.OPTUNA_PAGE)
_log = logging.getLogger(__name__)


class _Opened:
    """What there is once the database was reached."""

    def __init__(self, storage: Storage) -> None:
        self.storage, self.pages = storage, Pages(storage.engine)
        self.optuna: WSGIApplication = optuna_dashboard.wsgi(storage.optuna(read_only=True))
        self.at_once = threading.BoundedSemaphore(AT_ONCE)

    def ask_optuna(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not self.at_once.acquire(timeout=TURN_S):
            raise Away("optuna-dashboard is busy with large studies; try again")
        try:
            return self.optuna(environ, start_response)
        finally:
            self.at_once.release()


class DashboardApp:
    """A WSGI application behind the guard, which sets ``hpo.kind``."""

    def __init__(self, open_: Callable[[], Storage], *, option: str = "") -> None:
        """Open the database, with its tables, when it is first needed.

        A printed command needs ``option`` to reach the same database.
        """
        self._open, self._option = open_, option
        self._opened: _Opened | None = None
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._away: tuple[float, str] | None = None
        self._empty = False

    def open(self) -> None:
        """Reach the database, so that the first page finds it open.

        Raises:
            HpoError: it refuses, for a reason that time does not mend.
        """
        with suppress(Away):  # said in the log
            self._prepared()

    def close(self) -> None:
        """Leave the database."""
        if self._opened is not None:
            self._opened.storage.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        kind: Kind = environ["hpo.kind"]
        if kind is Kind.HEALTH:
            return _send(Reply(b"ok\n", "text/plain"), start_response)
        if kind is Kind.FILE:
            return _send(_file(environ), start_response)
        if kind is Kind.OPTUNA_FILE and self._opened is not None:  # there without the database
            return self._opened.optuna(environ, start_response)
        try:
            opened, has_studies = self._reached()
            if kind in (Kind.HOME, Kind.OPTUNA_PAGE) and not has_studies:
                return _send(Reply(overview.no_study(self._option).encode()), start_response)
            if kind in (Kind.OPTUNA, Kind.OPTUNA_PAGE, Kind.OPTUNA_FILE):
                return opened.ask_optuna(environ, start_response)
            return _send(_answer(opened.pages, kind, environ), start_response)
        except StudyError as error:
            return _send(
                _notice(kind, "404 Not Found", "No such study", str(error)), start_response
            )
        except (Away, HpoError) as error:
            text = str(error)
        except Exception as error:
            if not isinstance(error, _TROUBLE) and not is_passing(error):
                raise
            text = self._note_away(error)
        return _send(self._unavailable(kind, text), start_response)

    def _unavailable(self, kind: Kind, text: str) -> Reply:
        if kind in _PAGES and self._empty:
            return Reply(overview.no_study(self._option).encode())
        return _notice(kind, "503 Service Unavailable", "The database does not answer", text)

    # --- the database -------------------------------------------------------------------

    def _reached(self) -> tuple[_Opened, bool]:
        """What is behind the site, and whether there is any study.

        While the database is away, one request asks for it, which may take its time; all others
        are answered at once, so that threads are left for whoever asks after our health.

        Raises:
            Away: it cannot be reached now.
            HpoError: it refuses.
        """
        away = self._away
        if away is None:
            opened = self._prepared()
            return opened, _ask(opened.storage)
        if time.monotonic() - away[0] < PAUSE_S or not self._asking.acquire(blocking=False):
            raise Away(away[1])
        try:
            opened = self._prepared()
            has_studies = _ask(opened.storage)
            self._away = None
            return opened, has_studies
        finally:
            self._asking.release()

    def _prepared(self) -> _Opened:
        if self._opened is not None:
            return self._opened
        with self._lock:
            if self._opened is None:
                try:
                    storage = self._open()
                except HpoError as error:
                    said = getattr(error.__cause__, "orig", None)  # we may not make its tables
                    self._empty = isinstance(said, psycopg.errors.InsufficientPrivilege)
                    if not self._empty and not is_passing(error):
                        raise
                    raise Away(self._note_away(error)) from error
                self._opened, self._empty = _Opened(storage), False
            return self._opened

    def _note_away(self, error: Exception) -> str:
        """Remember that the database is away, and why in words; they name no password."""
        said = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
        text = " ".join(str(said).split())[:400]
        if self._away is None:
            _log.warning("%s", text)
        self._away = time.monotonic(), text
        return text


def _answer(pages: Pages, kind: Kind, environ: WSGIEnvironment) -> Reply:
    wants = _wants(environ)
    if kind is Kind.METRICS:
        return pages.metrics()
    if kind is Kind.HOME:
        return pages.home(*wants)
    _, _, name, *part = environ["PATH_INFO"].encode("latin-1").decode().split("/")
    return pages.now(name, *wants) if part else pages.study(name, *wants)


def _wants(environ: WSGIEnvironment) -> tuple[str, str]:
    """The encodings that a client accepts, and the ETag of what it has."""
    return environ["HTTP_ACCEPT_ENCODING"], environ.get("HTTP_IF_NONE_MATCH", "")


def _ask(storage: Storage) -> bool:
    """Whether there is any study: also the question whether the database is there at all."""
    with connected(storage.engine, LONG_S) as connection:
        table = models.StudyModel.__table__
        return bool(connection.scalar(sa.select(sa.exists(sa.select(table.c.study_id)))))


def _notice(kind: Kind, status: str, title: str, reason: str) -> Reply:
    """Why there is nothing to show, for people or for programs."""
    if kind in _PAGES:
        return Reply(overview.notice(title, reason).encode(), status=status)
    text = json.dumps({"reason": f"{title}: {reason}"})
    return Reply(text.encode(), "application/json", status)


def _send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    start_response(reply.status, reply.head())
    return [reply.body]


_MADE = {"plotly.js": page.plotly, "figures.js": page.script}
"""Scripts that stand in no file of ours."""
_MEDIA = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


def _file(environ: WSGIEnvironment) -> Reply:
    """A style sheet or a script of ours."""
    try:
        return _shown(environ["PATH_INFO"].rpartition("/")[2]).reply(*_wants(environ))
    except FileNotFoundError:
        return Reply(b"", status="404 Not Found")


@cache
def _shown(name: str) -> Shown:
    path = Path(__file__).with_name(name)
    text = _MADE[name]() if name in _MADE else path.read_text(encoding="utf-8")
    return Shown(text, _MEDIA[name.rpartition(".")[2]])
