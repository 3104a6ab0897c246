"""What a launch shows while it follows a study: a live view, plain lines, or JSON lines."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

from hpo.study import effort
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
        self._seen = {_key(trial) for trial in settled(first)}
        self._began, self._before = first.snapshot.now, first.progress.settled

    def news(self, result: Result) -> list[Trial]:
        """Trials that were settled since the last call, in that order."""
        new = [trial for trial in settled(result) if _key(trial) not in self._seen]
        self._seen |= {_key(trial) for trial in new}
        return new

    def seconds_left(self, result: Result) -> float | None:
        """Until the search is settled, at the rate of this launch; None while that says little."""
        done = result.progress.settled - self._before
        elapsed = (result.snapshot.now - self._began).total_seconds()
        if done < 3 or elapsed <= 0:
            return None
        return (result.progress.trials - result.progress.settled) * elapsed / done


def settled(result: Result) -> list[Trial]:
    """Trials of search and confirmation that are settled, in the order in which they were."""
    found = [s for s in result.every if s.state != SlotState.RUNNING]
    return sorted(found, key=lambda trial: (trial.settled_at or result.snapshot.now, _key(trial)))


def _key(trial: Trial) -> tuple[Phase, int]:
    return trial.phase, trial.number


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
    """One line per settled trial, for logs and pipes."""

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
        counts = Counter(trial.phase for trial in settled(result))
        counts.subtract(trial.phase for trial in news)
        for trial in news:
            counts[trial.phase] += 1
            self.note(settled_line(result, trial, counts[trial.phase]))
        if self._clock() - self._last_s >= QUIET_S:
            self.note(waiting_line(result, self._tracker.seconds_left(result)))

    def note(self, text: str) -> None:
        """Print a line."""
        self._say(text)
        self._last_s = self._clock()


class JsonView(View):
    """One JSON object per settled trial on stdout; notes go to stderr."""

    def __init__(self, first: Result) -> None:
        """Nothing is printed for what is settled already."""
        self._tracker = Tracker(first)

    def update(self, result: Result) -> None:
        """Print what is new."""
        at = result.progress
        best = result.claimed(result.best) if result.best else None
        counts = {"settled": at.settled, "trials": at.trials, "best": best}
        for trial in self._tracker.news(result):
            event = "trial" if trial.phase == Phase.SEARCH else "confirmation"
            record = {"event": event, **json_records.trial(result.spec, trial), **counts}
            print(json_records.dumps(record), flush=True)

    def note(self, text: str) -> None:
        """Print to stderr, out of the way of the program that reads stdout."""
        print(text, file=sys.stderr, flush=True)


def settled_line(result: Result, trial: Trial, count: int) -> str:
    """``[13/60] trial 12 complete 93.4 % (best 94.1 % #7) tau_ns=2.3 …``.

    What a trial reached that was ended early is not put beside the best:
    ``[14/60] trial 13 curve cut short: 51.3 % after 5 of 60 epochs tau_ns=1.4 …``.
    """
    score = formatting.score_cell(result.spec, trial)
    if trial.phase == Phase.CONFIRM:
        head = f"[confirmation {count}/{result.wanted}] {result.called(trial)}"
    else:
        state = state_name(result.spec, trial)
        head = f"[{count}/{result.progress.trials}] {result.called(trial)} {state}"
    if trial.state == SlotState.FAILED:
        return f"{head}: {formatting.last_line(trial.message)}"
    if trial.phase == Phase.CONFIRM:
        return f"{head}: {score}"
    if effort.ending(result.spec, trial) is not None:
        head += f": {score}"
    else:
        head += f" {score}" if trial.score is not None else ""
        if result.best and (best := verdict.best_text(result)):
            head += f" ({verdict.named(result)} {best} #{result.best.number})"
    return f"{head} {tables.params_text(trial.params, result.spec)}"


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
