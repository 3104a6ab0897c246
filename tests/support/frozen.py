"""Databases of earlier releases, frozen in tests/fixtures by make_ledger.py."""

from __future__ import annotations

import gzip
from pathlib import Path

from servers import connect

FIXTURES = Path(__file__).parents[1] / "fixtures"


def thaw(url: str, version: int) -> None:
    """Fill an empty database with the one that was frozen at this version of the tables."""
    text = gzip.decompress((FIXTURES / f"ledger-v{version}.sql.gz").read_bytes()).decode()
    with connect(url) as connection:
        connection.execute(text)  # type: ignore[call-overload]
