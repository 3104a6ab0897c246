"""How a network reads the test part: its confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpo.views.palette import BLUE, PAPER

if TYPE_CHECKING:
    import plotly.graph_objects as go


MAX_TEXT = 26
"""Of more classes, cells have no numbers but where the pointer is."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Counts of the series of the test part."""

    classes: Sequence[str]
    read_as: Sequence[str]
    """The classes, and an empty text for what was not finite, if there was any."""
    counts: Sequence[Sequence[int]]
    """Series by class, and by what they were read as, (classes, read_as)."""

    @property
    def right(self) -> int:
        """Series that were read as what they are."""
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def total(self) -> int:
        """All series."""
        return sum(map(sum, self.counts))

    def errors(self, most: int) -> list[tuple[str, str, int]]:
        """What is most often read wrongly: class, what it is read as, and how often."""
        found = [
            (name, other, count)
            for name, row in zip(self.classes, self.counts, strict=True)
            for other, count in zip(self.read_as, row, strict=True)
            if other != name and count
        ]
        return sorted(found, key=lambda error: -error[2])[:most]


def confusion(found: Confusion) -> go.Figure:
    """Series by class (down) and what they were read as (across), coloured by share of a class."""
    import plotly.graph_objects as go

    from hpo.views.figures.style import safe, style

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
