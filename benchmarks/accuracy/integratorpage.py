"""Tables of ``docs/records/integrators.md``, and the figure of its page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.accuracy.integrators import (
    EVALUATIONS,
    NETWORKS,
    Error,
    Found,
    Scheme,
    default_of,
    name_of,
)
from benchmarks.marks import DOCS, fill, row
from hpo.views.figures import pictures
from hpo.views.figures.palette import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE = DOCS / "records" / "integrators.md"
PICTURE = DOCS / "explanation" / "integrators.svg"
DRAWN = {
    "exponential": (BLUE, "o"),
    "exponential-ab2": (ORANGE, "s"),
    "exponential-ab3": (VERMILLION, "D"),
    "euler": (GREY, "v"),
    "heun": (GREEN, "^"),
    "rk4": (PURPLE, "P"),
}
"""Colour and marker of each integrator."""
LISTED = (1, 2, 3, 4, 8, 16, 32)
"""Evaluations of the drive per point in the table."""
LARGEST = 2.0
"""Errors beyond are not drawn: there is nothing left of the solution."""


def write(results: Found) -> None:
    """Write the results into the page, and draw its figure."""
    fill(PAGE, tables(results))
    draw(results, PICTURE)


def tables(results: Found) -> dict[str, str]:
    """The tables by their marks."""
    return {
        "errors": _lines(_errors(results)),
        "trainings": _lines(_trainings(results)),
    }


def draw(results: Found, path: Path) -> None:
    """Error of the logits against evaluations of the drive, a panel per network."""
    with pictures.style():
        figure = pictures.canvas(7.2, 3.2)
        every = figure.subplots(1, len(NETWORKS), sharey=True)
        for axes, name in zip(every, NETWORKS, strict=True):
            own = [error for error in results.errors if error.network == name]
            _draw_one(axes, own, default_of(NETWORKS[name][0]))
            axes.set_title(name)
        every[0].set_ylabel("relative error of the logits")
        every[len(every) // 2].set_xlabel("evaluations of the drive per input point")
        handles, labels = every[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(DRAWN))
        pictures.save(figure, path)


def _draw_one(axes: Axes, own: Sequence[Error], ringed: Scheme) -> None:
    for integrator, (colour, marker) in DRAWN.items():
        drawn = [
            (error.evaluations, error.logits)
            for error in own
            if error.integrator == integrator
            and error.logits
            and error.logits < LARGEST
        ]
        x, y = zip(*drawn, strict=True) if drawn else ((), ())
        axes.plot(x, y, color=colour, marker=marker, markersize=3.5, label=integrator)
    [default] = [error for error in own if (error.integrator, error.steps) == ringed]
    if default.logits is not None and default.logits < LARGEST:
        here = [default.evaluations], [default.logits]
        axes.scatter(*here, s=90, facecolors="none", edgecolors=INK, zorder=3)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_xticks([n for n in EVALUATIONS if n & (n - 1) == 0])
    axes.xaxis.set_major_formatter("{x:.0f}")


def _lines(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    return "\n".join(map(row, [head, rule, *body]))


def _errors(results: Found) -> list[list[str]]:
    """A row per network and integrator, a column per number of evaluations."""
    cells = {
        (e.network, e.integrator, e.evaluations): (
            f"{100 * e.accuracy:.1f}, {100 * e.agreement:.1f}, {_share(e.logits)}"
        )
        for e in results.errors
    }
    rows = [["", "integrator", *map(str, LISTED)]]
    for name in NETWORKS:
        for integrator in DRAWN:
            own = [
                cells.get((name, integrator, evaluations), "–")
                for evaluations in LISTED
            ]
            rows.append([name, integrator, *own])
    return rows


def _share(error: float | None) -> str:
    if error is None:
        return "∞"
    return f"{error:.2g}" if error < 10 else "> 10"


def _trainings(results: Found) -> list[list[str]]:
    """A row per scheme, columns for each network; bold: a gap of half a point at
    most."""
    cells = {(t.integrator, t.steps, t.network): t for t in results.trainings}
    schemes = dict.fromkeys((t.integrator, t.steps) for t in results.trainings)
    rows = [
        ["trained with", "epoch", *(f"{name}: own, solved, gap" for name in NETWORKS)]
    ]
    for integrator, steps in schemes:
        own = [cells[integrator, steps, name] for name in NETWORKS]
        epoch = statistics.fmean(t.epoch for t in own)
        row = [name_of((integrator, steps)), f"{epoch:.2f}"]
        for t in own:
            gaps = [100 * (a - b) for a, b in zip(t.own, t.solved, strict=True)]
            gap = statistics.fmean(gaps)
            text = f"{gap:+.2f} ± {statistics.stdev(gaps):.2f}"
            means = (100 * statistics.fmean(values) for values in (t.own, t.solved))
            scores = ", ".join(f"{mean:.1f}" for mean in means)
            row.append(f"{scores}, {f'**{text}**' if abs(gap) <= 0.5 else text}")
        rows.append(row)
    return rows


if __name__ == "__main__":
    write(Found.read())
