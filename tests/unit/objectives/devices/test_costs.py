"""What a network costs is known before its training, and is what is told after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recordings

from hpo import objectives
from hpo.contract import KnowsCosts, Protocol, TaskParams
from hpo.objectives import data as tasks
from hpo.objectives.data.tasks.arrays import ArraysParams
from hpo.objectives.data.tasks.narma10 import Narma10Params
from hpo.objectives.data.tasks.sequential_digits import SequentialDigitsParams
from hpo.objectives.training import LayeredObjective

DENSITIES = (0.0, 0.005, 0.125, 0.5, 1.0)
"""Some of whose numbers of connections end in a half for some widths."""


@pytest.fixture
def recording(tmp_path: Path) -> TaskParams:
    """Series of 2 to 5 points of 2 channels, in 3 classes."""
    labels = recordings.labels()
    recordings.save_csv(tmp_path / "unequal", recordings.unequal(), labels)
    return ArraysParams(path="unequal", pad="before").resolve(tmp_path)


def some(objective: LayeredObjective[Any], chance: np.random.Generator) -> Any:
    """Parameters of a small network."""
    layers, width = int(chance.integers(1, 5)), int(chance.integers(1, 24))
    several = tuple(int(n) for n in chance.integers(1, 24, layers))
    values = {
        "layers": layers,
        "width": several if (per_layer := chance.random() < 0.3) else width,
        "density_inter": max(
            float(chance.choice([*DENSITIES, chance.random()])),
            0.51 / (several[0] if per_layer else width),
        ),
        "density_intra": float(chance.choice([*DENSITIES, chance.random()])),
        "point_ns": float(chance.choice([0.1, 1.0, 3.0, chance.random() + 0.01])),
        "epochs": 1,
        "coupling": str(chance.choice(["random", "antisymmetric"])),
        "readout": "x",
        "readout_powers": int(chance.integers(1, 3)),
        "readout_layers": str(chance.choice(["last", "all"])),
    }
    if objective.direction == "maximize":
        values["readout_points"] = str(chance.choice(["last", "last+mean"]))
    if "neuron_uw" in objective.Params.model_fields:
        values |= {
            "neuron_uw": chance.random(),
            "synapse_uw": float(chance.choice([0.0, 0.1])),
        }
    return objective.Params(**values)


@pytest.mark.parametrize("name", sorted(objectives.BUILT_IN))
def test_costs_known_before_are_those_told_after(
    name: str, recording: TaskParams
) -> None:
    objective: Any = objectives.load(name)
    assert isinstance(objective, KnowsCosts)
    if name.endswith("-prediction"):
        recording = Narma10Params(n_train=200, n_test=100)
    chance, seen = np.random.default_rng(5), set()
    for seed in range(60):
        params = some(objective, chance)
        before = objective.costs_of(params, recording)
        protocol = list(Protocol)[seed % 3]
        member = objective.member(
            params, task=recording, protocol=protocol, member_seed=seed
        )
        network = member.network
        drawn = {"n_synapses": network.n_synapses, "n_neurons": network.n_neurons}
        assert {cost: before[cost] for cost in drawn} == drawn, params
        outcome = member.train(lambda progress: None)
        assert before.keys() == objective.costs.keys()
        assert {cost: outcome.info[cost] for cost in before} == before, params
        seen.add(before["n_synapses"])
    assert len(seen) > 30, "nearly all alike: no test"


def test_the_shape_of_a_task_is_that_of_its_data(recording: TaskParams) -> None:
    assert tasks.shape(recording) == (5, 2, 3)
    digits = SequentialDigitsParams()
    split = tasks.load(digits, protocol=Protocol.VALIDATION, member_seed=0)
    assert tasks.shape(digits) == (*split.train.x.shape[1:], split.n_classes)
