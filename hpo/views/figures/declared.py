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

from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure, Reference
from hpo.study.trials import Trial
from hpo.views.figures import convergence, front
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
from hpo.views.sentences import formatting

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


def of_study(result: Result, others: Sequence[Result] = ()) -> go.Figure | None:
    """Return the main figure of a study: of a sweep, a front, or the convergence of a
    search."""
    if isinstance(result, Front):
        return front.figure(result)
    if isinstance(result, Search):
        return convergence.convergence(result)
    numbers = chart(result, others)
    return None if numbers is None else figure(numbers)


def chart(result: Result, others: Sequence[Result] = ()) -> Chart | None:
    """Return the numbers of the study's figure; None if it declares none and is no
    sweep.

    ``others`` are the existing studies of ``figure.overlay``. Those are drawn that have
    points, the same metric and the same kind of x, numbers or names; curves never
    overlay a search.
    """
    spec, figure = result.spec, result.spec.drawn
    if figure is None:
        return None
    groups = _groups([result], figure)
    homeless = len(result.trained) - sum(len(group.points) for group in groups)
    drawn, named = [result], _at_names(groups)
    for other in others:
        theirs = _at_names(_groups([other], figure))
        same = formatting.metric(other.spec) == formatting.metric(spec)
        if same and theirs and len(named | theirs) == 1:
            drawn.append(other)
            named |= theirs
    groups, numbers = _groups(drawn, figure), True not in named
    references = _references([study.spec for study in drawn]) if numbers else ()
    places = [*figure.marks, *(x for reference in references for x in reference.places)]
    places += [float(point.x) for group in groups for point in group.points if numbers]
    return Chart(
        title=figure.title or spec.description,
        x_label=figure.x_label or _x_name(spec, figure),
        y_label=figure.y_label or formatting.metric(spec),
        log_x=figure.log_x and numbers and min(places, default=1) > 0,
        marks=tuple(map(float, figure.marks)) if numbers else (),
        joined=figure.kind == "curves",
        groups=groups,
        references=references,
        others=tuple(other.spec for other in drawn[1:]),
        homeless=homeless,
    )


