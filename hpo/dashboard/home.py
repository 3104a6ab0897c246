"""The home page and the metrics, made once for all who look, however many they are."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time

from sqlalchemy import Engine

from hpo.dashboard.answers import Reply, takes_gzip
from hpo.ledger.overview import OverviewReader
from hpo.study.summary import Overview
from hpo.views.overview import metrics, page

SHORTEST_S = 2.0
"""Viewers that ask within this time see the same."""
SHARE = 0.1
"""To read and draw the page takes at most this share of the time."""


class Home:
    """What there is to see of all studies of a database, read when somebody looks."""

    def __init__(self, engine: Engine) -> None:
        """Read through ``engine``; nothing is read yet."""
        self._engine = engine.execution_options(isolation_level="REPEATABLE READ")
        self._reader = OverviewReader()
        self._lock = threading.Lock()
        self._until = 0.0
        self._shown: tuple[str, bytes, bytes, Reply] | None = None

    def page(self, accepted: str, known: str) -> Reply:
        """The page, or that it is still the one whose ETag the client names."""
        version, plain, packed, _ = self._current()
        own = (("ETag", version), ("Vary", "Accept-Encoding"))
        if version == known:
            return Reply(b"", "text/html; charset=utf-8", "304 Not Modified", own)
        if not takes_gzip(accepted):
            return Reply(plain, "text/html; charset=utf-8", headers=own)
        zipped = (*own, ("Content-Encoding", "gzip"))
        return Reply(packed, "text/html; charset=utf-8", headers=zipped)

    def metrics(self) -> Reply:
        """All numbers for Prometheus."""
        return self._current()[3]

    def _current(self) -> tuple[str, bytes, bytes, Reply]:
        """What was drawn last; drawn anew where that is too old, by one thread at a time."""
        shown = self._shown
        if shown is not None and time.monotonic() < self._until:
            return shown
        if not self._lock.acquire(blocking=shown is None):
            assert shown is not None
            return shown
        try:
            if self._shown is None or time.monotonic() >= self._until:
                began_s = time.monotonic()
                with self._engine.connect() as connection:
                    self._shown = _drawn(self._reader.read(connection))
                took_s = time.monotonic() - began_s
                self._until = time.monotonic() + max(SHORTEST_S, took_s / SHARE)
            return self._shown
        finally:
            self._lock.release()


def _drawn(overview: Overview) -> tuple[str, bytes, bytes, Reply]:
    """ETag, page, page in short, metrics."""
    plain = page.page(overview).encode()
    version = f'"{hashlib.sha256(plain).hexdigest()[:16]}"'
    numbers = Reply(metrics.text(overview).encode(), metrics.MEDIA_TYPE)
    return version, plain, gzip.compress(plain, compresslevel=5, mtime=0), numbers
