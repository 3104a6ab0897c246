"""Read ``.npy`` files: one array, or a directory with an array per file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...refusal import refuse
from . import npz, objects
from .raw import content, digest
from .variables import Array, FileFormat, Variables, of_array, of_columns


def _load(path: Path, bytes_: bytes) -> Array:
    try:
        array: Array = np.load(io.BytesIO(bytes_), allow_pickle=False)
    except npz.DAMAGED as error:
        labels = objects.read_labels(bytes_) if npz.is_of_objects(error) else None
        if labels is not None:
            return labels
        refuse(
            path, "an .npy file", npz.shorten(error), npz.remedy_for(path.stem, error)
        )
    return array


def variables(path: Path) -> Variables:
    """Return a single array: records by field, a matrix by column from 0, another one
    by the name of the file.

    Raises:
        ValueError: it cannot be read or holds Python objects.
    """
    bytes_ = content(path)
    return of_array(path, hashlib.sha256(bytes_).hexdigest(), _load(path, bytes_))


class _Directory(FileFormat):
    """A directory with an array per file."""

    def matches(self, path: Path) -> bool:
        """Return whether a directory has such files."""
        return path.is_dir() and any(path.glob("*.npy"))

    def files(self, path: Path) -> Sequence[Path]:
        """Return all of them."""
        return sorted(path.glob("*.npy"))


def directory(path: Path) -> Variables:
    """Return the array of each file of a directory by its name.

    Raises:
        ValueError: one cannot be read or holds Python objects.
    """
    arrays = {}
    for file in DIRECTORY.files(path):
        arrays[file.stem] = _load(file, content(file))
    return of_columns(path, digest(DIRECTORY.files(path)), arrays)


NPY = FileFormat(describes="NumPy (.npy)", endings=(".npy",), open=variables)
DIRECTORY = _Directory(
    describes="a directory of .npy files", endings=(), open=directory
)
