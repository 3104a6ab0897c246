"""Which parameters matter, and which pairs of them together: pure functions of a result.

Of trials that trained a network to its end: complete ones, and those that left a race, with the
mean of fewer networks. A trial that was stopped earlier has the score of a shorter training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from hpo.search import history
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views.numbers.scores import axis_score, comparable, scored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bins = dict[str, NDArray[np.int64]]


GROUPS = 8
"""So many ranges a parameter's values are divided into by ``separation``."""
LEAST = 50
"""Trials that count, below which nothing is said: then five are the best tenth. Of a bowl of seven
parameters whose weights halve one by one, the most important one came first in 9 of 20 searches of
25 random trials, in 14 of 50, in 17 of 100; first or second in 16, 18 and 19."""
_SEED = 0
_PER_CELL, _MOST_BINS = 5, 6


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How much a parameter matters, or two of them beyond what each does alone."""

    names: tuple[str, ...]
    """One, or two."""
    share: float
    """From 0 to 1: of a parameter, of the importances of all to be among the best tenth; of a pair,
    of the variance of the ranks, see ``interaction``."""
    p: float
    """Probability of as much or more where it does not matter; see ``alone``, ``interaction``."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What the trials that count say."""

    trials: int
    mains: tuple[Effect, ...]
    """Of each parameter, largest first."""
    interactions: tuple[Effect, ...]
    """Of each pair, largest first."""

    def certain(self, found: Effect) -> bool:
        """Whether it is more than chance, at 5 % for all of its kind together (Bonferroni)."""
        kind = self.mains if len(found.names) == 1 else self.interactions
        return found.p < 0.05 / len(kind)

    def pairs(self, most: int) -> list[tuple[str, ...]]:
        """Pairs worth a look: those that interact, then those of the most important parameters."""
        certain = [pair.names for pair in self.interactions if self.certain(pair)]
        order = [name for main in self.mains for name in main.names]
        by_main = sorted(combinations(order, 2), key=lambda pair: sum(map(order.index, pair)))
        found: dict[frozenset[str], tuple[str, ...]] = {}
        for pair in (*certain, *by_main):
            found.setdefault(frozenset(pair), pair)
        return list(found.values())[:most]


