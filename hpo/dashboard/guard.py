"""The guard: a WSGI application that passes requests for known pages to another.

It refuses foreign host names, wrong passwords, and methods that could write. The
database itself refuses writes of the dashboard: its transactions are read-only.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from wsgiref.headers import Headers

from hpo.dashboard.password import PasswordCheck
from hpo.dashboard.replies import Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_NOTHING = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
)
_OURS = f"{_NOTHING}connect-src 'self'; "
_PLOTLY = "script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
"""plotly.js needs 'unsafe-eval' for WebGL, as in optuna-dashboard's own policy. Texts
on our pages cannot be scripts, since all scripts are files."""


class Kind(Enum):
    """The kinds of a route, by their paths."""

    HEALTH = r"/healthz"
    HOME = r"/"
    METRICS = r"/metrics"
    FILE = r"/hpo/(live|figures|plotly|trials)\.js|/hpo/pages\.css"
    ROWS = r"/study/[^/\x00-\x1f\x7f]+/trials\.json"
    STUDY = r"/study/[^/\x00-\x1f\x7f]+(/now|/trials|/trial/\d{1,9})?"
    OPTUNA_PAGE = r"/dashboard(/.*)?"
    OPTUNA_FILE = r"/favicon\.ico|/static/\w+(\.\w+)*"
    OPTUNA = r"/(?!api/studies/\d+/plot/(contour|rank))(api|csv)(/.*)?"
    """Its page draws these two plots itself. On the server their memory grows with the
    square of the trials, which kills the process."""


_POLICIES: dict[Kind | None, str] = {
    Kind.HOME: f"{_OURS}script-src 'self'; style-src 'self'; img-src data:",
    Kind.STUDY: f"{_OURS}{_PLOTLY}img-src data: blob:",
    Kind.OPTUNA_PAGE: (
        f"{_NOTHING}{_PLOTLY}img-src 'self' data: blob:; font-src 'self' data:;"
        " connect-src 'self' blob: data:; media-src 'self'; worker-src 'self' blob:;"
        " frame-src 'self'; object-src 'none'"
    ),
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Guard:
    """A wrapper of an application; it sets ``hpo.kind`` (`Kind`) in requests that it
    passes.

    Attributes:
        app: the application behind the guard.
        names: host names of the dashboard, in lower case, besides localhost and IP
            addresses. Requests with another name are refused, which prevents DNS
            rebinding.
        gate: the password check, if there is a password.
    """

    app: WSGIApplication
    names: frozenset[str] = frozenset()
    gate: PasswordCheck | None = None

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        method = environ["REQUEST_METHOD"]
        refused_start = _with_headers(start_response, None)
        try:
            kind = self._admit(environ)
            environ["hpo.kind"] = kind
            # optuna-dashboard relies on it
            environ.setdefault("HTTP_ACCEPT_ENCODING", "")
            body = self.app(environ, _with_headers(start_response, kind))
        except Refused as refused:
            body = refused.reply.send(refused_start)
        except Exception:
            _log.exception("%s %s", method, environ["PATH_INFO"])
            failed = Refused(
                "500 Internal Server Error", "The dashboard failed; see its log."
            )
            body = failed.reply.send(refused_start)
        if method == "HEAD":
            if hasattr(body, "close"):
                body.close()
            return []
        return body

    def _admit(self, environ: WSGIEnvironment) -> Kind:
        """Return the kind of a permitted request; refuse others."""
        self._check_host(environ.get("HTTP_HOST", ""))
        kind = _kind_of(environ["PATH_INFO"])
        reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if self.gate is not None and not (reads and kind is Kind.HEALTH):
            self.gate.check(
                environ.get("REMOTE_ADDR", ""), environ.get("HTTP_AUTHORIZATION", "")
            )
        if not reads:
            raise Refused(
                "403 Forbidden",
                "This dashboard is read-only. To change studies: hpo --help",
            )
        if kind is None:
            raise Refused("404 Not Found", "There is no such page.")
        return kind

    def _check_host(self, host: str) -> None:
        name = host_name(host)
        if not name:
            raise Refused("400 Bad Request", "The request needs a valid Host header.")
        if name == "localhost" or name in self.names or _is_address(name):
            return
        raise Refused(
            "421 Misdirected Request",
            f"host: expected localhost, an IP address or an allowed name, got {name}."
            f" If this is the dashboard's name, start it with --allowed-host {name}.",
        )


def _kind_of(path: str) -> Kind | None:
    for kind in Kind:
        if re.fullmatch(kind.value, path):
            return kind
    return None


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without port; empty if it is
    invalid."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", host)
    if match is None:
        return ""
    return match[1].lower().strip("[]").rstrip(".")


def _is_address(name: str) -> bool:
    """Return True for an IP address, which DNS rebinding cannot forge."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(start_response: StartResponse, kind: Kind | None) -> StartResponse:
    """Wrap ``start_response``, to add the headers of every answer."""
    ours = {**_HEADERS, "Content-Security-Policy": _POLICIES.get(kind, _NOTHING)}
    ours["Cache-Control"] = "no-store"
    if kind in (Kind.FILE, Kind.OPTUNA_FILE):
        # revalidate, so that an updated package does not meet an old script
        ours["Cache-Control"] = "no-cache"

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Any:
        sent = Headers(headers)
        for name in ("Server", "Access-Control-Allow-Origin"):
            del sent[name]
        for name, value in ours.items():
            sent[name] = value
        return start_response(status, sent.items(), exc_info)

    return start
