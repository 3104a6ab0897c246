"""What a study's ``[figure]`` shows, as numbers: the one source of the interactive figure, of the
picture for a paper and of the chart in a terminal. Pure functions of snapshots.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpo.study.result import Front, Result, Search, Sweep
from hpo.study.spec import StudySpec
from hpo.study.tables import Figure, ParamValue, Reference
from hpo.study.trials import Trial
from hpo.views import formatting
from hpo.views.figures import convergence, front
from hpo.views.figures.style import DASHED, log_axis, markers, rgba, safe, style
from hpo.views.palette import BLUE, BROWN, GREEN, INK, ORANGE, PURPLE, SKY, SLATE, VERMILLION

COLOURS = (VERMILLION, GREEN, INK, BLUE, ORANGE, PURPLE, SKY, BROWN)

CLOUD_COLOURS = (GREEN, ORANGE, *COLOURS[2:])
"""Of a scatter: where its rule holds, and where it does not."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")
DASHES = ("dot", "dashdot", "longdash", "solid")
"""Of references: marks of the figure itself are dashed."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """The networks of one trial, at one place of the x axis; scores in the unit of the axes."""

    x: float | str
    median: float
    low: float
    """25th percentile over the networks."""
    high: float
    """75th percentile."""
    n: int
    trial: int
    params: Mapping[str, ParamValue]


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
    """Whether points are joined and have bands: curves, as opposed to a scatter."""
    groups: tuple[Group, ...]
    references: tuple[Reference, ...]
    """What sources state, with scores in the unit of the axes."""


def of_study(result: Result, others: Sequence[Result] = ()) -> go.Figure | None:
    """The figure that stands for a study: a sweep's, a front, or the convergence of a search."""
    if isinstance(result, Front):
        return front.figure(result)
    if isinstance(result, Search):
        return convergence.convergence(result)
    found = chart(result, others)
    return None if found is None else figure(found)


def colour_of(chart: Chart, group: int) -> str:
    """Colour of a group of a chart."""
    colours = COLOURS if chart.joined else CLOUD_COLOURS
    return colours[group % len(colours)]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """25th percentile, median and 75th percentile, with linear interpolation (NumPy's default).

    Examples:
        >>> quartiles([4.0, 1.0, 2.0, 3.0]), quartiles([2.0])
        ((1.75, 2.5, 3.25), (2.0, 2.0, 2.0))
    """
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def chart(result: Result, others: Sequence[Result] = ()) -> Chart | None:
    """What the study's figure shows; None if its file declares none and it is no sweep.

    ``others`` are the studies of ``figure.overlay`` that are there; see ``fitting``.
    """
    figure = result.spec.drawn
    if figure is None:
        return None
    groups, drawn = _groups(result, figure), fitting(result, others)
    for other in drawn:
        groups += _groups(other, figure)
    if figure.kind == "scatter":
        groups = _merged(groups)
    named = True in _sorts(groups)
    references = () if named else _references(result.spec, figure, [o.spec for o in drawn])
    places = [x for reference in references for x in reference.places]
    places += [p.x for group in groups for p in group.points if not isinstance(p.x, str)]
    return Chart(
        title=figure.title or result.spec.description,
        x_label=figure.x_label or _x_name(result.spec, figure),
        y_label=figure.y_label or formatting.metric(result.spec),
        log_x=figure.log_x and not named and min(places, default=1) > 0,
        marks=() if named else tuple(float(mark) for mark in figure.marks),
        joined=figure.kind == "curves",
        groups=tuple(group for group in groups if group.points),
        references=references,
    )


def stated(reference: Reference) -> str:
    """What a reference of a chart says, in a line.

    Examples:
        >>> stated(Reference(label="A", x=(1.0, 2.0), y=(89.83, 88.0), std=(2.91, 3.0)))
        'A: 89.83 ± 2.91 at 1, 88 ± 3 at 2'
        >>> stated(Reference(label="B", window=(0.4, 2.5))), stated(Reference(label="C", mark=1.0))
        ('B: 0.4 to 2.5', 'C: at 1')
    """
    places = [f"{x:.4g}" for x in reference.places]
    if reference.window is not None:
        return f"{reference.label}: {' to '.join(places)}"
    bars = [f" ± {std:.3g}" for std in reference.std or ()] or [""] * len(places)
    scores = [f"{y:.4g}{bar} " for y, bar in zip(reference.y or (), bars, strict=False)] or [""]
    parts = [f"{score}at {x}" for score, x in zip(scores, places, strict=True)]
    return f"{reference.label}: {', '.join(parts)}"


