"""One study of a database in one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hpo.study.snapshot import StudyState
from hpo.study.spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """One line about a study."""

    name: str
    spec: StudySpec | None
    """None where this installation cannot read it: an objective that is not installed here."""
    objective: str
    state: StudyState
    reason: str | None
    trials: int
    """The budget."""
    settled: int
    epochs: int | None
    """Epochs that the settled trials have trained; None where the spec cannot be read."""
    running: int
    """Trials that a worker is at work on."""
    best_score: float | None
    """None, too, of a study that selects nothing; with a cost, that of ``pareto.order``'s first."""
    best_cost: float | None = None
    confirmed: ConfirmedSummary | None
    """The best configuration that has been retrained from fresh seeds."""
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ConfirmedSummary:
    """The scores of a configuration on fresh seeds; see ``snapshot.Confirmation``."""

    source: int
    """Number of the search trial."""
    mean: float
    std: float | None
    """Sample standard deviation (n - 1); None below two scores."""
    n: int
    cost: float | None = None
    """Its mean over them, of a study that has one."""
    checked: bool = False
    """Whether ``mean`` and ``std`` are those on the solved equation."""
    step_mean: float
    """Mean score at the study's own integration step."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Somebody did something to a study."""

    at: datetime
    who: str
    """User and host, as they call themselves: whoever has the password may say otherwise."""
    what: str
    """As in ``submitted`` or ``excluded trial 7``."""
    study: str
