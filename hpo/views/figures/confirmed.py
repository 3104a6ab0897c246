"""The confirmed configurations beside the reported result."""

from __future__ import annotations

import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.views import caveats, formatting
from hpo.views.figures import style as look
from hpo.views.figures.style import (
    CLAIMED,
    CONFIRMED,
    Spot,
    add_reported_band,
    markers,
    safe,
    style,
)
from hpo.views.palette import GREEN, GREY


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
