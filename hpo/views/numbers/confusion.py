"""How a network reads the test part: its confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of the series of the test part."""

    classes: Sequence[str]
    read_as: Sequence[str]
    """The classes, and an empty text for what was not finite, if there was any."""
    counts: Sequence[Sequence[int]]
    """Series by class, and by what they were read as, (classes, read_as)."""

    @property
    def right(self) -> int:
        """Series that were read as what they are."""
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def total(self) -> int:
        """All series."""
        return sum(map(sum, self.counts))

    def errors(self, most: int) -> list[tuple[str, str, int]]:
        """What is most often read wrongly: class, what it is read as, and how often."""
        found = [
            (name, other, count)
            for name, row in zip(self.classes, self.counts, strict=True)
            for other, count in zip(self.read_as, row, strict=True)
            if other != name and count
        ]
        return sorted(found, key=lambda error: -error[2])[:most]
