"""``hpo params``: what an objective's own model says, as a table and for programs."""

from __future__ import annotations

import json

import pytest

import objectives
from hpo.cli import main


@pytest.mark.parametrize("name", [*objectives.BUILT_IN, "toy_objective:ToyObjective"])
def test_every_parameter_is_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["params", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["params"]
    objective = objectives.load(name)
    hardware = objective.variability.model_fields if objective.variability else ()
    names = [one for one in objective.Params.model_fields if one != "variability"]
    assert [one["name"] for one in found] == [*names, *(f"variability.{one}" for one in hardware)]
    assert all(one["meaning"] for one in found)
    assert main.main(["params", name]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["name", "unit", "default", "bounds", "meaning"]
    assert max(map(len, table)) <= 120


def test_numbers_have_their_unit_default_and_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["params", "spintronic", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["params"]}
    tau = found["tau_ns"]
    assert (tau["unit"], tau["default"], tau["bounds"]) == ("ns", 14.12, "> 0, ≤ 1e+06")
    assert (tau["exclusiveMinimum"], tau["maximum"], tau["minimum"]) == (0, 1e6, None)
    assert tau["meaning"] == "relaxation time of a neuron, in ns"
    assert found["readout"]["choices"] == ["y", "x"]
    assert found["variability.weight_bits"]["bounds"] == "≥ 2, ≤ 16"


def test_an_unknown_objective_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["params", "spintronik"]) == 1
    assert capsys.readouterr().err == (
        "error: unknown objective 'spintronik'. Built in: ctrnn, ctrnn-prediction, spintronic, "
        'spintronic-prediction; your own is given as "package.module:Class". '
        "Did you mean 'spintronic'?\n"
    )
