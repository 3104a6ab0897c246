"""The guard: a WSGI application around another, which sees harmless requests alone.

If there is a password, it asks for that: HTTP Basic under any user name, or a bearer token.
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
"""Bytes of a request's body, which nobody reads: what only reads sends none."""
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
_OURS = f"{_NOTHING}connect-src 'self'; "
_PLOTLY = "script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
"""'unsafe-eval' is what plotly.js needs for plots in WebGL, as optuna-dashboard's own policy. What
our pages say can be no script, since those are files."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Kind(Enum):
    """What answers a route, and the paths of that."""

    HEALTH = r"/healthz"
    HOME = r"/"
    METRICS = r"/metrics"
    FILE = r"/hpo/[a-z]+\.(css|js)"
    STUDY = r"/study/[^/]+(/now)?"
    OPTUNA_PAGE = r"/dashboard(/.*)?"
    OPTUNA_FILE = r"/favicon\.ico|/static/.*"
    OPTUNA = r"/(?!api/studies/\d+/plot/(contour|rank))(api|csv)(/.*)?"
    """Its page draws these two plots by itself; on the server they take trials times trials of
    memory, which ends the process."""


_POLICIES: dict[Kind | None, str] = {
    Kind.HOME: f"{_OURS}script-src 'self'; style-src 'self'; img-src data:",
    Kind.STUDY: f"{_OURS}{_PLOTLY}img-src data: blob:",
    Kind.OPTUNA_PAGE: f"{_NOTHING}{_PLOTLY}img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' blob: data:; media-src 'self'; worker-src 'self' blob:; frame-src 'self'; "
    "object-src 'none'",
}
_FILES = (Kind.FILE, Kind.OPTUNA_FILE)
SHORTEST = 16
HOW = "Make one: (umask 077; openssl rand -base64 24 > dashboard-password)"
FREE_FAILURES = 10
"""So many wrong passwords from one address get 401; of those that follow, one per pause."""
PAUSE_S = 5.0
_ADDRESSES = 4096
_DROPPED = re.compile(r"(server|via|access-control-.*|x-powered-by)", re.IGNORECASE)
_log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that goes no further: its status, and why."""

    def __init__(self, status: str, reason: str, *headers: tuple[str, str]) -> None:
        """The status line, the text that the page shows, and further headers."""
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


