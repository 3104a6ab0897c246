"""Which parameters matter: a pure function of a result.

Of trials that trained a network to its end: complete ones, and those that left a race, with the
mean of fewer networks. A trial that was stopped earlier has the score of a shorter training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views import formatting
from hpo.views.figures.style import safe, style
from hpo.views.palette import BLUE, GREY
from hpo.views.scores import comparable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bins = dict[str, NDArray[np.int64]]


LEAST = 50
"""Trials that count, below which nothing is said: then five are the best tenth. Of a bowl of seven
parameters whose weights halve one by one, the most important one came first in 9 of 20 searches of
25 random trials, in 14 of 50, in 17 of 100; first or second in 16, 18 and 19."""
MOST_BARS = 15
_SHORT = 24
_PER_CELL, _MOST_BINS = 5, 6


@dataclass(frozen=True, kw_only=True)
class Effect:
    """How much a parameter matters."""

    name: str
    share: float
    """Of the importances of all parameters to be among the best tenth, 0 to 1."""
    p: float
    """Probability of as much or more where it does not matter; see ``by_chance``."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What the trials that count say."""

    trials: int
    effects: tuple[Effect, ...]
    """Of each parameter, largest first."""

    def certain(self, found: Effect) -> bool:
        """Whether it is more than chance, at 5 % for all parameters together (Bonferroni)."""
        return found.p < 0.05 / len(self.effects)


def measure(result: Result) -> Importance | None:
    """Importance of each parameter; None below ``LEAST`` such trials, or if all score alike.

    PED-ANOVA (Watanabe, Bansal and Hutter, arXiv:2304.10255), as Optuna implements it: the Pearson
    divergence between the density of a parameter among the best tenth of the trials and among all.
    A sampler that crowds around the optimum leaves too few among the best to tell this from chance;
    whether a parameter matters at all, all ranks tell.
    """
    trials, spec = comparable(result), result.spec
    if len(trials) < LEAST or len({trial.score for trial in trials}) == 1 or not _of_all(spec):
        return None
    import numpy as np
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    from hpo.search.history import quiet
    from hpo.search.space import distributions

    known, sign = distributions(spec), -1.0 if spec.maximize else 1.0
    space = {name: known[name] for name in _of_all(spec)}
    with quiet():
        study = optuna.create_study()
    for trial in trials:
        params = {name: trial.params[name] for name in space}
        loss = sign * (trial.score or 0.0)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=loss))
    found = PedAnovaImportanceEvaluator().evaluate(study, [*space])
    total, scores = sum(found.values()) or 1.0, np.array([trial.score for trial in trials])
    count = min(_MOST_BINS, max(2, math.isqrt(len(trials) // _PER_CELL)))
    effects = []
    for name, share in found.items():
        p = by_chance(_bins(spec, name, trials, count), scores)
        effects.append(Effect(name=name, share=share / total, p=p))
    ordered = sorted(effects, key=lambda effect: (-effect.share, effect.name))
    return Importance(trials=len(trials), effects=tuple(ordered))


def _of_all(spec: StudySpec) -> list[str]:
    """What every trial has: of a parameter that some lack, nothing is said."""
    return sorted(name for name, dimension in spec.dimensions.items() if dimension.when is None)


def _bins(spec: StudySpec, name: str, trials: Sequence[Trial], count: int) -> NDArray[np.int64]:
    """The bin of every trial: a choice, or one of ``count`` ranges of as many trials each; (n,)."""
    import numpy as np

    values = [trial.params[name] for trial in trials]
    choices = spec.dimensions[name].choices
    if choices is not None:
        return np.array([choices.index(value) for value in values])
    numbers = np.array(values, dtype=float)
    edges = np.unique(np.quantile(numbers, np.arange(1, count) / count))
    return np.searchsorted(edges, numbers, side="right")


def by_chance(bins: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Probability by chance that the mean ranks of bins differ so much: the F test of one factor.

    Args:
        bins: bin of the parameter by trial, (n,).
        scores: (n,).
    """
    import numpy as np
    from scipy import stats

    ranks = stats.rankdata(scores)
    groups = [ranks[bins == value] for value in set(bins.tolist())]
    if len(groups) < 2 or not any(np.ptp(group) for group in groups):
        return 1.0
    return float(stats.f_oneway(*groups).pvalue)


def note(result: Result, found: Importance | None) -> str:
    """What the bars say, and how far they can be trusted."""
    if found is None:
        n = len(comparable(result))
        return (
            f"{n} trials that trained a network to its end, or scores that are all alike, do not "
            f"tell which parameters matter: {LEAST} are needed at least."
        )
    return (
        f"Of {found.trials:,} trials (those that were stopped within a network are left out)"
        f"{', by their score alone' if result.costs else ''}: how much each parameter decides who "
        "is among the best tenth (PED-ANOVA, arXiv:2304.10255), as a share of all. Hollow bars "
        "may be chance: above 5 %, by the F test of the ranks, for all parameters together. A "
        "parameter of which the search has tried few values shows less importance than it has."
    )


def bars(found: Importance) -> go.Figure:
    """A bar for each parameter, with its number; grey and hollow where chance would do."""
    effects = found.effects[:MOST_BARS]
    sure = [found.certain(effect) for effect in effects]
    shares = [100 * effect.share for effect in effects]
    figure = style(go.Figure(), height=110 + 30 * len(effects))
    bar = go.Bar(x=shares, y=[safe(formatting.cut(e.name, _SHORT)) for e in effects])
    line = {"color": [BLUE if certain else GREY for certain in sure], "width": 1.5}
    bar.update(marker={"color": [BLUE if certain else "white" for certain in sure], "line": line})
    bar.update(orientation="h", textposition="outside", cliponaxis=False)
    bar.update(text=[f"{share:.1f}" for share in shares])
    bar.update(hovertemplate="%{y}: %{x:.3g} %<extra></extra>")
    top = 1.18 * max([5.0, *shares])
    figure.add_trace(bar).update_xaxes(title_text="importance (%)", range=[0, top])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(margin={"l": 120, "t": 34, "b": 50})
