"""Read a directory of CSV files: one file per series, and ``labels.csv``.

A series has a row per time point and a column per channel, separated by commas; a first
line without numbers has names. Comments above it begin with #; where no line of names
follows, the last of them has the names, as ``numpy.savetxt`` writes them.
``labels.csv`` has the columns ``file,label`` and, optionally, ``test`` (0 or 1). Files
without a row in it are not read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .raw import LARGEST_BYTES, UNEQUAL, Raw, content, labels, refuse, stack, too_large

LABELS = "labels.csv"
MOST_CELLS = 4_000_000
"""Most cells of one file; each is a Python object while the file is read."""
ROWS = (
    f"If each row is a labelled series, give {LABELS} with a file per series, or an"
    ' .npz file: numpy.savez("data.npz", x=rows, y=labels).'
)
"""What to do with a file that holds a labelled series per row, which no task reads."""
_ABOVE = re.compile(r"(?:[^\S\n]*(?:#[^\n]*)?\n)+")
"""Comments and blank lines above the first row."""
SEPARATORS = {";": "semicolons", "\t": "tabs", " ": "spaces"}
TEST_WORDS = {"0": False, "1": True, "false": False, "true": True}


def read(directory: Path, *, unequal: bool) -> Raw:
    """Return the series of ``labels.csv``, in its order, and the hash of all files.

    Args:
        directory: directory of the files.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: a file is missing, a cell is not a number, or the series differ in
            shape.
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
        one = _series(path, _rows(path, text))
        if series and one.shape != series[0].shape:
            same_channels = one.shape[1] == series[0].shape[1]
            if not (unequal and same_channels):
                refuse(
                    path,
                    f"{_shape(series[0])}, as in {rows[0]['file']}",
                    _shape(one),
                    (
                        UNEQUAL
                        if same_channels
                        else "Give every series the same channels."
                    ),
                )
        series.append(one)
    return Raw(
        x=stack(directory, series),
        y=labels([row["label"] for row in rows]),
        test=_test(directory / LABELS, rows),
        sha256=digest.hexdigest(),
    )


def table(path: Path, bytes_: bytes) -> dict[str, NDArray[np.float64]]:
    """Return the columns of one file by name, each (time,): a first line of names, then
    numbers.

    Raises:
        ValueError: a name is missing or occurs twice, or a cell is not a number.
    """
    rows = _rows(path, _decode(path, bytes_))
    names = [column_name(name) for name in rows[0][1]] if rows else []
    numbers = _has_number(names)
    if not names or len(set(names)) < len(names) or numbers:
        line = ",".join(names)
        got = repr(line if len(line) <= 80 else f"{line[:79]}…")
        do = f"Name the columns. {ROWS}" if numbers else "Name the columns."
        refuse(path, "a first line that names every column once", got, do)
    _refuse_labels(path, names, [row for _, row in rows[1:]])
    columns = _series(path, rows)
    if columns.shape[1] != len(names):
        got = f"{columns.shape[1]} in every row"
        refuse(
            path,
            f"{len(names)} columns, as in the first line",
            got,
            "Name every column.",
        )
    return dict(zip(names, columns.T, strict=True))


def column_name(text: str) -> str:
    """Return the name of a column without the # before it, with which NumPy begins the
    line."""
    return re.sub(r"^#+\s*(?=[^\W\d])", "", text.strip())


def _refuse_labels(path: Path, names: list[str], rows: list[list[str]]) -> None:
    """Refuse a column of texts, some of which occur again, as labels do."""
    for column, (name, first) in enumerate(
        zip(names, rows[0] if rows else [], strict=False)
    ):
        if _number(first) is None and not any(map(_separator, rows[0])):
            cells = [row[column].strip() for row in rows if len(row) == len(names)]
            texts = [*dict.fromkeys(cells)]
            if len(texts) < len(cells) and all(
                text and _number(text) is None for text in texts
            ):
                some = ", ".join(map(repr, texts[:2])) + ", …" * (len(texts) > 2)
                do = f"Leave that column out. {ROWS}"
                refuse(
                    path, "numbers in every column", f"{some} in the column {name}", do
                )


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
        refuse(
            path, "at least one series", "the first line only", "Add a line per series."
        )
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
            refuse(
                path,
                "each file once",
                f"{values[0]!r} again in row {number}",
                "Remove one.",
            )
        seen.add(values[0])
        entries.append(dict(zip(names, values, strict=True)))
    return entries


def _series(path: Path, rows: list[tuple[int, list[str]]]) -> NDArray[np.float64]:
    """Return one series, (time, channels), of rows with their line numbers."""
    named = bool(rows) and all(_number(cell) is None for cell in rows[0][1])
    before = rows[0][0] - (not named) if rows else 0
    rows = rows[named:]
    if not rows:
        refuse(
            path,
            "at least one time point",
            "no row of numbers",
            "Add a row per time point.",
        )
    columns = len(rows[0][1])
    values: list[list[float]] = []
    for line, row in rows:
        if columns == 1 and line > before + 1:
            do = "Write the missing number, or remove that line."
            refuse(path, "a number in every line", f"a blank line {before + 1}", do)
        before = line
        if separator := next(filter(None, map(_separator, row)), None):
            do = "Write commas between numbers, and decimal points."
            got = f"{separator} in line {line}"
            refuse(path, "numbers separated by commas", got, do)
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
                do = "Correct that cell."
                if not values and all(_number(cell) is None for cell in row):
                    do = "Remove the line if it has units; else correct that cell."
                got = f"{cell!r} in line {line}, column {column}"
                refuse(path, "finite numbers, separated by commas", got, do)
        values.append([float(cell) for cell in row])
    return np.array(values, dtype=np.float64)


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with its line number, without comments
    above."""
    cells = text.count(",") + text.count("\n")
    if cells > MOST_CELLS:
        refuse(path, f"at most {MOST_CELLS:,} cells", f"{cells:,}", "Use an .npz file.")
    above = _ABOVE.match(text)
    comments = above.group().split("\n")[:-1] if above else []
    lines = csv.reader(io.StringIO(text[above.end() if above else 0 :]))
    skipped = len(comments)
    try:
        rows = [
            (skipped + lines.line_num, row)
            for row in lines
            if len(row) > 1 or any(map(str.strip, row))
        ]
        last = next((line for line in reversed(comments) if line.strip()), "")
        names = next(csv.reader([last]), [])
    except csv.Error as error:
        line = skipped + lines.line_num
        refuse(path, "CSV text", f"{error} in line {line}", "Correct that line.")
    if names and not _has_number(names) and (not rows or _has_number(rows[0][1])):
        rows.insert(0, (skipped, names))
    return rows


def _has_number(cells: Sequence[str]) -> bool:
    return any(_number(cell) is not None for cell in cells)


def _separator(cell: str) -> str | None:
    """Return what separates several values in a cell; None for one value."""
    cell = cell.strip()
    found = next((name for sign, name in SEPARATORS.items() if sign in cell), None)
    words = found == "spaces" and any(_number(part) is None for part in cell.split())
    return None if words else found


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
            refuse(
                path,
                "0 or 1",
                f"test={row['test']!r} in row {number}",
                "Correct that row.",
            )
    return np.array([TEST_WORDS[row["test"].lower()] for row in rows])