@dataclass(frozen=True)
class Guard:
    """Wraps an application; sets ``hpo.kind`` (`Kind`) in the environment of what it lets through.

    Attributes:
        app: answers what is let through.
        names: host names, in lower case, under which the dashboard is reached besides localhost
            and addresses in digits. A page elsewhere whose name was made to lead here (DNS
            rebinding) is refused by it.
        gate: asks for the password, if there is one.
    """

    app: WSGIApplication
    names: frozenset[str] = frozenset()
    gate: PasswordCheck | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        head = environ.get("REQUEST_METHOD") == "HEAD"
        kind = None
        try:
            kind = self._admit(environ)
            environ["hpo.kind"] = kind
            environ.setdefault("HTTP_ACCEPT_ENCODING", "")  # optuna-dashboard relies on it
            body = self.app(environ, _with_headers(start_response, kind))
        except Refused as refused:
            body = _refuse(refused, _with_headers(start_response, None))
        except Exception:
            _log.exception("%s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            failed = Refused("500 Internal Server Error", "The dashboard failed; see its log.")
            body = _refuse(failed, _with_headers(start_response, None))
        if head:
            if hasattr(body, "close"):
                body.close()
            return []
        return body

    def _admit(self, environ: WSGIEnvironment) -> Kind:
        """The kind of a request that may pass; others are refused."""
        path = _checked_path(environ)
        self._check_host(environ.get("HTTP_HOST", ""))
        kind = next((kind for kind in Kind if re.fullmatch(kind.value, path)), None)
        reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if self.gate is not None and not (reads and kind is Kind.HEALTH):
            self.gate.check(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_AUTHORIZATION", ""))
        if reads and kind is not None:
            return kind
        if reads:
            raise Refused("404 Not Found", "There is no such page.")
        raise Refused("403 Forbidden", "This dashboard only shows. To change a study: hpo --help.")

    def _check_host(self, host: str) -> None:
        name = host_name(host)
        if not name:
            raise Refused("400 Bad Request", "A request must name the host that it is for.")
        if name == "localhost" or name in self.names or _is_address(name):
            return
        raise Refused(
            "421 Misdirected Request",
            f"host: it must be localhost, an address in digits, or a name that was allowed, but "
            f"got {name}. Start the dashboard with --allowed-host {name} if that is its name.",
        )


def _checked_path(environ: WSGIEnvironment) -> str:
    path: str = environ.get("PATH_INFO", "")
    try:
        path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Refused("400 Bad Request", "The path must be UTF-8.") from None
    if not path.startswith("/") or re.search(r"[\x00-\x1f\x7f\\]|(^|/)\.\.?(/|$)", path):
        raise Refused("400 Bad Request", "The path is malformed.")
    if re.search(r"[\x00-\x1f\x7f]|%(?![0-9a-fA-F]{2})", environ.get("QUERY_STRING", "")):
        raise Refused("400 Bad Request", "The query is malformed.")
    return path


def host_name(host: str) -> str:
    """The name in a Host header, in lower case and without its port; empty if it is none."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", host)
    return match[1].lower().strip("[]").rstrip(".") if match else ""


def _is_address(name: str) -> bool:
    """No foreign name can be made to lead to an address that is written in digits."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(start_response: StartResponse, kind: Kind | None) -> StartResponse:
    """``start_response`` with the headers that every answer bears."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        ours = {**_HEADERS, "Content-Security-Policy": _POLICIES.get(kind, _NOTHING)}
        # revalidated: an update of the package must not meet the script of the last one
        ours["Cache-Control"] = "no-cache" if kind in _FILES else "no-store"
        replaced = {name.lower() for name in ours}
        theirs = [own for own in headers if own[0].lower() not in replaced]
        kept = [own for own in theirs if not _DROPPED.fullmatch(own[0])]
        return start_response(status, [*kept, *ours.items()], exc_info)

    return start


def _refuse(refused: Refused, start_response: StartResponse) -> Iterable[bytes]:
    body = json.dumps({"reason": refused.reason}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(refused.status, [*headers, *refused.headers])
    return [body]


# --- the password ---------------------------------------------------------------------------------


def read_password(path: Path) -> str:
    """The password in a file: one line, a newline at its end does not count.

    Raises:
        HpoError: it cannot be read, or holds no password that would do.
    """
    try:
        password = path.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        found = str(error.strerror)
    except UnicodeDecodeError:
        found = "it is no UTF-8 text"
    else:
        if len(password) >= SHORTEST and password == password.strip() and "\n" not in password:
            return password
        found = f"another text of {len(password)} characters"
    raise HpoError(
        f"dashboard password: its file must hold one line of at least {SHORTEST} characters, "
        f"without blanks around it, but got {path}: {found}. {HOW}"
    )


class PasswordCheck:
    """Lets in who knows the password.

    The right one always opens, so that nobody is locked out by others who guess, from the same
    address (a proxy's, a tunnel's) either. Wrong ones are told to wait, by client; what keeps
    a guesser out who does not wait is the length of the password.
    """

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        """A gate with one password."""
        self._digest = _digest(password)
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str, authorization: str) -> None:
        """Judge a request by its client's address and its header.

        Raises:
            Refused: it does not know the password.
        """
        password = _presented(authorization)
        if password is not None:
            if hmac.compare_digest(_digest(password), self._digest):
                return
            if not self._counts(_network(address)):
                raise Refused(
                    "429 Too Many Requests",
                    "Too many wrong passwords came from this address. Wait a minute.",
                    ("Retry-After", "60"),
                )
            _log.warning("a wrong password from %s", address)
        raise Refused(
            "401 Unauthorized",
            "The dashboard's password is needed, under any user name (or as a bearer token).",
            ("WWW-Authenticate", 'Basic realm="hpo dashboard", charset="UTF-8"'),
        )

    def _counts(self, client: str) -> bool:
        """Count a wrong password, of which one is forgiven per pause; False if it is one too many.

        Those beyond the free ones do not count, so that who waits may try again.
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
    """Of one length, so that the comparison tells nothing about the password's."""
    return hashlib.sha256(password.encode()).digest()


def _presented(authorization: str) -> str | None:
    """The password of an Authorization header; None without a header that could hold one."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        # WSGI hands the header's bytes on as Latin-1
        return value.strip().encode("latin-1", "replace").decode("utf-8", "replace")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""


def _network(address: str) -> str:
    """Who is slowed down together: an IPv4 address, or the IPv6 network of one line."""
    try:
        return str(ipaddress.ip_network((address, 64 if ":" in address else 32), strict=False))
    except ValueError:
        return address