def _references(specs: Sequence[StudySpec]) -> tuple[Reference, ...]:
    """Return the references of the first study's figure, and of others with the same
    x."""
    references: dict[Reference, None] = {}
    for spec in specs:
        figure = spec.drawn
        if figure and _x_name(spec, figure) == _x_name(
            specs[0], specs[0].drawn or figure
        ):
            references |= dict.fromkeys(figure.reference or ())

    def shown(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return values and tuple(formatting.shown(specs[0], value) for value in values)

    return tuple(
        reference.model_copy(
            update={"y": shown(reference.y), "std": shown(reference.std)}
        )
        for reference in references
    )


def _at_names(groups: Sequence[Group]) -> set[bool]:
    """Return {True} for points at names, {False} at numbers; empty without points."""
    return {isinstance(p.x, str) for group in groups for p in group.points}


def _groups(studies: Sequence[Result], figure: Figure) -> tuple[Group, ...]:
    """Group points by curve and study, or clouds by label."""
    clouds: dict[tuple[int, str], list[Point]] = {
        (0, label): [] for label in _labels(figure)
    }
    curves = figure.kind == "curves"
    for index, result in enumerate(studies):
        for label, x, trial in _curves(result) if curves else _clouds(result, figure):
            scores = [formatting.shown(result.spec, score) for score in trial.scores]
            low, median, high = np.percentile(scores, (25, 50, 75)).tolist()
            point = Point(x=x, median=median, low=low, high=high, trial=trial)
            clouds.setdefault((index if curves else 0, label), []).append(point)
    return tuple(
        Group(label=label, points=tuple(points))
        for (_, label), points in clouds.items()
        if points
    )


_Placed = Iterator[tuple[str, float | str, Trial]]


def _curves(result: Result) -> _Placed:
    """Yield the points of a sweep, each with the label of its curve."""
    for label, points in result.curves.items() if isinstance(result, Sweep) else ():
        for x, trial in points:
            yield label, position(x), trial


def _clouds(result: Result, figure: Figure) -> _Placed:
    """Yield the trained trials of a scatter that have an x, each with its label."""
    rule, labels = figure.rule(), _labels(figure)
    for trial in result.trained:
        values = {**result.spec.params(trial.params).model_dump(), **trial.params}
        x = _place(trial, figure, values)
        left, right = (values.get(str(side), side) for side in rule or (0, 1))
        if x is None or isinstance(left, str) or isinstance(right, str):
            continue  # another objective, without this parameter
        yield labels[0 if left < right else 1], x, trial


def _x_name(spec: StudySpec, figure: Figure) -> str:
    name = ", ".join(spec.swept) if figure.x is None else figure.x.removeprefix("info.")
    return formatting.parameter_label(name) if name else ""


def _labels(figure: Figure) -> tuple[str, ...]:
    if figure.kind == "curves":
        return ()
    if figure.colour is None:
        return ("trial",)
    left, _, right = figure.colour.partition(" < ")
    return figure.colour_labels or (figure.colour, f"{left} ≥ {right}")


def _place(
    trial: Trial, figure: Figure, values: Mapping[str, Any]
) -> float | str | None:
    """Return a trial's position on the x axis; None if it is unknown."""
    name = (figure.x or "").removeprefix("info.")
    if name == figure.x:
        value = values.get(name)
        return position(value) if isinstance(value, bool | str | int | float) else None
    measured = [m.info.get(name) for m in trial.members]
    finite = [
        float(v) for v in measured if isinstance(v, int | float) and math.isfinite(v)
    ]
    return statistics.median(finite) if finite else None


def figure(chart: Chart) -> go.Figure:
    """Draw a chart."""
    drawing = style(go.Figure(), height=520)
    for index, group in enumerate(chart.groups):
        colour, symbol = COLOURS[index % len(COLOURS)], SYMBOLS[index % len(SYMBOLS)]
        drawing.add_traces(_traces(group, colour, symbol, joined=chart.joined))
    for mark in chart.marks:
        drawing.add_vline(mark, **DASHED)
    for index, reference in enumerate(chart.references):
        _add_reference(drawing, reference, index)
    if chart.log_x:
        drawing.update_xaxes(LOG_AXIS)
    drawing.update_xaxes(title_text=safe(chart.x_label))
    drawing.update_yaxes(title_text=safe(chart.y_label))
    return drawing


def _traces(
    group: Group, colour: str, symbol: str, *, joined: bool
) -> list[go.Scatter]:
    """Return points; if they are joined, also a line and the band of their
    quartiles."""
    name, spots = safe(group.label), []
    for p in group.points:
        lines = [
            f"{group.label}, trial {p.trial.number}",
            f"median {p.median:.4g}, quartiles {p.low:.4g} – {p.high:.4g}, "
            f"n = {len(p.trial.members)}",
            *formatting.parameter_lines(p.trial.params),
        ]
        spots.append(Spot(p.x, p.median, "<br>".join(map(safe, lines))))
    marker = {
        "color": colour,
        "size": 8,
        "symbol": symbol,
        "opacity": 1.0 if joined else 0.75,
    }
    points = markers(spots, name=name, marker=marker)
    if not joined:
        return [points]
    x = [spot.x for spot in spots]
    low, high = [p.low for p in group.points], [p.high for p in group.points]
    band = go.Scatter(x=[*x, *x[::-1]], y=[*high, *low[::-1]], fill="toself", name=name)
    band.update(
        mode="lines", line_width=0, fillcolor=colour, opacity=0.18, hoverinfo="skip"
    )
    points.update(mode="lines+markers", line={"color": colour, "width": 2})
    return [
        trace.update(legendgroup=name)
        for trace in (band.update(showlegend=False), points)
    ]


def _add_reference(drawing: go.Figure, reference: Reference, index: int) -> None:
    """Add hollow points with error bars of different caps, or a band, or a line."""
    line = {"color": SLATE, "width": 1.6, "dash": DASHES[index % len(DASHES)]}
    look = {"name": safe(reference.label), "showlegend": True}
    if reference.window is not None:
        look |= {"fillcolor": GRID, "opacity": 0.6, "layer": "below", "line": line}
        drawing.add_vrect(*reference.window, **look)
    elif reference.mark is not None:
        drawing.add_vline(reference.mark, line=line, **look)
    else:
        symbol = SYMBOLS[(index + 2) % len(SYMBOLS)]
        marker = {"color": "white", "size": 10, "symbol": symbol}
        marker["line"] = {"color": SLATE, "width": 1.6}
        trace = go.Scatter(
            x=reference.x, y=reference.y, mode="markers", marker=marker, **look
        )
        bars = {"array": reference.std, "color": SLATE, "thickness": 1.6}
        trace.update(error_y={**bars, "width": 4 + 2 * (index % len(DASHES))})
        drawing.add_trace(trace.update(cliponaxis=False, hoverlabel_namelength=-1))
