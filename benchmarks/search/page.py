"""``docs/explanation/search.md`` and ``docs/records/search.md``: their tables, and the
figure.

Marks are ``<!-- searches -->``, ``<!-- quartiles -->`` and ``<!-- surrogate -->`` for
the table of ``seqdigits``, ``<!-- real -->`` and ``<!-- real changed -->`` for real
networks of all tasks, ``<!-- claims -->`` for what their searches claim.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.marks import DOCS, fill, row
from benchmarks.search import real, surrogate
from benchmarks.search.simulate import Search, Step, passes, value_at
from benchmarks.search.strategies import DEFAULT, STRATEGIES
from benchmarks.search.tasks import SEQDIGITS
from hpo.views.figures import pictures
from hpo.views.figures.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

PAGES = (DOCS / "explanation" / "search.md", DOCS / "records" / "search.md")
PICTURE = PAGES[0].with_suffix(".svg")
BUDGETS = (500, 1000, 2000, 5000, 10_000)
"""Epochs after which the incumbents are compared."""
Values = surrogate.Array
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
"""Searches on a table, by strategy and study seed."""


def write(results: Found) -> None:
    """Write the results into the pages, and draw those on the table."""
    made = tables(results)
    for page in PAGES:
        fill(page, made)
    draw(results, PICTURE)


def tables(results: Found) -> dict[str, str]:
    """Return the tables by their marks."""
    whole = {
        name: list(results[name].values()) for name in STRATEGIES if results.get(name)
    }
    made = {
        "searches": _searches(whole),
        "quartiles": _quartiles(whole),
        "surrogate": _validation(),
        "real": _real(False),
        "real changed": _real(True),
        "claims": _claims(),
    }
    return {mark: _lines(rows) for mark, rows in made.items()}


def _lines(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join(
        [row(head), row(["---", *["---:"] * (len(head) - 1)]), *map(row, body)]
    )


def _searches(whole: Mapping[str, Sequence[Search]]) -> list[list[str]]:
    """A row for each strategy: medians of what its incumbent is worth, means of the
    rest."""
    late = ["in the end", "claims too much by", "good after 50", "best tenth cut"]
    rows = [
        [
            "strategy",
            "n",
            *(f"{at:,} epochs" for at in BUDGETS),
            f"{100 * surrogate.LEVEL:.0f} % after",
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
                _median([passes(search.steps, surrogate.LEVEL) for search in searches]),
                _mean([100 * step.true for step in last]),
                _mean([100 * (step.claimed - step.true) for step in last]),
                *(
                    _share([getattr(s, what) for s in searches])
                    for what in ("good", "lost")
                ),
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
    rows = [
        [
            "points held back",
            "what",
            "R²",
            "rank correlation",
            "error",
            "of it noise",
            "bias",
        ]
    ]
    for kind in ("all", "good"):
        for what in (*(f"epoch {e}" for e in surrogate.EPOCHS), "confirmed"):
            own = report[kind][what]
            rows.append(
                [
                    f"{kind}, {own['points']}",
                    what,
                    f"{own['r2']:.2f}",
                    f"{own['rank_correlation']:.2f}",
                    *(
                        f"{100 * own[k]:.1f}"
                        for k in ("rms_error", "rms_noise", "mean_error")
                    ),
                ]
            )
    return rows


def _quartiles(whole: Mapping[str, Sequence[Search]]) -> list[list[str]]:
    """Median and quartiles of true accuracy, and how likely a difference from the
    default is.

    Beside a median: the lower and the upper quartile, p of Mann-Whitney's test against
    the default (two-sided; study seeds are the sample).
    """
    rows = [["strategy", "n", *(f"{at:,} epochs" for at in BUDGETS)]]
    for name, searches in whole.items():
        cells = []
        for at in BUDGETS:
            own = _worth(searches, at)
            cell = _spread(own)
            if name != DEFAULT and DEFAULT in whole:
                cell += f"; {_p(own, _worth(whole[DEFAULT], at))}"
            cells.append(cell)
        rows.append([name, f"{len(searches)}", *cells])
    return rows


def _worth(searches: Sequence[Search], at: int) -> Values:
    return np.array([value_at(search.steps, np.array([at]))[0] for search in searches])


def _spread(values: Values) -> str:
    low, middle, high = np.quantile(100 * values, [0.25, 0.5, 0.75])
    return f"{middle:.1f} ({low:.1f}–{high:.1f})"


def _p(own: Values, others: Values) -> str:
    p = float(stats.mannwhitneyu(own, others).pvalue)
    if p < 0.001:
        return "p < 0.001"
    return f"p {p:.2f}" if p >= 0.01 else f"p {p:.3f}"


def _real(changed: bool) -> list[list[str]]:
    """A row for each strategy with real networks of a task: what its searches held, and
    claimed.

    Those of the study files, or those with values in place of theirs.

    Medians and quartiles, p as in ``_quartiles``; of the claims after most epochs the
    mean error and the root mean square.
    """
    results = [search for search in real.load() if bool(search["set"]) == changed]
    budgets = sorted({held["at"] for search in results for held in search["held"]})
    groups: dict[tuple[str, str], list[real.Found]] = {}
    for search in results:
        values = "".join(f", {text.removeprefix('fixed.')}" for text in search["set"])
        groups.setdefault((search["task"] + values, search["strategy"]), []).append(
            search
        )
    heads = ["claims too much by", "root mean square"]
    rows = [["task", "strategy", "n", *(f"{at:,} epochs" for at in budgets), *heads]]
    for (task, name), searches in groups.items():
        cells = []
        for at in budgets:
            own = _held(searches, at)
            judged = any(
                held["at"] == at for search in searches for held in search["held"]
            )
            cell = _spread(own) if len(own) and judged else "–"
            others = _held(groups.get((task, DEFAULT), []), at)
            if judged and name != DEFAULT and min(len(own), len(others)) > 2:
                cell += f"; {_p(own, others)}"
            cells.append(cell)
        ends = [search["held"][-1] for search in searches if search["held"]]
        errors = 100 * np.array([end["claimed"] - end["true"] for end in ends])
        accuracy = [f"{errors.mean():.1f}", f"{np.sqrt((errors**2).mean()):.1f}"]
        rows.append([task, name, f"{len(searches)}", *cells, *accuracy])
    return rows


def _claims() -> list[list[str]]:
    """A row for each strategy, task and number of epochs: how wrong claims are.

    Those of the study files with real networks. The error is what a search claims of
    what it holds, less what confirms it, in points; beside its mean stands the standard
    error over study seeds.
    """
    errors: dict[tuple[str, str, int], list[float]] = {}
    unchanged = [search for search in real.load() if not search["set"]]
    for search in unchanged:
        for held in search["held"]:
            error = 100 * (held["claimed"] - held["true"])
            row = (search["task"], search["strategy"], held["at"])
            errors.setdefault(row, []).append(error)
    what = ["claims too much by", "root mean square", "median error", "largest error"]
    rows = [["task", "strategy", "epochs", "n", *what]]
    for (task, name, at), values in sorted(errors.items()):
        own = np.array(values)
        rows.append(
            [
                task,
                name,
                f"{at:,}",
                f"{len(own)}",
                f"{own.mean():.1f} ± {stats.sem(own):.1f}",
                f"{np.sqrt((own**2).mean()):.1f}",
                f"{np.median(abs(own)):.1f}",
                f"{abs(own).max():.1f}",
            ]
        )
    return rows


def _held(searches: Sequence[real.Found], at: int) -> Values:
    """Return true accuracies of incumbents after numbers of epochs; 0.1 without one."""
    long = [search for search in searches if search["budget"] >= at]
    held = [next((h["true"] for h in s["held"] if h["at"] == at), 0.1) for s in long]
    return np.array(held)


def draw(results: Found, path: Path) -> None:
    """True accuracy of the incumbent against epochs, and against what it claims."""
    with pictures.style():
        figure = pictures.canvas(7.6, 3.2)
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        at = np.geomspace(100, SEQDIGITS.budget, 40)
        for name, colour in _DRAWN.items():
            if name not in results:
                continue
            searches = list(results[name].values())
            values = 100 * np.array([value_at(search.steps, at) for search in searches])
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
            left.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
            left.plot(at, middle, color=colour, label=name)
            last = [search.steps[-1] for search in searches]
            claims, worth = (
                [100 * x for x in xs] for xs in zip(*_ends(last), strict=True)
            )
            right.plot(claims, worth, "o", markersize=3.5, color=colour)
        left.axhline(89.83, color=GREY, linestyle="--", linewidth=1)
        left.set(
            xlabel="epochs of training", ylabel="confirmed, expected (%)", xscale="log"
        )
        left.set_ylim(70, 97)
        left.legend(loc="lower right", fontsize="small")
        ends = (84, 98)
        right.plot(ends, ends, color=GREY, linewidth=1)
        right.set(xlabel="claimed by the search (%)", ylabel="confirmed, expected (%)")
        pictures.save(figure, path)


def _ends(last: Sequence[Step]) -> list[tuple[float, float]]:
    return [(step.claimed, step.true) for step in last]
