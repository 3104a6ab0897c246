"""``docs/explanation/search.md``: the tables between its marks, and its figure."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.results import _row as row
from benchmarks.search import real, surrogate
from benchmarks.search.simulate import Search, passes, value_at
from benchmarks.search.strategies import (
    COMPARED,
    DEFAULT,
    DRAWN,
    PLAIN,
    STRATEGIES,
    WINDOWS,
    Strategy,
)
from benchmarks.search.surrogate import Array
from hpo.views.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from hpo.views.pictures import study_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "search.md"
PICTURE = PAGE.with_suffix(".svg")
LEVELS = (0.8983, 0.92, 0.94)
_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, GREY)
_RESAMPLED = 10_000

Found = Mapping[str, Mapping[int, Search]]


def write(found: Found) -> None:
    """Write what was found into the page, and draw it."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables(found).items():
        block = re.compile(rf"(<!-- {name} -->\n)(?:[^<].*?\n)?(<!-- end -->)", re.DOTALL)
        if not block.search(text):
            raise ValueError(f"{PAGE}: <!-- {name} --> ... <!-- end --> is missing")
        text = block.sub(lambda match, own=table: f"{match[1]}{own}\n{match[2]}", text)
    PAGE.write_text(text, encoding="utf-8")
    draw(found, PICTURE)


def tables(found: Found) -> dict[str, str]:
    """The tables by their marks."""
    whole = {name: list(found[name].values()) for name in STRATEGIES if name in found}
    windows = {WINDOWS[name]: searches for name, searches in whole.items() if name in WINDOWS}
    others = {name: searches for name, searches in whole.items() if name in COMPARED}
    return {
        "strategies": _lines(_strategies()),
        "epochs": _lines(_reached(others, "epochs")),
        "seconds": _lines(_reached(others, "seconds")),
        "windows": _lines(_reached(windows, "epochs")),
        "ratio": _lines(_ratios(whole)),
        "curse": _lines(_curse(others)),
        "surrogate": _lines(_validation()),
        "real": _lines(_real(real.TABLES)),
        "own": _lines(_real(real.OWN)),
    }


def _lines(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join([row(head), row(["---", *["---:"] * (len(head) - 1)]), *map(row, body)])


def _strategies() -> list[list[str]]:
    rows = [["strategy", "sampler", "pruner", "networks", "rungs", "epochs", "window"]]
    for name, own in STRATEGIES.items():
        if name not in COMPARED:
            continue
        rungs = own.raw.get("racing", {}).get("rungs")
        rows.append(
            [
                name,
                _options(own.raw["sampler"]),
                _options(own.raw["pruner"]),
                f"{own.raw['budget']['members']}",
                "–" if rungs is None else ", ".join(map(str, rungs)),
                f"{own.raw['budget']['epochs']}",
                f"{own.raw['budget']['window']}",
            ]
        )
    return rows


def _options(table: Mapping[str, Any]) -> str:
    options = [f"{key} = {value}" for key, value in table.items() if key != "name"]
    return ", ".join([table["name"], *options]).lower()


def _reached(whole: Mapping[str, Sequence[Search]], key: str) -> list[list[str]]:
    titles = [f"{100 * level:.4g} %" for level in LEVELS]
    spent = "true accuracy in the end"
    rows = [["strategy", *titles, *(f"{title} for good" for title in titles), spent]]
    for name, searches in whole.items():
        cells = [
            _median([passes(s.steps, level, key, for_good=for_good) for s in searches])
            for for_good in (False, True)
            for level in LEVELS
        ]
        rows.append([name, *cells, _mean([100 * s.steps[-1].true for s in searches], " %")])
    return rows


def _median(values: Sequence[float]) -> str:
    """Median, and in how many searches there is a value, if not in all."""
    reached = sum(map(math.isfinite, values))
    middle = statistics.median(values)
    shown = f"{middle:,.0f}" if math.isfinite(middle) else "–"
    whole = reached == len(values) or len(values) == 1
    return shown if whole else f"{shown} ({reached} of {len(values)})"


def _mean(values: Sequence[float], unit: str = "") -> str:
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}{unit}"


def per_success(searches: Sequence[Search], level: float, *, for_good: bool) -> Array:
    """Epochs until each search passed, or all of its epochs, and whether it did: (2, n)."""
    until = [passes(search.steps, level, "epochs", for_good=for_good) for search in searches]
    spent = [min(k, search.epochs) for k, search in zip(until, searches, strict=True)]
    return np.array([spent, np.isfinite(until)], dtype=float)


