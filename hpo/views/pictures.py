"""A figure of a study as a file for a paper: SVG, PDF or PNG, drawn by Matplotlib.

Matplotlib and not plotly's own export: that drives a Chrome or Chromium, which the hosts that run
studies (clusters, containers, root accounts) mostly lack. Files depend on the
numbers and on the version of Matplotlib alone: they hold no date and no random names.
"""

from __future__ import annotations

import io
import os
import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.errors import HpoError
from hpo.study.endings import Ending, ending
from hpo.study.result import Front, Result
from hpo.study.tables import Reference
from hpo.study.trials import Trial
from hpo.views import formatting
from hpo.views.numbers.front import FrontChart, charts, view
from hpo.views.numbers.scores import axis_score, clocks, comparable, incumbents, reported_score
from hpo.views.numbers.study_figure import Chart, Group, colour_of
from hpo.views.palette import BAND_OPACITY, BLUE, GREEN, GREY, GRID, INK, SLATE, VERMILLION

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


def write_chart(chart: Chart, path: Path) -> Path:
    """Draw a chart into a file and return its path.

    Raises:
        HpoError: the ending is unknown, or the file cannot be written.
    """
    check(path)
    with style():
        save(of_chart(chart), path)
    return path


def write(result: Result, path: Path) -> Path:
    """Draw the convergence of a search, or a front, a panel for each cost, and return the path.

    Raises:
        HpoError: the ending is unknown, or the file cannot be written.
    """
    check(path)
    with style():
        save(front(charts(result)) if isinstance(result, Front) else convergence(result), path)
    return path


def of_chart(chart: Chart) -> Figure:
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


# --- the convergence of a search ----------------------------------------------------------------


def convergence(result: Result) -> Figure:
    """The convergence over the trial number, as a figure of its own.

    Curves that were cut short have no score, and are not drawn.
    """
    spec = result.spec
    drawing = canvas(5.2, 3.6)
    axes = drawing.add_subplot()
    by_trial = clocks(result)[0]
    found = comparable(result)
    early = [slot for slot in found if ending(spec, slot)]
    whole = [slot for slot in found if not ending(spec, slot)]
    _points(axes, result, early, Ending.NETWORKS, GREY)
    _points(axes, result, whole, "trial", BLUE)
    best = incumbents(result, by_trial)
    if best:
        x = [*(float(slot.number) for slot in best), by_trial.end]
        y = [axis_score(spec, slot) for slot in best]
        axes.step(x, [*y, y[-1]], where="post", color=INK, linewidth=1.4, label="best so far")
    if (known := reported_score(spec)) is not None:
        score, std = known
        axes.axhspan(score - std, score + std, color=VERMILLION, alpha=BAND_OPACITY, linewidth=0)
        line = axes.axhline(score, color=VERMILLION, linestyle="--", linewidth=1.2)
        line.set_label(plain(formatting.reported_text(spec)))
    confirmed = result.confirmed
    if confirmed is not None:
        mean, std = (formatting.shown(spec, v) for v in (confirmed.mean, confirmed.std or 0.0))
        label = f"trial {confirmed.source} on {len(confirmed.scores)} fresh seeds"
        look: dict[str, Any] = {
            "fmt": "D",
            "color": GREEN,
            "markersize": 5,
            "capsize": 2.5,
            "label": label,
        }
        axes.errorbar([confirmed.source], [mean], yerr=[std], **look)
    _focus(axes, [axis_score(spec, slot) for slot in found], best, result)
    axes.set_xlabel("trial")
    axes.set_ylabel(plain(formatting.metric(spec)))
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(loc="outside upper center", ncols=2)
    return drawing


def _points(axes: Axes, result: Result, slots: list[Trial], label: str, colour: str) -> None:
    if slots:
        x, y = [s.number for s in slots], [axis_score(result.spec, s) for s in slots]
        axes.plot(x, y, "o", color=colour, markersize=3, alpha=0.6, label=label)


def _focus(axes: Axes, scores: list[float], best: list[Trial], result: Result) -> None:
    """Leave out what lies far below all others; the best so far is drawn from its beginning."""
    if len(scores) < 8:
        return
    spec = result.spec
    sign = 1.0 if spec.maximize else -1.0
    quarter, _, upper = statistics.quantiles([sign * score for score in scores], n=4)
    fence = min([quarter - (upper - quarter), *(sign * axis_score(spec, s) for s in best[:1])])
    low, high = axes.get_ylim()
    if sign > 0:
        axes.set_ylim(bottom=max(low, fence - 0.05 * (high - fence)))
    else:
        axes.set_ylim(top=min(high, -fence + 0.05 * (-fence - low)))


# --- a front ------------------------------------------------------------------------------------


def _plain_log(axes: Axes) -> None:
    """A logarithmic x axis whose numbers are written out: 2, 5, 10, 20."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")


def front(charts: Sequence[FrontChart]) -> Figure:
    """A front as a figure of its own."""
    drawing = canvas(5.2 if len(charts) == 1 else 4.2 * len(charts), 3.6)
    (panels,) = drawing.subplots(1, len(charts), sharey=True, squeeze=False)
    for axes, found in zip(panels, charts, strict=True):
        _draw_front(axes, found)
    panels[0].set_ylabel(plain(charts[0].y_label))
    marks = {
        label: mark
        for axes in panels
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    panels[-1].legend(marks.values(), marks.keys(), loc="lower right")
    return drawing


def _draw_front(axes: Axes, found: FrontChart) -> None:
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
    axes.set_xlabel(plain(found.x_label))
