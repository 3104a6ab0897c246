"""An objective on networks where memory is short."""

from __future__ import annotations

import pytest
import torch
from toy_network import ToyMember, ToyNetworkObjective
from toy_objective import ToyParams, ToyTask

from hpo.objectives.contract import OnEpoch, Outcome, Protocol


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
