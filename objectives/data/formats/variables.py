"""Named arrays of a file: variables, or the columns of a table.

Most formats hold several arrays. What their names mean is decided elsewhere, the same
way for all of them: ``labelled`` and the task ``series``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpo.errors import near_miss

from ...refusal import refuse
from .raw import as_shown, holds_numbers

Array = NDArray[Any]

MOST_LISTED = 12
"""Largest number of names to list in a message."""
SAVE = 'Save them by numpy.savez("….npz", x=x, y=y).'


class Choice(NamedTuple):
    """Which variables hold labelled series; "" where the file is to say."""

    inputs: str = ""
    """Names, with commas between them."""
    labels: str = ""
    series: str = ""
    """Of a long table: the column that tells which series a row belongs to."""


@dataclass(frozen=True, kw_only=True)
class Variables:
    """Named arrays of one file, read when asked for."""

    path: Path
    sha256: str
    """Hash of the content of the file."""
    shapes: Mapping[str, tuple[int, ...] | None]
    """Shape by name, in the order of the file; None where the file does not say."""
    load: Callable[[str], Array]
    place: Callable[[str, int], str] | None = None
    """Words for the place of a row of a column, in a file of text."""
    notes: tuple[str, ...] = ()
    """What was understood of the file that it does not say."""

    @property
    def is_table(self) -> bool:
        """True if all variables are columns of one length."""
        lengths = set(self.shapes.values())
        shape = next(iter(lengths), None)
        return len(lengths) == 1 and shape is not None and len(shape) == 1

    @property
    def noun(self) -> str:
        """The word for the variables of this file."""
        return "columns" if self.is_table else "arrays"

    def listed(self) -> str:
        """Return the names, with shapes where they differ, for messages.

        Of many columns those of texts come first: labels are mostly texts.
        """
        names = [*self.shapes]
        if not self.is_table:
            names = [show(name, shape) for name, shape in self.shapes.items()]
        elif len(names) > MOST_LISTED:
            names.sort(key=lambda name: holds_numbers(self.load(name)))
        more = [f"… ({len(names)} in all)"] if len(names) > MOST_LISTED else []
        return ", ".join([*names[:MOST_LISTED], *more]) or "(none)"

    def choose(self, key: str, text: str, default: Sequence[str] = ()) -> list[str]:
        """Return the names in ``text``, with commas between them, or the default ones.

        Args:
            key: the key of ``[task]``, for messages.
            text: its value.
            default: names without a value.

        Raises:
            ValueError: the file has no such variable.
        """
        names = split_names(text) or [*default]
        unknown = [name for name in names if name not in self.shapes]
        if unknown or not names:
            hint = "".join(near_miss(name, self.shapes) for name in unknown)
            remedy = f"{hint}Name some of {self.listed()}, with commas between them."
            refuse(
                self.path,
                f"`{key}`, {self.noun} of the file",
                f"{key}={text!r}",
                remedy,
            )
        return names

    def choose_one(self, key: str, name: str) -> str:
        """Return the name of a variable, which may contain commas.

        Raises:
            ValueError: the file has no such variable.
        """
        if name not in self.shapes:
            refuse(
                self.path,
                f"`{key}`, one of the {self.noun} of the file",
                f"{key}={name!r}",
                f"{near_miss(name, self.shapes)}Name one of {self.listed()}.",
            )
        return name

    def get(self, name: str, remedy: str = SAVE) -> Array:
        """Return a variable.

        Raises:
            ValueError: there is none of this name, or it cannot be read.
        """
        if name not in self.shapes:
            got = f"the {self.noun} {self.listed()}"
            refuse(self.path, f"an array `{name}`", got, remedy)
        return self.load(name)

    def numbers(self, name: str) -> Array:
        """Return a variable that has to hold numbers.

        Raises:
            ValueError: there is none of this name, it cannot be read, or it holds
                something else, such as texts or time stamps.
        """
        values = self.get(name)
        if holds_numbers(values):
            return values
        first = as_shown(values.ravel()[0]) if values.size else values.dtype
        got = f"{first!r}"
        if self.place and values.size:
            got += f" in {self.place(name, 0)}"
        refuse(self.path, f"numbers in `{name}`", got, "Leave it out, or convert it.")


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    """A format of files with named arrays: a line in ``formats.ARRAYS``."""

    describes: str
    """Its name in messages, help and documentation."""
    endings: tuple[str, ...]
    open: Callable[[Path], Variables]
    """Read a file, or its table of contents.

    Raises ValueError if it cannot be read.
    """

    def matches(self, path: Path) -> bool:
        """See ``Format``."""
        return path.suffix.lower() in self.endings and not path.is_dir()

    def files(self, path: Path) -> Sequence[Path]:
        """See ``Format``."""
        return (path,)


def split_names(text: str) -> list[str]:
    """Return names that have commas between them; a name with a comma is in quotes."""
    try:
        names = next(csv.reader([text.strip()], skipinitialspace=True), [])
    except csv.Error:  # control characters
        names = [text]
    return [name.strip() for name in names if name.strip()]


def join_names(names: Iterable[str]) -> str:
    """Return names as a text from which ``split_names`` returns them."""
    quoted = [f'"{name}"' if "," in name else name for name in names]
    return ", ".join(quoted)


def show(name: str, shape: tuple[int, ...] | None) -> str:
    """Return a name with its shape, if known: ``x (60, 5)``."""
    return name if shape is None else f"{name} {shape}"


def of_columns(
    path: Path,
    sha256: str,
    columns: Mapping[str, Array],
    *,
    place: Callable[[str, int], str] | None = None,
    notes: tuple[str, ...] = (),
) -> Variables:
    """Return arrays that have been read already."""
    return Variables(
        path=path,
        sha256=sha256,
        shapes={name: np.shape(values) for name, values in columns.items()},
        load=columns.__getitem__,
        place=place,
        notes=notes,
    )


def of_array(path: Path, sha256: str, values: Array) -> Variables:
    """Return a single array: by its fields, its columns (numbered from 0) or its file.

    Args:
        path: its file.
        sha256: hash of the file.
        values: any shape. Two axes are (rows, columns); an array of records has a
            column per field.
    """
    if values.dtype.names:
        fields = {name: values[name] for name in values.dtype.names}
        return of_columns(path, sha256, fields)
    if values.ndim == 2:
        numbered = {str(number): column for number, column in enumerate(values.T)}
        notes = ("a row per line of the array; its columns are numbered from 0",)
        return of_columns(path, sha256, numbered, notes=notes)
    return of_columns(path, sha256, {path.stem: values})
