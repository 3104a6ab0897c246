"""Read measurements of devices: power against current, or time traces.

A file has named columns, or named arrays of which each row is a trace:

==============  =====  ===============================================================
name            unit   meaning
==============  =====  ===============================================================
``current_ma``  mA     current through the device; in a trace, from this point on
``power``       any    power of the oscillation: the amplitude x of the device
``output``      any    what follows the read-out: the output y of the device
``time_ns``     ns     time; without it, every point is a device at rest
``device``             name of the device; without it there is one
``trace``              number of the trace; without it, one ends where time goes back
``sd``          any    standard deviation of the value; what counts is its ratio
==============  =====  ===============================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import formats
from ..data.formats import Variables
from ..refusal import refuse

Values = NDArray[np.float64]

QUANTITIES = ("power", "output")
NUMBERS = ("current_ma", "time_ns", "sd", *QUANTITIES)
NAMES = ("device", "trace")
ONLY = "device"
"""Name of the device in a file without a column of that name."""
LEAST_POINTS = 5
"""Of a trace, and of a device at rest."""
_REMEDY = "Name the columns current_ma, power or output, and time_ns of time traces."


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """One quantity of one device, from one file: points at rest, or time traces.

    Arrays have the shape (traces, points); a trace that is shorter than the longest
    ends with NaN. A point at rest is a trace of its own.
    """

    file: Path
    quantity: str
    """One of ``QUANTITIES``."""
    time_ns: Values | None
    current_ma: Values
    value: Values
    sd: Values | None = None

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Where there is a value."""
        return np.isfinite(self.value)

    @property
    def n(self) -> int:
        """Number of values."""
        return int(self.measured.sum())

    @property
    def steps_ns(self) -> Values:
        """Time from each point to the next, 0 after the last: (traces, points - 1)."""
        if self.time_ns is None:
            return np.zeros((len(self.value), 0))
        return np.nan_to_num(np.diff(self.time_ns, axis=1), nan=0.0)


def read(paths: Sequence[Path]) -> dict[str, list[Recording]]:
    """Return the recordings of each device, by its name.

    Raises:
        ValueError: a file is missing or breaks a rule; the text says where.
    """
    found: dict[str, list[Recording]] = {}
    for path in paths:
        for device, recordings in _read_file(path).items():
            found.setdefault(device, []).extend(recordings)
    return found


def _read_file(path: Path) -> dict[str, list[Recording]]:
    format_ = formats.find_arrays(path)
    if format_ is None or not path.exists():
        got = "another ending" if path.exists() else "nothing there"
        refuse(path, formats.describe(arrays_only=True), got, "Correct the path.")
    file = format_.open(path)
    columns = _columns(file)
    _check(file, columns)
    traces = _split(file, columns)
    by_device: dict[str, list[Any]] = {}
    for rows in traces:
        by_device.setdefault(str(columns["device"][rows[0]]), []).append(rows)
    return {
        device: _recordings(path, columns, own) for device, own in by_device.items()
    }


def _columns(file: Variables) -> dict[str, NDArray[Any]]:
    """Return the known columns, one value for each point, in the order of the file."""
    known = [name for name in file.shapes if name in (*NUMBERS, *NAMES)]
    lacking = "current_ma" not in known or not {*QUANTITIES} & {*known}
    unknown = [name for name in file.shapes if name not in known]
    if lacking or (unknown and file.is_table):
        rule = f"columns of {', '.join((*NUMBERS, *NAMES))}"
        got = unknown[0] if unknown and not lacking else file.listed()
        refuse(file.path, rule, got, _REMEDY)
    columns: dict[str, NDArray[Any]] = {}
    for name in known:
        is_number = name in NUMBERS
        columns[name] = file.numbers(name) if is_number else file.get(name)
    return _flatten(file, columns)


