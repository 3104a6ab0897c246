"""Measured devices: a CSV file with one row per oscillator, from which simulated chips
are drawn.

The first line names the columns, in any order: at least one of ``COLUMNS``, and perhaps
``device``, the name of an oscillator. A chip draws a whole row for each neuron, which
preserves correlations.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..refusal import check_unchanged, refuse

COLUMNS = {
    "tau_ns": (
        "relaxation time, above 0; what counts is its ratio to the mean of the column"
    ),
    "s": (
        "amplification, above 0, in any unit; what counts is its ratio to the mean of"
        " the column"
    ),
    "oscillator_noise_per_sqrt_ns": (
        "white noise, 0 or more, as the key of this name has it"
    ),
}
"""Columns of a file, with their meanings."""
NAME = "device"
MOST_ROWS = 100_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The content of a file of devices."""

    columns: Mapping[str, tuple[float, ...]]
    """Values by column, row by row."""
    sha256: str
    """Hash of the file."""

    @property
    def n(self) -> int:
        """Number of devices."""
        return len(next(iter(self.columns.values())))

    @lru_cache  # noqa: B019 -- there are few files
    def factors(self, column: str) -> tuple[float, ...]:
        """Return the values of a column, divided by its mean: exactly 1 if all are
        equal.

        >>> Measured(columns={"s": (0.1, 0.1, 0.1)}, sha256="").factors("s")
        (1.0, 1.0, 1.0)
        """
        # of fractions: exact until it is rounded
        mean = statistics.mean(self.columns[column])
        return tuple(value / mean for value in self.columns[column])


@lru_cache(maxsize=4)
def read_pinned(path: Path, sha256: str) -> Measured:
    """Return the devices with this hash, read once per process.

    Raises:
        ValueError: the file is missing, or has another hash.
    """
    return read_verified(path, sha256)


def read_verified(path: Path, sha256: str | None) -> Measured:
    """Read the devices of a file, and check its hash if there is one.

    Raises:
        ValueError: the file is invalid, or has changed.
    """
    measured = read(path)
    check_unchanged(path, "devices_sha256", sha256, measured.sha256)
    return measured


def read(path: Path) -> Measured:
    """Read the devices of a file.

    Raises:
        ValueError: the file is missing or invalid; the text names line and column.
    """
    if not path.is_file():
        remedy = "Correct the path; every worker needs it."
        refuse(path, "a readable CSV file", "none", remedy)
    try:
        content = path.read_bytes()
        rows = _numbered_rows(content.decode("utf-8-sig"))
    except (OSError, ValueError, csv.Error) as error:
        remedy = "Correct the path, or the file."
        refuse(path, "a readable CSV file", str(error), remedy)
    names = [name.strip() for name in rows[0][1]] if rows else []
    _check_names(path, names)
    if not 2 <= len(rows) <= MOST_ROWS + 1:
        rule = f"a row for each of 1 to {MOST_ROWS:,} devices"
        remedy = "Add a line per oscillator, or use fewer."
        refuse(path, rule, f"{len(rows) - 1:,} rows", remedy)
    columns: dict[str, list[float]] = {name: [] for name in names if name in COLUMNS}
    for line, row in rows[1:]:
        if len(row) != len(names):
            rule = f"{len(names)} columns in every row"
            refuse(path, rule, f"{len(row)} in line {line}", "Correct that line.")
    for line, row in rows[1:]:
        for name, cell in zip(names, row, strict=True):
            if name in COLUMNS:
                columns[name].append(_value(path, name, line, cell))
    values = {name: tuple(column) for name, column in columns.items()}
    return Measured(columns=values, sha256=hashlib.sha256(content).hexdigest())


def _numbered_rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV text that are not empty, each with its line number."""
    lines = csv.reader(io.StringIO(text))
    rows = []
    for row in lines:
        if any(cell.strip() for cell in row):
            rows.append((lines.line_num, row))
    return rows


def _check_names(path: Path, names: list[str]) -> None:
    known = {*COLUMNS, NAME}
    wrong = [name for name in names if name not in known or names.count(name) > 1]
    if wrong or not COLUMNS.keys() & set(names):
        known_names = ", ".join(COLUMNS)
        rule = (
            f"a first line with one or more of {known_names}, each once, perhaps {NAME}"
        )
        got = repr(wrong[0] if wrong else ",".join(names))
        refuse(path, rule, got, "Name the columns so, and remove others.")


def _value(path: Path, name: str, line: int, cell: str) -> float:
    rule = "a number above 0"
    least = math.ulp(0.0)
    if name == "oscillator_noise_per_sqrt_ns":
        rule = "a number of 0 or more"
        least = 0.0
    try:
        value = float(cell.replace("_", "?"))  # 1_0 is a number to Python alone
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        place = f"{cell!r} in line {line}, column {name}"
        refuse(path, rule, place, "Correct that cell.")
    return value
