"""What a worker holds: a slot under a lease, how that ends, and what it is told in place of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hpo.errors import HpoError
from hpo.ledger.past import Known
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Phase, SlotState, Suggestion, slot_name


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An unfinished training, as saved by a worker that stopped or kept it safe."""

    member: int
    curve: tuple[float, ...]
    """Scores that were reported before it."""
    seconds: float
    """Wall time spent up to it."""
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A slot in a worker's hands."""

    slot_id: int
    study_id: int
    spec: StudySpec
    phase: Phase = Phase.SEARCH
    number: int
    source: int | None = None
    """The search trial that is trained again."""
    attempt: int = 1
    worker: str
    token: str
    amendments: int
    """How often trials of the study had been retried or excluded."""
    suggestion: Suggestion | None = None
    enqueued: Mapping[str, ParamValue] = field(default_factory=dict)
    """Parameters that somebody gave the trial by hand; the rest is suggested."""
    optuna_trial_id: int | None
    finished: tuple[Member, ...] = ()
    """Members that were stored by earlier attempts, in order."""
    checkpoint: Checkpoint | None = None
    slot_amendments: tuple[Mapping[str, Any], ...] = ()
    """What somebody changed about the slot before, as stored."""

    @property
    def fresh_seed(self) -> int:
        """Which of the fresh seeds a confirmation trains, from 0."""
        return 0 if self.spec.confirm is None else self.number % self.spec.confirm.members

    def __str__(self) -> str:
        """What logs and views show."""
        confirm = self.spec.confirm
        name = slot_name(self.number, self.source, confirm.members if confirm else None)
        return f"{self.spec.name}: {name}"


@dataclass(frozen=True, kw_only=True)
class End:
    """How a slot ends."""

    state: SlotState
    score: float | None = None
    """Mean over the members that were trained."""
    costs: Sequence[float] = ()
    """Likewise of what ``[cost]`` names, of a complete or pruned slot; empty without costs."""
    steps: Sequence[float] = ()
    """Values reported to the pruner."""
    attrs: Mapping[str, Any] | None = None
    """The sampler's and pruner's memory of the trial; None for what the suggestion came with."""
    message: str | None = None
    """Why it failed or was pruned."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Where the result comes from."""
    settled_at: datetime | None = None
    """When; None for now."""
    trained: Sequence[Member] | None = None
    """Its members; None for those that are stored."""
    last: Member | None = None
    """The one of them that is still to be stored."""
    network: bytes | None = None
    """The network of a confirmation that is to be kept."""

    def shown(self, attempts: int, amendments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The user attributes in Optuna's tables of a trial that ends so."""
        facts: dict[str, Any] = {f"lineage:{key}": value for key, value in self.lineage.items()}
        facts["attempts"] = attempts
        if self.trained:
            facts["members:score"] = [m.score for m in self.trained]
            facts["members:seed"] = [m.seed for m in self.trained]
            facts["members:diverged"] = sum(m.diverged for m in self.trained)
        if self.message:
            facts["message"] = self.message
        if amendments:
            facts["amendments"] = [{"what": a["what"], "since": a["since"]} for a in amendments]
        if self.state == SlotState.EXCLUDED:
            facts["excluded:score"] = self.score
        return facts


@dataclass(frozen=True)
class Wait:
    """Nothing to claim just now."""

    reason: str
    stale: bool = False
    """Whether others were faster: what there is to choose among has changed."""


@dataclass(frozen=True)
class Over:
    """Nothing to claim ever again, unless the study is extended."""

    reason: str
    ended: bool = False
    """Whether the study was found finished by this very question."""


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """Who asks for a slot."""

    worker: str
    """Its name; it holds one slot at a time."""
    token: str
    """Its process: one of the same name that was started later does not inherit its slot."""
    lease_s: float
    """Seconds for which the slot is its own without a sign of life."""
    known: Known = field(default_factory=Known)
    """What its process has read of trials."""
    code: str = ""
    """The hash of the source of the study's objective on its host; see ``pins.pin``."""
    take_over: bool = True
    """Whether it may take slots whose lease has run out: only if it could reach the database for a
    whole lease. After an outage the others, who could not renew theirs, may still be at work."""
    at_work: int | None = None
    """Slots of the study that were being worked on when the worker chose it among several; if there
    are more by now, others were faster, and it should look again which study has the fewest."""


class LeaseLostError(HpoError):
    """The slot is no longer its worker's, which was silent for longer than its lease."""
