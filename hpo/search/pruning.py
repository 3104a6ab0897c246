"""The reports of a trial in training, and the pruners.

The pruners decide as Optuna's do and take the same options, but read new trials alone:
Optuna's read the whole study at every step.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.pruners import BasePruner

from hpo.contract import Protocol
from hpo.search import comparison
from hpo.search.history import quiet, visible
from hpo.search.memory import MISSING
from hpo.study import effort
from hpo.study.effort import Ending
from hpo.study.spec import StudySpec
from hpo.study.trials import RUNG, Past, Suggestion

Array = NDArray[np.float64]


class EndedError(Exception):
    """The trial ends early; the text says why."""


class TrialProgress:
    """One trial in training; report every epoch and network in order, also those before
    a resume.

    Pruners see the scores of the first network in training, the last of them its score,
    and one step for every further network: the mean score so far. Under
    ``Protocol.CONFIRM`` nothing is scored in training, and nothing reported.

    The pruner compares steps, beside a cost with those of trials that cost no more. A
    resumed trial is judged alike: its stored steps are fed again before the new ones.
    """

    def __init__(
        self, spec: StudySpec, number: int, trials: Sequence[Past], own: Suggestion
    ) -> None:
        """See ``suggest.suggest`` for the arguments; ``own`` is the trial's own
        suggestion."""
        self._spec = spec
        self.steps: list[float] = []
        """Values reported, one a step."""
        self.attrs: dict[str, float] = {}
        """The pruner's memory of the trial, to be stored with it."""
        self._prunes = spec.pruner.name != "none"
        if not self._prunes:
            return
        with quiet():
            self._pruner: Any = PRUNERS[spec.pruner.name](**spec.pruner.options)
        self._numbers = effort.step_numbers(spec)
        self._others = comparison.Numbers(spec, visible(spec, number, trials))
        # Compare with trials that cost no more: else a cheap network ends for being
        # worse than an expensive one. Costs are those before training, so that pruned
        # trials count, too.
        most = np.array(comparison.known_costs(spec, own.params))[:, None]
        self._alike = (self._others.costs <= most).all(axis=0)
        self._whole = np.flatnonzero(self._others.complete & self._alike)
        halving = spec.pruner.name == "successive-halving"
        self._decide = self._is_not_promoted if halving else self._is_below_percentile

    def epoch(self, member: int, score: float | None) -> None:
        """Report that a network was trained for another epoch.

        Raises:
            EndedError: the pruner ends the trial.
        """
        if member == 0 and score is not None:
            self._judge(score)

    def networks(self, scores: Sequence[float]) -> None:
        """Report the scores of all networks trained so far, one more than before.

        Raises:
            EndedError: the pruner ends the trial.
        """
        mean = statistics.fmean(scores)
        if self.steps and len(scores) == 1:
            self.steps[-1] = (
                mean  # on the solved equation; its curve was at the step of training
            )
        if self._spec.protocol != Protocol.CONFIRM and len(scores) > 1:
            self._judge(mean)

    def _judge(self, value: float) -> None:
        if not self.report(value):
            return
        spec, whole = self._spec, len(self.steps) - self._spec.budget.scores + 1
        ended = f"{Ending.CURVE} after {effort.epochs_text(spec, len(self.steps))}"
        if whole > 0:
            ended = f"{Ending.NETWORKS} after {effort.networks_text(spec, whole)}"
        if whole < spec.budget.members:  # else nothing is left to save
            raise EndedError(f"{ended}: the pruner {spec.pruner.name} ended it")

    def report(self, value: float) -> bool:
        """Report the next step's value; return whether to prune the trial."""
        self.steps.append(value)
        return self._prunes and self._decide()

    def _is_below_percentile(self) -> bool:
        """``PercentilePruner``: the best value so far is worse than others at this
        step."""
        own, n = self._pruner, len(self.steps)
        step, before = self._numbers[n - 1], self._numbers[n - 2] if n > 1 else -1
        values = self._others.steps[n - 1][self._whole]
        if len(values) < max(1, own._n_startup_trials) or step < own._n_warmup_steps:
            return False
        if before >= step - (step - own._n_warmup_steps) % own._interval_steps:
            return False
        if np.isnan(self.steps).all():
            return True
        values = values[values != MISSING]
        if len(values) < own._n_min_trials:
            return False
        best = np.nanmax(self.steps) if self._spec.maximize else np.nanmin(self.steps)
        better = np.count_nonzero(
            values > best if self._spec.maximize else values < best
        )
        rank = (
            own._percentile / 100 * (np.count_nonzero(values == values) - 1)
        )  # without NaN
        if (
            abs(better - rank) > 2
        ):  # nowhere near the percentile, which need not be computed
            return bool(better > rank)
        percent = 100 - own._percentile if self._spec.maximize else own._percentile
        limit = np.nanpercentile(values, percent)
        return bool(best < limit if self._spec.maximize else best > limit)

    def _is_not_promoted(self) -> bool:
        """``SuccessiveHalvingPruner``: too many others were better at this rung."""
        own, value, known = self._pruner, self.steps[-1], self._others
        least, step = own._min_resource, self._numbers[len(self.steps) - 1]
        if least is None:
            lengths = known.length[self._whole]
            if not lengths.size:
                return False
            least = max(self._numbers[int(lengths.max()) - 1] // 100, 1)
        factor, rung = own._reduction_factor, len(self.attrs)
        while step >= least * factor ** (own._min_early_stopping_rate + rung):
            if math.isnan(value):
                return True
            self.attrs[f"{RUNG}{rung}"] = value
            others = known.rungs[rung][self._alike]
            others = others[others != MISSING]
            if len(others) < own._bootstrap_count:
                return True
            better = np.count_nonzero(
                others > value if self._spec.maximize else others < value
            )
            if better > max((len(others) + 1) // factor - 1, 0):
                return True
            rung += 1
        return False


PRUNERS: dict[str, Callable[..., BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "successive-halving": optuna.pruners.SuccessiveHalvingPruner,
}
