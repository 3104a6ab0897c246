"""The dashboard's password: its file, its comparison, and what wrong ones are answered."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from hpo.errors import HpoError

SHORTEST = 16
HOW = "Make one: (umask 077; openssl rand -base64 24 > dashboard-password)"
FREE_FAILURES = 10
"""So many wrong passwords from one address get 401; of those that follow, one per pause."""
PAUSE_S = 5.0
_ADDRESSES = 4096


class Answer(Enum):
    """What the gate says."""

    OPEN = "open"
    WRONG = "wrong"
    LATER = "later"


def read_password(path: Path) -> str:
    """The password in a file: one line, a newline at its end does not count.

    Raises:
        HpoError: it cannot be read, or holds no password that would do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise HpoError(
            f"dashboard password: its file must be readable, but got {path}: {why}. {HOW}"
        ) from error
    password = text.removesuffix("\n").removesuffix("\r")
    if "\n" in password or password != password.strip():
        raise HpoError(
            f"dashboard password: its file must hold one line without blanks around it, but got "
            f"{path} with another text. {HOW}"
        )
    if len(password) < SHORTEST:
        raise HpoError(
            f"dashboard password: it must have at least {SHORTEST} characters, but got "
            f"{path} with {len(password)}. {HOW}"
        )
    return password


class PasswordCheck:
    """Lets in who knows the password: HTTP Basic under any user name, or a bearer token.

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

    def ask(self, address: str, authorization: str) -> Answer:
        """Judge a request by its client's address and its header."""
        password = _presented(authorization)
        if password is None:
            return Answer.WRONG
        if hmac.compare_digest(_digest(password), self._digest):
            return Answer.OPEN
        return self._count(_network(address))

    def _left(self, key: str) -> float:
        """Failures that count still: one is forgiven per pause."""
        failures, at = self._failures.get(key, (0.0, self._clock()))
        return max(0.0, failures - (self._clock() - at) / PAUSE_S)

    def _count(self, key: str) -> Answer:
        """A wrong password more; those beyond the free ones do not count."""
        with self._lock:
            if self._left(key) >= FREE_FAILURES:
                return Answer.LATER
            self._failures[key] = (self._left(key) + 1, self._clock())
            self._failures.move_to_end(key)
            while len(self._failures) > _ADDRESSES:
                self._failures.popitem(last=False)
            return Answer.WRONG


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
        decoded = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]


def _network(address: str) -> str:
    """Who is slowed down together: an IPv4 address, or the IPv6 network of one line."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False))
