"""The routes of the dashboard, and the answers while the database is empty or
unreachable."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import optuna_dashboard
import sqlalchemy as sa

from hpo.dashboard.guard import Kind
from hpo.dashboard.pages import LONG_S, Pages, connected
from hpo.dashboard.renewed_values import Away, Fresh
from hpo.dashboard.replies import Reply, Shown
from hpo.errors import HpoError, NothingYetError, StudyError
from hpo.ledger.schema import schema
from hpo.postgres.connect import Storage, require_tables
from hpo.postgres.retry import is_passing, said_by
from hpo.views.pages import overview, page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AT_ONCE = 2
"""Concurrent requests to optuna-dashboard: 5,000 trials of 60 epochs take half a minute
and 0.6 GB, and our pages need free threads."""
TURN_S = 5.0
"""The longest wait of such a request for its turn."""
CHECK_S = 3.0
"""The time limit of the check that the database answers: less than a request waits, so
that the request hears of its failure."""
_TROUBLE = (
    HpoError,
    sa.exc.OperationalError,
    sa.exc.ProgrammingError,
    sa.exc.TimeoutError,
)
"""Errors of the database: a changed password, dropped tables."""
_UNREADABLE = "503 Service Unavailable"
_log = logging.getLogger(__name__)


class _Site:
    """The pages of a reachable database, ours and those of optuna-dashboard."""

    def __init__(self, storage: Storage, option: str) -> None:
        self.storage = storage
        self.pages = Pages(storage, option=option)
        # the database refuses what it would write
        self.optuna: WSGIApplication = optuna_dashboard.wsgi(
            storage.optuna(read_only=True)
        )
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def check(self) -> None:
        """Ask the database for a row of Optuna's tables."""
        with connected(self.storage.engine, CHECK_S) as connection:
            connection.exec_driver_sql("SELECT study_id FROM studies LIMIT 1")

    def ask_optuna(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if not self._turns.acquire(timeout=TURN_S):
            raise Away("optuna-dashboard is busy with large studies. Try again")
        try:
            return self.optuna(environ, start_response)
        finally:
            self._turns.release()

    def shown(self, kind: Kind, path: str) -> Shown:
        """Return a page of ours."""
        if kind is Kind.METRICS:
            return self.pages.metrics()
        if kind is Kind.HOME:
            return self.pages.home()
        name, _, part = path.removeprefix("/study/").partition("/")
        if kind is Kind.ROWS:
            return self.pages.rows(name)
        return self._of_study(name, part)

    def _of_study(self, name: str, part: str) -> Shown:
        """Return a page of a study, or a part of one."""
        if part == "now":
            return self.pages.now(name)
        if part == "trials":
            return self.pages.trials(name)
        if part:
            return self.pages.trial(name, int(part.removeprefix("trial/")))
        return self.pages.study(name)


class DashboardApp:
    """A WSGI application behind the guard, which sets ``hpo.kind``."""

    def __init__(self, open_: Callable[[], Storage], *, option: str = "") -> None:
        """Open the database when it is first needed; somebody else makes its tables.

        Printed commands need ``option`` to reach the same database.
        """
        self._open = open_
        self._option = option
        self._storage: Storage | None = None
        self._opened: _Site | None = None
        self._reached = Fresh(self._reach)
        self._noted = ""

    def open(self) -> None:
        """Connect to the database before the first page.

        Raises:
            HpoError: the database refuses for good.
        """
        try:
            self._reach()
        except _TROUBLE as error:
            if isinstance(error, HpoError) and _is_lasting(error):
                raise
            self._note(said_by(error))
        if self._opened is not None:
            self._opened.pages.begin()

    def close(self) -> None:
        """Disconnect from the database."""
        if self._storage is not None:
            self._storage.close()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        kind: Kind = environ["hpo.kind"]
        try:
            return self._answer(kind, environ, start_response)
        except StudyError as error:
            reply = _notice(kind, "404 Not Found", "No such study", str(error))
        except NothingYetError as error:
            reply = _notice(kind, _UNREADABLE, "No study yet", str(error))
        except Away as away:
            reply = _unreadable(kind, str(away))
        except Exception as error:
            if not (isinstance(error, _TROUBLE) or is_passing(error)):
                raise
            reply = _unreadable(kind, said_by(error))
            self._note(said_by(error))
        return reply.send(start_response)

    def _answer(
        self, kind: Kind, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if kind is Kind.HEALTH:
            return self._say_health().send(start_response)
        path = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        if kind is Kind.FILE:
            shown = _file(path.rpartition("/")[2])
        elif kind is Kind.OPTUNA_FILE and self._opened is not None:
            return self._opened.optuna(environ, start_response)  # needs no database
        else:
            site = self._site()
            if kind is Kind.OPTUNA:
                return site.ask_optuna(environ, start_response)
            if kind in (Kind.OPTUNA_PAGE, Kind.OPTUNA_FILE):
                return site.optuna(environ, start_response)
            shown = site.shown(kind, path)
        etag = environ.get("HTTP_IF_NONE_MATCH", "")
        reply = shown.reply(environ["HTTP_ACCEPT_ENCODING"], etag)
        return reply.send(start_response)

    def _say_health(self) -> Reply:
        """Say whether pages can be drawn; an unreachable database is no fault of
        this process."""
        error = None
        if self._opened is not None:
            error = self._opened.pages.error
        if error is None or isinstance(error, _TROUBLE) or is_passing(error):
            return Reply(b"ok\n", "text/plain")
        why = f"pages cannot be drawn: {type(error).__name__}"
        return Reply.refusal("503 Service Unavailable", why)

    def _site(self) -> _Site:
        """Return the pages, if the database answers.

        While it is unreachable, one thread tries again; all requests fail at once, so
        that threads stay free for health checks.

        Raises:
            Away: the database does not answer now.
            HpoError: it refuses.
        """
        return self._reached.get(LONG_S)

    def _reach(self, _: _Site | None = None) -> _Site:
        if self._storage is None:
            self._storage = self._open()
        if self._opened is None:
            require_tables(self._storage, schema)
            self._opened = _Site(self._storage, self._option)
        self._opened.check()
        self._noted = ""
        return self._opened

    def _note(self, text: str) -> None:
        """Log once why the database is unreachable."""
        if text != self._noted:
            _log.warning("%s", text)
        self._noted = text


def _is_lasting(error: HpoError) -> bool:
    """Return whether the database refuses for good."""
    return not (is_passing(error) or isinstance(error, NothingYetError))


def _unreadable(kind: Kind, text: str) -> Reply:
    return _notice(kind, _UNREADABLE, "The database cannot be read", text)


def _notice(kind: Kind, status: str, title: str, text: str) -> Reply:
    """Return a page for people, or a reason for programs."""
    if kind in (Kind.HOME, Kind.STUDY, Kind.OPTUNA_PAGE):
        return Reply(overview.notice(title, text).encode(), status=status)
    return Reply.refusal(status, f"{title}: {text}")


@cache
def _file(name: str) -> Shown:
    """Return a style sheet or a script of ours."""
    if name == "plotly.js":
        text = page.plotly()
    elif name in ("figures.js", "trials.js"):
        text = page.script(name.removesuffix(".js"))
    else:
        text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    if name.endswith(".css"):
        return Shown(text, "text/css; charset=utf-8")
    return Shown(text, "text/javascript; charset=utf-8")
