"""The guard: a WSGI application that passes only known, read-only requests to another.

It checks the password, if there is one: HTTP Basic with any user name, or a bearer
token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LARGEST_BODY = 64 * 1024
"""The largest request body in bytes; nobody reads it, since read-only requests need
none."""
_NOTHING = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
)
_OURS = f"{_NOTHING}connect-src 'self'; "
_PLOTLY = "script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
"""plotly.js needs 'unsafe-eval' for WebGL, as in optuna-dashboard's own policy. Texts
on our pages cannot be scripts, since all scripts are files."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Kind(Enum):
    """The kinds of a route, by their paths."""

    HEALTH = r"/healthz"
    HOME = r"/"
    METRICS = r"/metrics"
    FILE = r"/hpo/[a-z]+\.(css|js)"
    STUDY = r"/study/[^/]+(/now)?"
    OPTUNA_PAGE = r"/dashboard(/.*)?"
    OPTUNA_FILE = r"/favicon\.ico|/static/.*"
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
_FILES = (Kind.FILE, Kind.OPTUNA_FILE)
SHORTEST = 16
HOW = "Create one: (umask 077; openssl rand -base64 24 > dashboard-password)"
FREE_FAILURES = 10
"""The number of wrong passwords per address before the rate limit; then one per
pause."""
PAUSE_S = 5.0
_ADDRESSES = 4096
_DROPPED = re.compile(r"(server|via|access-control-.*|x-powered-by)", re.IGNORECASE)
_log = logging.getLogger(__name__)


class Refused(Exception):
    """A refused request: its status and the reason."""

    def __init__(self, status: str, reason: str, *headers: tuple[str, str]) -> None:
        """Take the status line, the text of the answer, and further headers."""
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


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
        head = environ.get("REQUEST_METHOD") == "HEAD"
        kind = None
        try:
            kind = self._admit(environ)
            environ["hpo.kind"] = kind
            environ.setdefault(
                "HTTP_ACCEPT_ENCODING", ""
            )  # optuna-dashboard relies on it
            body = self.app(environ, _with_headers(start_response, kind))
        except Refused as refused:
            body = _refuse(refused, _with_headers(start_response, None))
        except Exception:
            _log.exception(
                "%s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO")
            )
            failed = Refused(
                "500 Internal Server Error", "The dashboard failed; see its log."
            )
            body = _refuse(failed, _with_headers(start_response, None))
        if head:
            if hasattr(body, "close"):
                body.close()
            return []
        return body

    def _admit(self, environ: WSGIEnvironment) -> Kind:
        """Return the kind of a permitted request; refuse others."""
        path = _checked_path(environ)
        self._check_host(environ.get("HTTP_HOST", ""))
        kind = next((kind for kind in Kind if re.fullmatch(kind.value, path)), None)
        reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if self.gate is not None and not (reads and kind is Kind.HEALTH):
            self.gate.check(
                environ.get("REMOTE_ADDR", ""), environ.get("HTTP_AUTHORIZATION", "")
            )
        if reads and kind is not None:
            return kind
        if reads:
            raise Refused("404 Not Found", "There is no such page.")
        raise Refused(
            "403 Forbidden",
            "This dashboard is read-only. To change studies: hpo --help",
        )

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


def _checked_path(environ: WSGIEnvironment) -> str:
    path: str = environ.get("PATH_INFO", "")
    try:
        path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Refused("400 Bad Request", "The path must be UTF-8.") from None
    if not path.startswith("/") or re.search(
        r"[\x00-\x1f\x7f\\]|(^|/)\.\.?(/|$)", path
    ):
        raise Refused("400 Bad Request", "The path is malformed.")
    if re.search(
        r"[\x00-\x1f\x7f]|%(?![0-9a-fA-F]{2})", environ.get("QUERY_STRING", "")
    ):
        raise Refused("400 Bad Request", "The query is malformed.")
    return path


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case and without port; empty if it is
    invalid."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", host)
    return match[1].lower().strip("[]").rstrip(".") if match else ""


