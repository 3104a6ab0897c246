"""Score against each searched parameter, as a grid of small plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.study.spec import StudySpec
from hpo.study.trials import SlotState, Trial
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREY, INK, ORANGE
from hpo.views.figures.plotted import Plotted
from hpo.views.figures.style import Spot
from hpo.views.sentences import verdict
from hpo.views.sentences.formatting import parameter_label, score_cell, value_text

STAR = {
    "color": ORANGE,
    "size": 15,
    "symbol": "star",
    "line": {"width": 1, "color": INK},
}
_SYMBOLS = {SlotState.COMPLETE: "circle", SlotState.PRUNED: "circle-open"}


def parameters(plotted: Plotted, names: Sequence[str] = ()) -> go.Figure:
    """Draw a panel per parameter, coloured by trial number; scores off the scale stand
    at the edge.

    ``names`` selects parameters; default: all.
    """
    names = names or list(plotted.spec.dimensions)
    columns = min(len(names), 4 if len(names) in (4, 7, 8) else 3)
    rows = math.ceil(len(names) / columns)
    apart = {"horizontal_spacing": 0.035, "vertical_spacing": 0.24 / rows}
    figure = make_subplots(rows, columns, shared_yaxes=True, **apart)
    style.style(figure, height=80 + 250 * rows)
    for i, name in enumerate(names):
        place = {"row": i // columns + 1, "col": i % columns + 1}
        for trace in [*_trials(plotted, name), *_marks(plotted, name)]:
            figure.add_trace(trace, **place)
        figure.update_xaxes(**axis(plotted.spec, name), **place)
    figure.update_yaxes(range=list(plotted.view))
    figure.update_yaxes(title_text=plotted.metric, col=1)
    bar = {
        "title": {"text": "trial"},
        "thickness": 12,
        "len": min(1.0, 0.6 + 0.4 / rows),
    }
    colours = {"colorscale": [[0, GREY], [0.6, BLUE], [1, INK]], "colorbar": bar}
    return figure.update_layout(coloraxis=colours, showlegend=False, margin_b=60)


def panel(plotted: Plotted, name: str) -> go.Figure:
    """Draw one parameter, as a low panel without a colour bar."""
    figure = parameters(plotted, [name])
    return figure.update_layout(height=270, coloraxis_showscale=False)


def _trials(plotted: Plotted, name: str) -> list[go.Scatter]:
    """Return complete and pruned trials along a parameter."""
    traces = []
    for state, symbol in _SYMBOLS.items():
        some = [
            trial
            for trial in plotted.drawn
            if trial.state == state and name in trial.params
        ]
        traces.append(_cloud(plotted, some, name))
        traces[-1].update(name=f"{state} trial", marker_symbol=symbol)
    return traces


def _cloud(
    plotted: Plotted, trials: Sequence[Trial], name: str
) -> go.Scatter | go.Scattergl:
    """Return trials along one parameter."""
    spots = []
    for trial in trials:
        x = style.position(trial.params[name])
        text = f"trial {trial.number}: {score_cell(plotted.spec, trial)}"
        spots.append(Spot(x, plotted.clipped(plotted.y(trial)), text))
    marker = {
        "color": [trial.number for trial in trials],
        "coloraxis": "coloraxis",
        "size": 6,
        "opacity": 0.8,
    }
    trace = style.markers(spots, name="", marker=marker)
    template = f"%{{text}}<br>{style.safe(name)} = %{{x}}<extra></extra>"
    return trace.update(hovertemplate=template)


def _marks(plotted: Plotted, name: str) -> list[go.Scatter]:
    """Return a star at the best value, and a line at the reported one."""
    traces = []
    best = plotted.result.best
    if best is not None and name in best.params:
        text = f"{verdict.named(plotted.result)}, {plotted.hover(best)}"
        x = style.position(best.params[name])
        star = Spot(x, plotted.y(best), text)
        traces.append(style.markers([star], name="best", marker=STAR))
    reported = plotted.spec.reported_params
    if name in reported:
        x = style.position(reported[name])
        view = list(plotted.view)
        line = go.Scatter(x=[x, x], y=view, mode="lines", name="reported")
        text = style.safe(f"reported {name} = {value_text(reported[name])}")
        line.update(**style.DASHED, hovertemplate=f"{text}<extra></extra>")
        traces.append(line)
    return traces


def axis(spec: StudySpec, name: str) -> dict[str, Any]:
    """Return plotly's axis of a parameter: its label, its choices, its scale."""
    dimension = spec.dimensions[name]
    title = {"text": style.safe(parameter_label(name)), "standoff": 4}
    look: dict[str, Any] = {"title": title, "tickfont": {"size": 11}}
    if dimension.choices is not None:
        look["type"] = "category"
        look["categoryorder"] = "array"
        look["categoryarray"] = [style.position(one) for one in dimension.choices]
    elif dimension.log:
        look |= {**style.LOG_AXIS, "exponentformat": "power"}
    return look
