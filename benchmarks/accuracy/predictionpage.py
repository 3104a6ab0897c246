"""``docs/records/beyond-digits.md``: the tables of predictions, and the figure of
memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.accuracy import closedloop, prediction
from benchmarks.marks import DOCS, fill, row
from hpo.views.figures import pictures
from hpo.views.figures.palette import BLUE, GREY, VERMILLION

PAGE = DOCS / "records" / "beyond-digits.md"
PICTURE = PAGE.with_name("memory.svg")
NAMES = {
    "delay line": "delay line, at most 100 taps",
    "ESN": "ESN, random W",
    "ESN, orthogonal": "ESN, orthogonal W",
    "oscillators, random": "oscillators, random W, untrained",
    "oscillators, antisymmetric": "oscillators, antisymmetric W, untrained",
    "trained": "oscillators, antisymmetric W, all trained (3 networks)",
    "oscillators, thermal noise": (
        "oscillators, antisymmetric W, **with thermal noise**"
    ),
}
COLOURS = dict(zip(prediction.TAUS_NS, (BLUE, VERMILLION), strict=True))


def measure(say: Callable[[str], None], sections: tuple[str, ...] = ()) -> None:
    """Measure all, or some sections: a task, a task and ``-trained``, memory,
    closed-loop."""
    for task in prediction.TASKS:
        if not sections or task in sections:
            rows = {}
            for name, model in prediction.MODELS.items():
                say(f"  {task}: {name}")
                rows[name] = prediction.row(model, task, say)
                prediction.keep(
                    task,
                    {n: {c: asdict(b) for c, b in r.items()} for n, r in rows.items()},
                )
        if not sections or f"{task}-trained" in sections:
            start = prediction.Best(
                **prediction.read()[task]["oscillators, antisymmetric"]["2, none"]
            )
            own = prediction.trained_row(start, task, say)
            prediction.keep(f"{task}-trained", {c: asdict(b) for c, b in own.items()})
    if not sections or "memory" in sections:
        prediction.keep("memory", prediction.memory(say))
    if not sections or "closed-loop" in sections:
        prediction.keep("closed-loop", closedloop.measure(say))


def write() -> None:
    """Write the tables into the page, and draw the figure."""
    fill(PAGE, tables())
    draw(prediction.read()["memory"])


def tables() -> dict[str, str]:
    """Each table by its task."""
    return {task: table(prediction.read(), task) for task in prediction.TASKS}


def table(results: Mapping[str, Any], task: str) -> str:
    """A row for each model, a column for each noise, without and with squares."""
    columns = [prediction.named(column) for column in prediction.COLUMNS]
    rows = {**results[task]}
    if (trained := results.get(f"{task}-trained")) is not None:
        rows["trained"] = trained
    head = [
        "y read:",
        *(c.partition(", ")[2].replace("none", "no noise") for c in columns[:3]),
    ]
    head += [f"y, y² read: {name}" for name in head[1:]]
    lines = [row(head), row(["---", *["---:"] * len(columns)])]
    for name in (name for name in NAMES if name in rows):
        own = rows[name]
        lines.append(
            row([NAMES[name], *(_cell(own[column]["test"]) for column in columns)])
        )
    return "\n".join(lines)


def _cell(scores: list[float]) -> str:
    digits = 3 if statistics.fmean(scores) > 0.1 else 4
    text = f"{statistics.fmean(scores):.{digits}f}"
    return (
        text if len(scores) == 1 else f"{text} ± {statistics.stdev(scores):.{digits}f}"
    )


def draw(results: list[dict[str, Any]]) -> None:
    """Capacity against rotation, noise-free and at -40 dB, beside a random coupling and
    an ESN."""
    with pictures.style():
        figure = pictures.canvas(7.2, 3.2)
        panels = figure.subplots(1, 2, sharey=True)
        for axes, noise_db in zip(panels, (None, -40.0), strict=True):
            here = [own for own in results if own["noise_db"] == noise_db]
            for tau, colour in COLOURS.items():
                own = [o for o in here if o["varied"] and o["setting"]["tau_ns"] == tau]
                turning = [o for o in own if o["varied"] == "rotation"]
                x = [o["setting"]["rotation"] / 4.0 for o in turning]
                y = [statistics.fmean(o["capacity"]) for o in turning]
                error = [statistics.stdev(o["capacity"]) for o in turning]
                axes.errorbar(
                    x,
                    y,
                    error,
                    color=colour,
                    marker="o",
                    ms=3.5,
                    label=f"antisymmetric, τ {tau:g} ns",
                )
                most = max(
                    statistics.fmean(o["capacity"]) for o in own if o not in turning
                )
                axes.axhline(most, color=colour, ls="--", label=f"random, τ {tau:g} ns")
            [esn] = [o for o in here if o["model"] == "ESN"]
            level = statistics.fmean(esn["capacity"])
            axes.axhline(level, color=GREY, ls=":", label="ESN, as tuned for NARMA10")
            axes.set_xlabel("rotation of the fastest mode (rad / point)")
            axes.set_ylim(0.0, 100.0)
            axes.set_title(
                "no readout noise" if noise_db is None else "readout noise -40 dB"
            )
        panels[0].set_ylabel("linear memory capacity")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        pictures.save(figure, PICTURE)
