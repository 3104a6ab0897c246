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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hpo.study.effort import networks_text
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState

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


_ENDED = (SlotState.COMPLETE, SlotState.PRUNED)


def mean_after(spec: StudySpec, past: Past, members: int) -> float | None:
    """Mean score of an earlier trial over its first ``members`` networks; None if it has fewer."""
    if past.state not in _ENDED:
        return None
    step = spec.budget.scores + members - 2  # see ``pruning.TrialProgress``
    return past.steps[step] if step < len(past.steps) else None


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
    ended = [past for past in seen if past.state in _ENDED]
    means = [mean_after(spec, past, members) for past in ended]
    others = [other for other in means if other is not None]
    sign = 1.0 if spec.maximize else -1.0
    better = sum(sign * other > sign * mean for other in others)
    go_on = racing.keep
    if members == racing.rungs[0]:
        go_on = min(go_on, (1 + len(ended)) // racing.reduction_factor)
    if better < go_on:
        return None
    trained = f"after {networks_text(spec, members)}"
    if go_on == 0:
        least = racing.reduction_factor - 1
        return f"{trained}: {len(ended)} trials had ended, {least} must have before one goes on"
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
    ahead: dict[int, float] = {}
    finished = [past for past in seen if past.state == SlotState.COMPLETE]
    for members in spec.racing.rungs:
        pairs = [(past.score, mean_after(spec, past, members)) for past in finished]
        both = [(full, part) for full, part in pairs if full is not None and part is not None]
        gains = [_gain(spec, full, part) for full, part in both]
        ahead[members] = statistics.fmean(gains) if gains else 0.0
    told = []
    for past in seen:
        members = len(past.steps) - spec.budget.scores + 1
        # one that was pruned within its first network is none of the race's
        if past.state == SlotState.PRUNED and past.score is not None and members in ahead:
            score = _after(spec, past.score, ahead[members])
            past = replace(past, state=SlotState.COMPLETE, score=score)
        told.append(past)
    return told


def _gain(spec: StudySpec, end: float, before: float) -> float:
    """What a network has gained: see ``gained``."""
    last, first = gained(spec).forward(np.array([end, before]))
    return float(last - first)


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
    whole = [past for past in seen if past.state == SlotState.COMPLETE and past.steps]
    cut = [past for past in seen if past.state == SlotState.PRUNED]
    longest = max((len(past.steps) for past in cut), default=0)
    furthest, last = spec.budget.scores, spec.budget.scores - 1
    if not whole and longest < furthest:
        furthest = last = longest
        whole = [replace(p, score=p.steps[-1]) for p in cut if len(p.steps) == longest > 0]
    gains: dict[int, float] = {}
    told = []
    for past in seen:
        step = len(past.steps)
        if past.state == SlotState.PRUNED and whole and 0 < step <= last:
            if step not in gains:
                gains[step] = statistics.median(
                    _gain(spec, p.score or 0.0, p.steps[step - 1]) for p in whole
                )
            ratio = spec.budget.epochs_at(furthest) / spec.budget.epochs_at(step)
            attrs = {**past.suggestion.attrs, EXTRAPOLATED: math.log(ratio)}
            own = replace(past.suggestion, attrs=attrs)
            score = _after(spec, past.steps[-1], gains[step])
            past = replace(past, suggestion=own, state=SlotState.COMPLETE, score=score)
        told.append(past)
    return told
