"""A convergence chart of plain text, for terminals, pipes and logs."""

from __future__ import annotations

from itertools import accumulate

from hpo.study.effort import Ending, ending
from hpo.study.result import Result, Search
from hpo.study.spec import StudySpec
from hpo.study.trials import complete
from hpo.views.figures.scores import comparable
from hpo.views.sentences import formatting

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
    spec, trials = result.spec, comparable(result)
    if width < 30 or type(result) is not Search or len(trials) < 2:
        return []
    whole = complete(result.search)
    best = list(
        accumulate((t.score or 0.0 for t in whole), max if spec.maximize else min)
    )
    low, high = _range(spec, [t.score or 0.0 for t in trials], best[:1])
    columns, last = width - _LABEL - 2, max(trial.number for trial in result.search)
    cells = [[" "] * columns for _ in range(rows)]

    def row(score: float) -> int:
        return min(rows - 1, max(0, round((high - score) / (high - low) * (rows - 1))))

    def column(number: int) -> int:
        return round(number / max(1, last) * (columns - 1))

    if spec.reported is not None:
        cells[row(spec.reported.score)] = ["╌"] * columns
    for trial in sorted(trials, key=lambda trial: not ending(spec, trial)):
        mark = "∘" if ending(spec, trial) else "·"
        cells[row(trial.score or 0.0)][column(trial.number)] = mark
    ends = [*(column(trial.number) for trial in whole[1:]), columns]
    for trial, score, end in zip(whole, best, ends, strict=False):
        begin = column(trial.number)
        cells[row(score)][begin:end] = "━" * (end - begin)
    legend = "· trial   "
    if any(ending(spec, trial) for trial in trials):
        legend += f"∘ {Ending.NETWORKS}   "
    legend += "━ best so far"
    if text := formatting.reported_text(spec):
        legend += f"   ╌ {text}"
    lines = []
    for index, line in enumerate(cells):
        labelled = index % 3 == 0 or index == rows - 1
        score = high - index * (high - low) / (rows - 1)
        label = formatting.score_text(spec, score) if labelled else ""
        lines.append(
            f"{label:>{_LABEL}} {'┤' if labelled else '│'}{''.join(line)}".rstrip()
        )
    indent = " " * (_LABEL + 1)
    axis = f"0{'trial':^{columns - 1 - len(str(last))}}{last}"
    return [
        *lines,
        f"{indent}└{'─' * columns}",
        f"{indent} {axis}",
        f"{indent} {legend}",
    ]


def _range(
    spec: StudySpec, scores: list[float], first: list[float]
) -> tuple[float, float]:
    """Return the range of the chart: without the worst quarter, with ``first`` and
    reported."""
    sign = 1.0 if spec.maximize else -1.0
    good = sorted(sign * score for score in scores)
    ends = [good[len(good) // 4], good[-1], *(sign * score for score in first)]
    if spec.reported is not None:
        ends.append(sign * spec.reported.score)
    margin = 0.05 * (max(ends) - min(ends)) or 0.01 * abs(max(ends)) or 0.01
    low, high = sorted((sign * (min(ends) - margin), sign * (max(ends) + margin)))
    return low, high
