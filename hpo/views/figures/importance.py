"""The importance of parameters in figures of bounded size: bars, and contours of pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial
from hpo.views import formatting
from hpo.views.figures.style import focus, hover, log_axis, markers, position, safe, style
from hpo.views.figures.thinning import sample
from hpo.views.numbers.importance import LEAST, Effect, Importance
from hpo.views.numbers.scores import axis_score, comparable
from hpo.views.palette import BLUE, GREY, INK, ORANGE, VERMILLION

if TYPE_CHECKING:
    from numpy.typing import NDArray


PAIRS, GRID, MOST_BARS = 3, 32, 15
LEARNT, SHOWN = 2000, 150
"""Trials that are smoothed, and trials that are drawn in a panel."""
_PRIOR = 0.01
_SHORT = 24


CONTOURS = (
    "The score over pairs of parameters: those that interact, else the most important ones; "
    "smoothed, with the other parameters as the trials had them. Where there are no trials, it "
    f"guesses. Dots are trials, at most {SHOWN}, a star the best one, a cross the reported optimum."
)


def note(result: Result, found: Importance | None) -> str:
    """What the bars say, and how far they can be trusted."""
    if found is None:
        n = len(comparable(result))
        return (
            f"{n} trials that trained a network to its end, or scores that are all alike, do not "
            f"tell which parameters matter: {LEAST} are needed at least."
        )
    return (
        f"Of {found.trials:,} trials (those that were stopped within a network are left out)"
        f"{', by their score alone' if result.costs else ''}. First, "
        "how much each parameter decides who is among the best tenth (PED-ANOVA, "
        "arXiv:2304.10255), as a share of all; then what a pair decides together beyond what "
        "each decides alone, as a share of the variance of the ranks. Hollow bars may be chance: "
        "above 5 %, by the F test of the ranks, for all bars of a kind together. A parameter of "
        "which the search has tried few values shows less importance than it has."
    )


def bars(found: Importance) -> go.Figure:
    """Importance of parameters on the left, interactions of pairs on the right."""
    mains, pairs = found.mains[:MOST_BARS], found.interactions[:MOST_BARS]
    rows = max(len(mains), min(len(pairs), 8))
    figure = make_subplots(1, 2, horizontal_spacing=0.24)
    style(figure, height=110 + 30 * rows).update_layout(margin={"l": 120, "t": 34, "b": 50})
    sides = {"importance (%)": mains, "interaction (% of variance)": pairs[: max(rows, 1)]}
    for column, (title, effects) in enumerate(sides.items(), start=1):
        figure.add_trace(_bars(found, effects), row=1, col=column)
        top = 118.0 * max([0.05, *(effect.share for effect in effects)])
        figure.update_xaxes(title_text=title, range=[0, top], row=1, col=column)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(barmode="overlay")


def _bars(found: Importance, effects: Sequence[Effect]) -> go.Bar:
    """Bars with their numbers; grey and hollow where chance would do."""
    sure = [found.certain(effect) for effect in effects]
    shares = [100 * effect.share for effect in effects]
    return go.Bar(
        x=shares,
        y=[
            " × ".join(safe(formatting.cut(name, _SHORT)) for name in effect.names)
            for effect in effects
        ],
        orientation="h",
        showlegend=False,
        text=[f"{share:.1f}" for share in shares],
        textposition="outside",
        cliponaxis=False,
        marker={
            "color": [BLUE if certain else "white" for certain in sure],
            "line": {"color": [BLUE if certain else GREY for certain in sure], "width": 1.5},
        },
        hovertemplate="%{y}: %{x:.3g} %<extra></extra>",
    )


def contours(result: Result, pairs: Sequence[tuple[str, ...]]) -> go.Figure:
    """The score over pairs of parameters, smoothed: see ``_smooth``.

    It is drawn on a grid of ``GRID`` times ``GRID``, from at most ``LEARNT`` trials evenly taken.
    """
    spec, trials = result.spec, comparable(result)
    figure = make_subplots(1, len(pairs), horizontal_spacing=0.09)
    style(figure, height=430).update_layout(margin={"t": 34, "b": 100})
    learnt = sample(trials, LEARNT)
    low, high = focus(result)
    lows, highs = [], []
    for column, (a, b) in enumerate(pairs, start=1):
        axes = [_grid(spec, name) for name in (a, b)]
        z = _smooth(spec, learnt, (a, b), axes, (low, high))
        lows.append(float(z.min()))
        highs.append(float(z.max()))
        for trace in _panel(result, (a, b), axes, z, sample(trials, SHOWN)):
            if isinstance(trace, go.Scatter):
                trace.update(showlegend=column == 1)
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(**_axis(spec, a), row=1, col=column)
        figure.update_yaxes(**_axis(spec, b), row=1, col=column)
    bar = {"title": {"text": formatting.metric(spec), "side": "right"}, "thickness": 12}
    scale = {"colorscale": "Viridis", "reversescale": not spec.maximize, "colorbar": bar}
    return figure.update_layout(coloraxis={**scale, "cmin": min(lows), "cmax": max(highs)})


def _panel(
    result: Result,
    pair: tuple[str, ...],
    axes: Sequence[Sequence[ParamValue]],
    z: NDArray[Any],
    shown: Sequence[Trial],
) -> list[Any]:
    spec = result.spec
    x, y = ([position(value) for value in axis] for axis in axes)
    rounded = [[float(f"{value:.4g}") for value in row] for row in z]
    numbers = all(spec.dimensions[name].choices is None for name in pair)
    kind = go.Contour if numbers else go.Heatmap
    ground = kind(x=x, y=y, z=rounded, coloraxis="coloraxis", hoverinfo="skip")
    if numbers:
        ground.update(line={"width": 0.5, "color": "rgba(255,255,255,0.6)"}, ncontours=14)
        ground.update(contours_coloring="heatmap")  # else it cannot share the scale of a heatmap
    look: dict[str, Any] = {"size": 4, "color": "white", "line": {"width": 0.8, "color": INK}}
    traces = [ground, _dots(spec, pair, shown, "trial", look)]
    reported = spec.reported_params
    if all(name in reported for name in pair):
        x, y = ([position(reported[name])] for name in pair)
        look = {"symbol": "x-thin", "size": 14, "line": {"width": 3, "color": VERMILLION}}
        traces.append(markers(x, y, ["reported"], name="reported", marker=look))
    if result.best is not None:
        look = {"symbol": "star", "size": 16, "color": ORANGE, "line": {"width": 1, "color": INK}}
        traces.append(_dots(spec, pair, [result.best], "best", look))
    return traces


def _dots(
    spec: StudySpec, pair: tuple[str, ...], slots: Sequence[Trial], name: str, look: dict[str, Any]
) -> go.Scatter:
    x, y = ([position(slot.params[key]) for slot in slots] for key in pair)
    return markers(x, y, [hover(spec, slot) for slot in slots], name=name, marker=look)


def _axis(spec: StudySpec, name: str) -> dict[str, Any]:
    dimension, label = spec.dimensions[name], safe(formatting.parameter_label(name))
    axis: dict[str, Any] = {"title": {"text": label, "standoff": 4}, "showgrid": False}
    if dimension.choices is not None:
        return {**axis, "type": "category"}
    ends = [float(dimension.low or 0.0), float(dimension.high or 0.0)]
    if dimension.log:
        axis |= {**log_axis(ends), "exponentformat": "power"}
        ends = [math.log10(end) for end in ends]
    return {**axis, "range": ends}


def _grid(spec: StudySpec, name: str) -> list[ParamValue]:
    """Values along a parameter: its choices, or ``GRID`` of its range, even on its axis."""
    dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return list(dimension.choices[:GRID])
    import numpy as np

    space = np.geomspace if dimension.log else np.linspace
    values = space(float(dimension.low or 0.0), float(dimension.high or 0.0), GRID)
    return [float(f"{value:.4g}") for value in values]


def _place(spec: StudySpec, name: str, value: ParamValue) -> float:
    """A value as a number: the index of a choice, the logarithm of what is searched so."""
    dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return float(dimension.choices.index(value))
    return math.log(float(value)) if dimension.log else float(value)


def _smooth(
    spec: StudySpec,
    trials: Sequence[Trial],
    pair: tuple[str, ...],
    axes: Sequence[Sequence[ParamValue]],
    view: tuple[float, float],
) -> NDArray[Any]:
    """Kernel regression of the score, (values of the second, values of the first).

    Nadaraya and Watson's estimate ``Σ k_i y_i / Σ k_i`` with a product of Gaussian kernels, widths
    by Scott's rule, and of 0 or 1 for choices; a kernel of weight ``_PRIOR`` stands for the mean
    score, so that what has no trials near is drawn as the mean. Scores off ``view`` are at its
    edge.
    """
    import numpy as np

    y = np.clip([axis_score(spec, slot) for slot in trials], *view)
    kernels = []
    for name, axis in zip(pair, axes, strict=True):
        at = np.array([_place(spec, name, slot.params[name]) for slot in trials])
        grid = np.array([_place(spec, name, value) for value in axis])
        width = len(at) ** (-1 / 6) * float(at.std())
        if spec.dimensions[name].choices is not None:
            width = 0.1  # of 1 between two choices
        else:
            width = max(width, 0.03 * float(np.ptp(grid)))
        kernels.append(np.exp(-0.5 * ((grid[:, None] - at) / width) ** 2))
    weights = kernels[0] @ kernels[1].T
    sums = (kernels[0] * y) @ kernels[1].T
    found: NDArray[Any] = ((sums + _PRIOR * y.mean()) / (weights + _PRIOR)).T
    return found
