"""Eq. (1) to (3) of arXiv:2408.02835 for one oscillator: closed form, bounds, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from networks import GAMMA, inputs, scaled, tiny
from scipy.integrate import solve_ivp

from objectives.networks import oscillator
from objectives.networks.layered import Backend
from objectives.networks.oscillator import X_MIN
from objectives.networks.spintronic import SpintronicPhysics

DRIVES = {
    "I > gamma": 3.0,
    "I just above gamma": GAMMA + 1e-9,
    "I = gamma": GAMMA,
    "0 < I < gamma": 0.1,
    "I = 0": 0.0,
    "I < 0": -2.0,
}
MATERIALS = {
    "Eq. (2)": (0.0, 1.0),
    "Q > 0": (0.7, 1.0),
    "Q large": (30.0, 1.0),
    "sigma < 1": (0.0, 0.6),
    "both": (2.5, 1.7),
}


def flow(x: float, drive: float, dt_ns: float, q: float = 0.0, sigma: float = 1.0) -> float:
    at = torch.tensor(x, dtype=torch.float64)
    drive_at = torch.tensor(drive, dtype=torch.float64)
    x_next = oscillator.flow(at, drive_at, dt_ns, gamma_per_ns=GAMMA, q=q, sigma=sigma)
    return x_next.item()


@pytest.mark.parametrize(("q", "sigma"), MATERIALS.values(), ids=MATERIALS.keys())
@pytest.mark.parametrize("drive", DRIVES.values(), ids=DRIVES.keys())
@pytest.mark.parametrize("dt_ns", [0.01, 1.0, 7.0])
def test_constant_drive_has_the_solution_of_the_bernoulli_equation(
    drive: float, dt_ns: float, q: float, sigma: float
) -> None:
    """Eq. (1) as printed, of γ/2 and I/2: to the tolerance of SciPy, gathered over its steps."""

    def slope(t: float, x: Any) -> Any:
        return -2 * (GAMMA / 2 * (1 + q * x) - sigma * drive / 2 * (1 - x)) * x

    solution = solve_ivp(slope, (0, dt_ns), [0.3], rtol=1e-12, atol=1e-14)
    assert flow(0.3, drive, dt_ns, q, sigma) == pytest.approx(solution.y[0, -1], rel=1e-9)


@pytest.mark.parametrize(("q", "sigma"), MATERIALS.values(), ids=MATERIALS.keys())
@pytest.mark.parametrize("x", [1e-9, 0.3, 0.999])
def test_rate_is_the_slope_of_the_closed_form(x: float, q: float, sigma: float) -> None:
    at, drive = torch.tensor([[x], [1.7]], dtype=torch.float64)
    rate = oscillator.rate(at, drive, gamma_per_ns=GAMMA, q=q, sigma=sigma)
    step_ns = 1e-6  # a central difference, good to about step²
    slope = (flow(x, 1.7, step_ns, q, sigma) - flow(x, 1.7, -step_ns, q, sigma)) / (2 * step_ns)
    assert rate.item() == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("drive", [0.5, 2.0, 50.0])
def test_fixed_point_is_one_minus_gamma_over_drive(drive: float) -> None:
    fixed = 1.0 - GAMMA / drive
    assert flow(fixed, drive, 1.0) == pytest.approx(fixed, abs=1e-14)
    assert flow(0.1, drive, 200.0) == pytest.approx(fixed, rel=1e-12)


@pytest.mark.parametrize(("q", "sigma"), MATERIALS.values(), ids=MATERIALS.keys())
def test_fixed_point_of_any_material_is_where_the_oscillator_settles(
    q: float, sigma: float
) -> None:
    fixed = oscillator.fixed_point(2.0, gamma_per_ns=GAMMA, q=q, sigma=sigma)
    assert flow(fixed, 2.0, 1.0, q, sigma) == pytest.approx(fixed, abs=1e-14)
    assert flow(0.1, 2.0, 200.0, q, sigma) == pytest.approx(fixed, rel=1e-12)


@pytest.mark.parametrize(("q", "sigma"), MATERIALS.values(), ids=MATERIALS.keys())
def test_fixed_bias_holds_the_neurons_at_rest(q: float, sigma: float) -> None:
    network = scaled(tiny(q=q, sigma=sigma), 0.0)
    dynamics = network.dynamics()
    state = dynamics.rest(batch=3)
    rest = (2 * sigma - 1) / (2 * sigma + q)  # one half for q = 0, sigma = 1
    assert state[0].flatten().tolist() == pytest.approx([rest] * 36, rel=1e-15)
    drive = dynamics.drive(dynamics.output(state), inputs()[:, 0])
    assert torch.equal(drive, torch.full_like(drive, 2 * GAMMA))
    for after, before in zip(dynamics.flow(state, drive, 1.0), state, strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=1e-15)


@pytest.mark.parametrize("q", [0.0, 0.7])
def test_two_half_steps_are_one_step(q: float) -> None:
    half = flow(0.3, 1.7, 0.5, q)
    assert flow(half, 1.7, 0.5, q) == pytest.approx(flow(0.3, 1.7, 1.0, q), rel=1e-14)


@pytest.mark.parametrize("q", [0.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_amplitudes_stay_within_0_and_1_whatever_drive_and_step(
    dtype: torch.dtype, q: float
) -> None:
    strength = np.concatenate([[0.0, GAMMA], np.logspace(-12, 3, 61)])  # |I| up to 1000 per ns
    drives = np.concatenate([strength, -strength, GAMMA + strength, GAMMA - strength])
    drive = torch.from_numpy(drives.clip(-1e3, 1e3)).to(dtype)
    for dt_ns in np.logspace(-3, 3, 13):
        x = torch.tensor([1e-30, 1e-7, 0.2, 0.5, 0.9999], dtype=dtype)[:, None]
        for _ in range(20):
            x = oscillator.flow(x, drive, dt_ns, gamma_per_ns=GAMMA, q=q, sigma=1.0)
        assert ((x > 0) & (x < 1)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_gradients_of_a_step_are_finite_even_at_the_ends(dtype: torch.dtype) -> None:
    strengths = torch.cat([torch.logspace(-12, 3, 61), torch.tensor([0.0, GAMMA])]).to(dtype)
    pieces = (strengths, -strengths, GAMMA + strengths, GAMMA - strengths)
    start = torch.tensor([X_MIN, 1e-7, 0.2, 0.5, 0.999999, 1.0], dtype=dtype)
    x, drive = torch.meshgrid(start, torch.cat(pieces), indexing="ij")
    for dt_ns in (1e-3, 1.0, 1e3):
        x, drive = x.clone().requires_grad_(), drive.clone().requires_grad_()
        x_next = oscillator.flow(x, drive, dt_ns, gamma_per_ns=GAMMA, q=0.0, sigma=1.0)
        assert ((x_next >= 0) & (x_next <= 1)).all()
        gradients = torch.autograd.grad(x_next.sum(), (x, drive))
        assert all(gradient.isfinite().all() for gradient in gradients)


def inhibited(dtype: torch.dtype, backend: Backend) -> tuple[float, list[float]]:
    """One neuron, suppressed far below the floor, then driven up from it: output and gradient."""
    network = scaled(
        tiny(layers=1, width=1, channels=1, density_inter=1, density_intra=0, s=1.0), 0.0
    ).to(dtype)
    network.backend = backend
    network.w_in.data.fill_(1.0)
    up = np.log(0.5 / X_MIN) / 2 - GAMMA  # two steps of it undo the floor: x is about one half
    u = torch.tensor([-60.0] * 5 + [up, up], dtype=dtype)[None, :, None]
    y = network.output(u).sum()
    (gradient,) = torch.autograd.grad(y, network.w_in)
    return y.item(), gradient.flatten().tolist()


@pytest.mark.parametrize("backend", ["reference", "fused"])
def test_an_oscillator_recovers_from_inhibition_and_its_gradient_is_that_of_float64(
    backend: Backend,
) -> None:
    """Without a floor x is 0 for good in float32, and its adjoint, e^40 per step, infinite."""
    single, double = inhibited(torch.float32, backend), inhibited(torch.float64, "reference")
    assert abs(double[0]) > 0.01
    assert abs(double[1][0]) > 1.0
    assert single[0] == pytest.approx(double[0], rel=1e-4)  # the exponent, 70, to 1e-7 of itself
    assert single[1] == pytest.approx(double[1], rel=1e-4)


@pytest.mark.parametrize("factor", [10.0, 100.0, 1000.0])
def test_gradients_of_a_strongly_driven_network_are_finite_in_float32(factor: float) -> None:
    network = scaled(tiny(width=16), factor).float()
    network.backend = "reference"
    network(inputs(batch=20, time=64).float()).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sigma", 0.5, "`sigma > 0.5` must hold, but got sigma=0.5. Raise it: the fixed bias"),
        ("sigma", float("nan"), "`sigma > 0.5` must hold, but got sigma=nan."),
        ("q", -0.1, "`q >= 0` must hold, but got q=-0.1. Give 0 for a damping that does not"),
    ],
)
def test_a_material_without_an_amplitude_at_rest_is_refused(
    name: str, value: float, message: str
) -> None:
    constants: dict[str, Any] = {"tau_ns": 1.0, "s": 1.0, "f_cut_per_ns": 0.0, name: value}
    with pytest.raises(ValueError, match=r"^spintronic physics: ") as caught:
        SpintronicPhysics(**constants)
    assert message in str(caught.value)
