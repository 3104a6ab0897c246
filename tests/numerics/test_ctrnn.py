"""Eq. (6) to (8) of arXiv:2408.02835: the linear limit, the leak, the activation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from networks import GAMMA, Floats, inputs, scaled, tiny
from scipy.linalg import expm


def linear_flow(network: object, u: Floats) -> Floats:
    """State after the series ``u`` of the network with y = x, (layers, width)."""
    weights = {n: p.detach().numpy()[0] for n, p in network.named_parameters()}  # type: ignore[attr-defined]
    layers, width = weights["bias"].shape
    n = layers * width
    coupling, driven = np.zeros((n, n)), np.zeros((n, u.shape[1]))
    for layer in range(layers):
        rows = slice(layer * width, (layer + 1) * width)
        coupling[rows, rows] = weights["w_intra"][layer]
        if layer > 0:
            coupling[rows, rows.start - width : rows.start] = weights["w_inter"][layer - 1]
    driven[:width] = weights["w_in"]
    s = network.physics.s  # type: ignore[attr-defined]
    x = np.zeros(n)
    for point in u:
        generator = np.zeros((n + 1, n + 1))  # of (x, 1): dx/dt = A x + b as one matrix
        generator[:n, :n] = s * coupling - GAMMA * np.eye(n)
        generator[:n, n] = s * (driven @ point + weights["bias"].ravel())
        x = (expm(generator) @ np.append(x, 1.0))[:n]
    return x.reshape(layers, width)


def test_small_signals_follow_the_matrix_exponential() -> None:
    """tanh(x) = x to x²/3, 1e-8 here; rk4 with 32 steps per ns is good to 1e-8, too."""
    network = tiny("ctrnn", integrator="rk4", steps_per_point=32)
    network.bias.data *= 1e-4
    u = 1e-4 * inputs(batch=1)
    exact = linear_flow(network, u[0].numpy())
    found = network.trajectories(u)["x"][0, :, 0, -1].numpy()
    assert 1e-5 < np.abs(exact).max() < 1e-3
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 * np.abs(exact).max())


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
