"""The figures of a study: pure functions of a snapshot, for the report and the dashboard."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from hpo import words
from hpo.clocks import Clock, clocks, incumbents
from hpo.palette import BLUE, GREEN, GREY, GRID, INK, ORANGE
from hpo.plotting import (
    add_reported_band,
    axis_score,
    focus,
    hover,
    markers,
    safe,
    scored,
    short,
    style,
)
from hpo.study import score_text, time_step
from hpo.study.confirmation import Confirmation
from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.trials import Slot, SlotState

MAX_CURVES, MAX_CURVE_POINTS, MAX_MEMBERS = 100, 200, 10
BEST_COLOURS = (BLUE, ORANGE, GREEN)

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
        yaxis={"title": {"text": words.metric(spec)}, "range": [low, high]},
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
        text=[_confirmed_hover(spec, c) for c in found],
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


# --- learning curves ------------------------------------------------------------------------------


def learning_curves(snapshot: StudySnapshot) -> go.Figure:
    """Score after each epoch: the best trials member by member, a sample of the others in grey."""
    spec = snapshot.spec
    figure = style(go.Figure(), height=460)
    best = [slot for slot in snapshot.ranking if _curves(spec, slot)][: len(BEST_COLOURS)]
    numbers = {slot.number for slot in best}
    others = [s for s in snapshot.search if s.number not in numbers and _curves(spec, s)]
    stride = max(1, math.ceil(len(others) / MAX_CURVES))
    _add_grey_curves(figure, spec, others[::stride])
    for slot, colour in reversed(list(zip(best, BEST_COLOURS, strict=False))):
        _add_best_curves(figure, spec, slot, colour)
    add_reported_band(figure, spec)
    figure.update_layout(
        xaxis_title_text="epoch", yaxis_title_text=words.metric(spec), legend_traceorder="reversed"
    )
    return figure


def _add_best_curves(figure: go.Figure, spec: StudySpec, slot: Slot, colour: str) -> None:
    """A thin line per member and a thick one for their mean."""
    curves = _curves(spec, slot)
    name = f"trial {slot.number}: {words.point_text(spec, slot.score or 0.0, None, slot.cost)}"
    x, y = _joined(curves[:MAX_MEMBERS])
    members = go.Scatter(x=x, y=y, mode="lines", line={"color": colour, "width": 1}, name=name)
    members.update(legendgroup=name, showlegend=False, opacity=0.6, hoverinfo="skip")
    x, y = _joined([_mean_curve(curves)])
    mean = go.Scatter(x=x, y=y, mode="lines", line={"color": colour, "width": 3}, name=name)
    mean.update(
        legendgroup=name, hovertemplate=f"{name}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>"
    )
    figure.add_traces([members, mean])


def _add_grey_curves(figure: go.Figure, spec: StudySpec, slots: list[Slot]) -> None:
    """One line per trial, the mean of its networks, and a ring where it was pruned."""
    curves = {slot.number: _mean_curve(_curves(spec, slot)) for slot in slots}
    if slots:
        x, y = _joined(list(curves.values()))
        others = go.Scatter(x=x, y=y, mode="lines", name="other trials", hoverinfo="skip")
        figure.add_trace(others.update(line={"color": GREY, "width": 0.8}, opacity=0.6))
    pruned = [slot for slot in slots if slot.state == SlotState.PRUNED]
    if pruned:
        ends = [curves[slot.number] for slot in pruned]
        text = [
            f"trial {slot.number} pruned "
            + (f"after {len(slot.members)} members" if slot.members else f"at epoch {len(end)}")
            for slot, end in zip(pruned, ends, strict=True)
        ]
        marker = {"color": GREY, "size": 6, "symbol": "circle-open"}
        epochs, lasts = [len(end) for end in ends], [end[-1] for end in ends]
        figure.add_trace(markers(epochs, lasts, text, name="pruned here", marker=marker))


def _curves(spec: StudySpec, slot: Slot) -> list[list[float]]:
    """Curves of the finished members; of a trial that has none, what its first one reported.

    See ``timeline.Timeline``: a trial's first steps are the epochs of its first member.
    """
    found = [m.curve for m in slot.members if m.curve] or [slot.steps[: spec.budget.epochs]]
    finite = [[score_text.shown(spec, v) for v in curve if math.isfinite(v)] for curve in found]
    return [curve for curve in finite if curve]


def _mean_curve(curves: list[list[float]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*curves, strict=False)]


def _joined(curves: list[list[float]]) -> tuple[list[float | None], list[float | None]]:
    """Curves as one line with gaps, thinned to a bounded number of points each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for curve in curves:
        stride = max(1, math.ceil(len(curve) / MAX_CURVE_POINTS))
        epochs = sorted({*range(0, len(curve), stride), len(curve) - 1})
        x += [*(epoch + 1 for epoch in epochs), None]
        y += [*(curve[epoch] for epoch in epochs), None]
    return x[:-1], y[:-1]


