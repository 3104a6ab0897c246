"""A client of a study: it asks for trials, evaluates them itself, and tells the values.

A client holds one trial at a time, under a lease. If it asks again before it has told
the value, it gets the same trial: so a client that died continues where it was. Another
client gets that trial, with the same parameters, when the lease has run out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hpo.errors import StudyError, advise
from hpo.ledger import events
from hpo.ledger.claim_records import Claim, Over, Wait
from hpo.ledger.ledger import Ledger
from hpo.ledger.telling import Told
from hpo.postgres.connect import Storage
from hpo.search import suggest
from hpo.search.history import learns
from hpo.study.ask_and_tell import AskedSlot
from hpo.study.tables import ParamValue
from hpo.study.trials import Phase, SlotState, StudyState, Suggestion
from hpo.worker import notifier
from hpo.worker.suggestions import complete_history

LEASE_S = 3600.0
"""Default time after which another client is asked for a trial."""
TOKEN = "ask-and-tell"
"""Token of all claims here: a later process of a client inherits its trial."""
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A trial that a client is to evaluate."""

    slot: AskedSlot
    params: Mapping[str, ParamValue]
    lease_s: float
    """Seconds until another client may be asked for it, unless the lease is renewed."""
    again: bool
    """Whether it was asked before: by this client, or by one whose lease has run
    out."""

    @property
    def confirms(self) -> bool:
        """Whether it repeats the best configuration, after the search."""
        return self.slot.repetition is not None


@dataclass(frozen=True)
class Nothing:
    """There is nothing to evaluate just now, or ever again."""

    reason: str
    done: bool
    """Whether the study is done."""


class Client:
    """A client of one study."""

    def __init__(self, storage: Storage, study: str, name: str | None = None) -> None:
        """Take the database, the name of the study, and that of the client.

        Raises:
            StudyError: the name is too long, or has characters that cannot be printed.
        """
        self._storage = storage
        self._study = study
        self._ledger = Ledger(storage, token=TOKEN)
        self.name = name or events.name_user()
        if not self.name.isprintable() or len(self.name) > LONGEST_NAME:
            raise StudyError(
                f"client: expected a name of at most {LONGEST_NAME} printable"
                f" characters, got {self.name[:80]!r}. Choose another."
            )

    def ask(self, lease_s: float = LEASE_S) -> Asked | Nothing:
        """Return the trial that is to be evaluated next.

        Raises:
            StudyError: the study has failed or was stopped, or workers serve it.
        """
        self._ledger.read_asked_state(self._study)
        answer = self._ledger.claim(self._study, self.name, lease_s=lease_s)
        if isinstance(answer, Wait):
            return Nothing(answer.reason, done=False)
        if isinstance(answer, Over):
            return self._end(answer)
        is_known = answer.phase == Phase.SEARCH and answer.suggestion is not None
        suggestion = self._suggest(answer)
        return Asked(
            slot=AskedSlot.of(answer.spec, answer.number, answer.source),
            params=suggestion.params,
            lease_s=lease_s,
            again=is_known or answer.attempt > 1,
        )

    def _suggest(self, claim: Claim) -> Suggestion:
        """Return the suggestion of a claimed trial, and store it if it is new.

        Suggestions that others have not stored yet are computed here: they are the
        same.
        """
        if claim.suggestion is not None:
            return claim.suggestion
        history = []
        if learns(claim.spec):
            history = complete_history(claim, self._ledger.history(claim))
        suggestion = suggest.suggest(claim.spec, claim.number, history, claim.enqueued)
        self._ledger.store_suggestion(claim, suggestion)
        return suggestion

    def _end(self, over: Over) -> Nothing:
        """Return why nothing is left to evaluate; show the result of a study that has
        just finished in Optuna's tools."""
        state = self._ledger.read_asked_state(self._study)
        if state in (StudyState.STOPPED, StudyState.FAILED):
            resume = advise(f"hpo resume {self._study}", "study.resume()")
            see = advise(f"hpo status {self._study}", "study")
            raise StudyError(
                f"study {self._study!r}: it is {state}, so no trial is asked. See why:"
                f" {see}; to go on: {resume}."
            )
        if over.ended:
            with suppress(Exception):  # of any kind: the result is safe in the ledger
                notifier.show_in_optuna(self._storage, self._study)
        return Nothing(over.reason, done=True)

    def renew(self, slot: AskedSlot, lease_s: float = LEASE_S) -> None:
        """Extend the lease on a trial that this client has asked for.

        Raises:
            StudyError: another client has it now, or it is finished.
        """
        self._ledger.renew_asked(self._study, slot, self.name, lease_s)

    def tell(
        self,
        slot: AskedSlot,
        values: Sequence[float] = (),
        *,
        sd: float | None = None,
        state: SlotState = SlotState.COMPLETE,
    ) -> bool:
        """Tell the values of a trial, whoever has asked for it; return whether they
        were told before.

        Args:
            slot: the trial.
            values: one for each metric; none of a trial that has failed.
            sd: standard deviation of the first value, if it is known.
            state: how the trial has ended.

        Raises:
            StudyError: the trial was not asked, a value cannot be stored, or others
                were told before.
        """
        told = Told(
            slot=slot, state=state, values=tuple(values), sd=sd, client=self.name
        )
        return self._ledger.tell(self._study, told)
