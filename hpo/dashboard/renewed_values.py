"""Values that a background thread renews while requests get the last one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

SHORTEST_S = 2.0
"""Requests within this time share a value, or the error of the last attempt."""
SHARE = 0.1
"""The largest share of time for remaking a value, unless it gets half as old as
``OLDEST_S``."""
WAIT_S = 0.7
"""A request waits this long for a new value; then it gets the last one."""
OLDEST_S = 30.0
"""Older values are not shown, so that a dead database does not look like an idle
one."""
T = TypeVar("T")


class Away(Exception):
    """There is no recent value now; the text says why."""


class Fresh(Generic[T]):
    """A cached value, renewed in a background thread when somebody needs it and it is
    old."""

    def __init__(
        self, make: Callable[[T | None], T], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take ``make``, which gets the last value and may return it again."""
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._attempt: threading.Event | None = None
        self._known: tuple[T, float] | None = None
        self._error: Exception | None = None
        self._until_s = 0.0
        self._failed_s = 0.0

    def get(self, wait_s: float = WAIT_S, oldest_s: float = OLDEST_S) -> T:
        """Return the value.

        Raises:
            Away: there is none yet, or it is older than ``oldest_s``.
            Exception: from the last attempt to make it; the next one has begun if it is
                time. Nobody waits for that.
        """
        with self._lock:
            if self._attempt is None and self._clock() >= self._until_s:
                self._attempt = threading.Event()
                if self._clock() - self._failed_s > 2 * SHORTEST_S:
                    self._error = None  # too old to be told again: wait for the attempt
                run = threading.Thread(
                    target=self._run, args=[self._attempt], daemon=True
                )
                run.start()
            attempt = self._attempt
        if attempt is not None and self._error is None:
            attempt.wait(wait_s)
        error = self._error
        if error is not None:
            raise error
        if self._known is None or self._clock() - self._known[1] > oldest_s:
            raise Away("no recent answer")
        return self._known[0]

    @property
    def error(self) -> Exception | None:
        """The error of the last attempt, if it failed."""
        return self._error

    def _run(self, attempt: threading.Event) -> None:
        began_s = self._clock()
        last = None
        if self._known is not None:
            last = self._known[0]
        pause_s = SHORTEST_S
        try:
            self._known = self._make(last), began_s
            self._error = None
            took_s = self._clock() - began_s
            pause_s = max(SHORTEST_S, min(took_s / SHARE, OLDEST_S / 2))
        except Exception as error:
            self._error = error
            self._failed_s = self._clock()
        finally:
            self._until_s = began_s + pause_s
            self._attempt = None
            attempt.set()
