"""Eq. (6) to (8) of arXiv:2408.02835: the leak and the activation."""

from __future__ import annotations

import math

import pytest
import torch
from networks import inputs, scaled, tiny


@pytest.mark.parametrize("tau_ns", [0.01, 1.0, 1e6])
@pytest.mark.parametrize("dt_ns", [1e-3, 1.0, 1e3])
def test_a_neuron_relaxes_exactly_towards_its_drive(tau_ns: float, dt_ns: float) -> None:
    dynamics = tiny("ctrnn", tau_ns=tau_ns).dynamics()
    x, drive = torch.tensor([[0.3, -2.0], [1.7, 0.4]], dtype=torch.float64)
    (found,) = dynamics.flow((x,), drive, dt_ns)
    decay = math.exp(-dt_ns / tau_ns)
    limit = drive * tau_ns
    # x + (limit - x) (1 - decay), without the difference of like numbers at long tau
    wanted = x * decay - limit * math.expm1(-dt_ns / tau_ns)
    torch.testing.assert_close(found, wanted, rtol=1e-13, atol=0)


def test_rest_is_a_state_of_no_input_and_no_bias() -> None:
    network = tiny("ctrnn")
    network.bias.data.zero_()
    series = network.trajectories(torch.zeros(2, 5, 2, dtype=torch.float64))
    assert not any(values.any() for values in series.values())


def test_the_output_is_bounded_the_state_is_not() -> None:
    series = scaled(tiny("ctrnn"), 100.0).trajectories(inputs(time=20))
    assert series["x"].abs().max() > 10.0
    assert series["y"].abs().max() <= 1.0
    assert torch.equal(series["y"], torch.tanh(series["x"]))  # Eq. (8)
