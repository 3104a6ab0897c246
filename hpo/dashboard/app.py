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
from urllib.parse import parse_qs

import optuna_dashboard
import psycopg
import sqlalchemy as sa
from jinja2 import Template
from optuna.storages._rdb import models

from hpo.dashboard import answers
from hpo.dashboard.answers import Reply, packed, problem
from hpo.dashboard.guard import Kind
from hpo.dashboard.home import Home
from hpo.dashboard.optuna_storage import ReadOnlyStorage
from hpo.dashboard.plots import Plots
from hpo.dashboard.publish import PublishingThread
from hpo.dashboard.trial_cache import Trials
from hpo.errors import HpoError
from hpo.postgres.connect import Storage
from hpo.postgres.retry import is_passing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STOP_S = 0.5
"""For so long the end waits for a figure that is being published; else whoever looks next does."""
PAUSE_S = 2.0
"""A database that is away is asked again after this time, by one request."""
_TROUBLE = (sa.exc.OperationalError, sa.exc.ProgrammingError, sa.exc.TimeoutError)
"""The database's trouble and not ours: a password that was changed, tables that were dropped."""
_log = logging.getLogger(__name__)


class Away(Exception):
    """The database cannot answer now; the text says why, for people."""


class _Opened:
    """What there is once the database was reached."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.trials = Trials(storage.engine)
        self.readonly = ReadOnlyStorage(storage.engine, lambda id_: self.trials.of(id_).trials)
        self.details, self.plots, self.home = answers.Details(), Plots(), Home(storage.engine)
        self.app: WSGIApplication = optuna_dashboard.wsgi(self.readonly)
        self.publishing = PublishingThread(storage)
        self.publishing.start()


class DashboardApp:
    """A WSGI application behind the guard, which sets ``hpo.kind``."""

    def __init__(
        self, open_: Callable[[], Storage], *, option: str = "", notes: bool = False
    ) -> None:
        """Open the database, with its tables, when it is first needed.

        A printed command needs ``option`` to reach the same database. With ``notes`` the guard lets
        people write some.
        """
        self._open, self._option, self._notes = open_, option, notes
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
        """Leave the database, soon."""
        if self._opened is not None:
            self._opened.publishing.stop(wait_s=STOP_S)
            self._opened.storage.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        kind: Kind = environ["hpo.kind"]
        if kind is Kind.HEALTH:
            return _send(Reply(b"ok\n", "text/plain"), start_response)
        if kind is Kind.OURS:
            return _send(_ours(environ["PATH_INFO"]), start_response)
        if kind is Kind.FILE and self._opened is not None:  # they are there without the database
            return self._opened.app(environ, start_response)
        try:
            opened, has_studies = self._reached()
            if kind in (Kind.FILE, Kind.API):
                return opened.app(environ, start_response)
            if kind in (Kind.HOME, Kind.PAGE) and not has_studies:
                return _send(_page(no_study(self._option)), start_response)
            return _send(self._answer(opened, kind, environ), start_response)
        except (Away, HpoError) as error:
            text = str(error)
        except Exception as error:
            if not isinstance(error, _TROUBLE) and not is_passing(error):
                raise
            text = self._note_away(error)
        return _send(_unavailable(kind, text, self._empty, self._option), start_response)

    def _answer(self, opened: _Opened, kind: Kind, environ: WSGIEnvironment) -> Reply:
        path: str = environ["PATH_INFO"]
        accepted: str = environ["HTTP_ACCEPT_ENCODING"]
        if kind is Kind.HOME:
            return opened.home.page(accepted, environ.get("HTTP_IF_NONE_MATCH", ""))
        if kind is Kind.METRICS:
            return opened.home.metrics()
        if kind is Kind.PAGE and path.rstrip("/") == "/dashboard":
            return Reply(b"", status="302 Found", headers=(("Location", "/"),))  # TLS may be before
        if kind is Kind.PAGE:
            return _page(optuna_page(self._notes))
        study_id = int(path.split("/")[2 if kind is Kind.TABLE else 3])
        query = parse_qs(environ.get("QUERY_STRING", ""))
        try:
            after = int(query.get("after", ["0"])[0])
            given = query.get("trial_ids")
            chosen = [int(number) for number in given[0].split(",")] if given else None
        except ValueError:
            return problem("400 Bad Request", "Trials are chosen by whole numbers.")
        if after < 0:
            return problem("400 Bad Request", "`after` should be larger or equal 0.")
        try:
            study = opened.readonly.get_study(study_id)
        except KeyError:
            return problem("404 Not Found", f"study_id={study_id} is not found")
        view = opened.trials.of(study_id)
        if kind is Kind.NOTE:
            of_trial = [int(part) for part in path.split("/")[4:-1]]
            sent = json.load(environ["wsgi.input"])
            return answers.note(opened.storage.engine, study_id, view, of_trial, sent)
        if kind is Kind.PLOT:
            return opened.plots.get(opened.readonly, study, path.rsplit("/", 1)[1], view, accepted)
        if kind is Kind.IMPORTANCE:
            return answers.importances(opened.readonly, opened.storage.engine, study, view)
        if kind is Kind.TABLE:
            return answers.table(study, view, chosen, accepted)
        opened.details.forget(opened.trials.kept())
        return packed(opened.details.pieces(study, view, after), accepted)

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


def _ask(storage: Storage) -> bool:
    """Whether there is any study: also the question whether the database is there at all."""
    with storage.engine.connect() as connection:
        table = models.StudyModel.__table__
        return bool(connection.scalar(sa.select(sa.exists(sa.select(table.c.study_id)))))


def _unavailable(kind: Kind, text: str, empty: bool, option: str) -> Reply:
    if kind in (Kind.HOME, Kind.PAGE) and empty:
        return _page(no_study(option))
    if kind in (Kind.HOME, Kind.PAGE):
        return _page(unavailable(text), "503 Service Unavailable")
    return problem("503 Service Unavailable", f"The database does not answer: {text}")


def _page(text: str, status: str = "200 OK") -> Reply:
    return Reply(text.encode(), "text/html; charset=utf-8", status)


def _send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    start_response(reply.status, reply.head())
    return [reply.body]


_NOTICE: Template = Template(
    Path(__file__).with_name("notice.html.j2").read_text(encoding="utf-8"), autoescape=True
)
_OURS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
_IN_HEAD = '<link rel="stylesheet" href="/hpo/optuna.css"><script src="/hpo/optuna.js"></script>'
_NO_NOTES = 'button:has([data-testid="EditIcon"]) { display: none !important; }'


@cache
def _ours(path: str) -> Reply:
    """A style sheet or a script of ours."""
    name = path.rpartition("/")[2]
    return Reply(Path(__file__).with_name(name).read_bytes(), _OURS[name.rpartition(".")[2]])


@cache
def optuna_page(notes: bool) -> str:
    """optuna-dashboard's page: our figures come first, and what can only fail is gone.

    ``notes``: whether people may write some.
    """
    page = Path(optuna_dashboard.__file__).with_name("index.html").read_text(encoding="utf-8")
    more = "" if notes else f"<style>{_NO_NOTES}</style>"
    return page.replace("</head>", f"{_IN_HEAD}{more}</head>", 1)


def no_study(storage: str) -> str:
    """A page that says how to start a study.

    ``storage``: options that lead a command to this database, without a password; mostly empty.
    """
    return _NOTICE.render(title="No study yet", option=storage)


def unavailable(reason: str) -> str:
    """A page that says why nothing can be shown now."""
    return _NOTICE.render(title="The database does not answer", reason=reason)
