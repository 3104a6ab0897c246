"""Slots that are claimed and finished by hand, as a worker would."""

from __future__ import annotations

from hpo.ledger.claim_records import Claim, End
from hpo.ledger.ledger import Ledger
from hpo.postgres.connect import Storage
from hpo.search.suggest import suggest
from hpo.study.networks import Member
from hpo.study.trials import Phase, SlotState, Step, Suggestion
from hpo.worker.suggestions import complete_history


def set_clock(storage: Storage, ahead: str) -> None:
    """Move the clock of the ledger ahead, by ``'1 hour'``, say."""
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION hpo_ledger.clock() RETURNS timestamptz"
            " LANGUAGE sql VOLATILE AS $$SELECT clock_timestamp() + interval"
            f" '{ahead}'$$"
        )


def claim(
    ledger: Ledger, worker: str = "w", *, study: str = "toy", lease_s: float = 60.0
) -> Claim:
    """Claim the next slot, or fail if there is none."""
    held = ledger.claim(study, worker, lease_s=lease_s)
    assert isinstance(held, Claim), held
    return held


def decide(ledger: Ledger, held: Claim) -> Suggestion:
    """Return the suggestion for a claimed trial, from the present history."""
    past = complete_history(held, ledger.history(held))
    return suggest(held.spec, held.number, past, held.enqueued)


def member(index: int = 0, score: float = 0.5) -> Member:
    """Return a trained network."""
    return Member(
        member=index,
        seed=1 + index,
        score=score,
        epochs=2,
        curve=(0.1, score),
        scored_at=(1, 2),
        loss_curve=(1.0, float("inf")),
        diverged=False,
        info={"n": 1},
        seconds=0.1,
    )


def finish(
    ledger: Ledger,
    held: Claim,
    state: SlotState = SlotState.COMPLETE,
    *,
    score: float | None = None,
) -> None:
    """Settle a slot; by default, with a score that depends only on its number."""
    if held.phase == Phase.SEARCH and held.suggestion is None:
        ledger.store_suggestion(held, decide(ledger, held))
    if state == SlotState.FAILED:
        ledger.settle(
            held, End(state=state, message=f"ValueError: trial {held.number}")
        )
        return
    if score is None:
        score = (held.number * 7 + held.fresh_seed) % 11 / 11
    for index in range(held.spec.budget.seeds if held.phase == Phase.SEARCH else 1):
        ledger.store_member(held, member(index, score))
    ledger.settle(
        held, End(state=state, score=score, steps=(Step(0, 1, 0.1), Step(0, 2, score)))
    )


def run(ledger: Ledger, study: str = "toy", *, most: int = 1000) -> None:
    """Claim and settle slots until there are none, or ``most`` of them."""
    for _ in range(most):
        held = ledger.claim(study, "w", lease_s=60)
        if not isinstance(held, Claim):
            return
        finish(ledger, held)
