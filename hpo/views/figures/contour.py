"""The posterior mean of the score over two parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from hpo.study.dimensions import Dimension, spaced
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Past, Suggestion, Trial
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GRID, INK
from hpo.views.figures.parameters import STAR, axis
from hpo.views.figures.plotted import Plotted
from hpo.views.sentences import verdict
from hpo.views.sentences.formatting import shown

MOST = 200
"""The most complete trials of a contour in a report: 200 take two seconds of CPU."""
_POINTS = 30
"""Points of the grid along a range."""
_TRIAL = {"color": INK, "size": 6, "opacity": 0.7}


def contour(plotted: Plotted, x: str, y: str) -> go.Figure:
    """Draw the posterior mean over parameters x and y, and the trials.

    The Gaussian process is fitted to the complete trials; the other parameters have
    the values of the best trial, which has to be there.
    """
    spec = plotted.spec
    across = _grid(spec, x)
    upward = _grid(spec, y)
    surface = go.Contour(
        x=[style.position(value) for value in across],
        y=[style.position(value) for value in upward],
        z=_posterior_mean(plotted, plotted.result.contenders, (x, y), (across, upward)),
        colorscale=[[0, GRID], [1, BLUE]],
        reversescale=not spec.maximize,
        contours_coloring="heatmap",
        line_width=0.5,
        colorbar={"title": {"text": style.safe(plotted.metric)}, "thickness": 12},
        hovertemplate="posterior mean %{z:.4g}<extra></extra>",
        name="posterior mean",
    )
    figure = style.style(go.Figure(surface), height=480)
    best = plotted.result.best
    others = [one for one in plotted.result.contenders if one is not best]
    figure.add_trace(_markers(plotted, others, (x, y), "trial", _TRIAL))
    if best is not None:
        name = verdict.named(plotted.result)
        figure.add_trace(_markers(plotted, [best], (x, y), name, STAR))
    figure.update_xaxes(**axis(spec, x))
    return figure.update_yaxes(**axis(spec, y))


def _grid(spec: StudySpec, name: str) -> list[ParamValue]:
    """Return values of a parameter, evenly spaced on its axis."""
    dimension: Dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return list(dimension.choices)
    if spec.is_integer(name) and dimension.size <= _POINTS:
        return dimension.grid
    low, high = dimension.ends
    values = spaced(low, high, _POINTS, log=dimension.log)
    if spec.is_integer(name):
        return list(dict.fromkeys(map(round, values)))
    return list(values)


def _posterior_mean(
    plotted: Plotted,
    trials: Sequence[Trial],
    names: tuple[str, str],
    values: tuple[Sequence[ParamValue], Sequence[ParamValue]],
) -> list[list[float]]:
    """Return the scores at each point of the grid, (rows, columns)."""
    from hpo.search.surrogate import predict_at

    best = plotted.result.best
    assert best is not None
    past = [
        Past(
            suggestion=Suggestion(params=trial.params),
            state=trial.state,
            score=trial.score,
            costs=trial.costs,
        )
        for trial in trials
    ]
    x, y = names
    across, upward = values
    points = [{**best.params, x: column, y: row} for row in upward for column in across]
    scores = predict_at(plotted.spec, past, points)
    grid = shown(plotted.spec, 1.0) * np.reshape(scores, (len(upward), len(across)))
    rows: list[list[float]] = grid.tolist()
    return rows


def _markers(
    plotted: Plotted,
    trials: Sequence[Trial],
    names: tuple[str, str],
    label: str,
    marker: dict[str, Any],
) -> go.Scatter:
    """Return the trials that have both parameters, at their places."""
    x, y = names
    there = [trial for trial in trials if x in trial.params and y in trial.params]
    return go.Scatter(
        x=[style.position(trial.params[x]) for trial in there],
        y=[style.position(trial.params[y]) for trial in there],
        text=[plotted.hover(trial) for trial in there],
        mode="markers",
        name=label,
        marker=marker,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
