"""``hpo params``: every parameter of an objective, explained."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from hpo import objectives
from hpo.cli import main

Said = Callable[..., str]


@pytest.mark.parametrize("name", [*objectives.BUILT_IN, "toy_objective:ToyObjective"])
def test_every_parameter_is_told(name: str, said: Said) -> None:
    found = json.loads(said("params", name, "--json"))["params"]
    objective = objectives.load(name)
    hardware = objective.variability.model_fields if objective.variability else ()
    names = [one for one in objective.Params.model_fields if one != "variability"]
    assert [one["name"] for one in found] == [
        *names,
        *(f"variability.{one}" for one in hardware),
    ]
    assert all(one["meaning"] for one in found)
    table = said("params", name).splitlines()
    assert table[0].split() == ["name", "unit", "default", "bounds", "meaning"]
    assert max(map(len, table)) <= 120


def test_numbers_have_their_unit_default_and_bounds(
    said: Said,
) -> None:
    listed = json.loads(said("params", "spintronic", "--json"))["params"]
    found = {one["name"]: one for one in listed}
    tau = found["tau_ns"]
    assert (tau["unit"], tau["default"], tau["bounds"]) == ("ns", 14.12, "> 0, ≤ 1e+06")
    assert (tau["exclusiveMinimum"], tau["maximum"], tau["minimum"]) == (0, 1e6, None)
    assert tau["meaning"] == "relaxation time of a neuron, in ns"
    layered = [name for name, one in found.items() if one["per_layer"]]
    own = ["s", "density_inter", "density_intra", "width", "tau_ns", "f_cut_per_ns"]
    assert layered == own
    assert found["readout"]["choices"] == ["y", "x"]
    assert found["variability.weight_bits"]["bounds"] == "≥ 2, ≤ 16"


def test_the_parameters_of_a_function_are_found_by_a_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["params", "train.py:objective"]) == 1
    assert capsys.readouterr().err == (
        "error: train.py:objective is a function, which names its parameters as it"
        " runs. To see them: hpo check train.py:objective.\n"
    )


def test_an_unknown_objective_is_told_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["params", "spintronik"]) == 1
    assert capsys.readouterr().err.endswith("Did you mean 'spintronic'?\n")
