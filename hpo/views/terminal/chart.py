"""Convergence in a terminal: plain lines of text that also work in a pipe or a log."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from hpo.study import score_text
from hpo.study.snapshot import StudySnapshot
from hpo.study.trials import SlotState
from hpo.views import formatting
from hpo.views.numbers import front
from hpo.views.numbers.study_figure import chart as numbers

_BLOCKS = "▁▂▃▄▅▆▇█"
_LABEL = 9


def best_so_far(snapshot: StudySnapshot) -> list[tuple[int, float]]:
    """Trial number and incumbent's score, at every complete trial, by number."""
    better = max if snapshot.spec.maximize else min
    found = _scores(snapshot, complete=True)
    best = accumulate((score for _, score in found), better)
    return [(number, score) for (number, _), score in zip(found, best, strict=True)]


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


def _scores(snapshot: StudySnapshot, *, complete: bool) -> list[tuple[int, float]]:
    """Of complete trials, or also of those that left a race: few go all the way in one."""
    return [
        (slot.number, slot.score)
        for slot in snapshot.search
        if (slot.state == SlotState.COMPLETE if complete else slot.compares)
        and slot.score is not None
    ]


@dataclass(frozen=True, kw_only=True)
class _Canvas:
    """Rows of characters, and where scores and trial numbers lie on them."""

    cells: list[list[str]]
    low: float
    high: float
    last: int
    """The trial number at the right edge."""

    @classmethod
    def empty(cls, width: int, rows: int, low: float, high: float, last: int = 0) -> _Canvas:
        """A canvas with nothing drawn, for lines of so many characters."""
        cells = [[" "] * (width - _LABEL - 2) for _ in range(rows)]
        return cls(cells=cells, low=low, high=high, last=last)

    @property
    def columns(self) -> int:
        return len(self.cells[0])

    def column(self, number: int) -> int:
        return round(number * (self.columns - 1) / max(1, self.last))

    def row(self, score: float) -> int:
        place = (self.high - score) / (self.high - self.low)
        return min(len(self.cells) - 1, max(0, round(place * (len(self.cells) - 1))))

    def rule(self, score: float) -> None:
        self.cells[self.row(score)] = ["╌"] * self.columns

    def put(self, row: int, column: int, character: str) -> None:
        self.cells[row][column] = character


def chart(snapshot: StudySnapshot, *, width: int = 76, rows: int = 12) -> list[str]:
    """The trials, the best so far and the reported score, over the trial number.

    Args:
        snapshot: the study.
        width: characters per line.
        rows: lines of the plot itself; three more hold axis and legend.

    Returns:
        Lines of text; none as long as fewer than two trials are complete, or if ``width`` is
        too small.
    """
    if not snapshot.spec.selects:
        return sweep_chart(snapshot, width=width, rows=rows)
    if snapshot.spec.cost is not None:
        return front_chart(snapshot, width=width, rows=rows)
    scores = _scores(snapshot, complete=False)
    if len(scores) < 2 or width < 30:
        return []
    low, high = _range(snapshot, [score for _, score in scores])
    last = max(slot.number for slot in snapshot.search)
    canvas = _Canvas.empty(width, rows, low, high, last)
    if (reported := snapshot.spec.reported) is not None:
        canvas.rule(reported.score)
    for number, score in scores:
        canvas.put(canvas.row(score), canvas.column(number), "·")
    _draw_steps(canvas, best_so_far(snapshot))
    legend = "· trial   ━ best so far"
    if text := formatting.reported_text(snapshot.spec):
        legend += f"   ╌ {text}"
    return [*_labelled(snapshot, canvas), *_axis("0", "trial", str(last), canvas, legend)]


_MARKS = "ox+*#@%&"


def sweep_chart(snapshot: StudySnapshot, *, width: int, rows: int) -> list[str]:
    """The medians of a sweep over what varies, a mark per curve; see ``chart``."""
    found = numbers(snapshot)
    points = [point for group in found.groups for point in group.points] if found else []
    if found is None or len(points) < 2 or width < 30:
        return []
    scale = 100.0 if score_text.is_percent(snapshot.spec) else 1.0
    scores = [point.median / scale for point in points]
    margin = 0.05 * (max(scores) - min(scores)) or 0.01
    canvas = _Canvas.empty(width, rows, min(scores) - margin, max(scores) + margin)
    place = _places([point.x for point in points], canvas.columns)
    for index, group in enumerate(found.groups):
        for point in group.points:
            mark = _MARKS[index % len(_MARKS)]
            canvas.put(canvas.row(point.median / scale), place[point.x], mark)
    first, *_, last = sorted(place, key=lambda x: place[x]) if len(place) > 1 else [*place, *place]
    left, right = (x if isinstance(x, str) else f"{x:.4g}" for x in (first, last))
    marks = "   ".join(f"{_MARKS[i % len(_MARKS)]} {g.label}" for i, g in enumerate(found.groups))
    axis = _axis(left, found.x_label, right, canvas, f"medians:   {marks}")
    return [*_labelled(snapshot, canvas), *axis]


