"""The common style of the figures of a study: markers, hover texts, reference lines.

Shapes repeat every distinction by colour (``hpo.views.figures.palette``). Text by users goes
through ``safe``, since plotly interprets tags in labels.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpo.study.effort import Ending
from hpo.study.networks import Confirmation
from hpo.study.result import Result, state_name
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import SlotState, Trial
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
from hpo.views.figures.scores import axis_score, focus, reported_score
from hpo.views.sentences import caveats, formatting

DASHED = {"line_color": VERMILLION, "line_dash": "dash", "line_width": 1.6}
"""The line of the reported score."""
DOTS, CHANCE = ("dot", "dashdot"), "longdash"
"""The lines of baselines, and of chance."""
CLAIMED = {"color": BLUE, "size": 12, "symbol": "circle-open", "line": {"width": 2}}
CONFIRMED = {"color": GREEN, "size": 11, "symbol": "diamond"}
ENDINGS = {Ending.NETWORKS: "diamond-open", Ending.CURVE: "circle-open"}
"""Markers of the search's claim, of fresh seeds, and of trials that ended early."""

SVG_POINTS = 1000
"""The most markers for SVG; more are drawn by WebGL."""
LOG_AXIS = {"type": "log", "minor_ticks": "outside"}


def safe(text: object) -> str:
    """Escape text, so that plotly shows its tags."""
    return html.escape(str(text), quote=False)


def style(figure: go.Figure, *, height: int) -> go.Figure:
    """Apply the common style: light, thin grid, legend below, system font."""
    axis = {"gridcolor": GRID, "zeroline": False, "linecolor": GREY, "ticks": "outside"}
    axis |= {"tickcolor": GREY, "automargin": True}
    figure.update_layout(
        template="none",
        height=height,
        font={
            "family": "system-ui, Segoe UI, Helvetica, Arial, sans-serif",
            "size": 13,
        },
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


def spot(
    spec: StudySpec,
    trial: Trial,
    x: Any,
    view: tuple[float, float] = (-math.inf, math.inf),
) -> Spot:
    """Return the spot of a scored trial; off the scale, it stands at the edge of
    ``view``."""
    y = min(max(axis_score(spec, trial), view[0]), view[1])
    return Spot(x, y, hover(spec, trial))


def claimed(spec: StudySpec, item: Confirmation, x: Any) -> Spot:
    """Return the spot of the search's claim for a confirmed trial."""
    score = formatting.score_text(spec, item.search_score)
    text = f"trial {item.source}, as claimed: {score}"
    return Spot(x, formatting.shown(spec, item.search_score), text)


def confirmed(spec: StudySpec, item: Confirmation, x: Any) -> Spot:
    """Return the spot of a confirmed trial, with mean and deviation over fresh
    seeds."""
    value = formatting.point_text(spec, item.mean, item.std, item.costs)
    lines = [
        f"trial {item.source} confirmed: {value}",
        f"{len(item.scores)} fresh seeds, held-out test set",
    ]
    text = "<br>".join([*lines, *caveats.beside(spec, item)])
    std = formatting.shown(spec, item.std) if len(item.scores) > 1 else 0.0
    return Spot(x, formatting.shown(spec, item.mean), text, std)


def markers(
    spots: Sequence[Spot], *, name: str, marker: Mapping[str, Any], across: bool = False
) -> go.Scatter | go.Scattergl:
    """Return markers with hover texts, and error bars if a spot has a deviation.

    Markers on an axis are not clipped. ``across`` puts the scores on the x axis.
    """
    trace = go.Scatter(cliponaxis=False) if len(spots) <= SVG_POINTS else go.Scattergl()
    x, y = [one.x for one in spots], [one.y for one in spots]
    if any(one.std for one in spots):
        bars = {
            "array": [one.std for one in spots],
            "color": marker["color"],
            "thickness": 2,
        }
        trace.update({"error_x" if across else "error_y": {**bars, "width": 5}})
    return trace.update(
        x=y if across else x,
        y=x if across else y,
        mode="markers",
        name=name,
        marker=dict(marker),
        text=[one.text for one in spots],
        hovertemplate="%{text}<extra></extra>",
    )


def steps(
    x: Sequence[float], y: Sequence[float], end: float, **look: Any
) -> go.Scatter:
    """Return a line of steps; the last value extends to ``end``."""
    xs, ys = ([*x, end], [*y, y[-1]]) if y else ([], [])
    return go.Scatter(x=xs, y=ys, mode="lines", line_shape="hv", **look)


def position(value: ParamValue) -> float | int | str:
    """Return the position of a value on an axis: a number itself, else its text."""
    return (
        safe(formatting.value_text(value)) if isinstance(value, str | bool) else value
    )


def hover(spec: StudySpec, trial: Trial) -> str:
    """Return the hover text of a scored trial: its score, and its parameters with
    units."""
    lines = [f"trial {trial.number}: {formatting.score_cell(spec, trial)}"]
    if trial.state != SlotState.COMPLETE:
        lines[0] += f", {state_name(spec, trial)}"
    return "<br>".join([*lines, *map(safe, formatting.parameter_lines(trial.params))])


def add_references(
    figure: go.Figure, result: Result, *, vertical: bool = False, **place: int
) -> None:
    """Add lines for the scores to compare with; if ``vertical``, on the x axis.

    With the ``place`` of a panel, only the first panel has them in the legend. The
    reported score is dashed, with the band of its deviation; the best baseline, and the
    one most like a network of the study, are dotted; chance has long dashes. Baselines
    off the scale are left out.
    """
    spec, (low, high), new = result.spec, focus(result), place.get("col", 1) == 1
    across, along = (
        (figure.add_hrect, figure.add_hline),
        (figure.add_vrect, figure.add_vline),
    )
    band, line = along if vertical else across
    if (reported := reported_score(spec)) is not None:
        value, std = reported
        band(value - std, value + std, **BAND, **place)
        name = safe(formatting.cut(formatting.reported_text(spec), 60))
        line(value, **DASHED, showlegend=new, name=name, **place)
    chance = [one for one in (result.chance,) if one and one not in result.rivals]
    for one, dash in (
        *zip(result.rivals, DOTS, strict=False),
        *((c, CHANCE) for c in chance),
    ):
        value, name = (
            formatting.shown(spec, one.score),
            formatting.baseline_text(spec, one),
        )
        name = "chance, " * (dash == CHANCE and one.name != "chance") + name
        if low <= value <= high:
            look = {"color": GREY, "dash": dash, "width": 1.4}
            line(value, line=look, showlegend=new, name=safe(name), **place)


def sample(n: int, limit: int) -> list[int]:
    """Return at most ``limit`` of ``n`` indices, evenly spread, including the last."""
    limit = min(n, limit)
    return [(i + 1) * n // limit - 1 for i in range(limit)]
