"""Read a set of the UCR/UEA archives: a ``.ts`` file to train on, and perhaps one to
test on.

A header has lines ``@key value`` and ends with ``@data``. Then each line is a series:
channels separated by colons, their points by commas, and the label after the last
colon. Lines that begin with # or % are comments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .raw import UNEQUAL, Raw, content, join_hashes, labels, refuse, stack

_FALSE, _TRUE = "false", "true"


def read(paths: Sequence[Path], *, unequal: bool) -> Raw:
    """Return the series of all files, in their order, and the hash of the files.

    Args:
        paths: the training file and the test file; or one file.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: a file is missing, has no labels, or has a value that is not a
            number; or the series differ in shape.
    """
    digests, texts, n_train = [], [], 0
    series: list[NDArray[np.float64]] = []
    for path in paths:
        bytes_ = content(path)
        digests.append(hashlib.sha256(bytes_))
        for line, one, label in _series(path, bytes_):
            if series:
                _compare(path, line, one, series[0], unequal)
            series.append(one)
            texts.append(label)
        n_train = n_train or len(series)
    test = np.arange(len(series)) >= n_train if len(paths) > 1 else None
    return Raw(
        x=stack(paths[0], series),
        y=labels(texts),
        test=test,
        sha256=join_hashes(digests),
    )


def _series(
    path: Path, bytes_: bytes
) -> Iterator[tuple[int, NDArray[np.float64], str]]:
    """Yield line number, series, (time, channels), and label of each series."""
    try:
        text = bytes_.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(path, "UTF-8 text", str(error), "Save it as UTF-8.")
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and line.lstrip()[0] not in "#%"
    ]
    n_header = next(
        (k for k, (_, line) in enumerate(lines) if line.lower() == "@data"), None
    )
    if n_header is None or n_header + 1 == len(lines):
        refuse(path, "a line @data, and series after it", "none", "Use a .ts file.")
    _check_header(path, [line for _, line in lines[:n_header]])
    for number, line in lines[n_header + 1 :]:
        *channels, label = line.split(":")
        if not channels or not label.strip():
            refuse(
                path,
                f"a label behind a colon in line {number}",
                repr(line[-20:]),
                "Correct it.",
            )
        yield number, _points(path, number, channels), label.strip()


def _check_header(path: Path, header: Sequence[str]) -> None:
    """Refuse a header without class labels, or with time stamps."""
    keys = {
        key.lower(): rest for key, *rest in (line.lower().split() for line in header)
    }
    stamps, classes = keys.get("@timestamps", [_FALSE]), keys.get("@classlabel", [])
    if stamps != [_FALSE]:
        refuse(
            path,
            "@timeStamps false",
            f"@timeStamps {' '.join(stamps)}",
            "Take another set.",
        )
    if classes[:1] != [_TRUE]:
        remedy = "Take a set for classification: this one has none."
        refuse(
            path,
            "@classLabel true",
            f"@classLabel {' '.join(classes) or '(none)'}",
            remedy,
        )


def _points(path: Path, line: int, channels: Sequence[str]) -> NDArray[np.float64]:
    """Return one series, (time, channels)."""
    columns: list[NDArray[np.float64]] = []
    for number, text in enumerate(channels, start=1):
        cells = text.split(",")
        try:
            values = np.array(cells, dtype=np.float64)
        except ValueError:
            values = np.array([_number(cell) for cell in cells])
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            refuse(
                path,
                "a finite number for every point",
                f"{cells[at]!r} at point {at + 1} of channel {number} in line {line}",
                "Fill in what is missing, or leave out that series.",
            )
        if columns and len(values) != len(columns[0]):
            refuse(
                path,
                f"{len(columns[0])} points in every channel of line {line}",
                f"{len(values)} in channel {number}",
                "Cut them to one length.",
            )
        columns.append(values)
    return np.stack(columns, axis=1)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _compare(
    path: Path,
    line: int,
    one: NDArray[np.float64],
    first: NDArray[np.float64],
    unequal: bool,
) -> None:
    """Refuse a series with another shape than the first one."""
    (points, channels), (length, width) = first.shape, one.shape
    if width != channels:
        got = f"{width} in line {line}"
        refuse(path, f"{channels} channels in every series", got, "Correct that line.")
    if length != points and not unequal:
        refuse(
            path,
            f"{points} points in every series",
            f"{length} in line {line}",
            UNEQUAL,
        )
