"""One member in training: it reports every epoch, is pruned, and saves checkpoints."""

from __future__ import annotations

import json
import operator
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hpo import objectives
from hpo.contract import (
    MeasuresTolerances,
    ObjectiveParams,
    Outcome,
    Progress,
    Protocol,
    calling,
    facts,
)
from hpo.ledger.claim_records import Checkpoint, Claim, LeaseLostError
from hpo.ledger.ledger import Ledger
from hpo.search import constraints
from hpo.search.pruning import TrialProgress
from hpo.study.networks import Member
from hpo.study.tables import ParamValue
from hpo.study.trials import Phase
from hpo.worker.heartbeat import Heartbeat, StoppedError

CHECKPOINT_S = (1.0, 30.0)
"""Shortest and longest time between checkpoints, which bounds the work lost with a
worker. After a loss checkpoints come more often, so that a trial progresses however
often it is lost."""


@dataclass
class ReportedEpochs:
    """What a training has reported."""

    epoch: int = 0
    """Epochs finished so far."""
    curve: list[float] = field(default_factory=list)
    scored_at: list[int] = field(default_factory=list)
    """The epoch of each score of ``curve``."""

    def add(self, epoch: int, score: float | None) -> None:
        """Add an epoch.

        Raises:
            ValueError: it does not come after the last one.
        """
        if epoch <= self.epoch:
            raise ValueError(
                "the objective must call `on_epoch` with more epochs each time, got"
                f" {epoch} after {self.epoch}. Count the epochs finished so far, from"
                " 1; with `resume`, go on from its checkpoint."
            )
        self.epoch = epoch
        if score is not None:
            self.curve.append(score)
            self.scored_at.append(epoch)


class MemberTraining:
    """The training of one member of a claimed slot."""

    def __init__(
        self,
        ledger: Ledger,
        claim: Claim,
        heart: Heartbeat,
        course: TrialProgress | None,
        index: int,
    ) -> None:
        """Continue from the checkpoint of the member, if there is one.

        Args:
            ledger: where checkpoints are stored.
            claim: the slot.
            heart: the heartbeat of the worker.
            course: the trial, which the pruner may end; None in a confirmation.
            index: number of the member, from 0.
        """
        self._ledger = ledger
        self._claim = claim
        self._heart = heart
        self._course = course
        self._index = index
        self._spec = claim.spec
        self._name = str(claim)
        self._protocol = Protocol.CONFIRM
        self._epochs = self._spec.confirm_epochs
        if claim.phase == Phase.SEARCH:
            self._name += f", member {index + 1} of {self._spec.budget.seeds}"
            self._protocol = self._spec.protocol
            self._epochs = self._spec.planned_epochs
        self.on_report: Callable[[], None] = lambda: None
        """Called after each epoch of a search that the pruner lets go on."""
        self._reported = ReportedEpochs()
        self._resume: bytes | None = None
        self._spent_s = 0.0
        saved = claim.checkpoint
        if saved is not None and saved.member == index:
            self._reported = ReportedEpochs(
                saved.epoch, [*saved.curve], [*saved.scored_at]
            )
            self._resume = saved.data
            self._spent_s = saved.seconds
        self._began_s = time.monotonic()
        self._saved_s = self._began_s
        shortest_s, longest_s = CHECKPOINT_S
        halvings = min(claim.attempt - 1, 30)
        self._pause_s = max(shortest_s, longest_s / 2**halvings)

    def run(
        self, params: Mapping[str, ParamValue], seed: int
    ) -> tuple[Outcome, Member]:
        """Train the member; return the outcome, and the result as it is stored.

        Raises:
            StoppedError: the worker has a request to stop; the slot is left to the next
                one.
            LeaseLostError: another worker holds the slot now.
            EndedError: the pruner has ended the trial.
            ExitedError: the objective tried to end the process.
            ValueError: the result cannot be stored.
        """
        values = self._spec.params(params, epochs=self._epochs)
        with calling(objectives.module_of(self._spec.objective)):
            outcome = self._evaluate(values, seed)
        constraints.check_costs(self._spec, params, outcome.info)
        member = member_of(self._index, seed, outcome, self._reported, self._seconds)
        return outcome, member

    def _evaluate(self, values: ObjectiveParams, seed: int) -> Outcome:
        """Train, and measure the tolerances if the study asks for them."""
        objective = self._spec.objective_impl
        split = self._spec.task_params.on_split(self._claim.split)
        task = split.for_member(self._index)
        outcome = objective.evaluate(
            values,
            task=task,
            protocol=self._protocol,
            member_seed=seed,
            on_epoch=self._on_epoch,
            resume=self._resume,
        )
        if self._measures_tolerances and isinstance(objective, MeasuresTolerances):
            self._heart.say(f"{self._name}, tolerances")
            tolerances = objective.tolerances(values, task, seed, outcome)
            outcome = outcome.replace(tolerances=tolerances)
        return outcome

    @property
    def _measures_tolerances(self) -> bool:
        confirm = self._spec.confirm
        if confirm is None or self._claim.phase == Phase.SEARCH:
            return False
        return confirm.tolerances

    @property
    def _seconds(self) -> float:
        """Wall time of the training so far, with that of earlier attempts."""
        return self._spent_s + time.monotonic() - self._began_s

    def _on_epoch(self, progress: Progress) -> None:
        """Report, prune, save: called after every epoch."""
        if self._heart.lost:
            raise LeaseLostError(
                f"{self._claim}: the lease has passed to another worker"
            )
        epoch = operator.index(progress.epoch)  # a number of NumPy, too
        self._heart.say(f"{self._name}, epoch {epoch} of {self._epochs}")
        score = progress.score
        if score is not None:
            objective = self._spec.objective_impl
            score = objective.check_score(score, f"score of epoch {epoch}")
        self._reported.add(epoch, score)
        if self._course is not None:
            self._course.report_epoch(self._index, epoch, score)
            self.on_report()
        stopping = self._heart.stopping
        if stopping or time.monotonic() - self._saved_s >= self._pause_s:
            self._save(progress)
        if stopping:
            self._ledger.release(self._claim)
            raise StoppedError

    def _save(self, progress: Progress) -> None:
        """Store a checkpoint, if the objective makes any."""
        if progress.checkpoint is None:
            return
        self._saved_s = time.monotonic()
        checkpoint = Checkpoint(
            member=self._index,
            epoch=self._reported.epoch,
            curve=tuple(self._reported.curve),
            scored_at=tuple(self._reported.scored_at),
            seconds=self._seconds,
            data=progress.checkpoint(),
        )
        self._ledger.store_checkpoint(self._claim, checkpoint)


def member_of(
    index: int, seed: int, outcome: Outcome, reported: ReportedEpochs, seconds: float
) -> Member:
    """Return the result of a training as it is stored.

    Raises:
        ValueError: the result cannot be scored or stored.
    """
    info = json.loads(json.dumps(facts.member_info(outcome), allow_nan=False))
    return Member(
        member=index,
        seed=seed,
        score=outcome.score,
        epochs=reported.epoch,
        curve=tuple(reported.curve),
        scored_at=tuple(reported.scored_at),
        loss_curve=outcome.loss_curve,
        diverged=outcome.diverged,
        info=info,
        seconds=seconds,
    )
