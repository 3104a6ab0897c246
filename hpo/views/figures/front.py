"""The front of a study: the score against each cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.study.result import Front
from hpo.study.snapshot import complete
from hpo.views import caveats, formatting
from hpo.views.figures.style import DASHED, log_axis, markers, safe, steps, style
from hpo.views.palette import BAND, BLUE, GREEN, INK, VERMILLION
from hpo.views.scores import reported_score

DECADE = 10.0
"""Costs that span more than this factor stand on a logarithmic axis."""


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A trial, what was confirmed of one, or what is reported; scores in the unit of the axis."""

    cost: float
    score: float
    std: float = 0.0
    """Over the fresh seeds, or as reported; 0 where there is none."""
    text: str
    """What it is, in one line."""


def figure(result: Front, *, only: str | None = None) -> go.Figure:
    """Trials as faint points, the search's front as steps, what was confirmed with error bars.

    A panel for each cost, or for ``only`` one of them.
    """
    costs = [name for name in result.costs if only in (None, name)]
    drawing = make_subplots(1, len(costs), shared_yaxes=True, horizontal_spacing=0.04)
    style(drawing, height=520)
    for column, name in enumerate(costs, start=1):
        _add_panel(drawing, result, name, {"row": 1, "col": column})
    return drawing.update_yaxes(title_text=safe(formatting.metric(result.spec)), col=1)


def note(result: Front) -> str:
    """What the figure shows, in a paragraph."""
    labels = [formatting.quantity_label(name) for name in result.costs]
    front = "the line is the front: what no other trial beats in both"
    if len(labels) > 1:
        front = (
            "rings are the front: what no other trial beats in the score and every cost at once, "
            "the same trials in each panel; a line joins those that none beats in its own cost"
        )
    text = (
        f"Every complete trial of the search, its score against its {' and its '.join(labels)}; "
        f"{front}. With error bars: what the trials that were confirmed gave on fresh seeds and "
        f"the test part, mean ± standard deviation."
    )
    if result.spec.reported is not None:
        text += f" Dashed, with its band: {formatting.reported_text(result.spec)}."
    return text


def trials(result: Front, cost: str, *, along: bool) -> list[Spot]:
    """The complete trials on the front (``along``), cheapest first, or the others, by number."""
    spec, front = result.spec, {trial.number for trial in result.front}
    found = [t for t in complete(result.search) if (t.number in front) == along]
    spots = [
        Spot(
            cost=spec.named_costs(t.costs)[cost],
            score=formatting.shown(spec, t.score or 0.0),
            text=f"trial {t.number}: {formatting.point_text(spec, t.score or 0.0, None, t.costs)}",
        )
        for t in found
    ]
    return sorted(spots, key=lambda spot: spot.cost) if along else spots


def confirmed(result: Front, cost: str) -> list[Spot]:
    """What fresh seeds gave, cheapest first by the first cost."""
    spec, found = result.spec, []
    for item in result.confirmations:
        if item.scores:
            score = formatting.point_text(spec, item.mean, item.std, item.costs)
            text = f"trial {item.source} confirmed: {score} on {len(item.scores)} fresh seeds"
            text = ", ".join([text, *caveats.beside(spec, item)])
            std = formatting.shown(spec, item.std) if len(item.scores) > 1 else 0.0
            at, mean = spec.named_costs(item.costs)[cost], formatting.shown(spec, item.mean)
            found.append(Spot(cost=at, score=mean, std=std, text=text))
    return found


def reported(result: Front, cost: str) -> list[Spot]:
    """The reported score at its published cost, and at what it costs as measured here."""
    spec, known = result.spec, reported_score(result.spec)
    published, here = (spec.reported_costs(key).get(cost) for key in ("cost", "cost_here"))
    measured = f"reported network, {formatting.quantity(cost, here or 0.0)} as measured here"
    texts = ((published, formatting.reported_text(spec)), (here, measured))
    return [Spot(cost=at, score=known[0], text=text) for at, text in texts if known and at]


