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
from typing import NamedTuple

import numpy as np

from ..refusal import refuse
from .raw import (
    LARGEST_BYTES,
    UNEQUAL,
    Raw,
    Values,
    content,
    decode,
    labels,
    stack,
    too_large,
)

LABELS = "labels.csv"
MOST_CELLS = 4_000_000
"""Most cells of one file; each is a Python object while the file is read."""
ROWS = (
    f"If each row is a labelled series, give {LABELS} with a file per series, or an"
    ' .npz file: numpy.savez("data.npz", x=rows, y=labels).'
)
"""What to do with a file that holds a labelled series per row, which no task reads."""
_ABOVE = re.compile(r"([^\S\n]*(#[^\n]*)?\n)*")
"""Comments and blank lines above the first row."""
SEPARATORS = {";": "semicolons", "\t": "tabs", " ": "spaces"}
TEST_WORDS = {"0": False, "1": True, "false": False, "true": True}


class Row(NamedTuple):
    """A row that is not blank."""

    line: int
    """Number of its line in the file."""
    cells: list[str]


class _Labelled(NamedTuple):
    """A row of ``labels.csv``."""

    file: str
    label: str
    test: bool | None
    """Whether it is a test series; None without that column."""


def matches(path: Path) -> bool:
    """See ``Format``; a directory without ``labels.csv`` is refused by ``read``."""
    return path.is_dir()


def files(path: Path) -> Sequence[Path]:
    """See ``Format``."""
    return ()


def read(path: Path, *, unequal: bool) -> Raw:
    """Return the series of ``labels.csv``, in its order, and the hash of all files; see
    ``Format``.

    Raises:
        ValueError: a file is missing, a cell is not a number, or the series differ in
            shape.
    """
    digest = hashlib.sha256()
    rows = _label_rows(path / LABELS, digest)
    left = LARGEST_BYTES
    series: list[Values] = []
    for row in rows:
        file = path / row.file
        text = _text(file, digest, left)
        left -= len(text)
        one = _series(file, _rows(file, text))
        series.append(one)
        first = series[0]
        same_channels = one.shape[1] == first.shape[1]
        if one.shape != first.shape and not (unequal and same_channels):
            rule = f"{_shape(first)}, as in {rows[0].file}"
            remedy = (
                UNEQUAL if same_channels else "Give every series the same channels."
            )
            refuse(file, rule, _shape(one), remedy)
    test = [row.test for row in rows]
    return Raw(
        x=stack(path, series),
        y=labels([row.label for row in rows]),
        test=None if None in test else np.array(test),
        sha256=digest.hexdigest(),
    )


def _label_rows(path: Path, digest: hashlib._Hash) -> list[_Labelled]:
    """Return the rows of ``labels.csv``."""
    rows = [row.cells for row in _rows(path, _text(path, digest, LARGEST_BYTES))]
    names = [name.strip() for name in rows[0]] if rows else []
    if names not in (["file", "label"], ["file", "label", "test"]):
        rule = "a first line `file,label` or `file,label,test`"
        refuse(path, rule, repr(",".join(names)), "Name the columns.")
    if len(rows) < 2:
        remedy = "Add a line per series."
        refuse(path, "at least one series", "the first line only", remedy)
    by_file: dict[str, _Labelled] = {}
    for number, row in enumerate(rows[1:], start=2):
        values = [value.strip() for value in row]
        if len(values) != len(names) or not all(values):
            rule = f"a value for {', '.join(names)} in row {number}"
            refuse(path, rule, repr(",".join(row)), "Correct that row.")
        file, label, *words = values
        if file in by_file:
            got = f"{file!r} again in row {number}"
            refuse(path, "each file once", got, "Remove one.")
        if Path(file).is_absolute() or ".." in Path(file).parts:
            remedy = "Copy the series into it, or link to it from there."
            refuse(path, "files of this directory", repr(file), remedy)
        test = None
        for word in words:
            test = TEST_WORDS.get(word.lower())
            if test is None:
                got = f"test={word!r} in row {number}"
                refuse(path, "0 or 1", got, "Correct that row.")
        by_file[file] = _Labelled(file, label, test)
    return list(by_file.values())


def _text(path: Path, digest: hashlib._Hash, most: int) -> str:
    """Return the text of a file of at most ``most`` bytes, and add it to the digest."""
    bytes_ = content(path)
    if len(bytes_) > most:
        too_large(path.parent, LARGEST_BYTES - most + len(bytes_))
    digest.update(hashlib.sha256(bytes_).digest())
    return decode(path, bytes_)


def _shape(series: Values) -> str:
    return f"{series.shape[0]} time points of {series.shape[1]} channels"


# --- one file ---


