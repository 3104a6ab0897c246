"""Trained networks: the stored record of each, the claim about several, and its checks.

Checks are of the time step (``Solved``), of the thermal power of the oscillators
(``Thermal``), which is that of an oscillator without a drive over that at which it
saturates, and of simulated chips.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from hpo.contract import Protocol, Solved, Thermal, Tolerances, facts
from hpo.statistics import intervals
from hpo.statistics.intervals import Estimate
from hpo.study.failed_trainings import FailedTrainings, find_failed
from hpo.study.spec import StudySpec
from hpo.study.splits import SplitScores, by_split
from hpo.study.tables import ParamValue


@dataclass(frozen=True, kw_only=True)
class Member:
    """One trained network, as stored."""

    member: int
    """Index within the trial (search) or among the fresh seeds (confirmation), from
    0."""
    seed: int
    score: float
    epochs: int
    """Epochs that its training reported; 0 of an objective that reports none."""
    curve: tuple[float, ...]
    """Scores that its training reported; empty in a confirmation."""
    scored_at: tuple[int, ...]
    """The epoch of each score of ``curve``."""
    loss_curve: tuple[float, ...]
    """Mean training loss of each epoch; read without curves, of the first and
    the last."""
    diverged: bool
    info: Mapping[str, Any]
    seconds: float
    """Wall time of the training on its worker."""

    @property
    def solved(self) -> Solved | None:
        """The check of its time step; None of an objective that makes none."""
        return facts.read_check(Solved, facts.SOLVED, self.info)

    @property
    def claimed(self) -> float:
        """Its score on the solved equation, if known: the one that counts in a
        search."""
        if self.solved is None:
            return self.score
        return self.solved.score

    @property
    def thermal(self) -> Thermal | None:
        """Its scores at other thermal powers; None where it was not scored at them."""
        return facts.read_check(Thermal, facts.THERMAL, self.info)

    @property
    def tolerances(self) -> Tolerances | None:
        """What it asks of hardware; None where it was not measured."""
        return facts.read_tolerances(self.info)

    @property
    def chips(self) -> tuple[float, ...]:
        """Its scores on the chips of ``[variability]``; empty where they were not
        kept."""
        return tuple(self.info.get(facts.CHIP_SCORES, ()))


_POWERS = ("at_device", "third", "triple", "none")
"""Scores at other thermal powers."""


class Networks:
    """Trained networks of one configuration: the claimed score and its checks.

    The claimed score is a property of the differential equation where every network was
    tested with a refined integration step; else it is the score at the study's own
    step.
    """

    members: tuple[Member, ...]

    @property
    def checks(self) -> list[Solved]:
        """Checks of the time step, of the networks that have one."""
        return [m.solved for m in self.members if m.solved is not None]

    @property
    def checked(self) -> bool:
        """Whether the time step of every network was checked."""
        return bool(self.members) and len(self.checks) == len(self.members)

    @property
    def step_scores(self) -> tuple[float, ...]:
        """Scores of the networks at the integration step of the study."""
        return tuple(m.score for m in self.members)

    @property
    def scores(self) -> tuple[float, ...]:
        """Claimed scores: on the solved equation if every network was checked, else at
        the step.

        The stored score of a trial is not computed from them: a worker takes
        ``Member.claimed`` under ``validation``, else ``Member.score``.
        """
        if not self.checked:
            return self.step_scores
        return tuple(solved.score for solved in self.checks)

    @property
    def mean(self) -> float:
        """Mean score; NaN while there is none."""
        return mean_of(self.scores)

    @property
    def step_mean(self) -> float:
        """Mean score at the study's step."""
        return mean_of(self.step_scores)

    def estimate(
        self, spec: StudySpec, protocol: Protocol = Protocol.CONFIRM
    ) -> Estimate:
        """Return the claimed score and its standard error, once there is a score."""
        infos = []
        if spec.is_accuracy:
            infos = [member.info for member in self.members]
        return intervals.estimate_networks(
            self.scores,
            infos,
            validated=protocol == Protocol.VALIDATION,
            folds=spec.about.task.folds,
        )

    @property
    def thermal(self) -> Thermal | None:
        """Their checks as one: mean scores, all chips; None if a network was not
        checked.

        ``holds_below`` is the lowest of all networks.
        """
        known = [m.thermal for m in self.members if m.thermal is not None]
        if not known or len(known) < len(self.members):
            return None
        means = {
            name: statistics.fmean(map(attrgetter(name), known)) for name in _POWERS
        }
        return known[0].replace(
            **means,
            noisy=tuple(score for one in known for score in one.noisy),
            holds_below=min(one.holds_below for one in known),
        )


def mean_of(scores: Sequence[float]) -> float:
    """Return the mean; NaN of none."""
    return statistics.fmean(scores) if scores else math.nan


def std_of(scores: Sequence[float]) -> float:
    """Return the sample standard deviation (n - 1); NaN below two."""
    return statistics.stdev(scores) if len(scores) > 1 else math.nan