def line(result: Front, cost: str) -> list[Spot]:
    """Of the front, those that are better than all that cost no more of this cost."""
    sign = -1.0 if result.spec.maximize else 1.0
    found: list[Spot] = []
    front = trials(result, cost, along=True)
    for spot in sorted(front, key=lambda spot: (spot.cost, sign * spot.score)):
        if not found or sign * spot.score < sign * found[-1].score:
            found.append(spot)
    return found


def view(result: Front, cost: str) -> tuple[float, float]:
    """The scores worth a look: the better half of the trials, what was confirmed, the reported."""
    spots = (*trials(result, cost, along=True), *trials(result, cost, along=False))
    values, half = sorted(spot.score for spot in spots), len(spots) // 2
    good = values[half:] if result.spec.maximize else values[: half + 1]
    bars = [(spot.score, spot.std) for spot in confirmed(result, cost)]
    bars += [known] if (known := reported_score(result.spec)) else []
    good += [score + side * std for score, std in bars for side in (-1, 1)]
    if not good:
        return 0.0, 1.0
    margin = 0.06 * (max(good) - min(good)) or 0.05 * abs(good[0]) or 1.0
    return min(good) - margin, max(good) + margin


def _add_panel(drawing: go.Figure, result: Front, cost: str, place: dict[str, int]) -> None:
    low, high = view(result, cost)
    others, front = (trials(result, cost, along=along) for along in (False, True))
    fresh, published = confirmed(result, cost), reported(result, cost)
    edge, more = (low, "down") if result.spec.maximize else (high, "up")
    off = [replace(spot, score=edge) for spot in others if not low <= spot.score <= high]
    faint = {"color": BLUE, "size": 6, "opacity": 0.4}
    inside = [spot for spot in others if low <= spot.score <= high]
    best = line(result, cost)
    dearest = max((spot.cost for spot in (*others, *front)), default=0.0)
    x, y = [spot.cost for spot in best], [spot.score for spot in best]
    along = steps(x, y, dearest, line_color=INK, line_width=2, hoverinfo="skip")
    along.update(name="front of the search", legendgroup="front", showlegend=bool(x))
    ring = {"color": "white", "size": 8, "line": {"width": 2, "color": INK}}
    rings = _points(front, "front of the search", ring)
    marker = {"color": GREEN, "size": 10, "symbol": "diamond"}
    bars = {"array": [spot.std for spot in fresh], "color": GREEN, "thickness": 2, "width": 5}
    traces = [
        _points(inside, "trial", faint),
        _points(off, "off scale", {**faint, "symbol": f"triangle-{more}-open"}),
        along,
        rings.update(legendgroup="front", showlegend=False),
        _points(fresh, "confirmed on fresh seeds, mean ± std", marker).update(error_y=bars),
    ]
    for spot in published:
        symbol = "cross-open" if "as measured here" in spot.text else "cross"
        cross = {"color": VERMILLION, "size": 12, "symbol": symbol, "line": {"width": 1.5}}
        traces.append(_points([spot], safe(spot.text), cross))
    for trace in traces:  # the panels share a legend
        known = {other.name for other in drawing.data if other.showlegend}
        new = bool(trace.showlegend) and trace.name not in known
        drawing.add_trace(trace.update(showlegend=new), **place)
    if (score := reported_score(result.spec)) is not None:
        drawing.add_hrect(score[0] - score[1], score[0] + score[1], **BAND, **place)
        drawing.add_hline(score[0], **DASHED, **place)
    costs = [spot.cost for spot in (*others, *front, *fresh, *published)] or [0.0]
    if min(costs) > 0 and max(costs) > DECADE * min(costs):
        drawing.update_xaxes(log_axis(costs), **place)
    drawing.update_xaxes(title_text=safe(formatting.quantity_label(cost)), **place)
    drawing.update_yaxes(range=[low, high], **place)


def _points(spots: Sequence[Spot], name: str, marker: dict[str, Any]) -> go.Scatter | go.Scattergl:
    x, y = [spot.cost for spot in spots], [spot.score for spot in spots]
    text = [safe(spot.text) for spot in spots]
    trace = markers(x, y, text, name=name, marker=marker, on_edge=True)
    return trace.update(showlegend=bool(spots))
