"""Sizes of a task's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class DataShape(NamedTuple):
    """Sizes of the examples, the same for every protocol and seed."""

    points: int
    """Time points of every series; shorter ones are padded."""
    channels: int
    classes: int


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Sizes of a task's data, and how its series are split under
    ``Protocol.VALIDATION``."""

    series: int
    points: int
    """Time points of the longest series."""
    shortest: int
    """Time points of the shortest one."""
    channels: int
    classes: int
    validation: int
    rarest: int
    """Fewest series of a class in the training part."""
    folds: int
    """Parts of the training part that validate in turn; 1: one is drawn for each
    network."""
    test: int

    @property
    def train(self) -> int:
        """Series that train."""
        return self.series - self.validation - self.test


@dataclass(frozen=True, kw_only=True)
class SeriesContents:
    """Sizes of one long series, and how it is split under ``Protocol.VALIDATION``."""

    points: int
    channels: int
    outputs: int
    washout: int
    """First points, which are not scored."""
    train: int
    validation: int
    test: int
