"""The objectives on layered networks at the edge of their parameters, and older checkpoints."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from networks import KINDS
from torch import Tensor
from toy_network import ToyMember, ToyNetworkObjective
from toy_objective import ToyParams, ToyTask
from trainings import SMALL, evaluate, member

from objectives.contract import OnEpoch, Outcome, Protocol

EDGES: dict[str, dict[str, Any]] = {
    "batch larger than the data": {"batch_size": 100_000},
    "one neuron": {"layers": 1, "width": 1, "density_inter": 1.0, "density_intra": 0.0},
    "heun": {"integrator": "heun", "steps_per_point": 2},
}


@pytest.mark.parametrize("changes", EDGES.values(), ids=EDGES.keys())
@pytest.mark.parametrize("name", KINDS)
def test_the_edge_of_the_parameters_trains(name: str, changes: dict[str, Any]) -> None:
    outcome = evaluate(name, epochs=1, **{**SMALL, **changes})
    assert not outcome.diverged
    assert all(map(math.isfinite, outcome.loss_curve))
    assert outcome.info["n_skipped_updates"] == 0


def test_every_constant_of_the_auto_oscillator_reaches_the_network() -> None:
    u = torch.rand(3, 8, 1, generator=torch.Generator().manual_seed(0))

    def logits(**changes: Any) -> Tensor:
        found: Tensor = member("spintronic", **SMALL | changes).network(u)
        return found

    steps = ({"steps_per_point": 7}, {"max_step_ns": 0.2}, {"integrator": "heun"})
    for changes in ({"q": 0.5}, {"sigma": 0.9}, *steps):
        assert not torch.equal(logits(**changes), logits()), changes


def test_memory_that_torch_cannot_get_is_a_memory_error() -> None:
    class Greedy(ToyMember):
        def train(self, on_epoch: OnEpoch, resume: bytes | None = None) -> Outcome:
            torch.empty(1 << 50)
            raise AssertionError("there is no petabyte")

    class GreedyObjective(ToyNetworkObjective):
        kind = Greedy

    with pytest.raises(MemoryError, match="can't allocate memory: you tried to allocate"):
        GreedyObjective().evaluate(
            ToyParams(epochs=1),
            task=ToyTask(),
            protocol=Protocol.VALIDATION,
            member_seed=0,
            on_epoch=lambda progress: None,
        )
