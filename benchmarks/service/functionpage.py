"""``docs/records/functions.md``: the tables of scripts in Optuna and here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.marks import DOCS, fill, row
from benchmarks.service.functions import Claims, Cost, Repeat

PAGE = DOCS / "records" / "functions.md"


def write(
    about: str,
    repeats: Sequence[Repeat],
    claims: Sequence[Claims],
    costs: Sequence[Cost],
) -> None:
    """Write the tables into the page; ``about`` says where they were measured."""
    tables = {
        "about": about,
        "repeats": _table(
            ["script", "service", "equal trials", "seconds", "best values"],
            [_repeat_cells(one) for one in repeats],
        ),
        "claims": _table(
            ["script", "service", "studies", "claimed − true", "true value"],
            [_claim_cells(one) for one in claims],
        ),
        "costs": _table(
            ["service", "CPU per trial, ms", "first trial after, s"],
            [_cost_cells(one) for one in costs],
        ),
    }
    fill(PAGE, tables)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [row(heads), row(["---"] * 2 + ["---:"] * (len(heads) - 2))]
    return "\n".join([*lines, *[row(cells) for cells in rows]])


def _repeat_cells(one: Repeat) -> list[str]:
    seconds = [f"{run.seconds:.1f}" for run in one.runs]
    bests = [f"{run.best:.4g}" for run in one.runs]
    equal = f"{one.equal} of {len(one.runs[0].trials)}"
    return [one.script, one.service, equal, ", ".join(seconds), ", ".join(bests)]


def _claim_cells(one: Claims) -> list[str]:
    true = _spread(one.true).removeprefix("+")
    return [one.script, one.service, str(len(one.true)), _spread(one.errors), true]


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):+.3f} ± {statistics.stdev(values):.3f}"


def _cost_cells(one: Cost) -> list[str]:
    first = f"{statistics.median(one.first_s):.1f}"
    ends = f"({min(one.first_s):.1f} – {max(one.first_s):.1f})"
    return [one.service, f"{one.trial_ms:.1f}", f"{first} {ends}"]