def measure(result: Result) -> Importance | None:
    """Importance and interactions; None below ``LEAST`` such trials, or if all score alike."""
    trials, spec = comparable(result), result.spec
    if len(trials) < LEAST or len({slot.score for slot in trials}) == 1 or not _of_all(spec):
        return None
    import numpy as np

    scores = np.array([slot.score for slot in trials])
    count = min(_MOST_BINS, max(2, math.isqrt(len(trials) // _PER_CELL)))
    bins = {name: _bins(spec, name, trials, count) for name in _of_all(spec)}
    return Importance(
        trials=len(trials),
        mains=_mains(spec, trials, bins, scores),
        interactions=_interactions(bins, scores),
    )


def _of_all(spec: StudySpec) -> list[str]:
    """What every trial has: of a parameter that some lack, nothing is said."""
    return sorted(name for name, dimension in spec.dimensions.items() if dimension.when is None)


def _mains(
    spec: StudySpec, trials: Sequence[Trial], bins: Bins, scores: NDArray[np.float64]
) -> tuple[Effect, ...]:
    """PED-ANOVA (Watanabe, Bansal and Hutter, arXiv:2304.10255), as Optuna implements it.

    The importance of a parameter is the Pearson divergence between its density among the best
    tenth of the trials and among all. A sampler that crowds around the optimum leaves too few
    among the best to tell this from chance; whether a parameter matters at all, all ranks tell.
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.study import StudyDirection

    study = optuna.load_study(
        study_name=history.STUDY,
        storage=history.HistoryStorage(_frozen(spec, trials), [StudyDirection.MINIMIZE]),
        sampler=optuna.samplers.RandomSampler(seed=_SEED),
        pruner=optuna.pruners.NopPruner(),
    )
    names = _of_all(spec)
    found = PedAnovaImportanceEvaluator().evaluate(study, names)
    total = sum(found.values()) or 1.0
    mains = [
        Effect(names=(name,), share=found[name] / total, p=alone(bins[name], scores))
        for name in names
    ]
    return tuple(sorted(mains, key=lambda main: (-main.share, main.names)))


def _frozen(spec: StudySpec, trials: Sequence[Trial]) -> list[Any]:
    """The trials as Optuna has them, with losses: the less, the better."""
    from optuna.trial import FrozenTrial, TrialState

    from hpo.search.space import distributions

    known, sign = distributions(spec), -1.0 if spec.maximize else 1.0
    space = {name: known[name] for name in _of_all(spec)}
    return [
        FrozenTrial(
            number=number,
            trial_id=number,
            state=TrialState.COMPLETE,
            value=sign * (slot.score or 0.0),
            datetime_start=history.EPOCH,
            datetime_complete=history.EPOCH,
            params={name: slot.params[name] for name in space},
            distributions=space,
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        for number, slot in enumerate(trials)
    ]


def _interactions(bins: Bins, scores: NDArray[np.float64]) -> tuple[Effect, ...]:
    found = []
    for pair in combinations(bins, 2):
        share, p = interaction(bins[pair[0]], bins[pair[1]], scores)
        found.append(Effect(names=pair, share=share, p=p))
    return tuple(sorted(found, key=lambda item: (-item.share, item.names)))


def _bins(spec: StudySpec, name: str, trials: Sequence[Trial], count: int) -> NDArray[np.int64]:
    """The bin of every trial: a choice, or one of ``count`` ranges of as many trials each; (n,)."""
    import numpy as np

    values = [slot.params[name] for slot in trials]
    choices = spec.dimensions[name].choices
    if choices is not None:
        return np.array([choices.index(value) for value in values])
    numbers = np.array(values, dtype=float)
    edges = np.unique(np.quantile(numbers, np.arange(1, count) / count))
    return np.searchsorted(edges, numbers, side="right")


def separation(result: Result, name: str) -> float:
    """How much of the variance of the scores' ranks lies between groups of a parameter: 0 to 1.

    Groups are its choices, or the eighths of its values (the correlation ratio, eta squared).
    """
    from scipy import stats

    slots = [slot for slot in scored(result) if name in slot.params]
    if len(slots) < 2 * GROUPS:
        return 0.0
    ranks = stats.rankdata([axis_score(result.spec, slot) for slot in slots])
    within = sum(_squares(g) for g in _groups(_bins(result.spec, name, slots, GROUPS), ranks))
    total = _squares(ranks)
    return 1.0 - within / total if total else 0.0


def _groups(a: NDArray[np.int64], values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The values of each bin."""
    return [values[a == value] for value in set(a.tolist())]


def _squares(values: NDArray[np.float64]) -> float:
    """The sum of squares about the mean."""
    return float(((values - values.mean()) ** 2).sum())


def alone(a: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Probability by chance that the mean ranks of bins differ so much: the F test of one factor.

    Args:
        a: bin of the parameter by trial, (n,).
        scores: (n,).
    """
    from scipy import stats

    groups = _groups(a, stats.rankdata(scores))
    if len(groups) < 2 or not any(map(_squares, groups)):
        return 1.0
    return float(stats.f_oneway(*groups).pvalue)


def interaction(
    a: NDArray[np.int64], b: NDArray[np.int64], scores: NDArray[np.float64]
) -> tuple[float, float]:
    """The interaction of two binned parameters, by analysis of variance of the ranks.

    With the rank y of a trial in cell (a, b), and two models fitted by least squares, ``y = m_ab``
    (one mean per cell) and ``y = m + f_a + g_b``, whose residual sums of squares are R and R_add:

        share = (R_add - R - d s²) / (Σ (y - mean)² + s²),     s² = R / (n - cells)

    with d the number of parameters that the first model has more: ω², whose expectation is 0 where
    there is no interaction, other than that of η² = (R_add - R) / Σ (y - mean)². p is that of F.

    PED-ANOVA itself has no use here. It explains who is among the best, which two parameters that
    do not interact decide together: of ``x + y``, uniform in the unit square, the better half is
    a triangle, a third of whose Pearson divergence (1, of which 1/3 by x and 1/3 by y) would be
    called an interaction.

    Args:
        a: bin of the first parameter by trial, (n,).
        b: bin of the second, (n,).
        scores: (n,).

    Returns:
        Share of the variance of the ranks, not below 0; probability of as much by chance.
    """
    import numpy as np
    from scipy import stats

    y = stats.rankdata(scores)
    n = len(y)
    cells, cell = np.unique(np.stack([a, b], axis=1), axis=0, return_inverse=True)
    cell = cell.ravel()
    counts = np.bincount(cell)
    means = np.bincount(cell, weights=y) / counts
    rest = float(np.sum((y - means[cell]) ** 2))
    alone = [column[:, None] == np.unique(column) for column in cells.T]
    design = np.concatenate(alone, axis=1).astype(float) * np.sqrt(counts)[:, None]
    target = means * np.sqrt(counts)
    fit, _, rank, _ = np.linalg.lstsq(design, target, rcond=None)
    together = float(np.sum((target - design @ fit) ** 2))
    more, left = len(cells) - int(rank), n - len(cells)
    if more < 1 or left < 1 or rest <= 0.0:
        return 0.0, 1.0
    noise = rest / left
    share = (together - more * noise) / (_squares(y) + noise)
    return max(0.0, share), float(stats.f.sf(together / more / noise, more, left))
