"""Databases of earlier releases, frozen in tests/fixtures by make_ledger.py."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from servers import connect

FIXTURES = Path(__file__).parents[1] / "fixtures"


def thaw(url: str, version: int) -> None:
    """Fill an empty database with the one that was frozen at this version of the tables."""
    text = gzip.decompress((FIXTURES / f"ledger-v{version}.sql.gz").read_bytes()).decode()
    with connect(url) as connection:
        connection.execute(text)  # type: ignore[call-overload]


def hurry(url: str, study: str = "half") -> None:
    """Have a study that is half done train without pauses, which it had to be caught at work."""
    with connect(url) as connection:
        connection.execute(
            "UPDATE hpo_ledger.studies SET spec = "
            "jsonb_set(spec::jsonb, '{fixed,sleep_s}', '0')::json WHERE name = %s",
            [study],
        )


def comparable(value: Any) -> Any:
    """Floats to nine digits: the frozen half was computed by another processor and libm."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    return [comparable(item) for item in value] if isinstance(value, list | tuple) else value
