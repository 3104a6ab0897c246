"""What a study looks like at one moment: read-only, the one input of every view and report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hpo.spec import ParamValue, StudySpec


class Phase(StrEnum):
    """What a slot is for."""

    SEARCH = "search"
    CONFIRM = "confirm"


class SlotState(StrEnum):
    """Where a slot stands; all but RUNNING are final."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class StudyState(StrEnum):
    """Where a study stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One trained network, as stored."""

    member: int
    """Index within the trial (search) or among the fresh seeds (confirmation), from 0."""
    seed: int
    score: float
    curve: tuple[float, ...]
    """Score after each epoch; empty in a confirmation."""
    loss_curve: tuple[float, ...]
    diverged: bool
    info: Mapping[str, Any]
    seconds: float
    """Wall time of the training on its worker."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One slot: a search trial with Optuna's number, or one confirmation training."""

    phase: Phase
    number: int
    """Trial number from 0; of a confirmation: ``source * confirm.members + member``."""
    source: int | None
    """The search trial that a confirmation retrains; None in the search."""
    state: SlotState
    params: Mapping[str, ParamValue]
    """Suggested parameters; empty until they are suggested."""
    score: float | None
    """Mean over the members that were trained; None while running or failed."""
    steps: tuple[float, ...]
    """Values reported to the pruner, step 1 first."""
    members: tuple[Member, ...]
    attempts: int
    """How often it was claimed: 1 unless a worker was lost or stopped."""
    losses: int
    """How many workers died or vanished while holding it."""
    worker: str | None
    """Name of the worker that holds or settled it."""
    started_at: datetime
    settled_at: datetime | None
    message: str | None
    """Why it failed or was pruned."""
    lineage: Mapping[str, Any]
    """Spec hash, source revision, versions, host, CPU, worker, seconds."""


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """A worker that has been seen at work on this database."""

    name: str
    host: str
    pid: int
    doing: str
    """What it does, in words: ``seqdigits: trial 12, member 2 of 3``, or why it waits."""
    started_at: datetime
    seconds_silent: float
    """Seconds since its last sign of life, by the database's clock."""
    alive: bool
    """Not ended, and heard of within its lease."""


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """A configuration retrained from fresh seeds and tested once on the test half."""

    source: int
    """Number of the search trial."""
    params: Mapping[str, ParamValue]
    search_score: float
    scores: tuple[float, ...]
    """One per settled fresh seed."""
    wanted: int
    """How many fresh seeds there will be."""
    failed: int

    @property
    def mean(self) -> float:
        """Mean score; NaN while there is none."""
        return statistics.fmean(self.scores) if self.scores else float("nan")

    @property
    def std(self) -> float:
        """Sample standard deviation (n - 1); NaN below two scores."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else float("nan")

    @property
    def complete(self) -> bool:
        """Whether every fresh seed is settled."""
        return len(self.scores) + self.failed == self.wanted


@dataclass(frozen=True, kw_only=True)
class StudySnapshot:
    """A study at one moment."""

    spec: StudySpec
    state: StudyState
    reason: str | None
    """Why the study failed."""
    created_at: datetime
    now: datetime
    """The database's clock."""
    search: tuple[Slot, ...]
    """In order of their numbers."""
    confirm: tuple[Slot, ...] = ()
    workers: tuple[WorkerInfo, ...] = field(default=())
    """Workers seen on this database lately, whatever study they work on."""

    def count(self, state: SlotState) -> int:
        """How many search slots are in a state."""
        return sum(slot.state == state for slot in self.search)

    @property
    def settled(self) -> int:
        """How many search slots are finished, in whatever way."""
        return sum(slot.state != SlotState.RUNNING for slot in self.search)

    @property
    def ranking(self) -> list[Slot]:
        """Complete search slots, best first; of equals the earlier one."""
        return rank(self.spec, self.search)

    @property
    def best(self) -> Slot | None:
        """The incumbent."""
        return next(iter(self.ranking), None)

    @property
    def confirmations(self) -> list[Confirmation]:
        """Confirmed configurations, in the order of the search's ranking."""
        confirm = self.spec.confirm
        if confirm is None:
            return []
        by_source: dict[int | None, list[Slot]] = {}
        for slot in self.confirm:
            by_source.setdefault(slot.source, []).append(slot)
        return [
            Confirmation(
                source=slot.number,
                params=slot.params,
                search_score=slot.score if slot.score is not None else float("nan"),
                scores=tuple(c.score for c in by_source[slot.number] if c.score is not None),
                wanted=confirm.members,
                failed=sum(c.state == SlotState.FAILED for c in by_source[slot.number]),
            )
            for slot in self.ranking
            if slot.number in by_source
        ]


def rank(spec: StudySpec, slots: tuple[Slot, ...]) -> list[Slot]:
    """Complete slots, best first; of equals the earlier one."""
    sign = -1.0 if spec.maximize else 1.0
    complete = [s for s in slots if s.state == SlotState.COMPLETE and s.score is not None]
    return sorted(complete, key=lambda s: (sign * (s.score or 0.0), s.number))
