"""The suggestion of a claimed trial, from the history that its window allows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

from hpo import functions
from hpo.ledger.claim_records import Claim
from hpo.ledger.ledger import Ledger
from hpo.search import suggest
from hpo.search.history import learns, unsuggested
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Past, SlotState, Suggestion
from hpo.worker.heartbeat import Heartbeat, StoppedError

PAUSE_S = (0.02, 1.0)
"""Shortest and longest pause between two looks for the suggestions of other workers."""


class Suggester:
    """Makes the suggestion of one claimed trial."""

    lasted_s: ClassVar[float] = 0.1
    """Duration of this process's last suggestion; it sets how long a trial waits, and
    affects no result."""

    def __init__(self, ledger: Ledger, claim: Claim, heart: Heartbeat) -> None:
        """Read nothing yet."""
        self._ledger = ledger
        self._claim = claim
        self._heart = heart

    def history(self) -> list[Past]:
        """Return the earlier trials, each with its suggestion; none if the search does
        not learn from them.

        Raises:
            StoppedError: the worker has a request to stop; the slot is left to the next
                one.
        """
        spec = self._claim.spec
        if not learns(spec):
            return []
        history = self._ledger.history(self._claim)
        states = [history[k].state for k in unsuggested(spec, history)]
        if SlotState.RUNNING in states:
            self._await_others()
            history = self._ledger.history(self._claim)
        return complete_history(self._claim, history)

    def suggest(self, history: list[Past]) -> Suggestion:
        """Return the suggestion of the trial, and store it if it is new."""
        claim = self._claim
        if claim.suggestion is not None:
            return claim.suggestion
        began_s = time.monotonic()
        suggestion = _make(claim.spec, claim.number, history, claim.enqueued)
        Suggester.lasted_s = time.monotonic() - began_s
        self._ledger.store_suggestion(claim, suggestion)
        return suggestion

    def _await_others(self) -> None:
        """Wait for the suggestions of trials that other workers have just claimed.

        Suggestions depend on one another, so waiting takes no longer than computing
        them here, and saves CPU time. But their workers may be dead. Suggestions are
        pure functions of the history: without progress for a while, this worker
        computes them itself.
        """
        shortest_s, longest_s = PAUSE_S
        missing, first = self._ledger.unsuggested(self._claim)
        began_s = time.monotonic()
        while missing:
            if self._heart.stopping:
                self._ledger.release(self._claim)
                raise StoppedError
            expected_s = missing * self.lasted_s / 2
            time.sleep(max(shortest_s, min(longest_s, expected_s)))
            before = first
            missing, first = self._ledger.unsuggested(self._claim)
            if first != before:  # progress: others wait, too
                began_s = time.monotonic()
            elif time.monotonic() - began_s > longest_s + 3 * self.lasted_s:
                return


def _make(
    spec: StudySpec,
    number: int,
    history: Sequence[Past],
    enqueued: Mapping[str, ParamValue],
) -> Suggestion:
    """Make the suggestion of a trial; of a function what is decided before it runs."""
    make = functions.decide if spec.is_function else suggest.suggest
    return make(spec, number, history, enqueued)


def complete_history(claim: Claim, history: list[Past]) -> list[Past]:
    """Return the history with every suggestion; compute those that are missing."""
    for number in unsuggested(claim.spec, history):
        enqueued = history[number].suggestion.enqueued
        suggestion = _make(claim.spec, number, history[:number], enqueued)
        history[number] = history[number].suggested(suggestion)
    return history
