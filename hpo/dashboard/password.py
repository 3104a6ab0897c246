"""The password of the dashboard: HTTP Basic with any user name, or a bearer token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hpo.dashboard.replies import Refused
from hpo.errors import HpoError

SHORTEST = 16
HOW = "Create one: (umask 077; openssl rand -base64 24 > dashboard-password)"
FREE_FAILURES = 10
"""The number of wrong passwords per address before the rate limit; then one per
pause."""
PAUSE_S = 5.0
_ADDRESSES = 4096
"""Number of addresses whose failures are kept, the oldest are dropped."""
_log = logging.getLogger(__name__)


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
        is_line = password == password.strip() and "\n" not in password
        if is_line and len(password) >= SHORTEST:
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
        self._forgiven_s: dict[str, float] = {}
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
            if not self._count(_network(address)):
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

    def _count(self, client: str) -> bool:
        """Count a wrong password; return False above the rate limit.

        Each pause forgives one. Those above the limit do not count, so that waiting
        helps.
        """
        with self._lock:
            now_s = self._clock()
            forgiven_s = max(now_s, self._forgiven_s.pop(client, now_s))
            is_free = forgiven_s < now_s + FREE_FAILURES * PAUSE_S
            if is_free:
                forgiven_s += PAUSE_S
            self._forgiven_s[client] = forgiven_s
            if len(self._forgiven_s) > _ADDRESSES:
                del self._forgiven_s[next(iter(self._forgiven_s))]
            return is_free


def _digest(password: str) -> bytes:
    """Return a hash of fixed length, so that a comparison does not tell the length."""
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
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address, 64), strict=False))
    except ValueError:  # a proxy may forward anything
        return address
