"""Convergence in a terminal: plain lines of text that also work in a pipe or a log."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from hpo.study.effort import Ending, ending
from hpo.study.result import Result, Search
from hpo.study.spec import StudySpec
from hpo.study.trials import complete
from hpo.views import formatting
from hpo.views.scores import comparable

_LABEL = 9


class _Canvas:
    """Rows of characters, on which scores have their height.

    Args:
        width: characters per line, with the labels.
        rows: lines.
        low: the score of the lowest row.
        high: that of the highest; scores outside stand at the edge.
    """

    def __init__(self, width: int, rows: int, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.columns = width - _LABEL - 2
        self._cells = [[" "] * self.columns for _ in range(rows)]

    def row(self, score: float) -> int:
        last = len(self._cells) - 1
        place = (self._high - score) / (self._high - self._low)
        return min(last, max(0, round(place * last)))

    def rule(self, score: float) -> None:
        self._cells[self.row(score)] = ["╌"] * self.columns

    def put(self, row: int, column: int, character: str) -> None:
        self._cells[row][column] = character

    def steps(self, corners: Sequence[tuple[int, int]]) -> None:
        """A line that keeps its row from each column to the next one, and at last to the end."""
        (column, row), *others = corners
        for next_column, next_row in [*others, (self.columns, corners[-1][1])]:
            for passed in range(column, next_column):
                self.put(row, passed, "━")
            column = next_column
            if next_row != row:
                up = next_row < row
                for between in range(min(row, next_row) + 1, max(row, next_row)):
                    self.put(between, column, "┃")
                self.put(row, column, "┛" if up else "┓")
                self.put(next_row, column, "┏" if up else "┗")
                row = next_row
                column += 1

    def lines(self, spec: StudySpec, last_trial: int, legend: str) -> list[str]:
        """All of it, with the scores at its left, the trials below, and the legend."""
        last, found = len(self._cells) - 1, []
        for index, cells in enumerate(self._cells):
            label = ""
            if index % 3 == 0 or index == last:
                score = self._high - index * (self._high - self._low) / last
                label = formatting.score_text(spec, score)
            edge = "┤" if label else "│"
            found.append(f"{label:>{_LABEL}} {edge}{''.join(cells)}".rstrip())
        right, indent = str(last_trial), " " * (_LABEL + 1)
        title = f"{'trial':^{max(1, self.columns - 1 - len(right))}}"
        found.append(f"{indent}└{'─' * self.columns}")
        return [*found, f"{indent} 0{title}{right}", f"{indent} {legend}".rstrip()]


def chart(result: Result, *, width: int = 76, rows: int = 12) -> list[str]:
    """The trials of a search, the best so far and the reported score, over the trial number.

    Args:
        result: the study; of a front or a sweep, the report has a figure.
        width: characters per line.
        rows: lines of the plot itself; three more hold axis and legend.

    Returns:
        Lines of text; none as long as fewer than two trials are complete, or if ``width`` is
        too small.
    """
    spec, found = result.spec, comparable(result)
    if width < 30 or type(result) is not Search or len(found) < 2:
        return []
    better = max if spec.maximize else min
    whole = complete(result.search)  # none is complete at the start of a race
    scores = [trial.score or 0.0 for trial in whole]
    best = list(zip((t.number for t in whole), accumulate(scores, better), strict=True))
    canvas = _Canvas(width, rows, *_range(spec, [t.score or 0.0 for t in found], scores[:1]))
    if spec.reported is not None:
        canvas.rule(spec.reported.score)
    last = max(trial.number for trial in result.search)

    def column(number: int) -> int:
        return round(number / max(1, last) * (canvas.columns - 1))

    early = [trial for trial in found if ending(spec, trial)]
    for mark, some in (("∘", early), ("·", [t for t in found if t not in early])):
        for trial in some:
            canvas.put(canvas.row(trial.score or 0.0), column(trial.number), mark)
    if best:
        canvas.steps([(column(number), canvas.row(score)) for number, score in best])
    legend = "· trial   " + f"∘ {Ending.NETWORKS}   " * bool(early) + "━ best so far"
    if text := formatting.reported_text(spec):
        legend += f"   ╌ {text}"
    return canvas.lines(spec, last, legend)


def _range(spec: StudySpec, scores: list[float], first: list[float]) -> tuple[float, float]:
    """From the worst trial worth drawing to the best: that of the first best, and the reported."""
    sign = 1.0 if spec.maximize else -1.0
    good = sorted(sign * score for score in scores)
    ends = [good[len(good) // 4], good[-1], *(sign * score for score in first)]
    if spec.reported is not None:
        ends.append(sign * spec.reported.score)
    margin = 0.05 * (max(ends) - min(ends)) or 0.01 * abs(max(ends)) or 0.01
    low, high = sorted((sign * (min(ends) - margin), sign * (max(ends) + margin)))
    return low, high
