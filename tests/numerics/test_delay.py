"""Networks whose coupling is delayed, against delay-differential equations."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from networks import (
    WITH_WARM,
    Equations,
    Floats,
    assert_kernel_agrees,
    error,
    gradients,
    inputs,
    make_chip,
    scaled,
    tiny,
)
from pydantic import ValidationError

from hpo.objectives.devices.spintronic import Spintronic
from hpo.objectives.networks.integrators import EXTRAPOLATION, delayed
from hpo.objectives.networks.kernels import sizes
from hpo.objectives.networks.kernels.chips import IDEAL

STEP_NS = 0.01
"""Of Runge-Kutta's method. It divides points and delays, so kinks lie between steps."""


def network(kind: str, delay_ns: float, **changes: Any) -> Any:
    own = scaled(tiny(kind, **changes), 3.0)
    own.physics = replace(own.physics, coupling_delay_ns=delay_ns)
    return own


def solved(own: Any, u: Floats, delay_ns: float) -> Floats:
    """Return the outputs after a series, (time, channels), by RK4 in steps of STEP_NS.

    Outputs of the past are interpolated by cubic polynomials with their slopes.
    """
    equations = Equations(own, IDEAL)
    state = equations.start()
    history = [(equations.outputs(state), 0 * state[0], 0 * state[0])]

    def past(time: float) -> Floats:
        """Return the outputs a delay before ``time``, in steps."""
        late = time - delay_ns / STEP_NS
        if late <= 0:
            return history[0][0]
        k = min(int(late + 1e-9), len(history) - 2)
        t = late - k
        start, _, leaving = history[k]
        end, arriving, _ = history[k + 1]
        rise = end - start
        return (
            start
            + t * leaving
            + t**2 * (3 * rise - 2 * leaving - arriving)
            + t**3 * (leaving + arriving - 2 * rise)
        )

    def moving(state: Floats, u: Floats, time: float) -> Floats:
        return STEP_NS * equations.rate(state, u, past(time))

    for n in range(round(len(u) / STEP_NS)):
        point = u[min(int(n * STEP_NS + 1e-9), len(u) - 1)]
        first = moving(state, point, n)
        y, arriving, _ = history[-1]
        history[-1] = (y, arriving, output_slope(equations, state, first))
        second = moving(state + first / 2, point, n + 0.5)
        third = moving(state + second / 2, point, n + 0.5)
        last = moving(state + third, point, n + 1)
        state = state + (first + 2 * second + 2 * third + last) / 6
        end = moving(state, point, n + 1)
        slope = output_slope(equations, state, end)
        history.append((equations.outputs(state), slope, slope))
    return equations.outputs(state)


def output_slope(equations: Equations, state: Floats, slope: Floats) -> Floats:
    """Return the slope of the outputs."""
    if equations.spintronic:
        return slope[1]
    return (1 - np.tanh(state[0]) ** 2) * slope[0]


@pytest.mark.parametrize("delay_ns", [0.03, 0.2, 0.5, 1.7])
@pytest.mark.parametrize("kind", ["warm", "ctrnn"])
@pytest.mark.parametrize("integrator", ["exponential-ab2", "exponential-ab3"])
def test_a_delayed_network_converges_to_its_equation(
    kind: str, delay_ns: float, integrator: str
) -> None:
    """With steps of a sixteenth, for delays below and above one step.

    Delayed kinks lie within steps, so the error falls by second order on average alone.
    """
    u = inputs(batch=1, time=3)
    own = network(kind, delay_ns, integrator=integrator, drive_limit="smooth")
    exact = solved(own, u[0].numpy(), delay_ns)
    plain = solved(own, u[0].numpy(), 0.0)
    errors = []
    for steps in (4, 16, 64):
        own.physics = replace(own.physics, steps_per_point=steps)
        found = own.trajectories(u)["y"][0, :, 0, -1].numpy()
        errors.append(np.abs(found - exact).max())
    assert np.abs(exact - plain).max() > 10 * errors[1], "the delay matters"
    assert errors[2] < 2e-4 * np.abs(exact).max()
    assert errors[2] < errors[0] / 60


@pytest.mark.parametrize("delay_ns", [0.02, 0.4, 1.7])
@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("kind", WITH_WARM)
def test_the_kernel_has_the_delay_of_the_reference(
    kind: str, noise: float, delay_ns: float
) -> None:
    own = network(kind, delay_ns, width=7, max_step_ns=0.35, dtype=torch.float32)
    assert_kernel_agrees(own, inputs(30, 9), 3, make_chip(own, 9, noise=noise))


def test_segments_carry_the_delayed_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    own = network("warm", 1.7, width=7, max_step_ns=0.35, dtype=torch.float32)
    chip = make_chip(own, 20, noise=0.05)
    u = inputs(33, 20).float()
    whole = gradients(own, u, 7, chip)
    monkeypatch.setattr(sizes, "MAX_TRAJECTORY", 1)
    parts = gradients(deepcopy(own), u, 7, chip)
    assert torch.equal(whole[0], parts[0])
    assert max(map(error, parts[1:], whole[1:])) < 1e-5


@pytest.mark.parametrize("name", ["exponential-ab2", "exponential-ab3"])
@pytest.mark.parametrize("delay_steps", [0.0, 0.3, 1.0, 1.9, 2.0, 7.4])
def test_the_delayed_mean_is_exact_for_polynomials(
    name: str, delay_steps: float
) -> None:
    """Of t^k over the step from -delay to 1 - delay."""
    found = delayed(name, delay_steps)
    for k in range(3 if name == "exponential-ab3" else 2):
        mean = (1 - delay_steps) ** (k + 1) - (-delay_steps) ** (k + 1)
        at = [(-float(j + found.steps)) ** k for j in range(3)]
        assert np.dot(found.weights, at) == pytest.approx(mean / (k + 1), abs=1e-12)
    if delay_steps == 0.0:
        assert found == (0, EXTRAPOLATION[name])


@pytest.mark.parametrize("integrator", ["exponential", "heun"])
def test_an_integrator_without_a_delay_is_refused(integrator: Any) -> None:
    text = (
        "coupling_delay_ns: a delay needs one of the integrators exponential-ab2,"
        f" exponential-ab3, ab3, got integrator='{integrator}'. Use one of these."
    )
    with pytest.raises(ValidationError, match=text):
        Spintronic(integrator=integrator, coupling_delay_ns=0.1)
