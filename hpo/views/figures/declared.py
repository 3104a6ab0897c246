"""The figure that a study declares in ``[figure]``: its numbers, and plotly's drawing
of them.

All functions are pure functions of results.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure, Reference
from hpo.study.trials import Trial
from hpo.views.figures.palette import (
    BLUE,
    BROWN,
    GREEN,
    GRID,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    SLATE,
    VERMILLION,
)
from hpo.views.figures.style import (
    DASHED,
    LOG_AXIS,
    Spot,
    markers,
    position,
    safe,
    style,
)
from hpo.views.sentences.formatting import (
    metric,
    parameter_label,
    parameter_lines,
    shown,
)

COLOURS = (VERMILLION, GREEN, INK, BLUE, ORANGE, PURPLE, SKY, BROWN)
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "cross",
    "x",
    "star",
)
DASHES = ("dot", "dashdot", "longdash", "solid")
"""Line styles of references; the marks of a figure are dashed."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The networks of one trial, at one place of the x axis; scores in the unit of the
    axes."""

    x: float | str
    """A number, or a name that is ``safe``."""
    median: float
    low: float
    """25th percentile over the networks."""
    high: float
    """75th percentile."""
    trial: Trial


@dataclass(frozen=True, kw_only=True)
class Group:
    """Points of one colour: a curve, or the points for which a rule holds."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure in numbers."""

    title: str
    x_label: str
    y_label: str
    log_x: bool
    marks: tuple[float, ...]
    joined: bool
    """True for curves with bands, False for a scatter."""
    groups: tuple[Group, ...]
    references: tuple[Reference, ...]
    """Published values, with scores in the unit of the axes."""
    others: tuple[StudySpec, ...]
    """The overlaid studies."""
    homeless: int
    """The number of trained trials without a value on the x axis."""


def chart(result: Result, others: Sequence[Result] = ()) -> Chart | None:
    """Return the numbers of the study's figure; None if it declares none and is no
    sweep, or if it is a map.

    ``others`` are the existing studies of ``figure.overlay``. Those are drawn that have
    points, the same metric and the same kind of x, numbers or names; curves never
    overlay a search.
    """
    spec = result.spec
    figure = spec.drawn
    if figure is None or figure.kind == "map":
        return None
    own = _groups([result], figure)
    at_home = sum(len(group.points) for group in own)
    drawn = [result, *_overlays(result, others, figure)]
    groups = _groups(drawn, figure)
    x = [point.x for group in groups for point in group.points]
    named = any(isinstance(place, str) for place in x)
    title = figure.title or spec.description
    x_label = figure.x_label or _x_name(spec, figure)
    y_label = figure.y_label or metric(spec)
    numbers: dict[str, Any] = {"log_x": False, "marks": (), "references": ()}
    if not named:
        references = _references([study.spec for study in drawn])
        places = [*figure.marks, *map(float, x)]
        for reference in references:
            places += reference.places
        numbers = {
            "log_x": figure.log_x and min(places, default=1) > 0,
            "marks": tuple(map(float, figure.marks)),
            "references": references,
        }
    return Chart(
        title=title,
        x_label=x_label,
        y_label=y_label,
        joined=figure.kind == "curves",
        groups=groups,
        others=tuple(other.spec for other in drawn[1:]),
        homeless=len(result.trained) - at_home,
        **numbers,
    )


def _overlays(
    result: Result, others: Sequence[Result], figure: Figure
) -> Iterator[Result]:
    """Yield the other studies that fit the axes."""
    named = _at_names(_groups([result], figure))
    for other in others:
        theirs = _at_names(_groups([other], figure))
        same = metric(other.spec) == metric(result.spec)
        if same and theirs and len(named | theirs) == 1:
            named |= theirs
            yield other