@dataclass(frozen=True, kw_only=True, repr=False)
class Confirmation(Networks):
    """A configuration retrained from fresh seeds and tested once on the test part."""

    source: int
    """Number of the search trial."""
    params: Mapping[str, ParamValue]
    search_score: float
    """The search's claim; see ``Result.claimed``."""
    costs: tuple[float, ...] = ()
    """Means over the fresh seeds of the costs in ``[cost]``; before there are any,
    those of the search trial."""
    all_costs: Mapping[str, float] = field(default_factory=dict)
    """Means over the fresh seeds of all costs of the objective, by name."""
    members: tuple[Member, ...]
    """One per finished fresh seed."""
    splits_of: tuple[int, ...] = ()
    """Which split of the data each of them has; empty where all have the first."""
    n_seeds: int
    """Number of fresh seeds in all."""
    failed: int
    chance: float | None = None
    """Accuracy of the largest class, if known."""

    def __repr__(self) -> str:
        """Return the claim and the parameters, for a notebook."""
        solved = ", solved" if self.checked else ""
        return (
            f"<Confirmation of trial {self.source}: {self.mean:.4g} ± {self.std:.2g} on"
            f" {len(self.scores)} fresh seeds{solved}, params={dict(self.params)}>"
        )

    @property
    def chips(self) -> tuple[float, ...]:
        """Scores of all its networks on the chips of ``[variability]``; empty if one
        has none."""
        if not all(member.chips for member in self.members):
            return ()
        return tuple(score for member in self.members for score in member.chips)

    @property
    def simulated(self) -> tuple[float, ...]:
        """Scores on simulated chips: those of ``[variability]``, else those with
        thermal noise."""
        if self.chips or self.thermal is None:
            return self.chips
        return self.thermal.noisy

    @property
    def splits(self) -> list[SplitScores]:
        """Its claimed scores by split of the data; empty where there is one split."""
        if len(set(self.splits_of)) < 2:
            return []
        return by_split(self.splits_of, self.scores)

    def estimate(
        self, spec: StudySpec, protocol: Protocol = Protocol.CONFIRM
    ) -> Estimate:
        """Return the claimed score and its standard error.

        Of several splits, the error is that of the mean over splits. Their test sets
        overlap, as those of networks that are validated on draws of their own do.
        """
        splits = self.splits
        if not splits:
            return super().estimate(spec, protocol)
        infos = []
        if spec.is_accuracy:
            infos = [self.members[0].info] * len(splits)
        means = [split.mean for split in splits]
        return intervals.estimate_networks(means, infos, validated=True)

    @property
    def std(self) -> float:
        """Its sample standard deviation; NaN below two scores."""
        return std_of(self.scores)

    @property
    def step_std(self) -> float:
        """Its sample standard deviation."""
        return std_of(self.step_scores)

    @property
    def not_converged(self) -> int:
        """Number of networks whose score still changes at the finest step tried."""
        return sum(not solved.converged for solved in self.checks)

    @property
    def steps_per_point(self) -> int | None:
        """Steps per input point at the finest step of any network; None if none is
        checked."""
        return max((solved.steps_per_point for solved in self.checks), default=None)

    @property
    def trained_steps_per_point(self) -> int | None:
        """Steps per input point of the training, and of ``step_scores``."""
        return max(
            (solved.trained_steps_per_point for solved in self.checks), default=None
        )

    @property
    def failed_trainings(self) -> FailedTrainings | None:
        """The networks that failed to learn; None if none did, or all."""
        curves = [m.loss_curve for m in self.members]
        return find_failed(curves, self.scores, self.chance)

    @property
    def ignores_seed(self) -> bool:
        """Whether every fresh seed gave the very same score."""
        return len(set(self.step_scores)) < 2

    @property
    def scored_apart(self) -> bool:
        """Whether a function asked each time if its call confirms: then it may score on
        data that the search never saw."""
        return all(facts.ASKED_CONFIRMING in member.info for member in self.members)

    @property
    def complete(self) -> bool:
        """Whether every fresh seed is finished."""
        return len(self.members) + self.failed == self.n_seeds


def others(spec: StudySpec, mean: float, thermal: Thermal | None) -> dict[str, float]:
    """Return the scores that differ from the claimed one, by field, the worst kind
    first.

    A warm network may score otherwise without thermal power: there is no such
    oscillator.
    """
    if thermal is None:
        return {}
    scores = {}
    if thermal.power == 0:
        scores["at_device"] = thermal.at_device
    if thermal.noisy:
        scores["noisy"] = statistics.fmean(thermal.noisy)
    scores |= {"third": thermal.third, "triple": thermal.triple}
    return {name: score for name, score in scores.items() if spec.differs(score, mean)}


@dataclass(frozen=True, kw_only=True)
class Yield:
    """The share of simulated chips that reach a score."""

    threshold: float
    """That score."""
    passed: int
    chips: int

    @property
    def share(self) -> float:
        """The yield."""
        return self.passed / self.chips

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson's), as if chips were independent of each other."""
        return intervals.estimate([self.share], self.chips).interval or (0.0, 1.0)


def chip_yield(spec: StudySpec, chips: Sequence[float]) -> Yield | None:
    """Return the yield of scores on chips; None without chips or a threshold."""
    least = spec.confirm.yield_above if spec.confirm else None
    if least is None and spec.reported is not None:
        least = spec.reported.score
    if least is None or not chips:
        return None
    passed = sum(spec.reaches(score, least) for score in chips)
    return Yield(threshold=least, passed=passed, chips=len(chips))
