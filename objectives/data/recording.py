"""A user's recording: labelled series from an ``.npz``, CSV, ``.ts`` or IDX file.

``npz``, ``csvs``, ``ts`` and ``idx`` read the files; this module checks all rules for
the data. No file can run code: pickles are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .examples import Examples
from .raw import UNEQUAL, Raw, refuse


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Checked data."""

    examples: Examples
    """The series; ``x`` is NaN before the first point of a shorter one."""
    classes: tuple[str, ...]
    """Label of each class, in sorted order."""
    test: NDArray[np.bool_] | None
    """True for test series, (n,); None if the user does not say."""
    sha256: str

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Points of each series, (n,)."""
        there: NDArray[np.int64] = (~np.isnan(self.examples.x[:, :, 0])).sum(axis=1)
        return there


def read(path: Path, *, unequal: bool = False) -> Recording:
    """Read and check the data at ``path``.

    Args:
        path: an ``.npz`` or ``.ts`` file, or a directory.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: the data is missing or breaks a rule; the message says where and
            what to do.
    """
    from . import csvs, idx, npz, ts

    try:
        is_directory = path.is_dir()
    except OSError as error:  # a name that is too long, a directory that is not ours
        refuse(path, "a path that can be read", f"{error.strerror}", "Correct it.")
    if is_directory and idx.has_images(path):
        raw = idx.read(path)
    elif is_directory:
        raw = csvs.read(path, unequal=unequal)
    elif path.suffix == ".ts":
        raw = ts.read([path], unequal=unequal)
    elif path.suffix == ".npz":
        raw = npz.read(path)
    else:
        refuse(
            path,
            "an .npz or .ts file, or a directory of CSV files with labels.csv or of IDX"
            " files",
            f"path={str(path)!r}" if path.exists() else "nothing there",
            "Correct the path; workers on other hosts need the data at the same place.",
        )
    return check(path, raw, unequal=unequal)


def check(path: Path | str, raw: Raw, *, unequal: bool = False) -> Recording:
    """Check raw data against all rules.

    Args:
        path: its location, for messages.
        raw: the data.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: the data breaks a rule; the message says which and what to do.
    """
    x = _series(path, raw.x, unequal)
    label, classes = _labels(path, raw.y, len(x))
    test = None if raw.test is None else _test(path, raw.test, len(x))
    examples = Examples(x=x, label=label)
    return Recording(examples=examples, classes=classes, test=test, sha256=raw.sha256)


def _series(path: Path | str, x: NDArray[Any], unequal: bool) -> NDArray[np.float32]:
    """Return the input as finite numbers, (n, time, channels).

    All series end at the last point; a shorter one has NaN before its first point.
    """
    if x.dtype.kind not in "biuf":
        refuse(
            path, "numbers in `x`", f"x.dtype={x.dtype}", "Convert it: x.astype(float)."
        )
    if x.ndim not in (2, 3):
        refuse(
            path,
            "`x` of shape (n, time) or (n, time, channels)",
            f"x.shape={x.shape}",
            "Reshape it: x[n] is one series.",
        )
    if x.size == 0:
        refuse(
            path,
            "at least one series, time point and channel",
            f"x.shape={x.shape}",
            "Add it.",
        )
    with np.errstate(over="ignore"):
        series = x.astype(np.float32)
    points = series if series.ndim == 3 else series[:, :, np.newaxis]
    broken = ~np.isfinite(points)
    if not broken.any():
        return points
    lengths = _lengths(points)
    time = np.arange(points.shape[1])[np.newaxis, :, np.newaxis]
    broken &= time < lengths[:, np.newaxis, np.newaxis]
    if broken.any():
        at = tuple(int(i) for i in np.argwhere(broken)[0][: x.ndim])
        refuse(
            path,
            "finite numbers in `x` (up to 3.4e38)",
            f"x[{', '.join(map(str, at))}]={x[at]} ({np.count_nonzero(broken)} such"
            " values)",
            "Correct or remove that series.",
        )
    if not unequal:
        shortest = int(lengths.argmin())
        refuse(
            path,
            f"{points.shape[1]} points in every series",
            f"{lengths[shortest]} in x[{shortest}], then NaN",
            UNEQUAL,
        )
    return _align_ends(points[:, : lengths.max()], lengths)


def _lengths(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the points of each series, (n,), without those at its end with NaN in all
    channels.

    A series of only NaN keeps all its points.
    """
    there: NDArray[np.bool_] = (~np.isnan(points)).max(axis=2)
    lengths: NDArray[np.int64] = points.shape[1] - there[:, ::-1].argmax(axis=1)
    return lengths


def _align_ends(
    points: NDArray[np.float32], lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Move the last points of all series to the end, with NaN before the shorter
    ones."""
    moved = np.full_like(points, np.nan)
    for one, into, length in zip(points, moved, lengths, strict=True):
        into[len(into) - length :] = one[:length]
    return moved


def _labels(
    path: Path | str, y: NDArray[Any], n: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the class of each series, from 0, and the label of each class."""
    if y.dtype.kind not in "biuU":
        refuse(
            path,
            "whole numbers or texts in `y`",
            f"y.dtype={y.dtype}",
            "Convert it: y.astype(int) or y.astype(str).",
        )
    if y.shape != (n,):
        refuse(
            path,
            f"one label per series, `y.shape == ({n},)`",
            f"y.shape={y.shape}",
            "Give as many labels as series.",
        )
    classes, label = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        refuse(
            path,
            "at least two classes in `y`",
            f"the label {classes[0].item()!r} only",
            "There is nothing to tell apart: add series of another class.",
        )
    return label.astype(np.int64), tuple(str(name) for name in classes)


def _test(path: Path | str, test: NDArray[Any], n: int) -> NDArray[np.bool_]:
    """Return a mask of the test series, (n,)."""
    if test.dtype.kind != "b" or test.shape != (n,):
        refuse(
            path,
            f"true or false per series, `test.shape == ({n},)`",
            f"test.dtype={test.dtype}, test.shape={test.shape}",
            "Convert it: test.astype(bool).",
        )
    return test.astype(np.bool_)
