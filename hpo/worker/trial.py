"""Run one claimed slot: suggest parameters, train members one by one, prune or
complete, settle.

Work of an earlier attempt is taken from the ledger, not repeated: stored members, and
the checkpoint of the member in training. The pruner sees its reported values again in
the same order, so a resumed trial ends exactly like an undisturbed one.
"""

from __future__ import annotations

import logging
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from hpo.contract import (
    ExitedError,
    Outcome,
    Protocol,
    UnavailableError,
    explain_broken_host,
    is_out_of_memory,
)
from hpo.errors import HpoError, traceback_text
from hpo.ledger import pins
from hpo.ledger.claim_records import Claim, End
from hpo.ledger.ledger import Ledger
from hpo.postgres.retry import DATABASE_ERRORS
from hpo.search import clock, constraints
from hpo.search.pruning import EndedError, TrialProgress
from hpo.study.networks import Member
from hpo.study.seeds import derive_seed
from hpo.study.tables import ParamValue
from hpo.study.trials import Phase, SlotState, Step, Suggestion
from hpo.worker import provenance
from hpo.worker.heartbeat import Heartbeat, StoppedError
from hpo.worker.suggestions import Suggester
from hpo.worker.training import MemberTraining

log = logging.getLogger(__name__)

LARGEST = 16 * 2**20
"""Largest size of a stored network, in bytes."""
_MORE_MEMORY = (
    "Run fewer workers at a time, use hosts with more memory, or make the networks"
    " smaller."
)


