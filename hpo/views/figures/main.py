"""The main figure of a study, by the kind of its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go

from hpo.study.result import Front, Result, Search, Sweep
from hpo.views.figures import convergence, declared, front, score_map
from hpo.views.figures.plotted import Plotted

Results = Sequence[Result]


def declared_figure(result: Result, others: Results = ()) -> go.Figure | None:
    """Return the figure that a study declares: a map, curves or a scatter; None if it
    declares none, and is neither a sweep nor a grid of two parameters."""
    own = score_map.score_map(result)
    if own is not None:
        return score_map.figure(own)
    chart = declared.chart(result, others)
    if chart is None:
        return None
    return declared.figure(chart)


def _of_search(result: Result, others: Results) -> go.Figure:
    return convergence.convergence(Plotted(result))


def _of_front(result: Result, others: Results) -> go.Figure:
    return front.figure(Plotted(result))


_DRAW: Mapping[type[Result], Callable[[Result, Results], go.Figure | None]] = {
    Search: _of_search,
    Front: _of_front,
    Sweep: declared_figure,
}


def of_study(result: Result, others: Results = ()) -> go.Figure | None:
    """Return the main figure of a study: of a sweep, a front, or the convergence of a
    search."""
    return _DRAW[type(result)](result, others)


def without_buttons(result: Result, others: Results = ()) -> go.Figure | None:
    """Return the same with the first axis of a convergence alone."""
    drawn = of_study(result, others)
    if drawn is not None and result.converges:
        drawn.data = [trace for trace in drawn.data if trace.visible]
        drawn.update_layout(updatemenus=(), title_text="Convergence", margin_t=60)
    return drawn
