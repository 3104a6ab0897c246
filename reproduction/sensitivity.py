"""Every claim under every reading: ``docs/records/sensitivity.md`` and its figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpo.views.figures import pictures
from hpo.views.figures.palette import GREEN, ORANGE, VERMILLION
from reproduction import prose, readings, tables
from reproduction.claims import OVER_ALL, Answer, Cell, reading_of, together
from reproduction.data import spread_text
from reproduction.evidence import Evidence, Studies
from reproduction.measures import Verdict
from reproduction.page import (
    found_text,
    put,
    titles,
    together_text,
)
from reproduction.readings import Reading

COLOURS = {Verdict.YES: GREEN, Verdict.PARTLY: ORANGE, Verdict.NO: VERMILLION}
SIGNS = {Verdict.YES: "✓", Verdict.PARTLY: "~", Verdict.NO: "✗"}


def write(
    answers: Sequence[Answer],
    evidences: Mapping[str, Evidence],
    studies: Studies,
    docs: Path,
) -> list[Path]:
    """Write the page and draw the matrix; nothing where the plain reading alone was
    measured."""
    measured = [reading for reading in readings.ALL if reading.name in evidences]
    if not {reading.name for reading in readings.OTHERS} & evidences.keys():
        return []
    picture = docs / "reproduction" / "sensitivity.png"
    _draw(answers, measured, picture)
    parts = [
        prose.READ_OTHERWISE.format(picture=picture.name),
        together_text(answers),
        prose.LIMITED,
        prose.DECIDES,
        prose.MEASURED,
    ]
    record = put(docs / "records" / "sensitivity.md", parts)
    files = tables.write(
        docs,
        {
            "readings": _readings(answers, measured, evidences),
            "limited": _limited(answers, evidences),
            "decides": _verdicts(answers),
            "missing": _missing(evidences, studies),
        },
    )
    return [picture, record, *files]


def _readings(
    answers: Sequence[Answer],
    measured: Sequence[Reading],
    evidences: Mapping[str, Evidence],
) -> tables.Rows:
    """A row for each reading: why, its accuracy, and the share of resamples in which
    four results hold together."""
    judged = together(answers)
    rows = []
    for reading in measured:
        holds, share = judged.get(reading.name, (False, None))
        rows.append(
            [
                reading.title,
                reading.why,
                _accuracy(evidences[reading.name]),
                "–" if share is None else f"{share:.0%}",
                "yes" if holds else "no",
            ]
        )
    head = [
        "reading",
        "why the paper can be read so",
        "accuracy at 1 ns",
        "all four, share of resamples",
        "all four in the measured networks",
    ]
    return [head, *rows]


def _accuracy(found: Evidence) -> str:
    point = found.at_optimum()
    return spread_text(n.accuracy / 100 for n in point.networks) if point else "–"


def _limited(
    answers: Sequence[Answer], evidences: Mapping[str, Evidence]
) -> tables.Rows:
    """The claims without and with a limit of the drive."""
    shown = [r for r in (readings.PLAIN, *readings.LIMITS) if r.name in evidences]
    if shown == [readings.PLAIN]:
        return []
    rows = [["accuracy at 1 ns", *(_accuracy(evidences[r.name]) for r in shown)]]
    for answer in answers:
        cells = [found_text(answer.cells.get(reading.name)) for reading in shown]
        rows.append([answer.claim.text, *cells])
    head = ["the paper says", *(reading.title for reading in shown)]
    return [head, *rows]


def _verdicts(answers: Sequence[Answer]) -> tables.Rows:
    """For each claim, under how many readings it holds, and what decides."""
    rows = []
    for answer in answers:
        effects = answer.effects()
        known = [effects.get(choice) for choice in readings.CROSSED]
        rows.append(
            [
                answer.claim.text,
                *(str(answer.count(verdict)) for verdict in Verdict),
                titles(answer.turned_by()) or "–",
                *("–" if effect is None else f"{effect:+.2f}" for effect in known),
            ]
        )
    head = ["The paper says", *Verdict, "turned by", *readings.CROSSED]
    return [head, *rows]


def _missing(evidences: Mapping[str, Evidence], studies: Studies) -> tables.Rows:
    """Say what was not measured, by readings and parts of readings."""
    rows = [[r.title, "all"] for r in readings.ALL if r.name not in evidences]
    for reading in (*readings.OTHERS, *readings.COMBINED):
        lacking = [
            words
            for end, words in readings.PARTS.items()
            if f"reading-{reading.name}{end}" not in studies
        ]
        if lacking and reading.name in evidences:
            rows.append([reading.title, ", ".join(lacking)])
    return [["reading", "what"], *rows]


def _matrix(answers: Sequence[Answer]) -> list[tuple[str, dict[str, Cell]]]:
    """The rows of the picture: a claim, and its cells by the name of a reading."""
    rows = []
    for answer in answers:
        short = answer.claim.short
        rows.append((short, dict(answer.cells)))
        if answer.claim.over_all is not None:
            of_all = {
                reading_of(key): cell
                for key, cell in answer.cells.items()
                if key != reading_of(key)
            }
            rows.append((f"{short}, {OVER_ALL}", of_all))
    return rows


def _draw(answers: Sequence[Answer], measured: Sequence[Reading], path: Path) -> None:
    """A row per claim, a column per reading; colour and sign of a cell are its
    verdict."""
    from matplotlib.colors import to_rgba

    rows = _matrix(answers)
    with pictures.style():
        figure = pictures.canvas(0.45 * len(measured) + 2.5, 0.9 + 0.3 * len(rows))
        axes = figure.add_subplot()
        axes.grid(visible=False)
        colours = np.ones((len(rows), len(measured), 4))
        for row, (_, cells) in enumerate(rows):
            for column, reading in enumerate(measured):
                if cell := cells.get(reading.name):
                    colours[row, column] = to_rgba(COLOURS[cell.finding.verdict], 0.45)
                    text = f"{SIGNS[cell.finding.verdict]} {100 * cell.share:.0f}"
                    look: dict[str, Any] = {
                        "fontsize": 8,
                        "weight": "bold" if cell.is_settled else "normal",
                    }
                    axes.text(column, row, text, ha="center", va="center", **look)
        axes.imshow(colours, aspect="auto", interpolation="nearest")
        axes.set_yticks(range(len(rows)), [short for short, _ in rows])
        axes.set_xticks(
            range(len(measured)), [r.title for r in measured], rotation=35, ha="left"
        )
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-0.5, len(measured) - 0.5)
        for side in axes.spines.values():
            side.set_visible(False)
        pictures.save(figure, path)
