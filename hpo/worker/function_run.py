"""Run one claimed slot of a study whose objective is a function of a script.

The first call of a trial finds its parameters; further calls, and those of a
confirmation, have the same parameters and other seeds. A call that is interrupted
begins again, from the checkpoint of the function if it makes any.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from hpo.contract import UnavailableError
from hpo.errors import SpecError
from hpo.functions import Evaluation, SameParametersError
from hpo.search.history import learns
from hpo.study.networks import Member
from hpo.study.seeds import derive_seed
from hpo.study.trials import RETURNED, Past, SlotState, Step, Suggestion
from hpo.worker.function_call import WatchedCall
from hpo.worker.suggestions import Suggester
from hpo.worker.trial import TrialRun


class FunctionRun(TrialRun):
    """The run of one claimed slot, by calls of a function."""

    _reported: Sequence[Step] = ()
    """What the first call of a trial has reported."""
    _n_returned: int | None = None
    """How many values the last call returned, if their number was wrong."""

    def _search(self) -> None:
        claim = self._claim
        trials = self._read_history()
        if claim.finished:
            assert claim.suggestion is not None
            self._suggestion = claim.suggestion
            self._reported = _list_steps(claim.finished[0])
        else:
            try:
                evaluation = self._call_first(trials)
            except SameParametersError as same:
                self._repeat(same)
                return
            if evaluation.state != SlotState.COMPLETE:
                self._end_early(evaluation)
                return
        for index in range(len(self._members), self._n_members):
            evaluation = self._call(
                index, "member", index, self._suggestion, trials=trials
            )
            if evaluation.state != SlotState.COMPLETE:
                self._end_early(evaluation)
                return
        self._complete()

    def _read_history(self) -> list[Past]:
        """Return the earlier trials, which each call of the trial sees alike."""
        if learns(self._spec):
            return Suggester(self._ledger, self._claim, self._heart).history()
        return self._ledger.history(self._claim)

    def _call_first(self, trials: list[Past]) -> Evaluation:
        """Call the function for the first member, and store the parameters that it
        finds.

        Raises:
            SameParametersError: an earlier trial had the same parameters.
        """
        decided = None
        if learns(self._spec):
            suggester = Suggester(self._ledger, self._claim, self._heart)
            decided = suggester.suggest(trials)
        return self._call(0, "member", 0, None, trials=trials, decided=decided)

    def _call(
        self,
        index: int,
        purpose: Literal["member", "confirm"],
        number: int,
        fixed: Suggestion | None,
        **history: Any,
    ) -> Evaluation:
        """Call the function for member ``index``, with the seed of this purpose and
        number, and keep what it gives."""
        self._training_began = min(self._training_began, time.monotonic())
        seed = derive_seed(self._spec.seed, purpose, number) // 2
        call = WatchedCall(self._ledger, self._claim, self._heart, index)
        try:
            evaluation = call.run(seed, fixed=fixed, **history)
        except SpecError as error:  # other hosts may have what the script imports
            raise UnavailableError(str(error)) from None
        self._n_returned = evaluation.n_returned
        if fixed is None:
            self._suggestion = evaluation.suggestion
            reports = sorted(evaluation.reports.items())
            self._reported = [Step(0, step, value) for step, value in reports]
            self._ledger.store_suggestion(self._claim, evaluation.suggestion)
        if evaluation.state == SlotState.COMPLETE:
            self._keep(index, call.member(seed, evaluation))
        return evaluation

    def _end_early(self, evaluation: Evaluation) -> None:
        score = None
        message = evaluation.message
        if evaluation.state == SlotState.PRUNED:
            message = "pruned"
            if evaluation.values:
                score = evaluation.values[0]
                message = f"pruned after step {max(evaluation.reports)}"
        self._settle(evaluation.state, score=score, message=message)

    def _repeat(self, same: SameParametersError) -> None:
        """Settle the trial with the result of an earlier one of the same parameters.

        The seeds are the same, too, so the function would give the same values.
        """
        self._suggestion = same.suggestion
        self._ledger.store_suggestion(self._claim, same.suggestion)
        earlier = self._ledger.read_members(self._claim.study_id, same.number)
        self._reported = _list_steps(earlier[0])
        for index, member in enumerate(earlier):
            info = {**member.info, "same_as_trial": same.number}
            self._keep(index, replace(member, info=info, seconds=0.0))
        self._complete()

    def _keep(self, index: int, member: Member) -> None:
        """Store a member, unless it is the last: that is stored with the slot's end."""
        self._members.append(member)
        if index + 1 < self._n_members:
            self._ledger.store_member(self._claim, member)
        else:
            self._last = member

    def _complete(self) -> None:
        score = statistics.fmean(member.score for member in self._members)
        self._settle(SlotState.COMPLETE, score=score)

    def _confirm(self) -> None:
        claim = self._claim
        assert claim.source is not None
        (source,) = self._ledger.read_past(
            claim.study_id, range(claim.source, claim.source + 1)
        )
        if not self._members:
            n_seen = self._spec.budget.n_visible(claim.source)
            trials = self._ledger.read_past(claim.study_id, range(n_seen))
            evaluation = self._call(
                0, "confirm", claim.fresh_seed, source.suggestion, trials=trials
            )
            if evaluation.state != SlotState.COMPLETE:
                why = evaluation.message or "the function raised TrialPruned"
                self._settle(SlotState.FAILED, message=why)
                return
        self._complete()

    def _costs(self, state: SlotState) -> Sequence[float]:
        if state != SlotState.COMPLETE:
            return ()
        means = []
        for name in self._spec.further_values:
            means.append(statistics.fmean(own.info[name] for own in self._members))
        return means

    def _steps(self) -> Sequence[Step]:
        return self._reported

    def _attrs(self) -> dict[str, Any]:
        return dict(self._suggestion.attrs)

    def _lineage(self) -> dict[str, Any]:
        lineage = super()._lineage()
        if self._n_returned is not None:
            lineage[RETURNED] = self._n_returned
        return lineage


def _list_steps(member: Member) -> list[Step]:
    """Return what the call of a member reported, as steps."""
    pairs = zip(member.scored_at, member.curve, strict=True)
    return [Step(0, step, value) for step, value in pairs]
