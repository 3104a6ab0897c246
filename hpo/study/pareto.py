"""Two objectives: which trials no other beats in score and cost, and which of them are confirmed.

The one place of these rules: snapshots, claims and overviews ask here. Pure functions of numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from hpo.study.spec import StudySpec


class _Scored(Protocol):
    """A complete trial: a slot, or a row of the database."""

    @property
    def number(self) -> int: ...
    @property
    def score(self) -> float | None: ...
    @property
    def cost(self) -> float | None: ...


class _Tested(Protocol):
    """A trial that was trained again from fresh seeds, with its means over those."""

    @property
    def source(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def cost(self) -> float | None: ...


S = TypeVar("S", bound=_Scored)
T = TypeVar("T", bound=_Tested)


def front(spec: StudySpec, trials: Iterable[S]) -> list[S]:
    """The Pareto front, cheapest first: every next trial costs more and scores better.

    The trials are complete, each with a score and a cost; of equals the earlier one counts.
    """
    found: list[S] = []
    for trial in sorted(trials, key=lambda t: (_cost(t), -_good(spec, t), t.number)):
        if not found or _good(spec, trial) > _good(spec, found[-1]):
            found.append(trial)
    return found


def order(spec: StudySpec, trials: Iterable[S]) -> list[S]:
    """The front in the order in which it is confirmed: the first ``confirm.top`` of it are.

    The aim is the least cost that holds the reported score. So those come first that reached it in
    the search, from the cheapest on; the most accurate one is the last that is confirmed. What did
    not reach it follows, the most accurate first; without a reported score, that is all.
    """
    best_first = front(spec, trials)[::-1]
    reached = [t for t in best_first if _reaches(spec, _good(spec, t))]
    missed = best_first[len(reached) :]
    top = spec.confirm.top if spec.confirm else 1
    if len(reached) > top > 1:
        most, *others = reached
        cheap = others[::-1]
        return [*cheap[: top - 1], most, *cheap[top - 1 :], *missed]
    return [*reached[::-1], *missed]


def headline(spec: StudySpec, tested: Sequence[T]) -> T | None:
    """The confirmed result that a study is named by: the cheapest that holds the reported score.

    Its mean over the fresh seeds must reach it. If none does, or none is reported: the one with the
    best mean. Of equals, the earlier trial.
    """
    sign = 1.0 if spec.maximize else -1.0
    holding = [item for item in tested if _reaches(spec, sign * item.mean)]
    if holding:
        return min(holding, key=lambda item: (_cost(item), item.source))
    return min(tested, key=lambda item: (-sign * item.mean, item.source), default=None)


def holds(spec: StudySpec, mean: float) -> bool:
    """Whether a mean score reaches the reported one; False where none is reported."""
    return _reaches(spec, mean if spec.maximize else -mean)


def _reaches(spec: StudySpec, good: float) -> bool:
    if spec.reported is None:
        return False
    return good >= (spec.reported.score if spec.maximize else -spec.reported.score)


def _good(spec: StudySpec, trial: _Scored) -> float:
    """The score, more of which is better."""
    if trial.score is None:
        raise ValueError(f"trial {trial.number} has no score: it must be complete")
    return trial.score if spec.maximize else -trial.score


def _cost(item: _Scored | _Tested) -> float:
    if item.cost is None:
        raise ValueError("a trial on the front must have a cost")
    return item.cost
