"""``docs/explanation/search.md``: the tables between its marks, and its figure."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.results import row
from benchmarks.search import real, surrogate, table
from benchmarks.search.simulate import Search, Step, passes, value_at
from benchmarks.search.strategies import DEFAULT, EPOCHS, STRATEGIES
from hpo.views import pictures
from hpo.views.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "search.md"
PICTURE = PAGE.with_suffix(".svg")
BUDGETS = (500, 1000, 2000, 5000, EPOCHS)
"""Epochs after which the incumbents are compared."""
LEVEL = 0.92
_DRAWN = {
    DEFAULT: BLUE,
    "TPE, median": ORANGE,
    "Optuna TPE": VERMILLION,
    "Optuna GP": PURPLE,
    "SMAC fidelities": GREEN,
    "Syne Tune BOHB": SKY,
    "random": GREY,
}
"""Strategies in the figure."""

Found = Mapping[str, Mapping[int, Search]]


def write(found: Found) -> None:
    """Write what was found into the page, and draw it."""
    text = PAGE.read_text(encoding="utf-8")
    for name, own in tables(found).items():
        block = re.compile(rf"(<!-- {name} -->\n)(?:[^<].*?\n)?(<!-- end -->)", re.DOTALL)
        if not block.search(text):
            raise ValueError(f"{PAGE}: <!-- {name} --> ... <!-- end --> is missing")
        text = block.sub(lambda match, own=own: f"{match[1]}{own}\n{match[2]}", text)
    PAGE.write_text(text, encoding="utf-8")
    draw(found, PICTURE)


def tables(found: Found) -> dict[str, str]:
    """The tables by their marks."""
    whole = {name: list(found[name].values()) for name in STRATEGIES if name in found}
    return {
        "searches": _lines(_searches(whole)),
        "surrogate": _lines(_validation()),
        "epochs": _lines(_epochs()),
        "real": _lines(_real()),
    }


def _lines(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join([row(head), row(["---", *["---:"] * (len(head) - 1)]), *map(row, body)])


def _searches(whole: Mapping[str, Sequence[Search]]) -> list[list[str]]:
    """A row for each strategy: medians of what its incumbent is worth, means of the rest."""
    late = ["in the end", "claims too much by", "good after 50", "best tenth cut"]
    rows = [
        [
            "strategy",
            "n",
            *(f"{at:,} epochs" for at in BUDGETS),
            f"{100 * LEVEL:.0f} % after",
            *late,
        ]
    ]
    for name, searches in whole.items():
        worth = np.array([value_at(s.steps, np.array(BUDGETS)) for s in searches])
        last = [search.steps[-1] for search in searches]
        rows.append(
            [
                name,
                f"{len(searches)}",
                *(f"{100 * value:.1f}" for value in np.median(worth, axis=0)),
                _median([passes(search.steps, LEVEL) for search in searches]),
                _mean([100 * step.true for step in last]),
                _mean([100 * (step.claimed - step.true) for step in last]),
                *(_share([getattr(s, what) for s in searches]) for what in ("good", "lost")),
            ]
        )
    return rows


def _share(values: Sequence[float]) -> str:
    """The mean of those that are known."""
    known = [value for value in values if not math.isnan(value)]
    return f"{100 * statistics.fmean(known):.0f} %" if known else "–"


def _median(values: Sequence[float]) -> str:
    """Median, and in how many searches there is a value, if not in all."""
    reached = sum(map(math.isfinite, values))
    middle = statistics.median(values)
    shown = f"{middle:,.0f}" if math.isfinite(middle) else "–"
    return shown if reached == len(values) else f"{shown} ({reached} of {len(values)})"


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}"


def _validation() -> list[list[str]]:
    report = json.loads(surrogate.KERNELS.read_text(encoding="utf-8"))["validation"]
    rows = [["points held back", "what", "R²", "rank correlation", "error", "of it noise", "bias"]]
    for kind in ("all", "good"):
        for what in ("epoch 15", "epoch 60", "confirmed"):
            own = report[kind][what]
            rows.append(
                [
                    f"{kind}, {own['points']}",
                    what,
                    f"{own['r2']:.2f}",
                    f"{own['rank_correlation']:.2f}",
                    *(f"{100 * own[k]:.1f}" for k in ("rms_error", "rms_noise", "mean_error")),
                ]
            )
    return rows


def _epochs() -> list[list[str]]:
    """What scores on the way say of a confirmation, of points with two networks of each."""
    known = surrogate.data(table.spec(), table.read())
    both = known.subset(np.flatnonzero(np.isfinite(known.spread)))
    confirmed, curves = surrogate.expit(both.confirmed), surrogate.expit(both.curves).mean(axis=1)
    least = {"all": 0.0, "above 85 %": 0.85, "above 90 %": 0.9}
    chosen = [confirmed > score for score in least.values()]
    heads = [f"{name} ({n.sum()})" for name, n in zip(least, chosen, strict=True)]
    rows = [["epochs", *heads]]
    for epoch in (5, 15, 45, 60, 100, table.EPOCHS):
        scores = curves[:, epoch - 1]
        cells = [
            f"{stats.spearmanr(scores[n], confirmed[n]).statistic:.2f}, "
            f"{100 * (confirmed[n] - scores[n]).mean():.1f}"
            for n in chosen
        ]
        rows.append([f"{epoch}", *cells])
    return rows


def _real() -> list[list[str]]:
    """A row for each search with real networks: what it held, and what that is."""
    found = real.load()
    several = len({search["task"] for search in found}) > 1
    budgets = sorted({held["at"] for search in found for held in search["held"]})
    heads = ["strategy", "study seed", *(f"{at:,} epochs" for at in budgets), "claims in the end"]
    rows = [["task", *heads] if several else heads]
    for search in found:
        held = {one["at"]: one for one in search["held"]}
        cells = [
            f"{100 * held[at]['true']:.1f} ± {100 * held[at]['std']:.1f}" if at in held else "–"
            for at in budgets
        ]
        claimed = f"{100 * search['held'][-1]['claimed']:.1f}" if held else "–"
        own = [search["strategy"], f"{search['seed']}", *cells, claimed]
        rows.append([search["task"], *own] if several else own)
    return rows


def draw(found: Found, path: Path) -> None:
    """True accuracy of the incumbent against epochs, and against what it claims."""
    with pictures.style():
        figure = pictures.canvas(7.6, 3.2)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        at = np.geomspace(100, EPOCHS, 40)
        for name, colour in _DRAWN.items():
            if name not in found:
                continue
            searches = list(found[name].values())
            values = 100 * np.array([value_at(search.steps, at) for search in searches])
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
            left.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
            left.plot(at, middle, color=colour, label=name)
            last = [search.steps[-1] for search in searches]
            claims, worth = ([100 * x for x in xs] for xs in zip(*_ends(last), strict=True))
            right.plot(claims, worth, "o", markersize=3.5, color=colour)
        left.axhline(89.83, color=GREY, linestyle="--", linewidth=1)
        left.set(xlabel="epochs of training", ylabel="confirmed, expected (%)", xscale="log")
        left.set_ylim(70, 97)
        left.legend(loc="lower right", fontsize="small")
        ends = (84, 98)
        right.plot(ends, ends, color=GREY, linewidth=1)
        right.set(xlabel="claimed by the search (%)", ylabel="confirmed, expected (%)")
        pictures.save(figure, path)


def _ends(last: Sequence[Step]) -> list[tuple[float, float]]:
    return [(step.claimed, step.true) for step in last]
