"""How far each trial, and the best so far, is from the reported parameters."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping

import plotly.graph_objects as go

from hpo.study.snapshot import StudySnapshot
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue
from hpo.views.figures.style import HEIGHT, numbered_markers, remark, safe, steps, style, titled
from hpo.views.figures.thinning import MAX_STEPS, chosen, sample, share
from hpo.views.numbers.convergence import clocks, incumbents
from hpo.views.numbers.scores import place
from hpo.views.palette import GREY, INK


def compared(spec: StudySpec) -> list[str]:
    """Parameters that every trial searches and of which a value is reported, within their range."""
    reported = spec.reported_params
    return [
        name
        for name, dimension in spec.dimensions.items()
        if name in reported
        and dimension.when is None
        and (dimension.choices is not None or place(spec, name, reported[name]) is not None)
    ]


def distance_to_reported(spec: StudySpec, params: Mapping[str, ParamValue]) -> float:
    """How far parameters are from the reported ones: 0 at them, 1 a whole range away in each.

    The root mean square, over the parameters of ``compared``, of the difference as a fraction of
    the searched range; of logarithms where the search is logarithmic; of choices 0 or 1.
    """
    assert spec.reported is not None
    squares = []
    for name in compared(spec):
        values = params[name], spec.reported_params[name]
        here, there = (place(spec, name, value) for value in values)
        if spec.dimensions[name].choices is None and here is not None and there is not None:
            squares.append((here - there) ** 2)
        else:
            squares.append(float(values[0] != values[1]))
    return math.sqrt(statistics.fmean(squares))


def card(snapshot: StudySnapshot) -> go.Figure:
    """The distance of each trial and of the best so far, by trial number."""
    spec, (clock, *_) = snapshot.spec, clocks(snapshot)
    names = compared(spec)
    slots = [s for s in chosen(snapshot) if s.params]
    y = [distance_to_reported(spec, s.params) for s in slots]
    marker = {"color": GREY, "size": 4, "opacity": 0.6}
    figure = style(go.Figure(), height=HEIGHT)
    figure.add_trace(numbered_markers(clock, slots, y, name="trial", marker=marker))
    if best := sample(incumbents(snapshot, clock), MAX_STEPS):
        away = [distance_to_reported(spec, s.params) for s in best]
        line = steps([s.number for s in best], away, clock.end, line_color=INK, line_width=2.2)
        line.update(name="best so far", hovertemplate="%{y:.3g}<extra>best so far</extra>")
        figure.add_trace(line)
    what = f"root mean square over {len(names)} parameters" if len(names) > 1 else safe(names[0])
    remark(figure, f"{what}; 0: at the reported ones, 1: a whole range away")
    figure.update_xaxes(title_text=clock.title, title_standoff=4)
    figure.update_yaxes(title_text="distance, in searched ranges", rangemode="tozero")
    return titled(figure, f"Distance to the reported parameters{share(snapshot, slots)}")
