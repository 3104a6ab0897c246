"""The output of a launch that follows a study: a live view, plain lines or JSON
lines."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from hpo.study import effort
from hpo.study.result import Result
from hpo.study.trials import Phase, SlotState, Trial
from hpo.views.records import json_records
from hpo.views.sentences import progress, verdict
from hpo.views.sentences.formatting import (
    joined,
    last_line,
    params_text,
    plural,
    score_cell,
)
from hpo.views.terminal import text_tables

QUIET_S = 60.0
"""Plain output prints a sign of life after this time without news."""


def finished(result: Result) -> list[Trial]:
    """Return the finished trials of search and confirmation, oldest first."""
    now = result.snapshot.now
    trials = [one for one in result.all_trials if one.state.is_finished]
    return sorted(trials, key=lambda trial: (trial.finished_at or now, _key(trial)))


def _key(trial: Trial) -> tuple[Phase, int]:
    return trial.phase, trial.number


class View(ABC):
    """Shows a study while it runs; ``close`` before anything else is printed."""

    def __init__(self, first: Result) -> None:
        """Treat trials that are finished in the first result as known."""
        self.seen = {_key(trial) for trial in finished(first)}

    def news(self, result: Result) -> Iterator[Trial]:
        """Yield the trials that were finished since the last call, oldest first."""
        for trial in finished(result):
            if _key(trial) not in self.seen:
                self.seen.add(_key(trial))
                yield trial

    @abstractmethod
    def update(self, result: Result) -> None:
        """Show the study as it is now; called a few times per second."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Show a notice, such as the restart of a worker."""

    def close(self) -> None:  # noqa: B027 - most views have nothing to clear away
        """Restore the terminal."""


class PlainView(View):
    """One line per finished trial, for logs and pipes."""

    def __init__(self, first: Result) -> None:
        """Print a line on the progress so far."""
        super().__init__(first)
        self.note(f"{first.name}: {progress.progress(first)}")

    def update(self, result: Result) -> None:
        """Print the newly finished trials."""
        for trial in self.news(result):
            group: Sequence[Trial] = result.search
            if trial.phase == Phase.CONFIRM:
                group = result.confirmation_trials
            count = sum(_key(one) in self.seen for one in group)
            self.note(finished_line(result, trial, count))
        if time.monotonic() - self._last_s >= QUIET_S:
            self.note(waiting_line(result))

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)
        self._last_s = time.monotonic()


class JsonView(View):
    """One JSON object per finished trial on stdout; notes go to stderr."""

    def update(self, result: Result) -> None:
        """Print the newly finished trials."""
        at = result.progress
        best = result.claimed(result.best) if result.best else None
        for trial in self.news(result):
            record = {
                "event": "trial" if trial.phase == Phase.SEARCH else "confirmation",
                **json_records.trial(result.spec, trial),
                "finished": at.finished,
                "trials": at.trials,
                "best": best,
            }
            print(json_records.dumps(record), flush=True)

    def note(self, text: str) -> None:
        """Print to stderr, since programs read stdout."""
        print(text, file=sys.stderr, flush=True)


def finished_line(result: Result, trial: Trial, count: int) -> str:
    """Return ``[13/60] trial 12 complete 93.4 % (best 94.1 % #7) tau_ns=2.3 …``.

    A pruned trial is not compared with the best:
    ``[14/60] trial 13 pruned: 51.3 % after 5 of 60 epochs tau_ns=1.4 …``.
    """
    spec = result.spec
    score = score_cell(spec, trial)
    name = result.label(trial)
    if trial.phase == Phase.CONFIRM:
        head = f"[confirmation {count}/{result.n_confirmations}] {name}"
    else:
        head = f"[{count}/{result.progress.trials}] {name} {trial.state}"
    if trial.state == SlotState.FAILED:
        return f"{head}: {last_line(trial.message)}"
    if trial.phase == Phase.CONFIRM:
        return f"{head}: {score}"
    params = params_text(trial.params, spec)
    if effort.ending(spec, trial) is not None:
        return f"{head}: {score} {params}"
    if trial.score is not None:
        head += f" {score}"
    best = verdict.best_text(result)
    if result.best and best:
        head += f" ({verdict.named(result)} {best} #{result.best.number})"
    return f"{head} {params}"


def waiting_line(result: Result) -> str:
    """Return a sign of life: progress, workers and the time left."""
    alive = result.snapshot.helpers
    text = f"waiting: {progress.progress(result)}"
    if not alive:
        return f"{text}; no worker serves this study"
    silent_s = min(worker.seconds_silent or 0.0 for worker in alive)
    n_alive = plural(len(alive), "worker")
    workers = f"{n_alive} alive, last heartbeat {silent_s:.0f} s ago"
    return joined([text, workers, progress.left_text(result)])


def trial_lines(result: Result, trials: Sequence[Trial]) -> list[str]:
    """Return a table of finished trials: state, score, parameters or error."""
    if not trials:
        return []
    rows = [["finished", "", "score", "parameters"]]
    for trial in trials:
        text = params_text(trial.params, result.spec)
        if trial.state == SlotState.FAILED:
            text = last_line(trial.message)
        score = score_cell(result.spec, trial)
        rows.append([result.label(trial), trial.state, score, text])
    return text_tables.columns(rows)
