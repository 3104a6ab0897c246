"""What a study looks like at one moment: read-only, the one input of every view and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hpo.study.spec import StudySpec
from hpo.study.trials import Expected, Phase, SlotState, Trial


class StudyState(StrEnum):
    """Where a study stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """By ``hpo stop``, until ``hpo resume``."""


class WorkerState(StrEnum):
    """What a worker does, or how it ended."""

    IDLE = "idle"
    """It has just started."""
    WORKING = "working"
    WAITING = "waiting"
    ENDED = "ended"
    """In order."""
    REFUSED = "refused"
    """It ended by itself, since it could not serve its study."""
    LOST = "lost"
    """Somebody saw it dead."""


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """A worker that has been seen at work on this database."""

    name: str
    host: str
    pid: int
    state: WorkerState = WorkerState.WORKING
    doing: str
    """What it does, in words: ``seqdigits: trial 12, member 2 of 3``, or why it waits."""
    serves: str | None = None
    """The one study that it works for; None if it serves every study."""
    refuses: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Studies that it cannot work for as they are, each with its reason."""
    job: str | None = None
    """The cluster's job that it runs in, as in ``slurm 4711_3``."""
    log: str | None = None
    """The file that its output goes to, on its host or on a file system that it shares."""
    study: str | None = None
    """The study whose slot it holds just now; None if it holds none."""
    phase: Phase | None = None
    trial: int | None = None
    """The trial that it trains, in a confirmation that which it retrains."""
    started_at: datetime
    seconds_silent: float
    """Seconds since its last sign of life, by the database's clock."""
    alive: bool
    """Not ended, and heard of within its lease."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Somebody did something to a study."""

    at: datetime
    who: str
    """User and host, as they call themselves: whoever has the password may say otherwise."""
    what: str
    """As in ``submitted`` or ``excluded trial 7``."""
    study: str


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A study in a list: what is known of it before its trials are read."""

    name: str
    number: int | None
    """Optuna's, which leads to its pages; None where Optuna's tables do not hold it."""
    objective: str
    state: StudyState
    reason: str | None
    priority: int
    """Workers that serve several studies take up trials of the highest one first."""
    settled: int
    """Trials of the search that are finished, in whatever way."""
    running: int
    """Trials of the search that a worker is at work on."""
    created_at: datetime
    problem: str = ""
    """Why its trials cannot be read here; mostly empty."""


@dataclass(frozen=True, kw_only=True)
class StudySnapshot:
    """A study at one moment."""

    spec: StudySpec
    state: StudyState
    reason: str | None
    """Why the study failed, or was stopped."""
    created_at: datetime
    now: datetime
    """The database's clock."""
    search: tuple[Trial, ...]
    """In order of their numbers."""
    confirm: tuple[Trial, ...] = ()
    workers: tuple[WorkerInfo, ...] = field(default=())
    """Workers seen on this database lately, whatever study they work on."""
    search_end: int | None = None
    """How many trials the search has, once ``[stop]`` has ended it."""
    search_end_reason: str | None = None
    code_changes: tuple[int, ...] = ()
    """The trials from which on another source of the objective was accepted."""
    expected: Mapping[int, Expected] = field(default_factory=dict)
    """Of complete trials by number, where ``confirm.by`` asks for it: ``search.expectation``."""
    foreign_trials: int = 0
    """Trials that others have added to the study in Optuna's tables; they count for nothing."""

    @property
    def trials(self) -> int:
        """How many trials the search has as far as is known: its budget, or where it was ended."""
        budget = self.spec.budget.trials
        return budget if self.search_end is None else min(budget, self.search_end)

    @property
    def helpers(self) -> list[WorkerInfo]:
        """Living workers that work for this study: those that serve every study, or just it."""
        alive = [w for w in self.workers if w.alive and self.spec.name not in w.refuses]
        return [w for w in alive if w.serves in (None, self.spec.name)]

    @property
    def refusing(self) -> dict[WorkerInfo, str]:
        """Living workers that cannot work for this study as it is, each with its reason.

        They may be of another version, or lack its data or objective; they try again now and then.
        """
        name = self.spec.name
        return {w: w.refuses[name] for w in self.workers if w.alive and name in w.refuses}

    def count(self, state: SlotState) -> int:
        """How many search slots are in a state."""
        return sum(slot.state == state for slot in self.search)

    @property
    def settled(self) -> int:
        """How many search slots are finished, in whatever way."""
        return sum(slot.state != SlotState.RUNNING for slot in self.search)


def complete(slots: Sequence[Trial]) -> list[Trial]:
    """Slots with a result that counts."""
    return [s for s in slots if s.state == SlotState.COMPLETE and s.score is not None]


def trained(slots: Sequence[Trial]) -> list[Trial]:
    """Complete search trials with their networks, in order."""
    return [s for s in slots if s.state == SlotState.COMPLETE and s.members]
