"""The time series of a trained network's neurons as a picture; ``traces`` is interactive.

Rows are the channels of the input and the layers, columns are neurons, colours are classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpo.views import pictures
from hpo.views.palette import GREY, INK
from hpo.worker.artifacts.replay import LineStyle, Replay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DASHES = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 3, 2, 3)),
}
"""Plotly's names of dashes, as Matplotlib draws them."""
_CHANNEL = 0.6
"""Height of one of several channels of the input, in those of a panel."""
_SHORT = 45
"""Entries of the legend with fewer characters stand side by side."""


def figure(replay: Replay) -> Figure:
    """The input and every chosen neuron against time, all series in one panel each."""
    columns, channels = max(map(len, replay.neurons)), replay.channels
    others = len(replay.layers) + replay.outputs
    rows = channels + others
    heights = [_CHANNEL if channels > 1 else 1.0] * channels + [1.0] * others
    drawing = pictures.canvas(7.0 * max(1.0, columns / 3), 1.5 + 1.35 * sum(heights))
    ratios = {"height_ratios": heights}
    grid = drawing.subplots(rows, columns, sharex=True, squeeze=False, gridspec_kw=ratios)
    titles = replay.panel_titles(columns)
    for row, panels in enumerate(grid):
        for column, axes in enumerate(panels):
            title = titles[row * columns + column]
            if not title:
                axes.set_axis_off()
                continue
            axes.set_title(title, loc="left", fontsize=9)
            if row < channels:
                _draw_input(axes, replay, row)
            elif row < channels + len(replay.layers):
                _draw_neuron(axes, replay, row - channels, column)
            else:
                _draw_output(axes, replay, row - channels - len(replay.layers))
        inner = "output" if row >= rows - replay.outputs else replay.label
        panels[0].set_ylabel(inner if row >= channels else "input")
    for axes in grid[-1]:
        axes.set_xlabel("time (ns)")
    grid[0][0].set_xlim(0, replay.trace.dt_ns * replay.trace.inputs.shape[1])
    head, *more = replay.heading
    text = "\n".join(pictures.wrapped(line) for line in (head, *more, *replay.parameter_lines))
    drawing.suptitle(text, x=0.01, ha="left", fontsize=9, linespacing=1.4)
    handles, labels = grid[0][0].get_legend_handles_labels()
    columns = 2 if max(map(len, labels)) < _SHORT else 1
    drawing.legend(handles, labels, loc="outside lower left", ncols=columns, fontsize=9)
    return drawing


def _draw_input(axes: Axes, replay: Replay, channel: int) -> None:
    for series, times, values in replay.input_steps(channel):
        look = replay.look(series)
        style = {**_line(look), "linewidth": 1.1}
        label = pictures.wrapped(look.text) if channel == 0 else None
        axes.step(times, values, where="post", label=label, **style)


def _draw_neuron(axes: Axes, replay: Replay, row: int, column: int) -> None:
    """One neuron of a layer under every series, and where it rests without any."""
    for series, values in replay.neuron_lines(row, column):
        axes.plot(replay.trace.time_ns.tolist(), values, **_line(replay.look(series)))
    if (rest := replay.rest(row, column)) is not None:
        axes.axhline(rest, color=GREY, linewidth=0.8, linestyle=":")
    if (limits := replay.common_range) is not None:
        axes.set_ylim(*limits)


def _draw_output(axes: Axes, replay: Replay, output: int) -> None:
    """What a network that predicts should read out, and what it does."""
    for series, times, target, prediction in replay.output_lines(output):
        axes.plot(times, prediction, **_line(replay.look(series)))
        axes.plot(times, target, color=INK, linewidth=0.8, linestyle=":")


def _line(look: LineStyle) -> dict[str, Any]:
    return {"color": look.colour, "linestyle": _DASHES[look.dash], "linewidth": 0.7 * look.width}
