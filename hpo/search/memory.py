"""Caches of values derived from past trials, kept between the trials of a process.

Past trials are immutable, so values derived from the very same ones are still right. No
decision depends on these caches. The scores of copies that ``history.view`` makes are
set at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.study.trials import Past, SlotState

Array = NDArray[np.float64]
MISSING = np.inf
"""Marks absent values in columns; no score is infinite."""


def _same(known: Sequence[object], past: Sequence[object]) -> int:
    """Count the leading trials that are the very same objects."""
    return [*map(is_, known, past), False].index(False)


class Kept:
    """A cache with one value for each past trial, of any type."""

    def __init__(self) -> None:
        """Start empty."""
        self._past: Sequence[Any] = ()
        self._made: list[Any] = []

    def of(self, past: Sequence[Any], make: Callable[[int, Any], Any]) -> list[Any]:
        """Make the missing values; return a new list."""
        same = _same(self._past, past)
        if same < len(past):
            made = [make(k, past[k]) for k in range(same, len(past))]
            self._made = self._made[:same] + made
            self._past = [*past]
        return self._made[: len(past)]


class Rows:
    """Numbers of past trials: a row by key, a column for each trial."""

    def __init__(self, places: Mapping[Hashable, int], values: Array) -> None:
        """Take the place of each row in ``values`` (rows, trials)."""
        self._places = places
        self._values = values

    def __getitem__(self, key: Hashable) -> Array:
        """Return a row (trials,); ``MISSING`` where no trial has the key."""
        place = self._places.get(key)
        if place is None:
            return np.full(self._values.shape[1], MISSING)
        return np.asarray(self._values[place])


class Columns:
    """A cache with a column of numbers for each past trial."""

    def __init__(self) -> None:
        """Start without rows and trials."""
        self._past: Sequence[Past] = ()
        self._places: dict[Hashable, int] = {}
        self._values = np.empty((0, 0))

    def of(
        self, past: Sequence[Past], make: Callable[[Past], Mapping[Hashable, float]]
    ) -> Rows:
        """Return rows over trials, without the last trials that still run."""
        n = _finished(past)
        same = _same(self._past, past[:n])
        if same < n:
            if same < len(self._past):  # earlier rows may still be in use
                self._values = self._values.copy()
                self._values[:, same:] = MISSING
            for k in range(same, n):
                self._store(k, make(past[k]), n)
            self._past = past[:n]
        return Rows(dict(self._places), self._values[:, :n])

    def _store(self, k: int, column: Mapping[Hashable, float], n: int) -> None:
        """Write the numbers of trial ``k`` of ``n`` into its column, which holds
        ``MISSING``; add rows for new keys."""
        for key in column:
            self._places.setdefault(key, len(self._places))
        height, width = self._values.shape
        shape = (max(height, len(self._places)), width)
        if k >= width:
            shape = (shape[0], max(n, 2 * k + 16))
        if shape != (height, width):
            grown = np.full(shape, MISSING)
            grown[:height, :width] = self._values
            self._values = grown
        rows = [self._places[key] for key in column]
        self._values[rows, k] = list(column.values())


def _finished(past: Sequence[Past]) -> int:
    """Count the trials up to the last finished one."""
    n = len(past)
    while n > 0 and past[n - 1].state == SlotState.RUNNING:
        n -= 1
    return n


@lru_cache(maxsize=64)
def kept(spec_hash: str, what: str) -> Kept:
    """Return the cache of one kind of value for a study; the last few studies have
    one."""
    return Kept()


@lru_cache(maxsize=8)
def columns(spec_hash: str) -> Columns:
    """Return the columns of a study's trials; the last few studies have some."""
    return Columns()
