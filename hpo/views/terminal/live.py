"""The output of a launch that follows a study: a live view, plain lines or JSON
lines."""

from __future__ import annotations

import io
import statistics
import sys
import textwrap
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.text import Text

from hpo.study import effort
from hpo.study.progress import state_name
from hpo.study.result import Result
from hpo.study.trials import Phase, SlotState, Trial
from hpo.views.records import json_records
from hpo.views.sentences import formatting, progress, verdict
from hpo.views.terminal import chart, status, text_tables

QUIET_S = 60.0
"""Plain output prints a sign of life after this time without news."""
_CHART_ROWS = (7, 12)
"""Fewest and most lines of the chart, without its axis."""
_LAST = 5
"""Number of recently settled trials to show."""
_ECHO = 2
"""Free columns on the right for ``^C``, which a terminal writes behind the last line;
without room for it, the view would be drawn again below its first line."""
CELL = (100, 28)
"""Width and height of the view in a notebook cell, in characters."""
_HTML = (
    '<pre style="white-space: pre; overflow-x: auto; line-height: 1.25">{code}</pre>'
)


def settled(result: Result) -> list[Trial]:
    """Return the settled trials of search and confirmation, oldest first."""
    trials = [s for s in result.all_trials if s.state != SlotState.RUNNING]
    return sorted(
        trials, key=lambda trial: (trial.settled_at or result.snapshot.now, _key(trial))
    )


def _key(trial: Trial) -> tuple[Phase, int]:
    return trial.phase, trial.number


class View(ABC):
    """Shows a study while it runs; ``close`` before anything else is printed."""

    def __init__(self, first: Result) -> None:
        """Treat trials that are settled in the first result as known."""
        self.seen = {_key(trial) for trial in settled(first)}

    def news(self, result: Result) -> Iterator[Trial]:
        """Yield the trials that were settled since the last call, oldest first."""
        for trial in settled(result):
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


# --- lines ---


class PlainView(View):
    """One line per settled trial, for logs and pipes."""

    def __init__(self, first: Result) -> None:
        """Print a line on the progress so far."""
        super().__init__(first)
        self.note(f"{first.name}: {progress.progress(first)}")

    def update(self, result: Result) -> None:
        """Print the newly settled trials."""
        for trial in self.news(result):
            group = (
                result.confirmation_trials
                if trial.phase == Phase.CONFIRM
                else result.search
            )
            count = sum(_key(one) in self.seen for one in group)
            self.note(settled_line(result, trial, count))
        if time.monotonic() - self._last_s >= QUIET_S:
            self.note(waiting_line(result))

    def note(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)
        self._last_s = time.monotonic()


class JsonView(View):
    """One JSON object per settled trial on stdout; notes go to stderr."""

    def update(self, result: Result) -> None:
        """Print the newly settled trials."""
        at = result.progress
        best = result.claimed(result.best) if result.best else None
        counts = {"settled": at.settled, "trials": at.trials, "best": best}
        for trial in self.news(result):
            event = "trial" if trial.phase == Phase.SEARCH else "confirmation"
            record = {
                "event": event,
                **json_records.trial(result.spec, trial),
                **counts,
            }
            print(json_records.dumps(record), flush=True)

    def note(self, text: str) -> None:
        """Print to stderr, since programs read stdout."""
        print(text, file=sys.stderr, flush=True)


def settled_line(result: Result, trial: Trial, count: int) -> str:
    """Return ``[13/60] trial 12 complete 93.4 % (best 94.1 % #7) tau_ns=2.3 …``.

    A trial that ended early is not compared with the best:
    ``[14/60] trial 13 curve cut short: 51.3 % after 5 of 60 epochs tau_ns=1.4 …``.
    """
    score = formatting.score_cell(result.spec, trial)
    if trial.phase == Phase.CONFIRM:
        head = f"[confirmation {count}/{result.n_confirmations}] {result.label(trial)}"
    else:
        state = state_name(result.spec, trial)
        head = f"[{count}/{result.progress.trials}] {result.label(trial)} {state}"
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
    return f"{head} {text_tables.params_text(trial.params, result.spec)}"


def waiting_line(result: Result) -> str:
    """Return a sign of life: progress, workers and the time left."""
    alive, text = result.snapshot.helpers, f"waiting: {progress.progress(result)}"
    if not alive:
        return f"{text}; no worker serves this study"
    silent = f"{min(worker.seconds_silent or 0.0 for worker in alive):.0f}"
    parts = [
        text,
        f"{len(alive)} workers alive, last heartbeat {silent} s ago",
        left_text(result),
    ]
    return "; ".join(filter(None, parts))


def left_text(result: Result) -> str:
    """Estimate the time left from the mean duration: ``about 12 min 05 s left for 20
    trials``.

    Below three settled trials there is no estimate.
    """
    done = [
        max(0.0, (trial.settled_at - trial.started_at).total_seconds())
        for trial in result.search
        if trial.settled_at is not None
    ]
    left, alive = (
        result.progress.trials - result.progress.settled,
        len(result.snapshot.helpers),
    )
    if left <= 0:
        return ""
    if len(done) < 3 or not alive:
        return "estimating the time left…"
    duration = formatting.duration_text(left * statistics.fmean(done) / alive)
    return f"about {duration} left for {left:,} trials"


