"""What was measured of a device, beside what the fit expects, and the residuals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.objectives.fitting.result import Curve, Fit
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

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BROWN, INK)
MOST_DRAWN = len(COLOURS)
"""Largest number of devices at rest, or of traces, in a panel."""
_PANEL = 260
_RESIDUALS = 150
_GAP = 60
_FOOT = 120
"""Pixels."""


def figure(fit: Fit) -> go.Figure:
    """Draw each quantity over current or time, with its residuals below."""
    groups: dict[tuple[str, bool], list[Curve]] = {}
    for curve in fit.curves:
        key = (curve.quantity, curve.time_ns is None)
        groups.setdefault(key, []).append(curve)
    n = len(groups)
    height = n * (_PANEL + _RESIDUALS) + 2 * n * _GAP + _FOOT
    heights = []
    titles = []
    for key in groups:
        heights += [_PANEL, _RESIDUALS]
        titles += [_title(*key), ""]
    drawn = make_subplots(
        2 * n,
        row_heights=heights,
        vertical_spacing=_GAP / height,
        subplot_titles=titles,
    )
    drawn.update_annotations(x=0, xanchor="left", font={"size": 13, "color": INK})
    style(drawn, height=height)
    for number, ((quantity, at_rest), curves) in enumerate(groups.items()):
        row = 2 * number + 1
        for place, look in enumerate(_looks(curves)):
            _add(drawn, look, COLOURS[place], row)
        x_title = "current (mA)" if at_rest else "time (ns)"
        drawn.update_yaxes(title_text=quantity, row=row)
        drawn.update_yaxes(title_text="residual / σ", row=row + 1)
        drawn.update_xaxes(matches=f"x{row}" if row > 1 else "x", row=row + 1)
        drawn.update_xaxes(title_text=x_title, title_standoff=4, row=row + 1)
        drawn.update_xaxes(showticklabels=False, row=row)
        zero = {"color": GREY, "width": 1, "dash": "dot"}
        drawn.add_hline(y=0.0, line=zero, row=row + 1, col=1)
    return drawn


def _title(quantity: str, at_rest: bool) -> str:
    how = "at rest" if at_rest else "in time"
    return f"{quantity} {how}: measured (points), fit (line)"


def _looks(curves: Sequence[Curve]) -> list[dict[str, Any]]:
    """Return what is drawn of one panel: the first devices at rest, or traces."""
    looks = []
    for curve in curves:
        if curve.time_ns is None:
            order = np.argsort(curve.current_ma[:, 0], kind="stable")
            looks.append(_look(curve, "", curve.current_ma[order, 0], order, 0))
            continue
        for trace, time_ns in enumerate(curve.time_ns):
            points = np.isfinite(time_ns)
            name = f" {trace + 1}" if len(curve.time_ns) > 1 else ""
            looks.append(_look(curve, name, time_ns[points], trace, points))
    return looks[:MOST_DRAWN]


def _look(curve: Curve, name: str, x: Any, first: Any, second: Any) -> dict[str, Any]:
    return {
        "name": safe(f"{curve.device}{name}"),
        "x": x.tolist(),
        "value": curve.value[first, second].tolist(),
        "expected": curve.expected[first, second].tolist(),
        "residual": curve.residual[first, second].tolist(),
    }


def _add(drawn: go.Figure, look: dict[str, Any], colour: str, row: int) -> None:
    shared = {"x": look["x"], "name": look["name"], "legendgroup": look["name"]}
    dots = {"color": colour, "size": 4, "opacity": 0.6}
    drawn.add_scatter(
        **shared, y=look["value"], mode="markers", marker=dots, row=row, col=1
    )
    drawn.add_scatter(
        **shared,
        y=look["expected"],
        mode="lines",
        line={"color": colour, "width": 1.8},
        showlegend=False,
        row=row,
        col=1,
    )
    drawn.add_scatter(
        **shared,
        y=look["residual"],
        mode="markers",
        marker=dots,
        showlegend=False,
        row=row + 1,
        col=1,
    )
