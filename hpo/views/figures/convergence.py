"""The convergence of a search against trial number, epochs of training or time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.study.effort import ending
from hpo.study.result import Result
from hpo.study.trials import SlotState
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, INK
from hpo.views.figures.scores import (
    Clock,
    axis_score,
    clocks,
    focus,
    incumbents,
    scored,
)
from hpo.views.sentences import formatting


def convergence(result: Result) -> go.Figure:
    """Draw every trial's score and the best so far; references as in
    ``add_references``.

    Each clock has its own traces; those of the first clock are visible.
    """
    axes, view = clocks(result), focus(result)
    figure = style.style(go.Figure(), height=480)
    for clock in axes:
        for trace in _traces(result, clock, view):
            if len(trace.x):
                figure.add_trace(
                    trace.update(meta=clock.name, visible=clock is axes[0])
                )
    figure.update_xaxes(title_text=axes[0].title)
    figure.update_yaxes(title_text=formatting.metric(result.spec), range=list(view))
    style.add_references(figure, result)
    return figure.update_layout(
        updatemenus=[_menu(figure, axes)] if figure.data else []
    )


def _traces(
    result: Result, clock: Clock, view: tuple[float, float]
) -> Iterator[go.Scatter]:
    """Yield scored trials, the best so far, and beyond its end claims and confirmed
    scores.

    Failed trials and scores off the scale stand at the edge of the plot.
    """
    spec, trials, at = result.spec, scored(result), clock.at
    look: dict[str, Any] = {"color": BLUE, "opacity": 0.75, "size": 7}
    for how, symbol in ((None, "circle"), *style.ENDINGS.items()):
        some = [
            style.spot(spec, t, at[t.number], view)
            for t in trials
            if ending(spec, t) == how
        ]
        name, marker = how or "complete trial", {**look, "symbol": symbol}
        yield style.markers(some, name=name, marker=marker)
    crosses, worst = [], view[0] if spec.maximize else view[1]
    for trial in (t for t in result.search if t.state == SlotState.FAILED):
        why = style.safe(formatting.cut(formatting.last_line(trial.message), 120))
        crosses.append(
            style.Spot(at[trial.number], worst, f"trial {trial.number} failed<br>{why}")
        )
    cross = {
        "color": INK,
        "size": 8,
        "symbol": "x-thin",
        "line": {"width": 2, "color": INK},
    }
    yield style.markers(crosses, name="failed", marker=cross)
    best = incumbents(result, clock)
    x, y = (
        [at[trial.number] for trial in best],
        [axis_score(spec, trial) for trial in best],
    )
    line = style.steps(x, y, clock.end, line_color=INK, line_width=2.2)
    yield line.update(name="best so far", hoverinfo="skip")
    items, step = (
        [c for c in result.confirmations if c.scores],
        0.035 * (clock.end or 1.0),
    )
    beyond = [(item, clock.end + step * (i + 1)) for i, item in enumerate(items)]
    claims = [style.claimed(spec, item, x) for item, x in beyond]
    yield style.markers(claims, name="claimed by the search", marker=style.CLAIMED)
    means = [style.confirmed(spec, item, x) for item, x in beyond]
    yield style.markers(means, name="confirmed on fresh seeds", marker=style.CONFIRMED)


def _menu(figure: go.Figure, axes: Sequence[Clock]) -> dict[str, Any]:
    """Return buttons that switch between trial number, epochs and time."""
    buttons = []
    for clock in axes:
        visible = {"visible": [trace.meta == clock.name for trace in figure.data]}
        axis = {"xaxis.title.text": clock.title, "xaxis.autorange": True}
        buttons.append(
            {"label": clock.name, "method": "update", "args": [visible, axis]}
        )
    place = {
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "direction": "right",
    }
    return {"type": "buttons", "buttons": buttons, **place}
