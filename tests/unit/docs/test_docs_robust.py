"""What docs/how-to/robust.md says is what its studies do."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from stack import ROOT

from hpo.study import file

DOCUMENT = (ROOT / "docs/how-to/robust.md").read_text()
SWEEPS = ["robust-spread", "robust-spread-alone"]


def test_nothing_is_left_to_be_filled_in() -> None:
    words = r"\b(?:COST4?|EFFECTS|TABLE[12]|WORDS|TODO|TBD)\b"
    assert not re.findall(words, DOCUMENT)


@pytest.mark.parametrize("name", SWEEPS)
def test_its_tables_have_the_points_of_the_study(name: str) -> None:
    part = DOCUMENT[DOCUMENT.index(f"({name}.svg)") :]
    spec = file.load(name)
    rows = [line for line in part.split("\n\n")[1].splitlines() if line.startswith("|")]
    points = [float(row.split("|")[1].rstrip("% ")) / 100 for row in rows[2:]]
    assert [tuple(points)] * 3 == [curve.values for curve in spec.sweep.curves]


def test_its_optima_are_those_of_the_study_files() -> None:
    optima = []
    for name in SWEEPS:
        spec = file.load(name)
        optima.append([(curve.label, curve.fixed) for curve in spec.sweep.curves])
    assert optima[0] == optima[1]
    paper, ideal, robust = [dict(fixed) for _, fixed in optima[0]]
    reported = file.load("seqdigits-robust").reported
    assert {name: paper[name] for name in reported.params} == dict(reported.params)
    rows = re.findall(
        r"^\| (?:arXiv:2408.02835|(?:ideal|robust) search) \| \d.*$", DOCUMENT, re.MULTILINE
    )
    shown = [[float(cell) for cell in row.split("|")[2:-1]] for row in rows]
    assert shown == [list(curve.values()) for curve in (paper, ideal, robust)]


def test_the_hardware_of_the_sweep_is_that_of_the_search() -> None:
    table = file.load("seqdigits-robust").variability or {}
    swept = file.load("robust-spread").variability or {}
    assert swept == {k: v for k, v in table.items() if not k.endswith("_spread")}


@pytest.mark.slow
def test_its_script_runs() -> None:
    command = [sys.executable, "docs/robust_effects.py", "--epochs", "1", "--seeds", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows = [row.split("|")[1].strip() for row in done.stdout.splitlines()]
    assert rows[2:] == re.findall(r"^\| (ideal|`\w+ = [\d.]+`|all) \| \d", DOCUMENT, re.MULTILINE)
