"""Time series of a trained network's neurons as one HTML file, in the style of Fig.
1(b-d).

From the top: the input channels, the neuron of every layer that separates the series
best, and the outputs of a network that predicts. Colours are classes.
"""

from __future__ import annotations

import math
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
from hpo.views.pages.page import render
from hpo.views.records.kept_network import SCORED_ON, Replay, telling_neuron
from hpo.views.sentences import caveats, formatting
from hpo.views.terminal import text_tables

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
_ROW, _HEAD, _FOOT, _LINE = 150, 30, 80, 20
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
    trace, panels = replay.trace, _panels(replay.trace)
    looks = [_look(replay, series) for series in range(len(trace.images))]
    heights = [_INPUT if panel.held else 1.0 for panel in panels]
    pixels, foot = (
        _ROW * sum(heights),
        _FOOT + _LINE * math.ceil(len(looks) / _PER_LINE),
    )
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
    drawn.update_xaxes(range=[0, trace.time_ns[-1]], showgrid=False)
    drawn.update_xaxes(title_text="time (ns)", row=len(panels))
    states = [row for row, panel in enumerate(panels, start=1) if panel.axis == _STATE]
    for row, panel in enumerate(panels, start=1):
        place, times = {"row": row, "col": 1}, panel.times.tolist()
        drawn.update_yaxes(title_text=panel.axis, **place)
        for series, look in enumerate(looks):
            line = look | {
                "mode": "lines",
                "legendgroup": str(series),
                "showlegend": row == 1,
            }
            line |= {"line_shape": "hv", "line_width": 1.4} if panel.held else {}
            drawn.add_scatter(x=times, y=panel.values[series].tolist(), **line, **place)
            if panel.target is not None:
                line |= {"line": _DOTTED, "legendgroup": "target", "name": "target"}
                drawn.add_scatter(
                    x=times, y=panel.target[series].tolist(), **line, **place
                )
        if panel.axis == _STATE:  # the resting state
            rest = float(panel.values[0, 0])
            drawn.add_hline(y=rest, line={**_DOTTED, "color": GREY}, **place)
    for row in states[1:]:
        drawn.update_yaxes(matches=f"y{states[0]}", row=row)
    return drawn


def _panels(trace: Trace) -> list[_Panel]:
    """Return the panels from the top."""
    times, n_channels = trace.time_ns, trace.inputs.shape[2]
    held = np.pad(
        trace.inputs, ((0, 0), (0, 1), (0, 0)), mode="edge"
    )  # to the end of the last
    of = f" of {n_channels}" if n_channels > _MAX_CHANNELS else ""
    panels = [
        _Panel(
            f"input, channel {channel}{of}",
            "input",
            times,
            held[..., channel],
            held=True,
        )
        for channel in range(min(n_channels, _MAX_CHANNELS))
    ]
    for layer, values in enumerate(trace.x):
        neuron = telling_neuron(trace, layer)
        panels.append(
            _Panel(f"layer {layer}, neuron {neuron}", _STATE, times, values[:, neuron])
        )
    if trace.target is not None and trace.prediction is not None:
        when = times[-trace.target.shape[1] :]
        for output in range(min(trace.target.shape[2], _MAX_CHANNELS)):
            title = f"output {output}: target (dotted) and prediction"
            values, target = trace.prediction[..., output], trace.target[..., output]
            panels.append(_Panel(title, "output", when, values, target=target))
    return panels


def _look(replay: Replay, series: int) -> dict[str, Any]:
    """Return name and line of a series; its class sets colour and dash."""
    trace, place = replay.trace, series
    name = f"window {trace.images[series]}"
    if replay.member.classes:
        place, read_as = int(trace.labels[series]), int(trace.predicted[series])
        name = f"class {replay.class_name(place)} (image {trace.images[series]})"
        name += "" if read_as == place else f" ✗ read as {replay.class_name(read_as)}"
    colour, dash = _COLOURS[place % len(_COLOURS)], _DASHES[place % len(_DASHES)]
    return {
        "name": safe(name),
        "line": {"color": colour, "dash": dash, "width": 1.8},
        "hovertemplate": f"{safe(name)}<br>%{{x:.4g}} ns: %{{y:.4g}}<extra></extra>",
    }


# --- the page ---


def page(replay: Replay, command: str) -> str:
    """Return the figure as a self-contained page, with a caption and the command that
    makes it."""
    chosen = replay.network
    return render(
        "traces.html.j2",
        {"trace": figure(replay)},
        title=f"{chosen.result.spec.name}, {chosen.name}: state x",
        heading=heading(replay),
        sentences=_caption(replay),
        parameters=text_tables.params_text(chosen.params.model_dump()),
        command=command,
    )


def heading(replay: Replay) -> tuple[str, str]:
    """Return two lines: the network and its score; the objective and the data that
    scored it."""
    chosen, measured = replay.network, replay.network.measured
    spec, widths = chosen.result.spec, replay.member.widths
    score = formatting.score_text(spec, measured.score) + (
        ", diverged" * measured.diverged
    )
    score += f" {chosen.score_at}" if chosen.score_at else ""
    if (solved := measured.solved) is not None:
        score = f"{formatting.score_text(spec, solved.score)} {caveats.SOLVED}, {score}"
    size = "+".join(map(str, widths))
    drawn = (
        ""
        if replay.trace.steps_per_point is None
        else f"; time series {caveats.SOLVED}"
    )
    head = f"{spec.name}, {chosen.name}: {spec.objective_impl.metric} {score}"
    return (
        head,
        f"{spec.objective}, {size} neurons, scored on {SCORED_ON}{drawn}",
    )


def _caption(replay: Replay) -> list[str]:
    """Return the caption as sentences."""
    trace, chosen = replay.trace, replay.network
    what, end = "series", "the class is read from the last layer at the end"
    if trace.target is not None:
        what = "window, after the points through which the network runs from rest,"
        end = "the prediction is read from the last layer after each of the last "
        end += f"{trace.target.shape[1]:,} points"
    steps = trace.steps_per_point
    drawn = (
        []
        if steps is None
        else [f"Time series {caveats.SOLVED}: {caveats.steps_text(steps)}."]
    )
    return [
        f"Each line is one {what} of the test part ({len(trace.images)} in all).",
        f"An input point lasts {trace.dt_ns:.4g} ns; {end}.",
        *drawn,
        "The dotted grey line marks the resting state at the start.",
        f"{formatting.capital(chosen.name)}: the confirmed network itself.",
        f"Spec {chosen.result.spec.hash}, seed {chosen.measured.seed}.",
    ]
