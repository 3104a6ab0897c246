"""What a launch shows while it follows a study: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

from hpo.study import endings
from hpo.study.result import Result, state_name
from hpo.study.trials import Phase, SlotState, Trial
from hpo.views import formatting, json_records, verdict
from hpo.views.terminal import tables

QUIET_S = 60.0
"""After so long without news, plain output says that it is still there."""


class Tracker:
    """Tells what is new in each result, and how long the rest will take."""

    def __init__(self, first: Result) -> None:
        """What is settled in the first result is no news."""
        self._seen = {_key(slot) for slot in settled(first)}
        self._began, self._before = first.snapshot.now, first.progress.settled

    def news(self, result: Result) -> list[Trial]:
        """Slots that were settled since the last call, in that order."""
        new = [slot for slot in settled(result) if _key(slot) not in self._seen]
        self._seen |= {_key(slot) for slot in new}
        return new

    def seconds_left(self, result: Result) -> float | None:
        """Until the search is settled, at the rate of this launch; None while that says little."""
        done = result.progress.settled - self._before
        elapsed = (result.snapshot.now - self._began).total_seconds()
        if done < 3 or elapsed <= 0:
            return None
        return (result.progress.trials - result.progress.settled) * elapsed / done


def settled(result: Result) -> list[Trial]:
    """Slots of search and confirmation that are settled, in the order in which they were."""
    found = [s for s in result.every if s.state != SlotState.RUNNING]
    return sorted(found, key=lambda slot: (slot.settled_at or result.snapshot.now, _key(slot)))


def _key(slot: Trial) -> tuple[Phase, int]:
    return slot.phase, slot.number


class View(ABC):
    """Shows a study while it runs; ``close`` before anything else is printed."""

    @abstractmethod
    def update(self, result: Result) -> None:
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
        first: Result,
        *,
        say: Callable[[str], None] = lambda line: print(line, flush=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with a line on what is there already."""
        self._say, self._clock = say, clock
        self._tracker = Tracker(first)
        self._last_s = clock()
        self._say(f"{first.spec.name}: {verdict.progress(first)}")

    def update(self, result: Result) -> None:
        """Print what is new."""
        news = self._tracker.news(result)
        counts = Counter(slot.phase for slot in settled(result))
        counts.subtract(slot.phase for slot in news)
        for slot in news:
            counts[slot.phase] += 1
            self.note(settled_line(result, slot, counts[slot.phase]))
        if self._clock() - self._last_s >= QUIET_S:
            self.note(waiting_line(result, self._tracker.seconds_left(result)))

    def note(self, text: str) -> None:
        """Print a line."""
        self._say(text)
        self._last_s = self._clock()


class JsonView(View):
    """One JSON object per settled slot on stdout; notes go to stderr."""

    def __init__(self, first: Result) -> None:
        """Nothing is printed for what is settled already."""
        self._tracker = Tracker(first)

    def update(self, result: Result) -> None:
        """Print what is new."""
        for slot in self._tracker.news(result):
            event = "trial" if slot.phase == Phase.SEARCH else "confirmation"
            best = result.claimed(result.best) if result.best else None
            counts = {"settled": result.progress.settled, "trials": result.progress.trials}
            record = {
                "event": event,
                **json_records.trial(result.spec, slot),
                **counts,
                "best": best,
            }
            print(json_records.dumps(record), flush=True)

    def note(self, text: str) -> None:
        """Print to stderr, out of the way of the program that reads stdout."""
        print(text, file=sys.stderr, flush=True)


def settled_line(result: Result, slot: Trial, count: int) -> str:
    """``[13/60] trial 12 complete 93.4 % (best 94.1 % #7) tau_ns=2.3 …``.

    What a trial reached that was ended early is not put beside the best:
    ``[14/60] trial 13 curve cut short: 51.3 % after 5 of 60 epochs tau_ns=1.4 …``.
    """
    spec, best = result.spec, result.best
    name = tables.slot_name(result, slot)
    if slot.phase == Phase.CONFIRM:
        head = f"[confirmation {count}/{result.wanted}] {name}"
    else:
        head = f"[{count}/{result.progress.trials}] {name} {state_name(spec, slot)}"
    if slot.state == SlotState.FAILED:
        return f"{head}: {formatting.last_line(slot.message)}"
    if slot.phase == Phase.CONFIRM:
        return f"{head}: {formatting.score_cell(spec, slot)}"
    params = tables.params_text(slot.params, spec)
    if endings.ending(spec, slot) is not None:
        return f"{head}: {formatting.score_cell(spec, slot)} {params}"
    head += f" {formatting.score_cell(spec, slot)}" if slot.score is not None else ""
    claimed = None if best is None else result.claimed(best)
    if best is not None and claimed is not None:
        shown = formatting.point_text(spec, claimed, None, best.costs)
        head += f" ({verdict.named(result)} {shown} #{best.number})"
    return f"{head} {params}"


def waiting_line(result: Result, seconds_left: float | None) -> str:
    """That the launch is alive, and what it waits for."""
    alive = result.snapshot.helpers
    left = left_text(result, seconds_left)
    if not alive:
        return f"waiting: {verdict.progress(result)}; no worker serves this study"
    silent = min(worker.seconds_silent for worker in alive)
    return (
        f"waiting: {verdict.progress(result)}; {len(alive)} workers alive, last heard of "
        f"{silent:.0f} s ago" + (f"; {left}" if left else "")
    )


def left_text(result: Result, seconds_left: float | None) -> str:
    """``about 12 min 05 s left for the search``; an honest word while that is unknown."""
    if result.progress.settled >= result.progress.trials:
        return ""
    if seconds_left is None:
        return "estimating the time left…"
    what = "sweep" if result.spec.aim == "sweep" else "search"
    return f"about {formatting.duration_text(seconds_left)} left for the {what}"
