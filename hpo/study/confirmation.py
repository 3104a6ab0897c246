"""A configuration that was trained again from fresh seeds, and the checks of its networks.

What is claimed of it is a property of the differential equation: the score of the same networks
once the integration step is refined. The score at the study's own step stands beside it, and so do
those at other thermal powers and on simulated chips.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpo.study import thermal_power
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from objectives.contract import Outcome, Solved, Thermal

SOLVED_SCORE = "solved_score"
"""Where a member's ``info`` keeps the score on the solved equation; a stored name."""
_STORED: dict[str, tuple[str, type, str]] = {
    "score": (SOLVED_SCORE, float, "number"),
    "converged": ("solved_converged", bool, "boolean"),
    "steps_per_point": ("solved_steps_per_point", int, "number"),
    "trained_steps_per_point": ("trained_steps_per_point", int, "number"),
    "remedy": ("solved_remedy", str, "string"),
}
"""Fields of ``Solved``, each with its stored name, its type, and that in JSON."""
SOLVED_TYPES = {stored: json_type for stored, _, json_type in _STORED.values()}
"""All that ``info`` keeps of the check, stored names each with its type in JSON."""
RESERVED = {
    **dict.fromkeys(SOLVED_TYPES, ("check of the time step", "solved")),
    **dict.fromkeys(thermal_power.STORED.values(), ("check of the thermal power", "thermal")),
    thermal_power.CHIP_SCORES: ("scores of simulated chips", "chips"),
}
"""Stored names that an objective must not use, with what they are of and their ``Outcome``."""


def told_info(outcome: Outcome) -> dict[str, Any]:
    """What a member's ``info`` keeps of a training: what its objective tells, and the checks.

    Raises:
        ValueError: the objective uses names that are a check's.
    """
    for name in sorted(RESERVED.keys() & outcome.info.keys()):
        what, given = RESERVED[name]
        raise ValueError(
            f"the objective's info must not hold {name!r}, a name of the {what}, "
            f"but got {name}={outcome.info[name]!r}. Give it as `Outcome.{given}`."
        )
    warm = thermal_power.thermal_info(outcome.thermal, outcome.chips)
    return {**outcome.info, **solved_info(outcome.solved), **warm}


def solved_info(solved: Solved | None) -> dict[str, Any]:
    """What a member's ``info`` keeps of the check; ``solved_of`` inverts it."""
    if solved is None:
        return {}
    return {stored: kind(getattr(solved, name)) for name, (stored, kind, _) in _STORED.items()}


