"""Each searched parameter against the score, as a grid of small plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Trial
from hpo.views import formatting, verdict
from hpo.views.figures.style import (
    DASHED,
    HEIGHT,
    focus,
    hover,
    log_axis,
    markers,
    position,
    remark,
    safe,
    style,
    titled,
)
from hpo.views.figures.thinning import chosen, share
from hpo.views.numbers.importance import separation
from hpo.views.numbers.scores import axis_score, claimed_score, scored
from hpo.views.palette import BLUE, GREY, INK, ORANGE

MAX_PANELS, PANEL_POINTS = 9, 1300
"""So many parameters share a card, and so many points, all panels together."""


def parameters(result: Result) -> go.Figure:
    """Every parameter, coloured by trial number."""
    names = list(result.spec.dimensions)
    figure, rows = _grid(result, names, scored(result), coloured=True)
    figure.update_layout(height=80 + 250 * rows, margin_b=60)
    bar = {"title": {"text": "trial"}, "thickness": 12, "len": min(1.0, 0.6 + 0.4 / rows)}
    scale = {"colorscale": [[0, GREY], [0.6, BLUE], [1, INK]], "colorbar": bar}
    return figure.update_layout(coloraxis=scale)


def card(result: Result) -> go.Figure:
    """Fewer trials in one colour; of more than nine parameters, those that separate scores best."""
    space = list(result.spec.dimensions)
    best = sorted(space, key=lambda name: -separation(result, name))[:MAX_PANELS]
    names = [name for name in space if name in best]
    shown = chosen(result, PANEL_POINTS // len(names))
    figure, _ = _grid(result, names, shown, coloured=False)
    figure.update_traces(marker_size=11, selector={"name": "best"})
    figure.update_xaxes(tickfont_size=10, title_font_size=11, title_standoff=2)
    figure.update_yaxes(tickfont_size=10, title_font_size=11)
    title = "Parameters against score"
    if len(names) < len(space):
        title += f": the {len(names)} of {len(space)} that separate scores best"
    reported = " · ╌ reported" if result.spec.reported else ""
    remark(figure, f"★ {verdict.named(result)}{reported} · hollow: ended early")
    return titled(figure, title + share(result, shown)).update_layout(margin_b=45)


def _grid(
    result: Result, names: Sequence[str], shown: Sequence[Trial], *, coloured: bool
) -> tuple[go.Figure, int]:
    """A panel per parameter, row by row, and the number of rows; scores off scale at the edge."""
    spec, view = result.spec, focus(result)
    columns = min(len(names), 4 if len(names) in (4, 7, 8) else 3)
    rows = math.ceil(len(names) / columns)
    apart = {"horizontal_spacing": 0.035, "vertical_spacing": (0.24 if coloured else 0.42) / rows}
    figure = make_subplots(rows, columns, shared_yaxes=True, **apart)
    style(figure, height=HEIGHT).update_layout(showlegend=False)
    for i, name in enumerate(names):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        for state, symbol in ((SlotState.COMPLETE, "circle"), (SlotState.PRUNED, "circle-open")):
            slots = [s for s in shown if s.state == state and name in s.params]
            cloud = _cloud(spec, slots, name, view, coloured=coloured)
            figure.add_trace(cloud.update(name=f"{state} trial", marker_symbol=symbol), **place)
        for trace in _marks(result, name, view):
            figure.add_trace(trace, **place)
        figure.update_xaxes(**_axis(spec, name, shown), **place)
        title = formatting.metric(spec) if place["col"] == 1 else None
        figure.update_yaxes(range=list(view), title_text=title, **place)
    return figure, rows


def _cloud(
    spec: StudySpec, slots: Sequence[Trial], name: str, view: tuple[float, float], *, coloured: bool
) -> go.Scatter | go.Scattergl:
    """Trials along one parameter; if coloured, each says who it is when pointed at."""
    x = [position(slot.params[name]) for slot in slots]
    y = [min(max(axis_score(spec, slot), view[0]), view[1]) for slot in slots]
    if coloured:
        text = [
            f"trial {s.number}: {formatting.partial_text(spec, s, claimed_score(spec, s))}"
            for s in slots
        ]
        marker = {"color": [s.number for s in slots], "coloraxis": "coloraxis"}
        trace = markers(x, y, text, name="", marker=marker, on_edge=True)
        trace.marker.update(size=6, opacity=0.8)
        return trace.update(hovertemplate=f"%{{text}}<br>{safe(name)} = %{{x}}<extra></extra>")
    trace = go.Scatter(x=x, y=y, mode="markers", cliponaxis=False)
    trace.update(marker={"color": BLUE, "size": 4, "opacity": 0.5})
    return trace.update(hovertemplate=f"{safe(name)} = %{{x}}: %{{y:.4g}}<extra></extra>")


def _marks(result: Result, name: str, view: tuple[float, float]) -> list[go.Scatter]:
    """A star at the best value, and a line at the reported one."""
    spec, best = result.spec, result.best
    traces = []
    if best is not None and name in best.params:
        line = {"width": 1, "color": INK}
        marker = {"color": ORANGE, "size": 15, "symbol": "star", "line": line}
        x, y = [position(best.params[name])], [axis_score(spec, best)]
        text = [f"{verdict.named(result)}, {hover(spec, best)}"]
        traces.append(markers(x, y, text, name="best", marker=marker))
    if spec.reported is not None and name in spec.reported_params:
        value = spec.reported_params[name]
        across = go.Scatter(x=[position(value)] * 2, y=list(view), mode="lines", name="reported")
        said = safe(f"reported {name} = {formatting.value_text(value)}")
        traces.append(across.update(**DASHED, hovertemplate=f"{said}<extra></extra>"))
    return traces


def _axis(spec: StudySpec, name: str, shown: Sequence[Trial]) -> dict[str, Any]:
    dimension = spec.dimensions[name]
    title = {"text": safe(formatting.parameter_label(name)), "standoff": 4}
    axis: dict[str, Any] = {"title": title, "tickfont": {"size": 11}}
    if dimension.choices is not None:
        order = [position(choice) for choice in dimension.choices]
        axis |= {"type": "category", "categoryorder": "array", "categoryarray": order}
    elif dimension.log:
        drawn = [slot.params[name] for slot in shown if name in slot.params]
        if spec.reported is not None and name in spec.reported_params:
            drawn.append(spec.reported_params[name])
        numbers = [float(value) for value in drawn if float(value) > 0]
        axis |= {**log_axis(numbers), "exponentformat": "power"}
    return axis
