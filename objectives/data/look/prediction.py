"""Summarise a series to predict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import advice
from ..formats import csvs, raw
from ..tasks.own_series import OwnSeriesParams
from ..tasks.series import Series
from .recognise import Table
from .summary import (
    Data,
    Values,
    as_rows,
    count_points,
    is_even,
    list_ranges,
    name_channels,
    note_clock,
)

_TIME = re.compile(r"(t|time)([_\W].*)?", re.IGNORECASE)
_NANOSECONDS = re.compile(r"(.*[\W_])?ns\W*", re.IGNORECASE)
_LABEL = re.compile("labels?|class(es)?|y|target", re.IGNORECASE)

Columns = Mapping[str, Values]


class _Source(NamedTuple):
    """What a file says of its series."""

    table: Table
    names: list[str]
    """Names of the inputs."""
    time_step: str = "not in the file"
    dt_ns: float | None = None
    notes: Sequence[str] = ()
    """Why it may be no series to predict."""


def summarise(path: Path, inputs: str, targets: str, horizon: int) -> Data:
    """Read a series, choose further keys of ``[task]`` and describe it all.

    Args:
        path: an ``.npz`` or CSV file.
        inputs: input columns of a CSV file; "": all but the last one and the time.
        targets: its target columns; "": the last one.
        horizon: points to predict ahead; 0: 1 if the series predicts itself.

    Raises:
        ValueError: the data break a rule.
    """
    table: Table = {"name": "series", "path": str(path), "horizon": horizon}
    source = _Source(table, ["u"])
    if path.suffix == ".csv":
        source = _look_at_columns(table, inputs, targets)
    task = _complete(source)
    series = task.series()
    sizes = task.contents()
    train = sizes.train + sizes.validation
    facts = {
        "data": f"{path}, read by the task series",
        "points": (
            f"{sizes.points:,}: {sizes.washout:,} to warm up, {train:,} train,"
            f" {sizes.test:,} test, the last ones"
        ),
        "inputs": f"{sizes.channels:,}: {list_ranges(source.names, series.u)}",
        "targets": f"{sizes.outputs:,}{_describe_targets(task, series)}",
        "time step": source.time_step,
        "missing": "none",
    }
    notes = [*source.notes]
    if train < advice.FEW_POINTS:
        few = f"{train:,} points to train on are few for a readout: record more"
        notes.append(few)
    notes += _note_clocks(source.names, series.u)
    return Data(
        what="predict",
        table=source.table,
        rows=as_rows(facts, notes),
        train=train,
        test=sizes.test,
        points=sizes.points,
        channels=sizes.channels,
        outputs=sizes.outputs,
        dt_ns=source.dt_ns,
    )


def _note_clocks(names: Sequence[str], u: Values) -> list[str]:
    """Return notes on inputs that may be the time."""
    notes = []
    steps = np.diff(u, axis=0)
    for number, channel in enumerate(name_channels(names, u.shape[1])):
        notes += note_clock(channel, steps[:, number])
    return notes


def _look_at_columns(table: Table, inputs: str, targets: str) -> _Source:
    """Choose the columns of a CSV file, and find its time step."""
    path = Path(table["path"])
    columns = csvs.table(path, raw.content(path))
    clock = _find_clock(columns)
    others = [name for name in columns if name != clock] or list(columns)
    targets = targets or others[-1]
    inputs = inputs or ", ".join(others[:-1] or others)
    names = csvs.column_names(inputs)
    table |= {"inputs": inputs, "targets": targets}
    if not table["horizon"] and set(names) & set(csvs.column_names(targets)):
        table["horizon"] = 1  # it predicts itself
    if clock is not None:
        return _Source(table, names, *_describe_time_step(clock, columns[clock]))
    notes = [csvs.ROWS] if _has_labels(columns) else []
    return _Source(table, names, notes=notes)


def _describe_targets(task: OwnSeriesParams, series: Series) -> str:
    """Return the names of the targets, how far ahead they are, and their ranges."""
    whom = f" ({task.targets})" if task.targets else ""
    ahead = "of the same point"
    if task.horizon:
        ahead = f"{count_points(task.horizon)} ahead"
    return f"{whom}, {ahead}: {list_ranges([], series.target)}"


def _complete(source: _Source) -> OwnSeriesParams:
    """Add the horizon of a series that predicts itself, and a washout; return the task.

    Raises:
        ValueError: the data break a rule; the message ends with the notes.
    """
    table = source.table
    try:
        probe = OwnSeriesParams(**table, washout=0).series()
    except ValueError as error:
        raise ValueError(" ".join([str(error), *source.notes])) from error
    if not table["horizon"] and np.array_equal(probe.u, probe.target):
        table["horizon"] = 1
    table["washout"] = advice.prediction(points=len(probe.u), dt_ns=1.0).washout
    return OwnSeriesParams(**table)


def _find_clock(columns: Columns) -> str | None:
    """Return the first column that is the time."""
    for name, values in columns.items():
        steps = np.diff(values)
        if _TIME.fullmatch(name) and steps.size and (steps > 0).all():
            return name
    return None


def _describe_time_step(clock: str, times: Values) -> tuple[str, float | None]:
    """Describe the time step by a column of the time, and return it if it is in ns."""
    steps = np.diff(times)
    text = f"{steps.mean():.4g} by the column {clock}"
    dt_ns = None
    if _NANOSECONDS.fullmatch(clock):
        dt_ns = float(f"{steps.mean():.6g}")
    else:
        text += "; its name does not end in ns, so dt_ns = 1 unless --dt-ns is given"
    if not is_even(steps):
        text += "; uneven, resample"
    return text, dt_ns


def _has_labels(columns: Columns) -> bool:
    """Return whether rows are probably series: many columns, or one of whole-numbered
    labels."""
    for name, values in columns.items():
        if 5 * len(columns) >= len(values):
            return True
        if _LABEL.fullmatch(name) and (values == np.round(values)).all():
            return True
    return False