def table(path: Path, bytes_: bytes) -> dict[str, Values]:
    """Return the columns of one file by name, each (time,): a first line of names, then
    numbers.

    Raises:
        ValueError: a name is missing or occurs twice, or a cell is not a number.
    """
    rows = _rows(path, decode(path, bytes_))
    names = [_column_name(cell) for cell in rows[0].cells] if rows else []
    are_numbers = _has_number(names)
    if not names or len(set(names)) < len(names) or are_numbers:
        line = ",".join(names)
        got = repr(line if len(line) <= 80 else f"{line[:79]}…")
        remedy = f"Name the columns. {ROWS}" if are_numbers else "Name the columns."
        refuse(path, "a first line that names every column once", got, remedy)
    _refuse_labels(path, names, rows[1:])
    columns = _series(path, rows)
    n_columns = columns.shape[1]
    if n_columns != len(names):
        rule = f"{len(names)} columns, as in the first line"
        refuse(path, rule, f"{n_columns} in every row", "Name every column.")
    return dict(zip(names, columns.T, strict=True))


def column_names(text: str) -> list[str]:
    """Return names of columns that have commas between them."""
    return [_column_name(name) for name in text.split(",") if name.strip()]


def _column_name(text: str) -> str:
    """Return a name without the # before it, with which NumPy begins the line."""
    return re.sub(r"^#+\s*(?=[^\W\d])", "", text.strip())


def _refuse_labels(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Refuse a column of texts, some of which occur again, as labels do."""
    if not rows or any(map(_separator, rows[0].cells)):
        return
    whole = [row.cells for row in rows if len(row.cells) == len(names)]
    for name, column in zip(names, zip(*whole, strict=True), strict=False):
        cells = [cell.strip() for cell in column]
        texts = [*dict.fromkeys(cells)]
        if len(texts) == len(cells) or "" in texts or _has_number(texts):
            continue
        some = ", ".join(map(repr, texts[:2]))
        if len(texts) > 2:
            some += ", …"
        got = f"{some} in the column {name}"
        remedy = f"Leave that column out. {ROWS}"
        refuse(path, "numbers in every column", got, remedy)


def _rows(path: Path, text: str) -> list[Row]:
    """Return the rows that are not blank, without comments above."""
    n_cells = text.count(",") + text.count("\n")
    if n_cells > MOST_CELLS:
        rule = f"at most {MOST_CELLS:,} cells"
        refuse(path, rule, f"{n_cells:,}", "Use an .npz file.")
    above = _ABOVE.match(text)
    assert above is not None  # the pattern matches an empty text, too
    comments = above.group()
    n_above = comments.count("\n")
    lines = csv.reader(io.StringIO(text[len(comments) :]))
    rows = []
    try:
        for cells in lines:
            if len(cells) > 1 or any(map(str.strip, cells)):
                rows.append(Row(n_above + lines.line_num, cells))
        (names,) = csv.reader([comments.rstrip().rpartition("\n")[2]])
    except csv.Error as error:
        line = n_above + lines.line_num
        refuse(path, "CSV text", f"{error} in line {line}", "Correct that line.")
    is_named = bool(rows) and not _has_number(rows[0].cells)
    if names and not is_named and not _has_number(names):
        rows.insert(0, Row(n_above, names))
    return rows


def _series(path: Path, rows: Sequence[Row]) -> Values:
    """Return one series, (time, channels), of rows with numbers below a row of names,
    if any."""
    last_line = rows[0].line - 1 if rows else 0
    if rows and not _has_number(rows[0].cells):
        last_line = rows[0].line
        rows = rows[1:]
    if not rows:
        remedy = "Add a row per time point."
        refuse(path, "at least one time point", "no row of numbers", remedy)
    n_columns = len(rows[0].cells)
    values: list[list[float]] = []
    for row in rows:
        if n_columns == 1 and row.line > last_line + 1:
            got = f"a blank line {last_line + 1}"
            remedy = "Write the missing number, or remove that line."
            refuse(path, "a number in every line", got, remedy)
        last_line = row.line
        remedy = "Correct that cell."
        if not values and not _has_number(row.cells):
            remedy = "Remove the line if it has units; else correct that cell."
        values.append(_numbers(path, row, n_columns, remedy))
    return np.array(values, dtype=np.float64)


def _numbers(path: Path, row: Row, n_columns: int, remedy: str) -> list[float]:
    """Return the finite numbers in a row."""
    for separator in filter(None, map(_separator, row.cells)):
        refuse(
            path,
            "numbers separated by commas",
            f"{separator} in line {row.line}",
            "Write commas between numbers, and decimal points.",
        )
    if len(row.cells) != n_columns:
        refuse(
            path,
            f"{n_columns} channels in every row",
            f"{len(row.cells)} in line {row.line}",
            "Give each row the same number of columns, separated by commas.",
        )
    numbers = []
    for column, cell in enumerate(row.cells, start=1):
        number = _number(cell)
        if number is None or not math.isfinite(number):
            got = f"{cell!r} in line {row.line}, column {column}"
            refuse(path, "finite numbers, separated by commas", got, remedy)
        numbers.append(number)
    return numbers


def _has_number(cells: Sequence[str]) -> bool:
    return any(_number(cell) is not None for cell in cells)


def _separator(cell: str) -> str | None:
    """Return what separates several values in a cell; None for one value."""
    cell = cell.strip()
    for sign, name in SEPARATORS.items():
        if sign in cell:
            parts = cell.split()
            words = name == "spaces" and any(_number(part) is None for part in parts)
            return None if words else name
    return None


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # 1_0 is a number to Python alone
    except ValueError:
        return None
