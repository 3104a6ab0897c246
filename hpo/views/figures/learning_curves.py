"""The learning curves of a study."""

from __future__ import annotations

import math
import statistics
from typing import Any

import plotly.graph_objects as go

from hpo.study.effort import after, ending
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views import formatting
from hpo.views.figures.style import ENDINGS, Spot, add_reported_band, markers, sample, style
from hpo.views.palette import BLUE, GREEN, GREY, ORANGE

MAX_CURVES, MAX_CURVE_POINTS, MAX_MEMBERS = 100, 200, 10
BEST_COLOURS = (BLUE, ORANGE, GREEN)


def learning_curves(result: Result) -> go.Figure:
    """Score after each epoch: the best trials member by member, a sample of the others in grey."""
    spec = result.spec
    figure = style(go.Figure(), height=460)
    best = [trial for trial in result.ranking if _curves(spec, trial)][: len(BEST_COLOURS)]
    numbers = {trial.number for trial in best}
    others = [s for s in result.search if s.number not in numbers and _curves(spec, s)]
    _add_grey_curves(figure, spec, sample(others, MAX_CURVES))
    for trial, colour in reversed(list(zip(best, BEST_COLOURS, strict=False))):
        _add_best_curves(figure, spec, trial, colour)
    add_reported_band(figure, spec)
    figure.update_layout(xaxis_title_text="epoch", yaxis_title_text=formatting.metric(spec))
    return figure.update_layout(legend_traceorder="reversed")


def _add_best_curves(figure: go.Figure, spec: StudySpec, trial: Trial, colour: str) -> None:
    """A thin line per member and a thick one for their mean."""
    curves = _curves(spec, trial)
    score = formatting.point_text(spec, trial.score or 0.0, None, trial.costs)
    name = f"trial {trial.number}: {score}"
    members = _line(curves[:MAX_MEMBERS], colour, 1, name=name, legendgroup=name)
    members.update(showlegend=False, opacity=0.6, hoverinfo="skip")
    mean = _line([_mean_curve(curves)], colour, 3, name=name, legendgroup=name)
    mean.update(hovertemplate=f"{name}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>")
    figure.add_traces([members, mean])


def _add_grey_curves(figure: go.Figure, spec: StudySpec, trials: list[Trial]) -> None:
    """One line per trial, the mean of its networks, and a mark where it was ended early."""
    if not trials:
        return
    curves = {trial.number: _mean_curve(_curves(spec, trial)) for trial in trials}
    others = _line(list(curves.values()), GREY, 0.8, name="other trials", hoverinfo="skip")
    figure.add_trace(others.update(opacity=0.6))
    for how, symbol in ENDINGS.items():
        ends = []
        for trial in trials:
            curve, text = curves[trial.number], f"{how} after {after(spec, trial)}"
            if ending(spec, trial) == how:
                ends.append(Spot(len(curve), curve[-1], f"trial {trial.number}: {text}"))
        marker = {"color": GREY, "size": 6, "symbol": symbol}
        if ends:
            figure.add_trace(markers(ends, name=how, marker=marker))


def _curves(spec: StudySpec, trial: Trial) -> list[list[float]]:
    """Curves of the finished members; of a trial that has none, what its first one reported.

    See ``pruning.Timeline``: a trial's first steps are the epochs of its first member.
    """
    found = [m.curve for m in trial.members if m.curve] or [trial.steps[: spec.budget.epochs]]
    finite = [[formatting.shown(spec, v) for v in curve if math.isfinite(v)] for curve in found]
    return [curve for curve in finite if curve]


def _mean_curve(curves: list[list[float]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*curves, strict=False)]


def _line(curves: list[list[float]], colour: str, width: float, **look: Any) -> go.Scatter:
    """Curves as one line with gaps, thinned to a bounded number of points each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for curve in curves:
        epochs = sorted({0, *sample(range(len(curve)), MAX_CURVE_POINTS)}) if curve else []
        x += [*(epoch + 1 for epoch in epochs), None]
        y += [*(curve[epoch] for epoch in epochs), None]
    line = {"color": colour, "width": width}
    return go.Scatter(x=x[:-1], y=y[:-1], mode="lines", line=line, **look)
