"""Read a directory of CSV files: one file per series, and ``labels.csv``.

A series has a row per time point and a column per channel, separated by commas; a first
line of names and columns of ISO time stamps are left out.
``labels.csv`` has the columns ``file,label`` and, optionally, ``test`` (0 or 1). Files
without a row in it are not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...refusal import refuse
from .delimited import read_numbers, read_rows, time_columns
from .raw import (
    LARGEST_BYTES,
    UNEQUAL,
    Raw,
    Values,
    content,
    decode,
    labels,
    stack,
    too_large,
)

DESCRIBES = "a directory of CSV files with labels.csv"
LABELS = "labels.csv"
TEST_WORDS = {"0": False, "1": True, "false": False, "true": True}


class _Labelled(NamedTuple):
    """A row of ``labels.csv``."""

    file: str
    label: str
    test: bool | None
    """Whether it is a test series; None without that column."""


def matches(path: Path) -> bool:
    """See ``Format``; a directory without ``labels.csv`` is refused by ``read``."""
    return path.is_dir()


def files(path: Path) -> Sequence[Path]:
    """See ``Format``."""
    return ()


def read(path: Path, *, unequal: bool) -> Raw:
    """Return the series of ``labels.csv``, in its order, and the hash of all files; see
    ``Format``.

    Raises:
        ValueError: a file is missing, a cell is not a number, or the series differ in
            shape.
    """
    digest = hashlib.sha256()
    rows = _label_rows(path / LABELS, digest)
    left = LARGEST_BYTES
    series: list[Values] = []
    notes: tuple[str, ...] = ()
    for row in rows:
        file = path / row.file
        text = _text(file, digest, left)
        left -= len(text)
        lines = read_rows(file, text)
        if time_columns(lines):
            notes = ("columns of time stamps are left out",)
        one = read_numbers(file, lines)
        series.append(one)
        first = series[0]
        same_channels = one.shape[1] == first.shape[1]
        if one.shape != first.shape and not (unequal and same_channels):
            rule = f"{_shape(first)}, as in {rows[0].file}"
            remedy = (
                UNEQUAL if same_channels else "Give every series the same channels."
            )
            refuse(file, rule, _shape(one), remedy)
    test = [row.test for row in rows]
    return Raw(
        x=stack(path, series),
        y=labels([row.label for row in rows]),
        test=None if None in test else np.array(test),
        sha256=digest.hexdigest(),
        notes=notes,
    )


def _label_rows(path: Path, digest: hashlib._Hash) -> list[_Labelled]:
    """Return the rows of ``labels.csv``."""
    rows = [row.cells for row in read_rows(path, _text(path, digest, LARGEST_BYTES))]
    names = [name.strip() for name in rows[0]] if rows else []
    if names not in (["file", "label"], ["file", "label", "test"]):
        rule = "a first line `file,label` or `file,label,test`"
        refuse(path, rule, repr(",".join(names)), "Name the columns.")
    if len(rows) < 2:
        remedy = "Add a line per series."
        refuse(path, "at least one series", "the first line only", remedy)
    by_file: dict[str, _Labelled] = {}
    for number, row in enumerate(rows[1:], start=2):
        values = [value.strip() for value in row]
        if len(values) != len(names) or not all(values):
            rule = f"a value for {', '.join(names)} in row {number}"
            refuse(path, rule, repr(",".join(row)), "Correct that row.")
        file, label, *words = values
        if file in by_file:
            got = f"{file!r} again in row {number}"
            refuse(path, "each file once", got, "Remove one.")
        if Path(file).is_absolute() or ".." in Path(file).parts:
            remedy = "Copy the series into it, or link to it from there."
            refuse(path, "files of this directory", repr(file), remedy)
        test = None
        for word in words:
            test = TEST_WORDS.get(word.lower())
            if test is None:
                got = f"test={word!r} in row {number}"
                refuse(path, "0 or 1", got, "Correct that row.")
        by_file[file] = _Labelled(file, label, test)
    return list(by_file.values())


def _text(path: Path, digest: hashlib._Hash, most: int) -> str:
    """Return the text of a file of at most ``most`` bytes, and add it to the digest."""
    bytes_ = content(path)
    if len(bytes_) > most:
        too_large(path.parent, LARGEST_BYTES - most + len(bytes_))
    digest.update(hashlib.sha256(bytes_).digest())
    return decode(path, bytes_)


def _shape(series: Values) -> str:
    return f"{series.shape[0]} time points of {series.shape[1]} channels"
