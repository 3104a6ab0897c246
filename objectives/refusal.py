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


def check_unchanged(where: Path | str, key: str, pinned: str | None, own: str) -> None:
    """Refuse a file whose hash is not the one that a study has pinned.

    Args:
        where: the file.
        key: the key of the study that pins it.
        pinned: hash under this key; None pins nothing.
        own: hash of the file.

    Raises:
        ValueError: they differ.
    """
    if pinned not in (None, own):
        remedy = (
            "Restore the old file, or start a new study (without"
            f" `{key}`, if its file has it)."
        )
        rule = f"{key}={pinned!r}, as when the study began"
        refuse(where, rule, f"{key}={own!r}", remedy)
