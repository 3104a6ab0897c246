"""The front of a study: the score against each cost."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, INK, VERMILLION
from hpo.views.figures.plotted import Plotted
from hpo.views.figures.style import Spot
from hpo.views.sentences.formatting import quantity, quantity_label, reported_text

_FAINT = {"color": BLUE, "size": 6, "opacity": 0.4}
_RING = {"color": "white", "size": 8, "line": {"width": 2, "color": INK}}
_FRONT = "front of the search"


def figure(plotted: Plotted, *, only: str | None = None) -> go.Figure:
    """Draw trials as faint points, the front as steps, confirmed trials with error
    bars.

    Each cost has a panel, or ``only`` one. Costs of more than a decade have a
    logarithmic axis.
    """
    costs = plotted.result.costs if only is None else [only]
    drawing = make_subplots(1, len(costs), shared_yaxes=True, horizontal_spacing=0.04)
    style.style(drawing, height=520)
    for column, name in enumerate(costs, start=1):
        _add_panel(drawing, plotted, name, {"row": 1, "col": column})
    return drawing.update_yaxes(title_text=style.safe(plotted.metric), col=1)


def trials(plotted: Plotted, cost: str, *, along: bool) -> list[Spot]:
    """Return the complete trials on the front (``along``), cheapest first, or the
    others."""
    on_front = {trial.number for trial in plotted.result.front}
    spots = [
        plotted.spot(trial, plotted.spec.named_costs(trial.costs)[cost])
        for trial in plotted.result.contenders
        if (trial.number in on_front) == along
    ]
    if along:
        spots.sort(key=lambda spot: float(spot.x))
    return spots


def fresh(plotted: Plotted, cost: str) -> list[Spot]:
    """Return the confirmed scores, cheapest first by the first cost."""
    spots = []
    for item in plotted.result.tested:
        at = plotted.spec.named_costs(item.costs)[cost]
        spots.append(plotted.confirmed(item, at))
    return spots


def reported(plotted: Plotted, cost: str) -> list[Spot]:
    """Return the reported score at its published cost, and at its cost as measured
    here."""
    if plotted.reported is None:
        return []
    spec = plotted.spec
    score, _ = plotted.reported
    spots = []
    published = spec.reported_costs("cost").get(cost)
    if published:
        spots.append(Spot(published, score, style.safe(reported_text(spec))))
    here = spec.reported_costs("cost_here").get(cost)
    if here:
        text = f"reported network, {quantity(cost, here)} as measured here"
        spots.append(Spot(here, score, style.safe(text)))
    return spots


def line(plotted: Plotted, cost: str) -> list[Spot]:
    """Return the points of the front that beat all others of at most this cost."""
    sign = plotted.result.sign
    best: list[Spot] = []
    along = trials(plotted, cost, along=True)
    for one in sorted(along, key=lambda one: (one.x, -sign * one.y)):
        if not best or sign * one.y > sign * best[-1].y:
            best.append(one)
    return best


def _add_panel(
    drawing: go.Figure, plotted: Plotted, cost: str, place: dict[str, int]
) -> None:
    others = trials(plotted, cost, along=False)
    front = trials(plotted, cost, along=True)
    tested = fresh(plotted, cost)
    published = reported(plotted, cost)
    dearest = max((one.x for one in (*others, *front)), default=0.0)
    best = style.steps(line(plotted, cost), dearest, line_color=INK, line_width=2)
    best.update(hoverinfo="skip", name=_FRONT)
    confirmed = "confirmed on fresh seeds, mean ± std"
    traces = [
        best,
        style.markers(others, name="trial", marker=_FAINT),
        style.markers(front, name=_FRONT, marker=_RING),
        style.markers(tested, name=confirmed, marker=style.CONFIRMED),
    ]
    for one, symbol in zip(published, ("cross", "cross-open"), strict=False):
        cross = {"color": VERMILLION, "size": 12, "symbol": symbol}
        cross["line"] = {"width": 1.5}
        traces.append(style.markers([one], name=one.text, marker=cross))
    for trace in traces:
        if trace.x:
            in_legend = trace.name not in {other.name for other in drawing.data}
            trace.update(showlegend=in_legend, legendgroup=trace.name)
            drawing.add_trace(trace, **place)
    style.add_lines(drawing, plotted.references, row=1, col=place["col"])
    costs = [one.x for one in (*others, *front, *tested, *published)]
    if costs and min(costs) > 0 and max(costs) > 10 * min(costs):
        drawing.update_xaxes(style.LOG_AXIS, **place)
    drawing.update_xaxes(title_text=style.safe(quantity_label(cost)), **place)
    drawing.update_yaxes(range=list(plotted.view), **place)
