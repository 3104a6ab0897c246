"""The ablation: tables of ``docs/records/digits.md``, a figure of
``docs/explanation``."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy import ablation, digits
from benchmarks.accuracy.ablation import CHANGES, GROUPS, SAME, Row
from benchmarks.marks import DOCS, fill, row
from hpo.statistics.intervals import compare, critical, estimate
from hpo.views.figures import pictures
from hpo.views.figures.palette import BLUE, GREY, INK, VERMILLION

PAGE = DOCS / "records" / "digits.md"
Scores = Sequence[float]
LABELS = {
    "batch": "batch 120 → 20",
    "epochs and decay": "epochs 60 → 100, decay 8 → 13",
    "synapses": "density 0.5, 0.5 → 1, 0.87",
    "filter": "filter 0.1 → 0.007 per ns",
    "S": "S 0.5 → 0.16",
    "tau": "τ 14 → 4.6 ns",
    "thermal power": "thermal power 0 → 1e-3",
}
GROUP_LABELS = {
    "training": "training (batch, epochs, decay)",
    "synapses": "synapses (both densities)",
    "neurons": "neurons (filter, S, τ)",
}


def measure(say: Callable[[str], None]) -> None:
    """Measure all of it."""
    ablation.measure(say)
    digits.measure(say)


def write() -> None:
    """Write the tables into the page, and draw the figure."""
    fill(PAGE, tables())
    draw(_rows(ablation.read()), DOCS / "explanation" / "ablation.svg")


def tables() -> dict[str, str]:
    """Each table by its name."""
    data = ablation.read()
    rows = _rows(data)
    return {
        "changes": _changes(rows),
        "mixtures": _mixtures(rows),
        "shares": _shares(rows),
        "readouts": _readouts(data["trained"], rows["ours"]),
        "others": _others(data["others"]),
    }


def _rows(data: Mapping[str, Any]) -> dict[str, Row]:
    rows = {name: Row(**own) for name, own in data["rows"].items()}
    return rows | {name: rows[other] for name, other in SAME.items() if other in rows}


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(map(row, [head, ["---", *["---:"] * (len(head) - 1)], *lines]))


def _score(scores: Scores) -> str:
    if not scores:
        return "–"
    return (
        f"{100 * statistics.fmean(scores):.1f} ± {100 * statistics.stdev(scores):.1f} %"
    )


def difference(own: Scores, other: Scores) -> tuple[float, float, float]:
    """Points that the first networks are ahead, the half width of its 95 % interval,
    and p."""
    gain = compare(estimate(own), estimate(other), maximize=True)
    assert gain.p is not None
    assert gain.high is not None
    return 100 * gain.difference, 100 * (gain.high - gain.difference), gain.p


def _difference(own: Scores, other: Scores) -> str:
    mean, half, p = difference(own, other)
    return f"{mean:+.1f} ± {half:.1f}" + ("" if p < 0.05 else " (level)")


def _changes(rows: Mapping[str, Row]) -> str:
    lines = []
    for change, label in LABELS.items():
        there = rows.get(f"paper, {change}")
        back = rows.get(f"ours, {change}")
        cells = ["–"] * 4
        if there:
            cells[:2] = [
                _score(there.test),
                _difference(there.test, rows["paper"].test),
            ]
        if back:
            cells[2:] = [_score(back.test), _difference(rows["ours"].test, back.test)]
        lines.append([label, *cells])
    ends = [["none", _score(rows["paper"].test), "", _score(rows["ours"].test), ""]]
    head = [
        "change",
        "paper's point with it",
        "adds",
        "our point without it",
        "it adds",
    ]
    return _table(head, ends + lines)


def _named(groups: Sequence[str]) -> str:
    return " + ".join(groups) or "none"


def mixtures() -> list[tuple[str, ...]]:
    """All of them, by how many groups are ours."""
    return [own for n in range(4) for own in itertools.combinations(GROUPS, n)]


def _mixtures(rows: Mapping[str, Row]) -> str:
    lines = []
    for groups in mixtures():
        if (own := rows.get(_named(groups))) is None:
            continue
        name = {0: "none: the paper's point, warm", 3: "all: ours"}.get(
            len(groups), ", ".join(groups)
        )
        cells = [f"{own.synapses:,}", f"{own.updates:,}", f"{own.params['lr0']:.3g}"]
        lines.append([name, *cells, _score(own.test)])
    return _table(
        ["ours of", "synapses", "updates", "learning rate", "accuracy"], lines
    )


def shares(rows: Mapping[str, Row]) -> dict[str, list[float]]:
    """Points that each group earns, of each seed: its mean gain over all orders
    (Shapley value)."""
    score = {groups: rows[_named(groups)].test for groups in mixtures()}
    n = min(map(len, score.values()))
    gains_by_group = {}
    for group in GROUPS:
        gains = []
        for seed in range(n):
            total = 0.0
            for order in itertools.permutations(GROUPS):
                before = {*order[: order.index(group)]}
                own = [
                    tuple(g for g in GROUPS if g in s)
                    for s in (before | {group}, before)
                ]
                total += score[own[0]][seed] - score[own[1]][seed]
            gains.append(100 * total / math.factorial(len(GROUPS)))
        gains_by_group[group] = gains
    return gains_by_group


def _shares(rows: Mapping[str, Row]) -> str:
    lines = []
    for group, gains in shares(rows).items():
        half = (
            critical(len(gains) - 1) * statistics.stdev(gains) / math.sqrt(len(gains))
        )
        lines.append(
            [GROUP_LABELS[group], f"{statistics.fmean(gains):+.1f} ± {half:.1f}"]
        )
    return _table(["what is ours", "points"], lines)


def _readouts(networks: Mapping[str, Any], ours: Row) -> str:
    lines = []
    for name in digits.TRAINED:
        if (own := networks.get(name)) is None:
            continue
        test = own.get("test", [])
        cells = [_score(own["validation"]), _score(test), _score(own.get("noisy", []))]
        cells.append(_difference(test, ours.test) if test else "–")
        lines.append([name, *cells])
    head = [
        "read",
        "validation",
        "test",
        "with thermal noise",
        "against the last point",
    ]
    return _table(head, lines)


def _others(models: Mapping[str, Any]) -> str:
    lines = []
    for name in digits.MODELS:
        if (own := models.get(name)) is not None:
            lines.append(
                [name, *(_score(own[read]["test"]) for read in digits.READOUTS)]
            )
            if (noisy := [own[read].get("noisy", []) for read in digits.READOUTS])[0]:
                lines.append(
                    [f"{name}: thermal noise in the test alone", *map(_score, noisy)]
                )
    if (own := models.get("GRU")) is not None:
        lines.append(["GRU of 38 units, trained", _score(own["test"]), "–", "–", "–"])
    return _table(["", *digits.READOUTS], lines)


def draw(rows: Mapping[str, Row], path: Path) -> None:
    """What each change adds alone and takes away alone; the mixtures."""
    with pictures.style():
        figure = pictures.canvas(8.4, 3.4)
        left, right = figure.subplots(1, 2)
        for place, change in enumerate(CHANGES):
            there = rows.get(f"paper, {change}")
            back = rows.get(f"ours, {change}")
            for own, other, colour, shift in (
                (there, rows["paper"], VERMILLION, -0.13),
                (rows["ours"], back, BLUE, 0.13),
            ):
                if own is None or other is None:
                    continue
                mean, half, _ = difference(own.test, other.test)
                left.errorbar(
                    mean, place + shift, xerr=half, fmt="o", color=colour, ms=4
                )
        for colour, label in ((VERMILLION, "paper's point"), (BLUE, "our point")):
            left.errorbar([], [], xerr=[], fmt="o", color=colour, ms=4, label=label)
        left.axvline(0.0, color=INK, lw=0.8)
        left.set_yticks(range(len(CHANGES)), [LABELS[change] for change in CHANGES])
        left.invert_yaxis()
        left.set_xlabel("points that one change adds")
        left.legend(loc="lower left", fontsize=7)
        drawn = [groups for groups in mixtures() if _named(groups) in rows]
        for place, groups in enumerate(drawn):
            scores = [100 * score for score in rows[_named(groups)].test]
            right.plot(scores, [place] * len(scores), "o", color=BLUE, alpha=0.5, ms=4)
            right.plot([statistics.fmean(scores)], [place], "|", color=BLUE, ms=14)
        names = {0: "none: paper's, warm", 3: "all: ours"}
        ticks = [names.get(len(groups), " + ".join(groups)) for groups in drawn]
        right.set_yticks(range(len(drawn)), ticks)
        right.invert_yaxis()
        right.axvline(89.83, color=GREY, ls="--", lw=1)
        right.set_xlabel("accuracy (%); dashed: reported")
        pictures.save(figure, path)
