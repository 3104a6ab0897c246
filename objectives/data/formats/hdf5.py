"""Read HDF5 files by h5py, those of MATLAB 7.3 among them."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...refusal import refuse
from .npz import shorten
from .packages import load_package
from .raw import LARGEST_BYTES, content, too_large
from .variables import Array, FileFormat, Variables, of_array

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_REMEDY = "Write it with h5py: file['x'] = x; file['y'] = y."


def variables(path: Path) -> Variables:
    """Return the data sets of a file by their paths in it, such as ``run/x``.

    Raises:
        ValueError: it cannot be read.
    """
    return read(path, content(path))


def read(path: Path, bytes_: bytes) -> Variables:
    """Return the data sets of the content of a file; see ``variables``.

    Raises:
        ValueError: it cannot be read, or h5py is not installed.
    """
    h5py = load_package(path, "h5py")
    found: dict[str, Any] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("#"):
            found[name] = item

    try:
        file = h5py.File(io.BytesIO(bytes_), "r")
        file.visititems(collect)
    except Exception as error:  # of a damaged file, any
        refuse(path, "an HDF5 file", shorten(error), _REMEDY)
    if any("pandas_type" in item.parent.attrs for item in found.values()):
        remedy = 'Write it with pandas: frame.to_parquet("….parquet").'
        refuse(path, "arrays", "a table of PyTables", remedy)

    def load(name: str) -> Array:
        return _load(path, file, found[name])

    sha256 = hashlib.sha256(bytes_).hexdigest()
    if len(found) == 1:
        (only,) = found
        if found[only].dtype.names:
            return of_array(path, sha256, load(only))
    shapes = {name: _shape(item) for name, item in found.items()}
    return Variables(path=path, sha256=sha256, shapes=shapes, load=load)


HDF5 = FileFormat(
    describes="HDF5 (.h5, .hdf5)", endings=(".h5", ".hdf5"), open=variables
)


def _is_matlab(attributes: Mapping[str, Any]) -> bool:
    return "MATLAB_class" in attributes


def _shape(item: Any) -> tuple[int, ...]:
    """Return the shape of a data set; MATLAB writes axes in reverse, and vectors as
    matrices."""
    shape: tuple[int, ...] = item.shape
    if not _is_matlab(item.attrs):
        return shape
    return tuple(size for size in shape[::-1] if size > 1)


def _load(path: Path, file: Any, item: Any) -> Array:
    """Return a data set; texts as such.

    Raises:
        ValueError: it is too large, or cannot be read.
    """
    size = math.prod(item.shape) * item.dtype.itemsize
    if size > LARGEST_BYTES:
        too_large(path, size)
    try:
        values: Array = np.asarray(item[()])
        if _is_matlab(item.attrs):
            values = _of_matlab(file, item.attrs["MATLAB_class"], values)
    except Exception as error:  # of a damaged file, any
        refuse(path, f"an array `{item.name}`", shorten(error), _REMEDY)
    return values


def _of_matlab(file: Any, kind: bytes, values: Array) -> Array:
    """Return an array of MATLAB 7.3: a cell array as the texts that it refers to."""
    if kind == b"cell":
        cells = [file[one][()].T.ravel() for one in values.T.ravel()]
        return np.array(["".join(map(chr, cell)) for cell in cells])
    return np.squeeze(values.T)
