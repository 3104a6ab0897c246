"""The window's cost: a section of ``RESULTS.md``, the figure of
``docs/explanation/pure-function.md``."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.marks import row
from benchmarks.service import window
from benchmarks.service.window import (
    BUDGETS,
    FACTORS,
    LENGTHS,
    Check,
    Cost,
    Quality,
    Variant,
)
from hpo.views.figures import pictures
from hpo.views.figures.palette import BLUE, GREEN, ORANGE, PURPLE, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN = {4: BLUE, 8: ORANGE, 16: GREEN, 32: VERMILLION, 64: PURPLE}
"""Colours of the numbers of workers in the figure."""
_COSTS = """\
Share of the workers' time that is spent waiting for the window, by simulation of the
rule of `hpo/ledger/`. Every trial takes as long as one that is drawn at random from
{trials} real ones of `reproduction/seqdigits-tpe.toml` (`durations.json`: mean
{mean:.2f} s, standard deviation {spread:.0f} % of it, {pruned:.0f} % pruned early). A
worker continues as soon as the window allows. N workers, window W.

While the search goes on, away from its start and its end:
"""
_WHOLE = """
Of a whole search, start to end: mean of {draws} draws. Its end costs, too: a worker has
nothing left to do while the last trials run.
"""
_VARIANTS = """
Eight workers under other conditions, away from start and end. "complete": unpruned
trials only. "two speeds": every other worker takes twice as long. "asking": real
workers that wait ask after pauses of 0.1 s, doubled up to 2 s; here with trials as they
were, and of a minute on average. "lost": how much longer a search of {budget} trials
takes when a worker vanishes during a trial and is back after its lease (30 s).
"""
_CHECKS = """
Eight real workers on an embedded PostgreSQL; their {trials} trials sleep as long as the
real ones took, scaled to {mean} s in the mean; beside them a simulation of those very
trials.
"""
_QUALITIES = """
The other side: searches by `hpo.search` over the seven parameters of `seqdigits-tpe`,
with its sampler, on known functions with noise {noise}; no pruning. True value of the
trial that scored best, of 0.95: median (quartiles) of {repeats} repetitions, which
share seeds and noise. "bowl" is a quadratic, "Hartmann" his function of six variables,
with several optima; the seventh is idle.
"""


@dataclass(kw_only=True)
class Window:
    """All that was measured."""

    costs: list[Cost]
    variants: list[Variant]
    checks: list[Check] = field(default_factory=list)
    qualities: list[Quality] = field(default_factory=list)


def body(results: Window) -> str:
    """The body of the section."""
    every = json.loads(window.DURATIONS.read_text(encoding="utf-8"))["trials"][1:]
    seconds = window.durations()
    mean = statistics.fmean(seconds)
    about = _COSTS.format(
        trials=len(every),
        mean=mean,
        spread=100 * statistics.pstdev(seconds) / mean,
        pruned=100 * statistics.fmean(state == "pruned" for state, _ in every),
    )
    variants = _VARIANTS.format(budget=BUDGETS[0])
    checks = _CHECKS.format(trials=window._REAL_TRIALS, mean=window._REAL_MEAN_S)
    qualities = _QUALITIES.format(noise=window.NOISE, repeats=window.REPEATS)
    lines = [about, *_costs(results.costs), _WHOLE.format(draws=window.DRAWS)]
    lines += [*_wholes(results.costs), variants, *_variants(results.variants)]
    lines += [
        checks,
        *_checks(results.checks),
        qualities,
        *_qualities(results.qualities),
    ]
    return "\n".join(lines)


def draw(results: Window, path: Path) -> None:
    """Idle share and quality against the window, as one picture."""
    with pictures.style():
        figure = pictures.canvas(7.2, 2.9)
        left, *others = figure.subplots(1, 1 + len(window.FUNCTIONS))
        for workers, colour in DRAWN.items():
            own = [cost for cost in results.costs if cost.workers == workers]
            shares = [100 * cost.steady for cost in own]
            windows = [cost.window for cost in own]
            left.plot(windows, shares, color=colour, marker="o", markersize=3)
            left.annotate(
                f"N={workers}", (windows[0], shares[0] + 2), color=colour, ha="center"
            )
        left.margins(x=0.1, y=0.1)
        left.set_ylabel("time spent waiting (%)")
        left.set_title("N workers")
        for axes, function in zip(others, window.FUNCTIONS, strict=True):
            _draw_quality(
                axes, [q for q in results.qualities if q.function == function]
            )
            axes.set_title(function)
        others[0].set_ylabel("best trial's true value")
        others[-1].legend(
            title="trials", loc="lower left", frameon=True, edgecolor="none"
        )
        for axes in (left, *others):
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:.0f}")
            axes.locator_params(axis="y", nbins=5)
        figure.supxlabel("window", fontsize="medium")
        pictures.save(figure, path)


def _draw_quality(axes: Axes, own: Sequence[Quality]) -> None:
    for trials, colour in zip(LENGTHS, (BLUE, VERMILLION), strict=True):
        tpe = [q for q in own if q.trials == trials and q.sampler == "tpe"]
        windows = [q.window for q in tpe]
        low, median, high = zip(*(q.quartiles for q in tpe), strict=True)
        axes.fill_between(windows, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            windows, median, color=colour, marker="o", markersize=3, label=f"{trials}"
        )
        [random] = [q for q in own if q.trials == trials and q.sampler == "random"]
        axes.axhline(random.quartiles[1], color=colour, linestyle=":")


def _head(titles: Sequence[str]) -> list[str]:
    return [row(titles), row(["---:"] * len(titles))]


def _costs(costs: Iterable[Cost]) -> list[str]:
    lines = _head(["N", *(_factor(factor) for factor in FACTORS)])
    for workers in window.WORKERS:
        shares = {cost.window: cost.steady for cost in costs if cost.workers == workers}
        cells = [_percent(shares.get(factor * workers)) for factor in FACTORS]
        lines.append(row([f"{workers}", *cells]))
    return lines


def _wholes(costs: Iterable[Cost]) -> list[str]:
    factors = FACTORS[:3]
    titles = [f"{budget:,} trials, {_factor(f)}" for budget in BUDGETS for f in factors]
    lines = _head(["N", *titles])
    for workers in window.WORKERS:
        own = {cost.window: cost.whole for cost in costs if cost.workers == workers}
        cells = [
            _percent(own[f * workers][budget]) for budget in BUDGETS for f in factors
        ]
        lines.append(row([f"{workers}", *cells]))
    return lines


def _variants(variants: Iterable[Variant]) -> list[str]:
    titles = [
        "as above",
        "complete",
        "two speeds",
        "asking, as they were",
        "asking, a minute",
    ]
    lines = _head(["W", *titles, "lost"])
    for v in variants:
        shares = (v.as_they_were, v.all_complete, v.two_speeds, *v.polling)
        lines.append(row([f"{v.window}", *map(_percent, shares), f"{v.lost_s:.0f} s"]))
    return lines


def _checks(checks: Iterable[Check]) -> list[str]:
    lines = _head(["W", "measured", "simulated"])
    return lines + [
        row([f"{c.window}", _percent(c.measured), _percent(c.simulated)])
        for c in checks
    ]


def _qualities(qualities: Sequence[Quality]) -> list[str]:
    columns = [
        (function, trials) for function in window.FUNCTIONS for trials in LENGTHS
    ]
    lines = _head(
        ["W", *(f"{function}, {trials} trials" for function, trials in columns)]
    )
    quartiles = {
        (q.sampler, q.window, q.function, q.trials): q.quartiles for q in qualities
    }
    for sampler, size in [*(("tpe", size) for size in window.WINDOWS), ("random", 1)]:
        cells = []
        for column in columns:
            low, median, high = quartiles[sampler, size, *column]
            cells.append(f"{median:.3f} ({low:.3f} – {high:.3f})")
        lines.append(row([f"{size}" if sampler == "tpe" else sampler, *cells]))
    return lines


def _factor(factor: int) -> str:
    return "W = N" if factor == 1 else f"W = {factor} N"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * max(share, 0.0):.1f} %"
