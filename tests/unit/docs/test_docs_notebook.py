"""The notebook of the documentation is what its code says: complete, run in order, short."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from stack import ROOT

from hpo.notebook import Study
from hpo.study import file

BOOK = json.loads((ROOT / "docs/tutorial/notebook.ipynb").read_text(encoding="utf-8"))
CELLS: list[dict[str, Any]] = [c for c in BOOK["cells"] if c["cell_type"] == "code"]
SOURCES = ["".join(cell["source"]) for cell in CELLS]


def test_every_cell_was_run_in_order_and_gave_no_error() -> None:
    assert [cell["execution_count"] for cell in CELLS] == [*range(1, len(CELLS) + 1)]
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    figures = [o["data"] for o in outputs if "application/vnd.plotly.v1+json" in o.get("data", {})]
    assert len(figures) == sum("study.plot_" in source for source in SOURCES) > 3
    assert all("image/png" in figure for figure in figures), "for pages without plotly"


def test_what_it_asks_of_a_study_is_there() -> None:
    asked = {
        node.attr
        for source in SOURCES
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "study"
    }
    assert len(asked) > 6
    assert {name for name in asked if not hasattr(Study, name)} == set()


def test_from_the_data_to_the_plot_of_what_is_confirmed_in_ten_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, launch, plot = SOURCES[:3]
    assert plot == "study.plot_confirmed()"
    lines = [line for line in f"{launch}\n{plot}".splitlines() if line]
    assert len(lines) <= 10

    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {}
    exec(f"{data}\nnp.savez('gestures.npz', x=x, y=y)", values)
    assert values["x"].shape[2] == 6
    calls = (node for node in ast.walk(ast.parse(launch)) if isinstance(node, ast.Call))
    study = next(call.args[0] for call in calls if getattr(call.func, "attr", "") == "launch")
    spec = file.read(ast.literal_eval(study), base=tmp_path, where="the notebook")
    assert spec.name == "gestures"
