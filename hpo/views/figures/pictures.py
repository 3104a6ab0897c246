"""A figure as a file for a paper: SVG, PDF or PNG, drawn by Matplotlib.

A figure is made with plotly (``hpo.views.figures``) and redrawn here: plotly's own
export needs Chrome, which clusters and containers mostly lack. Files depend only on the
numbers and on the version of Matplotlib: they hold no date and no random names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.files import check_ending, writing
from hpo.views.figures import redrawn
from hpo.views.figures.palette import GRID, INK
from hpo.views.figures.redrawn import plain

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


ENDINGS = (".svg", ".pdf", ".png")

_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Metadata without the date of the file."""
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "svg.hashsalt": "hpo-dynamics",
    "legend.frameon": False,
}


def write(figure: go.Figure, path: Path) -> Path:
    """Draw a figure of points, lines and bands into a file and return its path.

    Raises:
        HpoError: the file extension is unknown, or the file cannot be written.
    """
    check_ending(path, *ENDINGS)
    with style():
        save(drawn(figure), path)
    return path


def style() -> Any:
    """Return the context in which pictures are drawn."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure without a window, width and height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically.

    Raises:
        HpoError: the file cannot be written.
    """
    metadata = _DATES.get(path.suffix)
    with writing(path) as draft:
        figure.savefig(draft, format=path.suffix[1:], dpi=160, metadata=metadata)


# --- from plotly to Matplotlib ---


def drawn(figure: go.Figure) -> Figure:
    """Convert a plotly figure to Matplotlib: panels in a row, one legend above them.

    Hidden traces are omitted.
    """
    layout = figure.layout
    keys = [key for key in layout.to_plotly_json() if key.startswith("xaxis")]
    panels_of = sorted(key.replace("axis", "") for key in keys) or ["x"]
    upward = _names(layout.yaxis, [trace.y for trace in figure.data])
    drawing = canvas(*_size(layout, panels_of, upward))
    (panels,) = drawing.subplots(1, len(panels_of), sharey=True, squeeze=False)
    places = dict(zip(panels_of, panels, strict=True))
    _prepare(layout.yaxis, upward, panels[0].set_yscale, panels[0].set_yticks)
    for name, axes in places.items():
        axis = layout[name.replace("x", "xaxis", 1)]
        traces = [one for one in figure.data if (one.xaxis or "x") == name]
        across = _names(axis, [trace.x for trace in traces])
        _prepare(axis, across, axes.set_xscale, axes.set_xticks)
        axes.set_xlabel(plain(axis.title.text or ""))
        for trace in traces:
            if trace.visible is not False:
                x = _place(trace.x, across)
                redrawn.draw(axes, trace, x, _place(trace.y, upward))
    for shape in layout.shapes:
        name = (shape.xref or "x").split()[0]
        redrawn.draw_shape(places.get(name, panels[0]), shape)
    for text in layout.annotations:
        redrawn.write(places.get(text.xref or "x", panels[0]), text)
    _finish_axes(panels[0], layout)
    _add_legend(drawing, panels, figure)
    return drawing


def _names(axis: Any, values: Sequence[Any]) -> list[str]:
    """Return the names at the places of an axis; empty of an axis of numbers."""
    if axis.type == "category" and axis.categoryarray is not None:
        return list(axis.categoryarray)
    texts = [one for own in values if own is not None for one in own]
    return list(dict.fromkeys(one for one in texts if isinstance(one, str)))


def _place(values: Any, names: Sequence[str]) -> list[Any]:
    """Return the positions of values on an axis: of a name, its number."""
    listed = [] if values is None else list(values)
    if not names:
        return listed
    return [math.nan if value is None else names.index(value) for value in listed]


def _size(
    layout: Any, panels: Sequence[str], rows: Sequence[str]
) -> tuple[float, float]:
    """Return width and height in inches: a row has room for its name."""
    ticks = layout.xaxis.ticktext or ()
    width = max(5.2, 4.2 * len(panels), 1.1 * len(ticks))
    if rows:
        width = max(width, 7.0)
    return width, max(3.6, 1.2 + 0.3 * len(rows))


def _prepare(axis: Any, names: Sequence[str], set_scale: Any, set_ticks: Any) -> None:
    """Give an axis its scale, or its names."""
    if axis.type == "log":
        set_scale("log")
    if names:
        set_ticks(range(len(names)), list(map(plain, names)))


def _finish_axes(axes: Axes, layout: Any) -> None:
    """Give the first panel its label, its range, and the texts at its ticks."""
    axes.set_ylabel(plain(layout.yaxis.title.text or ""))
    if layout.yaxis.range:
        axes.set_ylim(*layout.yaxis.range)
    if layout.xaxis.range and layout.xaxis.type != "log":
        axes.set_xlim(*layout.xaxis.range)
    if layout.yaxis.autorange == "reversed":
        axes.invert_yaxis()
    if layout.yaxis.visible is False:
        axes.set_yticks([])
        axes.set_frame_on(False)
    if layout.yaxis.ticktext:
        texts = list(map(plain, layout.yaxis.ticktext))
        axes.set_yticks(list(layout.yaxis.tickvals), texts)
    if layout.xaxis.ticktext:
        texts = list(map(plain, layout.xaxis.ticktext))
        axes.set_xticks(list(layout.xaxis.tickvals), texts, rotation=20)


def _add_legend(drawing: Figure, panels: Any, figure: go.Figure) -> None:
    marks: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        marks |= zip(labels, handles, strict=True)
    is_map = any(trace.type == "heatmap" for trace in figure.data)
    if len(marks) > 1 or (marks and is_map):
        handles = list(marks.values())
        drawing.legend(handles, list(marks), loc="outside upper center", ncols=2)
