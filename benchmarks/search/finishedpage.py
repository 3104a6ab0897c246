"""``docs/records/finished-studies.md``: what finished studies claim, and the truth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.marks import DOCS, fill, row
from benchmarks.search.finished import Claims
from benchmarks.search.public_tables import Table

PAGE = DOCS / "records" / "finished-studies.md"
_HEADS = (
    "table",
    "best value − truth",
    "RMS",
    "posterior mean − truth",
    "RMS",
    "likely best − trial of the best value",
)
Measured = Mapping[str, tuple[Table, Sequence[Claims]]]
"""The searches of each table, by its name."""


def write(about: str, measured: Measured) -> None:
    """Write the table into the page; ``about`` says when and where it was measured."""
    lines = [row(_HEADS), row(["---", *["---:"] * 5])]
    for table, claims in measured.values():
        lines.append(row(_cells(table, claims)))
    parts = {"about": about, "summary": _summary(measured), "claims": "\n".join(lines)}
    fill(PAGE, parts)


def _cells(table: Table, claims: Sequence[Claims]) -> list[str]:
    unit = "points" if table.maximize else "%"
    best = [one.best_value for one in claims]
    likely = [one.likely for one in claims]
    gained = [one.gained for one in claims]
    cells = [f"{table.name}, {unit}"]
    cells += [_mean(best), f"{_rms(best):.2f}"]
    cells += [_mean(likely), f"{_rms(likely):.2f}"]
    return [*cells, _mean(gained)]


def _summary(measured: Measured) -> str:
    closer = 0
    gains = []
    errors = []
    for table, claims in measured.values():
        best = _rms([one.best_value for one in claims])
        closer += _rms([one.likely for one in claims]) < best
        if table.maximize:
            gained = [one.gained for one in claims]
            gains.append(statistics.fmean(gained))
            errors.append(_error(gained))
    gain = statistics.fmean(gains)
    error = math.hypot(*errors) / len(errors)
    return (
        f"The posterior mean is closer to the truth than the best value on {closer} of"
        f" {len(measured)} tables (RMS). Over the {len(gains)} tables of accuracies,"
        f" the likely best trial is better than that of the best value by {gain:.2f} ±"
        f" {error:.2f} points."
    )


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):+.2f} ± {_error(values):.2f}"


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(statistics.fmean(value * value for value in values))
