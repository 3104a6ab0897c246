"""Caches of values derived from past trials, kept between the trials of a process.

Past trials are immutable, so values derived from the very same ones are still right. No
decision depends on these caches. The scores of copies that ``history.view`` makes are
set at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.study.trials import Past, SlotState

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
        if same < (n := len(past)):
            made = (make(k, past[k]) for k in range(same, n))
            self._made, self._past = [*self._made[:same], *made], [*past]
        return self._made[:n]


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
        n = next(
            (
                k
                for k in range(len(past), 0, -1)
                if past[k - 1].state != SlotState.RUNNING
            ),
            0,
        )
        same, height = _same(self._past, past[:n]), len(self._values)
        if same < n:
            if (
                same < len(self._past) or n > self._values.shape[1]
            ):  # else there is room
                grown = np.full((height, 2 * n), MISSING)
                grown[:, :same] = self._values[:, :same]
                self._values = grown
            for k in range(same, n):
                column = make(past[k])[:height]
                self._values[: len(column), k] = column
            self._past = past[:n]
        return self._values[:, :n]


@lru_cache(maxsize=64)
def kept(spec_hash: str, what: str) -> Kept:
    """Return the cache of one kind of value for a study; the last few studies have
    one."""
    return Kept()


@lru_cache(maxsize=8)
def columns(spec_hash: str, height: int) -> Columns:
    """Return the columns of a study's trials; the last few studies have some."""
    return Columns(height)
