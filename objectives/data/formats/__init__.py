"""Formats of files with labelled series.

A format is a module with the functions of ``Format``, and a line in ``FORMATS``. It
returns raw data; ``recording`` checks all rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..refusal import refuse
from . import csvs, idx, npz, ts
from .raw import ELSEWHERE, Raw
from .recording import Recording, check

__all__ = [
    "FORMATS",
    "Raw",
    "Recording",
    "check",
    "csvs",
    "files",
    "find",
    "idx",
    "npz",
    "raw",
    "read",
    "ts",
]


class Format(Protocol):
    """What a module that reads a format has."""

    def matches(self, path: Path) -> bool:
        """Return whether a file or directory looks like this format."""

    def files(self, path: Path) -> Sequence[Path]:
        """Return the files that are hashed one by one; () for many, see ``read``."""

    def read(self, path: Path, *, unequal: bool) -> Raw:
        """Return the series and labels, and the hash of the content.

        Args:
            path: the file or directory.
            unequal: accept series of unequal lengths.

        Raises:
            ValueError: they cannot be read.
        """


FORMATS: tuple[Format, ...] = (idx, csvs, ts, npz)
"""All formats; the first one that matches reads."""


def find(path: Path) -> Format | None:
    """Return the format of a file or directory; None if no format matches.

    Raises:
        ValueError: the path cannot be read.
    """
    try:
        return next((one for one in FORMATS if one.matches(path)), None)
    except OSError as error:  # a name that is too long, a directory that is not ours
        refuse(path, "a path that can be read", f"{error.strerror}", "Correct it.")


def files(path: Path) -> Sequence[Path]:
    """Return the files of the data at ``path`` that are hashed one by one."""
    known = find(path)
    return known.files(path) if known else ()


def read(path: Path, *, unequal: bool = False) -> Recording:
    """Read and check the data at ``path``.

    Args:
        path: a file or a directory.
        unequal: accept series of unequal lengths.

    Raises:
        ValueError: the data is missing or breaks a rule; the message says where and
            what to do.
    """
    known = find(path)
    if known is None:
        refuse(
            path,
            "an .npz or .ts file, or a directory of CSV files with labels.csv or of IDX"
            " files",
            f"path={str(path)!r}" if path.exists() else "nothing there",
            ELSEWHERE,
        )
    return check(path, known.read(path, unequal=unequal), unequal=unequal)