def front_chart(snapshot: StudySnapshot, *, width: int, rows: int) -> list[str]:
    """The score over the cost: trials, the front, what was confirmed, what is reported."""
    found = front.chart(snapshot)
    if len(found.trials) + len(found.front) < 2 or width < 30:
        return []
    scale = 100.0 if score_text.is_percent(snapshot.spec) else 1.0
    low, high = (edge / scale for edge in front.view(found))
    canvas = _Canvas.empty(width, rows, low, high)
    spots = [*found.trials, *found.front, *found.confirmed]
    held_against = [spot for spot in (found.reported_here, found.reported) if spot]
    known = [spot.cost for spot in (*spots, *held_against)]
    place = _places([*known], canvas.columns)
    if found.reported_score is not None:
        canvas.rule(found.reported_score[0] / scale)
    for mark, some in (("·", found.trials), ("o", found.front), ("◆", found.confirmed)):
        for spot in some:
            if low <= spot.score / scale <= high:
                canvas.put(canvas.row(spot.score / scale), place[spot.cost], mark)
    legend = "· trial   o front" + ("   ◆ confirmed" if found.confirmed else "")
    for spot in held_against:
        mark = "✚" if spot is found.reported else "+"
        canvas.put(canvas.row(spot.score / scale), place[spot.cost], mark)
    if found.reported is not None:
        legend += f"   ✚ {formatting.reported_text(snapshot.spec)}"
    axis = _axis(f"{min(known):.3g}", found.x_label, f"{max(known):.3g}", canvas, legend)
    return [*_labelled(snapshot, canvas), *axis]


def _axis(left: str, title: str, right: str, canvas: _Canvas, legend: str) -> list[str]:
    """The x axis with what stands at each end and its title in between; the legend below."""
    middle = max(1, canvas.columns - len(left) - len(right))
    indent = " " * (_LABEL + 1)
    numbers = f"{left}{title:^{middle}}{right}"
    return [f"{indent}└{'─' * canvas.columns}", f"{indent} {numbers}", f"{indent} {legend}"]


def _places(xs: list[float | str], columns: int) -> dict[float | str, int]:
    """The column of every x: on a log axis where all are positive and span a decade."""
    values: list[float] = [x for x in xs if not isinstance(x, str)]
    if len(values) < len(xs):
        named = list(dict.fromkeys(xs))
        return {x: round(i * (columns - 1) / max(1, len(named) - 1)) for i, x in enumerate(named)}
    log = min(values) > 0 and max(values) >= 10 * min(values)
    at = {x: math.log(x) if log else x for x in values}
    low, span = min(at.values()), max(at.values()) - min(at.values())
    return {x: round((at[x] - low) / span * (columns - 1)) if span else 0 for x in values}


def _range(snapshot: StudySnapshot, scores: list[float]) -> tuple[float, float]:
    """From the worst trial worth drawing to the best; worse ones sit on the edge."""
    sign = 1.0 if snapshot.spec.maximize else -1.0
    good = sorted(sign * score for score in scores)
    worst = good[len(good) // 4]
    best = good[-1]
    if snapshot.spec.reported is not None:
        worst = min(worst, sign * snapshot.spec.reported.score)
        best = max(best, sign * snapshot.spec.reported.score)
    margin = 0.05 * (best - worst) or 0.01 * abs(best) or 0.01
    low, high = sorted((sign * (worst - margin), sign * (best + margin)))
    return low, high


def _draw_steps(canvas: _Canvas, curve: list[tuple[int, float]]) -> None:
    """The incumbent's line, with corners where it improves."""
    row = canvas.row(curve[0][1])
    column = canvas.column(curve[0][0])
    steps = [(canvas.column(number), canvas.row(score)) for number, score in curve[1:]]
    for next_column, next_row in [*steps, (canvas.columns - 1, None)]:
        for passed in range(column, next_column):
            canvas.put(row, passed, "━")
        column = next_column
        if next_row is None:
            canvas.put(row, column, "━")
        elif next_row != row:
            up = next_row < row
            for between in range(min(row, next_row) + 1, max(row, next_row)):
                canvas.put(between, column, "┃")
            canvas.put(row, column, "┛" if up else "┓")
            canvas.put(next_row, column, "┏" if up else "┗")
            row = next_row
            column += 1


def _labelled(snapshot: StudySnapshot, canvas: _Canvas) -> list[str]:
    rows = len(canvas.cells)
    lines = []
    for index, cells in enumerate(canvas.cells):
        label = ""
        if index % 3 == 0 or index == rows - 1:
            score = canvas.high - index * (canvas.high - canvas.low) / (rows - 1)
            label = score_text.score_text(snapshot.spec, score)
        axis = "┤" if label else "│"
        lines.append(f"{label:>{_LABEL}} {axis}{''.join(cells)}".rstrip())
    return lines
