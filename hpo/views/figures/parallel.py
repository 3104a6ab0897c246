"""Parallel coordinates of the trials: an axis per parameter, one below the other, and the score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.study.trials import Trial
from hpo.views import formatting, verdict
from hpo.views.figures.style import DASHED, focus, safe, style
from hpo.views.figures.thinning import sample
from hpo.views.numbers.scores import axis_score, comparable, place, reported_score
from hpo.views.palette import BLUE, GREY, ORANGE

BEST, MAX_OTHERS, MAX_BEST = 0.1, 150, 60
"""This part of the trials stands out; so many others are drawn, and so many of these."""
NOTE = (
    "Parallel coordinates: a line for each trial that trained a network to its end, from its "
    "parameters, each over the range that was searched, down to its score."
)
_ROW = 52
"""Pixels between two axes."""


def parallel(result: Result) -> go.Figure | None:
    """A line per trial that trained a network to its end; None of fewer than two of them.

    Axes run from left to right over the searched range, so that a narrow page holds them all.
    """
    spec, trials = result.spec, comparable(result)
    if len(trials) < 2:
        return None
    low, high = focus(result)

    def lines(slots: Sequence[Trial], name: str, colour: str, width: float) -> go.Scatter:
        x: list[float | None] = []
        text: list[str] = []
        for slot in slots:
            score = axis_score(spec, slot)
            x += [*_places(spec, slot.params), (score - low) / (high - low), None]
            text += [f"trial {slot.number}: {formatting.partial_text(spec, slot, slot.score or 0)}"]
        rows = [*range(len(spec.dimensions) + 1), None] * len(slots)
        line = {"color": colour, "width": width}
        drawn = go.Scatter(x=x, y=rows, mode="lines", name=safe(name), line=line)
        told = [each for each in text for _ in range(len(spec.dimensions) + 2)]
        return drawn.update(text=told, hovertemplate="%{text}<extra></extra>")

    good = sample(result.front or _best(spec, trials), MAX_BEST)
    numbers = {slot.number for slot in good}
    others = sample([slot for slot in trials if slot.number not in numbers], MAX_OTHERS)
    figure = style(go.Figure(), height=80 + _ROW * (len(spec.dimensions) + 1))
    figure.add_trace(lines(others, "other trials", GREY, 0.8).update(opacity=0.7))
    figure.add_trace(lines(good, "front" if result.front else "best tenth", BLUE, 1.4))
    if (best := result.best) is not None:
        name = f"trial {best.number}, {verdict.named(result)}"
        figure.add_trace(lines([best], name, ORANGE, 3.5))
    if spec.reported is not None and (known := reported_score(spec)) is not None:
        x = [*_places(spec, spec.reported_params), (known[0] - low) / (high - low)]
        at = go.Scatter(x=x, y=[*range(len(x))], mode="lines+markers", name="reported", **DASHED)
        figure.add_trace(at.update(hoverinfo="skip"))
    names = [_name(spec, name) for name in spec.dimensions]
    names.append(f"{safe(formatting.metric(spec))}<br><sup>{low:.4g} – {high:.4g}</sup>")
    figure.update_yaxes(tickvals=[*range(len(names))], ticktext=names, ticks="", showline=False)
    figure.update_yaxes(range=[len(names) - 0.7, -0.3]).update_layout(margin_b=40)
    return figure.update_xaxes(visible=False, range=[-0.02, 1.02])


def _best(spec: StudySpec, trials: Sequence[Trial]) -> list[Trial]:
    """The best tenth, at least one; best last, so that it is drawn above the others."""
    sign = 1.0 if spec.maximize else -1.0
    ranked = sorted(trials, key=lambda slot: sign * axis_score(spec, slot))
    return ranked[-math.ceil(BEST * len(ranked)) :]


def _places(spec: StudySpec, params: Mapping[str, ParamValue]) -> list[float | None]:
    return [place(spec, name, params[name]) if name in params else None for name in spec.dimensions]


def _name(spec: StudySpec, name: str) -> str:
    """A parameter and its range, or its choices."""
    dimension = spec.dimensions[name]
    ends = dimension.choices or [end for end in (dimension.low, dimension.high) if end is not None]
    between = " · " if dimension.choices else " – "
    text = formatting.cut(between.join(map(formatting.value_text, ends)), 28)
    text += ", log" * dimension.log
    return f"{safe(formatting.parameter_label(name))}<br><sup>{safe(text)}</sup>"
