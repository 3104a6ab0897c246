"""The confirmed configurations beside the reported result."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from hpo.study.confirmation import Confirmation
from hpo.study.result import Result
from hpo.study.spec import StudySpec
from hpo.views import caveats, formatting
from hpo.views.figures.style import add_reported_band, markers, safe, style
from hpo.views.palette import BLUE, GREEN, GREY


def confirmed(result: Result) -> go.Figure:
    """Fresh-seed scores of confirmed configurations against the search's claim."""
    spec = result.spec
    found = [c for c in result.confirmations if c.scores]
    figure = style(go.Figure(), height=170 + 70 * max(1, len(found)))
    labels = []
    for row, item in enumerate(found):
        costs = formatting.quantities(spec.named_costs(item.costs))
        labels.append(safe(", ".join(filter(None, (f"trial {item.source}", costs)))))
        for trace in _traces(spec, item, row):
            new = trace.name not in {shown.name for shown in figure.data}
            figure.add_trace(trace.update(showlegend=new))
    figure.update_xaxes(title_text=formatting.metric(spec))
    figure.update_yaxes(
        tickvals=list(range(len(found))),
        ticktext=labels,
        range=[len(found) - 0.4, -0.6],
        showgrid=False,
    )
    add_reported_band(figure, spec, vertical=True)
    return figure


def _traces(spec: StudySpec, item: Confirmation, row: int) -> list[go.Scatter]:
    """The fresh seeds as dots, spread a little; their mean ± std; what the search had claimed.

    Where the mean at the study's own integration step is not what is claimed, it is there, faint.
    """

    def one(score: float, text: str, name: str, marker: dict[str, Any]) -> go.Scatter:
        x = [formatting.shown(spec, score)]
        return markers(x, [row + 0.12], [text], name=name, marker=marker)

    scores = [formatting.shown(spec, value) for value in item.scores]
    spread = [row - 0.1 * (i % 3) - 0.12 for i in range(len(scores))]
    text = [f"fresh seed {i}: {formatting.score_text(spec, v)}" for i, v in enumerate(item.scores)]
    look: dict[str, Any] = {"color": GREEN, "size": 8, "opacity": 0.55}
    dots = markers(scores, spread, text, name="fresh seed, test part", marker=look)
    look = {"color": GREEN, "size": 13, "symbol": "diamond"}
    mean = one(item.mean, confirmed_hover(spec, item), "mean ± std", look)
    std = formatting.shown(spec, item.std) if len(scores) > 1 else 0.0
    mean.update(error_x={"array": [std], "color": GREEN, "thickness": 2, "width": 6})
    claim = formatting.score_text(spec, item.search_score)
    told = f"trial {item.source} in the search: {claim}"
    look = {"color": BLUE, "size": 13, "symbol": "circle-open", "line": {"width": 2}}
    traces = [dots, mean, one(item.search_score, told, "claimed by the search", look)]
    if item.checked:
        score = formatting.score_text(spec, item.step_mean, item.step_std)
        told = f"trial {item.source} {caveats.AT_STEP}: {score}"
        look = {"color": GREY, "size": 11, "symbol": "diamond-open", "line": {"width": 1.5}}
        traces.append(one(item.step_mean, told, f"mean {caveats.AT_STEP}", look))
    return traces


def confirmed_hover(spec: StudySpec, item: Confirmation) -> str:
    """What is told of a confirmed configuration where the pointer is."""
    value = formatting.point_text(spec, item.mean, item.std, item.costs)
    text = f"trial {item.source} confirmed: {value}<br>{len(item.scores)} fresh seeds, test part"
    return "<br>".join([text, *caveats.beside(spec, item)])