def _is_address(name: str) -> bool:
    """Return True for an IP address, which DNS rebinding cannot forge."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(start_response: StartResponse, kind: Kind | None) -> StartResponse:
    """Wrap ``start_response``, to add the headers of every answer."""

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Any:
        ours = {**_HEADERS, "Content-Security-Policy": _POLICIES.get(kind, _NOTHING)}
        # revalidate files, so that an updated package does not meet an old script
        ours["Cache-Control"] = "no-cache" if kind in _FILES else "no-store"
        replaced = {name.lower() for name in ours}
        theirs = [pair for pair in headers if pair[0].lower() not in replaced]
        kept = [pair for pair in theirs if not _DROPPED.fullmatch(pair[0])]
        return start_response(status, [*kept, *ours.items()], exc_info)

    return start


def _refuse(refused: Refused, start_response: StartResponse) -> Iterable[bytes]:
    body = json.dumps({"reason": refused.reason}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(refused.status, [*headers, *refused.headers])
    return [body]


# --- the password ---


def read_password(path: Path) -> str:
    """Read a password from a file of one line, without its newline.

    Raises:
        HpoError: the file cannot be read, or has no valid password.
    """
    try:
        password = path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        fault = str(error.strerror)
    except UnicodeDecodeError:
        fault = "text that is not UTF-8"
    else:
        if (
            len(password) >= SHORTEST
            and password == password.strip()
            and "\n" not in password
        ):
            return password
        fault = f"another text of {len(password)} characters"
    raise HpoError(
        f"dashboard password in {path}: expected one line of at least {SHORTEST}"
        f" characters, without spaces around it, got: {fault}. {HOW}"
    )


class PasswordCheck:
    """The password check.

    The right password always works, even if others guess from the same address (of a
    proxy or a tunnel). Wrong ones are rate-limited by address. Its length protects the
    password from guesses.
    """

    def __init__(
        self, password: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the password."""
        self._digest = _digest(password)
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str, authorization: str) -> None:
        """Check the Authorization header of a request from an address.

        Raises:
            Refused: the password is missing or wrong.
        """
        password = _presented(authorization)
        if password is not None:
            if hmac.compare_digest(_digest(password), self._digest):
                return
            if not self._counts(_network(address)):
                raise Refused(
                    "429 Too Many Requests",
                    "Too many wrong passwords from this address. Wait a minute.",
                    ("Retry-After", "60"),
                )
            _log.warning("wrong password from %s", address)
        raise Refused(
            "401 Unauthorized",
            "The dashboard needs its password, with any user name or as a bearer"
            " token.",
            ("WWW-Authenticate", 'Basic realm="hpo dashboard", charset="UTF-8"'),
        )

    def _counts(self, client: str) -> bool:
        """Count a wrong password; return False above the rate limit.

        Each pause forgives one. Those above the limit do not count, so that waiting
        helps.
        """
        with self._lock:
            now = self._clock()
            failures, at = self._failures.pop(client, (0.0, now))
            left = max(0.0, failures - (now - at) / PAUSE_S)
            is_free = left < FREE_FAILURES
            self._failures[client] = (left + is_free, now)
            if len(self._failures) > _ADDRESSES:
                self._failures.popitem(last=False)
            return is_free


def _digest(password: str) -> bytes:
    """Hash a password, so that the comparison does not leak its length."""
    return hashlib.sha256(password.encode()).digest()


def _presented(authorization: str) -> str | None:
    """Return the password of an Authorization header; None if the header cannot have
    one."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        # WSGI decodes headers as Latin-1
        return value.strip().encode("latin-1", "replace").decode("utf-8", "replace")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""


def _network(address: str) -> str:
    """Return the unit of rate limits: an IPv4 address, or an IPv6 network of 64
    bits."""
    try:
        return str(
            ipaddress.ip_network((address, 64 if ":" in address else 32), strict=False)
        )
    except ValueError:
        return address
