"""Comparison of scores: on a scale, and of pruned curves.

Accuracies are compared by logits, errors by logarithms, others as they are. Everything
here is a pure function of what the window lets a trial see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    is_error = spec.objective_impl.metric in ERRORS and not spec.maximize
    return LOG if is_error else LINEAR


class Numbers:
    """Settled trials as arrays, a column each; ``MISSING`` marks absent values."""

    def __init__(self, spec: StudySpec, seen: Sequence[Past]) -> None:
        """Take the trials that a trial may see; earlier columns are cached."""
        steps = effort.step_numbers(spec)
        names = [f"{RUNG}{k}" for k in range(steps[-1].bit_length() + 1)]
        ends = np.cumsum([3, len(spec.costs), len(names), len(steps)])

        def column(past: Past) -> Sequence[float]:
            known, ended = past.suggestion, _ENDED.get(past.state, MISSING)
            score = MISSING if past.score is None else past.score
            counts = ended != MISSING and spec.pruner.name != "none"
            costs = known_costs(spec, known.params if counts else None)
            noted = [known.attrs.get(name, MISSING) for name in names]
            return (ended, score, len(past.steps), *costs, *noted, *past.steps)

        values = columns(spec.hash, int(ends[-1])).of(seen, column)
        (state, self.score, lengths), self.costs, self.rungs, self.steps = np.split(
            values, ends[:-1]
        )
        self.length: Array = lengths
        self.complete: NDArray[np.bool_] = state == 0.0
        self.pruned: NDArray[np.bool_] = state == 1.0


_ENDED = {SlotState.COMPLETE: 0.0, SlotState.PRUNED: 1.0}


def known_costs(spec: StudySpec, params: Mapping[str, Any] | None) -> list[float]:
    """Return the costs of ``[cost]`` before training; without parameters, minus
    infinity."""
    if not spec.costs or params is None:
        return [-math.inf] * len(spec.costs)
    known = constraints.costs(spec, params)
    return [known.get(name, math.inf) for name in spec.costs]


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
    scale, sign = surrogate_scale(spec), 1.0 if spec.maximize else -1.0
    own = [
        past.state == SlotState.COMPLETE for past in known.seen[: len(known.complete)]
    ]
    complete = np.flatnonzero(
        known.complete & (known.changed | np.array(own, dtype=np.bool_))
    )
    if (
        not scale.bounded
        and spec.sampler.name in ("kriging-believer", "gp")
        and complete.size
    ):
        y = sign * scale.forward(known.scores[complete])
        within = without_outliers(
            y, below=spec.sampler.name == "gp"
        )  # the other clips itself
        for k in np.flatnonzero(within != y):
            known.scores[complete[k]] = scale.inverse(sign * within[k : k + 1])[0]
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
    extrapolates = spec.pruner.name != "none" and (
        spec.sampler.name in _BLIND or bool(spec.costs)
    )
    known = Numbers(spec, seen)
    scores, distance = known.score.copy(), np.full(len(known.score), math.nan)
    cut = known.pruned & extrapolates
    ends = np.flatnonzero(known.complete & (known.length > 0))
    furthest, last, score = spec.budget.scores, spec.budget.scores - 1, scores
    longest = int(known.length[cut].max(initial=0))
    if not ends.size and 0 < longest < furthest:
        furthest = last = longest
        ends, score = (
            np.flatnonzero(cut & (known.length == last)),
            known.steps[last - 1],
        )
    lengths = known.length[cut & (known.length <= last)] if ends.size else ()
    for step in map(int, {*lengths} - {0}):
        those, before = cut & (known.length == step), known.steps[step - 1]
        gain = float(np.median(_gains(spec, score[ends], before[ends])))
        scores[those] = _after(spec, before[those], gain)
        distance[those] = math.log(
            spec.budget.epochs_at(furthest) / spec.budget.epochs_at(step)
        )
    changed = ~np.isnan(distance)
    # with costs, any pruned trial is complete: see ``history.frozen``
    complete = (known.complete | known.pruned & bool(spec.costs)) & (
        scores != MISSING
    ) | changed
    return Observations(seen, scores, complete, changed, np.nan_to_num(distance))
