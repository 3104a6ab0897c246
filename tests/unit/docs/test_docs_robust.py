"""What docs/how-to/robust.md says is what its studies do; no page waits for a measurement."""

from __future__ import annotations

import re

from stack import ROOT

from hpo.study import file

DOCUMENT = (ROOT / "docs/how-to/robust.md").read_text()


def test_its_table_has_the_points_and_the_curves_of_the_sweep() -> None:
    part = DOCUMENT[DOCUMENT.index("(robust-spread.svg)") :]
    head, _, *rows = [line for line in part.splitlines() if line.startswith("|")]
    spec = file.load("robust-spread")
    assert spec.sweep is not None
    points = tuple(float(row.split("|")[1].rstrip("% ")) / 100 for row in rows)
    assert {curve.values for curve in spec.sweep.curves} == {points}
    assert len(head.split("|")[2:-1]) == len(spec.sweep.curves)


def test_the_hardware_of_the_sweep_is_that_of_the_search() -> None:
    robust, spec = file.load("seqdigits-robust"), file.load("robust-spread")
    table, swept = robust.variability or {}, spec.variability or {}
    assert swept == {k: v for k, v in table.items() if not k.endswith("_spread")}
    assert spec.fixed["thermal_power"] == robust.fixed["thermal_power"]


def test_the_hardware_it_shows_first_is_that_of_the_search() -> None:
    table = file.load("seqdigits-robust").variability or {}
    block = DOCUMENT[DOCUMENT.index("\n[variability]\n") :].split("```")[0]
    shown = dict(re.findall(r"^(\w+) = ([\d.]+)", block, re.MULTILINE))
    assert {name: float(value) for name, value in shown.items()} == {
        name: float(value) for name, value in table.items()
    }
