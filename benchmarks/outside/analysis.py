"""Regrets of searches, their ratios and ranks, and how honest claims are."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.outside.runs import Run
from benchmarks.outside.samplers import OURS

_LEAST = 1e-4
"""Regrets below this share of the median after the fewest trials count as alike."""
_RESAMPLED = 4_000
Key = tuple[str, int]
"""A problem, and the seed of a search of it."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A geometric mean of regrets divided by another sampler's, over problems."""

    mean: float
    low: float
    high: float
    """Its 95 % interval, by resampling problems."""
    p: float
    """Of Wilcoxon's test, paired by problem."""
    problems: int
    searches: int


@dataclass(frozen=True, kw_only=True)
class Honesty:
    """By how much the claims of searches are too good: in points of an accuracy, in per
    cent of a loss."""

    mean: float
    rms: float


class Regrets:
    """The regrets of all searches of one kind of problems."""

    def __init__(self, runs: Iterable[Run]) -> None:
        """Take the searches; of our sampler, the last version is the current one."""
        self.runs = list(runs)
        self._now = next(r.version for r in reversed(self.runs) if r.sampler == OURS)
        self._optima = self._find_optima()
        self._found: dict[str, dict[Key, dict[int, float]]] = {}
        for run in self.runs:
            own = {int(at): self._regret(run, true) for at, _, true in run.held}
            searches = self._found.setdefault(self.label(run), {})
            searches[run.problem, run.seed] = own
        self._least = self._find_least()

    def label(self, run: Run) -> str:
        """Return the name of a sampler: that of an earlier version of ours has it."""
        if run.sampler != OURS or run.version == self._now:
            return run.sampler
        return f"{OURS}, {run.version}"

    @property
    def samplers(self) -> list[str]:
        """Ours first, then those of most searches."""
        others = sorted(self._found, key=lambda name: -len(self._found[name]))
        return sorted(others, key=lambda name: not name.startswith(OURS))

    @property
    def budgets(self) -> list[int]:
        """Numbers of trials after which regrets are known."""
        return sorted({int(at) for run in self.runs for at, *_ in run.held})

    def n_searches(self, sampler: str) -> int:
        """Return the number of a sampler's searches, 0 if it has none."""
        return len(self._found.get(sampler, {}))

    def ratio(self, sampler: str, other: str, at: int) -> Ratio | None:
        """Compare two samplers after a number of trials, on the searches that both have
        run; None on fewer than two problems."""
        differences = defaultdict(list)
        n = 0
        for key in sorted(self._found[sampler].keys() & self._found[other].keys()):
            own = self._log(sampler, key, at)
            differences[key[0]].append(own - self._log(other, key, at))
            n += 1
        means = np.array([statistics.fmean(own) for own in differences.values()])
        if len(means) < 2:
            return None
        low, high = _resample(means)
        p = 1.0
        if means.any():
            p = float(stats.wilcoxon(means).pvalue)
        return Ratio(
            mean=math.exp(means.mean()),
            low=low,
            high=high,
            p=p,
            problems=len(means),
            searches=n,
        )

    def rank(self, sampler: str, peers: Sequence[str], at: int) -> float | None:
        """Return a sampler's mean rank among peers, on the searches that all have run;
        None if there are none."""
        who = [sampler, *(name for name in peers if name != sampler)]
        keys = set.intersection(*(set(self._found[name]) for name in who))
        ranks = []
        for key in keys:
            own = [self._log(name, key, at) for name in who]
            ranks.append(float(stats.rankdata(np.round(own, 9))[0]))
        return statistics.fmean(ranks) if ranks else None

    def cpu_ms(self, sampler: str) -> float:
        """Return the median CPU time of a trial, in milliseconds."""
        own = [run for run in self.runs if self.label(run) == sampler]
        return 1e3 * statistics.median(run.cpu_s / run.trials for run in own)

    def honesty(self, sampler: str, at: int, *, accuracies: bool) -> Honesty | None:
        """Return how honest a sampler's claims are on problems of accuracies, or of
        losses; None without any."""
        errors = []
        for run in self.runs:
            held = {int(n): (claim, true) for n, claim, true in run.held}
            if self.label(run) == sampler and run.maximize == accuracies:
                claim, true = held[at]
                error = claim - true if accuracies else (true - claim) / true
                errors.append(100.0 * error)
        if not errors:
            return None
        rms = math.sqrt(statistics.fmean(error * error for error in errors))
        return Honesty(mean=statistics.fmean(errors), rms=rms)

    def _find_optima(self) -> dict[str, float]:
        """The best that any search has found, of problems without a known optimum."""
        found: dict[str, float] = {}
        for run in self.runs:
            best = max if run.maximize else min
            true = best(true for *_, true in run.held)
            found[run.problem] = best(found.get(run.problem, true), true)
        return found

    def _regret(self, run: Run, true: float) -> float:
        optimum = run.optimum
        if optimum is None:
            optimum = self._optima[run.problem]
        return max(0.0, optimum - true if run.maximize else true - optimum)

    def _find_least(self) -> dict[str, float]:
        """What is added to the regrets of a problem, so that no logarithm is
        infinite."""
        first = self.budgets[0]
        regrets = defaultdict(list)
        for searches in self._found.values():
            for (problem, _), own in searches.items():
                regrets[problem].append(own[first])
        return {
            problem: max(1e-12, _LEAST * statistics.median(own))
            for problem, own in regrets.items()
        }

    def _log(self, sampler: str, key: Key, at: int) -> float:
        return math.log(self._found[sampler][key][at] + self._least[key[0]])


def _resample(means: NDArray[np.float64]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    drawn = rng.choice(means, size=(_RESAMPLED, len(means))).mean(axis=1)
    low, high = np.exp(np.quantile(drawn, [0.025, 0.975]))
    return float(low), float(high)
