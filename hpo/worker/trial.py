"""Working on one claimed slot: suggest, train its members one by one, judge, settle.

Whatever an earlier attempt finished is taken from the ledger, not repeated: stored members, and
the checkpoint of the member that was in training. Its reported values are judged again in the same
order, so a resumed trial ends exactly like an undisturbed one.
"""

from __future__ import annotations

import json
import logging
import math
import statistics
import time
import traceback
from collections.abc import Callable, Sequence

from hpo.errors import HpoError
from hpo.ledger import pins
from hpo.ledger.claims import Checkpoint, Claim, End, LeaseLostError
from hpo.ledger.ledger import Ledger
from hpo.objectives import facts
from hpo.objectives.contract import OnEpoch, Outcome, Progress, Protocol, UnavailableError
from hpo.postgres.retry import DATABASE_ERRORS
from hpo.search import constraints, suggest
from hpo.search import history as search_history
from hpo.search.pruning import EndedError, TrialProgress
from hpo.study.networks import Member
from hpo.study.spec import derived_seed
from hpo.study.trials import Past, Phase, SlotState, Suggestion
from hpo.worker import provenance
from hpo.worker.heartbeat import Heartbeat

log = logging.getLogger(__name__)

CHECKPOINT_S = (1.0, 30.0)
"""Least and most time between checkpoints. At most so much work is lost with a worker; a trial that
was given up before is kept safe more often, so that it gets further however often it is lost."""
PAUSE_S = (0.02, 1.0)
"""Shortest and longest pause between two looks for suggestions that others are to write down."""
LARGEST = 16 * 2**20
"""Bytes of a network that is kept."""
_MESSAGE_CHARS = 4000
_MORE_MEMORY = (
    "Run fewer workers at a time, use hosts with more memory, or make the networks smaller."
)


class StoppedError(Exception):
    """The worker was told to stop; the slot is safe and free for the next one."""


