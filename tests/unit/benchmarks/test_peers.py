"""The peers of our search: what they train is counted, what they return is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.search import peers
from benchmarks.search.tasks import SEQDIGITS
from hpo.study.spec import StudySpec

WHOLE = 20
EPOCHS = 150


class Hill:
    """A world of one hill; curves rise towards their end, and every seed has its own luck."""

    good = 0.85

    def __init__(self) -> None:
        self.curves: list[list[float]] = []
        self.tried: list[Any] = []

    def train(
        self, spec: StudySpec, params: Any, seed: int, tell: Callable[[float], None]
    ) -> float:
        end = self.true(params) + 0.01 * (seed % 1000 / 1000)
        curve: list[float] = []
        self.curves.append(curve)
        self.tried.append(params)
        for epoch in range(1, spec.budget.epochs + 1):
            curve.append(end * (1 - math.exp(-epoch / 4)))
            tell(curve[-1])
        return curve[-1]

    def true(self, params: Any) -> float:
        return 0.1 + 0.4 * params["density_inter"] + 0.4 * (params["batch_size"] - 60) / 180


def study(seed: int = 1) -> StudySpec:
    spec = SEQDIGITS.spec(table=True)
    budget = spec.budget.model_copy(update={"epochs": WHOLE})
    return spec.model_copy(update={"seed": seed, "budget": budget})


@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_spends_its_epochs_and_returns_what_it_found(name: str) -> None:
    if not peers.installed(name):
        pytest.skip(f"{peers.PEERS[name].library} is not installed")
    spec, world = study(), Hill()
    steps = peers.run(name, spec, world, EPOCHS).steps
    *before, last = [len(curve) for curve in world.curves]
    assert sum(before) < EPOCHS <= sum(before) + last
    assert max([*before, last]) == WHOLE
    assert steps
    for step in steps:
        assert step.params.keys() == spec.space.keys()
        assert isinstance(step.params["batch_size"], int)
        assert step.true == world.true(step.params)
        assert step.epochs == sum(map(len, world.curves[: step.trial + 1]))
    again = peers.run(name, spec, Hill(), EPOCHS).steps
    assert [(s.trial, s.claimed) for s in again] == [(s.trial, s.claimed) for s in steps]
    other = Hill()
    peers.run(name, study(2), other, WHOLE + 1)
    assert other.tried[:2] != world.tried[:2]
