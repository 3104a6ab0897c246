"""Summarise a series to predict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import advice
from ..formats import split_names
from ..tasks import own_series
from ..tasks.own_series import OwnSeriesParams
from ..tasks.series import Series
from .summary import (
    Data,
    Roles,
    Table,
    Values,
    as_rows,
    count_points,
    describe_time_step,
    list_ranges,
    name_channels,
    note_clock,
)


def summarise(roles: Roles, horizon: int) -> Data:
    """Read a series, choose further keys of ``[task]`` and describe it all.

    Args:
        roles: the task, and the columns or arrays that it reads.
        horizon: points to predict ahead; 0: 1 if the series predicts itself.

    Raises:
        ValueError: the data break a rule.
    """
    table = {**roles.table, "horizon": horizon}
    names = split_names(table.get("inputs", own_series.INPUTS))
    task = _complete(table)
    series = task.series()
    sizes = task.contents()
    train = sizes.train + sizes.validation
    time_step = "not in the file"
    point_ns = None
    if roles.clock is not None and roles.file is not None:
        times = roles.file.get(roles.clock)
        time_step, point_ns = describe_time_step(roles.clock, times)
    facts = {
        "data": f"{task.path}, read by the task series",
        "points": (
            f"{sizes.points:,}: {sizes.washout:,} to warm up, {train:,} train,"
            f" {sizes.test:,} test, the last ones"
        ),
        "inputs": f"{sizes.channels:,}{_describe_inputs(task, names, series)}",
        "targets": f"{sizes.outputs:,}{_describe_targets(task, series)}",
        "time step": time_step,
        "missing": "none",
    }
    notes = [*roles.notes]
    if train < advice.FEW_POINTS:
        few = f"{train:,} points to train on are few for a readout: record more"
        notes.append(few)
    notes += _note_clocks(names, series.u)
    return Data(
        what="predict",
        table=table,
        rows=as_rows(facts, notes),
        train=train,
        test=sizes.test,
        points=sizes.points,
        channels=sizes.channels,
        outputs=sizes.outputs,
        point_ns=point_ns,
    )


def _note_clocks(names: Sequence[str], u: Values) -> list[str]:
    """Return notes on inputs that may be the time."""
    notes = []
    steps = np.diff(u, axis=0)
    for number, channel in enumerate(name_channels(names, u.shape[1])):
        notes += note_clock(channel, steps[:, number])
    return notes


def _describe_inputs(
    task: OwnSeriesParams, names: Sequence[str], series: Series
) -> str:
    """Return the names of the inputs, if the file says them, and their ranges."""
    whom = f" ({names[0]})" if task.inputs and len(names) == 1 else ""
    return f"{whom}: {list_ranges(names, series.u)}"


def _describe_targets(task: OwnSeriesParams, series: Series) -> str:
    """Return the names of the targets, how far ahead they are, and their ranges."""
    whom = f" ({task.targets})" if task.targets else ""
    ahead = "of the same point"
    if task.horizon:
        ahead = f"{count_points(task.horizon)} ahead"
    return f"{whom}, {ahead}: {list_ranges(split_names(task.targets), series.target)}"


def _complete(table: Table) -> OwnSeriesParams:
    """Add the horizon of a series that predicts itself, and a washout; return the task.

    Raises:
        ValueError: the data break a rule.
    """
    inputs = split_names(table.get("inputs", ""))
    targets = split_names(table.get("targets", ""))
    if not table["horizon"] and set(inputs) & set(targets):
        table["horizon"] = 1
    probe = OwnSeriesParams(**table, washout=0).series()
    if not table["horizon"] and np.array_equal(probe.u, probe.target):
        table["horizon"] = 1
    table["washout"] = advice.prediction(points=len(probe.u), point_ns=1.0).washout
    return OwnSeriesParams(**table)