def _references(
    spec: StudySpec, figure: Figure, others: Sequence[StudySpec]
) -> tuple[Reference, ...]:
    """Those of the figure, and those of other studies whose own figure has the same x."""
    axis = _x_name(spec, figure)
    found = [
        reference
        for study in (spec, *others)
        if (own := study.drawn) and _x_name(study, own) == axis
        for reference in own.reference or ()
    ]

    def shown(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return values and tuple(formatting.shown(spec, value) for value in values)

    return tuple(
        reference.model_copy(update={"y": shown(reference.y), "std": shown(reference.std)})
        for reference in dict.fromkeys(found)
    )


def fitting(result: Result, others: Sequence[Result]) -> list[Result]:
    """Those of ``others`` that fit the axes of a study: its score, and numbers or names as its x.

    Studies without a point are none of them, nor is a search where curves are drawn.
    """
    figure = result.spec.drawn
    if figure is None:
        return []
    found, sorts = [], _sorts(_groups(result, figure))
    for other in others:
        own = _sorts(_groups(other, figure))
        same = formatting.metric(other.spec) == formatting.metric(result.spec)
        if same and own and len(sorts | own) == 1:
            found.append(other)
            sorts |= own
    return found


def _sorts(groups: Sequence[Group]) -> set[bool]:
    """Whether the points stand at names, at numbers, or there are none."""
    return {isinstance(p.x, str) for group in groups for p in group.points}


def _x_name(spec: StudySpec, figure: Figure) -> str:
    name = ", ".join(spec.swept) if figure.x is None else figure.x.removeprefix("info.")
    return formatting.parameter_label(name) if name else ""


def _groups(result: Result, figure: Figure) -> list[Group]:
    if figure.kind == "scatter":
        return _clouds(result, figure)
    curves = result.curves.items() if isinstance(result, Sweep) else ()
    return [
        Group(label=label, points=tuple(_point(result.spec, t, _at(x)) for x, t in points))
        for label, points in curves
    ]


def _at(x: ParamValue) -> float | str:
    return formatting.value_text(x) if isinstance(x, bool | str) else float(x)


def _point(spec: StudySpec, slot: Trial, x: float | str) -> Point:
    low, median, high = quartiles([formatting.shown(spec, score) for score in slot.claimed])
    number, n = slot.number, len(slot.members)
    return Point(x=x, median=median, low=low, high=high, n=n, trial=number, params=slot.params)


def _clouds(result: Result, figure: Figure) -> list[Group]:
    spec, rule = result.spec, figure.rule()
    labels = _labels(figure)
    found: dict[str, list[Point]] = {label: [] for label in labels}
    for slot in result.trained:
        values = {**spec.params(slot.params).model_dump(), **slot.params}
        x = _place(slot, figure, values)
        if x is None:
            continue
        label = labels[0]
        if rule is not None:
            left, right = (values.get(side) if isinstance(side, str) else side for side in rule)
            if not (isinstance(left, int | float) and isinstance(right, int | float)):
                continue  # another objective, which lacks the parameter
            label = labels[0] if left < right else labels[1]
        found[label].append(_point(spec, slot, x))
    return [Group(label=label, points=tuple(points)) for label, points in found.items()]


def _labels(figure: Figure) -> tuple[str, ...]:
    if figure.colour is None:
        return ("trial",)
    left, _, right = figure.colour.partition(" < ")
    return figure.colour_labels or (figure.colour, f"{left} ≥ {right}")


def _place(slot: Trial, figure: Figure, values: Mapping[str, Any]) -> float | str | None:
    """Where a trial stands on the x axis; None if that is not known of it."""
    assert figure.x is not None
    name = figure.x.removeprefix("info.")
    if name == figure.x:
        value = values.get(name)
        if isinstance(value, bool | str):
            return formatting.value_text(value)
        return float(value) if isinstance(value, int | float) else None
    measured = [m.info.get(name) for m in slot.members]
    finite = [float(v) for v in measured if isinstance(v, int | float) and math.isfinite(v)]
    return statistics.median(finite) if finite else None


def homeless(result: Result) -> int:
    """How many trained trials are not drawn: nothing is known of them to stand at."""
    drawn = chart(result)
    points = sum(len(group.points) for group in drawn.groups) if drawn else 0
    return len(result.trained) - points


def _merged(groups: Sequence[Group]) -> list[Group]:
    """Clouds of one label from several studies as one."""
    found: dict[str, tuple[Point, ...]] = {}
    for group in groups:
        found[group.label] = (*found.get(group.label, ()), *group.points)
    return [Group(label=label, points=points) for label, points in found.items()]


def figure(chart: Chart) -> go.Figure:
    """The figure of a chart."""
    drawing = style(go.Figure(), height=520)
    for index, group in enumerate(chart.groups):
        colour = colour_of(chart, index)
        if chart.joined:
            drawing.add_traces(_curve(group, colour, SYMBOLS[index % len(SYMBOLS)]))
        else:
            drawing.add_trace(_cloud(group, colour, SYMBOLS[index % len(SYMBOLS)]))
    for mark in chart.marks:
        drawing.add_vline(mark, **DASHED)
    for index, reference in enumerate(chart.references):
        _add_reference(drawing, reference, index)
    if chart.log_x:
        places = [float(p.x) for g in chart.groups for p in g.points]
        places += [x for reference in chart.references for x in reference.places]
        drawing.update_xaxes(log_axis(places))
    drawing.update_xaxes(title_text=safe(chart.x_label))
    drawing.update_yaxes(title_text=safe(chart.y_label))
    return drawing


def _curve(group: Group, colour: str, symbol: str) -> list[go.Scatter]:
    x = [safe(p.x) if isinstance(p.x, str) else p.x for p in group.points]
    low, high = [p.low for p in group.points], [p.high for p in group.points]
    band = go.Scatter(x=[*x, *reversed(x)], y=[*high, *reversed(low)], fill="toself")
    band.update(mode="lines", line_width=0, fillcolor=rgba(colour, 0.18), hoverinfo="skip")
    band.update(legendgroup=safe(group.label), showlegend=False, name=safe(group.label))
    text = [_hover(group, point) for point in group.points]
    marker = {"color": colour, "size": 8, "symbol": symbol}
    y = [p.median for p in group.points]
    line = markers(x, y, text, name=safe(group.label), marker=marker, on_edge=True)
    line.update(mode="lines+markers", legendgroup=safe(group.label))
    return [band, line.update(line={"color": colour, "width": 2})]


def _cloud(group: Group, colour: str, symbol: str) -> go.Scatter:
    text = [_hover(group, point) for point in group.points]
    marker = {"color": colour, "size": 8, "symbol": symbol, "opacity": 0.75}
    x, y = [p.x for p in group.points], [p.median for p in group.points]
    return markers(x, y, text, name=safe(group.label), marker=marker, on_edge=True)


def _add_reference(drawing: go.Figure, reference: Reference, index: int) -> None:
    """Hollow points with error bars, a band, or a line; the caps of bars at one x differ."""
    line = {"color": SLATE, "width": 1.6, "dash": DASHES[index % len(DASHES)]}
    look = {"name": safe(reference.label), "showlegend": True}
    if reference.window is not None:
        look |= {"fillcolor": rgba(SLATE, 0.12), "layer": "below", "line": {**line, "width": 0.8}}
        drawing.add_vrect(*reference.window, **look)
    elif reference.mark is not None:
        drawing.add_vline(reference.mark, line=line, **look)
    else:
        symbol = SYMBOLS[(index + 2) % len(SYMBOLS)]
        marker = {"color": "white", "size": 10, "symbol": symbol}
        marker["line"] = {"color": SLATE, "width": 1.6}
        trace = go.Scatter(x=reference.x, y=reference.y, mode="markers", marker=marker, **look)
        bars = {"array": reference.std, "color": SLATE, "thickness": 1.6}
        trace.update(error_y={**bars, "width": 4 + 2 * (index % len(DASHES))})
        drawing.add_trace(trace.update(cliponaxis=False, hoverlabel_namelength=-1))


def _hover(group: Group, point: Point) -> str:
    """What a point says when pointed at."""
    lines = [
        f"{group.label}, trial {point.trial}",
        f"median {point.median:.4g}, quartiles {point.low:.4g} – {point.high:.4g}, n = {point.n}",
        *formatting.parameter_lines(point.params),
    ]
    return "<br>".join(safe(line) for line in lines)
