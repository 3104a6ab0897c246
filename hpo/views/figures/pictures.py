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

from hpo.files import check_ending, writing
from hpo.views.figures.palette import GRID, INK

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


ENDINGS = (".svg", ".pdf", ".png")

_SYMBOLS = {
    **{
        "circle": "o",
        "square": "s",
        "diamond": "D",
        "triangle-up": "^",
        "triangle-down": "v",
    },
    **{"cross": "P", "x": "X", "star": "*", "x-thin": "x"},
}
"""Matplotlib's markers by plotly's; names that end in ``-open`` are hollow."""
_DASHES: dict[str | None, Any] = {
    **{None: "-", "solid": "-", "dot": ":", "dash": "--", "dashdot": "-."},
    "longdash": (0, (8, 3)),
}
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
    dated = {".svg": "Date", ".pdf": "CreationDate"}.get(path.suffix)
    metadata = {dated: None} if dated else None
    with writing(path) as draft:
        figure.savefig(draft, format=path.suffix[1:], dpi=160, metadata=metadata)


# --- from plotly to Matplotlib ---


def drawn(figure: go.Figure) -> Figure:
    """Convert a plotly figure to Matplotlib: panels in a row, one legend above them.

    Hidden traces are omitted.
    """
    layout = figure.layout
    names = sorted(
        key.replace("axis", "") for key in layout.to_plotly_json() if key[:5] == "xaxis"
    )
    drawing = canvas(5.2 if len(names) == 1 else 4.2 * len(names), 3.6)
    (panels,) = drawing.subplots(1, len(names), sharey=True, squeeze=False)
    places = dict(zip(names, panels, strict=True))
    for trace in figure.data:
        if trace.visible is not False:
            _draw(places[trace.xaxis or "x"], trace)
    for shape in layout.shapes:
        _draw_shape(places[shape.xref.split()[0] if "x" in shape.xref else "x"], shape)
    for name, axes in places.items():
        axis = layout[name.replace("x", "xaxis", 1)]
        axes.set_xscale("log" if axis.type == "log" else "linear")
        axes.set_xlabel(plain(axis.title.text or ""))
    panels[0].set_ylabel(plain(layout.yaxis.title.text or ""))
    if layout.yaxis.range:
        panels[0].set_ylim(*layout.yaxis.range)
    labels = [axes.get_legend_handles_labels() for axes in panels]
    marks = {text: mark for pair in labels for mark, text in zip(*pair, strict=True)}
    if len(marks) > 1:
        drawing.legend(
            marks.values(), marks.keys(), loc="outside upper center", ncols=2
        )
    return drawing


def _draw(axes: Axes, trace: Any) -> None:
    """Draw a trace: a band, markers, a line, or both, with error bars."""
    x, y = list(trace.x or ()), list(trace.y or ())
    named = trace.showlegend is not False
    label = wrapped(trace.name or "", 36) if named and trace.name else "_hidden"
    if trace.fill == "toself":
        axes.fill(x, y, color=trace.fillcolor, alpha=trace.opacity, linewidth=0)
        return
    bars = {
        key: trace[name].array
        for key, name in (("xerr", "error_x"), ("yerr", "error_y"))
    }
    look = {key: value for key, value in bars.items() if value is not None}
    marker, line, mode = trace.marker, trace.line, trace.mode or "lines"
    symbol = marker.symbol if isinstance(marker.symbol, str) else "circle"
    if "markers" in mode:
        ink = (marker.line.color if marker.color == "white" else marker.color) or INK
        shape = _SYMBOLS[symbol.removesuffix("-open")]
        look |= {"color": ink if isinstance(ink, str) else INK, "marker": shape}
        look |= {
            "markersize": 0.55 * (marker.size or 6),
            "alpha": marker.opacity or 1.0,
        }
        look["markerfacecolor"] = "white" if marker.color == "white" else look["color"]
        if symbol.endswith("-open"):
            look["markerfacecolor"] = "none"
    if "lines" in mode:
        look |= {"linestyle": _DASHES[line.dash], "linewidth": 0.7 * (line.width or 2)}
        look["color"] = line.color or look.get("color", INK)
        look["drawstyle"] = "steps-post" if line.shape == "hv" else "default"
    else:
        look["linestyle"] = "none"
    axes.errorbar(x, y, label=label, capsize=2.5, **look)


def _draw_shape(axes: Axes, shape: Any) -> None:
    """Draw a rectangle or a line across the whole plot."""
    label = wrapped(shape.name, 36) if shape.showlegend and shape.name else "_hidden"
    line: dict[str, Any] = {"linestyle": _DASHES[shape.line.dash]}
    line |= {"linewidth": 0.7 * (shape.line.width or 0), "label": label}
    upright = "domain" in shape.yref
    ends = (shape.x0, shape.x1) if upright else (shape.y0, shape.y1)
    if shape.type == "line":
        across = axes.axvline if upright else axes.axhline
        across(ends[0], color=shape.line.color, **line)
        return
    span = axes.axvspan if upright else axes.axhspan
    face, edge = (shape.fillcolor, shape.opacity), shape.line.color or "none"
    span(*ends, facecolor=face, edgecolor=edge, zorder=0.6, **line)


def wrapped(text: str, width: int = 90) -> str:
    """Wrap plain text at ``width`` characters."""
    return "\n".join(plain(line) for line in textwrap.wrap(text, width))


def plain(text: str) -> str:
    """Escape text for Matplotlib: ``$`` starts no formula, and ``_`` hides no label."""
    text = html.unescape(text)
    return text.replace("$", r"\$") if text[:1] != "_" else plain(f" {text}")
