"""What a task hands to the training: examples to train on and examples to score on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Examples:
    """Labelled time series: all rows of an array, or some that are copied when they are looked at.

    Args:
        x: input, (m, time, channels); other examples may share it.
        label: class of each series, (n,), from 0; or, to be predicted, what should be read out
            after each of its last points, (n, points read, outputs), float32.
        rows: which rows of ``x`` they are, (n,); all without it.
    """

    def __init__(
        self,
        *,
        x: NDArray[np.float32],
        label: NDArray[Any],
        rows: NDArray[np.intp] | None = None,
    ) -> None:
        """Take all as they are."""
        self._x, self._rows, self.label = x, rows, label

    def __len__(self) -> int:
        """Number of series."""
        return len(self.label)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Series, time points, channels."""
        _, points, channels = self._x.shape
        return len(self), points, channels

    @property
    def x(self) -> NDArray[np.float32]:
        """Input, (n, time, channels); a copy where only some rows are meant."""
        return self._x if self._rows is None else self._x[self._rows]

    def take(self, index: NDArray[np.intp]) -> Examples:
        """The series at ``index``, (k,), in that order, of the same array."""
        rows = index if self._rows is None else self._rows[index]
        return Examples(x=self._x, label=self.label[index], rows=rows)

    def batches(self, size: int) -> Iterator[Examples]:
        """So many series after the other, in order, the last time possibly fewer."""
        for first in range(0, len(self), size):
            part = slice(first, first + size)
            label = self.label[part]
            if self._rows is None:
                yield Examples(x=self._x[part], label=label)
            else:
                yield Examples(x=self._x, label=label, rows=self._rows[part])


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How the input was made of the user's numbers: ``(x - shift) / scale``, channel by channel."""

    shift: tuple[float, ...]
    scale: tuple[float, ...]

    def scaled(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The input, (..., channels), scaled."""
        scaled: NDArray[np.float64] = (x - np.array(self.shift)) / np.array(self.scale)
        return scaled.astype(np.float32)

    def unscaled(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """What ``scaled`` made ``x`` of."""
        unscaled: NDArray[np.float64] = x * np.array(self.scale) + np.array(self.shift)
        return unscaled


@dataclass(frozen=True, kw_only=True)
class Halves:
    """All series of a task as networks get them."""

    train: Examples
    test: Examples
    classes: tuple[str, ...]
    """Label of each class."""
    scaling: Scaling | None
    """How the input was scaled; None where it was not."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Examples to train on and examples to score on; they share none."""

    train: Examples
    score: Examples
    n_classes: int
    classes: tuple[str, ...] = ()
    """Label of each class in the user's words; empty where they are the numbers from 0."""
    scaling: Scaling | None = None
    """How the input was scaled; None where it was not."""

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
    """The part of a series that trains and the one that scores, each as one example."""

    target_scaling: Scaling
    """How the targets were scaled; ``n_classes`` says how many there are."""
