"""Read tables of pandas: DataFrames, and Parquet files."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from ...refusal import refuse
from .delimited import as_times
from .npz import shorten
from .packages import load_package
from .raw import content, holds_numbers
from .variables import Array, FileFormat, Variables, of_columns


def variables(path: Path) -> Variables:
    """Return the columns of a Parquet file.

    Raises:
        ValueError: it cannot be read, or pandas and pyarrow are not installed.
    """
    bytes_ = content(path)
    load_package(path, "pyarrow")
    pandas = load_package(path, "pandas")
    try:
        frame = pandas.read_parquet(io.BytesIO(bytes_))
    except Exception as error:  # of a damaged file, any
        remedy = "Write it with pandas: frame.to_parquet(…)."
        refuse(path, "a Parquet file", shorten(error), remedy)
    return of_columns(path, hashlib.sha256(bytes_).hexdigest(), columns(path, frame))


PARQUET = FileFormat(
    describes="Parquet (.parquet)", endings=(".parquet", ".pq"), open=variables
)


def columns(where: Path | str, frame: Any) -> dict[str, Array]:
    """Return the columns of a DataFrame by name: numbers, times (UTC) or texts.

    The index is a column, too, unless it is of whole numbers without a name.

    Args:
        where: what messages call it.
        frame: a ``pandas.DataFrame``.

    Raises:
        ValueError: a name occurs twice, or a text is missing.
    """
    index = frame.index
    if index.nlevels == 1 and index.name is None and index.dtype.kind not in "iu":
        name = "time" if index.dtype.kind == "M" else "index"
        frame = frame.rename_axis(index=name)
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        got = ", ".join(names)
        refuse(where, "a name for every column", got, "Rename one of two.")
    found = {}
    for position, name in enumerate(names):
        found[name] = column(where, name, frame.iloc[:, position])
    return found


def column(where: Path | str, name: str, column: Any) -> Array:
    """Return a ``pandas.Series`` as numbers, times (UTC) or texts.

    Args:
        where: what messages call the data.
        name: name of the column, for messages.
        column: the series.

    Raises:
        ValueError: a text is missing.
    """
    kind = column.dtype.kind
    if kind == "b" and not column.isna().any():
        return np.asarray(column, dtype=bool)
    if kind in "biuf":
        values: Array = column.to_numpy()
        if not holds_numbers(values):  # one of pandas, in which NA can be
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values
    if kind == "M":
        if column.dt.tz is not None:
            column = column.dt.tz_convert(None)
        return np.asarray(column.to_numpy(), dtype="datetime64[us]")
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        got = f"none in row {row} of the column {name}"
        refuse(where, "a value in every row", got, "Fill it in, or drop that row.")
    return as_texts(column.to_list())


def as_texts(values: list[Any]) -> Array:
    """Return Python objects as whole numbers, times or texts."""
    if all(isinstance(value, int) for value in values):
        return np.array(values)
    texts = [str(value) for value in values]
    times = as_times(texts)
    return np.array(texts) if times is None else times
