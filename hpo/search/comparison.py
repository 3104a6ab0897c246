"""How scores are compared: on a scale, after as many networks, and of curves that were cut short.

Accuracies are compared by logits, errors by logarithms, others as they are.

Racing over seeds: most trials train one network, and only those that may win train them all. A
trial is compared with earlier ones after so many networks (its *rungs*), as in asynchronous
successive halving (Li et al., arXiv:1810.05934). That would let one trial in ``reduction_factor``
go on; but a sampler learns, its trials get better, and to be among the best share of all earlier
ones is not enough to win: so no more than the ``keep`` best go on, however long the search.

All trials train their networks from the same seeds in the same order, so means over the same number
of them are means over the same seeds. Everything here is a pure function of what the window lets a
trial see.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hpo.search import constraints
from hpo.search.memory import MISSING, columns, kept
from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import RUNG, Past, SlotState

Array = NDArray[np.float64]

ERRORS = frozenset({"nrmse", "rmse", "mse", "mae", "smape"})
"""Metrics that are never negative and span decades."""
_EDGE = 0.002
"""Added to an accuracy and to its complement: half an image of 250, so that logits are finite."""
_ZERO = 0.1
"""An error of 0 counts as this part of the least of the others."""


@dataclass(frozen=True)
class Scale:
    """A monotonous map of scores (any shape), and its inverse."""

    forward: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    bounded: bool = False
    """Whether no score lies far out, as no accuracy does."""


def logits(shares: Array) -> Array:
    """Logits of accuracies, of any shape; those beyond 0 or 1 count as 0 or 1."""
    within = np.clip(shares, 0.0, 1.0)
    found: Array = np.log((within + _EDGE) / (1.0 - within + _EDGE))
    return found


def shares(own: Array) -> Array:
    """Accuracies of logits, of any shape; the inverse of ``logits``."""
    found: Array = np.clip(expit(own) * (1.0 + 2.0 * _EDGE) - _EDGE, 0.0, 1.0)
    return found


def logarithms(errors: Array) -> Array:
    """Logarithms of errors, of any shape."""
    others, tiny = errors[errors > 0.0], float(np.finfo(np.float64).tiny)
    least = max(_ZERO * float(others.min()), tiny) if others.size else tiny
    found: Array = np.log(np.where(errors > 0.0, errors, least))
    return found


LINEAR = Scale(np.positive, np.positive)
LOGIT = Scale(logits, shares, bounded=True)
LOG = Scale(logarithms, np.exp)


def modelled(spec: StudySpec) -> Scale:
    """Where good scores differ as visibly as bad ones, and networks scatter about alike."""
    return LOGIT if spec.is_accuracy else gained(spec)


def gained(spec: StudySpec) -> Scale:
    """Where what a network gains by longer training is added: errors shrink by a factor."""
    is_error = spec.objective_impl.metric in ERRORS and not spec.maximize
    return LOG if is_error else LINEAR


class Numbers:
    """Settled trials as arrays, with a place for each; ``MISSING`` stands for what one lacks."""

    def __init__(self, spec: StudySpec, seen: Sequence[Past], what: str = "seen") -> None:
        """Take what a trial may see; those that were seen before are not looked at again.

        ``what`` distinguishes histories of a study that are asked for in turn.
        """
        names, n = [f"{RUNG}{k}" for k in range(spec.budget.epochs.bit_length() + 1)], 3
        ends = np.cumsum([n, len(spec.costs), len(names), len(effort.step_numbers(spec))])

        def column(past: Past) -> Sequence[float]:
            known, ended = past.suggestion, _ENDED.get(past.state, MISSING)
            score = MISSING if past.score is None else past.score
            costs = known_costs(spec, known.params if ended != MISSING else None)
            noted = [known.attrs.get(name, MISSING) for name in names]
            return (ended, score, len(past.steps), *costs, *noted, *past.steps)

        values = columns(spec.hash, what, int(ends[-1])).of(seen, column)
        (state, self.score, lengths), self.costs, self.rungs, self.steps = np.split(
            values, ends[:-1]
        )
        self.length: Array = lengths
        self.complete: NDArray[np.bool_] = state == 0.0
        self.ended: NDArray[np.bool_] = state != MISSING
        """Whether one is complete or was pruned."""
        rungs = spec.racing.rungs if spec.racing else ()
        self.networks: Array = lengths - (spec.budget.scores - 1)
        """Of a race; one that was pruned within its first network has none."""
        self.whole: NDArray[np.bool_] = self.complete | self.ended & np.isin(self.networks, rungs)
        """Whether one is complete, or has left the race."""

    def means(self, spec: StudySpec, members: int) -> Array:
        """The mean scores of those that have ended over so many networks."""
        step = spec.budget.scores + members - 2  # see ``pruning.TrialProgress``
        means: Array = np.where(self.ended, self.steps[step], MISSING)
        return means


_ENDED = {SlotState.COMPLETE: 0.0, SlotState.PRUNED: 1.0}


def known_costs(spec: StudySpec, params: Mapping[str, Any] | None) -> list[float]:
    """What ``[cost]`` names, known before training; of nothing, less than any."""
    if not spec.costs or params is None:
        return [-math.inf] * len(spec.costs)
    known = constraints.costs(spec, params)
    return [known.get(name, math.inf) for name in spec.costs]


def why_out(
    spec: StudySpec, number: int, seen: Sequence[Past], mean: float, members: int
) -> str | None:
    """Why a trial ends after ``members`` networks; None if it goes on.

    At the first rung, one of ``reduction_factor`` trials goes on: none before there are so many,
    since the sampler has only begun to learn, but trial 0 does, so that there is an incumbent. Who
    has ended before the rung counts as worse. At later rungs, the ``keep`` best so far go on.
    ``seen`` is what the trial may see of earlier ones, ``mean`` its mean score so far.
    """
    racing = spec.racing
    if racing is None or members not in racing.rungs or number == 0:
        return None
    known = Numbers(spec, seen)
    n_ended, at_rung = int(known.ended.sum()), known.means(spec, members)
    others = at_rung[at_rung != MISSING]
    better = int(np.count_nonzero(others > mean if spec.maximize else others < mean))
    go_on = racing.keep
    if members == racing.rungs[0]:
        go_on = min(go_on, (1 + n_ended) // racing.reduction_factor)
    if better < go_on:
        return None
    trained = f"after {effort.networks_text(spec, members)}"
    if go_on == 0:
        least = racing.reduction_factor - 1
        return f"{trained}: {n_ended} trials had ended, {least} must have before one goes on"
    return f"{trained}: {better} of {len(others)} earlier trials were better, {go_on} may go on"


def levelled(spec: StudySpec, seen: Sequence[Past]) -> list[Past]:
    """The same trials with scores that a sampler may compare, whatever their number of networks.

    A trial that left the race has an honest score, the mean over its first networks, and counts as
    complete. But networks differ in how hard their seeds are (each has its own split of the data):
    the mean difference between all networks and the first ones, over the trials that have both, is
    added to it (of errors a factor: ``gained``).
    """
    if spec.racing is None:
        return list(seen)
    known, ahead = Numbers(spec, seen), dict[int, float]()
    for members in spec.racing.rungs:
        at_rung = known.means(spec, members)
        both = known.complete & (at_rung != MISSING)
        gains = _gains(spec, known.score[both], at_rung[both])
        ahead[members] = statistics.fmean(gains) if gains.size else 0.0

    def told(number: int, past: Past) -> Past:
        if past.state != SlotState.PRUNED or past.score is None or not known.whole[number]:
            return past
        score = _after(spec, past.score, ahead[int(known.networks[number])])
        return replace(past, state=SlotState.COMPLETE, score=score)

    return kept(spec.hash, "levelled").of(seen, told, manner=ahead)


def _gains(spec: StudySpec, ends: Array, before: Array) -> Array:
    """What networks have gained: see ``gained``."""
    last, first = gained(spec).forward(np.array([ends, before]))
    found: Array = last - first
    return found


def _after(spec: StudySpec, before: float, gain: float) -> float:
    """The score that gives, from one before."""
    scale = gained(spec)
    return float(scale.inverse(scale.forward(np.array(before)) + gain))


_BLIND = ("kriging-believer", "gp", "cmaes")
"""Samplers that learn from complete trials alone."""
EXTRAPOLATED = "extrapolated"
"""Attribute of a trial with an extrapolated score: log(epochs of the longest curves / epochs
trained), its distance from their end."""


def extrapolated(spec: StudySpec, seen: Sequence[Past]) -> list[Past]:
    """The same trials, with an end for those that the pruner stopped within their first network.

    Samplers such as ``gp`` and ``cmaes`` pass over pruned trials, and would go back to where these
    were; beside a cost, all do. So such a trial counts as complete, with its last value and what
    others gained from that step on (their median, of errors a factor): the complete ones, or, as
    long as there is none, those that went the furthest. What is ``seen`` is ``levelled`` already.
    """
    blind = spec.sampler.name in _BLIND or bool(spec.costs)
    if not blind or spec.pruner.name in ("none", "wilcoxon"):
        return list(seen)
    known = Numbers(spec, seen, "levelled")
    ends = np.array([known.score, *known.steps])[:, known.complete & (known.length > 0)]
    cut = [past for past in seen if past.state == SlotState.PRUNED and past.steps]
    furthest, last = spec.budget.scores, spec.budget.scores - 1
    longest = max((len(past.steps) for past in cut), default=furthest)
    if not ends.size and longest < furthest:
        furthest = last = longest
        ends = np.array([(p.steps[-1], *p.steps) for p in cut if len(p.steps) == longest]).T
    steps = {len(past.steps) for past in cut} & {*range(1, last + 1)} if ends.size else set()
    gains = {step: float(np.median(_gains(spec, ends[0], ends[step]))) for step in steps}

    def told(_: int, past: Past) -> Past:
        step = len(past.steps)
        if past.state != SlotState.PRUNED or step not in gains:
            return past
        ratio = spec.budget.epochs_at(furthest) / spec.budget.epochs_at(step)
        attrs = {**past.suggestion.attrs, EXTRAPOLATED: math.log(ratio)}
        own = replace(past.suggestion, attrs=attrs)
        score = _after(spec, past.steps[-1], gains[step])
        return replace(past, suggestion=own, state=SlotState.COMPLETE, score=score)

    return kept(spec.hash, "extrapolated").of(seen, told, manner=(furthest, gains))
