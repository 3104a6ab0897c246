"""The scores of a grid of two parameters: a heat map with contours, and another one of
how well each score is known.

All functions are pure functions of results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.statistics import intervals
from hpo.statistics.intervals import Estimate
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial
from hpo.views.figures.palette import BLUE, GRID, INK, ORANGE
from hpo.views.figures.parameters import STAR, axis
from hpo.views.figures.style import position, safe, style
from hpo.views.sentences import verdict
from hpo.views.sentences.formatting import (
    metric,
    parameter_label,
    parameter_lines,
    score_text,
    shown,
)

HALF = "half of the 95 % interval"
LEVEL = "level with the best point"
"""Labels of the second map, and of the rings."""
_RING = {"color": INK, "size": 9, "symbol": "circle-open", "line": {"width": 1.5}}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A measured point of the grid."""

    trial: Trial
    estimate: Estimate
    """Its mean score with the standard error."""
    level: bool
    """Whether a test does not tell its score from the best one of the grid."""

    @property
    def half(self) -> float | None:
        """Half the width of the 95 % interval of the mean; None if it is unknown."""
        if self.estimate.interval is None:
            return None
        low, high = self.estimate.interval
        return (high - low) / 2.0


@dataclass(frozen=True, kw_only=True)
class ScoreMap:
    """A map in numbers."""

    result: Result
    title: str
    names: tuple[str, str]
    """The parameters of the axes x and y."""
    labels: tuple[str, str]
    x: Sequence[ParamValue]
    y: Sequence[ParamValue]
    cells: Mapping[tuple[ParamValue, ParamValue], Cell]
    """By the values of x and y; a point without a score is missing."""

    @property
    def spec(self) -> StudySpec:
        """The study's file."""
        return self.result.spec

    @property
    def has_intervals(self) -> bool:
        """Whether the error of some score is known."""
        return any(cell.half is not None for cell in self.cells.values())


def score_map(result: Result) -> ScoreMap | None:
    """Return the map of a study's scores; None if its figure is no map."""
    spec = result.spec
    figure = spec.drawn
    if figure is None or figure.kind != "map":
        return None
    names = sorted(spec.mapped, key=lambda name: name != figure.x)
    x, y = names
    return ScoreMap(
        result=result,
        title=figure.title or spec.description,
        names=(x, y),
        labels=(
            figure.x_label or parameter_label(x),
            figure.y_label or parameter_label(y),
        ),
        x=spec.grid[x],
        y=spec.grid[y],
        cells={
            (cell.trial.params[x], cell.trial.params[y]): cell
            for cell in _cells(result)
        },
    )


def _cells(result: Result) -> list[Cell]:
    spec = result.spec
    known = []
    for trial in result.trained:
        score = result.point_score(trial)
        if score is not None:
            estimate = trial.estimate(spec, spec.protocol)
            known.append((trial, replace(estimate, mean=score)))
    estimates = [estimate for _, estimate in known]
    best = max(estimates, key=lambda one: spec.sign * one.mean, default=None)
    cells = []
    for trial, estimate in known:
        assert best is not None
        compared = intervals.compare(estimate, best, maximize=spec.maximize)
        level = estimate is best or compared.relation == "level"
        cells.append(Cell(trial=trial, estimate=estimate, level=level))
    return cells


def figure(own: ScoreMap) -> go.Figure:
    """Draw a map and, if it has intervals, how well its scores are known beside it."""
    panels = [_add_scores]
    if own.has_intervals:
        panels.append(_add_halves)
    drawing = make_subplots(1, len(panels), shared_yaxes=True, horizontal_spacing=0.2)
    style(drawing, height=480)
    for column, add in enumerate(panels, start=1):
        add(drawing, own, column)
    drawing.update_yaxes(title_text="", col=2)
    return drawing


def panels(own: ScoreMap) -> list[go.Figure]:
    """Draw the same as figures of their own, for a page of any width."""
    drawn = []
    for add in (_add_scores, _add_halves)[: 1 + own.has_intervals]:
        drawing = style(make_subplots(1, 1), height=430)
        add(drawing, own, 1)
        drawn.append(drawing)
    return drawn


