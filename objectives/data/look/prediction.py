"""Summarise a series to predict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import advice
from ..formats import csvs, raw
from ..tasks.own_series import OwnSeriesParams
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
    names = ["u"]
    time_step = "not in the file"
    dt_ns = None
    notes: list[str] = []
    if path.suffix == ".csv":
        columns = csvs.table(path, raw.content(path))
        clock = _find_clock(columns)
        others = [name for name in columns if name != clock] or list(columns)
        targets = targets or others[-1]
        inputs = inputs or ", ".join(others[:-1] or others)
        table |= {"inputs": inputs, "targets": targets}
        names = csvs.column_names(inputs)
        if not horizon and set(names) & set(csvs.column_names(targets)):
            table["horizon"] = 1  # it predicts itself
        if clock is not None:
            time_step, dt_ns = _describe_time_step(clock, np.diff(columns[clock]))
        elif _has_labels(columns):
            notes.append(csvs.ROWS)
    task = _complete(table, notes)
    series = task.series()
    sizes = task.contents()
    train = sizes.train + sizes.validation
    ahead = "of the same point"
    if task.horizon:
        ahead = f"{count_points(task.horizon)} ahead"
    whom = f" ({targets})" if targets else ""
    facts = {
        "data": f"{path}, read by the task series",
        "points": (
            f"{sizes.points:,}: {sizes.washout:,} to warm up, {train:,} train,"
            f" {sizes.test:,} test, the last ones"
        ),
        "inputs": f"{sizes.channels:,}: {_list_ranges(names, series.u)}",
        "targets": (
            f"{sizes.outputs:,}{whom}, {ahead}: {_list_ranges([], series.target)}"
        ),
        "time step": time_step,
        "missing": "none",
    }
    if train < advice.FEW_POINTS:
        few = f"{train:,} points to train on are few for a readout: record more"
        notes.append(few)
    channels = name_channels(names, sizes.channels)
    for channel, steps in zip(channels, np.diff(series.u, axis=0).T, strict=True):
        notes += note_clock(channel, steps)
    return Data(
        what="predict",
        table=table,
        rows=as_rows(facts, notes),
        train=train,
        test=sizes.test,
        points=sizes.points,
        channels=sizes.channels,
        outputs=sizes.outputs,
        dt_ns=dt_ns,
    )


def _complete(table: Table, notes: list[str]) -> OwnSeriesParams:
    """Add the horizon of a series that predicts itself, and a washout; return the task.

    Raises:
        ValueError: the data break a rule; the message ends with the notes.
    """
    try:
        probe = OwnSeriesParams(**table, washout=0).series()
    except ValueError as error:
        raise ValueError(" ".join([str(error), *notes])) from error
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


def _describe_time_step(clock: str, steps: Values) -> tuple[str, float | None]:
    """Describe the time step by a column of the time, and return it if it is in ns."""
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


def _list_ranges(names: list[str], values: Values) -> str:
    return list_ranges(names, values.min(axis=0), values.max(axis=0))
