"""What a study looks like at one moment: read-only, the one input of every view and report."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hpo.study import pareto
from hpo.study.confirmation import Confirmation
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

    @property
    def ranking(self) -> list[Trial]:
        """Complete search slots, best by ``claimed`` first; of equals the earlier one.

        Of a study with costs, no trial is simply the best: these are the trials of its front, in
        the order in which they are confirmed; see ``pareto.order``.
        """
        slots = complete(self.search)
        if self.spec.costs:
            return pareto.order(self.spec, slots)
        sign = -1.0 if self.spec.maximize else 1.0
        return sorted(slots, key=lambda slot: (sign * (self.claimed(slot) or 0.0), slot.number))

    def claimed(self, slot: Trial) -> float | None:
        """What the search claims of a configuration: what is ``expected`` of it, else its score."""
        known = self.expected.get(slot.number)
        return slot.score if known is None else known.mean

    @property
    def front(self) -> list[Trial]:
        """Complete trials that no other beats in score and costs, cheapest first."""
        return pareto.front(self.spec, complete(self.search)) if self.spec.costs else []

    @property
    def best(self) -> Trial | None:
        """The incumbent; None of a study that selects nothing: see ``StudySpec.selects``.

        Of a study with costs, that of ``confirmed``, else the first of ``ranking``: the cheapest
        that reached the reported score.
        """
        if not self.spec.selects:
            return None
        named = self.confirmed if self.spec.costs else None
        if named is not None:
            return next(slot for slot in self.ranking if slot.number == named.source)
        return next(iter(self.ranking), None)

    @property
    def confirmed(self) -> Confirmation | None:
        """The confirmed result that the study is named by: of the best that has one.

        Of a study with costs, the cheapest that holds the reported score; see ``pareto.headline``.
        """
        found = [item for item in self.confirmations if item.scores]
        if not self.spec.costs:
            return next(iter(found), None)
        return pareto.headline(self.spec, [c for c in found if c.complete] or found)

    @property
    def confirmations(self) -> list[Confirmation]:
        """Confirmed configurations, in the order of the search's ranking; with costs, by them.

        Only those among the best ``confirm.top``: a longer search, or an excluded trial, can put
        others there, and what was confirmed before is then no longer a result of the study.
        """
        confirm = self.spec.confirm
        if confirm is None:
            return []
        by_source: dict[int | None, list[Trial]] = {}
        for slot in self.confirm:
            by_source.setdefault(slot.source, []).append(slot)
        chosen = [slot for slot in self.ranking[: confirm.top] if slot.number in by_source]
        if self.spec.costs:
            chosen.sort(key=lambda slot: (slot.costs, slot.number))
        return [
            _confirmation(self, slot, by_source[slot.number], confirm.members) for slot in chosen
        ]


def _confirmation(
    study: StudySnapshot, slot: Trial, fresh: Sequence[Trial], wanted: int
) -> Confirmation:
    spec, claimed = study.spec, study.claimed(slot)
    scored = [(c, c.score) for c in fresh if c.score is not None]
    known = told(spec, *(c for c, _ in scored))
    trained = [c.members[0] if c.members else None for c, _ in scored]
    chips = [member.chips if member else () for member in trained]
    return Confirmation(
        source=slot.number,
        params=slot.params,
        search_score=claimed if claimed is not None else float("nan"),
        costs=tuple(
            known.get(name, cost) for name, cost in zip(spec.costs, slot.costs, strict=True)
        ),
        told=known,
        step_scores=tuple(score for _, score in scored),
        solved=tuple(member.solved if member else None for member in trained),
        thermals=tuple(member.thermal if member else None for member in trained),
        chips=tuple(score for own in chips for score in own) if all(chips) else (),
        wanted=wanted,
        failed=sum(c.state == SlotState.FAILED for c in fresh),
    )


def told(spec: StudySpec, *slots: Trial) -> dict[str, float]:
    """Means over the networks of slots of all that the objective tells of costs, by name."""
    costs = {}
    for name in spec.objective_impl.costs if spec.costs else ():
        infos = [m.info[name] for slot in slots for m in slot.members if name in m.info]
        if infos:
            costs[name] = statistics.fmean(map(float, infos))
    return costs


def complete(slots: Sequence[Trial]) -> list[Trial]:
    """Slots with a result that counts."""
    return [s for s in slots if s.state == SlotState.COMPLETE and s.score is not None]
