"""Tables that code writes into pages, between ``<!-- name -->`` and ``<!-- end -->``,
or into files that pages link."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def fill(page: Path, tables: Mapping[str, str]) -> None:
    """Write each table between its marks, or into the file that the page links; a table
    of which the page has neither is passed over."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        begin = f"<!-- {name} -->\n"
        block = re.compile(rf"{re.escape(begin)}.*?(?=<!-- end -->)", re.DOTALL)
        text = block.sub((begin + table + "\n").replace("\\", r"\\"), text)
        path = file_of(page, name)
        if _is_linked(text, path):
            path.write_text(as_csv(table), encoding="utf-8")
    page.write_text(text, encoding="utf-8")


def missing(pages: Iterable[Path], tables: Mapping[str, str]) -> list[str]:
    """Return the names of tables that no page, and no file of one, has as they are."""
    return [
        name
        for name, table in tables.items()
        if not any(_has(page, name, table) for page in pages)
    ]


def _has(page: Path, name: str, table: str) -> bool:
    text = page.read_text(encoding="utf-8")
    path = file_of(page, name)
    if _is_linked(text, path):
        return path.read_text(encoding="utf-8") == as_csv(table)
    return f"<!-- {name} -->\n{table}\n<!-- end -->" in text


def file_of(page: Path, name: str) -> Path:
    """Return the file that a table has, if the page links it."""
    return page.parent / "tables" / f"{page.stem}-{name.replace(' ', '-')}.csv"


def _is_linked(text: str, path: Path) -> bool:
    return f"](tables/{path.name})" in text


def as_csv(table: str) -> str:
    """Return a Markdown table as CSV, without its emphasis and links."""
    head, _, *rows = table.strip().splitlines()
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    for line in (head, *rows):
        writer.writerow([_plain(cell) for cell in _cells(line)])
    return file.getvalue()


def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line.strip())[1:-1]


def _plain(cell: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", cell.strip())
    return re.sub(r"\*\*|`|\\(?=[|_])", "", text)


def row(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
