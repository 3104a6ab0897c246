"""What a task hands to the training: examples to train on and examples to score on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Labelled time series."""

    x: NDArray[np.float32]
    """Input, (n, time, channels)."""
    label: NDArray[Any]
    """Class of each series, (n,), from 0; or, to be predicted, what should be read out after each
    of its last points, (n, points read, outputs), float32."""

    def __len__(self) -> int:
        """Number of series."""
        return len(self.label)

    def take(self, index: NDArray[np.intp]) -> Examples:
        """The series at ``index``, (k,), in that order."""
        return Examples(x=self.x[index], label=self.label[index])


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

    def apply(self, examples: Examples) -> Examples:
        """The examples with scaled input."""
        return Examples(x=self.scaled(examples.x), label=examples.label)


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
        return int(self.train.x.shape[2])


@dataclass(frozen=True, kw_only=True)
class SeriesSplit(Split):
    """The part of a series that trains and the one that scores, each as one example."""

    target_scaling: Scaling
    """How the targets were scaled; ``n_classes`` says how many there are."""
