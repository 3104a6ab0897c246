"""The parts of a plotly figure, drawn by Matplotlib: traces, shapes, annotations."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpo.views.figures.palette import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SYMBOLS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "triangle-left": "<",
    "triangle-right": ">",
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
_HIDDEN = "_hidden"
"""A label that no legend shows."""


def draw(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    """Draw a trace at its positions: a map, contours, a band, or markers and a line,
    with error bars."""
    if trace.type == "heatmap":
        _draw_heat(axes, trace, x, y)
        return
    if trace.type == "contour":
        _draw_contours(axes, trace, x, y)
        return
    if trace.type == "bar":
        _draw_bars(axes, trace, x, y)
        return
    if trace.fill == "toself":
        axes.fill(x, y, color=trace.fillcolor, alpha=trace.opacity, linewidth=0)
        return
    symbols = trace.marker.symbol
    if symbols is not None and not isinstance(symbols, str):
        for each in dict.fromkeys(symbols):
            _draw_points(axes, trace, x, y, each)
        return
    _draw_points(axes, trace, x, y)


def _draw_points(
    axes: Axes, trace: Any, x: list[Any], y: list[Any], only: str | None = None
) -> None:
    """Draw markers, a line, or both, with error bars; ``only`` those of a symbol."""
    chosen = list(range(len(x)))
    if only is not None:
        chosen = [i for i in chosen if trace.marker.symbol[i] == only]
    look: dict[str, Any] = {"linestyle": "none"}
    mode = trace.mode or "lines"
    if "markers" in mode:
        look |= _marker(trace.marker, only)
    if "lines" in mode:
        look |= _line(trace.line, look.get("color", INK))
    look["xerr"] = _errors(trace.error_x, chosen)
    look["yerr"] = _errors(trace.error_y, chosen)
    label = _label(trace.name, trace.showlegend is not False)
    places = [x[i] for i in chosen], [y[i] for i in chosen]
    axes.errorbar(*places, label=label, capsize=2.5, **look)


def _errors(bars: Any, chosen: Sequence[int]) -> Any:
    """Return the errors of some points, below and above; None without any."""
    if bars.array is None:
        return None
    below = bars.array if bars.arrayminus is None else bars.arrayminus
    return [[below[i] for i in chosen], [bars.array[i] for i in chosen]]


def _draw_bars(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    """Draw bars across, with error bars."""
    errors = _errors(trace.error_x, range(len(x)))
    axes.barh(y, x, color=trace.marker.color, xerr=errors, capsize=2.5, ecolor=INK)


def _draw_heat(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    """Draw cells in colours, with their scale at the right."""
    colours = _colours(trace)
    edges = _edges(x, axes.get_xscale()), _edges(y, axes.get_yscale())
    limits = {"vmin": trace.zmin, "vmax": trace.zmax}
    cells = axes.pcolormesh(*edges, _heights(trace), cmap=colours, **limits)
    if trace.texttemplate:
        _write_cells(axes, trace, x, y)
    if trace.showscale is False:
        return
    label = plain(trace.colorbar.title.text or "")
    axes.figure.colorbar(cells, ax=axes, label=label)


def _write_cells(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    """Write the text of each cell, white on dark ones."""
    for row, height in enumerate(y):
        for column, place in enumerate(x):
            ink = "white" if trace.z[row][column] > 0.6 * trace.zmax else INK
            text = plain(trace.text[row][column])
            axes.text(place, height, text, ha="center", va="center", color=ink, size=7)


def _draw_contours(axes: Axes, trace: Any, x: list[Any], y: list[Any]) -> None:
    """Draw lines, or a filled surface with its scale at the right."""
    heights = _heights(trace)
    if np.nanmin(heights) == np.nanmax(heights):
        return
    if trace.contours.coloring == "heatmap":
        colours = _colours(trace)
        surface = axes.contourf(x, y, heights, levels=14, cmap=colours)
        label = plain(trace.colorbar.title.text or "")
        axes.figure.colorbar(surface, ax=axes, label=label)
        return
    lines = axes.contour(x, y, heights, colors=trace.colorscale[0][1], linewidths=0.7)
    axes.clabel(lines, fontsize=7)


def _colours(trace: Any) -> Any:
    """Return Matplotlib's colour map of plotly's scale."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("map", list(trace.colorscale))
    return colours.reversed() if trace.reversescale else colours


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


def _marker(marker: Any, symbol: str | None) -> dict[str, Any]:
    """Return Matplotlib's look of plotly's markers, of a ``symbol`` if they have
    several; white ones are rings."""
    symbol = symbol or marker.symbol or "circle"
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


def draw_shape(axes: Axes, shape: Any) -> None:
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
    if shape.xref is None:  # between two points
        axes.plot([shape.x0, shape.x1], [begin, end], color=shape.line.color, **line)
        return
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


def write(axes: Axes, text: Any) -> None:
    """Write an annotation at its place, moved by its shift."""
    box = None
    if text.bgcolor:
        box = {"facecolor": text.bgcolor, "linewidth": 0, "pad": 0.5, "alpha": 0.85}
    axes.annotate(
        plain(text.text),
        (text.x, text.y),
        xytext=(text.xshift or 0, 0),
        textcoords="offset points",
        ha=text.xanchor or "center",
        va="center",
        color=text.font.color or INK,
        size=8,
        bbox=box,
    )


def wrapped(text: str, width: int = 90) -> str:
    """Wrap plain text at ``width`` characters."""
    return "\n".join(plain(line) for line in textwrap.wrap(text, width))


def plain(text: str) -> str:
    """Escape text for Matplotlib: ``$`` starts no formula, and ``_`` hides no label."""
    text = html.unescape(text)
    if text.startswith("_"):
        text = f" {text}"
    return text.replace("$", r"\$")