class TrialRun:
    """One claimed slot in work."""

    suggestion_s = 0.1
    """Seconds that the last suggestion of this process took; how long a trial waits depends on it,
    no result."""

    def __init__(self, ledger: Ledger, claim: Claim, heart: Heartbeat) -> None:
        """Everything that the trial needs to know; nothing is done yet."""
        self._ledger, self._claim, self._heart = ledger, claim, heart
        self._spec = claim.spec
        self._course: TrialProgress | None = None
        self._members = list(claim.finished)
        self._last: Member | None = None
        self._network: bytes | None = None
        self._suggested = Suggestion(params={})
        self._started = time.monotonic()
        self._began_training = math.inf

    def run(self) -> None:
        """Bring the slot to its end, and write that down.

        Raises:
            StoppedError: the worker was told to stop; the slot is left to the next one.
            LeaseLostError: the slot is another worker's by now.
            MemoryError: this host has not enough memory; the slot is left to others.
            UnavailableError: this host lacks what the trial needs; the slot is left to others.
            sqlalchemy.exc.SQLAlchemyError: the database fails in a way that waiting does not mend.
        """
        try:
            if self._claim.phase == Phase.CONFIRM:
                self._confirm()
            else:
                self._search()
        except UnavailableError:
            self._ledger.release(self._claim)
            raise  # a broken host, not a broken trial: others may have what is missing here
        except (StoppedError, HpoError, *DATABASE_ERRORS):
            raise  # a broken world, not a broken trial
        except MemoryError as error:  # so is a host that is too small, or shared with others
            said = f" ({error})" if str(error) else ""
            self._ledger.lose(self._claim, f"out of memory{said}. {_MORE_MEMORY}")
            raise
        except Exception:
            text = traceback.format_exc()[-_MESSAGE_CHARS:].replace("\0", "\\0")
            storable = text.encode("utf-8", "backslashreplace").decode("utf-8")
            self._settle(SlotState.FAILED, message=storable)

    # --- search --------------------------------------------------------------------------

    def _search(self) -> None:
        history = self._history() if search_history.learns(self._spec) else []
        suggestion = self._claim.suggestion
        if suggestion is None:
            suggestion = self._suggest(history)
            self._ledger.store_suggestion(self._claim, suggestion)
        course = TrialProgress(self._spec, self._claim.number, history, suggestion)
        self._course, self._suggested = course, suggestion
        members = self._members
        try:
            self._replay(course, members)
            for index in range(len(members), self._n_members):
                seed = derived_seed(self._spec.seed, "member", index)
                members.append(self._train(index, seed, self._spec.protocol, suggestion))
                course.networks(self._scores(members))
        except EndedError as why:
            score = course.steps[-1]
            self._settle(SlotState.PRUNED, score=score, message=str(why))
            return
        score = statistics.fmean(self._scores(members))
        self._settle(SlotState.COMPLETE, score=score)

    def _history(self) -> list[Past]:
        """Earlier trials, every one with its suggestion."""
        history = self._ledger.history(self._claim)
        if any(not past.suggestion.params and past.state == SlotState.RUNNING for past in history):
            self._await_suggestions()
            history = self._ledger.history(self._claim)
        return _filled(self._claim, history)

    def _await_suggestions(self) -> None:
        """Wait until trials that were claimed a moment ago have theirs written down.

        They depend on one another, so to wait takes no longer than to work them out here, and
        leaves the processor to those who do. But their workers may be dead, and they are pure
        functions of what is known here: without news for a while, that is done.
        """
        missing, first = self._ledger.unsuggested(self._claim)
        began_s = time.monotonic()
        while missing:
            if self._heart.stopping:
                self._ledger.release(self._claim)
                raise StoppedError
            longest_s = min(PAUSE_S[1], missing * self.suggestion_s / 2)
            time.sleep(max(PAUSE_S[0], longest_s))
            before = first
            missing, first = self._ledger.unsuggested(self._claim)
            if first != before:  # the others wait for this one, too
                began_s = time.monotonic()
            elif time.monotonic() - began_s > PAUSE_S[1] + 3 * self.suggestion_s:
                return

    def _suggest(self, history: list[Past]) -> Suggestion:
        began_s = time.monotonic()
        claim = self._claim
        suggestion = suggest.suggest(claim.spec, claim.number, history, claim.enqueued)
        TrialRun.suggestion_s = time.monotonic() - began_s
        return suggestion

    def _replay(self, course: TrialProgress, members: Sequence[Member]) -> None:
        """Follow what earlier attempts reported."""
        for count, member in enumerate(members, start=1):
            for value in member.curve:
                course.epoch(member.member, value)
            course.networks(self._scores(members[:count]))
        checkpoint = self._claim.checkpoint
        if checkpoint is not None and checkpoint.member == len(members):
            for value in checkpoint.curve:
                course.epoch(checkpoint.member, value)

    def _scores(self, members: Sequence[Member]) -> list[float]:
        """What trained networks score; a study that selects nothing claims nothing by it."""
        validates = self._spec.protocol == Protocol.VALIDATION
        return [m.claimed if validates else m.score for m in members]

    # --- confirmation --------------------------------------------------------------------

    def _confirm(self) -> None:
        assert self._claim.suggestion is not None
        members = self._members
        if not members:
            seed = derived_seed(self._spec.seed, "confirm", self._claim.fresh_seed)
            members.append(self._train(0, seed, Protocol.CONFIRM, self._claim.suggestion))
        self._settle(SlotState.COMPLETE, score=members[0].score)

    # --- both ----------------------------------------------------------------------------

    def _train(self, index: int, seed: int, protocol: Protocol, suggestion: Suggestion) -> Member:
        """Train one member, from its checkpoint if there is one, and store all but the last."""
        saved = self._claim.checkpoint
        if saved is not None and saved.member != index:
            saved = None
        confirming = protocol == Protocol.CONFIRM
        epochs = self._spec.confirm_epochs if confirming else self._spec.budget.epochs
        spent = saved.seconds if saved else 0.0
        begun = time.monotonic()
        self._began_training = min(self._began_training, begun)

        def seconds() -> float:
            return spent + time.monotonic() - begun

        outcome = self._spec.objective_impl.evaluate(
            self._spec.params(suggestion.params, epochs=epochs),
            task=self._spec.task_params.of_member(index),
            protocol=protocol,
            member_seed=seed,
            on_epoch=self._on_epoch(index, epochs, saved, seconds),
            resume=saved.data if saved else None,
        )
        constraints.check_told(self._spec, suggestion.params, outcome.info)
        member = member_of(index, seed, outcome, seconds())
        for score in (member.score, *([member.solved.score] if member.solved else [])):
            self._spec.objective_impl.checked(score)
        if index + 1 < self._n_members:
            self._ledger.store_member(self._claim, member)
        else:
            self._last = member  # stored in the statement that settles the slot
            self._network = self._kept(outcome) if confirming else None
        return member

    def _kept(self, outcome: Outcome) -> bytes | None:
        """The network of the first fresh seed, which is kept beside its score."""
        data = outcome.network
        if data is None or self._claim.fresh_seed != 0:
            return None
        if len(data) > LARGEST:
            size = f"it has {len(data):,} bytes, more than {LARGEST:,}"
            log.warning("%s: its network is not kept: %s", self._claim, size)
            return None
        return data

    @property
    def _n_members(self) -> int:
        return 1 if self._claim.phase == Phase.CONFIRM else self._spec.budget.members

    def _on_epoch(
        self, index: int, epochs: int, saved: Checkpoint | None, seconds: Callable[[], float]
    ) -> OnEpoch:
        """What a member's training calls after every epoch: it is judged, shown and kept safe."""
        curve = list(saved.curve) if saved else []
        saved_at = time.monotonic()
        pause_s = max(CHECKPOINT_S[0], CHECKPOINT_S[1] / 2 ** min(self._claim.attempt - 1, 30))
        what = str(self._claim)
        if self._claim.phase == Phase.SEARCH:
            what += f", member {index + 1} of {self._n_members}"

        def on_epoch(progress: Progress) -> None:
            nonlocal saved_at
            if self._heart.lost:
                raise LeaseLostError(f"{self._claim}: the lease has passed to another worker")
            self._heart.say(f"{what}, epoch {progress.epoch} of {epochs}")
            score = progress.score
            if score is not None:
                epoch = f"score of epoch {progress.epoch}"
                score = self._spec.objective_impl.checked(score, epoch)
                curve.append(score)
            if self._course is not None:
                self._course.epoch(index, score)
            stopping = self._heart.stopping
            if stopping or time.monotonic() - saved_at >= pause_s:
                saved_at = time.monotonic()
                checkpoint = Checkpoint(
                    member=index, curve=tuple(curve), seconds=seconds(), data=progress.checkpoint()
                )
                self._ledger.store_checkpoint(self._claim, checkpoint)
            if stopping:
                self._ledger.release(self._claim)
                raise StoppedError

        return on_epoch

    def _settle(
        self, state: SlotState, *, score: float | None = None, message: str | None = None
    ) -> None:
        end = End(
            state=state,
            score=score,
            costs=constraints.of_trial(self._spec, state, self._suggested.params, self._members),
            steps=self._course.steps if self._course else (),
            attrs={**self._suggested.attrs, **(self._course.attrs if self._course else {})},
            message=message,
            lineage={
                "spec_hash": self._spec.hash,
                "code": pins.fingerprint(self._spec),
                **provenance.of_this_process(),
                "worker": self._claim.worker,
                "attempts": self._claim.attempt,
                "seconds": round(time.monotonic() - self._started, 3),
                "training_seconds": round(max(0.0, time.monotonic() - self._began_training), 3),
            },
            trained=self._members,
            last=self._last,
            network=self._network,
        )
        self._ledger.settle(self._claim, end)


def member_of(index: int, seed: int, outcome: Outcome, seconds: float) -> Member:
    """Return what is written down of a training.

    Raises:
        ValueError: it gave something that nobody can score, or store.
    """
    info = json.loads(json.dumps(facts.told_info(outcome), allow_nan=False))
    return Member(
        member=index,
        seed=seed,
        score=outcome.score,
        curve=outcome.curve,
        loss_curve=outcome.loss_curve,
        diverged=outcome.diverged,
        info=info,
        seconds=seconds,
    )


def _filled(claim: Claim, history: list[Past]) -> list[Past]:
    """The history with every suggestion in it: those that are missing are worked out."""
    for number in [k for k, past in enumerate(history) if not past.suggestion.params]:
        enqueued = history[number].suggestion.enqueued
        suggestion = suggest.suggest(claim.spec, number, history[:number], enqueued)
        history[number] = history[number].suggested(suggestion)
    return history
