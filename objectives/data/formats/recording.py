"""A user's recording: labelled series of a file, after all checks.

No file can run code: pickles are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...refusal import refuse
from ..examples import Examples
from .raw import UNEQUAL, Raw, Values, as_shown, holds_numbers, show_first

Series = NDArray[np.float32]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Checked data."""

    examples: Examples
    """The series; ``x`` is NaN before the first point of a shorter one."""
    classes: tuple[str, ...]
    """Label of each class, in sorted order."""
    test: Mask | None
    """True for test series, (n,); None if the user does not say."""
    sha256: str
    notes: tuple[str, ...] = ()
    """What was understood that the data do not say."""

    @property
    def lengths(self) -> Counts:
        """Points of each series, (n,)."""
        there: Counts = (~np.isnan(self.examples.x[:, :, 0])).sum(axis=1)
        return there

    def count(self, which: Mask | slice = slice(None)) -> Values:
        """Return the number of series of each class, (classes,), of all or of some."""
        label = self.examples.label[which]
        return np.bincount(label, minlength=len(self.classes)).astype(np.float64)


def check(path: Path | str, raw: Raw, *, unequal: bool = False) -> Recording:
    """Check raw data against all rules.

    Args:
        path: its location, for messages.
        raw: the data.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: the data breaks a rule; the message says which and what to do.
    """
    x = _check_series(path, raw.x, unequal)
    label, classes = _check_labels(path, raw.y, len(x))
    test = None
    if raw.test is not None:
        test = _check_test(path, raw.test, len(x))
    return Recording(
        examples=Examples(x=x, label=label),
        classes=classes,
        test=test,
        sha256=raw.sha256,
        notes=raw.notes,
    )


def _check_series(path: Path | str, x: NDArray[Any], unequal: bool) -> Series:
    """Return the input as finite numbers, (n, time, channels).

    All series end at the last point; a shorter one has NaN before its first point.
    """
    if not holds_numbers(x):
        remedy = "Convert it: x.astype(float)."
        refuse(path, "numbers in `x`", f"x.dtype={x.dtype}", remedy)
    if x.ndim not in (2, 3):
        refuse(
            path,
            "`x` of shape (n, time) or (n, time, channels)",
            f"x.shape={x.shape}",
            "Reshape it: x[n] is one series.",
        )
    if x.size == 0:
        rule = "at least one series, time point and channel"
        refuse(path, rule, f"x.shape={x.shape}", "Add it.")
    with np.errstate(over="ignore", invalid="ignore"):
        points = x.astype(np.float32).reshape(*x.shape[:2], -1)
    broken = ~np.isfinite(points)
    if not broken.any():
        return points
    lengths = _count_points(points)
    time = np.arange(points.shape[1])[np.newaxis, :, np.newaxis]
    broken &= time < lengths[:, np.newaxis, np.newaxis]
    if broken.any():
        rule = "finite numbers in `x` (up to 3.4e38)"
        remedy = "Correct or remove that series."
        refuse(path, rule, show_first("x", x, broken), remedy)
    if not unequal:
        shortest = int(lengths.argmin())
        refuse(
            path,
            f"{points.shape[1]} points in every series",
            f"{lengths[shortest]} in x[{shortest}], then NaN",
            UNEQUAL,
        )
    return _align_ends(points[:, : lengths.max()], lengths)


def _count_points(points: Series) -> Counts:
    """Return the points of each series, (n,), without those at its end with NaN in all
    channels.

    A series of only NaN keeps all its points.
    """
    there: Mask = (~np.isnan(points)).max(axis=2)
    lengths: Counts = points.shape[1] - there[:, ::-1].argmax(axis=1)
    return lengths


def _align_ends(points: Series, lengths: Counts) -> Series:
    """Move the last points of all series to the end, with NaN before the shorter
    ones."""
    moved = np.full_like(points, np.nan)
    for one, into, length in zip(points, moved, lengths, strict=True):
        into[len(into) - length :] = one[:length]
    return moved


def _check_labels(
    path: Path | str, y: NDArray[Any], n: int
) -> tuple[Counts, tuple[str, ...]]:
    """Return the class of each series, from 0, and the label of each class.

    Labels are whole numbers, of any type, or texts.
    """
    y = as_labels(y)
    if y.dtype.kind not in "biuU":
        got = f"y.dtype={y.dtype}"
        if y.size:
            got += f", such as {as_shown(y.ravel()[0])!r}"
        remedy = "Convert it: y.astype(int) or y.astype(str)."
        refuse(path, "whole numbers or texts in `y`", got, remedy)
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
    return label.astype(np.int64), tuple(map(str, classes))


def as_labels(y: NDArray[Any]) -> NDArray[Any]:
    """Return labels as whole numbers or texts, if they can be read as such without
    loss: floats that are whole, bytes, and objects that are all of one of these kinds.

    A column or a row of a matrix, (n, 1) or (1, n), becomes (n,).
    """
    if y.ndim == 2 and 1 in y.shape:
        y = y.ravel()
    if y.dtype.kind == "O":
        y = _of_objects(y)
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8")
    if y.dtype.kind == "T":
        return y.astype(str)
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.round(y)).all():
        return y.astype(np.int64)
    return y


def _of_objects(y: NDArray[Any]) -> NDArray[Any]:
    """Return Python objects of one kind as an array of that kind; others as they
    are."""
    for kind in (str, bytes, bool, int, float):
        if y.size and all(isinstance(label, kind) for label in y.flat):
            return np.array(y.tolist())
    return y


def _check_test(path: Path | str, test: NDArray[Any], n: int) -> Mask:
    """Return the mask of the test series, (n,), given as true and false or 1 and 0."""
    if test.dtype.kind in "iuf" and np.isin(test, (0, 1)).all():
        test = test.astype(bool)
    if test.dtype.kind == "U":
        words = np.char.lower(test)
        if np.isin(words, ("false", "true")).all():
            test = words == "true"
    if test.dtype.kind != "b" or test.shape != (n,):
        refuse(
            path,
            f"true or false per series, `test.shape == ({n},)`",
            f"test.dtype={test.dtype}, test.shape={test.shape}",
            "Convert it: test.astype(bool).",
        )
    return test
