"""The live view of a study on a terminal, redrawn in place at every update."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hpo.study.result import Result, state_name
from hpo.study.trials import SlotState, Trial, WorkerInfo
from hpo.views import caveats, formatting, verdict
from hpo.views.terminal import chart, tables
from hpo.views.terminal.progress import Tracker, View, left_text, settled

_COLOURS = {
    SlotState.COMPLETE: "green",
    SlotState.PRUNED: "yellow",
    SlotState.FAILED: "red",
    SlotState.EXCLUDED: "magenta",
    SlotState.RUNNING: "cyan",
}
_CHART_ROWS = (7, 12)
"""Fewest and most lines of the chart, without its axis."""
_FIXED_LINES = 9
"""Lines of the view without its two lists and its notes."""
_ECHO = 2
"""Columns left free on the right: a terminal writes ``^C`` behind the last line, and where that
does not fit, the view is drawn again below its first line."""
CELL = (100, 28)
"""Characters of the view in the cell of a notebook."""
_HTML = '<pre style="white-space: pre; overflow-x: auto; line-height: 1.25">{code}</pre>'


def cell_console() -> Console:
    """What the view is drawn on: it keeps what is printed, to be exported."""
    width, height = CELL
    kept = io.StringIO()
    return Console(file=kept, record=True, width=width, height=height, force_jupyter=False)


class Cell:
    """An output of the cell that runs, written anew each time.

    It needs no widgets, and what it showed last is kept in the notebook's file.
    """

    def __init__(self) -> None:
        """Nothing is shown before the first update."""
        self._output: Any = None

    def update(self, view: RenderableType, *, refresh: bool = True) -> None:
        """Show it instead of what is there."""
        from IPython import display  # there in every notebook

        drawn = cell_console()
        drawn.print(view)
        text = drawn.export_text(clear=False)
        html = drawn.export_html(inline_styles=True, code_format=_HTML)
        bundle = {"text/plain": text, "text/html": html}
        if self._output is None:
            show: Any = display.display
            self._output = show(bundle, raw=True, display_id=True)
        else:
            self._output.update(bundle, raw=True)


class LiveView(View):
    """Progress, best against reported, workers and the last trials, in one screen."""

    def __init__(
        self, first: Result, *, storage: str, console: Console, cell: Cell | None = None
    ) -> None:
        """Take over the cursor until ``close``, or write into the cell of a notebook.

        ``storage`` is where the study is, in words.
        """
        self._storage, self._console, self._result = storage, console, first
        self._tracker = Tracker(first)
        self._notes: list[str] = []
        self._live = cell or Live(console=console, auto_refresh=False, vertical_overflow="crop")
        if isinstance(self._live, Live):
            self._live.start()
        self.update(first)

    def update(self, result: Result) -> None:
        """Redraw."""
        self._result = result
        view = screen(
            result,
            storage=self._storage,
            notes=self._notes,
            seconds_left=self._tracker.seconds_left(result),
            width=self._console.width,
            height=self._console.height,
        )
        self._live.update(view, refresh=True)

    def note(self, text: str) -> None:
        """Show a line below the view, with the two before it."""
        self._notes = [*self._notes, text][-3:]
        self.update(self._result)

    def close(self) -> None:
        """Give the cursor back."""
        if isinstance(self._live, Live):
            self._live.stop()


def screen(
    result: Result,
    *,
    storage: str,
    notes: list[str],
    seconds_left: float | None,
    width: int,
    height: int,
) -> RenderableType:
    """The whole view for one moment, for a terminal of ``width`` by ``height`` characters."""
    spec, last, width = result.spec, settled(result)[-5:], max(1, width - _ECHO)
    title = Text.assemble((spec.name, "bold"), f"  {spec.objective}  ", (storage, "dim"))
    parts: list[Text | Table] = [title, bar(result, width), counts(result, seconds_left)]
    if result.confirm:
        parts.append(confirming(result))
    named = result.confirmed  # of which a line says its basis
    wrong = caveats.of(spec, named).remark if named else caveats.warning(result)
    remarks = [
        *([wrong] if wrong else []),
        *tables.edge_lines(result)[:2],
        *verdict.remarks(result),
    ]
    parts += [Text(line, "yellow") for line in remarks]
    room = height - _FIXED_LINES - len(notes) - len(remarks)
    alive = result.snapshot.helpers
    drawn = chart_lines(result, width, room - len(last) - len(alive) - 2)
    room -= len(drawn)
    if result.selects:
        parts.append(best_line(result))
    parts += drawn
    if room > 2:
        parts.append(worker_table(alive, max(1, min(len(alive), room - 2 - len(last)))))
    if last and room > 4:
        parts.append(trial_table(result, last[-max(1, room - 2 - len(alive)) :]))
    parts += [Text(text, "yellow") for text in notes]
    for part in parts:
        if isinstance(part, Text):
            part.no_wrap, part.overflow = True, "ellipsis"
    return Constrain(Group(*parts), width)


def chart_lines(result: Result, width: int, room: int) -> list[Text]:
    """The chart between two empty lines, if there is the room."""
    rows = min(_CHART_ROWS[1], room - 6)
    if rows < _CHART_ROWS[0]:
        return []
    lines = chart.chart(result, width=min(width - 1, 100), rows=rows)
    return [Text(line) for line in ("", *lines, "")] if lines else []


def bar(result: Result, width: int) -> Text:
    """The budget as a bar: complete, early ended, failed and running trials in their colours."""
    total = result.progress.trials
    numbers = f" {result.progress.settled}/{total}"
    cells = max(5, min(60, width - len(numbers) - 1))
    text = Text()
    done = drawn = 0
    for state, colour in _COLOURS.items():
        done += sum(trial.state == state for trial in result.search)
        upto = min(cells, round(cells * done / total))
        text.append(("░" if state == SlotState.RUNNING else "█") * (upto - drawn), colour)
        drawn = upto
    return text.append("·" * (cells - drawn), "dim").append(numbers)


def counts(result: Result, seconds_left: float | None) -> Text:
    """How many trials are in which state, and the time left."""
    text = Text()
    for key, n in result.progress.ended.items():
        text.append(verdict.counted(key, n), _COLOURS[key[0]]).append("  ")
    if running := sum(trial.state == SlotState.RUNNING for trial in result.search):
        text.append(f"{running:,} running", _COLOURS[SlotState.RUNNING]).append("  ")
    text.append(f"{result.progress.epochs:,} epochs", "dim").append("  ")
    return text.append(left_text(result, seconds_left), "dim")


def confirming(result: Result) -> Text:
    """Progress of the confirmation."""
    done = sum(trial.state != SlotState.RUNNING for trial in result.confirm)
    text = Text(f"confirming {done}/{result.wanted}")
    first = result.confirmed
    if first is not None:
        mean = formatting.point_text(result.spec, first.mean, first.std, first.costs)
        text.append(f"  trial {first.source}: {mean} on {len(first.scores)} fresh seeds")
        text.append("".join(f", {said}" for said in caveats.beside(result.spec, first)))
    return text


def best_line(result: Result) -> Text:
    """The incumbent held against the reported score."""
    spec, best, found = result.spec, result.best, verdict.best_text(result)
    if best is None or not found:
        return Text(f"no complete trial yet  {formatting.reported_text(spec)}".rstrip(), "dim")
    about = f" (trial {best.number}{verdict.scored(result, best)})"
    text = Text.assemble(f"{verdict.named(result)} ", (found, "bold green"), about)
    if spec.reported is not None:
        gap = verdict.gap_text(spec, result.claimed(best) or 0.0)
        text.append(f"  {gap} ({spec.reported.source})")
    return text


def worker_table(alive: list[WorkerInfo], rows: int) -> Table:
    """Who works, on what, and how long it has been silent."""
    shown = [(w.name, w.doing, f"{w.seconds_silent:.0f} s") for w in alive[:rows]]
    shown += [(f"and {len(alive) - rows} more", "", "")] * (len(alive) > rows)
    return _table({"worker": 2, "doing": 4, "silent": None}, shown or [("none yet", "", "")])


def trial_table(result: Result, last: list[Trial]) -> Table:
    """The trials that were settled last."""
    rows = []
    for trial in last:
        failed = trial.state == SlotState.FAILED
        params = tables.params_text(trial.params, result.spec)
        state = Text(state_name(result.spec, trial), _COLOURS[trial.state])
        what = formatting.last_line(trial.message) if failed else params
        rows.append((result.called(trial), state, formatting.score_cell(result.spec, trial), what))
    return _table({"settled": None, "": None, "score": None, "parameters": 1}, rows)


def _table(heads: Mapping[str, int | None], rows: Sequence[Sequence[str | Text]]) -> Table:
    """Cells as text; columns with a share of the width are cut where it is short."""
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", expand=True)
    for head, ratio in heads.items():
        table.add_column(head, no_wrap=True, overflow="ellipsis", ratio=ratio)
        table.columns[-1].justify = "right" if head in ("silent", "score") else "left"
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table
