"""A worker's claim of a slot under a lease, the end of a slot, and the answers without
a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hpo.errors import HpoError
from hpo.ledger.past import Known, StudyVersion
from hpo.study.networks import Member
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import (
    Phase,
    SlotState,
    Step,
    Suggestion,
    slot_name,
)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An unfinished training, saved now and then and when a worker stops."""

    member: int
    epoch: int
    """Epochs finished before the checkpoint."""
    curve: Sequence[float]
    """Scores reported before the checkpoint."""
    scored_at: Sequence[int]
    """The epoch of each score of ``curve``."""
    seconds: float
    """Wall time spent before the checkpoint."""
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A slot that a worker holds."""

    slot_id: int
    study_id: int
    spec: StudySpec
    phase: Phase = Phase.SEARCH
    number: int
    source: int | None = None
    """The search trial that a confirmation trains again."""
    attempt: int = 1
    worker: str
    token: str
    version: StudyVersion
    """Of the study, when the slot was claimed."""
    begins_at: float | None = None
    """When it begins in virtual time; None of a confirmation."""
    suggestion: Suggestion | None = None
    enqueued: Mapping[str, ParamValue] = field(default_factory=dict)
    """Parameters that somebody enqueued for the trial; the sampler suggests the
    others."""
    optuna_trial_id: int | None
    finished: tuple[Member, ...] = ()
    """Members that earlier attempts stored, in order."""
    checkpoint: Checkpoint | None = None
    slot_amendments: tuple[Mapping[str, Any], ...] = ()
    """Earlier amendments of the slot, as stored."""

    @property
    def owner(self) -> dict[str, Any]:
        """Return the parameters of statements that identify the holder of a slot."""
        return {
            "slot_id": self.slot_id,
            "worker": self.worker,
            "attempt": self.attempt,
            "token": self.token,
        }

    @property
    def fresh_seed(self) -> int:
        """Return the number of a confirmation's fresh seed, from 0."""
        confirm = self.spec.confirm
        return 0 if confirm is None else confirm.fresh_seed(self.number)

    @property
    def split(self) -> int:
        """Return the split of the data that it trains and tests on, from 0."""
        confirm = self.spec.confirm
        if confirm is None or self.phase == Phase.SEARCH:
            return 0
        return confirm.split(self.number)

    def __str__(self) -> str:
        """Return the name for logs and views."""
        name = slot_name(self.number, self.source, self.spec.fresh_seeds)
        return f"{self.spec.name}: {name}"


@dataclass(frozen=True, kw_only=True)
class End:
    """The end of a slot."""

    state: SlotState
    score: float | None = None
    """Mean over the trained members."""
    costs: Sequence[float] = ()
    """Mean of each ``[cost]`` of a complete or pruned slot; empty without costs."""
    steps: Sequence[Step] = ()
    """What the trial reported to the pruner."""
    attrs: Mapping[str, Any] | None = None
    """The sampler's and pruner's attributes of the trial; None for those of the
    suggestion."""
    message: str | None = None
    """Why it failed or was pruned."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Provenance of the result."""
    finished_at: datetime | None = None
    """Time of the end; None for now."""
    ends_at: float | None = None
    """Its end in virtual time; None to keep what is stored."""
    trained: Sequence[Member] | None = None
    """Its members; None for the stored ones."""
    last: Member | None = None
    """The member that is not stored yet."""
    network: bytes | None = None
    """The network of a confirmation to store."""
    is_suggested: bool = False
    """Whether its worker has stored its parameters."""

    def list_facts(
        self,
        trained: Sequence[Member],
        attempts: int,
        amendments: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """Return the user attributes of such a trial in Optuna's tables."""
        facts = {f"lineage:{key}": value for key, value in self.lineage.items()}
        facts["attempts"] = attempts
        if trained:
            facts["members:score"] = [one.score for one in trained]
            facts["members:seed"] = [one.seed for one in trained]
            facts["members:diverged"] = sum(one.diverged for one in trained)
        if self.message:
            facts["message"] = self.message
        if amendments:
            facts["amendments"] = [
                {"what": one["what"], "since": one["since"]} for one in amendments
            ]
        if self.state == SlotState.EXCLUDED:
            facts["excluded:score"] = self.score
        return facts


@dataclass(frozen=True)
class Wait:
    """Nothing to claim just now."""

    reason: str
    stale: bool = False
    """Another worker was faster: choose again at once."""


@dataclass(frozen=True)
class Over:
    """Nothing to claim ever again, unless the study is extended."""

    reason: str
    ended: bool = False
    """This claim has finished the study."""
    failed: bool = False
    """The study has failed."""


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """A worker that asks for a slot."""

    worker: str
    """Its name; it holds one slot at a time."""
    token: str
    """Id of its process: a later process of the same name does not inherit its slot."""
    lease_s: float
    """Seconds that it holds a slot without a heartbeat."""
    known: Known = field(default_factory=Known)
    """Trials that its process has read."""
    code: str = ""
    """Hash of the objective's source on its host; see ``pins.pin``."""
    take_over: bool = True
    """May take slots with an expired lease: only if it could reach the database for a
    whole lease. After an outage other workers, who could not renew their leases, may
    still be at work."""
    at_work: int | None = None
    """Slots at work when the worker chose this study among several. If there are more
    now, others were faster, and it should choose again."""

    def is_late(self, at_work: int) -> bool:
        """Return whether others were faster, now that ``at_work`` slots are at work."""
        return self.at_work is not None and at_work > self.at_work


class LeaseLostError(HpoError):
    """The worker has lost its slot, since it was silent for longer than its lease."""
