"""The front of a study as an interactive figure: the score against the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go

from hpo.study.snapshot import StudySnapshot, complete
from hpo.study.spec import StudySpec
from hpo.views import formatting
from hpo.views.figures.style import BAND, log_axis, markers, safe, style
from hpo.views.numbers import front
from hpo.views.numbers.front import FrontChart, FrontPoint
from hpo.views.palette import BLUE, GREEN, INK, VERMILLION


def figure(snapshot: StudySnapshot, *, height: int = 520, most: int | None = None) -> go.Figure:
    """Trials as faint points, the search's front as steps, what was confirmed with error bars.

    Args:
        snapshot: a study that has a cost.
        height: in pixels.
        most: trials on the front, and others, that are drawn at most, even samples; None for all.
    """
    found = front.chart(snapshot)
    low, high = front.view(found)
    drawing = style(go.Figure(), height=height)
    trials = _some(found.trials, most)
    inside = [spot for spot in trials if low <= spot.score <= high]
    below = [spot for spot in trials if not low <= spot.score <= high]
    edge = low if snapshot.spec.maximize else high
    faint = {"color": BLUE, "size": 6, "opacity": 0.4}
    triangle = "triangle-down-open" if snapshot.spec.maximize else "triangle-up-open"
    drawing.add_traces(
        [
            _points(inside, name="trial", marker=faint),
            _points(
                below, name="off scale", marker={**faint, "symbol": triangle}, y=[edge] * len(below)
            ),
            *_front(replace(found, front=tuple(_some(found.front, most)))),
            _confirmed(found),
        ]
    )
    _add_reported(drawing, found)
    if found.log_x:
        spots = (*found.trials, *found.front, *found.confirmed)
        drawing.update_xaxes(log_axis(spot.cost for spot in spots))
    drawing.update_xaxes(title_text=safe(found.x_label))
    return drawing.update_yaxes(title_text=safe(found.y_label), range=[low, high])


def title(snapshot: StudySnapshot, most: int) -> str:
    """``Accuracy against energy``, and how many trials are drawn if not all are."""
    total = len(complete(snapshot.search)) - len(snapshot.front)
    share = f" ({most:,} of {total:,} trials off the front)" if most < total else ""
    what = formatting.quantity_label(snapshot.spec.cost_name).partition(" (")[0]
    return f"{snapshot.spec.objective_impl.metric.capitalize()} against {what}{share}"


def note(spec: StudySpec) -> str:
    """What the figure shows, in a paragraph."""
    text = (
        f"Every complete trial of the search, its score against its {formatting.cost_label(spec)}; "
        f"the line is the front: what no other trial beats in both. With error bars: what the "
        f"trials that were confirmed gave on fresh seeds and the test half, mean ± standard "
        f"deviation."
    )
    if spec.reported is not None:
        text += f" Dashed, with its band: {formatting.reported_text(spec)}."
    return text


def _some(spots: Sequence[FrontPoint], most: int | None) -> Sequence[FrontPoint]:
    if most is None or len(spots) <= most:
        return spots
    return [spots[(i + 1) * len(spots) // most - 1] for i in range(most)]


def _points(
    spots: Sequence[FrontPoint],
    *,
    name: str,
    marker: dict[str, Any],
    y: Sequence[float] | None = None,
) -> go.Scatter | go.Scattergl:
    x, text = [spot.cost for spot in spots], [safe(spot.text) for spot in spots]
    scores = [spot.score for spot in spots] if y is None else y
    return markers(x, scores, text, name=name, marker=marker, on_edge=True).update(
        showlegend=bool(spots)
    )


def _front(found: FrontChart) -> list[go.Scatter]:
    """For a given cost, the score that the search has found: steps, with a ring at every trial."""
    x, y = [s.cost for s in found.front], [s.score for s in found.front]
    dearest = max((s.cost for s in (*found.trials, *found.front)), default=0.0)
    line = go.Scatter(x=[*x, dearest] if x else [], y=[*y, y[-1]] if y else [], mode="lines")
    line.update(line={"color": INK, "width": 2, "shape": "hv"}, hoverinfo="skip")
    line.update(name="front of the search", legendgroup="front", showlegend=bool(x))
    ring = {"color": "white", "size": 8, "line": {"width": 2, "color": INK}}
    rings = _points(found.front, name="front of the search", marker=ring)
    return [line, rings.update(legendgroup="front", showlegend=False)]


def _confirmed(found: FrontChart) -> go.Scatter:
    marker = {"color": GREEN, "size": 10, "symbol": "diamond"}
    trace = _points(found.confirmed, name="confirmed on fresh seeds, mean ± std", marker=marker)
    stds = [spot.std for spot in found.confirmed]
    return trace.update(error_y={"array": stds, "color": GREEN, "thickness": 2, "width": 5})


def _add_reported(drawing: go.Figure, found: FrontChart) -> None:
    """The reported score as a dashed line on its band, and a cross at what it costs."""
    if found.reported_score is None:
        return
    score, std = found.reported_score
    drawing.add_hrect(score - std, score + std, fillcolor=BAND, line_width=0, layer="below")
    drawing.add_hline(score, line_color=VERMILLION, line_dash="dash", line_width=1.6)
    for spot, symbol in ((found.reported, "cross"), (found.reported_here, "cross-open")):
        if spot is not None:
            cross = {"color": VERMILLION, "size": 12, "symbol": symbol, "line": {"width": 1.5}}
            drawing.add_trace(_points([spot], name=safe(spot.text), marker=cross))
