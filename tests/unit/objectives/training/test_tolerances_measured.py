"""What a trained network asks of hardware, as a worker measures it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from hpo import objectives
from hpo.contract import (
    MeasuresTolerances,
    Outcome,
    Protocol,
    Tolerance,
    Tolerances,
)
from hpo.objectives.devices import Device, Parameter, parameter
from hpo.objectives.hardware import imperfections
from hpo.objectives.hardware.variability import Variability
from hpo.objectives.training.tolerances import find_tolerance, imperfections_of

TRAINED: dict[str, Any] = {
    **{"layers": 2, "width": 12, "epochs": 6, "batch_size": 30},
    **{"drive_limit": "smooth", "thermal_power": 1e-3, "s": 0.2},
}


@cache
def train(kind: str = "spintronic", **more: Any) -> Outcome:
    return objectives.train(kind, {**TRAINED, **more}, seed=1, confirm=True)


def tolerances(outcome: Outcome, **more: Any) -> Tolerances | None:
    objective = objectives.load("spintronic")
    assert isinstance(objective, MeasuresTolerances)
    params = objective.Params(**{**TRAINED, **more})
    task = objective.tasks["sequential-digits"]()
    return objective.tolerances(params, task, 1, outcome)


def test_every_imperfection_is_measured_and_repeats() -> None:
    found = tolerances(train())
    assert found is not None
    assert (found.loss, found.drive_unit) == (0.01, "gamma")
    assert {*imperfections.known()} - {imperfections.SPREAD} <= {*found.limits}
    assert {"tau_ns_spread", "s_spread"} <= {*found.limits}
    assert found == tolerances(train())


def test_the_drive_that_acts_lies_within_its_limit() -> None:
    found = tolerances(train())
    assert found is not None
    acts = found.ranges["drive"]
    assert acts[0] >= 0.0
    assert acts[-1] <= 3.0
    assert found.ranges["drive_asked"][-1] > acts[-1]
    assert found.ranges["bias"][0] < 0 < found.ranges["bias"][-1]


def test_layers_may_differ() -> None:
    layers = {"tau_ns": (8.0, 14.0), "s": (0.2, 0.3), "density_inter": (0.5, 1.0)}
    found = tolerances(train(**layers), **layers)
    assert found is not None
    assert found.ranges["drive"][-1] <= 3.0
    assert "bias_error" in found.limits


def test_only_amounts_beyond_those_of_training_are_tried() -> None:
    """A network that has learned with a delay loses without it."""
    own = {"coupling_delay_ns": 1.0, "q": 0.3}
    found = tolerances(train(**own), **own)
    assert found is not None
    assert found.limits["coupling_delay_ns"].amount > 1.0
    assert found.limits["q"].amount > 0.3


class Ring(Device):
    """A device with a field that is called as one of an oscillator is."""

    states = ("x",)
    tau_ns: Parameter = parameter(10.0, gt=0, description="relaxation time")
    q: float = 0.8

    def rate(self, x: Any, drive: Any) -> Any:
        return (self.q * drive - x / self.tau_ns,)

    def output(self, x: Any) -> Any:
        return x


def test_the_damping_of_an_oscillator_is_one_of_oscillators_alone() -> None:
    objective = objectives.load(f"{__name__}:Ring")
    values = {"layers": 1, "width": 4}
    member: Any = objective.member(
        objective.Params(**values),
        task=objective.tasks["sequential-digits"](),
        protocol=Protocol.CONFIRM,
        member_seed=1,
    )
    found = imperfections_of(member.network, Variability())
    assert "coupling_delay_ns" in found
    assert "q" not in found


def test_a_network_that_has_learned_nothing_is_not_measured() -> None:
    assert tolerances(train(epochs=1, lr0=1e-6), epochs=1, lr0=1e-6) is None


@pytest.mark.parametrize(
    ("at", "tolerance"),
    [
        (8.0, Tolerance(amount=8.0)),
        (0.5, Tolerance(amount=1.0, found="lost")),
        (99.0, Tolerance(amount=16.0, found="kept")),
    ],
)
def test_a_tolerance_lies_between_two_amounts_or_beyond_all(
    at: float, tolerance: Tolerance
) -> None:
    """The loss grows with the logarithm of the amount."""
    tried: list[float] = []

    def loss(amount: float) -> float:
        tried.append(amount)
        return (amount / at) ** 0.01

    found = find_tolerance([1.0, 4.0, 16.0], loss, 1.0)
    assert found.found == tolerance.found
    assert found.amount == pytest.approx(tolerance.amount, rel=1e-2)
    assert len(tried) == len(set(tried)) <= 2
