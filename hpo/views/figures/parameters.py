"""Score against each searched parameter, as a grid of small plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Trial
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREY, INK, ORANGE
from hpo.views.figures.scores import axis_score, focus, scored
from hpo.views.sentences import formatting, verdict


def parameters(result: Result, *, only: str | None = None) -> go.Figure:
    """Draw a panel per parameter, coloured by trial number; scores off the scale stand
    at the edge.

    ``only`` selects one parameter: a low panel without a colour bar.
    """
    spec, view, shown = result.spec, focus(result), scored(result)
    names = [name for name in spec.dimensions if only in (None, name)]
    columns = min(len(names), 4 if len(names) in (4, 7, 8) else 3)
    rows = math.ceil(len(names) / columns)
    apart = {"horizontal_spacing": 0.035, "vertical_spacing": 0.24 / rows}
    figure = make_subplots(rows, columns, shared_yaxes=True, **apart)
    style.style(figure, height=270 if only else 80 + 250 * rows)
    for i, name in enumerate(names):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        for state, symbol in (
            (SlotState.COMPLETE, "circle"),
            (SlotState.PRUNED, "circle-open"),
        ):
            some = [t for t in shown if t.state == state and name in t.params]
            cloud = _cloud(spec, some, name, view)
            figure.add_trace(
                cloud.update(name=f"{state} trial", marker_symbol=symbol), **place
            )
        for trace in _marks(result, name, view):
            figure.add_trace(trace, **place)
        figure.update_xaxes(**_axis(spec, name), **place)
    figure.update_yaxes(range=list(view)).update_yaxes(
        title_text=formatting.metric(spec), col=1
    )
    bar = {
        "title": {"text": "trial"},
        "thickness": 12,
        "len": min(1.0, 0.6 + 0.4 / rows),
    }
    colours: dict[str, Any] = {
        "colorscale": [[0, GREY], [0.6, BLUE], [1, INK]],
        "colorbar": bar,
    }
    colours["showscale"] = only is None
    return figure.update_layout(coloraxis=colours, showlegend=False, margin_b=60)


def _cloud(
    spec: StudySpec, trials: Sequence[Trial], name: str, view: tuple[float, float]
) -> go.Scatter | go.Scattergl:
    """Return trials along one parameter."""
    spots = [
        style.Spot(
            style.position(t.params[name]),
            min(max(axis_score(spec, t), view[0]), view[1]),
            f"trial {t.number}: {formatting.score_cell(spec, t)}",
        )
        for t in trials
    ]
    marker: dict[str, Any] = {
        "color": [t.number for t in trials],
        "coloraxis": "coloraxis",
    }
    marker |= {"size": 6, "opacity": 0.8}
    trace = style.markers(spots, name="", marker=marker)
    return trace.update(
        hovertemplate=f"%{{text}}<br>{style.safe(name)} = %{{x}}<extra></extra>"
    )


def _marks(result: Result, name: str, view: tuple[float, float]) -> list[go.Scatter]:
    """Return a star at the best value, and a line at the reported one."""
    spec, best = result.spec, result.best
    traces = []
    if best is not None and name in best.params:
        line = {"width": 1, "color": INK}
        marker = {"color": ORANGE, "size": 15, "symbol": "star", "line": line}
        star = style.spot(spec, best, style.position(best.params[name]))
        star = replace(star, text=f"{verdict.named(result)}, {star.text}")
        traces.append(style.markers([star], name="best", marker=marker))
    if spec.reported is not None and name in spec.reported_params:
        value = spec.reported_params[name]
        x = [style.position(value)] * 2
        across = go.Scatter(x=x, y=list(view), mode="lines", name="reported")
        text = style.safe(f"reported {name} = {formatting.value_text(value)}")
        traces.append(
            across.update(**style.DASHED, hovertemplate=f"{text}<extra></extra>")
        )
    return traces


def _axis(spec: StudySpec, name: str) -> dict[str, Any]:
    dimension = spec.dimensions[name]
    title = {"text": style.safe(formatting.parameter_label(name)), "standoff": 4}
    axis: dict[str, Any] = {"title": title, "tickfont": {"size": 11}}
    if dimension.choices is not None:
        order = [style.position(choice) for choice in dimension.choices]
        axis |= {"type": "category", "categoryorder": "array", "categoryarray": order}
    elif dimension.log:
        axis |= {**style.LOG_AXIS, "exponentformat": "power"}
    return axis
