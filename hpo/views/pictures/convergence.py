"""The convergence of a study as a file for a paper: every trial and the best so far."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.study.endings import Ending, ending
from hpo.study.result import Result
from hpo.study.trials import Trial
from hpo.views import formatting
from hpo.views.numbers.convergence import clocks, incumbents
from hpo.views.numbers.scores import axis_score, comparable, reported_score
from hpo.views.palette import BAND_OPACITY, BLUE, GREEN, GREY, INK, VERMILLION
from hpo.views.pictures import study_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write(result: Result, path: Path) -> Path:
    """Draw the convergence into a file and return its path.

    Raises:
        HpoError: the ending is unknown, or the file cannot be written.
    """
    study_figure.check(path)
    with study_figure.style():
        study_figure.save(figure(result), path)
    return path


def figure(result: Result) -> Figure:
    """The convergence over the trial number, as a figure of its own.

    Curves that were cut short have no score, and are not drawn.
    """
    spec = result.spec
    drawing = study_figure.canvas(5.2, 3.6)
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
        line.set_label(study_figure.plain(formatting.reported_text(spec)))
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
    axes.set_ylabel(study_figure.plain(formatting.metric(spec)))
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
