"""Read ``.mat`` files of MATLAB by SciPy; those of version 7.3 are HDF5."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...refusal import refuse
from . import hdf5
from .npz import shorten
from .raw import content
from .variables import Array, FileFormat, Variables, of_columns

_HEADER = 512
"""Bytes before HDF5 begins in a file of MATLAB 7.3."""
_REMEDY = "Write it in MATLAB: save('….mat', 'x', 'y')."


def variables(path: Path) -> Variables:
    """Return the variables of a file, without axes of length 1; fields of a structure
    as ``run.x``.

    Raises:
        ValueError: it cannot be read.
    """
    from scipy import io as scipy_io

    read: Any = scipy_io.loadmat  # it takes files, too
    bytes_ = content(path)
    if hdf5.SIGNATURE in bytes_[: _HEADER + len(hdf5.SIGNATURE)]:
        return hdf5.read(path, bytes_)
    try:
        tree = read(io.BytesIO(bytes_), simplify_cells=True)
    except Exception as error:  # of a damaged file, any
        refuse(path, "a MATLAB file", shorten(error), _REMEDY)
    arrays = dict(_flatten(tree))
    return of_columns(path, hashlib.sha256(bytes_).hexdigest(), arrays)


MATLAB = FileFormat(describes="MATLAB (.mat)", endings=(".mat",), open=variables)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Array]]:
    """Yield arrays by name."""
    for name, value in tree.items():
        if name.startswith("__"):
            continue
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, np.asarray(value)
