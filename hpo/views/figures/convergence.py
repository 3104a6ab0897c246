"""The figures of a study: pure functions of a snapshot, for the report and the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.study import score_text
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Slot, SlotState
from hpo.views import formatting
from hpo.views.figures.confirmed import confirmed_hover
from hpo.views.figures.style import add_reported_band, focus, hover, markers, safe, short, style
from hpo.views.numbers.convergence import Clock, clocks, incumbents
from hpo.views.numbers.scores import axis_score, scored
from hpo.views.palette import BLUE, GREEN, GRID, INK

# --- convergence ----------------------------------------------------------------------------------


def _at(clock: Clock, slots: list[Slot]) -> list[float]:
    return [clock.at[slot.number] for slot in slots]


def convergence(snapshot: StudySnapshot) -> go.Figure:
    """Every trial's score and the best so far, against the reported value and its band."""
    spec = snapshot.spec
    figure = style(go.Figure(), height=480)
    low, high = focus(snapshot)
    axes = clocks(snapshot)
    hidden = [s for s in scored(snapshot) if not low <= axis_score(spec, s) <= high]
    for clock in axes:
        traces = _convergence_traces(snapshot, clock)
        traces += [_off_scale(spec, hidden, clock)] if hidden else []
        for trace in traces:
            figure.add_trace(trace.update(meta=clock.name, visible=clock is axes[0]))
    add_reported_band(figure, spec)
    figure.update_layout(
        xaxis_title_text=axes[0].title,
        yaxis={"title": {"text": formatting.metric(spec)}, "range": [low, high]},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    if figure.data:
        figure.update_layout(updatemenus=[_x_menu(figure, axes), _y_menu(figure, snapshot)])
    return figure


def _convergence_traces(snapshot: StudySnapshot, clock: Clock) -> list[go.Scatter]:
    spec = snapshot.spec
    traces = []
    for state, symbol in ((SlotState.COMPLETE, "circle"), (SlotState.PRUNED, "circle-open")):
        slots = [s for s in scored(snapshot) if s.state == state]
        y = [axis_score(spec, slot) for slot in slots]
        text = [hover(spec, slot) for slot in slots]
        marker = {"color": BLUE, "size": 7, "symbol": symbol, "opacity": 0.75}
        traces.append(markers(_at(clock, slots), y, text, name=f"{state} trial", marker=marker))
    failed = [s for s in snapshot.search if s.state == SlotState.FAILED]
    text = [f"trial {s.number} failed<br>{safe(short(s.message))}" for s in failed]
    marker = {"color": INK, "size": 8, "symbol": "x-thin", "line": {"width": 2, "color": INK}}
    bottom = markers(
        _at(clock, failed), [0.0] * len(failed), text, name="failed", marker=marker, on_edge=True
    )
    traces.append(bottom.update(yaxis="y2"))
    traces.append(_best_line(snapshot, clock))
    traces.append(confirmed_points(snapshot, clock))
    return [trace for trace in traces if len(trace.x)]


def _off_scale(spec: StudySpec, slots: list[Slot], clock: Clock) -> go.Scatter:
    symbol, y = ("triangle-down-open", 0.02) if spec.maximize else ("triangle-up-open", 0.98)
    return markers(
        _at(clock, slots),
        [y] * len(slots),
        [f"off scale: {hover(spec, slot)}" for slot in slots],
        name="off scale",
        marker={"color": BLUE, "size": 8, "symbol": symbol, "opacity": 0.75},
    ).update(yaxis="y2")


def _best_line(snapshot: StudySnapshot, clock: Clock) -> go.Scatter:
    """The best complete score along a clock, held until the last trial."""
    best = incumbents(snapshot, clock)
    x = _at(clock, best)
    y = [axis_score(snapshot.spec, slot) for slot in best]
    if y:
        x, y = [*x, clock.end], [*y, y[-1]]
    line = {"color": INK, "width": 2.2, "shape": "hv"}
    return go.Scatter(x=x, y=y, mode="lines", name="best so far", line=line, hoverinfo="skip")


def confirmed_points(
    snapshot: StudySnapshot, clock: Clock, *, most: int | None = None
) -> go.Scatter:
    """Confirmed results, or the best ones, as points with error bars beyond the end of a clock."""
    spec = snapshot.spec
    found = [c for c in snapshot.confirmations if c.scores][:most]
    stds = [score_text.shown(spec, c.std) if len(c.scores) > 1 else 0.0 for c in found]
    step = 0.035 * (clock.end or 1.0)
    return go.Scatter(
        x=[clock.end + step * (i + 1) for i in range(len(found))],
        y=[score_text.shown(spec, c.mean) for c in found],
        error_y={"array": stds, "color": GREEN, "thickness": 2, "width": 5},
        mode="markers",
        name="confirmed on fresh seeds",
        marker={"color": GREEN, "size": 9, "symbol": "diamond"},
        text=[confirmed_hover(spec, c) for c in found],
        hovertemplate="%{text}<extra></extra>",
    )


def _x_menu(figure: go.Figure, axes: Sequence[Clock]) -> dict[str, Any]:
    """Buttons that switch between trial number, epochs and time."""
    buttons = []
    for clock in axes:
        visible = {"visible": [trace.meta == clock.name for trace in figure.data]}
        axis = {"xaxis.title.text": clock.title, "xaxis.autorange": True}
        buttons.append({"label": clock.name, "method": "update", "args": [visible, axis]})
    return {**_MENU, "x": 0, "xanchor": "left", "buttons": buttons}


def _y_menu(figure: go.Figure, snapshot: StudySnapshot) -> dict[str, Any]:
    """Buttons that choose the score range; what is off scale is marked in the overview only."""
    marks = [i for i, trace in enumerate(figure.data) if trace.name == "off scale"]
    ranges = {
        "overview": {"yaxis.range": list(focus(snapshot))},
        "close-up": {"yaxis.range": list(focus(snapshot, close=True))},
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
    "bgcolor": "white",
    "bordercolor": GRID,
}