def _references(specs: Sequence[StudySpec]) -> tuple[Reference, ...]:
    """Return the references of the first study's figure, and of others with the same
    x."""
    first = specs[0]
    references: dict[Reference, None] = {}
    for spec in specs:
        figure = spec.drawn
        axes = figure and first.drawn and _x_name(first, first.drawn)
        if figure and _x_name(spec, figure) == axes:
            references |= dict.fromkeys(figure.reference or ())

    def converted(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return values and tuple(shown(first, value) for value in values)

    return tuple(
        one.model_copy(update={"y": converted(one.y), "std": converted(one.std)})
        for one in references
    )


def _at_names(groups: Sequence[Group]) -> set[bool]:
    """Return {True} for points at names, {False} at numbers; empty without points."""
    return {isinstance(p.x, str) for group in groups for p in group.points}


def _groups(studies: Sequence[Result], figure: Figure) -> tuple[Group, ...]:
    """Group points by curve and study, or clouds by label."""
    clouds: dict[tuple[int, str], list[Point]] = {
        (0, label): [] for label in _labels(figure)
    }
    for index, result in enumerate(studies):
        placed = _place_scatter(result, figure)
        if figure.kind == "curves":
            placed = _place_sweep(result)
        for label, x, trial in placed:
            curve = index if figure.kind == "curves" else 0
            clouds.setdefault((curve, label), []).append(_point(result.spec, x, trial))
    return tuple(
        Group(label=label, points=tuple(points))
        for (_, label), points in clouds.items()
        if points
    )


def _point(spec: StudySpec, x: float | str, trial: Trial) -> Point:
    scores = [shown(spec, score) for score in trial.scores]
    low, median, high = np.percentile(scores, (25, 50, 75)).tolist()
    return Point(x=x, median=median, low=low, high=high, trial=trial)


_Placed = Iterator[tuple[str, float | str, Trial]]


def _place_sweep(result: Result) -> _Placed:
    """Yield the points of a sweep, each with the label of its curve."""
    for label, points in result.curves.items():
        for x, trial in points:
            yield label, position(x), trial


def _place_scatter(result: Result, figure: Figure) -> _Placed:
    """Yield the trained trials of a scatter that have an x, each with its label."""
    labels = _labels(figure)
    left, right = figure.rule() or (0, 1)
    for trial in result.trained:
        values = {**result.spec.all_values(trial.params), **trial.params}
        x = _place(trial, figure, values)
        one = values.get(str(left), left)
        other = values.get(str(right), right)
        if x is None or isinstance(one, str) or isinstance(other, str):
            continue  # another objective, without this parameter
        yield labels[0] if one < other else labels[1], x, trial


def _x_name(spec: StudySpec, figure: Figure) -> str:
    name = ", ".join(spec.swept)
    if figure.x is not None:
        name = figure.x.removeprefix("info.")
    return parameter_label(name)


def _labels(figure: Figure) -> tuple[str, ...]:
    if figure.kind == "curves":
        return ()
    if figure.colour is None:
        return ("trial", "")
    left, _, right = figure.colour.partition(" < ")
    return figure.colour_labels or (figure.colour, f"{left} ≥ {right}")


def _place(
    trial: Trial, figure: Figure, values: Mapping[str, Any]
) -> float | str | None:
    """Return a trial's position on the x axis; None if it is unknown."""
    name = (figure.x or "").removeprefix("info.")
    if name == figure.x:
        value = values.get(name)
        if isinstance(value, bool | str | int | float):
            return position(value)
        return None
    measured = [member.info.get(name) for member in trial.members]
    numbers = [float(v) for v in measured if isinstance(v, int | float)]
    finite = list(filter(math.isfinite, numbers))
    return statistics.median(finite) if finite else None


def figure(chart: Chart) -> go.Figure:
    """Draw a chart."""
    drawing = style(go.Figure(), height=520)
    for index, group in enumerate(chart.groups):
        points = _points(group, index, opacity=1.0 if chart.joined else 0.75)
        if chart.joined:
            drawing.add_trace(_band(group, points))
        drawing.add_trace(points)
    for mark in chart.marks:
        drawing.add_vline(mark, **DASHED)
    for index, reference in enumerate(chart.references):
        _add_reference(drawing, reference, index)
    if chart.log_x:
        drawing.update_xaxes(LOG_AXIS)
    drawing.update_xaxes(title_text=safe(chart.x_label))
    drawing.update_yaxes(title_text=safe(chart.y_label))
    return drawing


def _points(group: Group, index: int, *, opacity: float) -> go.Scatter:
    """Return the medians of a group as markers."""
    spots = []
    for point in group.points:
        trial = point.trial
        lines = [
            f"{group.label}, trial {trial.number}",
            f"median {point.median:.4g}, quartiles {point.low:.4g} – {point.high:.4g}, "
            f"n = {len(trial.members)}",
            *parameter_lines(trial.params),
        ]
        text = "<br>".join(map(safe, lines))
        spots.append(Spot(point.x, point.median, text))
    marker = {
        "color": COLOURS[index % len(COLOURS)],
        "size": 8,
        "symbol": SYMBOLS[index % len(SYMBOLS)],
        "opacity": opacity,
    }
    return markers(spots, name=safe(group.label), marker=marker)


def _band(group: Group, points: go.Scatter) -> go.Scatter:
    """Join the markers of a curve, and return the band of its quartiles."""
    colour = points.marker.color
    points.update(mode="lines+markers", line={"color": colour, "width": 2})
    points.update(legendgroup=points.name)
    x = [point.x for point in group.points]
    low = [point.low for point in group.points]
    high = [point.high for point in group.points]
    return go.Scatter(
        x=[*x, *x[::-1]],
        y=[*high, *low[::-1]],
        fill="toself",
        fillcolor=colour,
        opacity=0.18,
        mode="lines",
        line_width=0,
        hoverinfo="skip",
        name=points.name,
        legendgroup=points.name,
        showlegend=False,
    )


def _add_reference(drawing: go.Figure, reference: Reference, index: int) -> None:
    """Add hollow points with error bars of different caps, or a band, or a line."""
    dash = index % len(DASHES)
    line = {"color": SLATE, "width": 1.6, "dash": DASHES[dash]}
    look = {"name": safe(reference.label), "showlegend": True}
    if reference.window is not None:
        look |= {"fillcolor": GRID, "opacity": 0.6, "layer": "below", "line": line}
        drawing.add_vrect(*reference.window, **look)
        return
    if reference.mark is not None:
        drawing.add_vline(reference.mark, line=line, **look)
        return
    marker = {
        "color": "white",
        "size": 10,
        "symbol": SYMBOLS[(index + 2) % len(SYMBOLS)],
        "line": {"color": SLATE, "width": 1.6},
    }
    bars = {
        "array": reference.std,
        "color": SLATE,
        "thickness": 1.6,
        "width": 4 + 2 * dash,
    }
    points = go.Scatter(x=reference.x, y=reference.y, mode="markers", marker=marker)
    points.update(look, error_y=bars, cliponaxis=False, hoverlabel_namelength=-1)
    drawing.add_trace(points)
