"""Which values a trial reports while it runs, for pruners and racing to compare."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.study.spec import StudySpec
from objectives.contract import Protocol


class Timeline:
    """Which values a trial reports, and at which steps.

    Pruners that compare learning curves see steps 1 .. epochs from the first member's curve, then
    one step for every further member: the mean score so far. The Wilcoxon pruner compares member
    by member (the same seeds in all trials): step m is the score of member m - 1. Under
    ``Protocol.CONFIRM`` nothing is scored on the way, and nothing reported.
    """

    def __init__(self, spec: StudySpec) -> None:
        """Take what matters from the spec."""
        self.by_member = spec.pruner.name == "wilcoxon"
        members, epochs = spec.budget.members, spec.budget.epochs
        self.silent = spec.protocol == Protocol.CONFIRM
        self.length = members if self.by_member else epochs + members - 1
        """How many steps an unpruned trial reports."""

    def epoch(self, member: int, score: float | None) -> float | None:
        """The value to report after an epoch of a member, if this is a step."""
        return None if self.by_member or member > 0 else score

    def member(self, scores: Sequence[float]) -> float | None:
        """The value to report when the last of ``scores`` is finished, if this is a step."""
        if self.silent:
            return None
        if self.by_member:
            return scores[-1]
        return sum(scores) / len(scores) if len(scores) > 1 else None
