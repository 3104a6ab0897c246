"""The common style of the figures of a study: markers, lines, references.

Shapes repeat every distinction by colour (``hpo.views.figures.palette``). Text by users
goes through ``safe``, since plotly interprets tags in labels.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpo.study.effort import PruneReason
from hpo.study.tables import ParamValue
from hpo.views.figures.palette import (
    BAND,
    BLUE,
    GREEN,
    GREY,
    GRID,
    INK,
    PAPER,
    VERMILLION,
)
from hpo.views.sentences.formatting import value_text

DASHED = {"line_color": VERMILLION, "line_dash": "dash", "line_width": 1.6}
"""The line of the reported score."""
CLAIMED = {"color": BLUE, "size": 12, "symbol": "circle-open", "line": {"width": 2}}
CONFIRMED = {"color": GREEN, "size": 11, "symbol": "diamond"}
"""Markers of the search's claim, and of fresh seeds."""
ENDINGS: Mapping[PruneReason | None, str] = {
    None: "circle",
    PruneReason.NETWORKS: "diamond-open",
    PruneReason.CURVE: "circle-open",
}
"""Symbols of complete trials, and of pruned ones, by where they were pruned."""

SVG_POINTS = 1000
"""The most markers for SVG; more are drawn by WebGL."""
LOG_AXIS = {"type": "log", "minor_ticks": "outside"}


def safe(text: object) -> str:
    """Escape text, so that plotly shows its tags."""
    return html.escape(str(text), quote=False)


def style(figure: go.Figure, *, height: int) -> go.Figure:
    """Apply the common style: light, thin grid, legend below, system font."""
    axis = {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": GREY,
        "ticks": "outside",
        "tickcolor": GREY,
        "automargin": True,
    }
    figure.update_layout(
        template="none",
        height=height,
        font_family="system-ui, Segoe UI, Helvetica, Arial, sans-serif",
        font_size=13,
        font_color=INK,
        paper_bgcolor=PAPER,
        plot_bgcolor=PAPER,
        margin={"l": 60, "r": 20, "t": 40, "b": 90},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 0,
            "yref": "container",
            "yanchor": "bottom",
        },
        hoverlabel={"align": "left", "bgcolor": PAPER, "font": {"color": INK}},
    )
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


@dataclass(frozen=True)
class Spot:
    """A trial, a confirmation or a reported result at its place in a figure."""

    x: Any
    y: float
    """A score in the unit of the axis."""
    text: str
    """The hover text, already ``safe``."""
    std: float = 0.0


@dataclass(frozen=True)
class Line:
    """A score to compare with, as a line across a figure."""

    score: float
    """In the unit of the axis."""
    name: str
    """Its label, already ``safe``."""
    look: Mapping[str, Any]
    """Colour, dash and width, for plotly."""
    std: float | None = None
    """Half the width of the band around it, if it has one."""


def markers(
    spots: Sequence[Spot], *, name: str, marker: Mapping[str, Any], across: bool = False
) -> go.Scatter | go.Scattergl:
    """Return markers with hover texts, and error bars if a spot has a deviation.

    Markers on an axis are not clipped. ``across`` puts the scores on the x axis.
    """
    trace = go.Scatter(cliponaxis=False) if len(spots) <= SVG_POINTS else go.Scattergl()
    trace.update(
        mode="markers",
        name=name,
        marker=dict(marker),
        text=[one.text for one in spots],
        hovertemplate="%{text}<extra></extra>",
    )
    places = [one.x for one in spots]
    scores = [one.y for one in spots]
    bars: dict[str, Any] = {}
    if any(one.std for one in spots):
        bars = {
            "array": [one.std for one in spots],
            "color": marker["color"],
            "thickness": 2,
            "width": 5,
        }
    if across:
        return trace.update(x=scores, y=places, error_x=bars)
    return trace.update(x=places, y=scores, error_y=bars)


def steps(spots: Sequence[Spot], end: float, **look: Any) -> go.Scatter:
    """Return a line of steps; the last value extends to ``end``."""
    x = [one.x for one in spots]
    y = [one.y for one in spots]
    if spots:
        x.append(end)
        y.append(y[-1])
    return go.Scatter(x=x, y=y, mode="lines", line_shape="hv", **look)


def position(value: ParamValue) -> float | int | str:
    """Return the position of a value on an axis: a number itself, else its text."""
    if isinstance(value, str | bool):
        return safe(value_text(value))
    return value


def add_lines(
    figure: go.Figure, lines: Sequence[Line], *, vertical: bool = False, **place: int
) -> None:
    """Add lines for the scores to compare with; if ``vertical``, on the x axis.

    With the ``place`` of a panel, only the first panel has them in the legend.
    """
    in_legend = place.get("col", 1) == 1
    add_band = figure.add_vrect if vertical else figure.add_hrect
    add_line = figure.add_vline if vertical else figure.add_hline
    for one in lines:
        if one.std is not None:
            add_band(one.score - one.std, one.score + one.std, **BAND, **place)
        add_line(one.score, **one.look, showlegend=in_legend, name=one.name, **place)


def sample(n: int, limit: int) -> list[int]:
    """Return at most ``limit`` of ``n`` indices, evenly spread, including the last."""
    limit = min(n, limit)
    return [(i + 1) * n // limit - 1 for i in range(limit)]
