"""Formats of a user's data.

A format of labelled series is a module with the functions of ``SeriesFormat``, and a
line in ``SERIES``; one of named arrays is a ``FileFormat``, and a line in ``ARRAYS``.
Each says itself what messages, help and documentation call it. Formats return raw data;
``recording`` checks all rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from ...refusal import refuse
from . import (
    csvs,
    delimited,
    frames,
    hdf5,
    idx,
    labelled,
    matlab,
    memory,
    netcdf,
    npy,
    npz,
    raw,
    ts,
)
from .raw import ELSEWHERE, Raw
from .recording import Recording, check
from .variables import (
    Choice,
    FileFormat,
    Variables,
    join_names,
    split_names,
)

__all__ = [
    "ARRAYS",
    "SERIES",
    "Choice",
    "FileFormat",
    "Raw",
    "Recording",
    "Variables",
    "check",
    "csvs",
    "describe",
    "files",
    "find",
    "find_arrays",
    "frames",
    "idx",
    "join_names",
    "labelled",
    "memory",
    "netcdf",
    "npz",
    "raw",
    "read",
    "split_names",
    "ts",
]


class SeriesFormat(Protocol):
    """What a module that reads labelled series has."""

    DESCRIBES: str
    """Its name in messages, help and documentation."""

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


ARRAYS: tuple[FileFormat, ...] = (
    npz.NPZ,
    npy.NPY,
    npy.DIRECTORY,
    delimited.CSV,
    delimited.TSV,
    frames.PARQUET,
    hdf5.HDF5,
    netcdf.NETCDF,
    matlab.MATLAB,
)
"""Formats of named arrays, or of the columns of a table."""
SERIES: tuple[SeriesFormat, ...] = (idx, csvs, ts)
"""Formats of labelled series; the first one that matches reads."""


F = TypeVar("F", SeriesFormat, FileFormat)


def describe(*, arrays_only: bool = False) -> str:
    """Return the names of all formats, or of those with named arrays."""
    names = [one.describes for one in ARRAYS]
    if not arrays_only:
        names += [one.DESCRIBES for one in SERIES]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def find(path: Path) -> SeriesFormat | None:
    """Return the format of labelled series at ``path``; None if no format matches.

    Raises:
        ValueError: the path cannot be read.
    """
    return _match(SERIES, path)


def find_arrays(path: Path) -> FileFormat | None:
    """Return the format of named arrays at ``path``; None if no format matches.

    Raises:
        ValueError: the path cannot be read.
    """
    return _match(ARRAYS, path)


def _match(formats: Sequence[F], path: Path) -> F | None:
    """Return the first of these formats that matches a path."""
    try:
        return next((one for one in formats if one.matches(path)), None)
    except OSError as error:  # a name that is too long, a directory that is not ours
        refuse(path, "a path that can be read", f"{error.strerror}", "Correct it.")


def files(path: Path) -> Sequence[Path]:
    """Return the files of the data at ``path`` that are hashed one by one."""
    known = find_arrays(path) or find(path)
    return known.files(path) if known else ()


def read(
    path: Path, *, unequal: bool = False, choice: Choice | None = None
) -> Recording:
    """Read and check the data at ``path``.

    Args:
        path: a file or a directory.
        unequal: accept series of unequal lengths.
        choice: names of arrays or columns, where the format has some.

    Raises:
        ValueError: the data is missing or breaks a rule; the message says where and
            what to do.
    """
    choice = choice or Choice()
    arrays = find_arrays(path)
    if arrays is not None:
        found = labelled.read(arrays.open(path), choice)
        return check(path, found, unequal=unequal)
    known = find(path)
    if known is None:
        got = f"path={str(path)!r}" if path.exists() else "nothing there"
        refuse(path, describe(), got, ELSEWHERE)
    if any(choice):
        remedy = "Leave `inputs`, `labels` and `series` out."
        refuse(path, "arrays or columns with names", known.DESCRIBES, remedy)
    return check(path, known.read(path, unequal=unequal), unequal=unequal)
