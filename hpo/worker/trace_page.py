"""The time series of a trained network's neurons as one HTML file, in the manner of Fig. 1(b-d).

Rows are the channels of the input and the layers, columns are neurons, colours are classes.
"""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.views import caveats, formatting
from hpo.views.figures.style import safe, style
from hpo.views.palette import BLUE, BROWN, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION
from hpo.views.report import html
from hpo.views.terminal import tables
from hpo.worker.replay import Replay

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK, BROWN, "#7B3294", "#7F8C00")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LABELS = {"x": "state x", "y": "output y", "drive": "drive I"}
"""What a quantity is called."""
MAX_CHANNELS = 8
"""So many channels of the input, and outputs, are drawn, each in a panel of its own."""
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
    return _Drawing(replay).figure


class _Drawing:
    """The figure while it is drawn, panel by panel."""

    def __init__(self, replay: Replay) -> None:
        self._replay, self._trace = replay, replay.trace
        self._columns = max(map(len, replay.neurons))
        self._channels = min(int(self._trace.inputs.shape[2]), MAX_CHANNELS)
        target = self._trace.target
        self._outputs = 0 if target is None else min(int(target.shape[2]), MAX_CHANNELS)
        self._looks = [self._look(series) for series in range(len(self._trace.images))]
        self.figure = self._panels()
        for channel in range(self._channels):
            self._draw_input(channel)
        for row, layer in enumerate(replay.layers):
            for column, neuron in enumerate(replay.neurons[row]):
                self._draw_neuron(self._channels + row + 1, column + 1, layer, neuron)
        for output in range(self._outputs):
            self._draw_output(self._channels + len(replay.layers) + output + 1, output)

    def _panels(self) -> go.Figure:
        layers, channels = len(self._replay.layers), self._channels
        heights = [_CHANNEL if channels > 1 else 1.0] * channels + [1.0] * (layers + self._outputs)
        panels = _ROW * sum(heights)
        foot = _FOOT + _LINE * math.ceil(len(self._looks) / _PER_LINE)
        figure = make_subplots(
            len(heights),
            self._columns,
            shared_xaxes=True,
            row_heights=heights,
            vertical_spacing=30 / panels,
            horizontal_spacing=0.16 / self._columns,
            subplot_titles=self._titles(),
        )
        for index, title in enumerate(figure.layout.annotations):  # to the left edges of the panels
            axis = figure.get_subplot(index // self._columns + 1, index % self._columns + 1).xaxis
            title.update(x=axis.domain[0], xanchor="left", font={"size": 13, "color": INK})
        style(figure, height=round(_HEAD + foot + panels))
        figure.update_layout(margin={"t": _HEAD, "b": foot})
        end_ns = self._trace.dt_ns * self._trace.inputs.shape[1]
        figure.update_xaxes(range=[0, end_ns], showgrid=False)
        figure.update_xaxes(title_text="time (ns)", row=len(heights))
        figure.update_yaxes(title_text="input", row=(channels + 1) // 2, col=1)
        unit = f" ({self._trace.unit})" if self._trace.unit else ""
        for row in range(channels + 1, channels + layers + 1):
            first = figure.get_subplot(channels + 1, 1).yaxis.plotly_name
            figure.update_yaxes(matches=first.replace("axis", ""), row=row)  # to be compared
            figure.update_yaxes(title_text=LABELS[self._trace.quantity] + unit, row=row, col=1)
        return figure

    def _titles(self) -> list[str]:
        """Row by row, the input first; empty where a layer shows fewer neurons than another."""
        there, titles = self._trace.inputs.shape[2], []
        for channel in range(self._channels):
            of = f" of {there}" if there > self._channels else ""
            titles += [f"input, channel {channel}{of}" if there > 1 else "input"] * self._columns
        for layer, neurons in zip(self._replay.layers, self._replay.neurons, strict=True):
            own = [f"layer {layer}, neuron {neuron}" for neuron in neurons]
            titles += own + [""] * (self._columns - len(own))
        for output in range(self._outputs):
            number = f" {output}" if self._outputs > 1 else ""
            titles += [f"target{number} (dotted) and prediction", *[""] * (self._columns - 1)]
        return titles

    def _look(self, series: int) -> dict[str, Any]:
        """Name and line of a series: colour and dash for its class, thinner the later ones."""
        labels, image = self._trace.labels.tolist(), int(self._trace.images[series])
        if not self._replay.member.classes:
            colour, dash = COLOURS[series % len(COLOURS)], DASHES[series % len(DASHES)]
            line = {"color": colour, "dash": dash, "width": 1.8}
            return {"name": safe(f"window {image}"), "line": line}
        label, read_as = labels[series], int(self._trace.predicted[series])
        name = f"class {self._replay.class_name(label)} (image {image})"
        name += "" if read_as == label else f" ✗ read as {self._replay.class_name(read_as)}"
        place = list(dict.fromkeys(labels)).index(label)
        line = {
            "color": COLOURS[label % len(COLOURS)],
            "dash": DASHES[place % len(DASHES)],
            "width": max(0.8, 2.2 - 0.5 * labels[:series].count(label)),
        }
        return {"name": safe(name), "line": line}

    def _line(self, series: int, x: list[float], y: list[float]) -> go.Scatter:
        """A series as its style has it, with its name where the pointer is."""
        look = self._looks[series]
        hover = f"{look['name']}<br>%{{x:.4g}} ns: %{{y:.4g}}<extra></extra>"
        how: Any = {"mode": "lines", "legendgroup": str(series), "showlegend": False}
        return go.Scatter(x=x, y=y, hovertemplate=hover, **look, **how)

    def _draw_input(self, channel: int) -> None:
        """Each point is held for ``dt_ns``."""
        times = [k * self._trace.dt_ns for k in range(self._trace.inputs.shape[1] + 1)]
        for column in range(self._columns):
            for series in range(len(self._looks)):
                values = self._trace.inputs[series, :, channel].tolist()
                line = self._line(series, times, [*values, values[-1]])
                line.update(line_shape="hv", line_width=1.4, showlegend=column == channel == 0)
                self.figure.add_trace(line, row=channel + 1, col=column + 1)

    def _draw_neuron(self, row: int, column: int, layer: int, neuron: int) -> None:
        """One neuron under every series; a dotted line where it rests, unless it is a drive."""
        times, values = self._trace.time_ns.tolist(), self._trace.values[layer, :, neuron]
        for series in range(len(self._looks)):
            line = self._line(series, times, values[series].tolist())
            self.figure.add_trace(line, row=row, col=column)
        if self._trace.quantity != "drive":
            dotted = {"color": GREY, "width": 1, "dash": "dot"}
            self.figure.add_hline(y=float(values[0, 0]), line=dotted, row=row, col=column)

    def _draw_output(self, row: int, output: int) -> None:
        """What a network that predicts should read out after the last points, and what it does."""
        target, prediction = self._trace.target, self._trace.prediction
        assert target is not None
        assert prediction is not None
        times = self._trace.time_ns[-target.shape[1] :].tolist()
        for series in range(len(self._looks)):
            line = self._line(series, times, prediction[series, :, output].tolist())
            wanted = self._line(series, times, target[series, :, output].tolist())
            wanted.update(name="target", legendgroup="target")
            wanted.update(line={"color": INK, "width": 1, "dash": "dot"})
            self.figure.add_traces([line, wanted], rows=row, cols=1)


# --- the page -------------------------------------------------------------------------------------


def page(replay: Replay, command: str) -> str:
    """The figure as one self-contained page, with what it shows and the command that draws it."""
    choice = replay.found.choice
    return html.render(
        "traces.html.j2",
        {"trace": figure(replay)},
        least=_LEAST * max(map(len, replay.neurons)),
        title=f"{choice.result.spec.name}, {choice.name}: {LABELS[replay.trace.quantity]}",
        heading=heading(replay),
        sentences=_caption(replay),
        parameters=tables.params_text(choice.params.model_dump()),
        command=command,
    )


def heading(replay: Replay) -> tuple[str, str]:
    """Which network and how good it is; on what it was scored."""
    choice, trained = replay.found.choice, replay.found.trained
    spec, widths = choice.result.spec, replay.member.widths
    score = formatting.score_text(spec, trained.score) + (", diverged" * trained.diverged)
    score += f" {at}" if (at := replay.found.score_at) else ""
    if (solved := trained.solved) is not None:
        score = f"{formatting.score_text(spec, solved.score)} {caveats.SOLVED}, {score}"
    alike = len(set(widths)) == 1
    size = f"{len(widths)} × {widths[0]}" if alike else "+".join(map(str, widths))
    drawn = "" if replay.trace.steps_per_point is None else f"; time series {caveats.SOLVED}"
    head = f"{spec.name}, {choice.name}: {spec.objective_impl.metric} {score}"
    return head, f"{spec.objective}, {size} neurons, scored on {choice.scored_on}{drawn}"


def _caption(replay: Replay) -> list[str]:
    """What is drawn, in sentences, for those who were not there."""
    trace, found = replay.trace, replay.found
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
    sentences.append(f"{formatting.capital(found.check).removesuffix('.')}.")
    sentences.append(f"Spec {found.choice.result.spec.hash}, seed {found.choice.stored.seed}.")
    return sentences
