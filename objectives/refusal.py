"""Refuse data, files and keys of a study in one form: expected, got, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from hpo.errors import expected


def refuse(where: Path | str, rule: str, got: str, remedy: str) -> NoReturn:
    """Raise an error of the form "expected X, got Y", with what to do.

    Raises:
        ValueError: always.
    """
    raise ValueError(expected(f"{where}", rule, got, remedy))
