"""Figures of trained networks: learning curves, scores on fresh seeds, a confusion
matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import plotly.graph_objects as go

from hpo.contract.facts import PER_EPOCH
from hpo.study.networks import Member
from hpo.study.result import Result
from hpo.study.splits import SplitScores
from hpo.study.trials import Trial
from hpo.views.figures import style
from hpo.views.figures.palette import BLUE, GREEN, GREY, ORANGE, PAPER
from hpo.views.figures.plotted import Plotted
from hpo.views.figures.style import Spot
from hpo.views.sentences.formatting import (
    parameter_label,
    point_text,
    quantities,
    shown,
)
from hpo.views.sentences.splits import split_text

MAX_CURVES = 100
MAX_CURVE_POINTS = 200
MAX_MEMBERS = 10
BEST_COLOURS = (BLUE, ORANGE, GREEN)
_SEEDS = {"color": GREEN, "size": 8, "opacity": 0.55}
Curve = list[tuple[int, float]]
"""Values by epoch."""


def has_curves(result: Result) -> bool:
    """Return whether any learning curve has two points."""
    for trial in result.snapshot.with_all_steps:
        epochs = {step.epoch for step in trial.steps if step.network == 0}
        if len(epochs) > 1 or any(len(one.scored_at) > 1 for one in trial.members):
            return True
    return False


def learning_curves(plotted: Plotted, value: str = "") -> go.Figure:
    """Draw learning curves: the best trials member by member, a sample of the others in
    grey.

    ``value`` names what is drawn in place of the score, of ``Outcome.per_epoch``.
    """
    figure = style.style(go.Figure(), height=320 if value else 460)
    result = plotted.result
    read = {trial.number: trial for trial in result.snapshot.with_all_steps}
    ranking = (trial for trial in result.ranking if trial.number in read)
    with_curves = (t for t in ranking if _curves(plotted, t, value))
    best = list(islice(with_curves, len(BEST_COLOURS)))
    drawn = {trial.number for trial in best}
    others = [t for t in read.values() if t.number not in drawn and _reports(t)]
    some = [others[i] for i in style.sample(len(others), MAX_CURVES)]
    known = [own for trial in some if (own := _curves(plotted, trial, value))]
    if known:
        grey = _thinned([_mean_curve(own) for own in known], GREY, 0.8)
        grey.update(name="other trials", hoverinfo="skip", opacity=0.6)
        figure.add_trace(grey)
    for trial, colour in reversed(list(zip(best, BEST_COLOURS, strict=False))):
        own = _curves(plotted, trial, value)
        figure.add_traces(_of_best(plotted, trial, own, colour))
    if not value:
        style.add_lines(figure, plotted.references)
    label = style.safe(parameter_label(value)) if value else plotted.metric
    figure.update_layout(xaxis_title_text=_axis(plotted), yaxis_title_text=label)
    return figure.update_layout(legend_traceorder="reversed")


def _axis(plotted: Plotted) -> str:
    """Return what learning curves are drawn against."""
    return "epoch" if plotted.spec.has_class else "step"


def _of_best(
    plotted: Plotted, trial: Trial, curves: list[Curve], colour: str
) -> list[go.Scatter]:
    """Return a thin line per member and a thick one for their mean."""
    score = point_text(plotted.spec, trial.score or 0.0, None, trial.costs)
    name = f"trial {trial.number}: {score}"
    members = _thinned(curves[:MAX_MEMBERS], colour, 1)
    members.update(showlegend=False, opacity=0.6, hoverinfo="skip")
    mean = _thinned([_mean_curve(curves)], colour, 3)
    mean.update(
        hovertemplate=f"{name}<br>{_axis(plotted)} %{{x}}: %{{y:.4g}}<extra></extra>"
    )
    return [trace.update(name=name, legendgroup=name) for trace in (members, mean)]


def _reports(trial: Trial) -> bool:
    """Return whether a trial has reported anything that a curve could show."""
    return bool(trial.steps or trial.members)


def _curves(plotted: Plotted, trial: Trial, value: str) -> list[Curve]:
    """Return the curves of the finished members; without any, the scores of the first
    member, which are a trial's first steps."""
    if value:
        curves = [_value_curve(member, value) for member in trial.members]
        return [curve for curve in curves if curve]
    curves = [list(zip(m.scored_at, m.curve, strict=True)) for m in trial.members]
    if not any(curves):
        first = [step for step in trial.steps if step.network == 0]
        curves = [[(step.epoch, step.score) for step in first]]
    own = [_shown_curve(plotted, curve) for curve in curves]
    return [curve for curve in own if curve]


def _value_curve(member: Member, value: str) -> Curve:
    """Return a further value of a network, by epoch; empty if it has none."""
    values = member.info.get(PER_EPOCH, {}).get(value, ())
    epochs = member.scored_at or range(1, len(values) + 1)
    return list(zip(epochs, values, strict=False))


def _shown_curve(plotted: Plotted, curve: Curve) -> Curve:
    finite = [point for point in curve if math.isfinite(point[1])]
    return [(epoch, shown(plotted.spec, score)) for epoch, score in finite]


