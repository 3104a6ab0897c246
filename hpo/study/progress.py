"""How far a search is: its trials by state, and what they trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from hpo.study.trials import SlotState, StudySnapshot


@dataclass(frozen=True, kw_only=True)
class SearchProgress:
    """The progress of a search."""

    trials: int
    """Number of trials in all, as known now."""
    finished: int
    held: int
    """Trials that a worker is at work on."""
    begun: int
    """Trials that were begun and wait for a worker."""
    enqueued: int
    """Trials that were given parameters by hand, and are not begun."""
    ended: Mapping[SlotState, int]
    """Numbers of finished trials by state, in the order of the states."""
    epochs: int
    """Epochs of training of all search trials."""
    confirmation_epochs: int

    @classmethod
    def of(cls, snapshot: StudySnapshot) -> Self:
        """Count the trials of a snapshot."""
        begun = 0
        enqueued = 0
        for trial in snapshot.search:
            if trial.state == SlotState.RUNNING and not trial.held:
                begun += trial.attempts > 0
                enqueued += trial.attempts == 0
        return cls(
            trials=snapshot.trials,
            finished=snapshot.finished,
            held=sum(trial.held for trial in snapshot.search),
            begun=begun,
            enqueued=enqueued,
            ended=_count_ended(snapshot),
            epochs=sum(t.alike * t.epochs for t in snapshot.search),
            confirmation_epochs=sum(trial.epochs for trial in snapshot.confirm),
        )


def _count_ended(snapshot: StudySnapshot) -> dict[SlotState, int]:
    counts = Counter[SlotState]()
    for trial in snapshot.search:
        if trial.state.is_finished:
            counts[trial.state] += trial.alike
    return {state: counts[state] for state in SlotState if state in counts}
