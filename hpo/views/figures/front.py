"""The front of a study as an interactive figure: the score against each cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.study.result import Front
from hpo.views import formatting
from hpo.views.figures.style import DASHED, log_axis, markers, safe, steps, style
from hpo.views.numbers import front
from hpo.views.numbers.front import FrontChart, FrontPoint
from hpo.views.palette import BAND, BLUE, GREEN, INK, VERMILLION


def figure(result: Front, *, only: str | None = None) -> go.Figure:
    """Trials as faint points, the search's front as steps, what was confirmed with error bars.

    A panel for each cost, or for ``only`` one of them.
    """
    drawn = [
        found
        for name, found in zip(result.costs, front.charts(result), strict=True)
        if only in (None, name)
    ]
    drawing = make_subplots(1, len(drawn), shared_yaxes=True, horizontal_spacing=0.04)
    style(drawing, height=520)
    for column, found in enumerate(drawn, start=1):
        _add_panel(drawing, found, {"row": 1, "col": column})
    return drawing.update_yaxes(title_text=safe(drawn[0].y_label), col=1)


def _add_panel(drawing: go.Figure, found: FrontChart, place: dict[str, int]) -> None:
    low, high = front.view(found)
    inside = [spot for spot in found.trials if low <= spot.score <= high]
    edge = low if found.more_is_better else high
    off = [replace(spot, score=edge) for spot in found.trials if not low <= spot.score <= high]
    faint = {"color": BLUE, "size": 6, "opacity": 0.4}
    triangle = "triangle-down-open" if found.more_is_better else "triangle-up-open"
    traces = [
        _points(inside, name="trial", marker=faint),
        _points(off, name="off scale", marker={**faint, "symbol": triangle}),
        *_front(found),
        _confirmed(found),
        *_reported(found),
    ]
    for trace in traces:  # the panels share a legend
        known = {other.name for other in drawing.data if other.showlegend}
        new = bool(trace.showlegend) and trace.name not in known
        drawing.add_trace(trace.update(showlegend=new), **place)
    if found.reported_score is not None:
        score, std = found.reported_score
        drawing.add_hrect(score - std, score + std, **BAND, **place)
        drawing.add_hline(score, **DASHED, **place)
    if found.log_x:
        spots = (*found.trials, *found.front, *found.confirmed)
        drawing.update_xaxes(log_axis(spot.cost for spot in spots), **place)
    drawing.update_xaxes(title_text=safe(found.x_label), **place)
    drawing.update_yaxes(range=[low, high], **place)


def note(result: Front) -> str:
    """What the figure shows, in a paragraph."""
    labels = [formatting.quantity_label(name) for name in result.costs]
    front = "the line is the front: what no other trial beats in both"
    if len(labels) > 1:
        front = (
            "rings are the front: what no other trial beats in the score and every cost at once, "
            "the same trials in each panel; a line joins those that none beats in its own cost"
        )
    text = (
        f"Every complete trial of the search, its score against its {' and its '.join(labels)}; "
        f"{front}. With error bars: what the trials that were confirmed gave on fresh seeds and "
        f"the test part, mean ± standard deviation."
    )
    if result.spec.reported is not None:
        text += f" Dashed, with its band: {formatting.reported_text(result.spec)}."
    return text


def _points(
    spots: Sequence[FrontPoint], *, name: str, marker: dict[str, Any]
) -> go.Scatter | go.Scattergl:
    x, y = [spot.cost for spot in spots], [spot.score for spot in spots]
    text = [safe(spot.text) for spot in spots]
    trace = markers(x, y, text, name=name, marker=marker, on_edge=True)
    return trace.update(showlegend=bool(spots))


def _front(found: FrontChart) -> list[go.Scatter]:
    """For a given cost, the score that the search has found: steps, with a ring at every trial."""
    x, y = [s.cost for s in found.line], [s.score for s in found.line]
    dearest = max((s.cost for s in (*found.trials, *found.front)), default=0.0)
    line = steps(x, y, dearest, line_color=INK, line_width=2, hoverinfo="skip")
    line.update(name="front of the search", legendgroup="front", showlegend=bool(x))
    ring = {"color": "white", "size": 8, "line": {"width": 2, "color": INK}}
    rings = _points(found.front, name="front of the search", marker=ring)
    return [line, rings.update(legendgroup="front", showlegend=False)]


def _confirmed(found: FrontChart) -> go.Scatter:
    marker = {"color": GREEN, "size": 10, "symbol": "diamond"}
    trace = _points(found.confirmed, name="confirmed on fresh seeds, mean ± std", marker=marker)
    stds = [spot.std for spot in found.confirmed]
    return trace.update(error_y={"array": stds, "color": GREEN, "thickness": 2, "width": 5})


def _reported(found: FrontChart) -> list[go.Scatter | go.Scattergl]:
    """A cross at what the reported score costs, as published and as measured here."""
    crosses = []
    for spot, symbol in ((found.reported, "cross"), (found.reported_here, "cross-open")):
        if spot is not None:
            cross = {"color": VERMILLION, "size": 12, "symbol": symbol, "line": {"width": 1.5}}
            crosses.append(_points([spot], name=safe(spot.text), marker=cross))
    return crosses