# --- a view that is redrawn ---


def cell_console() -> Console:
    """Return a console that records its output for export."""
    width, height = CELL
    return Console(
        file=io.StringIO(), record=True, width=width, height=height, force_jupyter=False
    )


class Cell:
    """The output of the running notebook cell, rewritten at each update.

    It needs no widgets, and its last state stays in the notebook's file.
    """

    def __init__(self) -> None:
        """Open an empty output."""
        from IPython import display  # there in every notebook

        show: Any = display.display
        self._output = show({"text/plain": ""}, raw=True, display_id=True)

    def update(self, view: RenderableType, *, refresh: bool = True) -> None:
        """Replace the output."""
        drawn = cell_console()
        drawn.print(view)
        text = drawn.export_text(clear=False)
        html = drawn.export_html(inline_styles=True, code_format=_HTML)
        self._output.update({"text/plain": text, "text/html": html}, raw=True)


class LiveView(View):
    """Progress, best against reported, workers and the last trials, in one screen."""

    def __init__(
        self, first: Result, *, storage: str, console: Console, cell: Cell | None = None
    ) -> None:
        """Take over the cursor until ``close``, or write into the cell of a notebook.

        ``storage`` names the database.
        """
        super().__init__(first)
        self._storage, self._console, self._result = storage, console, first
        self._notes: list[str] = []
        self._live = cell or Live(
            console=console, auto_refresh=False, vertical_overflow="crop"
        )
        if isinstance(self._live, Live):
            self._live.start()
        self.update(first)

    def update(self, result: Result) -> None:
        """Redraw."""
        self._result = result
        room = {"width": self._console.width, "height": self._console.height}
        view = screen(result, storage=self._storage, notes=self._notes, **room)
        self._live.update(view, refresh=True)

    def note(self, text: str) -> None:
        """Show the last three notices."""
        self._notes = [*self._notes, text][-3:]
        self.update(self._result)

    def close(self) -> None:
        """Release the cursor."""
        if isinstance(self._live, Live):
            self._live.stop()


def countdown(result: Result, running: Callable[[], int], most_s: float | None) -> Live:
    """Return a line that counts down while workers end, to be used in ``with``; only at
    a terminal.

    They end within ``most_s``, else with their epoch, which takes as long as the others
    on average.
    """
    began_s, at = time.monotonic(), result.progress
    usual_s = sum(t.seconds for t in result.all_trials) / max(
        1, at.epochs + at.confirmation_epochs
    )

    def line() -> Text:
        n, spent_s = running(), time.monotonic() - began_s
        left_s = (usual_s if most_s is None else most_s) - spent_s
        text = f"{'about' if most_s is None else 'at most'} {left_s:.0f} s left"
        text = text if left_s >= 0.5 else f"{spent_s:.0f} s so far"
        return Text(
            f"ending {n} worker{'s' * (n != 1)}: {text}"
            if n
            else "all workers have ended"
        )

    console = Console(stderr=True, force_jupyter=False)
    return Live(get_renderable=line, console=console, transient=True)


def screen(
    result: Result, *, storage: str, notes: Sequence[str], width: int, height: int
) -> RenderableType:
    """Return the view of a study, for a terminal of ``width`` by ``height``
    characters."""
    width, at = max(12, width - _ECHO), result.progress
    title = Text.assemble(
        (result.name, "bold"), f"  {result.spec.objective}  ", (storage, "dim")
    )
    cells = max(5, min(60, width - 16))
    done = round(cells * at.settled / at.trials)
    bar = Text("█" * done, "green").append("·" * (cells - done), "dim")
    bar.append(f" {at.settled}/{at.trials}")
    lines = [title, bar]
    for text in [*status.sentences(result), left_text(result)]:
        lines += map(Text, textwrap.wrap(text, width, subsequent_indent="    "))
    lines += [Text(text, "yellow") for text in notes]
    last = trial_lines(result, settled(result)[-_LAST:])
    room = height - len(lines) - len(last) - 2
    workers = status.worker_lines(result.snapshot.workers, width=width)[
        : max(3, room // 2)
    ]
    rows = min(_CHART_ROWS[1], room - len(workers) - 4)
    if rows >= _CHART_ROWS[0]:
        lines += map(
            Text, ["", *chart.chart(result, width=min(width - 1, 100), rows=rows)]
        )
    lines += map(Text, ["", *workers, "", *last])
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Constrain(Group(*lines[:height]), width)


def trial_lines(result: Result, trials: Sequence[Trial]) -> list[str]:
    """Return a table of settled trials: state, score, parameters or error."""
    rows = [["settled", "", "score", "parameters"]] * bool(trials)
    for trial in trials:
        text = text_tables.params_text(trial.params, result.spec)
        if trial.state == SlotState.FAILED:
            text = formatting.last_line(trial.message)
        score = formatting.score_cell(result.spec, trial)
        rows.append([result.label(trial), state_name(result.spec, trial), score, text])
    return text_tables.columns(rows)
