"""The figure of tolerances: how much of each imperfection costs the loss, beside what
hardware has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.contract import Tolerance
from hpo.study.spec import StudySpec
from hpo.study.tolerances import Card, Limit
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREY, VERMILLION
from hpo.views.sentences.tolerances import (
    BETTER,
    hardware_text,
    interval_text,
    loss_text,
    tolerance_text,
)

_SYMBOLS = {"at": "circle", "kept": "triangle-right", "lost": "triangle-left"}


def figure(spec: StudySpec, card: Card) -> go.Figure:
    """Draw a row for each imperfection: its tolerance over what good hardware has.

    A grey bar reaches from good to usual hardware. Triangles stand for tolerances
    beyond the amounts that were tried.
    """
    limits = [limit for limit in card.limits if limit.about.hardware is not None]
    drawn = style.style(go.Figure(), height=140 + 30 * len(limits))
    drawn.add_trace(_hardware(limits))
    kinds = (
        ("good hardware suffices", [x for x in limits if not x.beyond_hardware], BLUE),
        (f"needs {BETTER}", [x for x in limits if x.beyond_hardware], VERMILLION),
    )
    for name, some, colour in kinds:
        if some:
            drawn.add_trace(_medians(name, some, colour))
    drawn.add_vline(1.0, line_color=GREY, line_width=1)
    labels = [_label(limit) for limit in limits]
    drawn.update_yaxes(
        categoryorder="array", categoryarray=labels, autorange="reversed"
    )
    title = f"amount that costs {loss_text(spec)}, over that of good hardware"
    drawn.update_xaxes(type="log", title_text=style.safe(title), dtick=1)
    return drawn.update_layout(margin={"l": 60, "t": 34, "b": 90})


def _label(limit: Limit) -> str:
    text = tolerance_text(limit.about, limit.median)
    return style.safe(f"{limit.about.label}: {text} ")


def _hardware(limits: Sequence[Limit]) -> go.Scatter:
    """Return the grey bars, as one line with gaps."""
    x: list[float | None] = []
    y: list[str | None] = []
    for limit in limits:
        assert limit.about.hardware is not None
        for amount in limit.about.hardware:
            x.append(limit.over_hardware(amount))
            y.append(_label(limit))
        x.append(None)
        y.append(None)
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": GREY, "width": 9},
        opacity=0.6,
        name="hardware, from good to usual",
        hoverinfo="skip",
    )


def _medians(name: str, limits: Sequence[Limit], colour: str) -> go.Scatter:
    """Return the medians of some imperfections with their intervals."""
    places = [_place(limit, limit.median) for limit in limits]
    below = []
    above = []
    for limit, place in zip(limits, places, strict=True):
        below.append(place - _place(limit, limit.low))
        above.append(_place(limit, limit.high) - place)
    symbols = [_SYMBOLS[limit.median.found] for limit in limits]
    bars: dict[str, Any] = {"color": colour, "thickness": 2, "width": 5}
    return go.Scatter(
        x=places,
        y=[_label(limit) for limit in limits],
        mode="markers",
        name=name,
        cliponaxis=False,
        marker={"color": colour, "size": 10, "symbol": symbols},
        error_x={"array": above, "arrayminus": below, "symmetric": False, **bars},
        text=[_hover(limit) for limit in limits],
        hovertemplate="%{text}<extra></extra>",
    )


def _place(limit: Limit, one: Tolerance) -> float:
    place = limit.over_hardware(one.amount)
    assert place is not None
    return place


def _hover(limit: Limit) -> str:
    about = limit.about
    lines = [
        f"{about.label}: {tolerance_text(about, limit.median)}",
        f"interval {interval_text(limit)}",
        f"hardware {hardware_text(about)} ({about.source})",
    ]
    return "<br>".join(map(style.safe, lines))
