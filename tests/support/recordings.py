"""A user's own data: labelled time series in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N = 60


def series() -> NDArray[np.float64]:
    """Series of 5 points of 2 channels, all different."""
    return np.random.default_rng(0).normal(size=(N, 5, 2))


def labels() -> NDArray[np.int64]:
    return np.arange(N) % 3


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{"x": series(), "y": labels(), **arrays})
    return path


def unequal(low: int = 2) -> list[NDArray[np.float64]]:
    """The series, cut at the end to ``low`` to 5 points."""
    lengths = np.arange(N) % (6 - low) + low
    return [one[:length] for one, length in zip(series(), lengths, strict=True)]


def save_csv(
    directory: Path, x: Iterable[NDArray[Any]], label: NDArray[Any], header: str = ""
) -> Path:
    directory.mkdir()
    rows = ["file,label"]
    for number, (one, y) in enumerate(zip(x, label, strict=True)):
        lines = [header] if header else []
        lines += [",".join(map(repr, map(float, point))) for point in one]
        (directory / f"{number}.csv").write_text("\n".join(lines) + "\n")
        rows.append(f"{number}.csv,{y}")
    (directory / "labels.csv").write_text("\n".join(rows) + "\n")
    return directory


def ending_in_nan() -> NDArray[np.float64]:
    """Series of unequal lengths as an array, with a point more that none of them
    has."""
    x = np.full((N, 6, 2), np.nan)
    for one, row in zip(unequal(), x, strict=True):
        row[: len(one)] = one
    return x
