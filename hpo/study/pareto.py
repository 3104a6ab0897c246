"""Several objectives: which trials no other beats in score and costs, which of them are
confirmed.

The one place of these rules, for snapshots, claims and overviews. Pure functions of
numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import le
from typing import Protocol, TypeVar

from hpo.study.networks import Confirmation
from hpo.study.spec import StudySpec


class _Scored(Protocol):
    """A complete trial: a slot, or a row of the database."""

    @property
    def number(self) -> int: ...
    @property
    def score(self) -> float | None: ...
    @property
    def costs(self) -> tuple[float, ...]: ...


S = TypeVar("S", bound=_Scored)


def front(spec: StudySpec, trials: Iterable[S]) -> list[S]:
    """Return the Pareto front, cheapest first: trials that no other beats in score and
    every cost.

    The trials are complete, each with a score and the costs of ``[cost]``, of which the
    first decides what is cheaper, and the next among equals. Of equal trials the
    earlier one counts.
    """
    front: list[S] = []
    edge: list[tuple[float, ...]] = []
    # in this order no trial is beaten by a later one, and none is cheaper in its first
    # cost than those before it: ``edge`` is the best of these in all that is left to
    # compare
    for trial in sorted(trials, key=lambda t: (t.costs, -_good(spec, t), t.number)):
        own = (*trial.costs[1:], -_good(spec, trial))
        if not any(_beats(other, own) for other in edge):
            front.append(trial)
            edge = [own, *(other for other in edge if not _beats(own, other))]
    return front


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether ``one`` is nowhere larger."""
    return all(map(le, one, other))


def order(spec: StudySpec, trials: Iterable[S]) -> list[S]:
    """Return the front in the order of confirmation; the first ``confirm.top`` are
    confirmed.

    The aim is the least cost that holds the reported score. Trials that reached it in
    the search come first, from the cheapest on, of several costs by each of them in
    turn; the most accurate one is the last that is confirmed. Trials that did not reach
    it follow, the most accurate first. Without a reported score, all are in this order.
    """
    cheap_first = front(spec, trials)
    best_first = sorted(cheap_first, key=lambda t: -_good(spec, t))
    missed = [t for t in best_first if not holds(spec, t.score or 0.0)]
    reached = _in_turn(
        [t for t in cheap_first if holds(spec, t.score or 0.0)], len(spec.costs)
    )
    top = spec.confirm.top if spec.confirm else 1
    if top > 1 and best_first and best_first[0] in reached[top:]:
        reached.remove(best_first[0])
        reached.insert(top - 1, best_first[0])
    return [*reached, *missed]


def _in_turn(trials: Sequence[S], n_costs: int) -> list[S]:
    """Return the cheapest trial by each cost in turn, then the next by each."""
    by_cost = [sorted(trials, key=lambda t: t.costs[k]) for k in range(n_costs)]
    turns = (trial for turn in zip(*by_cost, strict=True) for trial in turn)
    return list({trial.number: trial for trial in turns}.values())


def headline(spec: StudySpec, tested: Sequence[Confirmation]) -> Confirmation | None:
    """Return the confirmed result of the headline: the cheapest that holds the reported
    score.

    Its mean over the fresh seeds must reach it. Of several costs the first decides, and
    the next among equals. If none does, or none is reported: the one with the best
    mean. Of equals, the earlier trial.
    """
    holding = [item for item in tested if holds(spec, item.mean)]
    if holding:
        return min(holding, key=lambda item: (item.costs, item.source))

    def place(item: Confirmation) -> tuple[float, int]:
        return -spec.sign * item.mean, item.source

    return min(tested, key=place, default=None)


def holds(spec: StudySpec, score: float) -> bool:
    """Return whether a score reaches the reported one; False where none is reported."""
    return spec.reported is not None and spec.reaches(score, spec.reported.score)


def _good(spec: StudySpec, trial: _Scored) -> float:
    """Return the score with a sign that makes more better."""
    assert trial.score is not None, "a trial on the front is complete"
    return spec.sign * trial.score
