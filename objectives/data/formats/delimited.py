"""Read a table of text: CSV, or TSV with tabs.

A first line without numbers has names. Comments above it begin with #; where no line of
names follows, the last of them has the names, as ``numpy.savetxt`` writes them. Without
names, columns are numbered from 0. A column holds numbers, ISO time stamps or texts.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...refusal import refuse
from .raw import Values, content, decode
from .variables import Array, FileFormat, Variables, of_columns

MOST_CELLS = 4_000_000
"""Most cells of one file; each is a Python object while the file is read."""
UNNAMED = "unnamed"
"""Name of a column without one, such as the index that pandas writes."""
_ABOVE = re.compile(r"([^\S\n]*(#[^\n]*)?\n)*")
"""Comments and blank lines above the first row."""
_DELIMITERS = {".tsv": "\t"}
"""By the ending of a file; others have commas."""
_SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", " ": "spaces"}


class Row(NamedTuple):
    """A row that is not blank."""

    line: int
    """Number of its line in the file."""
    cells: list[str]


def variables(path: Path) -> Variables:
    """Return the columns of one file by name, each (rows,).

    Raises:
        ValueError: a name occurs twice, or a cell of a column of numbers is none.
    """
    bytes_ = content(path)
    names, rows = _split_names(read_rows(path, decode(path, bytes_)))
    if not rows:
        remedy = "Add a row per time point."
        refuse(path, "at least one time point", "no row of numbers", remedy)
    notes: tuple[str, ...] = ()
    if has_number(names):
        notes = ("the first line is read as names of the columns",)
    if not names:
        names = [str(number) for number in range(len(rows[0].cells))]
        notes = ("the file has no line of names: columns are numbered from 0",)
    if len(set(names)) < len(names):
        got = repr(_shorten(",".join(names)))
        rule = "a first line that names every column once"
        refuse(path, rule, got, "Name the columns.")
    _check_widths(path, names, rows)

    def place(name: str, row: int) -> str:
        return f"line {rows[row].line}, column {names.index(name) + 1}"

    columns = {}
    for number, name in enumerate(names):
        columns[name] = _column(path, number, rows)
    sha256 = hashlib.sha256(bytes_).hexdigest()
    return of_columns(path, sha256, columns, place=place, notes=notes)


CSV = FileFormat(describes="CSV (.csv)", endings=(".csv",), open=variables)
TSV = FileFormat(describes="TSV (.tsv)", endings=(".tsv",), open=variables)


def _shorten(line: str) -> str:
    return line if len(line) <= 80 else f"{line[:79]}…"


def _split_names(rows: list[Row]) -> tuple[list[str], list[Row]]:
    """Return the names of the columns, or none, and the rows below."""
    if not rows:
        return [], []
    first = rows[0].cells
    below = [row.cells for row in rows[1:] if len(row.cells) == len(first)]
    if not any(_is_name(cell, k, below) for k, cell in enumerate(first)):
        return [], rows
    return [column_name(cell) or UNNAMED for cell in first], rows[1:]


def _is_name(cell: str, column: int, below: Sequence[Sequence[str]]) -> bool:
    """Return whether a cell of the first line can only be the name of its column."""
    if number(cell) is not None or time_stamp(cell) is not None:
        return False
    return all(cells[column] != cell for cells in below)


def column_name(text: str) -> str:
    """Return a name without the # before it, with which NumPy begins the line."""
    return re.sub(r"^#+\s*(?=[^\W\d])", "", text.strip())


