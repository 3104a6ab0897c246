"""Convergence in a terminal: plain lines of text that also work in a pipe or a log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from hpo.study.endings import Ending, ending
from hpo.study.result import Result, Search
from hpo.study.snapshot import complete
from hpo.study.spec import StudySpec
from hpo.views import formatting
from hpo.views.numbers.scores import comparable

_BLOCKS = "▁▂▃▄▅▆▇█"
_MARKS = "ox+*#@%&"
_LABEL = 9


def best_so_far(result: Result) -> list[tuple[int, float]]:
    """Trial number and incumbent's score, at every complete trial, by number."""
    found = complete(result.search)
    better = max if result.spec.maximize else min
    best = accumulate((slot.score or 0.0 for slot in found), better)
    return [(slot.number, score) for slot, score in zip(found, best, strict=True)]


def sparkline(values: list[float], width: int) -> str:
    """The values in one line, thinned to ``width`` characters.

    Examples:
        >>> sparkline([0.0, 0.5, 1.0], 3)
        '▁▅█'
        >>> sparkline([], 3)
        ''
    """
    if not values or width < 1:
        return ""
    if len(values) > width:
        last = len(values) - 1
        values = [values[round(i * last / max(1, width - 1))] for i in range(width)]
    low, high = min(values), max(values)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[int((value - low) * scale + 0.5)] for value in values)


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

    def lines(
        self,
        spec: StudySpec,
        axis: tuple[str, str, str],
        legend: str,
        ticks: Mapping[int, str] | None = None,
    ) -> list[str]:
        """All of it; the x axis has a text at its left end, its title, and one at its right end.

        ``ticks`` are texts by column, in a line of their own; see ``_decades``.
        """
        last, found = len(self._cells) - 1, []
        for index, cells in enumerate(self._cells):
            label = ""
            if index % 3 == 0 or index == last:
                score = self._high - index * (self._high - self._low) / last
                label = formatting.score_text(spec, score)
            edge = "┤" if label else "│"
            found.append(f"{label:>{_LABEL}} {edge}{''.join(cells)}".rstrip())
        left, title, right = axis
        middle = max(1, self.columns - len(left) - len(right))
        indent = " " * (_LABEL + 1)
        rule, below = ["─"] * self.columns, ""
        for column, text in (ticks or {}).items():
            rule[column] = "┬"
            start = min(max(0, column - len(text) // 2), self.columns - len(text))
            if start > len(below) or not below:
                below = below.ljust(start) + text
        found += [f"{indent}└{''.join(rule)}", *([f"{indent} {below}"] if below else [])]
        return [*found, f"{indent} {left}{title:^{middle}}{right}", f"{indent} {legend}".rstrip()]


def chart(result: Result, *, width: int = 76, rows: int = 12) -> list[str]:
    """The trials, the best so far and the reported score, over the trial number.

    Of a study with costs, the score over each of them; of a sweep, its medians over what varies.

    Args:
        width: characters per line.
        rows: lines of the plot itself; three more hold axis and legend, four on a log axis.

    Returns:
        Lines of text; none as long as fewer than two trials are complete, or if ``width`` is
        too small. Of several costs, one plot below the other, the legend below the last.
    """
    spec = result.spec
    if width < 30 or type(result) is not Search:
        return []
    found = comparable(result)
    if len(found) < 2:
        return []
    best = best_so_far(result)  # none is complete at the start of a race
    canvas = _Canvas(width, rows, *_range(spec, [slot.score or 0.0 for slot in found], best[:1]))
    if spec.reported is not None:
        canvas.rule(spec.reported.score)
    last = max(slot.number for slot in result.search)
    place = _places(range(last + 1), canvas.columns)
    early = [slot for slot in found if ending(spec, slot)]
    whole = [slot for slot in found if not ending(spec, slot)]
    for mark, some in (("∘", early), ("·", whole)):
        for slot in some:
            canvas.put(canvas.row(slot.score or 0.0), place[slot.number], mark)
    if best:
        canvas.steps([(place[number], canvas.row(score)) for number, score in best])
    legend = "· trial   " + f"∘ {Ending.NETWORKS}   " * bool(early) + "━ best so far"
    if text := formatting.reported_text(spec):
        legend += f"   ╌ {text}"
    return canvas.lines(spec, ("0", "trial", str(last)), legend)


def _places(xs: Sequence[float | str], columns: int) -> dict[float | str, int]:
    """The column of every x: on a log axis where all are positive and span a decade."""
    values = _numbers(xs)
    if len(values) < len(xs):
        named = list(dict.fromkeys(xs))
        return {x: round(i * (columns - 1) / max(1, len(named) - 1)) for i, x in enumerate(named)}
    at = {x: math.log(x) if _is_log(values) else x for x in values}
    low, span = min(at.values()), max(at.values()) - min(at.values())
    return {x: round((at[x] - low) / span * (columns - 1)) if span else 0 for x in values}


def _numbers(xs: Sequence[float | str]) -> list[float]:
    return [x for x in xs if not isinstance(x, str)]


def _is_log(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) >= 10 * min(values)


def _decades(xs: Sequence[float | str], columns: int) -> dict[int, str]:
    """The powers of ten on a log axis, as ticks by column; none on others."""
    values = _numbers(xs)
    if len(values) < len(xs) or not _is_log(values):
        return {}
    first, last = math.ceil(math.log10(min(values))), math.floor(math.log10(max(values)))
    powers = [10.0**k for k in range(first, last + 1)]
    place = _places([min(values), *powers, max(values)], columns)
    return {place[power]: f"{power:g}" for power in powers}


def _range(
    spec: StudySpec, scores: list[float], first: list[tuple[int, float]]
) -> tuple[float, float]:
    """From the worst trial worth drawing to the best: that of the first best, and the reported."""
    sign = 1.0 if spec.maximize else -1.0
    good = sorted(sign * score for score in scores)
    ends = [good[len(good) // 4], good[-1], *(sign * score for _, score in first)]
    if spec.reported is not None:
        ends.append(sign * spec.reported.score)
    margin = 0.05 * (max(ends) - min(ends)) or 0.01 * abs(max(ends)) or 0.01
    low, high = sorted((sign * (min(ends) - margin), sign * (max(ends) + margin)))
    return low, high
