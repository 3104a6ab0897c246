"""A convergence chart of plain text, for terminals, pipes and logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.study.effort import PruneReason, ending
from hpo.study.result import Result
from hpo.study.trials import Trial
from hpo.views.sentences.formatting import reported_text, score_text

_LABEL = 9
"""Width of the score labels, in characters."""


def chart(result: Result, *, width: int = 76, rows: int = 12) -> list[str]:
    """Draw trials, best score so far and reported score against the trial number.

    Args:
        result: a search; fronts and sweeps have figures in the report only.
        width: characters per line.
        rows: lines of the plot itself; three more hold axis and legend.

    Returns:
        Lines of text; none if fewer than two trials are complete or ``width`` is too
        small.
    """
    trials = result.comparable
    if width < 30 or not result.converges or len(trials) < 2:
        return []
    last = max(trial.number for trial in result.search)
    low, high = _range(result, trials)
    grid = _Grid(low, high, last, rows, columns=width - _LABEL - 2)
    cells = [[" "] * grid.columns for _ in range(rows)]
    if result.spec.reported is not None:
        row = grid.row(result.spec.reported.score)
        cells[row] = ["╌"] * grid.columns
    pruned = [trial for trial in trials if ending(result.spec, trial)]
    whole = [trial for trial in trials if not ending(result.spec, trial)]
    for mark, group in (("∘", pruned), ("·", whole)):
        for trial in group:
            cells[grid.row(trial.score)][grid.column(trial)] = mark
    _draw_best(result, grid, cells)
    legend = "· trial   "
    if pruned:
        legend += f"∘ {PruneReason.NETWORKS}   "
    legend += "━ best so far"
    if result.spec.reported is not None:
        legend += f"   ╌ {reported_text(result.spec)}"
    lines = []
    for index, line in enumerate(cells):
        tick = f"{'':>{_LABEL}} │"
        if index % 3 == 0 or index == rows - 1:
            score = high - index * (high - low) / (rows - 1)
            tick = f"{score_text(result.spec, score):>{_LABEL}} ┤"
        lines.append(f"{tick}{''.join(line)}".rstrip())
    indent = " " * (_LABEL + 1)
    axis = f"0{'trial':^{grid.columns - 1 - len(str(last))}}{last}"
    return [
        *lines,
        f"{indent}└{'─' * grid.columns}",
        f"{indent} {axis}",
        f"{indent} {legend}",
    ]


@dataclass(frozen=True)
class _Grid:
    """The places of scores and trial numbers in a grid of characters."""

    low: float
    high: float
    last: int
    rows: int
    columns: int

    def row(self, score: float | None) -> int:
        """Return the row of a score, from the top; off the scale, the last one."""
        share = (self.high - (score or 0.0)) / (self.high - self.low)
        return min(self.rows - 1, max(0, round(share * (self.rows - 1))))

    def column(self, trial: Trial) -> int:
        """Return the column of a trial."""
        return round(trial.number / max(1, self.last) * (self.columns - 1))


def _draw_best(result: Result, grid: _Grid, cells: list[list[str]]) -> None:
    """Draw the best score so far as steps."""
    best = [*result.improvements(result.contenders)]
    ends = [*map(grid.column, best[1:]), grid.columns]
    for trial, end in zip(best, ends, strict=False):
        begin = grid.column(trial)
        cells[grid.row(trial.score)][begin:end] = "━" * (end - begin)


def _range(result: Result, trials: Sequence[Trial]) -> tuple[float, float]:
    """Return the range of the chart: without the worst quarter, with the first complete
    trial and the reported score."""
    sign = result.sign
    good = sorted(sign * (trial.score or 0.0) for trial in trials)
    ends = [good[len(good) // 4], good[-1]]
    ends += [sign * (trial.score or 0.0) for trial in result.contenders[:1]]
    if result.spec.reported is not None:
        ends.append(sign * result.spec.reported.score)
    margin = 0.05 * (max(ends) - min(ends)) or 0.01 * abs(max(ends)) or 0.01
    low, high = sorted((sign * (min(ends) - margin), sign * (max(ends) + margin)))
    return low, high
