"""A study's ``[figure]`` as an interactive figure: curves with quartile bands, or a scatter."""

from __future__ import annotations

import plotly.graph_objects as go

from hpo.study.tables import Reference
from hpo.views import formatting
from hpo.views.figures.style import DASHED, log_axis, markers, rgba, safe, style
from hpo.views.numbers.study_figure import Chart, Group, Point, colour_of
from hpo.views.palette import SLATE

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")
DASHES = ("dot", "dashdot", "longdash", "solid")
"""Of references: marks of the figure itself are dashed."""


def figure(chart: Chart) -> go.Figure:
    """The figure of a chart."""
    drawing = style(go.Figure(), height=520)
    for index, group in enumerate(chart.groups):
        colour = colour_of(chart, index)
        if chart.joined:
            drawing.add_traces(_curve(group, colour, SYMBOLS[index % len(SYMBOLS)]))
        else:
            drawing.add_trace(_cloud(group, colour, SYMBOLS[index % len(SYMBOLS)]))
    for mark in chart.marks:
        drawing.add_vline(mark, **DASHED)
    for index, reference in enumerate(chart.references):
        _add_reference(drawing, reference, index)
    if chart.log_x:
        places = [float(p.x) for g in chart.groups for p in g.points]
        places += [x for reference in chart.references for x in reference.places]
        drawing.update_xaxes(log_axis(places))
    drawing.update_xaxes(title_text=safe(chart.x_label))
    drawing.update_yaxes(title_text=safe(chart.y_label))
    return drawing


def _curve(group: Group, colour: str, symbol: str) -> list[go.Scatter]:
    x = [safe(p.x) if isinstance(p.x, str) else p.x for p in group.points]
    low, high = [p.low for p in group.points], [p.high for p in group.points]
    band = go.Scatter(x=[*x, *reversed(x)], y=[*high, *reversed(low)], fill="toself")
    band.update(mode="lines", line_width=0, fillcolor=rgba(colour, 0.18), hoverinfo="skip")
    band.update(legendgroup=safe(group.label), showlegend=False, name=safe(group.label))
    text = [_hover(group, point) for point in group.points]
    marker = {"color": colour, "size": 8, "symbol": symbol}
    y = [p.median for p in group.points]
    line = markers(x, y, text, name=safe(group.label), marker=marker, on_edge=True)
    line.update(mode="lines+markers", legendgroup=safe(group.label))
    return [band, line.update(line={"color": colour, "width": 2})]


def _cloud(group: Group, colour: str, symbol: str) -> go.Scatter:
    text = [_hover(group, point) for point in group.points]
    marker = {"color": colour, "size": 8, "symbol": symbol, "opacity": 0.75}
    x, y = [p.x for p in group.points], [p.median for p in group.points]
    return markers(x, y, text, name=safe(group.label), marker=marker, on_edge=True)


def _add_reference(drawing: go.Figure, reference: Reference, index: int) -> None:
    """Hollow points with error bars, a band, or a line; the caps of bars at one x differ."""
    line = {"color": SLATE, "width": 1.6, "dash": DASHES[index % len(DASHES)]}
    look = {"name": safe(reference.label), "showlegend": True}
    if reference.window is not None:
        look |= {"fillcolor": rgba(SLATE, 0.12), "layer": "below", "line": {**line, "width": 0.8}}
        drawing.add_vrect(*reference.window, **look)
    elif reference.mark is not None:
        drawing.add_vline(reference.mark, line=line, **look)
    else:
        symbol = SYMBOLS[(index + 2) % len(SYMBOLS)]
        marker = {"color": "white", "size": 10, "symbol": symbol}
        marker["line"] = {"color": SLATE, "width": 1.6}
        trace = go.Scatter(x=reference.x, y=reference.y, mode="markers", marker=marker, **look)
        bars = {"array": reference.std, "color": SLATE, "thickness": 1.6}
        trace.update(error_y={**bars, "width": 4 + 2 * (index % len(DASHES))})
        drawing.add_trace(trace.update(cliponaxis=False, hoverlabel_namelength=-1))


def _hover(group: Group, point: Point) -> str:
    """What a point says when pointed at."""
    lines = [
        f"{group.label}, trial {point.trial}",
        f"median {point.median:.4g}, quartiles {point.low:.4g} – {point.high:.4g}, n = {point.n}",
        *formatting.parameter_lines(point.params),
    ]
    return "<br>".join(safe(line) for line in lines)