def solved_of(info: Mapping[str, Any]) -> Solved | None:
    """The check of a member; None if there was none.

    An own objective may have used the names before they had this meaning: then there was none.
    """
    found: dict[str, Any] = {name: info.get(stored) for name, (stored, _, _) in _STORED.items()}
    try:
        return Solved(**found) if SOLVED_SCORE in info else None
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True, repr=False)
class Confirmation:
    """A configuration retrained from fresh seeds and tested once on the test part."""

    source: int
    """Number of the search trial."""
    params: Mapping[str, ParamValue]
    search_score: float
    """What the search claims of it; see ``StudySnapshot.claimed``."""
    costs: tuple[float, ...] = ()
    """Means over the fresh seeds of those that the study searches; before there are any, what the
    trial of the search costs."""
    told: Mapping[str, float] = field(default_factory=dict)
    """Likewise of all that the objective tells of costs, by name."""
    step_scores: tuple[float, ...]
    """One per settled fresh seed, at the integration step of the study."""
    solved: tuple[Solved | None, ...]
    """Likewise, the check of its time step."""
    thermals: tuple[Thermal | None, ...] = ()
    """Likewise, its scores at other thermal powers."""
    chips: tuple[float, ...] = ()
    """Scores of all its networks on the chips of ``[variability]``; empty if one has none."""
    wanted: int
    """How many fresh seeds there will be."""
    failed: int

    def __repr__(self) -> str:
        """What a notebook shows: what is claimed, and of which parameters."""
        n = f"on {len(self.scores)} fresh seeds" + ", solved" * self.checked
        claim = f"{self.mean:.4g} ± {self.std:.2g} {n}"
        return f"<Confirmation of trial {self.source}: {claim}, params={dict(self.params)}>"

    @property
    def checks(self) -> Sequence[Solved]:
        """The checks of those networks that have one."""
        return [solved for solved in self.solved if solved is not None]

    @property
    def checked(self) -> bool:
        """Whether every network was tested on the solved equation, too."""
        return bool(self.checks) and not self.partly

    @property
    def partly(self) -> bool:
        """Whether some networks were tested on the solved equation, and others were not."""
        return 0 < len(self.checks) < len(self.step_scores)

    @property
    def compared(self) -> tuple[float, float]:
        """Means of the networks that were tested, at the study's step and on the equation."""
        pairs = zip(self.step_scores, self.solved, strict=True)
        step_scores = [score for score, solved in pairs if solved is not None]
        return _mean(step_scores), _mean([solved.score for solved in self.checks])

    @property
    def thermal(self) -> Thermal | None:
        """The scores at other thermal powers, means over all networks; None if one has none."""
        return thermal_power.mean_of(self.thermals)

    @property
    def simulated(self) -> tuple[float, ...]:
        """Scores on simulated chips: those of ``[variability]``, else those with thermal noise."""
        return self.chips or (self.thermal.noisy if self.thermal else ())

    @property
    def scores(self) -> tuple[float, ...]:
        """What is claimed: on the solved equation if it is checked, else at the study's step."""
        return tuple(s.score for s in self.checks) if self.checked else self.step_scores

    @property
    def mean(self) -> float:
        """Mean score; NaN while there is none."""
        return _mean(self.scores)

    @property
    def std(self) -> float:
        """Sample standard deviation (n - 1); NaN below two scores."""
        return _std(self.scores)

    @property
    def step_mean(self) -> float:
        """Mean score at the study's step; NaN while there is none."""
        return _mean(self.step_scores)

    @property
    def step_std(self) -> float:
        """Its sample standard deviation; NaN below two scores."""
        return _std(self.step_scores)

    @property
    def step_gap(self) -> float:
        """How much of the score at the study's step the solved equation does not have."""
        return self.step_mean - self.mean

    @property
    def unsettled(self) -> int:
        """How many networks' scores still change at the finest step that was tried."""
        return sum(not solved.converged for solved in self.checks)

    @property
    def steps_per_point(self) -> int | None:
        """Steps per input point at the finest step of any network; None if none is checked."""
        return max((solved.steps_per_point for solved in self.checks), default=None)

    @property
    def trained_steps_per_point(self) -> int | None:
        """Those of the training, and of ``step_scores``."""
        return max((solved.trained_steps_per_point for solved in self.checks), default=None)

    @property
    def remedy(self) -> str:
        """What to do where the two scores differ; empty if none is checked."""
        return next((solved.remedy for solved in self.checks), "")

    def told_of(self, spec: StudySpec) -> dict[str, Any]:
        """What Optuna's user attribute ``hpo:confirmed`` says of it."""
        facts: dict[str, Any] = {"trial": self.source, "mean": self.mean, "std": self.std}
        facts |= {"scores": self.scores, "failed": self.failed}
        facts |= {"cost": spec.told_costs(self.costs)} if self.costs else {}
        facts |= {"step_scores": self.step_scores} if self.checked else {}
        known = thermal_power.thermal_record(self.thermal)
        return facts | ({"thermal": known} if known else {})

    @property
    def complete(self) -> bool:
        """Whether every fresh seed is settled."""
        return len(self.step_scores) + self.failed == self.wanted


def _mean(scores: Sequence[float]) -> float:
    return statistics.fmean(scores) if scores else float("nan")


def _std(scores: Sequence[float]) -> float:
    return statistics.stdev(scores) if len(scores) > 1 else float("nan")
