"""The same search with several study seeds: how its result scatters."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hpo.study.networks import Confirmation
from hpo.study.result import Result
from hpo.study.spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A score over searches."""

    n: int
    """Number of searches."""
    median: float
    lower: float
    """Lower quartile, interpolated; with one search, its score."""
    upper: float
    """Upper quartile, likewise."""
    worst: float
    best: float

    @classmethod
    def of(cls, scores: Sequence[float], sign: float) -> Distribution | None:
        """Return the distribution of scores, of which a larger one times ``sign`` is
        better; None of none."""
        if not scores:
            return None
        quartiles = [*scores] * 3
        if len(scores) > 1:
            quartiles = statistics.quantiles(scores, n=4, method="inclusive")
        return cls(
            n=len(scores),
            median=quartiles[1],
            lower=quartiles[0],
            upper=quartiles[2],
            worst=min(scores, key=lambda score: sign * score),
            best=max(scores, key=lambda score: sign * score),
        )


@dataclass(frozen=True)
class Replication:
    """The results of the same search with several study seeds, in their order."""

    name: str
    """What the names of the studies begin with."""
    results: Sequence[Result]

    @property
    def spec(self) -> StudySpec:
        """The file of the first study."""
        return self.results[0].spec

    @cached_property
    def confirmed(self) -> list[Confirmation]:
        """The confirmed results of the searches that have one."""
        found = [result.confirmed for result in self.results]
        return [item for item in found if item is not None]

    @property
    def scores(self) -> Distribution | None:
        """The confirmed mean scores."""
        return self._over([item.mean for item in self.confirmed])

    @property
    def claimed(self) -> Distribution | None:
        """What the searches claimed of the same configurations."""
        return self._over([item.search_score for item in self.confirmed])

    @property
    def simulated(self) -> Distribution | None:
        """The mean scores on simulated chips: those of ``[variability]``, else those
        with thermal noise. None unless all searches have some."""
        means = [
            statistics.fmean(item.simulated)
            for item in self.confirmed
            if item.simulated
        ]
        if len(means) < len(self.confirmed):
            return None
        return self._over(means)

    @property
    def on_first_split(self) -> Distribution | None:
        """The mean scores on the split of the search; None where there is one split."""
        splits = [split for item in self.confirmed for split in item.splits]
        means = [split.mean for split in splits if split.number == 0]
        return self._over(means)

    @property
    def excess(self) -> list[float]:
        """What each search claimed above its confirmed score."""
        return [item.search_score - item.mean for item in self.confirmed]

    def _over(self, scores: Sequence[float]) -> Distribution | None:
        return Distribution.of(scores, self.spec.sign)