def ratio(ours: Array, theirs: Array, level: float = 0.9) -> tuple[float, float, float]:
    """Ratio theirs : ours of epochs per success, and its bootstrap interval of this probability.

    Epochs per success are all epochs divided by the number of searches that passed: what one pays
    who starts again after every search that failed (expected running time, arXiv:1605.03560).

    Args:
        ours: see ``per_success``, (2, n).
        theirs: likewise.
        level: probability of the interval. It may end at infinity: where no search passed.
    """

    def each(spent: Array) -> Array:
        with np.errstate(divide="ignore"):
            return spent[0].sum(axis=-1) / spent[1].sum(axis=-1)

    chance = np.random.default_rng(0)
    drawn = [
        each(of[:, chance.integers(0, of.shape[1], (_RESAMPLED, of.shape[1]))])
        for of in (theirs, ours)
    ]
    low, high = np.quantile(
        drawn[0] / drawn[1], [(1 - level) / 2, (1 + level) / 2], method="nearest"
    )
    return float(each(theirs) / each(ours)), float(low), float(high)


def _ratios(whole: Mapping[str, Sequence[Search]]) -> list[list[str]]:
    rows = [["epochs per success", "plain Optuna", "the default", "ratio", "90 % interval"]]
    for for_good in (False, True):
        for level in LEVELS[:2]:
            ours, theirs = (
                per_success(whole[name], level, for_good=for_good) for name in (DEFAULT, PLAIN)
            )
            middle, low, high = ratio(ours, theirs)
            rows.append(
                [
                    f"{100 * level:.4g} %{' for good' if for_good else ''}",
                    *(f"{of[0].sum() / of[1].sum():,.0f}" for of in (theirs, ours)),
                    f"{middle:.1f}",
                    f"{low:.1f} – {high:.1f}",
                ]
            )
    return rows


def _curse(whole: Mapping[str, Sequence[Search]]) -> list[list[str]]:
    rows = [["strategy", "claimed", "expected of it", "luck", "confirmed", "claimed - confirmed"]]
    for name, searches in whole.items():
        last = [search.steps[-1] for search in searches]
        columns: list[Callable[[Any], float]] = [
            lambda step: step.claimed,
            lambda step: step.expected,
            lambda step: step.claimed - step.expected,
            lambda step: step.true,
            lambda step: step.claimed - step.true,
        ]
        rows.append([name, *(_mean([100 * of(step) for step in last]) for of in columns)])
    return rows


def _validation() -> list[list[str]]:
    report = json.loads(surrogate.KERNELS.read_text(encoding="utf-8"))["validation"]
    rows = [["points held back", "what", "R²", "rank correlation", "error", "of it noise", "bias"]]
    for kind in ("all", "good"):
        for what in ("epoch 8", "epoch 40", "confirmed"):
            own = report[kind][what]
            rows.append(
                [
                    f"{kind}, {report[kind]['points']}",
                    what,
                    f"{own['r2']:.2f}",
                    f"{own['rank_correlation']:.2f}",
                    *(f"{100 * own[k]:.1f}" for k in ("rms_error", "rms_noise", "mean_error")),
                ]
            )
    return rows


def _real(space: str) -> list[list[str]]:
    head = [
        "strategy",
        "study seed",
        "epochs",
        "until 89.83 %",
        "until 92 %",
        "92 % for good",
        "claims in the end",
        "is",
    ]
    rows = [head]
    for found in real.load():
        if found["space"] != space:
            continue
        last, steps = found["steps"][-1], real.steps(found)
        error = f" ± {100 * last['error']:.1f}" if last["error"] is not None else ""
        rows.append(
            [
                found["strategy"],
                f"{found['seed']}",
                f"{found['budget']:,}",
                *(_median([passes(steps, level, "epochs")]) for level in LEVELS[:2]),
                _median([passes(steps, LEVELS[1], "epochs", for_good=True)]),
                f"{100 * last['claimed']:.1f} %",
                f"{100 * last['true']:.1f}{error} %",
            ]
        )
    return rows


def draw(found: Found, path: Path) -> None:
    """True accuracy of the incumbent against epochs, and against what it claims."""
    names = [name for name in DRAWN if name in found]
    with study_figure.style():
        figure = study_figure.canvas(7.6, 3.2)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for name, colour in zip(names, _COLOURS, strict=False):
            _draw_course(left, name, list(found[name].values()), colour)
            last = [search.steps[-1] for search in found[name].values()]
            right.plot(
                [100 * step.claimed for step in last],
                [100 * step.true for step in last],
                "o",
                markersize=3.5,
                color=colour,
            )
        left.axhline(89.83, color=GREY, linestyle="--", linewidth=1)
        left.set(xlabel="epochs of training", ylabel="confirmed, expected (%)", xscale="log")
        left.set_ylim(70, 97)
        left.legend(loc="lower right", fontsize="small")
        ends = (86, 98)
        right.plot(ends, ends, color=GREY, linewidth=1)
        right.set(xlabel="claimed by the search (%)", ylabel="confirmed, expected (%)")
        study_figure.save(figure, path)


def _draw_course(axes: Axes, name: str, searches: Sequence[Search], colour: str) -> None:
    own: Strategy = STRATEGIES[name]
    at = np.geomspace(60, own.spend, 60)
    values = 100 * np.array([value_at(search.steps, at) for search in searches])
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(at, middle, color=colour, label=name)
