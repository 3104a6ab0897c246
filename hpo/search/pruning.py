"""What a trial reports while it trains, and when a pruner ends it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import le
from typing import Any

import optuna
from optuna.pruners import BasePruner

from hpo.search import comparison, constraints
from hpo.search.history import frozen, learns, quiet, view, visible
from hpo.search.space import distributions
from hpo.study import effort
from hpo.study.effort import Ending
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion, sampler_attrs
from objectives.contract import Protocol


class EndedError(Exception):
    """The trial is to end early; the text says why."""


class TrialProgress:
    """One trial on its way; tell it of every epoch and network in order, those of before too.

    Pruners that compare learning curves see the scores of the first network in training, whose last
    value is then its score, and one step for every further network: the mean score so far. The
    Wilcoxon pruner compares network by network (the same seeds in all trials): step m is the score
    of network m - 1. Under ``Protocol.CONFIRM`` nothing is scored on the way, and nothing reported.

    The pruner compares steps, beside a cost with those of trials that cost no more; in a race,
    those of the first network's curve alone, and ``why_out`` decides after every network. A
    resumed trial is judged alike: its stored steps are fed again before the new ones.
    """

    def __init__(
        self, spec: StudySpec, number: int, trials: Sequence[Past], own: Suggestion
    ) -> None:
        """See ``suggest.suggest`` for the arguments; ``own`` is the trial's own suggestion."""
        self._spec, self._number, self._pruner = spec, number, pruner(spec)
        self._by_network = spec.pruner.name == "wilcoxon"
        self._seen = visible(spec, number, trials) if learns(spec) else []
        self.steps: list[float] = []
        """What was reported."""
        self._prunes = not isinstance(self._pruner, optuna.pruners.NopPruner)
        if not self._prunes:
            return
        with quiet():
            spec, seen = _comparable(spec, comparison.levelled(spec, self._seen), own)
            self._study = view(spec, seen, optuna.samplers.RandomSampler(seed=0))
            template = frozen(spec, distributions(spec), number, Past(suggestion=own))
            self._trial_id = self._study._storage.create_new_trial(
                self._study._study_id, template_trial=template
            )

    def epoch(self, member: int, score: float | None) -> None:
        """A network was trained for another epoch.

        Raises:
            EndedError: the pruner has seen enough.
        """
        if member == 0 and score is not None and not self._by_network:
            self._judge(score)

    def networks(self, scores: Sequence[float]) -> None:
        """Networks of these scores are trained, another one than before.

        Raises:
            EndedError: the pruner has seen enough, or the trial has left the race.
        """
        mean = statistics.fmean(scores)
        if self.steps and len(scores) == 1 and not self._by_network:
            self.steps[-1] = mean  # on the solved equation; its curve was at the step of training
        if self._spec.protocol != Protocol.CONFIRM and (self._by_network or len(scores) > 1):
            self._judge(scores[-1] if self._by_network else mean)
        why = comparison.why_out(self._spec, self._number, self._seen, mean, len(scores))
        if why is not None:
            raise EndedError(f"{Ending.NETWORKS} {why}")

    def _judge(self, value: float) -> None:
        if not self.report(value):
            return
        spec, whole = self._spec, len(self.steps)
        whole -= 0 if self._by_network else spec.budget.scores - 1
        ended = f"{Ending.CURVE} after {effort.epochs_text(spec, len(self.steps))}"
        if whole > 0:
            ended = f"{Ending.NETWORKS} after {effort.networks_text(spec, whole)}"
        if whole < spec.budget.members:  # else nothing is left to save
            raise EndedError(f"{ended}: the pruner {spec.pruner.name} ended it")

    def report(self, value: float) -> bool:
        """Report the next step's value; True when the trial is to be pruned."""
        self.steps.append(value)
        if not self._prunes or (self._spec.racing and len(self.steps) >= self._spec.budget.scores):
            return False
        storage, step = self._study._storage, effort.step_number(self._spec, len(self.steps))
        with quiet():
            storage.set_trial_intermediate_value(self._trial_id, step, value)
            return bool(self._pruner.prune(self._study, storage.get_trial(self._trial_id)))

    def early_score(self, scores: Sequence[float]) -> float:
        """The score of a trial that has ended early after networks of these scores."""
        return statistics.fmean(scores) if self._by_network else self.steps[-1]

    @property
    def attrs(self) -> dict[str, Any]:
        """The pruner's memory of the trial, to be stored with it."""
        if not self._prunes:
            return {}
        return dict(self._study._storage.get_trial(self._trial_id).system_attrs)


def _comparable(
    spec: StudySpec, seen: Sequence[Past], own: Suggestion
) -> tuple[StudySpec, Sequence[Past]]:
    """What a pruner compares a trial with: beside costs, with trials that cost no more, in each.

    A cheap network would else end for being worse than a dear one. Costs are those known before
    training, so that a trial that was pruned itself is compared with, too. Dearer trials stand as
    excluded ones do, which pruners pass over; the scores of the others are alone.
    """
    if not spec.costs:
        return spec, seen

    def costs(params: Mapping[str, Any]) -> list[float]:
        known = constraints.costs(spec, params)
        return [known.get(name, math.inf) for name in spec.costs]

    most = costs(own.params)
    compared = []
    for past in seen:
        if past.state in (SlotState.COMPLETE, SlotState.PRUNED):
            params = past.suggestion.params
            if all(map(le, costs(params), most)):
                past = replace(past, costs=())
            else:
                attrs = sampler_attrs(past.suggestion.attrs)
                past = Past(
                    suggestion=Suggestion(params=params, attrs=attrs), state=SlotState.EXCLUDED
                )
        compared.append(past)
    return spec.model_copy(update={"cost": None}), compared


PRUNERS: dict[str, type[BasePruner]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "wilcoxon": optuna.pruners.WilcoxonPruner,
    "successive-halving": optuna.pruners.SuccessiveHalvingPruner,
}


def pruner(spec: StudySpec) -> BasePruner:
    """Optuna's pruner of the spec."""
    build: Callable[..., BasePruner] = PRUNERS[spec.pruner.name]
    with quiet():
        return build(**spec.pruner.options)
