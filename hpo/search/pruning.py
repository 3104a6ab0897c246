"""The reports of a trial in training, and the pruners.

The pruners decide as Optuna's do and take the same options. They differ in three
things. They read new trials alone: Optuna's read the whole study at every step.
``bootstrap_count`` ends no trial at the end of a network. And the first trial runs to
its end, so that a search has a complete one; where the pruner would have ended it, it
leaves the comparison, so that the others are judged as without this rule.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpo.contract import Protocol
from hpo.search import comparison
from hpo.search.history import visible
from hpo.search.memory import MISSING
from hpo.search.pruners import complete_options
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import RUNG, Past, Step, Suggestion

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
        self.steps: list[Step] = []
        """What the trial has reported."""
        self._numbers: list[int] = []
        """Optuna's numbers of the steps."""
        self.attrs: dict[str, float] = {}
        """The pruner's memory of the trial, to be stored with it."""
        self._prunes = spec.pruner.prunes
        self._has_left = False
        if not self._prunes:
            return
        self._options = complete_options(spec.pruner)
        self._others = comparison.Numbers(spec, visible(spec, number, trials))
        scored = self._others.complete | self._others.pruned
        # trial 0; after nothing but failures, the first of a later window
        self._is_first = number % spec.budget.window == 0 and not scored.any()
        # Compare with trials that cost no more: else a cheap network ends for being
        # worse than an expensive one. Costs are those before training, so that pruned
        # trials count, too.
        most = np.array(comparison.known_costs(spec, own.params))[:, None]
        self._alike = (self._others.costs <= most).all(axis=0)
        self._whole = np.flatnonzero(self._others.complete & self._alike)
        halving = spec.pruner.name == "successive-halving"
        self._decide = self._is_not_promoted if halving else self._is_below_percentile

    def report_epoch(self, member: int, epoch: int, score: float | None) -> None:
        """Report that a network was trained for another epoch.

        Raises:
            EndedError: the pruner ends the trial.
        """
        if member == 0 and score is not None:
            step = Step(0, epoch, score)
            self._judge(step, whole=effort.ends_network(self._spec, step))

    def report_networks(self, scores: Sequence[float], epochs: int) -> None:
        """Report the scores of all networks trained so far, one more than before.

        Args:
            scores: one for each network.
            epochs: those that the last network has trained.

        Raises:
            EndedError: the pruner ends the trial.
        """
        if self._spec.protocol == Protocol.CONFIRM:
            return
        step = Step(len(scores) - 1, epochs, statistics.fmean(scores))
        if self.steps and self.steps[-1].place == step.place:
            # on the solved equation; its curve was at the step of training
            self.steps[-1] = step
        else:
            self._judge(step, whole=True)

    def _judge(self, step: Step, *, whole: bool) -> None:
        """Report a step; ``whole``: its network was trained to its end.

        Raises:
            EndedError: the pruner ends the trial; never after its last network.
        """
        if not self.report(step):
            return
        if self._is_first:
            self._has_left = True
            return
        spec = self._spec
        trained = effort.epochs_text(spec, step)
        if whole:
            n_networks = step.network + 1
            if n_networks == spec.budget.seeds:
                return  # nothing is left to save
            trained = effort.networks_text(spec, n_networks)
        raise EndedError(f"pruned after {trained} by the pruner {spec.pruner.name}")

    def report(self, step: Step) -> bool:
        """Report the next step; return whether to prune the trial."""
        self.steps.append(step)
        if not self._prunes or self._has_left:
            return False
        self._numbers.append(effort.last_step_number(self.steps))
        return self._decide()

    def _is_below_percentile(self) -> bool:
        """``PercentilePruner``: the best value so far is worse than others at this
        step."""
        own = self._options
        before, number = [-1, *self._numbers][-2:]
        values = self._others.at(self.steps[-1].place)[self._whole]
        warmup = own["n_warmup_steps"]
        if len(values) < max(1, own["n_startup_trials"]) or number < warmup:
            return False
        if before >= number - (number - warmup) % own["interval_steps"]:
            return False
        values = values[values != MISSING]
        if len(values) < own["n_min_trials"]:
            return False
        scores = [step.score for step in self.steps]
        best = max(scores) if self._spec.maximize else min(scores)
        n_better = self._count_better(values, best)
        percentile = own.get("percentile", 50.0)  # the median has no such option
        rank = percentile / 100 * (len(values) - 1)
        if abs(n_better - rank) > 2:  # the percentile need not be computed
            return bool(n_better > rank)
        if self._spec.maximize:
            return bool(best < np.percentile(values, 100 - percentile))
        return bool(best > np.percentile(values, percentile))

    def _is_not_promoted(self) -> bool:
        """``SuccessiveHalvingPruner``: too many others were better at this rung."""
        own = self._options
        value = self.steps[-1].score
        least = own["min_resource"]
        if least == "auto":
            numbers = self._others.number[self._whole]
            numbers = numbers[numbers != MISSING]
            if not numbers.size:
                return False
            least = max(int(numbers.max()) // 100, 1)
        factor = own["reduction_factor"]
        rung = len(self.attrs)
        needed = own["bootstrap_count"]
        if effort.ends_network(self._spec, self.steps[-1]):
            needed = 0
        while self._numbers[-1] >= least * factor ** (
            own["min_early_stopping_rate"] + rung
        ):
            self.attrs[f"{RUNG}{rung}"] = value
            others = self._others.at_rung(rung)[self._alike]
            others = others[others != MISSING]
            if len(others) < needed:
                return True
            n_promoted = max((len(others) + 1) // factor - 1, 0)
            if self._count_better(others, value) > n_promoted:
                return True
            rung += 1
        return False

    def _count_better(self, others: Array, value: float) -> int:
        better = others > value if self._spec.maximize else others < value
        return int(np.count_nonzero(better))
