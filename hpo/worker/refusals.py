"""Studies that a worker cannot serve on its host, and when to try them again."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from hpo.errors import printable

log = logging.getLogger(__name__)


class Refusals:
    """The studies that a worker leaves out for a while: other hosts may have what this
    one lacks."""

    def __init__(self, pause_s: float) -> None:
        """Refuse nothing yet; ``pause_s`` is the time until a study is tried again."""
        self._pause_s = pause_s
        self._until_s: dict[str, float] = {}
        self._accepted: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        """Study -> why it is refused, also while it is tried again."""

    def add(self, study: str, why: str) -> None:
        """Leave out a study from now on."""
        why = printable(why, "\n")  # the database accepts no other text
        about = {"study": study, "trial": None}
        log.warning("leaving out study %s: %s", study, why, extra=about)
        self.reasons[study] = why
        self._until_s[study] = time.monotonic() + self._pause_s

    def lasts(self, study: str) -> bool:
        """Return whether a study is refused, and not to be tried again yet."""
        until_s = self._until_s.get(study, 0.0)
        return study in self.reasons and time.monotonic() < until_s

    def note_accepted(self, study: str, sources: int) -> None:
        """Try a study again at once if somebody has accepted another source of it.

        ``sources`` is the number of sources accepted so far.
        """
        if self._accepted.get(study, sources) != sources:
            self._until_s.pop(study, None)
        self._accepted[study] = sources

    def forget(self, study: str) -> None:
        """Serve a study again."""
        self.reasons.pop(study, None)

    def keep(self, studies: Collection[str]) -> None:
        """Forget all other studies."""
        for study in self.reasons.keys() - set(studies):
            self.forget(study)
