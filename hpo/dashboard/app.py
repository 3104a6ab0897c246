"""The routes of the dashboard, and the answers while the database is empty or
unreachable."""

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
from hpo.postgres.retry import is_passing, said_by
from hpo.views.pages import overview, page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PAUSE_S = 2.0
"""One request retries an unreachable database after this time."""
AT_ONCE = 2
"""Concurrent requests to optuna-dashboard: 5,000 trials of 60 epochs take half a minute
and 0.6 GB, and our pages need free threads."""
TURN_S = 5.0
"""The longest wait of such a request for its turn."""
_TROUBLE = (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.TimeoutError)
"""Errors of the database: a changed password, dropped tables."""
_PAGES = (Kind.HOME, Kind.STUDY, Kind.OPTUNA_PAGE)
_log = logging.getLogger(__name__)


class _Opened:
    """The pages of a reachable database."""

    def __init__(self, storage: Storage, option: str) -> None:
        self.storage, self.pages = storage, Pages(storage.engine, option=option)
        self.optuna: WSGIApplication = optuna_dashboard.wsgi(
            storage.optuna(read_only=True)
        )
        self.at_once = threading.BoundedSemaphore(AT_ONCE)

    def ask_optuna(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not self.at_once.acquire(timeout=TURN_S):
            raise Away("optuna-dashboard is busy with large studies. Try again")
        try:
            return self.optuna(environ, start_response)
        finally:
            self.at_once.release()


class DashboardApp:
    """A WSGI application behind the guard, which sets ``hpo.kind``."""

    def __init__(self, open_: Callable[[], Storage], *, option: str = "") -> None:
        """Open the database, with its tables, when it is first needed.

        Printed commands need ``option`` to reach the same database.
        """
        self._open, self._option = open_, option
        self._opened: _Opened | None = None
        self._lock, self._retrying = threading.Lock(), threading.Lock()
        self._away: tuple[float, str] | None = None

    def open(self) -> None:
        """Connect to the database before the first page.

        Raises:
            HpoError: the database refuses for good.
        """
        with suppress(Away):  # it is in the log
            self._prepared().pages.begin()

    def close(self) -> None:
        """Disconnect from the database."""
        if self._opened is not None:
            self._opened.storage.close()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        kind: Kind = environ["hpo.kind"]
        if kind is Kind.HEALTH:
            return _send(Reply(b"ok\n", "text/plain"), start_response)
        if kind is Kind.FILE:
            return _send(_file(environ), start_response)
        if kind is Kind.OPTUNA_FILE and self._opened is not None:  # needs no database
            return self._opened.optuna(environ, start_response)
        try:
            opened = self._reached()
            if kind in (Kind.OPTUNA, Kind.OPTUNA_PAGE, Kind.OPTUNA_FILE):
                return opened.ask_optuna(environ, start_response)
            return _send(_answer(opened.pages, kind, environ), start_response)
        except StudyError as error:
            status, title, text = "404 Not Found", "No such study", str(error)
        except Exception as error:
            status, title, text = (
                "503 Service Unavailable",
                "The database cannot be read",
                "",
            )
            if isinstance(error, Away | HpoError):
                text = str(error)
            elif isinstance(error, _TROUBLE) or is_passing(error):
                text = self._note_away(error)
            else:
                raise
        if kind in _PAGES:
            reply = Reply(overview.notice(title, text).encode(), status=status)
        else:
            body = json.dumps({"reason": f"{title}: {text}"}).encode()
            reply = Reply(body, "application/json", status)
        return _send(reply, start_response)

    # --- the database ---

    def _reached(self) -> _Opened:
        """Return the pages, if the database answers.

        While it is unreachable, one request retries; all others fail at once, so that
        threads stay free for health checks.

        Raises:
            Away: the database is unreachable now.
            HpoError: it refuses.
        """
        away = self._away
        if away is None:
            return self._checked()
        if time.monotonic() - away[0] < PAUSE_S or not self._retrying.acquire(
            blocking=False
        ):
            raise Away(away[1])
        try:
            opened = self._checked()
            self._away = None
            return opened
        finally:
            self._retrying.release()

    def _checked(self) -> _Opened:
        opened = self._prepared()
        with connected(opened.storage.engine, LONG_S) as connection:
            connection.execute(sa.select(models.StudyModel.study_id).limit(1))
        return opened

    def _prepared(self) -> _Opened:
        with self._lock:
            if self._opened is None:
                try:
                    self._opened = _Opened(self._open(), self._option)
                except HpoError as error:
                    cause = getattr(error.__cause__, "orig", None)
                    no_tables = isinstance(cause, psycopg.errors.InsufficientPrivilege)
                    if not no_tables and not is_passing(error):
                        raise
                    raise Away(self._note_away(error)) from error
            return self._opened

    def _note_away(self, error: Exception) -> str:
        """Record why the database is unreachable, without any password."""
        text = said_by(error)
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
    """Return the encodings that a client accepts, and the ETag of its copy."""
    return environ["HTTP_ACCEPT_ENCODING"], environ.get("HTTP_IF_NONE_MATCH", "")


def _send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    start_response(reply.status, reply.head())
    return [reply.body]


_MADE = {"plotly.js": page.plotly, "figures.js": page.script}
"""Scripts without a file of ours."""
_MEDIA = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


def _file(environ: WSGIEnvironment) -> Reply:
    """Return a style sheet or a script of ours."""
    try:
        return _shown(environ["PATH_INFO"].rpartition("/")[2]).reply(*_wants(environ))
    except FileNotFoundError:
        return Reply(b"", status="404 Not Found")


@cache
def _shown(name: str) -> Shown:
    path = Path(__file__).with_name(name)
    text = _MADE[name]() if name in _MADE else path.read_text(encoding="utf-8")
    return Shown(text, _MEDIA[name.rpartition(".")[2]])
