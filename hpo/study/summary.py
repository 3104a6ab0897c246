"""Studies of a database, each in one line, and what happens on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hpo.study.snapshot import StudyState, WorkerInfo
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState
from objectives.contract import Thermal


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
    """None, too, of a study that selects nothing; with costs, that of ``pareto.order``'s first."""
    best_costs: tuple[float, ...] = ()
    confirmed: ConfirmedSummary | None
    """The best configuration that has been retrained from fresh seeds."""
    priority: int = 0
    """Workers that serve several studies take up trials of the highest one first."""
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
    costs: tuple[float, ...] = ()
    """Their means over them, of a study that has some."""
    checked: bool = False
    """Whether ``mean`` and ``std`` are those on the solved equation."""
    step_mean: float
    """Mean score at the study's own integration step."""
    thermal: Thermal | None = None
    """Mean scores at other thermal powers; None if a network has none."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Somebody did something to a study."""

    at: datetime
    who: str
    """User and host, as they call themselves: whoever has the password may say otherwise."""
    what: str
    """As in ``submitted`` or ``excluded trial 7``."""
    study: str


LAST = 20
"""The pace of a search is that of its last so many trials."""
RECENT_S = 600.0
"""The pace of the training is that of the last so many seconds."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How the search of a study went, in a few numbers."""

    counts: Mapping[SlotState, int]
    """How many trials have ended in which way."""
    best: tuple[tuple[int, float], ...]
    """Number and score of complete trials that were better than all before, in that order."""
    middle: float | None
    """Median score of the complete trials; None if there is none."""
    settled_at: tuple[datetime, ...]
    """When the last trials settled, the newest first; at most ``LAST``."""
    trained: tuple[tuple[datetime, int], ...]
    """When trials and confirmations of the last ``RECENT_S`` settled, to the second, and the epochs
    of these."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All studies of a database at one moment."""

    now: datetime
    """The database's clock."""
    studies: tuple[tuple[int | None, StudySummary, Course], ...]
    """Each with Optuna's number of it, oldest first; None where Optuna's tables do not hold it."""
    others: tuple[tuple[int, str], ...]
    """Number and name of studies that Optuna alone knows."""
    workers: tuple[WorkerInfo, ...]
    """Those seen lately."""
    events: tuple[Event, ...]
    """The last ones, the newest last."""
