"""Every trial's score and the best so far, along trial number, epochs of training or time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.study.effort import ending
from hpo.study.result import Result
from hpo.views import formatting
from hpo.views.figures.style import (
    CLAIMED,
    CONFIRMED,
    ENDINGS,
    Spot,
    add_reported_band,
    claimed,
    confirmed,
    focus,
    hover,
    markers,
    safe,
    spot,
    steps,
    style,
)
from hpo.views.palette import BLUE, INK
from hpo.views.scores import Clock, axis_score, clocks, incumbents, scored

CLOSE = 0.1
"""The best part of the trials that a close-up shows."""


def convergence(result: Result) -> go.Figure:
    """Every trial's score and the best so far, against the reported value and its band.

    All traces are there once for each clock, of which the first one is shown.
    """
    axes, view = clocks(result), focus(result)
    figure = style(go.Figure(), height=480)
    for clock in axes:
        for trace in _traces(result, clock, view):
            if len(trace.x):
                figure.add_trace(trace.update(meta=clock.name, visible=clock is axes[0]))
    figure.update_layout(
        xaxis_title_text=axes[0].title,
        yaxis={"title": {"text": formatting.metric(result.spec)}, "range": list(view)},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    add_reported_band(figure, result.spec)
    if figure.data:
        figure.update_layout(updatemenus=[_x_menu(figure, axes), _y_menu(figure, result)])
    return figure


def _traces(result: Result, clock: Clock, view: tuple[float, float]) -> Iterator[go.Scatter]:
    """Scored trials, the best so far, and beyond its end what was claimed and confirmed.

    Failed trials, and those off the scale, stand on the edge of the plot.
    """
    spec, found, at = result.spec, scored(result), clock.at
    look: dict[str, Any] = {"color": BLUE, "opacity": 0.75, "size": 7}
    for how, symbol in ((None, "circle"), *ENDINGS.items()):
        some = [spot(spec, t, at[t.number]) for t in found if ending(spec, t) == how]
        yield markers(some, name=how or "complete trial", marker={**look, "symbol": symbol})
    crosses = []
    for trial in result.failed:
        why = formatting.cut(formatting.last_line(trial.message), 120)
        crosses.append(Spot(at[trial.number], 0.0, f"trial {trial.number} failed<br>{safe(why)}"))
    cross = {"color": INK, "size": 8, "symbol": "x-thin", "line": {"width": 2, "color": INK}}
    yield markers(crosses, name="failed", marker=cross, on_edge=True).update(yaxis="y2")
    symbol, edge = ("triangle-down-open", 0.02) if spec.maximize else ("triangle-up-open", 0.98)
    off = [
        Spot(at[t.number], edge, f"off scale: {hover(spec, t)}")
        for t in found
        if not view[0] <= axis_score(spec, t) <= view[1]
    ]
    mark = {**look, "size": 8, "symbol": symbol}
    yield markers(off, name="off scale", marker=mark, on_edge=True).update(yaxis="y2")
    best = incumbents(result, clock)
    x, y = [at[trial.number] for trial in best], [axis_score(spec, trial) for trial in best]
    line = steps(x, y, clock.end, line_color=INK, line_width=2.2)
    yield line.update(name="best so far", hoverinfo="skip")
    items, step = [c for c in result.confirmations if c.scores], 0.035 * (clock.end or 1.0)
    beyond = [(item, clock.end + step * (i + 1)) for i, item in enumerate(items)]
    claims = [claimed(spec, item, x) for item, x in beyond]
    yield markers(claims, name="claimed by the search", marker=CLAIMED)
    means = [confirmed(spec, item, x) for item, x in beyond]
    yield markers(means, name="confirmed on fresh seeds", marker=CONFIRMED)


def _x_menu(figure: go.Figure, axes: Sequence[Clock]) -> dict[str, Any]:
    """Buttons that switch between trial number, epochs and time."""
    buttons = []
    for clock in axes:
        visible = {"visible": [trace.meta == clock.name for trace in figure.data]}
        axis = {"xaxis.title.text": clock.title, "xaxis.autorange": True}
        buttons.append({"label": clock.name, "method": "update", "args": [visible, axis]})
    return {**_MENU, "x": 0, "xanchor": "left", "buttons": buttons}


def _y_menu(figure: go.Figure, result: Result) -> dict[str, Any]:
    """Buttons that choose the score range; what is off scale is marked in the overview only."""
    marks = [i for i, trace in enumerate(figure.data) if trace.name == "off scale"]
    ranges = {
        "overview": {"yaxis.range": list(focus(result))},
        "close-up": {"yaxis.range": list(focus(result, best=CLOSE))},
        "all scores": {"yaxis.autorange": True},
    }
    buttons = []
    for label, axis in ranges.items():
        opacity = {"marker.opacity": 0.75 if label == "overview" else 0}
        args = [opacity, axis, marks] if marks else [{}, axis]
        buttons.append({"label": label, "method": "update", "args": args})
    return {**_MENU, "x": 0.42, "xanchor": "left", "buttons": buttons}


_MENU = {
    "type": "buttons",
    "direction": "right",
    "y": 1.02,
    "yanchor": "bottom",
    "pad": {"b": 2},
    "font": {"size": 12},
}
