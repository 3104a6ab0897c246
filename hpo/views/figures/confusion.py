"""The confusion matrix of a network."""

from __future__ import annotations

import plotly.graph_objects as go

from hpo.views.figures.style import safe, style
from hpo.views.numbers.confusion import Confusion
from hpo.views.palette import BLUE, PAPER

MAX_TEXT = 26
"""Of more classes, cells have no numbers but where the pointer is."""


def confusion(found: Confusion) -> go.Figure:
    """Series by class (down) and what they were read as (across), coloured by share of a class."""
    shares = [[100 * n / max(1, sum(row)) for n in row] for row in found.counts]
    names = [safe(name) for name in found.classes]
    across = [safe(name) or "nothing finite" for name in found.read_as]
    figure = style(go.Figure(), height=120 + min(30 * len(names), 780))
    cells = go.Heatmap(
        z=shares, zmin=0, zmax=100, x=across, y=names, showscale=False, xgap=1, ygap=1
    )
    cells.update(colorscale=[[0, PAPER], [1, BLUE]], customdata=found.counts)
    cells.update(hovertemplate="%{y} read as %{x}: %{customdata} (%{z:.3g} %)<extra></extra>")
    if len(names) <= MAX_TEXT:
        cells.update(text=[[str(n or "") for n in row] for row in found.counts])
        cells.update(texttemplate="%{text}")
    figure.add_trace(cells).update_layout(margin_b=50)
    figure.update_xaxes(type="category", title_text="read as", showgrid=False)
    figure.update_yaxes(type="category", title_text="class", showgrid=False, autorange="reversed")
    return figure