class TrialRun:
    """The run of one claimed slot."""

    def __init__(self, ledger: Ledger, claim: Claim, heart: Heartbeat) -> None:
        """Create the run of a claim; ``run`` starts it."""
        self._ledger = ledger
        self._claim = claim
        self._heart = heart
        self._spec = claim.spec
        self._course: TrialProgress | None = None
        self._ends_at = claim.begins_at
        self._members = list(claim.finished)
        self._last: Member | None = None
        self._network: bytes | None = None
        self._suggestion = Suggestion(params={})
        self._started = time.monotonic()
        self._training_began = math.inf

    def run(self) -> None:
        """Run the slot to its end and settle it.

        Raises:
            StoppedError: the worker has a request to stop; the slot is left to the next
                one.
            LeaseLostError: another worker holds the slot now.
            ExitedError: the objective tried to end the process.
            MemoryError: this host has too little memory; the slot is left to others.
            UnavailableError: this host lacks what the trial needs.
            Exception: this host is broken; see ``explain_broken_host``.
            sqlalchemy.exc.SQLAlchemyError: the database fails in a way that waiting
                does not fix.
        """
        try:
            if self._claim.phase == Phase.CONFIRM:
                self._confirm()
            else:
                self._search()
        except (StoppedError, ExitedError, HpoError, *DATABASE_ERRORS):
            raise  # a broken world, not a broken trial
        except UnavailableError:
            raise  # so is a host that lacks what others may have
        except Exception as error:
            if is_out_of_memory(error):  # a host that is too small, or shared
                first = str(error).partition("\n")[0]
                detail = f" ({first})" if first else ""
                self._ledger.lose(self._claim, f"out of memory{detail}. {_MORE_MEMORY}")
                raise MemoryError(first) from error
            if explain_broken_host(error) is not None:
                raise
            self._settle(SlotState.FAILED, message=traceback_text())

    # --- search ---

    def _search(self) -> None:
        suggester = Suggester(self._ledger, self._claim, self._heart)
        history = suggester.history()
        suggestion = suggester.suggest(history)
        course = TrialProgress(self._spec, self._claim.number, history, suggestion)
        self._course = course
        self._suggestion = suggestion
        members = self._members
        try:
            self._replay(course, members)
            self._tell_bound()
            for index in range(len(members), self._n_members):
                seed = derive_seed(self._spec.seed, "member", index)
                member = self._train(index, seed, suggestion.params)
                members.append(member)
                course.report_networks(self._scores(members), member.epochs)
                self._tell_bound()
        except EndedError as why:
            score = course.steps[-1].score
            self._settle(SlotState.PRUNED, score=score, message=str(why))
            return
        score = statistics.fmean(self._scores(members))
        self._settle(SlotState.COMPLETE, score=score)

    def _replay(self, course: TrialProgress, members: Sequence[Member]) -> None:
        """Replay what earlier attempts reported."""
        for count, member in enumerate(members, start=1):
            for epoch, score in zip(member.scored_at, member.curve, strict=True):
                course.report_epoch(member.member, epoch, score)
            course.report_networks(self._scores(members[:count]), member.epochs)
        saved = self._claim.checkpoint
        if saved is not None and saved.member == len(members):
            for epoch, score in zip(saved.scored_at, saved.curve, strict=True):
                course.report_epoch(saved.member, epoch, score)

    def _tell_bound(self) -> None:
        """Tell before when the trial cannot end in virtual time, if that is new."""
        bound = self._virtual_end(SlotState.RUNNING)
        if bound is not None and bound != self._ends_at:
            self._ledger.store_bound(self._claim, bound)
            self._ends_at = bound

    def _virtual_end(self, state: SlotState) -> float | None:
        """Return when the trial ends in virtual time; None without ``budget.clock``."""
        begins_at = self._claim.begins_at
        if begins_at is None or not self._spec.budget.clock:
            return None
        params = self._suggestion.params
        return clock.ends_at(self._spec, begins_at, params, self._steps(), state)

    def _scores(self, members: Sequence[Member]) -> list[float]:
        """Return the scores that count: claimed ones under ``validation``, else plain
        ones."""
        validates = self._spec.protocol == Protocol.VALIDATION
        return [m.claimed if validates else m.score for m in members]

    # --- confirmation ---

    def _confirm(self) -> None:
        assert self._claim.suggestion is not None
        members = self._members
        if not members:
            seed = derive_seed(self._spec.seed, "confirm", self._claim.fresh_seed)
            members.append(self._train(0, seed, self._claim.suggestion.params))
        self._settle(SlotState.COMPLETE, score=members[0].score)

    # --- both ---

    def _train(self, index: int, seed: int, params: Mapping[str, ParamValue]) -> Member:
        """Train one member, from its checkpoint if there is one; store it unless it is
        the last."""
        self._training_began = min(self._training_began, time.monotonic())
        training = MemberTraining(
            self._ledger, self._claim, self._heart, self._course, index
        )
        training.on_report = self._tell_bound
        outcome, member = training.run(params, seed)
        objective = self._spec.objective_impl
        objective.check_score(member.score)
        if member.solved is not None:
            objective.check_score(member.solved.score)
        if index + 1 < self._n_members:
            self._ledger.store_member(self._claim, member)
            return member
        self._last = member  # stored in the statement that settles the slot
        if self._claim.phase == Phase.CONFIRM:
            self._network = self._storable_network(outcome)
        return member

    def _storable_network(self, outcome: Outcome) -> bytes | None:
        """Return the network, if it is one of the study's own split, and not too
        large."""
        data = outcome.network
        if data is None or self._claim.split != 0:
            return None
        if len(data) > LARGEST:
            size = f"its {len(data):,} bytes exceed {LARGEST:,}"
            log.warning("%s: network not stored: %s", self._claim, size)
            return None
        return data

    @property
    def _n_members(self) -> int:
        return 1 if self._claim.phase == Phase.CONFIRM else self._spec.budget.seeds

    def _settle(
        self,
        state: SlotState,
        *,
        score: float | None = None,
        message: str | None = None,
    ) -> None:
        end = End(
            state=state,
            score=score,
            costs=self._costs(state),
            steps=self._steps(),
            attrs=self._attrs(),
            message=message,
            lineage=self._lineage(),
            trained=self._members,
            last=self._last,
            network=self._network,
            ends_at=self._virtual_end(state),
            is_suggested=bool(self._suggestion.params),
        )
        self._ledger.settle(self._claim, end)

    def _costs(self, state: SlotState) -> Sequence[float]:
        """Return what ``[cost]`` names, if the trial ends in this state."""
        params = self._suggestion.params
        return constraints.trial_costs(self._spec, state, params, self._members)

    def _steps(self) -> Sequence[Step]:
        """Return what the trial has reported."""
        return () if self._course is None else self._course.steps

    def _attrs(self) -> dict[str, Any]:
        """Return the memory of the sampler and the pruner."""
        attrs = dict(self._suggestion.attrs)
        if self._course is not None:
            attrs |= self._course.attrs
        return attrs

    def _lineage(self) -> dict[str, Any]:
        now_s = time.monotonic()
        training_s = max(0.0, now_s - self._training_began)
        return {
            "spec_hash": self._spec.hash,
            "code": pins.fingerprint(self._spec),
            **provenance.of_this_process(),
            "worker": self._claim.worker,
            "attempts": self._claim.attempt,
            "seconds": round(now_s - self._started, 3),
            "training_seconds": round(training_s, 3),
        }
