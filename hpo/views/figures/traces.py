"""Time series of a trained network's neurons, in the style of Fig. 1(b-d).

From the top: the input channels, the neuron of every layer that separates the series
best, and the outputs of a network that predicts. Colours are classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.contract import Trace
from hpo.views.figures.palette import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
)
from hpo.views.figures.style import safe, style
from hpo.views.records.kept_network import Replay, telling_neuron

_COLOURS = (
    BLUE,
    VERMILLION,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    INK,
    BROWN,
    "#7B3294",
    "#7F8C00",
)
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_DOTTED = {"color": INK, "width": 1, "dash": "dot"}
_STATE = "state x"
"""Axis title of panels that share one scale."""
_MAX_CHANNELS = 8
"""Largest number of input channels, and of outputs, with a panel each."""
_ROW = 150
_HEAD = 30
_FOOT = 80
_LINE = 20
"""Pixels: a panel, the margin above, axis and legend, a line of the legend."""
_INPUT = 0.6
"""Height of an input channel, relative to a panel."""
_PER_LINE = 4
"""Entries of the legend per line."""


@dataclass(frozen=True)
class _Panel:
    """One panel of the figure: a quantity of every series over time."""

    title: str
    axis: str
    times: Any
    values: Any
    """(series, times)."""
    held: bool = False
    """Each value holds until the next one."""
    target: Any = None
    """Target values of the same shape, drawn dotted."""


def figure(replay: Replay) -> go.Figure:
    """Plot the input, a neuron per layer and the outputs against time; all series per
    panel."""
    panels = list(_panels(replay.trace))
    looks = [_look(replay, series) for series in range(len(replay.trace.images))]
    heights = [_INPUT if panel.held else 1.0 for panel in panels]
    pixels = _ROW * sum(heights)
    foot = _FOOT + _LINE * math.ceil(len(looks) / _PER_LINE)
    drawn = make_subplots(
        len(panels),
        shared_xaxes=True,
        row_heights=heights,
        vertical_spacing=30 / pixels,
        subplot_titles=[panel.title for panel in panels],
    )
    drawn.update_annotations(x=0, xanchor="left", font={"size": 13, "color": INK})
    style(drawn, height=round(_HEAD + foot + pixels))
    drawn.update_layout(margin={"t": _HEAD, "b": foot})
    drawn.update_xaxes(range=[0, replay.trace.time_ns[-1]], showgrid=False)
    drawn.update_xaxes(title_text="time (ns)", row=len(panels))
    first_state = ""
    for row, panel in enumerate(panels, start=1):
        _add_panel(drawn, panel, looks, row)
        if panel.axis == _STATE:
            if first_state:
                drawn.update_yaxes(matches=first_state, row=row)
            first_state = first_state or f"y{row}"
    return drawn


def _add_panel(
    drawn: go.Figure, panel: _Panel, looks: list[dict[str, Any]], row: int
) -> None:
    place = {"row": row, "col": 1}
    times = panel.times.tolist()
    drawn.update_yaxes(title_text=panel.axis, **place)
    for series, look in enumerate(looks):
        line = {**look, "mode": "lines", "legendgroup": str(series)}
        line["showlegend"] = row == 1
        if panel.held:
            line |= {"line_shape": "hv", "line_width": 1.4}
        drawn.add_scatter(x=times, y=panel.values[series].tolist(), **line, **place)
        if panel.target is not None:
            line |= {"line": _DOTTED, "legendgroup": "target", "name": "target"}
            target = panel.target[series].tolist()
            drawn.add_scatter(x=times, y=target, **line, **place)
    if panel.axis == _STATE:
        rest = float(panel.values[0, 0])
        drawn.add_hline(y=rest, line={**_DOTTED, "color": GREY}, **place)


def _panels(trace: Trace) -> Iterator[_Panel]:
    """Yield the panels from the top."""
    times = trace.time_ns
    n_channels = trace.inputs.shape[2]
    to_the_end = ((0, 0), (0, 1), (0, 0))
    held = np.pad(trace.inputs, to_the_end, mode="edge")
    of = ""
    if n_channels > _MAX_CHANNELS:
        of = f" of {n_channels}"
    for channel in range(min(n_channels, _MAX_CHANNELS)):
        title = f"input, channel {channel}{of}"
        yield _Panel(title, "input", times, held[..., channel], held=True)
    for layer, values in enumerate(trace.x):
        neuron = telling_neuron(trace, layer)
        title = f"layer {layer}, neuron {neuron}"
        yield _Panel(title, _STATE, times, values[:, neuron])
    if trace.target is not None and trace.prediction is not None:
        for output in range(min(trace.target.shape[2], _MAX_CHANNELS)):
            title = f"output {output}: target (dotted) and prediction"
            values = trace.prediction[..., output]
            target = trace.target[..., output]
            yield _Panel(title, "output", trace.read_ns, values, target=target)


def _look(replay: Replay, series: int) -> dict[str, Any]:
    """Return name and line of a series; its class sets colour and dash."""
    trace = replay.trace
    place = series
    name = f"window {trace.images[series]}"
    if replay.member.classes:
        place = int(trace.labels[series])
        read_as = int(trace.predicted[series])
        name = f"class {replay.class_name(place)} (image {trace.images[series]})"
        if read_as != place:
            name += f" ✗ read as {replay.class_name(read_as)}"
    line = {
        "color": _COLOURS[place % len(_COLOURS)],
        "dash": _DASHES[place % len(_DASHES)],
        "width": 1.8,
    }
    hover = f"{safe(name)}<br>%{{x:.4g}} ns: %{{y:.4g}}<extra></extra>"
    return {"name": safe(name), "line": line, "hovertemplate": hover}
