"""Tables of the reproduction as files, for those who want every number."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path("reproduction", "tables")
"""Where they lie below the documentation."""
Rows = Sequence[Sequence[str]]
"""The head, and a line for each row."""


def write(docs: Path, tables: dict[str, Rows]) -> list[Path]:
    """Write each table that has rows as ``NAME.csv``."""
    folder = docs / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, rows in tables.items():
        if len(rows) > 1:
            written.append(_write_one(folder / f"{name}.csv", rows))
    return written


def _write_one(path: Path, rows: Rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path
