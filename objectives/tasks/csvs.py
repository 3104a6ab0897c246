"""Read a directory of CSV files: one file per series, and ``labels.csv``.

A series has a row per time point and a column per channel, separated by commas; a first line
without numbers has names. ``labels.csv`` has the columns ``file,label`` and, optionally, ``test``
(0 or 1). Files without a row in it are not read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpo.objectives.tasks.raw import (
    LARGEST_BYTES,
    UNEQUAL,
    Raw,
    content,
    labels,
    refuse,
    stack,
    too_large,
)

LABELS = "labels.csv"
MOST_CELLS = 4_000_000
"""Most cells of one file; each is a Python object while the file is read."""
TEST_WORDS = {"0": False, "1": True, "false": False, "true": True}


def read(directory: Path, *, unequal: bool) -> Raw:
    """Return the series of ``labels.csv``, in its order, and the hash of all files.

    Args:
        directory: directory of the files.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: a file is missing, a cell is not a number, or the series differ in shape.
    """
    digest = hashlib.sha256()
    rows, left = _label_rows(directory / LABELS, digest), LARGEST_BYTES
    series: list[NDArray[np.float64]] = []
    for row in rows:
        path = directory / row["file"]
        if Path(row["file"]).is_absolute() or ".." in Path(row["file"]).parts:
            refuse(
                directory / LABELS,
                "files of this directory",
                repr(row["file"]),
                "Copy the series into it, or link to it from there.",
            )
        text = _text(path, digest, left)
        left -= len(text)
        one = _series(path, text)
        if series and one.shape != series[0].shape:
            same_channels = one.shape[1] == series[0].shape[1]
            if not (unequal and same_channels):
                refuse(
                    path,
                    f"{_shape(series[0])}, as in {rows[0]['file']}",
                    _shape(one),
                    UNEQUAL if same_channels else "Give every series the same channels.",
                )
        series.append(one)
    return Raw(
        x=stack(directory, series),
        y=labels([row["label"] for row in rows]),
        test=_test(directory / LABELS, rows),
        sha256=digest.hexdigest(),
    )


def table(path: Path, bytes_: bytes) -> dict[str, NDArray[np.float64]]:
    """Return the columns of one file by name, each (time,): a first line of names, then numbers.

    Raises:
        ValueError: a name is missing or occurs twice, or a cell is not a number.
    """
    text = _decode(path, bytes_)
    rows = _rows(path, text)
    names = [name.strip() for name in rows[0][1]] if rows else []
    if not names or len(set(names)) < len(names) or any(_number(n) is not None for n in names):
        got = repr(",".join(names))
        refuse(path, "a first line that names every column once", got, "Name the columns.")
    columns = _series(path, text)
    if columns.shape[1] != len(names):
        got = f"{columns.shape[1]} in every row"
        refuse(path, f"{len(names)} columns, as in the first line", got, "Name every column.")
    return dict(zip(names, columns.T, strict=True))


def _text(path: Path, digest: hashlib._Hash, most: int = LARGEST_BYTES) -> str:
    """Return the text of a file of at most ``most`` bytes, and add it to the digest."""
    bytes_ = content(path)
    if len(bytes_) > most:
        too_large(path.parent, LARGEST_BYTES - most + len(bytes_))
    digest.update(hashlib.sha256(bytes_).digest())
    return _decode(path, bytes_)


def _decode(path: Path, bytes_: bytes) -> str:
    try:
        return bytes_.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        refuse(path, "UTF-8 text", str(error), "Save it as UTF-8.")


def _label_rows(path: Path, digest: hashlib._Hash) -> list[dict[str, str]]:
    """Return the rows of ``labels.csv``, each by column."""
    rows = [row for _, row in _rows(path, _text(path, digest))]
    names = [name.strip() for name in rows[0]] if rows else []
    if names not in (["file", "label"], ["file", "label", "test"]):
        refuse(
            path,
            "a first line `file,label` or `file,label,test`",
            repr(",".join(names)),
            "Name the columns.",
        )
    if len(rows) < 2:
        refuse(path, "at least one series", "the first line only", "Add a line per series.")
    seen: set[str] = set()
    entries = []
    for number, row in enumerate(rows[1:], start=2):
        values = [value.strip() for value in row]
        if len(values) != len(names) or not all(values):
            refuse(
                path,
                f"a value for {', '.join(names)} in row {number}",
                repr(",".join(row)),
                "Correct that row.",
            )
        if values[0] in seen:
            refuse(path, "each file once", f"{values[0]!r} again in row {number}", "Remove one.")
        seen.add(values[0])
        entries.append(dict(zip(names, values, strict=True)))
    return entries


def _series(path: Path, text: str) -> NDArray[np.float64]:
    """Return one series, (time, channels)."""
    rows = _rows(path, text)
    if rows and all(_number(cell) is None for cell in rows[0][1]):
        rows = rows[1:]
    if not rows:
        refuse(path, "at least one time point", "no row of numbers", "Add a row per time point.")
    columns = len(rows[0][1])
    values = []
    for line, row in rows:
        if len(row) != columns:
            refuse(
                path,
                f"{columns} channels in every row",
                f"{len(row)} in line {line}",
                "Give each row the same number of columns, separated by commas.",
            )
        for column, cell in enumerate(row, start=1):
            number = _number(cell)
            if number is None or not math.isfinite(number):
                refuse(
                    path,
                    "finite numbers, separated by commas",
                    f"{cell!r} in line {line}, column {column}",
                    "Correct that cell.",
                )
        values.append([float(cell) for cell in row])
    return np.array(values, dtype=np.float64)


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with its line number."""
    cells = text.count(",") + text.count("\n")
    if cells > MOST_CELLS:
        refuse(path, f"at most {MOST_CELLS:,} cells", f"{cells:,}", "Use an .npz file.")
    lines = csv.reader(io.StringIO(text))
    try:
        return [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        refuse(path, "CSV text", f"{error} in line {lines.line_num}", "Correct that line.")


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # 1_0 is a number to Python alone
    except ValueError:
        return None


def _shape(series: NDArray[np.float64]) -> str:
    return f"{series.shape[0]} time points of {series.shape[1]} channels"


def _test(path: Path, rows: list[dict[str, str]]) -> NDArray[np.bool_] | None:
    if "test" not in rows[0]:
        return None
    for number, row in enumerate(rows, start=2):
        if row["test"].lower() not in TEST_WORDS:
            refuse(path, "0 or 1", f"test={row['test']!r} in row {number}", "Correct that row.")
    return np.array([TEST_WORDS[row["test"].lower()] for row in rows])
