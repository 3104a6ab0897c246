"""The peers of our search: what they train is counted, what they return is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.search import peers, table
from benchmarks.search.account import Account
from hpo.study.spec import StudySpec

WHOLE = 20
EPOCHS = 150


class Hill:
    """A world of one hill; curves rise towards their end, and every seed has its own luck."""

    def __init__(self) -> None:
        self.curves: list[list[float]] = []

    def train(
        self, spec: StudySpec, params: Any, seed: int, tell: Callable[[float], None]
    ) -> float:
        end = self.true(params) + 0.01 * (seed % 1000 / 1000)
        curve: list[float] = []
        self.curves.append(curve)
        for epoch in range(1, spec.budget.epochs + 1):
            curve.append(end * (1 - math.exp(-epoch / 4)))
            tell(curve[-1])
        return curve[-1]

    def true(self, params: Any) -> float:
        return 0.1 + 0.4 * params["density_inter"] + 0.4 * (params["batch_size"] - 60) / 180


def study(seed: int = 1) -> StudySpec:
    spec = table.spec()
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
    other = peers.run(name, study(2), Hill(), 1).steps
    assert other[0].params != steps[0].params


@pytest.mark.parametrize("name", ["random", "Optuna TPE"])
def test_the_best_of_optuna_is_the_complete_trial_with_the_highest_score(name: str) -> None:
    world = Hill()
    steps = peers.run(name, study(), world, 400).steps
    assert all(a.claimed < b.claimed and a.epochs < b.epochs for a, b in pairwise(steps))
    whole = [curve for curve in world.curves if len(curve) == WHOLE]
    assert steps[-1].claimed == max(curve[-1] for curve in whole)
    assert (len(whole) < len(world.curves)) == (name == "Optuna TPE")


def test_points_of_the_cube_are_parameters_and_back() -> None:
    account = Account(spec=study(), world=Hill(), budget=1)
    low, high = (account.params([u] * 8) for u in (0.0, 1.0))
    for name, own in account.spec.space.items():
        assert (low[name], high[name]) == pytest.approx((own.low, own.high))
    middle = account.params([0.5] * 8)
    assert middle["tau_ns"] == pytest.approx(10.0)
    assert middle["batch_size"] == 68
    assert account.unit(middle) == pytest.approx([0.5] * 8, abs=0.01)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "DEHB", peers.Peer("no_such_library", print))
    with pytest.raises(peers.MissingError) as caught:
        peers.run("DEHB", study(), Hill(), 100)
    assert str(caught.value) == (
        "benchmarks.search.peers: no_such_library must be installed for 'DEHB', but it is not. "
        "Install the extra: pip install -e '.[bench]'"
    )
