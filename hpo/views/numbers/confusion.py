"""How the best network of a study reads the test part: the confusion matrix that is kept of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from hpo.study.result import Result

_HEAD = ["class", "read_as", "series"]


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


def filename(result: Result) -> str:
    """What its file is called; empty of a study without a best trial."""
    best = result.best
    return f"{result.spec.name}-trial-{best.number}-confusion.csv" if best else ""


def kept(result: Result, content: Callable[[str, str], bytes | None]) -> Confusion | None:
    """The one that is kept of a study; None while there is none.

    Args:
        result: the study.
        content: of an artifact, by study and file name; None where there is no such artifact.
    """
    return read_csv(content(result.spec.name, filename(result)) or b"")


def write_csv(found: Confusion, stream: TextIO) -> None:
    """One row per class and what it was read as."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_HEAD)
    for name, row in zip(found.classes, found.counts, strict=True):
        writer.writerows([name, *cell] for cell in zip(found.read_as, row, strict=True))


def read_csv(data: bytes) -> Confusion | None:
    """What ``write_csv`` wrote; None of anything else that has the same name."""
    try:
        head, *rows = csv.reader(io.StringIO(data.decode()))
        cells = {(name, other): int(count) for name, other, count in rows}
    except (ValueError, csv.Error):
        return None
    classes = list(dict.fromkeys(name for name, _ in cells))
    read_as = list(dict.fromkeys(other for _, other in cells))
    size = len(classes) * len(read_as)
    whole = read_as[: len(classes)] == classes and len(rows) == len(cells) == size
    if head != _HEAD or not whole or not any(cells.values()) or min(cells.values()) < 0:
        return None
    counts = [[cells[name, other] for other in read_as] for name in classes]
    return Confusion(classes=classes, read_as=read_as, counts=counts)
