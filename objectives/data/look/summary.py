"""The summary of a user's data, and its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hpo.errors import advise

from ..formats import Variables

What = Literal["classify", "predict"]
Table = dict[str, Any]
"""Keys of ``[task]``."""
Values = NDArray[Any]

MOST_SHOWN = 8
"""Largest number of classes, or channels, to list one by one."""
EVEN = 1.01
"""Largest ratio of time steps that are even."""
_NANOSECONDS = re.compile(r"(.*[\W_])?ns\W*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user says of the data; empty where the data are to say it."""

    what: What | None = None
    inputs: str = ""
    targets: str = ""
    labels: str = ""
    series: str = ""
    horizon: int = 0


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What is to be read of a file."""

    table: Table
    """Keys of ``[task]``."""
    file: Variables | None = None
    """Its named arrays or columns, if it has some."""
    clock: str | None = None
    """Column of the time."""
    notes: Sequence[str] = ()
    """What was understood."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """A summary of data, with the task that reads them."""

    what: What
    table: Table
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
    point_ns: float | None = None
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


def describe_time_step(clock: str, times: Values) -> tuple[str, float | None]:
    """Describe the time step by a column of the time, and return it if it is in ns.

    Args:
        clock: name of the column.
        times: numbers or time stamps, (rows,), each larger than the one before.
    """
    steps = np.diff(times)
    unit = ""
    if steps.dtype.kind == "m":
        steps = steps / np.timedelta64(1, "s")
        unit = " s"
    text = f"{steps.mean():.4g}{unit} by the column {clock}"
    point_ns = None
    if _NANOSECONDS.fullmatch(clock) and not unit:
        point_ns = float(f"{steps.mean():.6g}")
    elif unit:
        text += f"; point_ns = 1 unless {advise('--point-ns', 'point_ns')} is given"
    else:
        text += (
            "; its name does not end in ns, so point_ns = 1 unless"
            f" {advise('--point-ns', 'point_ns')} is given"
        )
    if not is_even(steps):
        text += "; uneven, resample"
    return text, point_ns
