"""Parallel coordinates: a line for each trial, through its score and its
parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpo.study.dimensions import Dimension
from hpo.study.trials import Trial
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREY, ORANGE, PAPER, SLATE
from hpo.views.figures.plotted import LEADING, Plotted, count_drawn
from hpo.views.sentences import verdict
from hpo.views.sentences.formatting import (
    cut,
    parameter_label,
    score_cell,
    value_text,
)

LEAST = 2
"""The fewest trials of a figure."""
_MOST_CHOICES = 8
"""The most choices that are all written at their axis."""


@dataclass(frozen=True)
class _Axis:
    """One upright axis, from 0 to 1."""

    name: str
    """The parameter; empty for the score."""
    label: str
    ticks: Mapping[float, str]
    """Texts by height."""


def coordinates(plotted: Plotted, names: Sequence[str] = ()) -> go.Figure:
    """Draw the trials that trained a network to the end; the best ones stand out.

    ``names`` selects parameters; default: all. A line breaks at a parameter that its
    trial lacks. Scores off the scale stand at the edge.
    """
    dimensions = plotted.spec.dimensions
    names = names or list(dimensions)
    axes = [_score_axis(plotted)]
    axes += [_parameter_axis(name, dimensions[name]) for name in names]
    figure = style.style(go.Figure(), height=460)
    for trace in _lines(plotted, axes):
        if trace.x:
            figure.add_trace(trace)
    for place, one in enumerate(axes):
        _add_axis(figure, place, one)
    labels = [style.safe(cut(one.label, 24)) for one in axes]
    places = list(range(len(axes)))
    figure.update_xaxes(tickvals=places, ticktext=labels, ticks="", showgrid=False)
    figure.update_xaxes(range=[-0.35, len(axes) - 0.75], showline=False)
    figure.update_xaxes(ticklabeloverflow="allow", autotickangles=[0, 30, 90])
    figure.update_yaxes(visible=False, range=[-0.05, 1.05])
    return figure.update_layout(hovermode="closest")


def _score_axis(plotted: Plotted) -> _Axis:
    low, high = plotted.view
    ticks = {k / 4: f"{low + k / 4 * (high - low):.4g}" for k in range(5)}
    return _Axis("", plotted.metric, ticks)


def _parameter_axis(name: str, dimension: Dimension) -> _Axis:
    if dimension.choices is not None:
        values = list(dimension.choices)
        if len(values) > _MOST_CHOICES:
            values = [values[0], values[-1]]
        ticks = {_height(dimension, value): value_text(value) for value in values}
        return _Axis(name, parameter_label(name), ticks)
    low, high = dimension.ends
    middle = (low + high) / 2
    if dimension.log:
        middle = math.sqrt(low * high)
    ticks = {0.0: value_text(low), 0.5: f"{middle:.3g}", 1.0: value_text(high)}
    return _Axis(name, parameter_label(name), ticks)


def _height(dimension: Dimension, value: Any) -> float:
    """Return the place of a value on its axis, 0 to 1."""
    if dimension.choices is not None:
        last = len(dimension.choices) - 1
        return dimension.choices.index(value) / max(1, last)
    return dimension.share(float(value))


def _lines(plotted: Plotted, axes: Sequence[_Axis]) -> list[go.Scatter]:
    """Return the lines of trials, of the best tenth, and of the best one; see
    ``Plotted.drawn`` for very many."""
    result = plotted.result
    trials = sorted(
        result.comparable, key=lambda trial: -result.sign * plotted.y(trial)
    )
    n = max(5, min(len(trials) // 10, LEADING))
    best = [trial for trial in trials if trial is result.best]
    leading = [trial for trial in trials[:n] if trial is not result.best]
    rest = trials[n:]
    others = [rest[i] for i in style.sample(len(rest), count_drawn(len(trials)) - n)]
    faint = {"line": {"color": GREY, "width": 1}, "opacity": 0.5}
    return [
        _line(plotted, axes, others, "other trials", **faint),
        _line(plotted, axes, leading, f"best {n}", line={"color": BLUE, "width": 1.6}),
        _line(
            plotted,
            axes,
            best,
            verdict.named(result),
            line={"color": ORANGE, "width": 3.5},
        ),
    ]


def _line(
    plotted: Plotted,
    axes: Sequence[_Axis],
    trials: Sequence[Trial],
    name: str,
    **look: Any,
) -> go.Scatter:
    """Return the lines of some trials as one trace with gaps."""
    low, high = plotted.view
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for trial in trials:
        head = f"trial {trial.number}: {score_cell(plotted.spec, trial)}"
        for place, one in enumerate(axes):
            height: float | None = None
            text = head
            if not one.name:
                height = (plotted.clipped(plotted.y(trial)) - low) / (high - low)
            elif one.name in trial.params:
                value = trial.params[one.name]
                height = _height(plotted.spec.dimensions[one.name], value)
                text += f"<br>{style.safe(f'{one.name} = {value_text(value)}')}"
            x.append(place)
            y.append(height)
            texts.append(text)
        x.append(None)
        y.append(None)
        texts.append("")
    return go.Scatter(
        x=x,
        y=y,
        text=texts,
        name=name,
        mode="lines",
        hovertemplate="%{text}<extra></extra>",
        **look,
    )


def _add_axis(figure: go.Figure, place: int, one: _Axis) -> None:
    """Draw an upright axis, and its texts on its left."""
    look = {"color": SLATE, "width": 1}
    figure.add_shape(
        type="line", x0=place, x1=place, y0=0, y1=1, line=look, layer="below"
    )
    for height, text in one.ticks.items():
        figure.add_annotation(
            x=place,
            y=height,
            text=style.safe(cut(text, 14)),
            xanchor="right",
            xshift=-3,
            showarrow=False,
            font={"size": 11, "color": SLATE},
            bgcolor=PAPER,
            borderpad=1,
            opacity=0.85,
        )
