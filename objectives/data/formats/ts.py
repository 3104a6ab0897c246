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

from ...refusal import refuse
from .raw import UNEQUAL, Raw, Values, content, decode, join_hashes, labels, stack

DESCRIBES = "UCR and UEA archives (.ts)"
_FALSE = "false"
_TRUE = "true"


def matches(path: Path) -> bool:
    """See ``Format``."""
    return path.suffix == ".ts"


def files(path: Path) -> Sequence[Path]:
    """See ``Format``."""
    return (path,)


def read(path: Path, *, unequal: bool) -> Raw:
    """See ``Format``."""
    return read_all([path], unequal=unequal)


def read_all(paths: Sequence[Path], *, unequal: bool) -> Raw:
    """Return the series of all files, in their order, and the hash of the files.

    Args:
        paths: the training file and the test file; or one file.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: a file is missing, has no labels, or has a value that is not a
            number; or the series differ in shape.
    """
    digests = []
    texts = []
    series: list[Values] = []
    n_before = 0
    for path in paths:
        n_before = len(series)
        bytes_ = content(path)
        digests.append(hashlib.sha256(bytes_))
        for line, one, label in _series(path, bytes_):
            series.append(one)
            texts.append(label)
            _compare(path, line, one, series[0], unequal)
    test = np.arange(len(series)) >= n_before if len(paths) > 1 else None
    return Raw(
        x=stack(paths[0], series),
        y=labels(texts),
        test=test,
        sha256=join_hashes(digests),
    )


def _series(path: Path, bytes_: bytes) -> Iterator[tuple[int, Values, str]]:
    """Yield line number, series, (time, channels), and label of each series."""
    header: dict[str, list[str]] = {}
    is_header = True
    n_series = 0
    for number, text in enumerate(decode(path, bytes_).split("\n"), start=1):
        line = text.strip()
        if not line or line[0] in "#%":
            continue
        if is_header:
            key, *rest = line.lower().split()
            is_header = line.lower() != "@data"
            header[key] = rest
            continue
        if not n_series:
            _check_header(path, header)
        n_series += 1
        *channels, label = line.split(":")
        if not channels or not label.strip():
            rule = f"a label behind a colon in line {number}"
            refuse(path, rule, repr(line[-20:]), "Correct it.")
        yield number, _points(path, number, channels), label.strip()
    if not n_series:
        refuse(path, "a line @data, and series after it", "none", "Use a .ts file.")


def _check_header(path: Path, header: dict[str, list[str]]) -> None:
    """Refuse a header without class labels, or with time stamps."""
    stamps = header.get("@timestamps", [_FALSE])
    if stamps != [_FALSE]:
        got = f"@timeStamps {' '.join(stamps)}"
        refuse(path, "@timeStamps false", got, "Take another set.")
    classes = header.get("@classlabel", [])
    if classes[:1] != [_TRUE]:
        refuse(
            path,
            "@classLabel true",
            f"@classLabel {' '.join(classes) or '(none)'}",
            "Take a set for classification: this one has none.",
        )


def _points(path: Path, line: int, channels: Sequence[str]) -> Values:
    """Return one series, (time, channels)."""
    columns: list[Values] = []
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
        columns.append(values)
        if len(values) != len(columns[0]):
            refuse(
                path,
                f"{len(columns[0])} points in every channel of line {line}",
                f"{len(values)} in channel {number}",
                "Cut them to one length.",
            )
    return np.stack(columns, axis=1)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _compare(path: Path, line: int, one: Values, first: Values, unequal: bool) -> None:
    """Refuse a series with another shape than the first one."""
    points, channels = first.shape
    length, width = one.shape
    if width != channels:
        got = f"{width} in line {line}"
        refuse(path, f"{channels} channels in every series", got, "Correct that line.")
    if length != points and not unequal:
        rule = f"{points} points in every series"
        refuse(path, rule, f"{length} in line {line}", UNEQUAL)
