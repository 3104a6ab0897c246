"""Refuse data, or keys of ``[task]``, in one form: expected, got, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn


def refuse(where: Path | str, rule: str, got: str, remedy: str) -> NoReturn:
    """Raise an error of the form "expected X, got Y", with what to do.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{where}: expected {rule}, got {got}. {remedy}")
