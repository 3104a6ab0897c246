"""Tables that code writes into pages, between ``<!-- name -->`` and ``<!-- end
-->``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def fill(page: Path, tables: Mapping[str, str]) -> None:
    """Write each table between its marks; marks that the page has not are passed
    over."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        begin = f"<!-- {name} -->\n"
        block = re.compile(rf"{re.escape(begin)}.*?(?=<!-- end -->)", re.DOTALL)
        text = block.sub((begin + table + "\n").replace("\\", r"\\"), text)
    page.write_text(text, encoding="utf-8")


def row(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"
