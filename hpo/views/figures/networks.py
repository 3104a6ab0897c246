"""Figures of trained networks: learning curves, scores on fresh seeds, a confusion
matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpo.contract.facts import PER_EPOCH
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREEN, GREY, ORANGE, PAPER
from hpo.views.sentences import formatting

MAX_CURVES, MAX_CURVE_POINTS, MAX_MEMBERS = 100, 200, 10
BEST_COLOURS = (BLUE, ORANGE, GREEN)


def learning_curves(result: Result, value: str = "") -> go.Figure:
    """Draw learning curves: the best trials member by member, a sample of the others in
    grey.

    ``value`` names what is drawn in place of the score, of ``Outcome.per_epoch``.
    """
    spec = result.spec
    figure = style.style(go.Figure(), height=460 if not value else 320)
    best = [trial for trial in result.ranking if _curves(spec, trial, value)][
        : len(BEST_COLOURS)
    ]
    numbers = {trial.number for trial in best}
    others = [
        s for s in result.search if s.number not in numbers and _curves(spec, s, value)
    ]
    if others:
        some = [others[i] for i in style.sample(len(others), MAX_CURVES)]
        means = [_mean_curve(_curves(spec, trial, value)) for trial in some]
        grey = _thinned(
            spec, means, GREY, 0.8, name="other trials", hoverinfo="skip", opacity=0.6
        )
        figure.add_trace(grey)
    for trial, colour in reversed(list(zip(best, BEST_COLOURS, strict=False))):
        figure.add_traces(_of_best(spec, trial, colour, value))
    if not value:
        style.add_references(figure, result)
    label = style.safe(formatting.parameter_label(value)) or formatting.metric(spec)
    figure.update_layout(xaxis_title_text="epoch", yaxis_title_text=label)
    return figure.update_layout(legend_traceorder="reversed")


def _of_best(
    spec: StudySpec, trial: Trial, colour: str, value: str
) -> list[go.Scatter]:
    """Return a thin line per member and a thick one for their mean."""
    curves = _curves(spec, trial, value)
    score = formatting.point_text(spec, trial.score or 0.0, None, trial.costs)
    name = f"trial {trial.number}: {score}"
    members = _thinned(
        spec, curves[:MAX_MEMBERS], colour, 1, name=name, legendgroup=name
    )
    members.update(showlegend=False, opacity=0.6, hoverinfo="skip")
    mean = _thinned(spec, [_mean_curve(curves)], colour, 3, name=name, legendgroup=name)
    mean.update(hovertemplate=f"{name}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>")
    return [members, mean]


def _curves(spec: StudySpec, trial: Trial, value: str) -> list[list[float]]:
    """Return the curves of the finished members; without any, the scores of the first
    member.

    These are a trial's first steps, see ``pruning.TrialProgress``.
    """
    if value:
        return [
            [*c] for m in trial.members if (c := m.info.get(PER_EPOCH, {}).get(value))
        ]
    curves = [m.curve for m in trial.members if m.curve] or [
        trial.steps[: spec.budget.scores]
    ]
    finite = [
        [formatting.shown(spec, v) for v in curve if math.isfinite(v)]
        for curve in curves
    ]
    return [curve for curve in finite if curve]


def _mean_curve(curves: list[list[float]]) -> list[float]:
    return [
        sum(v / len(values) for v in values) for values in zip(*curves, strict=False)
    ]


def _thinned(
    spec: StudySpec, curves: list[list[float]], colour: str, width: float, **look: Any
) -> go.Scatter:
    """Return curves as one line with gaps, each with at most ``MAX_CURVE_POINTS``
    points."""
    x: list[float | None] = []
    y: list[float | None] = []
    for curve in curves:
        places = sorted({0, *style.sample(len(curve), MAX_CURVE_POINTS)})
        x += [*(spec.budget.epochs_at(place + 1) for place in places), None]
        y += [*(curve[place] for place in places), None]
    line = {"color": colour, "width": width}
    return go.Scatter(x=x[:-1], y=y[:-1], mode="lines", line=line, **look)


# --- confirmed on fresh seeds ---


def confirmed(result: Result) -> go.Figure:
    """Draw fresh-seed scores of confirmed trials against the search's claim, a row for
    each.

    The fresh seeds are dots, spread a little.
    """
    spec, items = result.spec, [c for c in result.confirmations if c.scores]
    figure = style.style(go.Figure(), height=170 + 70 * max(1, len(items)))
    seeds = [
        style.Spot(
            row - 0.1 * (i % 3) - 0.12, formatting.shown(spec, score), f"fresh seed {i}"
        )
        for row, item in enumerate(items)
        for i, score in enumerate(item.scores)
    ]
    means = [style.confirmed(spec, item, row + 0.12) for row, item in enumerate(items)]
    claims = [style.claimed(spec, item, row + 0.12) for row, item in enumerate(items)]
    dots = {"color": GREEN, "size": 8, "opacity": 0.55}
    for spots, name, marker in (
        (seeds, "fresh seed, test set", dots),
        (means, "mean ± std", style.CONFIRMED),
        (claims, "claimed by the search", style.CLAIMED),
    ):
        figure.add_trace(style.markers(spots, name=name, marker=marker, across=True))
    labels = [
        f"trial {c.source}, {formatting.quantities(spec.named_costs(c.costs))}".rstrip(
            ", "
        )
        for c in items
    ]
    figure.update_yaxes(range=[len(items) - 0.4, -0.6], showgrid=False)
    figure.update_yaxes(
        tickvals=[*range(len(items))], ticktext=[*map(style.safe, labels)]
    )
    figure.update_xaxes(title_text=formatting.metric(spec))
    style.add_references(figure, result, vertical=True)
    return figure


# --- confusion matrix ---


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of test series by true and predicted class."""

    classes: Sequence[str]
    read_as: Sequence[str]
    """The predicted classes; an empty text stands for outputs that are not finite."""
    counts: Sequence[Sequence[int]]
    """Number of series, (classes, read_as)."""


def confusion(matrix: Confusion) -> go.Figure:
    """Draw series by class (down) and predicted class (across), coloured by share of a
    class."""
    shares = [[100 * n / max(1, sum(row)) for n in row] for row in matrix.counts]
    names = [style.safe(name) for name in matrix.classes]
    across = [style.safe(name) or "not finite" for name in matrix.read_as]
    figure = style.style(go.Figure(), height=120 + min(30 * len(names), 780))
    cells = go.Heatmap(
        z=shares, zmin=0, zmax=100, x=across, y=names, showscale=False, xgap=1, ygap=1
    )
    cells.update(colorscale=[[0, PAPER], [1, BLUE]], customdata=matrix.counts)
    cells.update(
        hovertemplate=(
            "%{y} predicted as %{x}: %{customdata} (%{z:.3g} %)<extra></extra>"
        )
    )
    if len(names) <= 26:  # more leave no room for numbers
        cells.update(text=[[str(n or "") for n in row] for row in matrix.counts])
        cells.update(texttemplate="%{text}")
    figure.add_trace(cells).update_layout(margin_b=50)
    figure.update_xaxes(type="category", title_text="predicted class", showgrid=False)
    figure.update_yaxes(
        type="category", title_text="class", showgrid=False, autorange="reversed"
    )
    return figure
