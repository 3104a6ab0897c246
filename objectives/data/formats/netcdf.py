"""Read NetCDF files by xarray."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from ...refusal import refuse
from . import hdf5
from .npz import shorten
from .packages import load_package
from .raw import LARGEST_BYTES, content, too_large
from .variables import Array, FileFormat, Variables, of_columns


def variables(path: Path) -> Variables:
    """Return the variables and coordinates of a file.

    Raises:
        ValueError: it cannot be read, or xarray is not installed.
    """
    bytes_ = content(path)
    xarray = load_package(path, "xarray")
    engine = "scipy"
    if bytes_.startswith(hdf5.SIGNATURE):
        load_package(path, "h5netcdf")
        engine = "h5netcdf"
    try:
        with xarray.open_dataset(io.BytesIO(bytes_), engine=engine) as data:
            size = data.nbytes
            found = {} if size > LARGEST_BYTES else arrays(data)
    except Exception as error:  # of a damaged file, any
        remedy = 'Write it with xarray: data.to_netcdf("….nc").'
        refuse(path, "a NetCDF file", shorten(error), remedy)
    if size > LARGEST_BYTES:
        too_large(path, size)
    return of_columns(path, hashlib.sha256(bytes_).hexdigest(), found)


NETCDF = FileFormat(
    describes="NetCDF (.nc)", endings=(".nc", ".nc4", ".netcdf"), open=variables
)


def arrays(data: Any) -> dict[str, Array]:
    """Return the coordinates and variables of an ``xarray.Dataset`` by name."""
    return {str(name): np.asarray(one) for name, one in data.variables.items()}
