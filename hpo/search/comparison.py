"""Comparison of scores: on a scale, and of pruned curves.

Accuracies are compared by logits, errors by logarithms, others as they are. Everything
here is a pure function of what the window lets a trial see.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.search import constraints
from hpo.search.memory import MISSING, columns
from hpo.statistics.scales import ERRORS, LINEAR, LOG, LOGIT, Scale, without_outliers
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import RUNG, Past, SlotState

Array = NDArray[np.float64]


def surrogate_scale(spec: StudySpec) -> Scale:
    """Return the scale of the surrogate, on which good and bad networks scatter about
    alike."""
    return LOGIT if spec.is_accuracy else gain_scale(spec)


def gain_scale(spec: StudySpec) -> Scale:
    """Return the scale on which longer training adds a gain: errors shrink by a
    factor."""
    is_error = spec.about.metric in ERRORS and not spec.maximize
    return LOG if is_error else LINEAR


class Numbers:
    """Finished trials as arrays (trials,); ``MISSING`` marks absent values."""

    def __init__(self, spec: StudySpec, seen: Sequence[Past]) -> None:
        """Take the trials that a trial may see; earlier columns are cached."""
        self._rows = columns(spec.hash).of(seen, partial(_column, spec))
        state = self._rows["state"]
        self.complete: NDArray[np.bool_] = state == _ENDED[SlotState.COMPLETE]
        self.pruned: NDArray[np.bool_] = state == _ENDED[SlotState.PRUNED]
        self.score = self._rows["score"]
        self.network = self._rows["network"]
        """Network of the last step."""
        self.epoch = self._rows["epoch"]
        """Epoch of the last step."""
        self.number = self._rows["number"]
        """Optuna's number of the last step."""
        self.has_steps: NDArray[np.bool_] = self.network != MISSING
        costs = [self._rows["cost", name] for name in spec.costs]
        self.costs = np.array(costs).reshape(len(costs), len(state))
        """(costs, trials)"""

    def at(self, place: tuple[int, int]) -> Array:
        """Return the values that trials reported at a ``Step.place``."""
        return self._rows[place]

    def at_rung(self, rung: int) -> Array:
        """Return the values that successive halving noted at a rung."""
        return self._rows[f"{RUNG}{rung}"]


def _column(spec: StudySpec, past: Past) -> dict[Hashable, float]:
    """Return the numbers of a trial, by name or place."""
    column: dict[Hashable, float] = {}
    if past.state in _ENDED:
        column["state"] = _ENDED[past.state]
    if past.score is not None:
        column["score"] = past.score
    params = None
    if past.state in _ENDED and spec.pruner.prunes:
        params = past.suggestion.params
    for name, cost in zip(spec.costs, known_costs(spec, params), strict=True):
        column["cost", name] = cost
    for key, value in past.suggestion.attrs.items():
        if key.startswith(RUNG):
            column[key] = value
    if past.steps:
        last = past.steps[-1]
        column["network"] = last.network
        column["epoch"] = last.epoch
        column["number"] = effort.last_step_number(past.steps)
        column |= {step.place: step.score for step in past.steps}
    return column


_ENDED = {SlotState.COMPLETE: 0.0, SlotState.PRUNED: 1.0}


def known_costs(spec: StudySpec, params: Mapping[str, Any] | None) -> list[float]:
    """Return the costs of ``[cost]`` before training; without parameters, minus
    infinity."""
    if params is None:
        return [-math.inf] * len(spec.costs)
    return constraints.cost_values(spec, params, refused=math.inf)


def _gains(spec: StudySpec, ends: Array, before: Array) -> Array:
    """Return the gains on ``gain_scale``."""
    last, first = gain_scale(spec).forward(np.array([ends, before]))
    return np.asarray(last - first)


def _after(spec: StudySpec, before: Array, gain: float) -> Array:
    """Return the scores before, plus the gain."""
    scale = gain_scale(spec)
    return scale.inverse(scale.forward(before) + gain)


@dataclass(frozen=True)
class Observations:
    """Past trials, with scores that a sampler may compare; arrays omit the last running
    ones."""

    seen: Sequence[Past]
    scores: Array
    complete: NDArray[np.bool_]
    """Whether each counts as a complete trial."""
    changed: NDArray[np.bool_]
    """Whether its score, or what it counts as, is not that of ``seen``."""
    vague: Array
    """log(epochs of the longest curves / epochs trained) of an extrapolated score, its
    distance from their end; 0 of a measured one."""


def clip_outliers(spec: StudySpec, known: Observations) -> Observations:
    """Clip the outlying scores of complete trials in place; see
    ``without_outliers``."""
    scale = surrogate_scale(spec)
    if scale.bounded or spec.sampler.name not in ("kriging-believer", "gp"):
        return known
    seen = known.seen[: len(known.complete)]
    own = np.array([past.state == SlotState.COMPLETE for past in seen], dtype=np.bool_)
    complete = np.flatnonzero(known.complete & (known.changed | own))
    if not complete.size:
        return known
    y = spec.sign * scale.forward(known.scores[complete])
    # below, the other one clips scores itself
    within = without_outliers(y, below=spec.sampler.name == "gp")
    for k in np.flatnonzero(within != y):
        known.scores[complete[k]] = scale.inverse(spec.sign * within[k : k + 1])[0]
        known.changed[complete[k]] = True
    return known


_BLIND = ("kriging-believer", "gp", "cmaes")
"""Samplers that learn from complete trials alone."""


def extrapolate(spec: StudySpec, seen: Sequence[Past]) -> Observations:
    """Return the trials with scores that a sampler may compare, however early they
    ended.

    Samplers such as ``gp`` and ``cmaes`` ignore a trial that was pruned within its
    first network, and would return to its place; with a cost, all do. For these it
    enters as complete: its last value plus the median later gain (of errors a factor)
    of the complete trials or, as long as there is none, of those that went the
    furthest.
    """
    known = Numbers(spec, seen)
    scores = known.score.copy()
    distance = np.full(len(scores), math.nan)
    cut = known.pruned & known.has_steps & _is_blind(spec)
    ends = known.complete & known.has_steps
    final = scores
    if ends.any():
        furthest = known.epoch[ends].max()
        cut &= known.epoch < furthest
    elif cut.any():
        furthest = known.epoch[cut].max()
        ends = cut & (known.epoch == furthest)
        final = known.at((0, int(furthest)))
        cut &= furthest < spec.planned_epochs
    cut &= (known.network == 0) & (known.epoch > 0)
    for epoch in np.unique(known.epoch[cut]):
        those = cut & (known.epoch == epoch)
        before = known.at((0, int(epoch)))
        both = ends & (before != MISSING)
        gains = _gains(spec, final[both], before[both])
        gain = float(np.median(gains)) if gains.size else 0.0
        scores[those] = _after(spec, before[those], gain)
        distance[those] = math.log(furthest / epoch)
    changed = ~np.isnan(distance)
    complete = known.complete | changed
    if spec.costs:  # any pruned trial is complete: see ``history.frozen``
        complete |= known.pruned
    complete &= scores != MISSING
    return Observations(seen, scores, complete, changed, np.nan_to_num(distance))


def _is_blind(spec: StudySpec) -> bool:
    """Return whether the sampler would ignore trials that the pruner ended."""
    return spec.pruner.prunes and (spec.sampler.name in _BLIND or bool(spec.costs))
