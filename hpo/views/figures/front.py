"""The front of a study as an interactive figure: the score against the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go

from hpo.study.snapshot import StudySnapshot, complete
from hpo.study.spec import StudySpec
from hpo.views import formatting
from hpo.views.figures.style import DASHED, log_axis, markers, safe, steps, style, titled
from hpo.views.figures.thinning import sample
from hpo.views.numbers import front
from hpo.views.numbers.front import FrontChart, FrontPoint
from hpo.views.palette import BAND, BLUE, GREEN, INK, VERMILLION

MAX_SPOTS = 250
"""So many trials on the front of a card, and others; each says what it is when pointed at."""


def figure(snapshot: StudySnapshot, *, most: int | None = None) -> go.Figure:
    """Trials as faint points, the search's front as steps, what was confirmed with error bars.

    At ``most`` so many trials on the front, and so many others, are drawn, evenly sampled.
    """
    found = front.chart(snapshot)
    low, high = front.view(found)
    drawing = style(go.Figure(), height=520)
    trials = sample(found.trials, most)
    inside = [spot for spot in trials if low <= spot.score <= high]
    edge = low if snapshot.spec.maximize else high
    off = [replace(spot, score=edge) for spot in trials if not low <= spot.score <= high]
    faint = {"color": BLUE, "size": 6, "opacity": 0.4}
    triangle = "triangle-down-open" if snapshot.spec.maximize else "triangle-up-open"
    drawing.add_traces(
        [
            _points(inside, name="trial", marker=faint),
            _points(off, name="off scale", marker={**faint, "symbol": triangle}),
            *_front(replace(found, front=tuple(sample(found.front, most)))),
            _confirmed(found),
        ]
    )
    _add_reported(drawing, found)
    if found.log_x:
        spots = (*found.trials, *found.front, *found.confirmed)
        drawing.update_xaxes(log_axis(spot.cost for spot in spots))
    drawing.update_xaxes(title_text=safe(found.x_label))
    return drawing.update_yaxes(title_text=safe(found.y_label), range=[low, high])


def card(snapshot: StudySnapshot) -> go.Figure:
    """The same of fewer trials; the title says of how many, if not of all."""
    spec, total = snapshot.spec, len(complete(snapshot.search)) - len(snapshot.front)
    share = f" ({MAX_SPOTS:,} of {total:,} trials off the front)" if total > MAX_SPOTS else ""
    what = formatting.quantity_label(spec.cost_name).partition(" (")[0]
    title = f"{spec.objective_impl.metric.capitalize()} against {what}{share}"
    return titled(figure(snapshot, most=MAX_SPOTS), title)


def note(spec: StudySpec) -> str:
    """What the figure shows, in a paragraph."""
    cost = formatting.quantity_label(spec.cost_name)
    text = (
        f"Every complete trial of the search, its score against its {cost}; "
        f"the line is the front: what no other trial beats in both. With error bars: what the "
        f"trials that were confirmed gave on fresh seeds and the test part, mean ± standard "
        f"deviation."
    )
    if spec.reported is not None:
        text += f" Dashed, with its band: {formatting.reported_text(spec)}."
    return text


def _points(
    spots: Sequence[FrontPoint], *, name: str, marker: dict[str, Any]
) -> go.Scatter | go.Scattergl:
    x, y = [spot.cost for spot in spots], [spot.score for spot in spots]
    text = [safe(spot.text) for spot in spots]
    trace = markers(x, y, text, name=name, marker=marker, on_edge=True)
    return trace.update(showlegend=bool(spots))


def _front(found: FrontChart) -> list[go.Scatter]:
    """For a given cost, the score that the search has found: steps, with a ring at every trial."""
    x, y = [s.cost for s in found.front], [s.score for s in found.front]
    dearest = max((s.cost for s in (*found.trials, *found.front)), default=0.0)
    line = steps(x, y, dearest, line_color=INK, line_width=2, hoverinfo="skip")
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
    drawing.add_hrect(score - std, score + std, **BAND)
    drawing.add_hline(score, **DASHED)
    for spot, symbol in ((found.reported, "cross"), (found.reported_here, "cross-open")):
        if spot is not None:
            cross = {"color": VERMILLION, "size": 12, "symbol": symbol, "line": {"width": 1.5}}
            drawing.add_trace(_points([spot], name=safe(spot.text), marker=cross))
