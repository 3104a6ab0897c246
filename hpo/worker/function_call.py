"""A call of a function by a worker: its reports reach the heartbeat, its checkpoints
the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hpo.contract import facts
from hpo.functions import Call, Evaluation, InterruptionError
from hpo.ledger.claim_records import Checkpoint, Claim, LeaseLostError
from hpo.ledger.ledger import Ledger
from hpo.study.networks import Member
from hpo.study.trials import Past, Phase, Suggestion
from hpo.worker.heartbeat import Heartbeat, StoppedError

SAVE_S = 1.0
"""Shortest time between two stored checkpoints of a call."""


class WatchedCall:
    """One call of the function of a claimed slot."""

    def __init__(
        self, ledger: Ledger, claim: Claim, heart: Heartbeat, index: int
    ) -> None:
        """Prepare the call for member ``index``, from 0."""
        self._ledger = ledger
        self._claim = claim
        self._heart = heart
        self._index = index
        self._name = str(claim)
        if claim.spec.budget.seeds > 1 and claim.phase == Phase.SEARCH:
            self._name += f", call {index + 1} of {claim.spec.budget.seeds}"
        self._step = 0
        self._unsaved: bytes | None = None
        self._saved_s = 0.0
        self._spent_s = 0.0
        self._began_s = time.monotonic()

    def run(
        self,
        seed: int,
        *,
        fixed: Suggestion | None,
        trials: Sequence[Past] = (),
        decided: Suggestion | None = None,
    ) -> Evaluation:
        """Call the function.

        Args:
            seed: of the call.
            fixed: the parameters of the trial, if they are known.
            trials: the earlier trials, as the function sees them.
            decided: what the sampler has decided by them, if it learns.

        Raises:
            StoppedError: the worker has a request to stop; the slot is left to the next
                one.
            LeaseLostError: another worker holds the slot now.
            SameParametersError: an earlier trial had the same parameters.
        """
        claim = self._claim
        spec = claim.spec
        number = claim.number
        if claim.phase == Phase.CONFIRM:
            number += spec.budget.trials  # a number that no other call has
        saved = claim.checkpoint
        data = None
        if saved is not None and saved.member == self._index:
            data = saved.data
            self._spent_s = saved.seconds
        self._heart.say(self._name)
        call = Call(
            spec=spec,
            number=number,
            seed=seed,
            trials=trials,
            decided=decided,
            enqueued=claim.enqueued,
            fixed=fixed,
            confirming=claim.phase == Phase.CONFIRM,
            checkpoint=data,
            on_report=self._report,
            on_save=self._save,
        )
        return call.run()

    def member(self, seed: int, evaluation: Evaluation) -> Member:
        """Return a complete call as it is stored."""
        spec = self._claim.spec
        score, *others = spec.change_signs(evaluation.values)
        if spec.is_accuracy and not 0.0 <= score <= 1.0:
            raise ValueError(
                f"an accuracy must be a fraction from 0 to 1, got {score:g}. Return"
                f" {score / 100:.3g}, or give the value another name: --metric percent."
            )
        info = {**evaluation.facts, **spec.named_costs(others)}
        if evaluation.asked_confirming:
            info[facts.ASKED_CONFIRMING] = True
        reports = sorted(evaluation.reports.items())
        return Member(
            member=self._index,
            seed=seed,
            score=score,
            epochs=max(evaluation.reports, default=0),
            curve=tuple(value for _, value in reports),
            scored_at=tuple(step for step, _ in reports),
            loss_curve=(),
            diverged=False,
            info=info,
            seconds=self._spent_s + time.monotonic() - self._began_s,
        )

    def _report(self, step: int, value: float) -> None:
        """Show the progress, and leave the function if the slot is lost or stopped."""
        if self._heart.lost:
            lost = f"{self._claim}: the lease has passed to another worker"
            raise InterruptionError(LeaseLostError(lost))
        self._step = step
        self._heart.say(f"{self._name}, step {step}")
        if self._heart.stopping:
            self._store_checkpoint()
            self._ledger.release(self._claim)
            raise InterruptionError(StoppedError())

    def _save(self, data: bytes) -> None:
        self._unsaved = data
        if time.monotonic() - self._saved_s >= SAVE_S:
            self._store_checkpoint()

    def _store_checkpoint(self) -> None:
        """Store the last checkpoint that is not stored yet."""
        if self._unsaved is None:
            return
        checkpoint = Checkpoint(
            member=self._index,
            epoch=self._step,
            curve=(),
            scored_at=(),
            seconds=self._spent_s + time.monotonic() - self._began_s,
            data=self._unsaved,
        )
        self._unsaved = None
        self._saved_s = time.monotonic()
        self._ledger.store_checkpoint(self._claim, checkpoint)
