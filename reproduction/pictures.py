"""The pictures of the document, drawn from the committed data alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.study.result import Result
from hpo.views.figures import declared, pictures
from hpo.views.figures.palette import BLUE, GREEN, INK, ORANGE, VERMILLION
from reproduction.evidence import Studies, pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURES = ("fig2b", "fig3a", "fig3b", "fig3c", "fig4")
COLOURS = ("#7B3294", "#CC79A7", BLUE, GREEN, ORANGE, VERMILLION, INK)


def draw_all(
    studies: Studies, traces: Mapping[str, dict[str, Any]], folder: Path
) -> list[Path]:
    """Draw every figure that there are data for, and return the paths."""
    drawn = []
    for name in FIGURES:
        if name not in studies:
            continue
        figure = studies[name].spec.drawn
        others = [
            Result.of(pooled(studies, o))
            for o in (figure.overlay if figure else ())
            if o in studies
        ]
        chart = declared.chart(Result.of(pooled(studies, name)), others)
        if chart is not None and chart.groups:
            drawn.append(pictures.write(declared.figure(chart), folder / f"{name}.svg"))
    if "adapted" in traces:
        drawn += [_fig1(traces["adapted"], folder), _fig2a(traces["adapted"], folder)]
    if len(traces) == 3:
        drawn.append(_fig2cde(traces, folder))
    return drawn


def _fig1(trace: dict[str, Any], folder: Path) -> Path:
    """Fig. 1(b-d): a neuron of every layer."""
    path = folder / "fig1bcd.svg"
    n_layers = len(trace["series"][0]["layers"])
    with pictures.style():
        figure = pictures.canvas(7.2, 2.6)
        panels = figure.subplots(1, n_layers, sharey=True, squeeze=False)[0]
        for layer, axes in enumerate(panels):
            _neuron(axes, trace, layer)
            axes.set_title(f"({'bcdefgh'[layer]}) layer {layer}")
        panels[0].set_ylabel("output power x")
        _legend(figure, panels[0], "digit")
        pictures.save(figure, path)
    return path


def _fig2a(trace: dict[str, Any], folder: Path) -> Path:
    """Fig. 2(a): the input series of an image of 0 and of one of 1."""
    path = folder / "fig2a.svg"
    with pictures.style():
        figure = pictures.canvas(5.2, 2.2)
        axes = figure.add_subplot()
        for series, colour in zip(trace["series"][:2], COLOURS, strict=False):
            values = series["input"]
            times = [trace["point_ns"] * k for k in range(len(values))]
            axes.step(times, values, where="post", color=colour, label=series["class"])
        axes.set_xlabel("time (ns)")
        axes.set_ylabel("input")
        _legend(figure, axes, "digit")
        pictures.save(figure, path)
    return path


def _fig2cde(traces: Mapping[str, dict[str, Any]], folder: Path) -> Path:
    """Fig. 2(c-e): a neuron of the third layer at three input time scales."""
    path = folder / "fig2cde.svg"
    with pictures.style():
        figure = pictures.canvas(7.2, 2.6)
        panels = figure.subplots(1, 3, sharey=True)
        for letter, axes, trace in zip("cde", panels, traces.values(), strict=True):
            _neuron(axes, trace, -1)
            axes.set_title(f"({letter}) Δt = {trace['point_ns']:g} ns")
        panels[0].set_ylabel("output power x")
        _legend(figure, panels[0], "digit")
        pictures.save(figure, path)
    return path


def _legend(figure: Figure, axes: Axes, title: str) -> None:
    """What the colours of ``axes`` mean, beside the panels: they are full."""
    figure.legend(
        *axes.get_legend_handles_labels(), title=title, loc="outside right upper"
    )


def _neuron(axes: Axes, trace: dict[str, Any], layer: int) -> None:
    for series, colour in zip(trace["series"], COLOURS, strict=False):
        values = series["layers"][layer]["x"]
        axes.plot(
            trace["time_ns"], values, color=colour, linewidth=1, label=series["class"]
        )
    axes.set_xlabel("time (ns)")
