"""Read ``.npz`` files: named arrays of NumPy. Of Python objects only labels are read,
since others can run code."""

from __future__ import annotations

import hashlib
import io
import textwrap
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ...refusal import refuse
from . import objects
from .raw import LARGEST_BYTES, content, too_large
from .variables import Array, FileFormat, Variables

_SAVE = "Write it with numpy.savez."
_OBJECTS = (
    "It holds Python objects, as columns of pandas do: save numbers, or texts by"
    " {name}.astype(str)."
)
_UNEQUAL = (
    "Write it with numpy.savez; where series are of unequal lengths, as numbers with"
    ' NaN at the end of the shorter ones, and pad = "before" in [task].'
)
DAMAGED = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    MemoryError,  # a header may claim any size
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # encrypted, or packed otherwise
    SyntaxError,  # a header is Python, as for the next two
    tokenize.TokenError,
    RecursionError,
)
"""Errors by which NumPy refuses a file."""


def variables(path: Path) -> Variables:
    """Return the arrays of a file; each is unpacked when asked for.

    Raises:
        ValueError: it cannot be read.
    """
    bytes_ = content(path)
    try:
        archive = np.load(io.BytesIO(bytes_), allow_pickle=False)
    except DAMAGED as error:
        refuse(path, "an .npz file", shorten(error), _SAVE)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        remedy = "Write it with numpy.savez(…, x=x, y=y)."
        refuse(path, "an .npz file", "a single array", remedy)
    return Variables(
        path=path,
        sha256=hashlib.sha256(bytes_).hexdigest(),
        shapes={name: _shape(archive, name) for name in archive.files},
        load=lambda name: _read_array(path, archive, name),
    )


NPZ = FileFormat(describes="NumPy (.npz)", endings=(".npz",), open=variables)


def _member(archive: Any, name: str) -> zipfile.ZipInfo:
    """Return the entry of an array, which most often has the ending .npy."""
    names = archive.zip.namelist()
    found: zipfile.ZipInfo = archive.zip.getinfo(
        name if name in names else f"{name}.npy"
    )
    return found


def _shape(archive: Any, name: str) -> tuple[int, ...] | None:
    """Return the shape in the header of an array; None if it cannot be read."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        with archive.zip.open(_member(archive, name)) as file:
            read_header = readers[np.lib.format.read_magic(file)]
            shape: tuple[int, ...] = read_header(file)[0]
    except DAMAGED:
        return None
    return shape


def _read_array(path: Path, archive: Any, name: str) -> Array:
    size = _member(archive, name).file_size
    if size > LARGEST_BYTES:
        too_large(path, size)
    try:
        array = archive[name]
    except DAMAGED as error:
        labels = _read_labels(archive, name, error)
        if labels is not None:
            return labels
        rule = f"an array of numbers or texts `{name}`"
        refuse(path, rule, shorten(error), remedy_for(name, error))
    if not isinstance(array, np.ndarray):
        refuse(path, f"an array `{name}`", "other bytes", _SAVE)
    return array


def _read_labels(archive: Any, name: str, error: Exception) -> Array | None:
    """Return an array of Python objects that are all texts or numbers."""
    if not is_of_objects(error):
        return None
    return objects.read_labels(archive.zip.read(_member(archive, name)))


def is_of_objects(error: BaseException) -> bool:
    """Return whether NumPy refused an array since it holds Python objects."""
    return "Object arrays" in str(error)


def remedy_for(name: str, error: BaseException) -> str:
    """Return what to do with an array that cannot be read."""
    if name == "x":
        return _UNEQUAL
    if is_of_objects(error):
        return _OBJECTS.format(name=name)
    return _SAVE


def shorten(error: BaseException) -> str:
    """Return the text of a library's error, cut short: some quote the whole file."""
    return textwrap.shorten(str(error), 200, placeholder=" ...")
