"""Figures of trained networks: learning curves, scores on fresh seeds, what one reads."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpo.study.effort import after, ending
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.trials import Trial
from hpo.views import caveats, formatting
from hpo.views.figures import style as look
from hpo.views.figures.style import (
    CLAIMED,
    CONFIRMED,
    ENDINGS,
    Spot,
    add_reported_band,
    markers,
    safe,
    sample,
    style,
)
from hpo.views.palette import BLUE, GREEN, GREY, ORANGE, PAPER

MAX_CURVES, MAX_CURVE_POINTS, MAX_MEMBERS = 100, 200, 10
BEST_COLOURS = (BLUE, ORANGE, GREEN)
MAX_TEXT = 26
"""Of more classes, cells of a confusion matrix have no numbers but where the pointer is."""


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
    members = _thinned(curves[:MAX_MEMBERS], colour, 1, name=name, legendgroup=name)
    members.update(showlegend=False, opacity=0.6, hoverinfo="skip")
    mean = _thinned([_mean_curve(curves)], colour, 3, name=name, legendgroup=name)
    mean.update(hovertemplate=f"{name}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>")
    figure.add_traces([members, mean])


def _add_grey_curves(figure: go.Figure, spec: StudySpec, trials: list[Trial]) -> None:
    """One line per trial, the mean of its networks, and a mark where it was ended early."""
    if not trials:
        return
    curves = {trial.number: _mean_curve(_curves(spec, trial)) for trial in trials}
    others = _thinned(list(curves.values()), GREY, 0.8, name="other trials", hoverinfo="skip")
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


def _thinned(curves: list[list[float]], colour: str, width: float, **look: Any) -> go.Scatter:
    """Curves as one line with gaps, thinned to a bounded number of points each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for curve in curves:
        epochs = sorted({0, *sample(range(len(curve)), MAX_CURVE_POINTS)}) if curve else []
        x += [*(epoch + 1 for epoch in epochs), None]
        y += [*(curve[epoch] for epoch in epochs), None]
    line = {"color": colour, "width": width}
    return go.Scatter(x=x[:-1], y=y[:-1], mode="lines", line=line, **look)


# --- confirmed on fresh seeds ---------------------------------------------------------------------


def confirmed(result: Result) -> go.Figure:
    """Fresh-seed scores of confirmed configurations against the search's claim, a row for each.

    The fresh seeds are dots, spread a little. Where the mean at the study's own integration step is
    not what is claimed, it is there, faint.
    """
    spec, found = result.spec, [c for c in result.confirmations if c.scores]
    figure = style(go.Figure(), height=170 + 70 * max(1, len(found)))
    seeds, stepped = [], []
    for row, item in enumerate(found):
        for i, score in enumerate(item.scores):
            text = f"fresh seed {i}: {formatting.score_text(spec, score)}"
            seeds.append(Spot(row - 0.1 * (i % 3) - 0.12, formatting.shown(spec, score), text))
        if item.checked:
            text = formatting.score_text(spec, item.step_mean, item.step_std)
            text = f"trial {item.source} {caveats.AT_STEP}: {text}"
            stepped.append(Spot(row + 0.12, formatting.shown(spec, item.step_mean), text))
    dots = {"color": GREEN, "size": 8, "opacity": 0.55}
    faint = {"color": GREY, "size": 11, "symbol": "diamond-open", "line": {"width": 1.5}}
    means = [look.confirmed(spec, item, row + 0.12) for row, item in enumerate(found)]
    claims = [look.claimed(spec, item, row + 0.12) for row, item in enumerate(found)]
    for spots, name, marker in (
        (seeds, "fresh seed, test part", dots),
        (means, "mean ± std", CONFIRMED),
        (claims, "claimed by the search", CLAIMED),
        (stepped, f"mean {caveats.AT_STEP}", faint),
    ):
        if spots:
            figure.add_trace(markers(spots, name=name, marker=marker, across=True))
    costs = [formatting.quantities(spec.named_costs(item.costs)) for item in found]
    labels = [
        f"trial {c.source}, {cost}".rstrip(", ") for c, cost in zip(found, costs, strict=True)
    ]
    rows = {"tickvals": [*range(len(found))], "ticktext": [*map(safe, labels)], "showgrid": False}
    figure.update_yaxes(range=[len(found) - 0.4, -0.6], **rows)
    figure.update_xaxes(title_text=formatting.metric(spec))
    add_reported_band(figure, spec, vertical=True)
    return figure


# --- how a network reads the test part ------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of the series of the test part."""

    classes: Sequence[str]
    read_as: Sequence[str]
    """The classes, and an empty text for what was not finite, if there was any."""
    counts: Sequence[Sequence[int]]
    """Series by class, and by what they were read as, (classes, read_as)."""

    @property
    def right(self) -> int:
        """Series that were read as what they are."""
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def total(self) -> int:
        """All series."""
        return sum(map(sum, self.counts))

    def errors(self, most: int) -> list[tuple[str, str, int]]:
        """What is most often read wrongly: class, what it is read as, and how often."""
        found = [
            (name, other, count)
            for name, row in zip(self.classes, self.counts, strict=True)
            for other, count in zip(self.read_as, row, strict=True)
            if other != name and count
        ]
        return sorted(found, key=lambda error: -error[2])[:most]


def confusion(found: Confusion) -> go.Figure:
    """Series by class (down) and what they were read as (across), coloured by share of a class."""
    shares = [[100 * n / max(1, sum(row)) for n in row] for row in found.counts]
    names = [safe(name) for name in found.classes]
    across = [safe(name) or "nothing finite" for name in found.read_as]
    figure = style(go.Figure(), height=120 + min(30 * len(names), 780))
    cells = go.Heatmap(
        z=shares, zmin=0, zmax=100, x=across, y=names, showscale=False, xgap=1, ygap=1
    )
    cells.update(colorscale=[[0, PAPER], [1, BLUE]], customdata=found.counts)
    cells.update(hovertemplate="%{y} read as %{x}: %{customdata} (%{z:.3g} %)<extra></extra>")
    if len(names) <= MAX_TEXT:
        cells.update(text=[[str(n or "") for n in row] for row in found.counts])
        cells.update(texttemplate="%{text}")
    figure.add_trace(cells).update_layout(margin_b=50)
    figure.update_xaxes(type="category", title_text="read as", showgrid=False)
    figure.update_yaxes(type="category", title_text="class", showgrid=False, autorange="reversed")
    return figure
