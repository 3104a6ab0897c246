"""Summarise labelled series."""

from __future__ import annotations

import math

import numpy as np

from .. import advice
from ..formats import Recording, Variables, split_names
from ..tasks import TASKS
from ..tasks.recorded import RecordedParams
from .summary import (
    MOST_SHOWN,
    Data,
    Roles,
    Table,
    Values,
    as_rows,
    count_points,
    describe_time_step,
    list_ranges,
    note_clock,
)

UNBALANCED = 3
"""Ratio of the largest to the smallest class that is worth a note."""


def summarise(roles: Roles) -> Data:
    """Read the data of a ``[task]`` table, choose further keys and describe it all.

    Args:
        roles: the task, and the columns or arrays that it reads.

    Raises:
        ValueError: the data break a rule.
    """
    table, task, recording = _complete(roles.table)
    names = split_names(table.get("inputs", ""))
    time_step = "not in the data"
    point_ns = None
    if roles.clock is not None and roles.file is not None:
        time_step, point_ns = _first_time_step(roles.file, roles.clock, table["series"])
    n, points, channels = recording.examples.shape
    n_test = task.count_test(recording)
    shortest = recording.lengths.min()
    length = count_points(points)
    if shortest < points:
        length = f"{shortest:,} to {length}; 0 is put before shorter ones"
    how = "as the files say"
    if recording.test is None:
        how = "drawn, in the shares of classes"
    facts = {
        "data": f"{table['path']}, read by the task {table['name']}",
        "series": f"{n:,}: {n - n_test:,} train, {n_test:,} test ({how})",
        "length": length,
        "channels": f"{channels:,}",
        "classes": _list_classes(recording),
        "values": list_ranges(names, recording.examples.x),
        "missing": "none",
        "time step": time_step,
    }
    notes = [*(roles.notes or recording.notes)]
    notes += [*_note_sizes(recording, n_test), *_note_channels(recording.examples.x)]
    return Data(
        what="classify",
        table=table,
        rows=as_rows(facts, notes),
        train=n - n_test,
        test=n_test,
        points=points,
        channels=channels,
        outputs=len(recording.classes),
        point_ns=point_ns,
    )


def _first_time_step(
    file: Variables, clock: str, series: str
) -> tuple[str, float | None]:
    """Describe the time step of the first series of a long table."""
    ids = file.get(series)
    return describe_time_step(clock, file.get(clock)[ids == ids[0]])


def _complete(table: Table) -> tuple[Table, RecordedParams, Recording]:
    """Return the table with the keys that fit its data, its task, and the data."""
    kind = TASKS[table["name"]]
    assert issubclass(kind, RecordedParams)
    padding: Table = {"pad": "before"} if "pad" in kind.model_fields else {}
    recording = kind(**table, **padding).read()
    x = recording.examples.x
    table = dict(table)
    if recording.test is None:
        table["test_fraction"] = advice.share_to_test(len(x))
    if np.nanmin(x) < 0 or np.nanmax(x) > 1:
        table["normalise"] = "standard"
    if recording.lengths.min() < x.shape[1]:
        table |= padding
    task = kind(**table)
    task.check_shares(recording)
    least_train, _ = task.least_shares(recording)
    n_train = len(x) - task.count_test(recording)
    folds = advice.validation_folds(n_train, int(least_train.min()))
    if folds > 1:
        table["validation_folds"] = folds
    return table, task, recording


def _list_classes(recording: Recording) -> str:
    counts = recording.count()
    if len(counts) > MOST_SHOWN:
        sizes = f"{counts.min():,.0f} to {counts.max():,.0f}"
        return f"{len(counts)}, of {sizes} series each"
    each = zip(recording.classes, counts, strict=True)
    return f"{len(counts)}: {', '.join(f'{name} ({n:,.0f})' for name, n in each)}"


def _note_sizes(recording: Recording, test: int) -> list[str]:
    """Return notes on small test parts and on large classes."""
    interval = 196 * math.sqrt(0.09 / test)
    notes = [
        f"{test:,} test series: an accuracy of 90 % has a 95 % interval of ±"
        f" {interval:.2g} points"
    ]
    counts = recording.count()
    if counts.max() > UNBALANCED * counts.min():
        share = 100 * counts.max() / counts.sum()
        notes.append(
            f"the largest class has {share:.0f} % of the series: guessing it scores"
            " that"
        )
    return notes


def _note_channels(x: Values) -> list[str]:
    """Return notes on probable mistakes in the channels."""
    _, points, channels = x.shape
    notes = []
    if channels > points:
        notes.append(
            f"{channels:,} channels exceed {points:,} points. If these are the time"
            " points, x must be (n, time, channels): x.transpose(0, 2, 1)"
        )
    for channel in range(channels):
        values = x[:, :, channel]
        if np.nanmin(values) == np.nanmax(values):
            notes.append(f"channel {channel} is constant: leave it out")
    for channel in range(channels):
        steps = np.diff(x[:, :, channel], axis=1)
        notes += note_clock(str(channel), steps[~np.isnan(steps)])
    return notes
