"""``docs/explanation/devices.md``: its table, of the results in ``docs/results``, and
its figure.

``python -m benchmarks.accuracy.devices`` after ``hpo best STUDY --json >
docs/results/STUDY.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.marks import DOCS, fill, row
from hpo.views.figures import pictures
from hpo.views.figures.palette import BLUE, VERMILLION

PAGE = DOCS / "explanation" / "devices.md"
STUDIES = {
    "seqdigits-duffing": "Duffing oscillator",
    "seqdigits-microring": "photonic microring",
    "seqdigits-phase": "phase oscillator",
    "seqdigits-spintronic-40": "spintronic oscillator",
    "seqdigits-ctrnn-40": "CTRNN",
}
REPORTED = {"spintronic, reported": (0.8983, 0.0291), "CTRNN, reported": (0.89, 0.0348)}
"""Of arXiv:2408.02835, ten networks, 100 epochs."""


def read_results() -> dict[str, Any]:
    """The result of each study that is kept."""
    paths = {name: DOCS / "results" / f"{name}.json" for name in STUDIES}
    return {n: json.loads(p.read_text("utf-8")) for n, p in paths.items() if p.exists()}


def table(results: Mapping[str, Any]) -> str:
    """A row per device."""
    head = ["", "confirmed", "at the training's integration step", "connections"]
    rows = [head, ["---", *["---:"] * 3]]
    for name, result in results.items():
        own = result["confirmations"][0]
        connections = result["best"][0]["members"][0]["info"]["n_synapses"]
        scores = [f"{100 * own[m]:.1f} ± {100 * own[s]:.1f} %" for m, s in _MEANS]
        rows.append([f"{STUDIES[name]}, `{name}`", *scores, f"{connections:,}"])
    reported = [
        [name, f"{100 * mean:.1f} ± {100 * std:.1f} %", "–", "–"]
        for name, (mean, std) in REPORTED.items()
    ]
    return "\n".join(map(row, rows + reported))


_MEANS = (("mean", "std"), ("step_mean", "step_std"))


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Each network that was confirmed, a row per device, beside what was reported."""
    names = [*(STUDIES[name] for name in results), *REPORTED]
    with pictures.style():
        figure = pictures.canvas(6.4, 2.8)
        axes = figure.add_subplot()
        for place, result in enumerate(results.values()):
            own = result["confirmations"][0]
            scores = [100 * score for score in own["scores"]]
            axes.plot(
                scores, [place] * len(scores), "o", color=BLUE, alpha=0.5, markersize=4
            )
            axes.plot([100 * own["mean"]], [place], "|", color=BLUE, markersize=14)
        for place, (mean, std) in enumerate(REPORTED.values(), start=len(results)):
            axes.errorbar(100 * mean, place, xerr=100 * std, fmt="D", color=VERMILLION)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel(
            "accuracy on the test half (%): each of ten networks, their mean"
        )
        pictures.save(figure, path)


def write() -> None:
    """Write the table into the page, and draw the figure."""
    results = read_results()
    fill(PAGE, {"devices": table(results)})
    draw(results, PAGE.with_suffix(".svg"))


if __name__ == "__main__":
    write()
