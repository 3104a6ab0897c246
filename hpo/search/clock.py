"""``budget.clock``: which trials a trial sees, in the time of virtual workers.

As many virtual workers as ``budget.window`` run the trials one after the other, each
trial on the worker that is free first. Trial k sees the trials that have ended by then,
in the order of their ends. An epoch takes a time that the parameters decide, never the
wall: so anybody, at any time, comes to the same order. Without the clock, trials end in
the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Step

BATCH_COST = 10.0
"""Examples that take as long as what a batch costs beside its examples."""


def order(spec: StudySpec, number: int, trials: Sequence[Past]) -> list[int]:
    """Return the numbers of trials 0 .. number-1: first those that trial ``number``
    sees, in the order of their ends, then the others by number."""
    numbers = list(range(min(number, len(trials))))
    if not spec.budget.clock:
        return numbers
    ended = sorted(numbers, key=lambda k: (trials[k].ends_at, k))
    n_seen = spec.budget.n_visible(number)
    return ended[:n_seen] + sorted(ended[n_seen:])


def ends_at(
    spec: StudySpec,
    begins_at: float,
    params: Mapping[str, Any],
    steps: Sequence[Step],
    state: SlotState,
) -> float:
    """Return when a trial ends in virtual time, or before when a running one cannot.

    A trial that fails is taken to train on to where it could have ended.
    """
    from hpo.search.pruners import next_end  # a slow import

    last = steps[-1] if steps else Step(0, 0, 0.0)
    trained = last.network * spec.planned_epochs + last.epoch
    epochs = spec.budget.most_epochs
    if state != SlotState.COMPLETE:
        epochs = next_end(spec, trained, ended=state == SlotState.PRUNED)
    return begins_at + epochs * _epoch_cost(params)


def _epoch_cost(params: Mapping[str, Any]) -> float:
    """Return what an epoch costs: of the searched parameters only batches change it
    much."""
    batch = params.get("batch_size")
    return 1.0 if batch is None else 1.0 + BATCH_COST / float(batch)
