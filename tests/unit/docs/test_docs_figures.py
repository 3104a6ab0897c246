"""A figure is the same wherever it stands, and that of its stored result."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from stack import ROOT

PAGE = "docs/explanation/good-for.md"
SCORE = r"\d+\.\d ± \d+\.\d"
QUOTED = {
    "what make run confirms": {
        "README.md": rf"seqdigits: confirmed ({SCORE}) % on 10",
        "docs/explanation/good-for.md": rf"Sequential digits, 64 points \| ({SCORE}) %",
        "docs/records/digits.md": rf"`make run` confirms \*\*({SCORE}) %",
        "paper.md": rf"confirms ({SCORE}) % on ten fresh seeds",
    },
    "what make run confirms, with thermal noise": {
        "README.md": r"(\d+\.\d) % with thermal noise \(40 chips\)",
        "docs/explanation/good-for.md": r"64 points \| \S+ ± \S+ % \| (\d+\.\d)",
        "docs/records/digits.md": r"%, (\d+\.\d) ± \S+ % with thermal noise, after",
        "paper.md": r"40 simulated chips it is (\d+\.\d)",
    },
    "the median of ten searches, with thermal noise": {
        "README.md": r"digits, pixel by pixel \| (\d+\.\d) %",
        "docs/explanation/good-for.md": r"a median of (\d+\.\d) % with thermal noise",
        "docs/records/searches.md": r"to 95\.6\), and (\d+\.\d) % with thermal noise",
        "paper.md": r"a median of (\d+\.\d) % with thermal noise",
    },
    "the same on five splits": {
        "docs/records/searches.md": r"and of (\d+\.\d) % with thermal noise",
        "CHANGELOG.md": r"a median of 96\.0 %, (\d+\.\d) % with thermal noise",
    },
    "what seqdigits-robust confirms": {
        "docs/how-to/robust.md": rf"confirms \*\*({SCORE}) %\*\* on 40 chips",
        "CHANGELOG.md": rf"2 % gain error: ({SCORE}) % on simulated chips",
    },
    "trained on chips": {
        "docs/how-to/robust.md": rf"trained on such chips have ({SCORE}) %",
        "docs/records/tables/hardware-tolerant.csv": (
            rf"seqdigits,all at once,{SCORE},({SCORE})"
        ),
    },
    "how much a search claims too much": {
        "README.md": r"(1\.\d to \d\.\d) points of accuracy too high",
        "docs/explanation/search.md": r"that of TPE and GP (\S+ to \d+\.\d)",
    },
    "the error of NARMA10 at three times the thermal power": {
        "docs/explanation/good-for.md": r"NARMA10's error is 0\.425 and (\d\.\d+)",
        "paper.md": r"NARMA10's error goes from 0\.425 to (\d\.\d+)",
    },
    "milliseconds of an epoch": {
        "README.md": r"oscillators takes (\d+) ms on one core",
        "docs/how-to/how-long.md": r"of 64 points takes (\d+) ms",
    },
    "minutes of make test": {
        "Makefile": r"all tests but the long ones, in (\w+) minutes",
        "CONTRIBUTING.md": r"all but the long tests: (\w+) minutes",
    },
}
"""What stands in several places, and where."""
TASKS = {
    "Spoken digits, known speakers": ("spoken-digits", 1),
    "Fashion-MNIST, 196 points": ("fashion-mnist", 1),
    "Japanese Vowels": ("japanese-vowels", 1),
    "MNIST-1D, 40 points": ("mnist-1d", 1),
    "NARMA10": ("narma10", 3),
    "Mackey-Glass": ("mackey-glass", 3),
}
"""Rows of the table of tasks: the stored result, and decimals of its score."""


def plain(name: str) -> str:
    """A file without the marks of links and formulas."""
    text = (ROOT / name).read_text("utf-8").replace(r"\pm", "±").replace("$", "")
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


@pytest.mark.parametrize("what", QUOTED)
def test_a_figure_is_the_same_wherever_it_stands(what: str) -> None:
    found = {}
    for name, pattern in QUOTED[what].items():
        match = re.search(pattern, plain(name))
        assert match, f"{name}: no {pattern}"
        found[name] = match[1]
    assert len(set(found.values())) == 1, found


def stored(name: str) -> dict[str, Any]:
    path = ROOT / f"docs/results/{name}.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["confirmations"][0]
    return found


def test_what_seqdigits_robust_confirms_is_stored() -> None:
    result = stored("seqdigits-robust")
    chips = result["chips"]
    score = f"{100 * result['mean']:.1f} ± {100 * result['std']:.1f} %"
    above = sum(chip >= 0.93 for chip in chips)
    said = f"**{score}** on {len(chips)} chips, {above} of them above 93 %"
    assert said in plain("docs/how-to/robust.md")


@pytest.mark.parametrize("row", TASKS)
def test_the_table_of_tasks_has_the_stored_scores(row: str) -> None:
    name, decimals = TASKS[row]
    result = stored(name)
    scale = 100 if decimals == 1 else 1
    text = " ± ".join(
        f"{scale * value:.{decimals}f}" for value in (result["mean"], result["std"])
    )
    cells = re.search(rf"^\| {re.escape(row)} \| (.*)$", plain(PAGE), re.MULTILINE)
    assert cells
    assert cells[1].startswith(text), f"{name}: {text}"
