"""A study's ``[figure]`` as a file for a paper: SVG, PDF or PNG, drawn by Matplotlib.

Matplotlib and not plotly's own export: that drives a Chrome or Chromium, which the hosts that run
studies (clusters, containers, root accounts) mostly lack. Files depend on the
numbers and on the version of Matplotlib alone: they hold no date and no random names.
"""

from __future__ import annotations

import io
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError
from hpo.study.tables import Reference
from hpo.views.numbers.study_figure import Chart, Group, colour_of
from hpo.views.palette import GRID, INK, SLATE, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


ENDINGS = (".svg", ".pdf", ".png")

_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = (":", "-.", (0, (8, 3)), "-")
"""Of references: marks of the figure itself are dashed."""

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "svg.hashsalt": "hpo-dynamics",
    "legend.frameon": False,
}


def write(chart: Chart, path: Path) -> Path:
    """Draw a chart into a file and return its path.

    Raises:
        HpoError: the ending is unknown, or the file cannot be written.
    """
    check(path)
    with style():
        save(figure(chart), path)
    return path


def figure(chart: Chart) -> Figure:
    """A chart as a figure of its own."""
    drawing = canvas(5.2, 3.6)
    draw(drawing.add_subplot(), chart)
    return drawing


def check(path: Path) -> None:
    """Refuse a file of another kind, before anything is read or trained.

    Raises:
        HpoError: the ending is unknown.
    """
    if path.suffix not in ENDINGS:
        raise HpoError(
            f"--picture {path}: the ending must be {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, "
            f"but got {path.suffix or 'none'}. Choose one."
        )


def style() -> Any:
    """The context in which every picture is drawn."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def canvas(width: float, height: float) -> Figure:
    """An empty figure, so many inches wide and high, that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def rendered(figure: Figure, ending: str) -> bytes:
    """A figure as the content of a file with one of ``ENDINGS``."""
    dated = {".svg": "Date", ".pdf": "CreationDate"}.get(ending)
    stream = io.BytesIO()
    metadata = {dated: None} if dated else None
    figure.savefig(stream, format=ending[1:], dpi=160, metadata=metadata)
    return stream.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all.

    Raises:
        HpoError: the file cannot be written.
    """
    draft = path.with_name(f".{os.getpid()}.{path.name}")
    data = rendered(figure, path.suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        os.replace(draft, path)
    except OSError as error:
        raise HpoError(f"{path}: the picture cannot be written: {error.strerror}.") from error


def draw(axes: Axes, chart: Chart) -> None:
    """Draw a chart into axes."""
    if chart.log_x:
        axes.set_xscale("log")
    for index, group in enumerate(chart.groups):
        colour, marker = colour_of(chart, index), _MARKERS[index % len(_MARKERS)]
        _draw_group(axes, group, chart.joined, colour, marker)
    for mark in chart.marks:
        axes.axvline(mark, color=VERMILLION, linestyle="--", linewidth=1.2)
    for index, reference in enumerate(chart.references):
        _draw_reference(axes, reference, index)
    axes.set_xlabel(plain(chart.x_label))
    axes.set_ylabel(plain(chart.y_label))
    if chart.references:  # lines and bands leave no free place within
        axes.figure.legend(loc="outside upper center", ncols=2)
    elif len(chart.groups) > 1:
        axes.legend()


def _draw_group(axes: Axes, group: Group, joined: bool, colour: str, marker: str) -> None:
    """A curve on its band, or a cloud of points."""
    x, y = [p.x for p in group.points], [p.median for p in group.points]
    look: dict[str, Any] = {"alpha": 0.75, "linestyle": "none"}
    if joined:
        low, high = [p.low for p in group.points], [p.high for p in group.points]
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        look = {}
    label = plain(group.label)
    axes.plot(x, y, color=colour, marker=marker, markersize=4, label=label, **look)


def _draw_reference(axes: Axes, reference: Reference, index: int) -> None:
    """Hollow points with error bars, a band, or a line; the caps of bars at one x differ."""
    label, dash = wrapped(reference.label, 36), _DASHES[index % len(_DASHES)]
    line: dict[str, Any] = {"color": SLATE, "linestyle": dash, "linewidth": 1.2}
    if reference.window is not None:
        line = {"edgecolor": SLATE, "linestyle": dash, "linewidth": 0.6}
        axes.axvspan(*reference.window, facecolor=(SLATE, 0.12), label=label, **line)
    elif reference.mark is not None:
        axes.axvline(reference.mark, label=label, **line)
    elif reference.x is not None and reference.y is not None:
        look: dict[str, Any] = {"fmt": _MARKERS[(index + 2) % len(_MARKERS)], "color": SLATE}
        look |= {"markerfacecolor": "white", "markersize": 6, "zorder": 3}
        look["capsize"] = 3 + 2 * (index % len(_DASHES))
        axes.errorbar(reference.x, reference.y, yerr=reference.std, label=label, **look)


def wrapped(text: str, width: int = 90) -> str:
    """Text without mathematics, in lines of so many characters at most."""
    return "\n".join(plain(line) for line in textwrap.wrap(text, width))


def plain(text: str) -> str:
    """Text without mathematics: a dollar sign is one. A label that begins with _ is no secret."""
    return text.replace("$", r"\$") if text[:1] != "_" else plain(f" {text}")
