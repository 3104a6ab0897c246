"""The convergence of a search against trial number, epochs of training or time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import plotly.graph_objects as go

from hpo.study.effort import ending
from hpo.study.trials import SlotState
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, INK
from hpo.views.figures.plotted import Clock, Plotted, count_drawn
from hpo.views.figures.style import Spot
from hpo.views.sentences.formatting import cut, last_line

_CROSS = {
    "color": INK,
    "size": 8,
    "symbol": "x-thin",
    "line": {"width": 2, "color": INK},
}
_MENU = {
    "type": "buttons",
    "x": 0,
    "xanchor": "left",
    "y": 1.02,
    "yanchor": "bottom",
    "direction": "right",
}


def convergence(plotted: Plotted) -> go.Figure:
    """Draw every trial's score and the best so far; references as in
    ``Plotted.references``.

    Each clock has its own traces; those of the first clock are visible.
    """
    clocks = list(plotted.clocks)
    if not plotted.spec.has_class:
        del clocks[1]  # it has no epochs
    figure = style.style(go.Figure(), height=480)
    for clock in clocks:
        for trace in _traces(plotted, clock):
            if len(trace.x):
                trace.update(meta=clock.name, visible=clock is clocks[0])
                figure.add_trace(trace)
    figure.update_xaxes(title_text=clocks[0].title)
    figure.update_yaxes(title_text=plotted.metric, range=list(plotted.view))
    style.add_lines(figure, plotted.references)
    menus = [_menu(figure, clocks)] if figure.data else []
    return figure.update_layout(updatemenus=menus)


def _traces(plotted: Plotted, clock: Clock) -> Iterator[go.Scatter]:
    """Yield scored trials, the best so far, and beyond its end claims and confirmed
    scores.

    Failed trials and scores off the scale stand at the edge of the plot.
    """
    for how, symbol in style.ENDINGS.items():
        spots = [
            plotted.spot(trial, clock.at[trial.number])
            for trial in plotted.drawn
            if ending(plotted.spec, trial) == how
        ]
        marker = {"color": BLUE, "opacity": 0.75, "size": 7, "symbol": symbol}
        yield style.markers(spots, name=how or "complete trial", marker=marker)
    yield style.markers(_failed(plotted, clock), name="failed", marker=_CROSS)
    best = plotted.best_so_far(clock)
    line = style.steps(best, clock.end, line_color=INK, line_width=2.2)
    yield line.update(name="best so far", hoverinfo="skip")
    step = 0.035 * (clock.end or 1.0)
    claims = []
    means = []
    for i, item in enumerate(plotted.result.tested, start=1):
        claims.append(plotted.claim(item, clock.end + step * i))
        means.append(plotted.confirmed(item, clock.end + step * i))
    yield style.markers(claims, name="claimed by the search", marker=style.CLAIMED)
    yield style.markers(means, name="confirmed on fresh seeds", marker=style.CONFIRMED)


def _failed(plotted: Plotted, clock: Clock) -> list[Spot]:
    failed = [t for t in plotted.result.search if t.state == SlotState.FAILED]
    spots = []
    for i in style.sample(len(failed), count_drawn(len(failed))):
        trial = failed[i]
        why = style.safe(cut(last_line(trial.message), 120))
        text = f"trial {trial.number} failed<br>{why}"
        spots.append(Spot(clock.at[trial.number], plotted.worst, text))
    return spots


def _menu(figure: go.Figure, clocks: Sequence[Clock]) -> dict[str, Any]:
    """Return buttons that switch between trial number, epochs and time."""
    buttons = []
    for clock in clocks:
        visible = [trace.meta == clock.name for trace in figure.data]
        axis = {"xaxis.title.text": clock.title, "xaxis.autorange": True}
        change = [{"visible": visible}, axis]
        buttons.append({"label": clock.name, "method": "update", "args": change})
    return {**_MENU, "buttons": buttons}
