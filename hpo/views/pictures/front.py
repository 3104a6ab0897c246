"""The front of a study as a file for a paper, drawn by Matplotlib; see ``picture``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpo.views.numbers.front import FrontChart, view
from hpo.views.palette import BAND_OPACITY, BLUE, GREEN, INK, VERMILLION
from hpo.views.pictures import study_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write(charts: Sequence[FrontChart], path: Path) -> Path:
    """Draw a front into a file, a panel for each cost, and return its path.

    Raises:
        HpoError: the ending is unknown, or the file cannot be written.
    """
    study_figure.check(path)
    with study_figure.style():
        study_figure.save(figure(charts), path)
    return path


def _plain_log(axes: Axes) -> None:
    """A logarithmic x axis whose numbers are written out: 2, 5, 10, 20."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def figure(charts: Sequence[FrontChart]) -> Figure:
    """A front as a figure of its own."""
    drawing = study_figure.canvas(5.2 if len(charts) == 1 else 4.2 * len(charts), 3.6)
    (panels,) = drawing.subplots(1, len(charts), sharey=True, squeeze=False)
    for axes, found in zip(panels, charts, strict=True):
        _draw(axes, found)
    panels[0].set_ylabel(study_figure.plain(charts[0].y_label))
    marks = {
        label: mark
        for axes in panels
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    panels[-1].legend(marks.values(), marks.keys(), loc="lower right")
    return drawing


def _draw(axes: Axes, found: FrontChart) -> None:
    if found.log_x:
        _plain_log(axes)
    low, high = view(found)
    inside = [spot for spot in found.trials if low <= spot.score <= high]
    x, y = [s.cost for s in inside], [s.score for s in inside]
    axes.plot(x, y, "o", color=BLUE, markersize=3, alpha=0.35, label="trial")
    if found.front:
        x, y = [s.cost for s in found.line], [s.score for s in found.line]
        dearest = max(s.cost for s in (*found.trials, *found.front))
        axes.step([*x, dearest], [*y, y[-1]], where="post", color=INK, linewidth=1.4)
        x, y = [s.cost for s in found.front], [s.score for s in found.front]
        rings = axes.plot(x, y, "o", color=INK, markersize=4, label="front of the search")
        rings[0].set_markerfacecolor("white")
    if found.confirmed:
        spots = found.confirmed
        axes.errorbar(
            [s.cost for s in spots],
            [s.score for s in spots],
            yerr=[s.std for s in spots],
            fmt="D",
            color=GREEN,
            markersize=5,
            capsize=2.5,
            label="confirmed on fresh seeds",
        )
    if found.reported_score is not None:
        score, std = found.reported_score
        axes.axhspan(score - std, score + std, color=VERMILLION, alpha=BAND_OPACITY, linewidth=0)
        axes.axhline(score, color=VERMILLION, linestyle="--", linewidth=1.2)
    for spot, fill in ((found.reported, VERMILLION), (found.reported_here, "white")):
        if spot is not None:
            label = "reported" if spot is found.reported else "reported network, as measured here"
            cross = axes.plot([spot.cost], [spot.score], "P", color=VERMILLION, label=label)
            cross[0].set(markersize=9, markerfacecolor=fill)
    axes.set_ylim(low, high)
    axes.set_xlabel(study_figure.plain(found.x_label))
