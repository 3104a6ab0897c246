"""Where trials stand along the x axis of a convergence, and which of them was the best so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hpo.plotting import axis_score, scored
from hpo.snapshot import Slot, SlotState, StudySnapshot


@dataclass(frozen=True, kw_only=True)
class Clock:
    """An x axis: search trials at their numbers, or at the times when they settled."""

    name: str
    title: str
    """What the axis is called, with its unit."""
    at: Mapping[int, float]
    """Where each search trial stands, by its number; an unsettled one at the moment of the look."""

    @property
    def end(self) -> float:
        """Where the last trial stands."""
        return max(self.at.values(), default=0.0)


def clocks(snapshot: StudySnapshot) -> tuple[Clock, Clock]:
    """By trial number, and by time since the study was created, in a unit that fits."""
    numbers = {slot.number: float(slot.number) for slot in snapshot.search}
    seconds = {
        slot.number: ((slot.settled_at or snapshot.now) - snapshot.created_at).total_seconds()
        for slot in snapshot.search
    }
    longest = max(seconds.values(), default=0.0)
    unit, size = ("s", 1.0) if longest < 120 else ("min", 60.0) if longest < 7200 else ("h", 3600.0)
    elapsed = {number: s / size for number, s in seconds.items()}
    return (
        Clock(name="by trial", title="trial", at=numbers),
        Clock(name="by time", title=f"time since start ({unit})", at=elapsed),
    )


def incumbents(snapshot: StudySnapshot, clock: Clock) -> list[Slot]:
    """Complete trials that were better than all before them along a clock, in that order."""
    found: list[Slot] = []
    complete = [slot for slot in scored(snapshot) if slot.state == SlotState.COMPLETE]
    for slot in sorted(complete, key=lambda slot: (clock.at[slot.number], slot.number)):
        if not found or _better(snapshot, slot, found[-1]):
            found.append(slot)
    return found


def _better(snapshot: StudySnapshot, slot: Slot, other: Slot) -> bool:
    one, two = (axis_score(snapshot.spec, s) for s in (slot, other))
    return one > two if snapshot.spec.maximize else one < two