# --- confirmation ---------------------------------------------------------------------------------


def confirmed(snapshot: StudySnapshot, *, most: int | None = None) -> go.Figure:
    """Fresh-seed scores of confirmed configurations, or the best, against the search's claim."""
    spec = snapshot.spec
    found = [c for c in snapshot.confirmations if c.scores][:most]
    figure = style(go.Figure(), height=170 + 70 * max(1, len(found)))
    add_reported_band(figure, spec, vertical=True)
    for row, item in enumerate(found):
        for trace in _confirmed_traces(spec, item, row):
            new = trace.name not in {shown.name for shown in figure.data}
            figure.add_trace(trace.update(showlegend=new))
    figure.update_xaxes(title_text=words.metric(spec))
    figure.update_yaxes(
        tickvals=list(range(len(found))),
        ticktext=[_configuration(spec, item) for item in found],
        range=[len(found) - 0.4, -0.6],
        showgrid=False,
    )
    return figure


def _configuration(spec: StudySpec, item: Confirmation) -> str:
    cost = "" if item.cost is None else f", {words.cost_text(spec, item.cost)}"
    return safe(f"trial {item.source}{cost}")


def _confirmed_traces(spec: StudySpec, item: Confirmation, row: int) -> list[go.Scatter]:
    """The fresh seeds as dots, spread a little; their mean ± std; what the search had claimed.

    Beside them, faint, the mean at the study's own integration step.
    """
    scores = [score_text.shown(spec, value) for value in item.scores]
    spread = [row - 0.1 * (i % 3) - 0.12 for i in range(len(scores))]
    text = [f"fresh seed {i}: {score_text.score_text(spec, v)}" for i, v in enumerate(item.scores)]
    marker = {"color": GREEN, "size": 8, "opacity": 0.55}
    dots = markers(scores, spread, text, name="fresh seed, test half", marker=marker)
    std = score_text.shown(spec, item.std) if len(scores) > 1 else 0.0
    marker = {"color": GREEN, "size": 13, "symbol": "diamond"}
    text = [_confirmed_hover(spec, item)]
    mean = markers(
        [score_text.shown(spec, item.mean)], [row + 0.12], text, name="mean ± std", marker=marker
    )
    mean.update(error_x={"array": [std], "color": GREEN, "thickness": 2, "width": 6})
    claim = score_text.score_text(spec, item.search_score)
    marker = {"color": BLUE, "size": 13, "symbol": "circle-open", "line": {"width": 2}}
    text = [f"trial {item.source} in the search: {claim}"]
    x = [score_text.shown(spec, item.search_score)]
    claimed = markers(x, [row + 0.12], text, name="claimed by the search", marker=marker)
    return [dots, mean, claimed, *_at_step(spec, item, row)]


def _at_step(spec: StudySpec, item: Confirmation, row: int) -> list[go.Scatter]:
    """The mean at the study's integration step, where it is not what is claimed."""
    if not item.checked:
        return []
    score = score_text.score_text(spec, item.step_mean, item.step_std)
    marker = {"color": GREY, "size": 11, "symbol": "diamond-open", "line": {"width": 1.5}}
    text = [f"trial {item.source} {time_step.AT_STEP}: {score}"]
    x = [score_text.shown(spec, item.step_mean)]
    return [markers(x, [row + 0.12], text, name=f"mean {time_step.AT_STEP}", marker=marker)]


def _confirmed_hover(spec: StudySpec, item: Confirmation) -> str:
    value = words.point_text(spec, item.mean, item.std, item.cost)
    text = f"trial {item.source} confirmed: {value}<br>{len(item.scores)} fresh seeds, test half"
    return f"{text}<br>{beside}" if (beside := time_step.beside(spec, item)) else text
