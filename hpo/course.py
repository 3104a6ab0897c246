"""The course of a search trial: what it reports, and when it ends early.

Pure, like ``suggest``: a worker follows it while it trains, and a benchmark on known outcomes.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from hpo.study.spec import StudySpec
from hpo.study.trials import Past, Suggestion
from hpo.suggest import Judge
from hpo.timeline import Timeline


class EndedError(Exception):
    """The trial is to end early; the text says why."""


class Course:
    """One trial on its way; tell it of every epoch and network in order, those of before too."""

    def __init__(
        self, spec: StudySpec, number: int, trials: Sequence[Past], own: Suggestion
    ) -> None:
        """See ``suggest.suggest`` for the arguments; ``own`` is the trial's own suggestion."""
        self._timeline = Timeline(spec)
        self._judge = Judge(spec, number, trials, own)

    def epoch(self, member: int, score: float | None) -> None:
        """A network was trained for another epoch.

        Raises:
            EndedError: the pruner has seen enough.
        """
        self._report(self._timeline.epoch(member, score))

    def networks(self, scores: Sequence[float]) -> None:
        """Networks of these scores are trained, another one than before.

        Raises:
            EndedError: the pruner has seen enough, or the trial has left the race.
        """
        self._report(self._timeline.member(scores))
        why = self._judge.why_out(scores)
        if why is not None:
            raise EndedError(f"left the race {why}")

    def _report(self, value: float | None) -> None:
        if value is None or not self._judge.report(value):
            return
        if len(self.steps) < self._timeline.length:  # else nothing is left to save
            raise EndedError(f"pruned at step {len(self.steps)} by the judge")

    def early_score(self, scores: Sequence[float]) -> float:
        """The score of a trial that has ended early after networks of these scores."""
        return statistics.fmean(scores) if self._timeline.by_member else self.steps[-1]

    @property
    def steps(self) -> Sequence[float]:
        """What was reported."""
        return self._judge.steps

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The pruner's memory of the trial, to be stored with it."""
        return self._judge.attrs
