"""How far a search is: its trials by state, and what they trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from hpo.study import effort
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, StudySnapshot, Trial


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
    ended: Mapping[tuple[SlotState, str], int]
    """Numbers of trials by state and its name, in the order of the states."""
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


def _count_ended(snapshot: StudySnapshot) -> dict[tuple[SlotState, str], int]:
    counts = Counter[tuple[SlotState, str]]()
    for trial in snapshot.search:
        if trial.state.is_finished:
            counts[trial.state, state_name(snapshot.spec, trial)] += trial.alike
    states = list(SlotState)
    keys = sorted(counts, key=lambda key: (states.index(key[0]), key[1]))
    return {key: counts[key] for key in keys}


def state_name(spec: StudySpec, trial: Trial) -> str:
    """Return the name of a trial's state; of a pruned one, how it was pruned."""
    if trial.state == SlotState.PRUNED:
        return str(effort.ending(spec, trial) or trial.state)
    return str(trial.state)
