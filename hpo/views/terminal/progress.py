"""What a launch shows while it follows a study: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

from hpo.study import endings
from hpo.study.snapshot import StudySnapshot
from hpo.study.trials import Phase, SlotState, Trial
from hpo.views import formatting, json_records, verdict
from hpo.views.terminal import tables

QUIET_S = 60.0
"""After so long without news, plain output says that it is still there."""


class Tracker:
    """Tells what is new in each snapshot, and how long the rest will take."""

    def __init__(self, first: StudySnapshot) -> None:
        """What is settled in the first snapshot is no news."""
        self._seen = {_key(slot) for slot in settled(first)}
        self._began, self._before = first.now, first.settled

    def news(self, snapshot: StudySnapshot) -> list[Trial]:
        """Slots that were settled since the last call, in that order."""
        new = [slot for slot in settled(snapshot) if _key(slot) not in self._seen]
        self._seen |= {_key(slot) for slot in new}
        return new

    def seconds_left(self, snapshot: StudySnapshot) -> float | None:
        """Until the search is settled, at the rate of this launch; None while that says little."""
        done = snapshot.settled - self._before
        elapsed = (snapshot.now - self._began).total_seconds()
        if done < 3 or elapsed <= 0:
            return None
        return (snapshot.trials - snapshot.settled) * elapsed / done


def settled(snapshot: StudySnapshot) -> list[Trial]:
    """Slots of search and confirmation that are settled, in the order in which they were."""
    found = [s for s in (*snapshot.search, *snapshot.confirm) if s.state != SlotState.RUNNING]
    return sorted(found, key=lambda slot: (slot.settled_at or snapshot.now, _key(slot)))


def _key(slot: Trial) -> tuple[Phase, int]:
    return slot.phase, slot.number


class View(ABC):
    """Shows a study while it runs; ``close`` before anything else is printed."""

    @abstractmethod
    def update(self, snapshot: StudySnapshot) -> None:
        """Show the study as it is now; called a few times per second."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Say something besides, such as that a worker was started again."""

    def close(self) -> None:  # noqa: B027 - most views have nothing to clear away
        """Leave the terminal as it was."""


class PlainView(View):
    """One line per settled slot, for logs and pipes."""

    def __init__(
        self,
        first: StudySnapshot,
        *,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a line on what is there already."""
        self._say, self._clock = say, clock
        self._tracker = Tracker(first)
        self._last_s = clock()
        self._say(f"{first.spec.name}: {verdict.progress(first)}")

    def update(self, snapshot: StudySnapshot) -> None:
        """Print what is new."""
        news = self._tracker.news(snapshot)
        counts = Counter(slot.phase for slot in settled(snapshot))
        counts.subtract(slot.phase for slot in news)
        for slot in news:
            counts[slot.phase] += 1
            self.note(settled_line(snapshot, slot, counts[slot.phase]))
        if self._clock() - self._last_s >= QUIET_S:
            self.note(waiting_line(snapshot, self._tracker.seconds_left(snapshot)))

    def note(self, text: str) -> None:
        """Print a line."""
        self._say(text)
        self._last_s = self._clock()


class JsonView(View):
    """One JSON object per settled slot on stdout; notes go to stderr."""

    def __init__(self, first: StudySnapshot) -> None:
        """Nothing is printed for what is settled already."""
        self._tracker = Tracker(first)

    def update(self, snapshot: StudySnapshot) -> None:
        """Print what is new."""
        for slot in self._tracker.news(snapshot):
            event = "trial" if slot.phase == Phase.SEARCH else "confirmation"
            best = snapshot.claimed(snapshot.best) if snapshot.best else None
            counts = {"settled": snapshot.settled, "trials": snapshot.trials}
            record = {
                "event": event,
                **json_records.trial(snapshot.spec, slot),
                **counts,
                "best": best,
            }
            print(json_records.dumps(record), flush=True)

    def note(self, text: str) -> None:
        """Print to stderr, out of the way of the program that reads stdout."""
        print(text, file=sys.stderr, flush=True)


def settled_line(snapshot: StudySnapshot, slot: Trial, count: int) -> str:
    """``[13/60] trial 12 complete 93.4 % (best 94.1 % #7) tau_ns=2.3 …``.

    What a trial reached that was ended early is not put beside the best:
    ``[14/60] trial 13 curve cut short: 51.3 % after 5 of 60 epochs tau_ns=1.4 …``.
    """
    spec, best = snapshot.spec, snapshot.best
    name = tables.slot_name(snapshot, slot)
    if slot.phase == Phase.CONFIRM:
        head = f"[confirmation {count}/{confirmations_wanted(snapshot)}] {name}"
    else:
        head = f"[{count}/{snapshot.trials}] {name} {formatting.state_text(spec, slot)}"
    if slot.state == SlotState.FAILED:
        return f"{head}: {formatting.last_line(slot.message)}"
    if slot.phase == Phase.CONFIRM:
        return f"{head}: {tables.score_cell(spec, slot)}"
    params = tables.params_text(slot.params, spec)
    if endings.ending(spec, slot) is not None:
        return f"{head}: {tables.score_cell(spec, slot)} {params}"
    head += f" {tables.score_cell(spec, slot)}" if slot.score is not None else ""
    claimed = None if best is None else snapshot.claimed(best)
    if best is not None and claimed is not None:
        shown = formatting.point_text(spec, claimed, None, best.costs)
        head += f" ({verdict.named(snapshot)} {shown} #{best.number})"
    return f"{head} {params}"


def confirmations_wanted(snapshot: StudySnapshot) -> int:
    """How many confirmation trainings there will be, by what is known now."""
    confirm = snapshot.spec.confirm
    if confirm is None:
        return 0
    return min(confirm.top, len(snapshot.ranking)) * confirm.members


def waiting_line(snapshot: StudySnapshot, seconds_left: float | None) -> str:
    """That the launch is alive, and what it waits for."""
    alive = snapshot.helpers
    left = left_text(snapshot, seconds_left)
    if not alive:
        return f"waiting: {verdict.progress(snapshot)}; no worker serves this study"
    silent = min(worker.seconds_silent for worker in alive)
    return (
        f"waiting: {verdict.progress(snapshot)}; {len(alive)} workers alive, last heard of "
        f"{silent:.0f} s ago" + (f"; {left}" if left else "")
    )


def left_text(snapshot: StudySnapshot, seconds_left: float | None) -> str:
    """``about 12 min 05 s left for the search``; an honest word while that is unknown."""
    if snapshot.settled >= snapshot.trials:
        return ""
    if seconds_left is None:
        return "estimating the time left…"
    what = "search" if snapshot.spec.sweep is None else "sweep"
    return f"about {formatting.duration_text(seconds_left)} left for the {what}"
