"""Every trial's score and the best so far, along trial number, epochs of training or time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.study.endings import Ending, ending
from hpo.study.result import Result
from hpo.study.trials import Trial
from hpo.views import formatting
from hpo.views.figures.confirmed import confirmed_hover
from hpo.views.figures.style import add_reported_band, focus, hover, markers, safe, steps, style
from hpo.views.palette import BLUE, GREEN, INK
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
        for trace in (
            *_trials(result, clock, view),
            _best(result, clock),
            *_confirmed(result, clock),
        ):
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


def _trials(result: Result, clock: Clock, view: tuple[float, float]) -> list[go.Scatter]:
    """Scored trials; failed ones, and those off the scale, stand on its edge."""
    spec, found = result.spec, scored(result)
    off = [t for t in found if not view[0] <= axis_score(spec, t) <= view[1]]
    look: dict[str, Any] = {"color": BLUE, "opacity": 0.75, "size": 7}
    traces = []
    for how, name, symbol in (
        (None, "complete trial", "circle"),
        (Ending.NETWORKS, Ending.NETWORKS, "diamond-open"),
        (Ending.CURVE, Ending.CURVE, "circle-open"),
    ):
        some = [t for t in found if ending(spec, t) == how]
        y, text = [axis_score(spec, t) for t in some], [hover(spec, t) for t in some]
        marker = {**look, "symbol": symbol}
        traces.append(markers(_at(clock, some), y, text, name=name, marker=marker))
    failed = result.failed
    why = [formatting.cut(formatting.last_line(t.message), 120) for t in failed]
    text = [f"trial {t.number} failed<br>{safe(w)}" for t, w in zip(failed, why, strict=True)]
    cross = {"color": INK, "size": 8, "symbol": "x-thin", "line": {"width": 2, "color": INK}}
    traces.append(_edge(clock, failed, 0.0, text, name="failed", marker=cross))
    symbol, height = ("triangle-down-open", 0.02) if spec.maximize else ("triangle-up-open", 0.98)
    text = [f"off scale: {hover(spec, t)}" for t in off]
    marker = {**look, "size": 8, "symbol": symbol}
    return [*traces, _edge(clock, off, height, text, name="off scale", marker=marker)]


def _at(clock: Clock, slots: Sequence[Trial]) -> list[float]:
    return [clock.at[slot.number] for slot in slots]


def _edge(
    clock: Clock, slots: Sequence[Trial], y: float, text: list[str], **look: Any
) -> go.Scatter:
    """Markers at one height of the plot, whatever the range of its axis."""
    trace = markers(_at(clock, slots), [y] * len(slots), text, on_edge=True, **look)
    return trace.update(yaxis="y2")


def _best(result: Result, clock: Clock) -> go.Scatter:
    """The best complete score along a clock, held until the last trial."""
    best = incumbents(result, clock)
    y = [axis_score(result.spec, slot) for slot in best]
    line = steps(_at(clock, best), y, clock.end, line_color=INK, line_width=2.2)
    return line.update(name="best so far", hoverinfo="skip")


def _confirmed(result: Result, clock: Clock) -> list[go.Scatter]:
    """Beyond the end of a clock: what the search had claimed, and what fresh seeds gave of it."""
    spec = result.spec
    found = [c for c in result.confirmations if c.scores]
    stds = [formatting.shown(spec, c.std) if len(c.scores) > 1 else 0.0 for c in found]
    step = 0.035 * (clock.end or 1.0)
    x = [clock.end + step * (i + 1) for i in range(len(found))]
    claims = [formatting.shown(spec, c.search_score) for c in found]
    said = [formatting.score_text(spec, c.search_score) for c in found]
    text = [f"trial {c.source}, as claimed: {s}" for c, s in zip(found, said, strict=True)]
    ring = {"color": BLUE, "size": 11, "symbol": "circle-open", "line": {"width": 2}}
    claimed = markers(x, claims, text, name="claimed by the search", marker=ring)
    y = [formatting.shown(spec, c.mean) for c in found]
    text = [confirmed_hover(spec, c) for c in found]
    marker = {"color": GREEN, "size": 9, "symbol": "diamond"}
    trace = markers(x, y, text, name="confirmed on fresh seeds", marker=marker)
    trace.update(error_y={"array": stds, "color": GREEN, "thickness": 2, "width": 5})
    return [claimed, trace]


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