def _add_scores(drawing: go.Figure, own: ScoreMap, column: int) -> None:
    """Add the map of scores, its contours, and what stands out."""
    spec = own.spec
    scores = {
        place: shown(spec, cell.estimate.mean) for place, cell in own.cells.items()
    }
    colours = [[0, GRID], [1, BLUE]]
    if not spec.maximize:
        colours = [[0, BLUE], [1, GRID]]
    _add_heat(drawing, own, scores, column, (metric(spec), colours))
    _add_contours(drawing, own, scores, column)
    rings = [cell for cell in own.cells.values() if cell.level]
    best = own.result.best
    stars = [cell for cell in own.cells.values() if cell.trial is best]
    _add_markers(drawing, own, rings, column, (LEVEL, _RING))
    if stars:
        name = verdict.named(own.result)
        _add_markers(drawing, own, stars, column, (name, STAR))


def _add_halves(drawing: go.Figure, own: ScoreMap, column: int) -> None:
    """Add the map of half the width of intervals."""
    halves = {
        place: shown(own.spec, cell.half)
        for place, cell in own.cells.items()
        if cell.half is not None
    }
    title = HALF
    if own.spec.is_accuracy:
        title += " (points)"
    _add_heat(drawing, own, halves, column, (title, [[0, GRID], [1, ORANGE]]))


def _add_heat(
    drawing: go.Figure,
    own: ScoreMap,
    values: Mapping[tuple[ParamValue, ParamValue], float],
    column: int,
    look: tuple[str, Any],
) -> None:
    """Add cells in colours; ``look``: a title and a colour scale."""
    title, colours = look
    place = {"row": 1, "col": column}
    across = [position(value) for value in own.x]
    upward = [position(value) for value in own.y]
    texts = {place: _text(own, cell) for place, cell in own.cells.items()}
    right = drawing.get_subplot(1, column).xaxis.domain[1]
    heat = go.Heatmap(
        x=across,
        y=upward,
        z=_rows(own, values),
        text=_rows(own, texts),
        colorscale=colours,
        colorbar={
            "title": {"text": safe(title), "side": "right"},
            "thickness": 12,
            "x": right,
        },
        hovertemplate="%{text}<extra></extra>",
        hoverongaps=False,
        name=safe(title),
    )
    drawing.add_trace(heat, **place)
    for update, name, label in (
        (drawing.update_xaxes, own.names[0], own.labels[0]),
        (drawing.update_yaxes, own.names[1], own.labels[1]),
    ):
        update(**axis(own.spec, name), **place)
        update(title_text=safe(label), showgrid=False, nticks=6, **place)


def _rows(own: ScoreMap, values: Mapping[tuple[ParamValue, ParamValue], Any]) -> Any:
    """Return values as rows, from the lowest y up; None where there is none."""
    rows = []
    for y in own.y:
        rows.append([values.get((x, y)) for x in own.x])
    return rows


def _add_contours(
    drawing: go.Figure,
    own: ScoreMap,
    values: Mapping[tuple[ParamValue, ParamValue], float],
    column: int,
) -> None:
    """Add contours over numbers; names have none."""
    if any(isinstance(value, bool | str) for value in (*own.x, *own.y)):
        return
    lines = go.Contour(
        x=own.x,
        y=own.y,
        z=_rows(own, values),
        contours={"coloring": "lines", "showlabels": True},
        colorscale=[[0, INK], [1, INK]],
        line={"width": 1},
        showscale=False,
        hoverinfo="skip",
        name="contours",
    )
    drawing.add_trace(lines, row=1, col=column)


def _add_markers(
    drawing: go.Figure,
    own: ScoreMap,
    cells: Sequence[Cell],
    column: int,
    look: tuple[str, Mapping[str, Any]],
) -> None:
    name, marker = look
    x, y = own.names
    points = go.Scatter(
        x=[position(cell.trial.params[x]) for cell in cells],
        y=[position(cell.trial.params[y]) for cell in cells],
        text=[_text(own, cell) for cell in cells],
        mode="markers",
        marker=dict(marker),
        name=safe(name),
        showlegend=True,
        hovertemplate="%{text}<extra></extra>",
    )
    drawing.add_trace(points, row=1, col=column)


def _text(own: ScoreMap, cell: Cell) -> str:
    """Return the hover text of a cell."""
    trial = cell.trial
    score = score_text(own.spec, cell.estimate.mean)
    if cell.half is not None:
        score = f"{score_text(own.spec, cell.estimate.mean, cell.half)} (95 %)"
    lines = [
        f"trial {trial.number}: {score}, n = {len(trial.members)}",
        *parameter_lines(trial.params),
    ]
    return "<br>".join(map(safe, lines))
