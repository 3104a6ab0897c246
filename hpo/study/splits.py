"""A confirmation on several splits of the data: its scores by split, and their scatter.

The search used the first split alone. A network of another split is tested on series
that the search has trained and validated on, by which the hyper-parameters were chosen.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """The claimed scores on one split."""

    number: int
    """Which split, from 0; it has the seed ``task.split_seed + number``."""
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.scores)

    @property
    def std(self) -> float:
        """Their sample standard deviation; NaN below two."""
        if len(self.scores) < 2:
            return math.nan
        return statistics.stdev(self.scores)


def by_split(numbers: Sequence[int], scores: Sequence[float]) -> list[SplitScores]:
    """Return scores by split, in order of their numbers; of each score ``numbers`` has
    the split."""
    grouped: dict[int, list[float]] = {}
    for number, score in zip(numbers, scores, strict=True):
        grouped.setdefault(number, []).append(score)
    return [
        SplitScores(number=number, scores=tuple(grouped[number]))
        for number in sorted(grouped)
    ]


def std_between(splits: Sequence[SplitScores]) -> float:
    """Return the sample standard deviation of the means of splits; NaN below two."""
    if len(splits) < 2:
        return math.nan
    return statistics.stdev(split.mean for split in splits)


def std_within(splits: Sequence[SplitScores]) -> float:
    """Return the pooled standard deviation over the seeds of a split; NaN if no split
    has two."""
    freedom = sum(len(split.scores) - 1 for split in splits)
    if freedom == 0:
        return math.nan
    squares = [(s - split.mean) ** 2 for split in splits for s in split.scores]
    return math.sqrt(math.fsum(squares) / freedom)
