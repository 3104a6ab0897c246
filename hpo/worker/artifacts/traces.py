"""The time series of a trained network's neurons as a figure, in the manner of Fig. 1(b-d).

Rows are the channels of the input and the layers, columns are neurons, colours are classes.
"""

from __future__ import annotations

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.views import caveats, formatting
from hpo.views.figures.style import safe, style
from hpo.views.palette import GREY, INK
from hpo.views.report import html
from hpo.views.terminal import tables
from hpo.worker.artifacts.replay import LABELS, Replay

_ROW, _HEAD, _FOOT, _LINE = 150, 30, 80, 20
"""Pixels of a panel, above them, of axis and legend, of a line of the legend."""
_CHANNEL = 0.6
"""Height of one of several channels of the input, in those of a panel."""
_LEAST = 240
"""Pixels of a column, at least: a narrower page scrolls."""
_PER_LINE = 4
"""Entries of the legend in a line."""


def figure(replay: Replay) -> go.Figure:
    """The input and every chosen neuron against time, all series in one panel each."""
    trace, columns = replay.trace, max(map(len, replay.neurons))
    channels, others = replay.channels, len(replay.layers) + replay.outputs
    rows = channels + others
    heights = [_CHANNEL if channels > 1 else 1.0] * channels + [1.0] * others
    foot = _FOOT + _LINE * math.ceil(len(trace.images) / _PER_LINE)
    panels = _ROW * sum(heights)
    figure = make_subplots(
        rows,
        columns,
        shared_xaxes=True,
        row_heights=heights,
        vertical_spacing=30 / panels,
        horizontal_spacing=0.16 / columns,
        subplot_titles=replay.panel_titles(columns),
    )
    _left_align(figure, columns)
    style(figure, height=round(_HEAD + foot + panels)).update_layout(margin={"t": _HEAD, "b": foot})
    for column in range(columns):
        for channel in range(channels):
            _add_input(figure, replay, channel, column)
        for row in range(len(replay.layers)):
            if column < len(replay.neurons[row]):
                _add_neuron(figure, replay, row, column)
    for output in range(replay.outputs):
        _add_output(figure, replay, output)
    figure.update_xaxes(range=[0, trace.dt_ns * trace.inputs.shape[1]], showgrid=False)
    figure.update_xaxes(title_text="time (ns)", row=rows)
    figure.update_yaxes(title_text="input", row=(channels + 1) // 2, col=1)
    for row in range(channels + 1, channels + len(replay.layers) + 1):
        figure.update_yaxes(range=replay.common_range, row=row)
        figure.update_yaxes(title_text=replay.label, row=row, col=1)
    return figure


def _left_align(figure: go.Figure, columns: int) -> None:
    """Move the titles of the panels, which so far are the only annotations, to their left edges."""
    for index, annotation in enumerate(figure.layout.annotations):
        axis = figure.get_subplot(index // columns + 1, index % columns + 1).xaxis
        annotation.update(x=axis.domain[0], xanchor="left", font={"size": 13, "color": INK})


def _line(replay: Replay, series: int, x: list[float], y: list[float]) -> go.Scatter:
    """A series as its style has it, with its name where the pointer is."""
    look = replay.look(series)
    name = safe(look.text)
    line = go.Scatter(x=x, y=y, mode="lines", name=name, legendgroup=str(series), showlegend=False)
    line.update(line={"color": look.colour, "width": look.width, "dash": look.dash})
    return line.update(hovertemplate=f"{name}<br>%{{x:.4g}} ns: %{{y:.4g}}<extra></extra>")


def _add_input(figure: go.Figure, replay: Replay, channel: int, column: int) -> None:
    for series, times, values in replay.input_steps(channel):
        line = _line(replay, series, times, values)
        line.update(line_shape="hv", line_width=1.4, showlegend=column == channel == 0)
        figure.add_trace(line, row=channel + 1, col=column + 1)


def _add_neuron(figure: go.Figure, replay: Replay, row: int, column: int) -> None:
    """One neuron of a layer under every series, and where it rests without any."""
    place = {"row": replay.channels + row + 1, "col": column + 1}
    for series, values in replay.neuron_lines(row, column):
        figure.add_trace(_line(replay, series, replay.trace.time_ns.tolist(), values), **place)
    if (rest := replay.rest(row, column)) is not None:
        figure.add_hline(y=rest, line={"color": GREY, "width": 1, "dash": "dot"}, **place)


def _add_output(figure: go.Figure, replay: Replay, output: int) -> None:
    """What a network that predicts should read out, and what it does."""
    place = {"row": replay.channels + len(replay.layers) + output + 1, "col": 1}
    for series, times, target, prediction in replay.output_lines(output):
        figure.add_trace(_line(replay, series, times, prediction), **place)
        wanted = _line(replay, series, times, target).update(name="target", legendgroup="target")
        figure.add_trace(wanted.update(line={"color": INK, "width": 1, "dash": "dot"}), **place)


# --- the page -------------------------------------------------------------------------------------


def page(replay: Replay, command: str) -> str:
    """The figure as one self-contained page, with what it shows and the command that draws it."""
    choice = replay.retrained.choice
    spec = choice.snapshot.spec
    return html.render(
        "traces.html.j2",
        {"trace": figure(replay)},
        least=_LEAST * max(map(len, replay.neurons)),
        title=f"{spec.name}, {choice.name}: {LABELS[replay.trace.quantity]}",
        heading=(*replay.heading, *replay.parameter_lines),
        sentences=_caption(replay),
        parameters=tables.params_text(choice.params.model_dump()),
        command=command,
    )


def _caption(replay: Replay) -> list[str]:
    """What is drawn, in sentences, for those who were not there."""
    trace, choice = replay.trace, replay.retrained.choice
    wrong = int((trace.labels != trace.predicted).sum())
    n = len(trace.images)
    read = "reads all of them rightly" if not wrong else f"reads {wrong} of them wrongly"
    sentences = [
        f"Each line is one series of the test part ({n} in all); the network {read}.",
        f"An input point lasts {trace.dt_ns:.4g} ns; the class is read from the last layer at the "
        f"end.",
    ]
    if trace.target is not None:
        sentences = [
            f"Each line is one window of the test part ({n} in all), and the points before it "
            f"through which the network runs from rest.",
            f"An input point lasts {trace.dt_ns:.4g} ns; the prediction is read from the last "
            f"layer after each of the last {trace.target.shape[1]:,} points.",
        ]
    if trace.steps_per_point is not None:
        steps = caveats.steps_text(trace.steps_per_point)
        sentences.append(f"The time series are those {caveats.SOLVED}: {steps}.")
    if trace.quantity != "drive":
        sentences.append("The dotted grey line is the state of rest at the start.")
    check = replay.retrained.check
    sentences.append(f"{formatting.capital(check).removesuffix('.')}.")
    sentences.append(f"Spec {choice.snapshot.spec.hash}, seed {choice.stored.seed}.")
    return sentences
