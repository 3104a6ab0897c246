"""The figure of the same search with several study seeds."""

from __future__ import annotations

import math
import statistics

import plotly.graph_objects as go

from hpo.study.replication import Replication
from hpo.views.figures import style
from hpo.views.figures.palette import ORANGE
from hpo.views.figures.plotted import Plotted
from hpo.views.figures.style import Spot
from hpo.views.sentences.formatting import score_text, shown
from hpo.views.sentences.replication import simulated_name

_SIMULATED = {"color": ORANGE, "size": 9, "symbol": "square"}


def figure(replication: Replication) -> go.Figure:
    """Draw claim, confirmed score and score on simulated chips, a row for each search;
    the band has the quartiles of the confirmed scores, the line their median."""
    spec = replication.spec
    claims = []
    means = []
    chips = []
    for row, result in enumerate(replication.results):
        item = result.confirmed
        if item is None:
            continue
        plotted = Plotted(result)
        means.append(plotted.confirmed(item, row))
        claims.append(plotted.claim(item, row - 0.25))
        if item.simulated:
            mean = statistics.fmean(item.simulated)
            text = f"{simulated_name(replication)}: {score_text(spec, mean)}"
            chips.append(Spot(row + 0.25, shown(spec, mean), text))
    rows = len(replication.results)
    drawn = style.style(go.Figure(), height=190 + 34 * rows)
    for spots, name, marker in (
        (means, "confirmed, mean ± std", style.CONFIRMED),
        (claims, "claimed by the search", style.CLAIMED),
        (chips, simulated_name(replication), _SIMULATED),
    ):
        if spots:
            drawn.add_trace(style.markers(spots, name=name, marker=marker, across=True))
    _add_quartiles(drawn, replication)
    names = [style.safe(result.name) for result in replication.results]
    drawn.update_yaxes(range=[rows - 0.4, -0.6], showgrid=False)
    drawn.update_yaxes(tickvals=list(range(rows)), ticktext=names)
    first = Plotted(replication.results[0])
    drawn.update_xaxes(title_text=first.metric)
    style.add_lines(drawn, first.references, vertical=True)
    return drawn


def _add_quartiles(drawn: go.Figure, replication: Replication) -> None:
    scores = replication.scores
    if scores is None or math.isclose(scores.lower, scores.upper):
        return
    spec = replication.spec
    ends = {"x0": shown(spec, scores.lower), "x1": shown(spec, scores.upper)}
    green = style.CONFIRMED["color"]
    drawn.add_vrect(**ends, fillcolor=green, opacity=0.15, line_width=0)
    drawn.add_vline(x=shown(spec, scores.median), line_color=green, line_width=1.5)
