"""The summary of a user's data, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

What = Literal["classify", "predict"]
Values = NDArray[Any]

MOST_SHOWN = 8
"""Largest number of classes, or channels, to list one by one."""
EVEN = 1.01
"""Largest ratio of time steps that are even."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """A summary of data, with the task that reads them."""

    what: What
    table: dict[str, Any]
    """Keys of ``[task]`` that read the data."""
    rows: list[tuple[str, str]]
    """Facts to show, each with its topic."""
    train: int
    """Series of the training part; for prediction, its points."""
    test: int
    points: int
    """Points of a series."""
    channels: int
    outputs: int
    """Number of classes, or of targets."""
    dt_ns: float | None = None
    """Time between two points, if the data have it in ns."""


def count_points(n: int) -> str:
    """Return the number of points in words."""
    return f"{n:,} point" if n == 1 else f"{n:,} points"


def list_ranges(names: Sequence[str], values: Values) -> str:
    """Return the smallest and largest value of each channel, the last axis, or over
    many channels; NaN is left out."""
    axes = tuple(range(values.ndim - 1))
    low = np.nanmin(values, axis=axes)
    high = np.nanmax(values, axis=axes)
    n = len(low)
    if n == 1:
        return f"{low[0]:.4g} to {high[0]:.4g}"
    if n > MOST_SHOWN:
        return f"{low.min():.4g} to {high.max():.4g} in {n} channels"
    each = zip(name_channels(names, n), low, high, strict=True)
    return "; ".join(f"{name}: {a:.3g} to {b:.3g}" for name, a, b in each)


def name_channels(names: Sequence[str], n: int) -> Sequence[str]:
    """Return the names of channels, or their numbers if not all have a name."""
    return names if len(names) == n else [str(number) for number in range(n)]


def note_clock(channel: str, steps: Values) -> list[str]:
    """Return a note on a channel with these differences if it may be the time."""
    if steps.size and steps.min() > 0 and is_even(steps):
        return [f"channel {channel} grows evenly. If it is the time, leave it out"]
    return []


def is_even(steps: Values) -> bool:
    """Return whether the differences of a channel are nearly equal."""
    return bool(steps.max() <= EVEN * steps.min())


def as_rows(facts: dict[str, str], notes: Sequence[str]) -> list[tuple[str, str]]:
    """Return the facts by their topics, then the notes."""
    return [*facts.items(), *(("note", text) for text in notes)]
