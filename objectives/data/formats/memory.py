"""Data in memory, as named arrays: NumPy, pandas, xarray, lists, and what converts to
one of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...refusal import refuse
from . import frames, labelled, netcdf
from .raw import holds_numbers, stack
from .recording import as_labels
from .variables import Array

WHERE = "data"
"""What messages call data in memory."""


def named_arrays(data: Any) -> dict[str, Array]:
    """Return data in memory as arrays by name.

    Args:
        data: a dict of arrays, or a pair of series and labels; a DataFrame, or a table
            that has ``to_pandas``; an ``xarray.Dataset``; or one array, whose columns
            are numbered from 0.

    Raises:
        ValueError: it is none of these, or holds other objects than numbers, texts and
            times.
    """
    if isinstance(data, tuple) and len(data) == 2:
        pair = zip((labelled.INPUTS, labelled.LABELS), data, strict=True)
        return {name: _array(name, value) for name, value in pair}
    if isinstance(data, Mapping) and not hasattr(data, "data_vars"):
        return {str(name): _array(str(name), value) for name, value in data.items()}
    if hasattr(data, "to_dataset"):  # xarray.DataArray
        data = data.to_dataset(name=data.name or "values")
    if hasattr(data, "data_vars"):
        return netcdf.arrays(data)
    if hasattr(data, "to_frame"):  # pandas.Series
        data = data.to_frame()
    elif hasattr(data, "to_pandas"):  # Polars, Arrow
        data = data.to_pandas()
    if hasattr(data, "iloc"):
        return frames.columns(WHERE, data)
    values = _array("values", data)
    if values.ndim == 2:
        return {str(number): column for number, column in enumerate(values.T)}
    return {"values": values}


def to_npz(arrays: Mapping[str, Array]) -> bytes:
    """Return the content of an ``.npz`` file, the same for the same arrays."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, values in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, values, allow_pickle=False)
    return content.getvalue()


def _array(name: str, value: Any) -> Array:
    """Return a value as an array of numbers, texts or times.

    Series of unequal lengths, (time,) or (time, channels), get NaN at their ends.

    Raises:
        ValueError: it holds other objects.
    """
    if hasattr(value, "to_frame"):  # pandas.Series
        return frames.column(WHERE, name, value)
    try:
        array: Array = np.asarray(value)
    except ValueError:  # of unequal lengths
        return _pad(name, [np.asarray(one) for one in value])
    if array.dtype.kind == "O" and array.ndim == 1:
        if array.size and all(np.ndim(one) for one in array):
            return _pad(name, [np.asarray(one) for one in array])
        array = as_labels(array)
    if array.dtype.kind not in "biufUMS":
        first = array.ravel()[0] if array.size else None
        got = f"{type(first).__name__} in `{name}` ({array.dtype})"
        refuse(WHERE, "numbers, texts or times", got, "Convert it.")
    return array


def _pad(name: str, series: list[Array]) -> Array:
    """Return series of unequal lengths with NaN at their ends, (n, time, channels)."""
    parts = []
    for number, one in enumerate(series):
        if not holds_numbers(one) or one.ndim not in (1, 2):
            rule = "series of shape (time,) or (time, channels)"
            got = f"{name}[{number}] of shape {one.shape} and type {one.dtype}"
            refuse(WHERE, rule, got, "Convert it.")
        parts.append(one.astype(np.float64).reshape(len(one), -1))
        if parts[-1].shape[1] != parts[0].shape[1]:
            rule = f"{parts[0].shape[1]} channels in every series"
            got = f"{parts[-1].shape[1]} in {name}[{number}]"
            refuse(WHERE, rule, got, "Give every series the same channels.")
    return stack(WHERE, parts)
