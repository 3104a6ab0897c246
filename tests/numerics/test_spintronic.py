"""Eq. (3) to (5) of arXiv:2408.02835: closed forms, bounds, gradients, convergence to SciPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor

from objectives.networks.integrators import IntegratorName, phi1
from objectives.networks.spintronic import (
    Backend,
    SpintronicDynamics,
    SpintronicNetwork,
    SpintronicPhysics,
    resolve_backend,
)

GAMMA = 0.25
PHYSICS = SpintronicPhysics(tau_ns=1 / GAMMA, s=0.5, f_cut_per_ns=0.1)
DRIVES = {
    "I > gamma": 3.0,
    "I just above gamma": GAMMA + 1e-9,
    "I = gamma": GAMMA,
    "0 < I < gamma": 0.1,
    "I = 0": 0.0,
    "I < 0": -2.0,
}


def neuron(physics: SpintronicPhysics = PHYSICS) -> SpintronicDynamics:
    """Dynamics whose ``flow`` and ``rate`` are asked directly: the weights do not matter."""
    none = torch.zeros(1, 1, 1, dtype=torch.float64)
    return SpintronicDynamics(physics=physics, w_in=none, w_inter=none, w_intra=none, bias=none)


def flow(x: float, drive: float, dt_ns: float, y: float = 0.0) -> tuple[float, float]:
    state = (torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64))
    x_next, y_next = neuron().flow(state, torch.tensor(drive, dtype=torch.float64), dt_ns)
    return x_next.item(), y_next.item()


def tiny(
    integrator: IntegratorName = "exponential", *, seeds: tuple[int, ...] = (0,), dt_ns: float = 1.0
) -> SpintronicNetwork:
    return SpintronicNetwork(
        seeds,
        physics=replace(PHYSICS, integrator=integrator, dt_ns=dt_ns),
        channels=2,
        outputs=3,
        layers=3,
        width=4,
        density_inter=0.6,
        density_intra=0.4,
        dtype=torch.float64,
    )


def inputs(batch: int = 3, time: int = 5, channels: int = 2) -> Tensor:
    values = np.random.default_rng(0).uniform(size=(batch, time, channels))
    return torch.from_numpy(values)


@pytest.mark.parametrize("drive", DRIVES.values(), ids=DRIVES.keys())
@pytest.mark.parametrize("dt_ns", [0.01, 1.0, 7.0])
def test_constant_drive_has_the_solution_of_the_bernoulli_equation(
    drive: float, dt_ns: float
) -> None:
    x0 = 0.3
    solution = solve_ivp(
        lambda t, x: -GAMMA * x + drive * x * (1 - x), (0, dt_ns), [x0], rtol=1e-12, atol=1e-14
    )
    assert flow(x0, drive, dt_ns)[0] == pytest.approx(solution.y[0, -1], rel=1e-9)


@pytest.mark.parametrize("drive", [0.5, 2.0, 50.0])
def test_fixed_point_is_one_minus_gamma_over_drive(drive: float) -> None:
    fixed = 1.0 - GAMMA / drive
    assert flow(fixed, drive, 1.0) == pytest.approx((fixed, 0.0), abs=1e-14)
    assert flow(0.1, drive, 200.0)[0] == pytest.approx(fixed, rel=1e-12)


def test_fixed_bias_holds_the_neurons_at_one_half() -> None:
    network = tiny()
    for parameter in network.parameters():
        parameter.data.zero_()
    dynamics = network.dynamics()
    state = dynamics.rest(batch=3)
    assert (state[0] == 0.5).all()
    drive = dynamics.drive(state, inputs()[:, 0])
    assert torch.equal(drive, torch.full_like(drive, 2 * GAMMA))
    x, y = dynamics.flow(state, drive, 1.0)
    torch.testing.assert_close(x, state[0], rtol=0, atol=1e-15)
    torch.testing.assert_close(y, state[1], rtol=0, atol=1e-15)


def test_two_half_steps_are_one_step() -> None:
    half = flow(0.3, 1.7, 0.5)[0]
    assert flow(half, 1.7, 0.5)[0] == pytest.approx(flow(0.3, 1.7, 1.0)[0], rel=1e-14)


@pytest.mark.parametrize("f_cut_per_ns", [0.0, 1e-12, 0.1, 5.0])
def test_filter_is_exact_for_a_constant_slope(f_cut_per_ns: float) -> None:
    dynamics = neuron(replace(PHYSICS, f_cut_per_ns=f_cut_per_ns))
    x, y = torch.tensor([0.2, 0.7], dtype=torch.float64), torch.tensor([0.1, -0.4]).double()
    x_next, y_next = dynamics.flow((x, y), torch.tensor([2.0, -1.0]).double(), 1.5)
    slope = (x_next - x).numpy() / 1.5
    solution = solve_ivp(
        lambda t, y: -2 * math.pi * f_cut_per_ns * y + slope,
        (0, 1.5),
        y.numpy(),
        rtol=1e-12,
        atol=1e-14,
    )
    assert y_next.numpy() == pytest.approx(solution.y[:, -1], rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_amplitudes_stay_bounded_and_gradients_finite(dtype: torch.dtype) -> None:
    strengths = torch.cat([torch.logspace(-12, 3, 61), torch.tensor([0.0, GAMMA])]).to(dtype)
    start = torch.tensor([1e-30, 1e-7, 0.2, 0.5, 0.999999, 1.0], dtype=dtype)
    pieces = (strengths, -strengths, GAMMA + strengths, GAMMA - strengths)
    x, drive = torch.meshgrid(start, torch.cat(pieces), indexing="ij")
    for dt_ns in (1e-3, 1.0, 1e3):
        x, drive = x.clone().requires_grad_(), drive.clone().requires_grad_()
        x_next, y_next = neuron().flow((x, torch.zeros_like(x)), drive, dt_ns)
        assert ((x_next >= 0) & (x_next <= 1)).all()
        assert y_next.isfinite().all()
        gradients = torch.autograd.grad((x_next + y_next).sum(), (x, drive))
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("z", [0.0, 1e-12, -0.0499999, 0.0499999, 0.0500001, 3.0, -30.0])
def test_phi1_and_its_derivative_are_exact_on_both_sides_of_the_series(z: float) -> None:
    at = torch.tensor(z, dtype=torch.float64, requires_grad=True)
    value = phi1(at)
    (slope,) = torch.autograd.grad(value, at)
    terms = [z**k / math.factorial(k + 1) for k in range(60)]
    slopes = [(k + 1) * z**k / math.factorial(k + 2) for k in range(60)]
    exact = math.expm1(z) / z if abs(z) > 1 else math.fsum(terms)
    exact_slope = (math.exp(z) - exact) / z if abs(z) > 1 else math.fsum(slopes)
    assert value.item() == pytest.approx(exact, rel=1e-15)
    assert slope.item() == pytest.approx(exact_slope, rel=1e-12)


@pytest.mark.parametrize("integrator", ["exponential", "euler"])
def test_gradients_are_those_of_finite_differences(integrator: IntegratorName) -> None:
    network = tiny(integrator)
    names = [name for name, _ in network.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for parameter in network.parameters()]
    u = inputs()

    def logits(*parameters: Tensor) -> Tensor:
        named = dict(zip(names, parameters, strict=True))
        result: Tensor = torch.func.functional_call(network, named, (u,))
        return result

    assert torch.autograd.gradcheck(logits, values)


@pytest.mark.parametrize("backend", ["reference", "fused"])
def test_masked_weights_get_no_gradient_and_the_others_do(backend: Backend) -> None:
    network = tiny(seeds=(0, 1)).float()
    network.backend = backend
    network(inputs(time=8).float()).square().sum().backward()
    for name in ("in", "inter", "intra"):
        gradient = getattr(network, f"w_{name}").grad
        assert torch.equal(gradient != 0, getattr(network, f"mask_{name}")), name


def right_hand_side(
    network: SpintronicNetwork, u: NDArray[np.float64]
) -> Callable[[float, NDArray[np.float64]], NDArray[np.float64]]:
    """Eq. (3) to (5) written again, in numpy, for one member and one series."""
    weights = {n: p.detach().numpy()[0] for n, p in network.named_parameters()}
    physics, (layers, width) = network.physics, weights["bias"].shape

    def slope(t: float, state: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = state.reshape(2, layers, width)
        dx = np.empty_like(x)
        for n in range(layers):
            below = weights["w_in"] @ u if n == 0 else weights["w_inter"][n - 1] @ y[n - 1]
            drive = physics.s * (below + weights["w_intra"][n] @ y[n] + weights["bias"][n])
            drive += 2 * GAMMA
            dx[n] = -GAMMA * x[n] + drive * x[n] * (1 - x[n])
        dy = -2 * np.pi * physics.f_cut_per_ns * y + dx
        return np.stack([dx, dy]).ravel()

    return slope


@pytest.mark.parametrize("integrator", ["exponential", "euler"])
def test_integrators_converge_to_scipy_at_first_order(integrator: IntegratorName) -> None:
    points = inputs(batch=1)
    network = tiny(integrator)
    for parameter in network.parameters():
        parameter.data *= 3.0
    state = np.concatenate([np.full(12, 0.5), np.zeros(12)])
    for u in points[0].numpy():
        slope = right_hand_side(network, u)
        state = solve_ivp(slope, (0, 1), state, rtol=1e-11, atol=1e-13).y[:, -1]
    exact = state.reshape(2, 3, 4)[1, -1]
    errors = []
    for substeps in (16, 32, 64):
        network.physics = replace(network.physics, dt_ns=1 / substeps)
        with torch.no_grad():
            y = network.output(points.repeat_interleave(substeps, dim=1))[0, 0].numpy()
        errors.append(np.abs(y - exact).max())
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.abs(exact).max() > 0.01
    assert errors[-1] < 0.01
    assert orders == pytest.approx([1.0, 1.0], abs=0.1)


@pytest.mark.parametrize("integrator", ["exponential", "euler"])
def test_members_at_once_compute_what_each_computes_alone(integrator: IntegratorName) -> None:
    seeds = (3, 4, 5)
    together = tiny(integrator, seeds=seeds)
    u = inputs()
    own = torch.stack([u, u.flip(0), u * 0.5])
    together(own).square().sum().backward()
    for index, seed in enumerate(seeds):
        alone = tiny(integrator, seeds=(seed,))
        torch.testing.assert_close(together(u)[index], alone(u)[0], rtol=1e-13, atol=1e-15)
        alone(own[index]).square().sum().backward()
        for name, parameter in alone.named_parameters():
            gradient = together.get_parameter(name).grad
            assert gradient is not None
            assert parameter.grad is not None
            torch.testing.assert_close(gradient[index], parameter.grad[0], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("integrator", ["exponential", "euler"])
def test_fused_backend_agrees_with_the_reference(integrator: IntegratorName) -> None:
    network = tiny(integrator, seeds=(1, 2)).float()
    u = torch.stack([inputs(batch=7), inputs(batch=7) * 0.5]).float()
    results = []
    for backend in ("reference", "fused"):
        network.backend = backend
        network.zero_grad()
        logits = network(u)
        logits.square().sum().backward()
        results.append([logits.detach(), *(p.grad for p in network.parameters())])
    for reference, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, reference, rtol=1e-4, atol=1e-6)


def test_auto_is_the_kernel_for_float32_on_the_cpu_and_the_reference_elsewhere() -> None:
    single, double = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
    meta = torch.zeros(1, device="meta")
    assert resolve_backend("auto", single, single, "exponential") == "fused"
    assert resolve_backend("auto", double, double, "exponential") == "reference"
    assert resolve_backend("auto", meta, meta, "exponential") == "reference"
    assert resolve_backend("reference", single, single, "exponential") == "reference"


def test_fused_where_it_cannot_compute_is_refused() -> None:
    network = tiny()
    network.backend = "fused"
    with pytest.raises(
        ValueError,
        match=r"^spintronic network: float32 on the CPU must hold for backend 'fused', "
        r"but got dtype=torch.float64, device=cpu. Use backend 'reference'.$",
    ):
        network(inputs())