def _flatten(
    file: Variables, columns: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return arrays of traces, (traces, points), as columns."""
    shape = max((one.shape for one in columns.values()), key=len)
    if len(shape) == 2:
        if "trace" not in columns and "time_ns" in columns:
            columns["trace"] = np.arange(shape[0])
        for name in columns.keys() & {*NAMES}:
            columns[name] = columns[name].reshape(-1, 1)
    try:
        for name, values in columns.items():
            columns[name] = np.broadcast_to(values, shape).ravel()
    except ValueError:
        rule = "arrays of one shape, (traces, points) or (points,)"
        refuse(file.path, rule, file.listed(), "Correct their shapes.")
    columns.setdefault("device", np.full(columns["current_ma"].shape, ONLY))
    return columns


def _check(file: Variables, columns: Mapping[str, NDArray[Any]]) -> None:
    """Refuse numbers that are not finite, deviations of 0, and no current at all."""
    for name in columns.keys() & {*NUMBERS}:
        wrong = np.flatnonzero(~np.isfinite(columns[name]))
        if wrong.size:
            got = f"{columns[name][wrong[0]]}{_place(file, name, wrong[0])}"
            refuse(file.path, f"finite numbers in `{name}`", got, "Correct it.")
    if "sd" in columns:
        wrong = np.flatnonzero(~(columns["sd"] > 0))
        if wrong.size:
            got = f"{columns['sd'][wrong[0]]}{_place(file, 'sd', wrong[0])}"
            refuse(file.path, "numbers above 0 in `sd`", got, "Correct it.")
    if not columns["current_ma"].any():
        rule = "a current other than 0 in `current_ma`"
        refuse(file.path, rule, "0 everywhere", "Measure with a current.")


def _place(file: Variables, name: str, point: Any) -> str:
    if file.place is not None and file.is_table:
        return f" in {file.place(name, int(point))}"
    return f" at point {point + 1}"


def _split(
    file: Variables, columns: Mapping[str, NDArray[Any]]
) -> list[NDArray[np.intp]]:
    """Return the points of each trace, in the order of time; at rest, of each device.

    Raises:
        ValueError: time does not grow, or a trace is too short.
    """
    n = len(columns["current_ma"])
    ids = columns["device"].astype(str)
    time = columns.get("time_ns")
    if time is None:
        ids = ids.copy()
    elif "trace" in columns:
        ids = np.char.add(np.char.add(ids, "\0"), columns["trace"].astype(str))
    else:
        starts = (ids[1:] != ids[:-1]) | (np.diff(time) < 0)
        ids = np.concatenate([[0], np.cumsum(starts)])
    _, first, number = np.unique(ids, return_index=True, return_inverse=True)
    traces = []
    for trace in np.argsort(first):
        points = np.flatnonzero(number == trace)
        traces.append(points)
        what = "a trace" if time is not None else "a device at rest"
        if len(points) < LEAST_POINTS:
            got = f"{len(points)}{_place(file, 'current_ma', points[0])}"
            rule = f"at least {LEAST_POINTS} points of {what}"
            refuse(file.path, rule, got, "Add points, or remove these.")
        if time is None:
            continue
        stays = np.flatnonzero(~(np.diff(time[points]) > 0))
        if stays.size:
            point = points[stays[0] + 1]
            got = f"{time[point]}{_place(file, 'time_ns', point)}"
            refuse(
                file.path,
                "a `time_ns` that grows from point to point of a trace",
                f"{got}, after {time[points[stays[0]]]}",
                "Sort the points, or number the traces in `trace`.",
            )
    assert sum(map(len, traces)) == n
    return traces


def _recordings(
    path: Path,
    columns: Mapping[str, NDArray[Any]],
    traces: Sequence[NDArray[np.intp]],
) -> list[Recording]:
    """Return what a file has of one device, a recording for each quantity."""
    if "time_ns" not in columns:
        traces = [points.reshape(1) for points in np.concatenate(traces)]
    longest = max(map(len, traces))

    def table(name: str) -> Values | None:
        if name not in columns:
            return None
        values = np.full((len(traces), longest), np.nan)
        for row, points in zip(values, traces, strict=True):
            row[: len(points)] = columns[name][points]
        return values

    current_ma = table("current_ma")
    recordings = []
    for quantity in QUANTITIES:
        value = table(quantity)
        if value is None or current_ma is None:
            continue
        recordings.append(
            Recording(
                file=path,
                quantity=quantity,
                time_ns=table("time_ns"),
                current_ma=current_ma,
                value=value,
                sd=table("sd"),
            )
        )
    return recordings
