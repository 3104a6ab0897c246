"""Data of a task for the training: examples to train on and examples to score on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Examples:
    """Labelled time series: all rows of an array, or some of them, copied on access.

    Args:
        x: input, (m, time, channels); other examples may share it.
        label: class of each series, (n,), from 0; for prediction, the target after each
            of its last points, (n, points read, outputs), float32.
        rows: their rows in ``x``, (n,); None: all.
    """

    def __init__(
        self,
        *,
        x: NDArray[np.float32],
        label: NDArray[Any],
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        """Keep the arrays, without a copy."""
        self._x = x
        self._rows = rows
        self.label = label

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.label)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Series, time points, channels."""
        _, points, channels = self._x.shape
        return len(self), points, channels

    @property
    def rows(self) -> NDArray[np.intp]:
        """Row of each series in the array of all, (n,)."""
        return np.arange(len(self)) if self._rows is None else self._rows

    @property
    def x(self) -> NDArray[np.float32]:
        """Input, (n, time, channels); a copy unless it has all rows."""
        return self._x if self._rows is None else self._x[self._rows]

    def take(self, index: NDArray[np.intp]) -> Examples:
        """Return the series at ``index``, (k,), in that order, of the same array."""
        rows = index if self._rows is None else self._rows[index]
        return Examples(x=self._x, label=self.label[index], rows=rows)

    def batches(self, size: int) -> Iterator[Examples]:
        """Yield batches of ``size`` series in order; the last one may be smaller."""
        for first in range(0, len(self), size):
            part = slice(first, first + size)
            label = self.label[part]
            if self._rows is None:
                yield Examples(x=self._x[part], label=label)
            else:
                yield Examples(x=self._x, label=label, rows=self._rows[part])


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """A scaling of the user's numbers to the input: ``(x - shift) / scale``, per
    channel."""

    shift: tuple[float, ...]
    scale: tuple[float, ...]

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return numbers, (..., channels), scaled."""
        scaled: NDArray[np.float64] = (x - np.array(self.shift)) / np.array(self.scale)
        return scaled.astype(np.float32)

    def undo(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return the user's numbers, (..., channels), from scaled ones."""
        unscaled: NDArray[np.float64] = x * np.array(self.scale) + np.array(self.shift)
        return unscaled


@dataclass(frozen=True, kw_only=True)
class Split:
    """Examples to train on and examples to score on, without overlap."""

    train: Examples
    score: Examples
    n_classes: int
    classes: tuple[str, ...] = ()
    """The user's label of each class; empty for numbers from 0."""
    scaling: Scaling | None = None
    """Scaling of the input; None: none."""
    pixel_scale: float | None = None
    """What one unit of an input that the task has scaled is in the published data."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each class."""
        return self.classes or tuple(str(number) for number in range(self.n_classes))

    @property
    def n_channels(self) -> int:
        """Input values per time point."""
        return self.train.shape[2]


@dataclass(frozen=True, kw_only=True)
class SeriesSplit(Split):
    """The training part and the scoring part of a series, each as one example."""

    target_scaling: Scaling
    """Scaling of the targets; their number is ``n_classes``."""

    @property
    def names(self) -> tuple[str, ...]:
        """Empty: there are no classes."""
        return ()