def _mean_curve(curves: list[Curve]) -> Curve:
    mean = []
    for points in zip(*curves, strict=False):
        values = [value / len(points) for _, value in points]
        mean.append((points[0][0], sum(values)))
    return mean


def _thinned(curves: list[Curve], colour: str, width: float) -> go.Scatter:
    """Return curves as one line with gaps, each with at most ``MAX_CURVE_POINTS``
    points."""
    x: list[float | None] = []
    y: list[float | None] = []
    for curve in curves:
        if x:
            x.append(None)
            y.append(None)
        for place in sorted({0, *style.sample(len(curve), MAX_CURVE_POINTS)}):
            epoch, value = curve[place]
            x.append(epoch)
            y.append(value)
    line = {"color": colour, "width": width}
    return go.Scatter(x=x, y=y, mode="lines", line=line)


# --- confirmed on fresh seeds ---


def confirmed(plotted: Plotted) -> go.Figure:
    """Draw fresh-seed scores of confirmed trials against the search's claim, a row for
    each, and below it one for each of its splits.

    The fresh seeds are dots, spread a little.
    """
    spec = plotted.spec
    seeds: list[Spot] = []
    means = []
    claims = []
    labels: list[str] = []
    for item in plotted.result.tested:
        row = len(labels)
        means.append(plotted.confirmed(item, row + 0.12))
        claims.append(plotted.claim(item, row + 0.12))
        label = f"trial {item.source}"
        if item.costs:
            label += f", {quantities(spec.named_costs(item.costs))}"
        labels.append(style.safe(label))
        if not item.splits:
            seeds += _seeds(plotted, item.scores, row)
        for split in item.splits:
            row = len(labels)
            seeds += _seeds(plotted, split.scores, row)
            means.append(_split_mean(plotted, split, row + 0.12))
            labels.append(f"split {split.number}")
    figure = style.style(go.Figure(), height=170 + 70 * max(1, len(labels)))
    seed = "fresh seed, test set" if spec.has_class else "fresh seed"
    for spots, name, marker in (
        (seeds, seed, _SEEDS),
        (means, "mean ± std", style.CONFIRMED),
        (claims, "claimed by the search", style.CLAIMED),
    ):
        figure.add_trace(style.markers(spots, name=name, marker=marker, across=True))
    figure.update_yaxes(range=[len(labels) - 0.4, -0.6], showgrid=False)
    figure.update_yaxes(tickvals=list(range(len(labels))), ticktext=labels)
    figure.update_xaxes(title_text=plotted.metric)
    style.add_lines(figure, plotted.references, vertical=True)
    return figure


def _seeds(plotted: Plotted, scores: Sequence[float], row: int) -> list[Spot]:
    """Return the fresh seeds of a row."""
    spots = []
    for i, score in enumerate(scores):
        at = row - 0.1 * (i % 3) - 0.12
        spots.append(Spot(at, shown(plotted.spec, score), f"fresh seed {i}"))
    return spots


def _split_mean(plotted: Plotted, split: SplitScores, at: float) -> Spot:
    spec = plotted.spec
    text = f"split {split.number}: {split_text(spec, split)}"
    std = 0.0
    if len(split.scores) > 1:
        std = shown(spec, split.std)
    return Spot(at, shown(spec, split.mean), text, std)


# --- confusion matrix ---


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of test series by true and predicted class."""

    classes: Sequence[str]
    read_as: Sequence[str]
    """The predicted classes; an empty text stands for outputs that are not finite."""
    counts: Sequence[Sequence[int]]
    """Number of series, (classes, read_as)."""

    @property
    def total(self) -> int:
        """Number of series."""
        return sum(map(sum, self.counts))

    @property
    def correct(self) -> int:
        """Number of series that are read as their class."""
        return sum(row[i] for i, row in enumerate(self.counts))


def confusion(matrix: Confusion) -> go.Figure:
    """Draw series by class (down) and predicted class (across), coloured by share of a
    class."""
    shares = []
    numbers = []
    for row in matrix.counts:
        shares.append([100 * n / max(1, sum(row)) for n in row])
        numbers.append([str(n or "") for n in row])
    names = [style.safe(name) for name in matrix.classes]
    across = [style.safe(name) or "not finite" for name in matrix.read_as]
    figure = style.style(go.Figure(), height=120 + min(30 * len(names), 780))
    hover = "%{y} predicted as %{x}: %{customdata} (%{z:.3g} %)<extra></extra>"
    look: dict[str, Any] = {"zmin": 0, "zmax": 100, "xgap": 1, "ygap": 1}
    if len(names) <= 26:  # more leave no room for numbers
        look["text"] = numbers
        look["texttemplate"] = "%{text}"
    cells = go.Heatmap(
        z=shares,
        x=across,
        y=names,
        customdata=matrix.counts,
        colorscale=[[0, PAPER], [1, BLUE]],
        showscale=False,
        hovertemplate=hover,
        **look,
    )
    figure.add_trace(cells).update_layout(margin_b=50)
    figure.update_xaxes(type="category", title_text="predicted class", showgrid=False)
    figure.update_yaxes(type="category", title_text="class", showgrid=False)
    return figure.update_yaxes(autorange="reversed")
