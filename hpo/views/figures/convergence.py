"""Every trial's score and the best so far, along trial number, epochs of training or time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.study.endings import Ending, ending
from hpo.study.result import Result
from hpo.study.trials import SlotState, Trial
from hpo.views import formatting
from hpo.views.figures.confirmed import confirmed_hover
from hpo.views.figures.study_figure import rgba
from hpo.views.figures.style import (
    HEIGHT,
    add_reported_band,
    focus,
    hover,
    markers,
    numbered_markers,
    safe,
    steps,
    style,
    titled,
)
from hpo.views.figures.thinning import MAX_CONFIRMED, MAX_STEPS, chosen, sample, share
from hpo.views.numbers.convergence import Clock, clocks, incumbents
from hpo.views.numbers.scores import axis_score, scored
from hpo.views.numbers.study_figure import quartiles
from hpo.views.palette import BLUE, GREEN, INK

CLOSE = 0.1
"""The best part of the trials that a close-up shows."""
MAX_FAILED = 60
"""So many failed trials a card shows."""


def convergence(result: Result) -> go.Figure:
    """Every trial's score and the best so far, against the reported value and its band."""
    axes = clocks(result)
    figure = _figure(result, axes, card=False)
    add_reported_band(figure, result.spec)
    if figure.data:
        figure.update_layout(updatemenus=[_x_menu(figure, axes), _y_menu(figure, result)])
    return figure


def card(result: Result, clock: Clock) -> go.Figure:
    """Fewer trials, close up, along one clock; the best so far on the quartiles of its networks."""
    figure = _figure(result, [clock], card=True)
    add_reported_band(figure, result.spec, legend=False)
    figure.update_layout(legend_traceorder="normal").update_xaxes(title_standoff=4)
    shown = share(result, chosen(result))
    return titled(figure, f"Convergence against {clock.against}{shown}")


def _figure(result: Result, axes: Sequence[Clock], *, card: bool) -> go.Figure:
    """Every trace along every clock, of which the first one is shown."""
    figure = style(go.Figure(), height=HEIGHT if card else 480)
    view = focus(result, best=0.5 if card else None)
    for clock in axes:
        best = _best_with_quartiles(result, clock) if card else [_best(result, clock)]
        confirmed = _confirmed(result, clock, most=MAX_CONFIRMED if card else None)
        for trace in (*_trials(result, clock, view, card=card), *best, *confirmed):
            if len(trace.x):
                figure.add_trace(trace.update(meta=clock.name, visible=clock is axes[0]))
    return figure.update_layout(
        xaxis_title_text=axes[0].title,
        yaxis={"title": {"text": formatting.metric(result.spec)}, "range": list(view)},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )


def _trials(
    result: Result, clock: Clock, view: tuple[float, float], *, card: bool
) -> list[go.Scatter]:
    """Scored trials; failed ones, and those off the scale, stand on its edge.

    A card cannot be zoomed out: there those off the scale stand at its edge alone.
    """
    spec = result.spec
    slots = chosen(result) if card else scored(result)
    off = [s for s in slots if not view[0] <= axis_score(spec, s) <= view[1]]
    hidden = {slot.number for slot in off} if card else set()
    look: dict[str, Any] = {"color": BLUE, "opacity": 0.6 if card else 0.75}
    look["size"] = 5 if card else 7
    traces = []
    for how, name, symbol in (
        (None, "trial" if card else "complete trial", "circle"),
        (Ending.NETWORKS, Ending.NETWORKS, "diamond-open"),
        (Ending.CURVE, Ending.CURVE, "circle-open"),
    ):
        found = [s for s in slots if ending(spec, s) == how and s.number not in hidden]
        y = [axis_score(spec, s) for s in found]
        kind: dict[str, Any] = {"name": name, "marker": {**look, "symbol": symbol}}
        if card:
            more = f", {how}" if how else ""
            traces.append(numbered_markers(clock, found, y, more=more, **kind))
        else:
            traces.append(markers(_at(clock, found), y, [hover(spec, s) for s in found], **kind))
    failed = [s for s in result.search if s.state == SlotState.FAILED]
    failed = failed[-MAX_FAILED:] if card else failed
    why = [formatting.cut(formatting.last_line(s.message), 120) for s in failed]
    text = [f"trial {s.number} failed<br>{safe(w)}" for s, w in zip(failed, why, strict=True)]
    cross = {"color": INK, "size": 8, "symbol": "x-thin", "line": {"width": 2, "color": INK}}
    traces.append(_edge(clock, failed, 0.0, text, name="failed", marker=cross))
    symbol, height = ("triangle-down-open", 0.02) if spec.maximize else ("triangle-up-open", 0.98)
    text = [f"off scale: {f'trial {s.number}' if card else hover(spec, s)}" for s in off]
    look |= {"size": look["size"] + 1, "symbol": symbol}
    return [*traces, _edge(clock, off, height, text, name="off scale", marker=look)]


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


def _best_with_quartiles(result: Result, clock: Clock) -> list[go.Scatter]:
    """The incumbent's score as a step line, on the band of the quartiles of its networks."""
    spec = result.spec
    best = sample(incumbents(result, clock), MAX_STEPS)
    if not best:
        return []
    x, y = _at(clock, best), [axis_score(spec, s) for s in best]
    line = steps(x, y, clock.end, line_color=INK, line_width=2.2, name="best so far")
    line.update(text=[f"trial {s.number}" for s in (*best, best[-1])])
    line.update(hovertemplate="best so far: %{text}, %{y:.4g}<extra></extra>")
    if spec.budget.members == 1:
        return [line]
    scores = [[formatting.shown(spec, m.score) for m in s.members] for s in best]
    spread = [quartiles(own or [at]) for own, at in zip(scores, y, strict=True)]
    edge = {"line_width": 0, "hoverinfo": "skip"}
    low = steps(x, [q[0] for q in spread], clock.end, **edge, showlegend=False)
    high = steps(x, [q[2] for q in spread], clock.end, **edge, name="quartiles of its networks")
    return [low, high.update(fill="tonexty", fillcolor=rgba(INK, 0.15)), line]


def _confirmed(result: Result, clock: Clock, *, most: int | None) -> list[go.Scatter]:
    """Beyond the end of a clock: what the search had claimed, and what fresh seeds gave of it."""
    spec = result.spec
    found = [c for c in result.confirmations if c.scores][:most]
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
