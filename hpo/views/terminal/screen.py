"""A view that is redrawn, on a terminal or in a notebook: of a launch, and of ``hpo
status --watch``."""

from __future__ import annotations

import io
import textwrap
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.text import Text

from hpo.study.result import Result
from hpo.study.trials import WorkerInfo
from hpo.views.sentences import progress
from hpo.views.sentences.formatting import plural
from hpo.views.terminal import chart, status
from hpo.views.terminal.live import View, finished, trial_lines

ENDS = "Ctrl-C ends this view; workers continue"
_CHART_ROWS = (7, 12)
"""Fewest and most lines of the chart, without its axis."""
_LAST = 5
"""Number of recently finished trials to show."""
_ECHO = 2
"""Free columns on the right for ``^C``, which a terminal writes behind the last line;
without room for it, the view would be drawn again below its first line."""
CELL = (100, 28)
"""Width and height of the view in a notebook cell, in characters."""
_HTML = (
    '<pre style="white-space: pre; overflow-x: auto; line-height: 1.25">{code}</pre>'
)


class Screen(Protocol):
    """A place that is redrawn as a whole."""

    console: Console

    def show(self, view: RenderableType) -> None:
        """Replace what is shown."""

    def close(self) -> None:
        """Leave the last state, and release the place."""


class TerminalScreen:
    """A terminal: below the cursor, or the whole of it until ``close``."""

    def __init__(self, console: Console, *, whole: bool = False) -> None:
        """Take over the cursor."""
        self.console = console
        self._live = Live(
            console=console,
            auto_refresh=False,
            screen=whole,
            vertical_overflow="crop",
        )
        self._live.start()

    def show(self, view: RenderableType) -> None:
        """Redraw."""
        self._live.update(view, refresh=True)

    def close(self) -> None:
        """Release the cursor."""
        self._live.stop()


class Cell:
    """The output of the running notebook cell, rewritten at each update.

    It needs no widgets, and its last state stays in the notebook's file.
    """

    def __init__(self) -> None:
        """Open an empty output."""
        from IPython import display  # there in every notebook

        self.console = _recording()
        show: Any = display.display
        self._output = show({"text/plain": ""}, raw=True, display_id=True)

    def show(self, view: RenderableType) -> None:
        """Replace the output."""
        drawn = _recording()
        drawn.print(view)
        text = drawn.export_text(clear=False)
        html = drawn.export_html(inline_styles=True, code_format=_HTML)
        self._output.update({"text/plain": text, "text/html": html}, raw=True)

    def close(self) -> None:
        """Leave the output as it is."""


def _recording() -> Console:
    width, height = CELL
    return Console(
        file=io.StringIO(), record=True, width=width, height=height, force_jupyter=False
    )


class LiveView(View):
    """Progress, best against reported, workers and the last trials, in one screen."""

    def __init__(self, first: Result, screen: Screen, *, storage: str) -> None:
        """Show the study until ``close``; ``storage`` names the database."""
        super().__init__(first)
        self._screen = screen
        self._storage = storage
        self._notes: list[str] = []
        self.update(first)

    def update(self, result: Result) -> None:
        """Redraw."""
        self._result = result
        room = self._screen.console
        view = of_study(
            result,
            storage=self._storage,
            notes=self._notes,
            width=room.width,
            height=room.height,
        )
        self._screen.show(view)

    def note(self, text: str) -> None:
        """Show the last three notices."""
        self._notes = [*self._notes, text][-3:]
        self.update(self._result)

    def close(self) -> None:
        """Release the terminal."""
        self._screen.close()


def of_study(
    result: Result, *, storage: str, notes: Sequence[str], width: int, height: int
) -> RenderableType:
    """Return the view of a study, for a terminal of ``width`` by ``height``
    characters."""
    width = max(12, width - _ECHO)
    name = (result.name, "bold")
    title = Text.assemble(name, f"  {result.spec.objective}  ", (storage, "dim"))
    lines = [title, _bar(result, width)]
    wrap = textwrap.TextWrapper(
        width, subsequent_indent="    ", break_on_hyphens=False
    ).wrap
    for text in [*status.sentences(result), progress.left_text(result)]:
        lines += map(Text, wrap(text))
    lines += [Text(text, "yellow") for text in notes]
    last = trial_lines(result, finished(result)[-_LAST:])
    room = height - len(lines) - len(last) - 2
    workers = status.worker_lines(result.snapshot.workers, width=width)
    workers = workers[: max(3, room // 2)]
    below = ["", *workers, "", *last]
    rows = min(_CHART_ROWS[1], room - len(workers) - 4)
    if rows >= _CHART_ROWS[0]:
        drawn = chart.chart(result, width=min(width - 1, 100), rows=rows)
        below = ["", *drawn, *below]
    lines += map(Text, below)
    for line in lines:
        line.no_wrap = True
        line.overflow = "ellipsis"
    return Constrain(Group(*lines[:height]), width)


def _bar(result: Result, width: int) -> Text:
    """Return a progress bar of the search."""
    at = result.progress
    cells = max(5, min(60, width - 16))
    done = round(cells * at.finished / at.trials)
    bar = Text("█" * done, "green").append("·" * (cells - done), "dim")
    return bar.append(f" {at.finished}/{at.trials}")


def of_database(
    studies: Sequence[status.Known],
    workers: Sequence[WorkerInfo],
    *,
    storage: str,
    width: int,
    height: int,
) -> RenderableType:
    """Return the view of all studies, and leave a line free below."""
    lines = status.overview(studies, workers, width=width, height=height - 3)
    text = "\n".join([f"{storage}; {ENDS}", "", *lines])
    return Text(text, no_wrap=True, overflow="ellipsis")


def countdown(result: Result, running: Callable[[], int], most_s: float | None) -> Live:
    """Return a line that counts down while workers end, to be used in ``with``; only at
    a terminal.

    They end within ``most_s``, else with their epoch, which takes as long as the others
    on average.
    """
    began_s = time.monotonic()
    epochs = result.progress.epochs + result.progress.confirmation_epochs
    usual_s = result.trained_s / max(1, epochs)

    def line() -> Text:
        n = running()
        if n == 0:
            return Text("all workers have ended")
        spent_s = time.monotonic() - began_s
        left_s = usual_s - spent_s
        how = "about"
        if most_s is not None:
            left_s = most_s - spent_s
            how = "at most"
        text = f"{how} {left_s:.0f} s left"
        if left_s < 0.5:
            text = f"{spent_s:.0f} s so far"
        return Text(f"ending {plural(n, 'worker')}: {text}")

    console = Console(stderr=True, force_jupyter=False)
    return Live(get_renderable=line, console=console, transient=True)
