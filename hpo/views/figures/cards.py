"""The figures of a study on the dashboard: cards of half a page, in few bytes.

Pure functions of a snapshot. What the report shows in full is thinned here: a card holds some
hundred points, always the best so far and the newest among them, and no hover text of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import plotly.graph_objects as go

from hpo.study.snapshot import StudySnapshot
from hpo.views.figures import confirmed, convergence, distance, front, parameters, study_figure
from hpo.views.numbers import study_figure as numbers_declared
from hpo.views.numbers.convergence import clocks

DIGITS = 5


def cards(snapshot: StudySnapshot, others: Sequence[StudySnapshot] = ()) -> dict[str, str]:
    """Every card of a study as JSON by its name; sorted by name they are in reading order.

    ``others`` are the studies that its figure is drawn with, as far as they are there.
    """
    drawn = _searched(snapshot) if snapshot.spec.selects else {}
    if snapshot.spec.space:
        drawn["4-parameters"] = parameters.card(snapshot)
    chart = numbers_declared.chart(snapshot, others)
    if chart is not None:
        drawn["6-figure"] = study_figure.card(chart)
    return {name: compact(figure) for name, figure in drawn.items()}


def _searched(snapshot: StudySnapshot) -> dict[str, go.Figure]:
    if snapshot.spec.costs:
        drawn = {"1-front": front.card(snapshot)}
    else:
        names = ("1-convergence", "2-epochs", "2-time")
        axes = zip(names, clocks(snapshot), strict=True)
        drawn = {name: convergence.card(snapshot, clock) for name, clock in axes}
        if distance.compared(snapshot.spec):
            drawn["3-distance"] = distance.card(snapshot)
    if any(item.scores for item in snapshot.confirmations):
        drawn["5-confirmed"] = confirmed.card(snapshot)
    return drawn


def compact(figure: go.Figure) -> str:
    """A figure as JSON of plain lists, its numbers with five significant digits."""

    def shortened(digits: str) -> float | int:
        value = float(f"{float(digits):.{DIGITS}g}")
        return int(value) if value.is_integer() else value

    tree = json.loads(figure.to_json(), parse_float=shortened)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False)
