"""Eq. (1) to (3) of arXiv:2408.02835 for one oscillator, with and without thermal
power."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from networks import GAMMA, THERMAL, inputs, scaled, tiny
from scipy.integrate import solve_ivp
from torch import Tensor

from hpo.objectives.networks import oscillator
from hpo.objectives.networks.dynamics import Neurons

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
EACH_MATERIAL = pytest.mark.parametrize(
    ("q", "sigma"), MATERIALS.values(), ids=MATERIALS.keys()
)
EACH_POWER = pytest.mark.parametrize("thermal_power", [0.0, 1e-12, THERMAL, 0.5])
STRENGTHS = torch.cat(
    [torch.zeros(1), torch.tensor([GAMMA]), torch.logspace(-12, 3, 61)]
)
ALL_DRIVES = torch.cat([STRENGTHS, -STRENGTHS, GAMMA + STRENGTHS, GAMMA - STRENGTHS])


def advance_exactly(
    state: Tensor, drive: Tensor, step_ns: float, thermal_power: float, **how: float
) -> Tensor:
    """The closed form of x with thermal power, of ln x without."""
    material = {"gamma_per_ns": GAMMA, "q": 0.0, "sigma": 1.0, **how}
    if thermal_power == 0.0:
        return oscillator.advance_log_exactly(state, drive, step_ns, **material)
    return oscillator.advance_exactly(
        state, drive, step_ns, **material, thermal_power=thermal_power
    )


def advanced(
    state: float, drive: float, step_ns: float, thermal_power: float, **how: float
) -> float:
    at = (torch.tensor(value, dtype=torch.float64) for value in (state, drive))
    return advance_exactly(*at, step_ns, thermal_power, **how).item()


@EACH_POWER
@EACH_MATERIAL
@pytest.mark.parametrize("drive", DRIVES.values(), ids=DRIVES.keys())
@pytest.mark.parametrize("step_ns", [0.01, 1.0, 7.0])
def test_constant_drive_has_the_closed_form(
    drive: float, step_ns: float, q: float, sigma: float, thermal_power: float
) -> None:
    """Eq. (1) as printed, of γ/2 and I/2: to the tolerance of SciPy, gathered over its
    steps."""

    def slope(t: float, state: Any) -> Any:
        x = state if thermal_power else np.exp(state)
        growth = -2 * (GAMMA / 2 * (1 + q * x) - sigma * drive / 2 * (1 - x))
        return growth * x + GAMMA * thermal_power if thermal_power else growth

    for x in (1e-9, 0.3, 0.999) if thermal_power else (1e-200, 1e-9, 0.3, 0.999):
        start = x if thermal_power else math.log(x)
        solution = solve_ivp(
            slope, (0, step_ns), [start], method="DOP853", rtol=1e-12, atol=1e-18
        )
        found = advanced(start, drive, step_ns, thermal_power, q=q, sigma=sigma)
        assert found == pytest.approx(solution.y[0, -1], rel=1e-9)


@pytest.mark.parametrize("thermal_power", [0.0, 0.04])
@EACH_MATERIAL
def test_fixed_bias_holds_the_neurons_at_rest(
    q: float, sigma: float, thermal_power: float
) -> None:
    material: dict[str, float] = {
        "q": q,
        "sigma": sigma,
        "thermal_power": thermal_power,
    }
    network = scaled(tiny(**material), 0.0)
    dynamics = network.dynamics()
    state = dynamics.rest(batch=3)
    x = dynamics.amplitude(state).flatten()
    b, source = (
        2 * sigma + q,
        thermal_power,
    )  # over γ: one half for q = 0, sigma = 1, no source
    rest = ((2 * sigma - 1) + math.sqrt((2 * sigma - 1) ** 2 + 4 * b * source)) / (
        2 * b
    )
    assert x.tolist() == pytest.approx([rest] * 36, rel=1e-14)
    later = tiny(**material, start=0.3).dynamics()
    begins = later.amplitude(later.rest(batch=3)).flatten()
    assert begins.tolist() == pytest.approx([0.3 * rest] * 36, rel=1e-14)
    drive = dynamics.drive(dynamics.output(state), inputs()[:, 0])
    assert torch.equal(drive, torch.full_like(drive, 2 * GAMMA))
    for after, before in zip(
        dynamics.advance_exactly(state, drive, 1.0), state, strict=True
    ):
        torch.testing.assert_close(after, before, rtol=0, atol=2e-15)


@pytest.mark.parametrize(
    ("dtype", "thermal_power"),
    [
        *(
            (dtype, 0.0)
            for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        ),
        *((dtype, THERMAL) for dtype in (torch.float32, torch.float64)),
    ],
)
def test_a_step_stays_within_0_and_1_and_its_gradients_are_finite_even_at_the_ends(
    dtype: torch.dtype, thermal_power: float
) -> None:
    start = torch.tensor([1e-30, 1e-7, 0.2, 0.5, 0.999999, 1.0])
    start = (start if thermal_power else start.log()).to(dtype)
    state, drive = torch.meshgrid(start, ALL_DRIVES.to(dtype), indexing="ij")
    for step_ns in (1e-3, 1.0, 1e3):
        leaves = state.clone().requires_grad_(), drive.clone().requires_grad_()
        after = advance_exactly(*leaves, step_ns, thermal_power)
        x = after if thermal_power else after.exp()
        assert after.isfinite().all()
        assert ((x >= 0) & (x <= 1 + 4 * torch.finfo(dtype).eps)).all()
        for gradient in torch.autograd.grad(after.sum(), leaves):
            assert gradient.isfinite().all()


@pytest.mark.parametrize("thermal_power", [0.0, THERMAL])
def test_the_gradient_is_that_of_finite_differences_at_the_threshold_itself(
    thermal_power: float,
) -> None:
    state = torch.tensor(0.3 if thermal_power else math.log(0.3), dtype=torch.float64)
    drive = torch.tensor(GAMMA, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(
        advance_exactly(state, drive, 1.0, thermal_power), drive
    )
    above, below = (
        advance_exactly(state, drive + d, 1.0, thermal_power).item()
        for d in (1e-6, -1e-6)
    )
    assert slope.item() == pytest.approx((above - below) / 2e-6, rel=1e-7)


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        ("spintronic", [1e-30, 1e-30, 0.5, 0.75]),
        ("warm", [0.0049038, 0.0316228, 0.500998, 0.750333]),
    ],
)
def test_where_the_common_bias_cannot_overcome_the_damping_heat_alone_is_left(
    kind: str, rest: list[float]
) -> None:
    network = scaled(tiny(kind, layers=1), 0.0)
    tau = torch.tensor([0.4, 0.5, 1.0, 2.0]).double()[None, None, None]
    dynamics = network.make_dynamics(
        network.synapses(), Neurons(factors={"tau_ns": tau})
    )
    state = dynamics.rest(batch=3)
    x = dynamics.amplitude(state)
    assert x[0, 0, 0].tolist() == pytest.approx(rest, rel=1e-5)
    later, _ = network.physics.advance(dynamics, state, (), inputs()[:, 0])
    torch.testing.assert_close(
        dynamics.amplitude(later), x
    )  # each is at its own fixed point
