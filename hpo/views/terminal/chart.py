"""Convergence in a terminal: plain lines of text that also work in a pipe or a log."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hpo.study import score_text
from hpo.study.snapshot import StudySnapshot
from hpo.study.trials import SlotState
from hpo.views import formatting
from hpo.views.numbers import front
from hpo.views.numbers.declared import Chart
from hpo.views.numbers.declared import chart as numbers

_BLOCKS = "▁▂▃▄▅▆▇█"
_LABEL = 9


def best_so_far(snapshot: StudySnapshot) -> list[tuple[int, float]]:
    """Trial number and incumbent's score, at every complete trial, by number."""
    better = max if snapshot.spec.maximize else min
    curve: list[tuple[int, float]] = []
    for number, score in _scores(snapshot, complete=True):
        curve.append((number, better(score, curve[-1][1]) if curve else score))
    return curve


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

    def column(self, number: int) -> int:
        return round(number * (len(self.cells[0]) - 1) / max(1, self.last))

    def row(self, score: float) -> int:
        place = (self.high - score) / (self.high - self.low)
        return min(len(self.cells) - 1, max(0, round(place * (len(self.cells) - 1))))

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
    columns = width - _LABEL - 2
    cells = [[" "] * columns for _ in range(rows)]
    last = max(slot.number for slot in snapshot.search)
    canvas = _Canvas(cells=cells, low=low, high=high, last=last)
    reported = snapshot.spec.reported
    if reported is not None:
        cells[canvas.row(reported.score)] = ["╌"] * columns
    for number, score in scores:
        canvas.put(canvas.row(score), canvas.column(number), "·")
    _draw_steps(canvas, best_so_far(snapshot))
    return [*_labelled(snapshot, canvas), *_axis(snapshot, canvas)]


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
    columns = width - _LABEL - 2
    canvas = _Canvas(
        cells=[[" "] * columns for _ in range(rows)],
        low=min(scores) - margin,
        high=max(scores) + margin,
        last=columns - 1,
    )
    place = _places([point.x for point in points], columns)
    for index, group in enumerate(found.groups):
        for point in group.points:
            mark = _MARKS[index % len(_MARKS)]
            canvas.put(canvas.row(point.median / scale), place[point.x], mark)
    return [*_labelled(snapshot, canvas), *_sweep_axis(found, place, columns)]


def front_chart(snapshot: StudySnapshot, *, width: int, rows: int) -> list[str]:
    """The score over the cost: trials, the front, what was confirmed, what is reported."""
    found = front.chart(snapshot)
    if len(found.trials) + len(found.front) < 2 or width < 30:
        return []
    scale = 100.0 if score_text.is_percent(snapshot.spec) else 1.0
    low, high = (edge / scale for edge in front.view(found))
    columns = width - _LABEL - 2
    cells = [[" "] * columns for _ in range(rows)]
    canvas = _Canvas(cells=cells, low=low, high=high, last=columns - 1)
    spots = [*found.trials, *found.front, *found.confirmed]
    held_against = [spot for spot in (found.reported_here, found.reported) if spot]
    known = [spot.cost for spot in (*spots, *held_against)]
    place = _places([*known], columns)
    if found.reported_score is not None:
        cells[canvas.row(found.reported_score[0] / scale)] = ["╌"] * columns
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
    axis = _numbered(found.x_label, min(known), max(known), columns)
    return [*_labelled(snapshot, canvas), *axis, f"{' ' * (_LABEL + 2)}{legend}"]


def _numbered(title: str, low: float, high: float, columns: int) -> list[str]:
    """The x axis with a number at each end and its title in between."""
    left, right = f"{low:.3g}", f"{high:.3g}"
    middle = max(1, columns - len(left) - len(right))
    indent = " " * (_LABEL + 1)
    return [f"{indent}└{'─' * columns}", f"{indent} {left}{title:^{middle}}{right}"]


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


def _sweep_axis(found: Chart, place: dict[float | str, int], columns: int) -> list[str]:
    first, *_, last = sorted(place, key=lambda x: place[x]) if len(place) > 1 else [*place, *place]
    left, right = (x if isinstance(x, str) else f"{x:.4g}" for x in (first, last))
    middle = max(1, columns - len(left) - len(right))
    indent = " " * (_LABEL + 1)
    marks = "   ".join(f"{_MARKS[i % len(_MARKS)]} {g.label}" for i, g in enumerate(found.groups))
    return [
        f"{indent}└{'─' * columns}",
        f"{indent} {left}{found.x_label:^{middle}}{right}",
        f"{indent} medians:   {marks}",
    ]


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
    for next_column, next_row in [*steps, (len(canvas.cells[0]) - 1, None)]:
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


def _axis(snapshot: StudySnapshot, canvas: _Canvas) -> list[str]:
    columns = len(canvas.cells[0])
    numbers = f"0{'trial':^{max(5, columns - 1 - len(str(canvas.last)))}}{canvas.last}"
    legend = "· trial   ━ best so far"
    if reported := formatting.reported_text(snapshot.spec):
        legend += f"   ╌ {reported}"
    indent = " " * (_LABEL + 1)
    return [f"{indent}└{'─' * columns}", f"{indent} {numbers}", f"{indent} {legend}"]
