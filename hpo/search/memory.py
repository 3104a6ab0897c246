"""Caches of values derived from past trials, kept between the trials of a process.

Past trials are immutable, so values derived from the very same ones are still right. No decision
depends on these caches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import zip_longest
from operator import is_
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpo.study.trials import Past, SlotState

T = TypeVar("T")
MISSING = np.inf
"""Marks absent values in columns; no score is infinite."""


def _same(known: Sequence[Past], past: Sequence[Past]) -> int:
    """Count the leading trials that are the very same objects."""
    return [*map(is_, known, past), False].index(False)


class Kept(Generic[T]):
    """A cache with one value for each past trial."""

    def __init__(self) -> None:
        """Start empty."""
        self._past: Sequence[Past] = ()
        self._made: list[T] = []
        self._manner: object = None

    def of(
        self, past: Sequence[Past], make: Callable[[int, Past], T], manner: object = None
    ) -> list[T]:
        """Make the missing values; all of them if ``manner`` changed."""
        known = self._past if manner == self._manner else ()
        same = _same(known, past)
        if same < (n := len(past)):
            rest = zip_longest(known[same:n], past[same:], self._made[same:n])
            made = (
                done if before is own else make(k, own)
                for k, (before, own, done) in enumerate(rest, start=same)
            )
            self._made = [*self._made[:same], *made]
            self._past, self._manner = past, manner
        return self._made[: len(past)]


class Columns:
    """Numbers of past trials, a column each."""

    def __init__(self, height: int) -> None:
        """Start with ``height`` rows and no trial."""
        self._past: Sequence[Past] = ()
        self._values = np.empty((height, 0))

    def of(
        self, past: Sequence[Past], make: Callable[[Past], Sequence[float]]
    ) -> NDArray[np.float64]:
        """Return columns (height, trials), without the last trials that still run."""
        n = next((k for k in range(len(past), 0, -1) if past[k - 1].state != SlotState.RUNNING), 0)
        same, height = _same(self._past, past[:n]), len(self._values)
        if same < n:
            if same < len(self._past) or n > self._values.shape[1]:  # else there is room
                grown = np.full((height, 2 * n), MISSING)
                grown[:, :same] = self._values[:, :same]
                self._values = grown
            for k in range(same, n):
                column = make(past[k])[:height]
                self._values[: len(column), k] = column
            self._past = past[:n]
        return self._values[:, :n]


@lru_cache(maxsize=32)
def kept(spec_hash: str, what: str) -> Kept[Any]:
    """Return the cache of one kind of value for a study; the last few studies have one."""
    return Kept()


@lru_cache(maxsize=8)
def columns(spec_hash: str, height: int) -> Columns:
    """Return the columns of a study's trials; the last few studies have some."""
    return Columns(height)
