"""Importance of parameters: a pure function of a result.

It uses trials that trained a network to the end: complete ones, and those pruned
later, with the mean of fewer networks. Other pruned trials have the score of a
shorter training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from hpo.study.result import Result
from hpo.views.figures.palette import BLUE, INK
from hpo.views.figures.style import safe, style
from hpo.views.sentences.formatting import cut

if TYPE_CHECKING:
    from hpo.search.importance import Share

_BARS = 15
"""The most parameters in the figure."""


def too_few(result: Result) -> str:
    """Say why there is no ranking."""
    from hpo.search.importance import LEAST

    which = "complete trials"
    if result.spec.has_class:
        which = "trials that trained a network to the end"
    return (
        f"No ranking of parameters: it needs at least {LEAST} {which}, with different"
        f" scores; there are {len(result.comparable)}."
    )


def bars(shares: Mapping[str, Share]) -> go.Figure:
    """Draw a bar for each of the fifteen most important parameters, with its number and
    its standard deviation."""
    shown = list(shares.items())[:_BARS]
    widths = [100 * share.mean for _, share in shown]
    errors = [100 * share.std for _, share in shown]
    figure = style(go.Figure(), height=110 + 30 * len(shown))
    numbers = [
        f"{width:.0f} ± {error:.0f}"
        for width, error in zip(widths, errors, strict=True)
    ]
    bar = go.Bar(
        x=widths,
        y=[safe(cut(name, 24)) for name, _ in shown],
        text=numbers,
        error_x={
            "array": errors,
            "arrayminus": np.minimum(errors, widths),  # no share is below 0
            "color": INK,
            "thickness": 1.5,
            "width": 4,
        },
        hovertemplate="%{y}: %{text} %<extra></extra>",
        orientation="h",
        textposition="none",
        cliponaxis=False,
        marker_color=BLUE,
    )
    figure.add_trace(bar)
    ends = [width + error for width, error in zip(widths, errors, strict=True)]
    for place, (end, number) in enumerate(zip(ends, numbers, strict=True)):
        figure.add_annotation(
            x=end, y=place, text=number, xanchor="left", xshift=6, showarrow=False
        )
    top = 1.3 * max([5.0, *ends])
    figure.update_xaxes(title_text="importance (%)", range=[0, top])
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure.update_layout(margin={"l": 120, "t": 34, "b": 50})
