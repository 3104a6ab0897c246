"""A figure as a file for a paper: SVG, PDF or PNG, drawn by Matplotlib.

A figure is made with plotly (``hpo.views.figures``) and redrawn here: plotly's own
export needs Chrome, which clusters and containers mostly lack. Files depend only on the
numbers and on the version of Matplotlib: they hold no date and no random names.
"""

from __future__ import annotations

import html
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.files import check_ending, writing
from hpo.views.figures.palette import GRID, INK

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


ENDINGS = (".svg", ".pdf", ".png")

_SYMBOLS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
    "x": "X",
    "star": "*",
    "x-thin": "x",
}
"""Matplotlib's markers by plotly's; names that end in ``-open`` are hollow."""
_DASHES: dict[str | None, Any] = {
    None: "-",
    "solid": "-",
    "dot": ":",
    "dash": "--",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
}
_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Metadata without the date of the file."""
_HIDDEN = "_hidden"
"""A label that no legend shows."""
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
    names = sorted(key.replace("axis", "") for key in keys)
    drawing = canvas(max(5.2, 4.2 * len(names)), 3.6)
    (panels,) = drawing.subplots(1, len(names), sharey=True, squeeze=False)
    places = dict(zip(names, panels, strict=True))
    _prepare(layout.yaxis, panels[0].set_yscale, panels[0].set_yticks)
    for name, axes in places.items():
        axis = layout[name.replace("x", "xaxis", 1)]
        _prepare(axis, axes.set_xscale, axes.set_xticks)
        axes.set_xlabel(plain(axis.title.text or ""))
    for trace in figure.data:
        if trace.visible is not False:
            name = trace.xaxis or "x"
            x = _place(trace.x, layout[name.replace("x", "xaxis", 1)])
            _draw(places[name], trace, x, _place(trace.y, layout.yaxis))
    for shape in layout.shapes:
        name = shape.xref.split()[0]
        _draw_shape(places.get(name, panels[0]), shape)
    panels[0].set_ylabel(plain(layout.yaxis.title.text or ""))
    if layout.yaxis.range:
        panels[0].set_ylim(*layout.yaxis.range)
    if layout.yaxis.ticktext:
        names_of_rows = [plain(text) for text in layout.yaxis.ticktext]
        panels[0].set_yticks(list(layout.yaxis.tickvals), names_of_rows)
    marks: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        marks |= zip(labels, handles, strict=True)
    is_map = any(trace.type == "heatmap" for trace in figure.data)
    if len(marks) > 1 or (marks and is_map):
        handles = list(marks.values())
        drawing.legend(handles, list(marks), loc="outside upper center", ncols=2)
    return drawing


def _place(values: Any, axis: Any) -> list[Any]:
    """Return the positions of values on an axis: of a name, its number."""
    listed = [] if values is None else list(values)
    if axis.type != "category":
        return listed
    names = list(axis.categoryarray)
    return [names.index(value) for value in listed]


def _prepare(axis: Any, set_scale: Any, set_ticks: Any) -> None:
    """Give an axis its scale, or its names."""
    if axis.type == "log":
        set_scale("log")
    if axis.type == "category":
        names = [plain(str(name)) for name in axis.categoryarray]
        set_ticks(range(len(names)), names)


def _draw(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    """Draw a trace at its positions: a map, contours, a band, or markers and a line,
    with error bars."""
    if trace.type == "heatmap":
        _draw_heat(axes, trace, x, y)
        return
    if trace.type == "contour":
        _draw_contours(axes, trace, x, y)
        return
    if trace.fill == "toself":
        axes.fill(x, y, color=trace.fillcolor, alpha=trace.opacity, linewidth=0)
        return
    look: dict[str, Any] = {"linestyle": "none"}
    mode = trace.mode or "lines"
    if "markers" in mode:
        look |= _marker(trace.marker)
    if "lines" in mode:
        look |= _line(trace.line, look.get("color", INK))
    if trace.error_x.array is not None:
        look["xerr"] = trace.error_x.array
    if trace.error_y.array is not None:
        look["yerr"] = trace.error_y.array
    label = _label(trace.name, trace.showlegend is not False)
    axes.errorbar(x, y, label=label, capsize=2.5, **look)


def _draw_heat(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    """Draw cells in colours, with their scale at the right."""
    from matplotlib.colors import LinearSegmentedColormap

    scale = [(at, colour) for at, colour in trace.colorscale]
    edges = _edges(x, axes.get_xscale()), _edges(y, axes.get_yscale())
    cells = axes.pcolormesh(
        *edges, _heights(trace), cmap=LinearSegmentedColormap.from_list("map", scale)
    )
    label = plain(trace.colorbar.title.text or "")
    axes.figure.colorbar(cells, ax=axes, label=label)


def _draw_contours(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    heights = _heights(trace)
    if np.nanmin(heights) == np.nanmax(heights):
        return
    lines = axes.contour(x, y, heights, colors=trace.colorscale[0][1], linewidths=0.7)
    axes.clabel(lines, fontsize=7)


def _heights(trace: Any) -> np.ndarray:
    """Return the values of cells (rows, columns); NaN where there is none."""
    return np.array(trace.z, dtype=float)


def _edges(places: list[float], scale: str) -> np.ndarray:
    """Return the edges between cells at these places, in the middle as drawn."""
    at = np.log(places) if scale == "log" else np.array(places, dtype=float)
    middle = (at[1:] + at[:-1]) / 2.0
    first = 2.0 * at[0] - middle[0]
    last = 2.0 * at[-1] - middle[-1]
    edges = np.array([first, *middle, last])
    return np.exp(edges) if scale == "log" else edges


def _marker(marker: Any) -> dict[str, Any]:
    """Return Matplotlib's look of plotly's markers; white ones are rings."""
    symbol = marker.symbol if isinstance(marker.symbol, str) else "circle"
    ink = face = marker.color
    if marker.color == "white":
        ink = marker.line.color
    if not isinstance(ink, str):
        ink = INK
    if face != "white":
        face = ink
    if symbol.endswith("-open"):
        face = "none"
    return {
        "color": ink,
        "marker": _SYMBOLS[symbol.removesuffix("-open")],
        "markersize": 0.55 * (marker.size or 6),
        "alpha": marker.opacity or 1.0,
        "markerfacecolor": face,
    }


def _line(line: Any, ink: str) -> dict[str, Any]:
    """Return Matplotlib's look of plotly's line."""
    return {
        "linestyle": _DASHES[line.dash],
        "linewidth": 0.7 * (line.width or 2),
        "color": line.color or ink,
        "drawstyle": "steps-post" if line.shape == "hv" else "default",
    }


def _label(name: str | None, in_legend: bool) -> str:
    return wrapped(name, 36) if name and in_legend else _HIDDEN


def _draw_shape(axes: Axes, shape: Any) -> None:
    """Draw a rectangle or a line across the whole plot."""
    line = {
        "linestyle": _DASHES[shape.line.dash],
        "linewidth": 0.7 * (shape.line.width or 0),
        "label": _label(shape.name, bool(shape.showlegend)),
    }
    add_line: Any = axes.axhline
    add_span: Any = axes.axhspan
    begin = shape.y0
    end = shape.y1
    if "domain" in shape.yref:  # upright
        add_line = axes.axvline
        add_span = axes.axvspan
        begin = shape.x0
        end = shape.x1
    if shape.type == "line":
        add_line(begin, color=shape.line.color, **line)
        return
    edge = shape.line.color or "none"
    face = (shape.fillcolor, shape.opacity)
    add_span(begin, end, facecolor=face, edgecolor=edge, zorder=0.6, **line)


def wrapped(text: str, width: int = 90) -> str:
    """Wrap plain text at ``width`` characters."""
    return "\n".join(plain(line) for line in textwrap.wrap(text, width))


def plain(text: str) -> str:
    """Escape text for Matplotlib: ``$`` starts no formula, and ``_`` hides no label."""
    text = html.unescape(text)
    if text.startswith("_"):
        text = f" {text}"
    return text.replace("$", r"\$")
