"""Tolerances of a trained network, against a Runge-Kutta solution of its own in
float64."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from networks import Floats

from hpo import objectives
from hpo.contract import Outcome, Protocol, Tolerances

SMALL: dict[str, Any] = {
    **{"layers": 2, "width": 8, "trained": "readout", "thermal_power": 1e-3},
    **{"drive_limit": "smooth", "tau_ns": 4.0},
}
TASK = {"name": "mackey-glass", "n_train": 300, "n_test": 200}
SEED = 3
STEPS = 8


@cache
def trained() -> tuple[Any, Outcome, Tolerances]:
    """A trained member, its outcome, and what it tolerates."""
    objective = objectives.load("spintronic-prediction")
    outcome = objectives.train(
        objective.name, SMALL, task=TASK, seed=SEED, confirm=True
    )
    assert outcome.network is not None
    how = (objective.Params(**SMALL), objective.tasks["mackey-glass"](**TASK))
    member = objective.member(
        how[0], task=how[1], protocol=Protocol.CONFIRM, member_seed=SEED
    )
    member.restore(outcome.network)
    found = objective.tolerances(*how, SEED, outcome)
    return member, outcome, found


def error_of(*, gain: float = 1.0, bias: float = 1.0, clock: float = 1.0) -> float:
    """The error of the trained network with common errors, by our own integration."""
    member, _, _ = trained()
    network = member.network
    w = {n: p.detach().double().numpy()[0] for n, p in network.named_parameters()}
    device = network.physics.device
    gamma = 1.0 / device.tau_ns
    cut = 2.0 * np.pi * device.f_cut_per_ns
    h = clock * network.physics.point_ns / STEPS

    def rate(state: Floats, u: Floats) -> Floats:
        x, y = state
        drive = np.stack([w["w_in"] @ u, w["w_inter"][0] @ y[0]])
        drive = drive + np.einsum("lij,lj->li", w["w_intra"], y) + w["bias"]
        asked = gain * device.s * drive + bias * 2.0 * gamma
        acts = 1.5 * gamma * (1.0 + np.tanh(asked / (1.5 * gamma) - 1.0))
        dx = gamma * (device.thermal_power - x) + acts * x * (1.0 - x)
        return np.stack([dx, dx - cut * y])

    state = np.stack([np.full_like(w["bias"], rest(bias)), np.zeros_like(w["bias"])])
    part = member._split.score
    outputs = []
    for u in part.x[0].astype(np.float64):
        for _ in range(STEPS):
            k1 = rate(state, u)
            k2 = rate(state + h / 2 * k1, u)
            k3 = rate(state + h / 2 * k2, u)
            k4 = rate(state + h * k3, u)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        outputs.append(w["w_out"] @ state[1, -1] + w["bias_out"])
    target = part.label[0].astype(np.float64)
    missed = np.array(outputs)[-len(target) :] - target
    return float((np.sqrt((missed**2).mean(axis=0)) / target.std(axis=0)).mean())


def rest(bias: float) -> float:
    """The power at rest under the limited fixed drive, over the damping."""
    acts = 1.5 * (1.0 + np.tanh(2.0 * bias / 1.5 - 1.0))
    power = SMALL["thermal_power"]
    a = acts - 1.0
    return float((a + np.sqrt(a * a + 4.0 * acts * power)) / (2.0 * acts))


def test_the_score_without_imperfections_is_that_of_the_equation() -> None:
    _, _, found = trained()
    assert found.score == pytest.approx(error_of(), rel=0.02)
    assert found.loss == pytest.approx(0.1 * found.score, rel=0.02)


@pytest.mark.parametrize("name", ["gain", "bias", "clock"])
def test_the_amount_of_a_tolerance_costs_a_tenth_of_the_error(name: str) -> None:
    """Interpolation between two levels, a factor of 2 apart, is not exact."""
    _, _, found = trained()
    own = found.limits[f"{name}_error"]
    assert own.found == "at"
    sides = (1.0 + own.amount, 1.0 - own.amount)
    error = np.mean([error_of(**{name: factor}) for factor in sides])
    assert 0.5 * found.loss < error - error_of() < 1.5 * found.loss
