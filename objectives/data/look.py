"""Look at a user's data: which task reads them, what is in them, and what should be
known of them.

``hpo new study`` prints it. The task that reads the data checks all rules.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from hpo.contract import TaskParams

from ..hardware import physics
from . import TASKS, advice, csvs, fashion_mnist, idx, npz
from .own_series import OwnSeriesParams
from .raw import content
from .recorded import RecordedParams, check_shares, count_test, least_shares
from .recording import Recording
from .series import parts

What = Literal["classify", "predict"]
MOST_SHOWN = 8
"""Largest number of classes, or channels, to list one by one."""
MOST_IMAGES = 6000
"""Largest number of large images to train on, as in ``studies/fashion-mnist.toml``."""
_TIME = re.compile(r"(t|time)([_\W].*)?", re.IGNORECASE)
_NANOSECONDS = re.compile(r"(.*[\W_])?ns\W*", re.IGNORECASE)
_LABEL = re.compile("labels?|class(es)?|y|target", re.IGNORECASE)
_FORMATS = (
    "Give an .npz file (arrays x, y; or u, target), a .ts file, a CSV file with a line"
    " of names (a series to predict), or a directory of CSV files with labels.csv or of"
    " IDX files: docs/how-to/own-data.md."
)


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


def look(
    path: Path,
    what: What | None = None,
    *,
    inputs: str = "",
    targets: str = "",
    horizon: int = 0,
) -> Data:
    """Read and summarise the data at ``path``.

    Args:
        path: a file, a directory, or the name of a pair of ``.ts`` files.
        what: what to learn; by default, what the data are for.
        inputs: input columns of a CSV file, for a series to predict.
        targets: its target columns.
        horizon: number of points to predict ahead.

    Raises:
        ValueError: no task reads the data, or they break a rule; the message says
            where.
    """
    table = _table(path, what)
    if table["name"] == "series":
        data = _prediction_data(path, {**table, "horizon": horizon}, inputs, targets)
    elif inputs or targets or horizon:
        do = "Leave --inputs, --targets and --horizon out."
        _refuse(path, "a series to predict", "series with labels", do)
    else:
        data = _classification_data(table)
    return replace(data, rows=[(name, _line(text)) for name, text in data.rows])


def study(
    data: Data, *, dt_ns: float | None = None
) -> advice.Classification | advice.Prediction:
    """Return a study that fits the data.

    Args:
        data: summary of the data.
        dt_ns: time between two points on the device; by default, that of the data, or
            1.

    Raises:
        ValueError: ``dt_ns`` is not positive.
    """
    if dt_ns is None:
        dt_ns = data.dt_ns or 1.0
    physics.presentation_ns(points=data.points, dt_ns=dt_ns)
    if data.what == "predict":
        return advice.prediction(points=data.points, dt_ns=dt_ns)
    sizes = {"points": data.points, "channels": data.channels}
    folds = data.table.get("validation_folds", 1)
    return advice.classification(n_train=data.train, dt_ns=dt_ns, folds=folds, **sizes)


def _refuse(path: Path, expected: str, got: str, do: str) -> NoReturn:
    raise ValueError(f"{path}: expected {expected}, got {got}. {do}")


def _line(text: str) -> str:
    """Replace control characters, which names of classes and files may have."""
    return "".join(c if c.isprintable() else "?" for c in text)


# --- which task ---


def _table(path: Path, what: What | None) -> dict[str, Any]:
    """Return the ``[task]`` table of the task that reads ``path``."""
    is_npz = path.suffix == ".npz" and path.is_file()
    table = _npz_table(path, what) if is_npz else _table_by_name(path)
    if table is None and not path.exists():
        _refuse(path, "a file or a directory", "nothing there", "Correct the path.")
    if table is None:
        names = sorted(file.name for file in path.iterdir()) if path.is_dir() else []
        listing = (
            "a directory of"
            f" {', '.join(names[:4]) or 'nothing'}{', …' * (len(names) > 4)}"
        )
        got = (
            listing
            if path.is_dir()
            else f"a file of another kind ({path.suffix or 'no suffix'})"
        )
        _refuse(path, "data that a task reads", got, _FORMATS)
    if what == "predict" and table["name"] != "series":
        do = (
            "Give an .npz file with the arrays u and target, or a CSV file with a line"
            " of names."
        )
        _refuse(path, "a series to predict", "series with labels", do)
    if what == "classify" and table["name"] == "series":
        do = (
            "Give a directory of CSV files, one for each series, with labels.csv; or an"
            " .npz file."
        )
        _refuse(path, "series with labels", "one series to predict", do)
    return table


def _npz_table(path: Path, what: What | None) -> dict[str, Any]:
    names = npz.arrays(path, content(path), (), "").keys()
    has_labels, has_targets = {"x", "y"} <= names, {"u", "target"} <= names
    if has_labels and has_targets and what is None:
        do = "Add --task classify or --task predict."
        _refuse(path, "one kind of data", "the arrays x, y, u and target", do)
    if not has_labels and not has_targets:
        rule = (
            "arrays x and y (series and their labels), or u and target (a series to"
            " predict)"
        )
        do = "Save them by numpy.savez(…, x=x, y=y)."
        _refuse(path, rule, f"the arrays {', '.join(sorted(names)) or '(none)'}", do)
    is_series = has_targets and (what == "predict" or not has_labels)
    return {"name": "series" if is_series else "arrays", "path": str(path)}


def _table_by_name(path: Path) -> dict[str, Any] | None:
    """Return the ``[task]`` table by the names of files; None if no task reads them."""
    stem = re.sub(r"_(TRAIN|TEST)\.ts$", "", str(path))
    if Path(f"{stem}_TRAIN.ts").is_file():
        return {"name": "ucr", "path": stem}
    if path.suffix in (".ts", ".csv") and path.is_file():
        return {
            "name": "arrays" if path.suffix == ".ts" else "series",
            "path": str(path),
        }
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and (path / csvs.LABELS).is_file():
        return {"name": "arrays", "path": str(path)}
    if idx.has_images(folder) and (path.is_dir() or "-ubyte" in path.name):
        return _image_table(folder)
    return {"name": "ucr", "path": str(path)} if [*path.glob("*_TRAIN.ts")] else None


def _image_table(folder: Path) -> dict[str, Any]:
    """Return the ``[task]`` table of IDX images; fewer pixels and images of MNIST and
    the like."""
    files = {path.name.removesuffix(".gz"): path for path in idx.files(folder)}
    if set(files) == set(fashion_mnist.NAMES):
        first = files[fashion_mnist.NAMES[0]]
        shape = idx.array(
            first, idx.unpack(first, _FORMATS), "an IDX file", _FORMATS
        ).shape
        if shape[1:] == (fashion_mnist.SIDE, fashion_mnist.SIDE):
            fewer = {"n_train": MOST_IMAGES} if shape[0] > MOST_IMAGES + 1000 else {}
            return {"name": "fashion-mnist", "path": str(folder), "side": 14, **fewer}
    return {"name": "arrays", "path": str(folder)}


# --- series with labels ---


def _classification_data(table: dict[str, Any]) -> Data:
    kind = TASKS[table["name"]]
    padding = {"pad": "before"} if "pad" in kind.model_fields else {}
    recording = _recorded_task(kind, {**table, **padding}).read()
    x, lengths = recording.examples.x, recording.lengths
    n, points, channels = x.shape
    table = dict(table)
    if recording.test is None:
        table["test_fraction"] = advice.share_to_test(n)
    low, high = np.nanmin(x, axis=(0, 1)), np.nanmax(x, axis=(0, 1))
    if low.min() < 0 or high.max() > 1:
        table["normalise"] = "standard"
    if lengths.min() < points:
        table |= padding
    task = _recorded_task(kind, table)
    check_shares(task, recording)
    test = count_test(task, recording)
    rarest = int(least_shares(task, recording)[0].min())
    if (folds := advice.validation_folds(n - test, rarest)) > 1:
        table["validation_folds"] = folds
    how = (
        "as the files say"
        if recording.test is not None
        else "drawn, in the shares of classes"
    )
    shorter = f"{lengths.min():,} to " if lengths.min() < points else ""
    rows = [
        ("data", f"{table['path']}, read by the task {table['name']}"),
        ("series", f"{n:,}: {n - test:,} train, {test:,} test ({how})"),
        (
            "length",
            f"{shorter}{points:,} point{'s' * (points > 1)}"
            + "; 0 is put before shorter ones" * bool(shorter),
        ),
        ("channels", f"{channels:,}"),
        ("classes", _classes(recording)),
        ("values", _ranges([str(c) for c in range(channels)], low, high)),
        ("missing", "none"),
        ("time step", "not in the data"),
        *(("note", text) for text in _notes(recording, test, low, high)),
    ]
    return Data(
        what="classify",
        table=table,
        rows=rows,
        train=n - test,
        test=test,
        points=points,
        channels=channels,
        outputs=len(recording.classes),
    )


def _recorded_task(kind: type[TaskParams], table: dict[str, Any]) -> RecordedParams:
    task = kind(**table)
    assert isinstance(task, RecordedParams)
    return task


def _classes(recording: Recording) -> str:
    counts = np.bincount(recording.examples.label, minlength=len(recording.classes))
    if len(counts) > MOST_SHOWN:
        return f"{len(counts)}, of {counts.min():,} to {counts.max():,} series each"
    names = ", ".join(
        f"{name} ({n:,})" for name, n in zip(recording.classes, counts, strict=True)
    )
    return f"{len(counts)}: {names}"


def _ranges(names: list[str], low: NDArray[Any], high: NDArray[Any]) -> str:
    """Return the smallest and largest value of each channel, or over many channels."""
    if len(names) == 1 or len(names) > MOST_SHOWN:
        over = f" in {len(names)} channels" * (len(names) > 1)
        return f"{low.min():.4g} to {high.max():.4g}{over}"
    each = zip(names, low, high, strict=True)
    return "; ".join(f"{name}: {a:.3g} to {b:.3g}" for name, a, b in each)


def _notes(recording: Recording, test: int, low: Any, high: Any) -> list[str]:
    """Return notes on small test parts and on probable mistakes in the data."""
    x, label = recording.examples.x, recording.examples.label
    points, channels = x.shape[1:]
    interval = 196 * math.sqrt(0.09 / test)
    notes = [
        f"{test:,} test series: an accuracy of 90 % has a 95 % interval of ±"
        f" {interval:.2g} points"
    ]
    counts = np.bincount(label)
    if counts.max() > 3 * counts.min():
        share = 100 * counts.max() / len(label)
        notes.append(
            f"the largest class has {share:.0f} % of the series: guessing it scores"
            " that"
        )
    if channels > points:
        notes.append(
            f"{channels:,} channels exceed {points:,} points. If these are the time"
            " points, x must be (n, time, channels): x.transpose(0, 2, 1)"
        )
    for constant in np.flatnonzero(low == high):
        notes.append(f"channel {constant} is constant: leave it out")
    for channel in range(channels):
        steps = np.diff(x[:, :, channel], axis=1)
        notes += _clock_notes(channel, steps[~np.isnan(steps)])
    return notes


def _clock_notes(channel: int | str, steps: NDArray[Any]) -> list[str]:
    """Return a note on a channel with these differences if it may be the time."""
    if steps.size and 0 < steps.max() <= 1.01 * steps.min():
        return [f"channel {channel} grows evenly. If it is the time, leave it out"]
    return []


# --- a series to predict ---


def _prediction_data(
    path: Path, table: dict[str, Any], inputs: str, targets: str
) -> Data:
    step, dt_ns, names, notes = "not in the file", None, ["u"], list[str]()
    if path.suffix == ".csv":
        columns = csvs.table(path, content(path))
        clock = next((name for name in columns if _is_time(name, columns[name])), None)
        others = [name for name in columns if name != clock] or list(columns)
        targets = targets or others[-1]
        inputs = inputs or ", ".join(others[:-1] or others)
        table |= {"inputs": inputs, "targets": targets}
        names = [name.strip() for name in inputs.split(",")]
        if not table["horizon"] and set(names) & {
            name.strip() for name in targets.split(",")
        }:
            table["horizon"] = 1  # it predicts itself
        if clock is not None:
            step, dt_ns = _time_step(clock, np.diff(columns[clock]))
        elif _has_labels(columns):
            notes.append(csvs.ROWS)
    probing = OwnSeriesParams(**table, washout=0)
    try:
        probe = probing.series()
    except ValueError as error:
        raise ValueError(" ".join([str(error), *notes])) from error
    if not table["horizon"] and np.array_equal(probe.u, probe.target):
        table["horizon"] = 1
    table["washout"] = advice.prediction(points=len(probe.u), dt_ns=1.0).washout
    task = OwnSeriesParams(**table)
    series = task.series()
    train, validation = parts(task, series)
    ahead = (
        f"{task.horizon:,} point{'s' * (task.horizon > 1)} ahead"
        if task.horizon
        else "of the same point"
    )
    n_channels, n_targets = series.u.shape[1], series.target.shape[1]
    whom = f" ({targets})" if targets else ""
    rows = [
        ("data", f"{path}, read by the task series"),
        (
            "points",
            (
                f"{len(series.u):,}: {task.washout:,} to warm up,"
                f" {train + validation:,} train, {series.n_test:,} test, the last ones"
            ),
        ),
        ("inputs", f"{n_channels:,}: {_spread(names, series.u)}"),
        ("targets", f"{n_targets:,}{whom}, {ahead}: {_spread([], series.target)}"),
        ("time step", step),
        ("missing", "none"),
    ]
    if train + validation < advice.FEW_POINTS:
        few = (
            f"{train + validation:,} points to train on are few for a readout: record"
            " more"
        )
        notes.append(few)
    labels = names if len(names) == n_channels else [str(c) for c in range(n_channels)]
    for label, steps in zip(labels, np.diff(series.u, axis=0).T, strict=True):
        notes += _clock_notes(label, steps)
    rows += [("note", text) for text in notes]
    return Data(
        what="predict",
        table=table,
        rows=rows,
        train=train + validation,
        test=series.n_test,
        points=len(series.u),
        channels=n_channels,
        outputs=n_targets,
        dt_ns=dt_ns,
    )


def _is_time(name: str, values: NDArray[np.float64]) -> bool:
    return bool(
        _TIME.fullmatch(name) and len(values) > 1 and (np.diff(values) > 0).all()
    )


def _time_step(clock: str, steps: NDArray[np.float64]) -> tuple[str, float | None]:
    """Describe the time step by a column of the time, and return it if it is in ns."""
    text, dt_ns = f"{steps.mean():.4g} by the column {clock}", None
    if _NANOSECONDS.fullmatch(clock):
        dt_ns = float(f"{steps.mean():.6g}")
    else:
        text += "; its name does not end in ns, so dt_ns = 1 unless --dt-ns is given"
    return text + "; uneven, resample" * bool(steps.max() > 1.01 * steps.min()), dt_ns


def _has_labels(columns: dict[str, NDArray[np.float64]]) -> bool:
    """Return whether rows are probably series: many columns, or one of whole-numbered
    labels."""
    whole = [
        name for name, values in columns.items() if (values == np.round(values)).all()
    ]
    n_points = len(next(iter(columns.values())))
    return 5 * len(columns) >= n_points or any(map(_LABEL.fullmatch, whole))


def _spread(names: list[str], values: NDArray[np.float64]) -> str:
    low, high = values.min(axis=0), values.max(axis=0)
    return _ranges(
        names if len(names) == len(low) else [str(c) for c in range(len(low))],
        low,
        high,
    )