def _check_widths(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Refuse rows with more or fewer cells than names."""
    for row in rows:
        _check_separators(path, row)
        if len(row.cells) != len(names):
            rule = f"{len(names)} columns, as in the first line"
            got = f"{len(row.cells)} in line {row.line}"
            refuse(path, rule, got, "Name every column, and fill every row.")


def _column(path: Path, column: int, rows: Sequence[Row]) -> Array:
    """Return the cells of a column as numbers, time stamps or texts.

    Raises:
        ValueError: some are numbers, others are not, or are missing.
    """
    cells = [row.cells[column].strip() for row in rows]
    numbers = [number(cell) for cell in cells]
    if any(one is not None for one in numbers):
        for row, cell, one in zip(rows, cells, numbers, strict=True):
            if one is None or not math.isfinite(one):
                remedy = "Correct that cell."
                if row is rows[0]:
                    remedy = "Remove the line if it has units; else correct that cell."
                got = f"{cell!r} in line {row.line}, column {column + 1}"
                refuse(path, "finite numbers in every row of that column", got, remedy)
        is_whole = all(cell.lstrip("-").isdigit() for cell in cells)
        return np.array(numbers, dtype=np.int64 if is_whole else np.float64)
    stamps = as_times(cells)
    if stamps is not None:
        return stamps
    if "" in cells:
        place = f"line {rows[cells.index('')].line}, column {column + 1}"
        refuse(path, "a value in every cell", f"none in {place}", "Fill it in.")
    return np.array(cells)


def as_times(texts: Sequence[str]) -> Array | None:
    """Return ISO time stamps as times in UTC; None if a text is none."""
    stamps = []
    for text in texts:
        stamp = time_stamp(text)
        if stamp is None:
            return None
        stamps.append(stamp)
    return np.array(stamps, dtype="datetime64[us]")


def time_stamp(text: str) -> datetime | None:
    """Return an ISO time stamp, with a zone as UTC; None for another text."""
    try:
        stamp = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if stamp.tzinfo is not None:
        stamp = stamp.astimezone(UTC).replace(tzinfo=None)
    return stamp


# --- rows and cells ---


def delimiter(path: Path) -> str:
    """Return what separates cells of a file, by its ending."""
    return _DELIMITERS.get(path.suffix.lower(), ",")


def read_rows(path: Path, text: str) -> list[Row]:
    """Return the rows that are not blank, without comments above.

    Raises:
        ValueError: there are too many cells, or it is no CSV.
    """
    separator = delimiter(path)
    n_cells = text.count(separator) + text.count("\n")
    if n_cells > MOST_CELLS:
        rule = f"at most {MOST_CELLS:,} cells"
        refuse(path, rule, f"{n_cells:,}", "Use an .npz file.")
    above = _ABOVE.match(text)
    assert above is not None  # the pattern matches an empty text, too
    comments = above.group()
    n_above = comments.count("\n")
    lines = csv.reader(io.StringIO(text[len(comments) :]), delimiter=separator)
    rows = []
    try:
        for cells in lines:
            if len(cells) > 1 or any(map(str.strip, cells)):
                rows.append(Row(n_above + lines.line_num, cells))
        last_comment = comments.rstrip().rpartition("\n")[2]
        (names,) = csv.reader([last_comment], delimiter=separator)
    except csv.Error as error:
        line = n_above + lines.line_num
        refuse(path, "CSV text", f"{error} in line {line}", "Correct that line.")
    is_named = bool(rows) and not has_number(rows[0].cells)
    fits = bool(rows) and len(names) == len(rows[0].cells)
    if fits and not is_named and not has_number(names):
        rows.insert(0, Row(n_above, names))
    return rows


def read_numbers(path: Path, rows: Sequence[Row]) -> Values:
    """Return one series, (time, channels), of rows with numbers below a row of names,
    if any. Columns of time stamps are left out.

    Raises:
        ValueError: a cell is no number, or rows have different lengths.
    """
    last_line = rows[0].line - 1 if rows else 0
    if rows and not has_number(rows[0].cells):
        last_line = rows[0].line
        rows = rows[1:]
    if not rows:
        remedy = "Add a row per time point."
        refuse(path, "at least one time point", "no row of numbers", remedy)
    times = time_columns(rows)
    n_columns = len(rows[0].cells)
    values: list[list[float]] = []
    for row in rows:
        if n_columns == 1 and row.line > last_line + 1:
            got = f"a blank line {last_line + 1}"
            remedy = "Write the missing number, or remove that line."
            refuse(path, "a number in every line", got, remedy)
        last_line = row.line
        remedy = "Correct that cell."
        if not values and not has_number(row.cells):
            remedy = "Remove the line if it has units; else correct that cell."
        _check_separators(path, row)
        if len(row.cells) != n_columns:
            refuse(
                path,
                f"{n_columns} channels in every row",
                f"{len(row.cells)} in line {row.line}",
                "Give each row the same number of columns, separated by commas.",
            )
        values.append(_numbers(path, row, times, remedy))
    return np.array(values, dtype=np.float64)


def time_columns(rows: Sequence[Row]) -> list[int]:
    """Return the columns, from 0, that have a time stamp in their last row."""
    last = enumerate(rows[-1].cells if rows else ())
    return [column for column, cell in last if time_stamp(cell) is not None]


def _numbers(
    path: Path, row: Row, left_out: Collection[int], remedy: str
) -> list[float]:
    """Return the finite numbers in a row, without some columns, counted from 0."""
    numbers = []
    for column, cell in enumerate(row.cells, start=1):
        if column - 1 in left_out:
            continue
        one = number(cell)
        if one is None or not math.isfinite(one):
            got = f"{cell!r} in line {row.line}, column {column}"
            refuse(path, "finite numbers, separated by commas", got, remedy)
        numbers.append(one)
    return numbers


def has_number(cells: Sequence[str]) -> bool:
    """Return whether one of the cells is a number."""
    return any(number(cell) is not None for cell in cells)


def number(cell: str) -> float | None:
    """Return the number in a cell, or None."""
    try:
        return None if "_" in cell else float(cell)  # 1_0 is a number to Python alone
    except ValueError:
        return None


def _check_separators(path: Path, row: Row) -> None:
    """Refuse numbers with another separator between them than the file's.

    A space may be in a text.
    """
    own = delimiter(path)
    between = _SEPARATORS[own]
    for cell in row.cells:
        other = find_separator(cell, own)
        if other:
            refuse(
                path,
                f"numbers separated by {between}",
                f"{other} in line {row.line}",
                f"Write {between} between numbers, and decimal points.",
            )


def find_separator(cell: str, own: str) -> str | None:
    """Return what separates several numbers in a cell, apart from the file's own
    separator; None for one value."""
    for sign, name in _SEPARATORS.items():
        if sign == own or sign not in cell:
            continue
        parts = cell.strip().split(sign)
        if len(parts) > 1 and all(map(_is_number, parts)):
            return name
    return None


def _is_number(cell: str) -> bool:
    return number(cell) is not None
