"""The integrators: order of convergence against SciPy, gradients, steps within a
point."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from networks import (
    GAMMA,
    KINDS,
    METHODS,
    WITH_WARM,
    inputs,
    make_chip,
    scaled,
    solved_by_scipy,
    tiny,
)
from torch import Tensor
from torch.nn.functional import cross_entropy

from hpo.objectives.networks.integrators import EXTRAPOLATION, IntegratorName, Stepping
from hpo.objectives.training.solved_equation import finer_steps

ORDERS: dict[IntegratorName, int] = {
    "exponential": 1,
    "exponential-ab2": 2,
    "exponential-ab3": 2,
    "ab3": 2,
    "euler": 1,
    "heun": 2,
    "rk4": 4,
}
STEPS: dict[int, list[int]] = {
    1: [32, 64, 128, 256],
    2: [16, 32, 64, 128],
    4: [4, 8, 16, 32],
}
"""Steps per point by order: few enough that rk4 stays above SciPy's 1e-10."""


SMOOTH = {"drive_limit": "smooth"}
HARD = {"drive_limit": "hard"}
MATERIALS: dict[str, tuple[str, dict[str, Any]]] = {
    "Eq. (2)": ("spintronic", {}),
    "Eq. (1)": ("spintronic", {"q": 0.8, "sigma": 1.3}),
    "Eq. (2), warm": ("warm", {}),
    "Eq. (1), warm": ("warm", {"q": 0.8, "sigma": 1.3}),
    "CTRNN": ("ctrnn", {}),
    "Eq. (2), limited": ("spintronic", SMOOTH),
    "Eq. (1), warm, limited": ("warm", {"q": 0.8, "sigma": 1.3, **SMOOTH}),
    "CTRNN, limited": ("ctrnn", SMOOTH),
}


@pytest.mark.parametrize(("kind", "material"), MATERIALS.values(), ids=MATERIALS.keys())
@pytest.mark.parametrize("integrator", METHODS)
def test_it_converges_to_scipy(
    integrator: IntegratorName, kind: str, material: dict[str, Any]
) -> None:
    """The error of the outputs of all layers falls as a power of the step, the order.

    To 5 %: at the longest step the next term of the error is still about a tenth of the
    first.
    """
    points = inputs(batch=1, time=2)
    network = scaled(tiny(kind, integrator=integrator, **material), 3.0)
    _, exact = solved_by_scipy(network, points[0])
    assert np.abs(exact).max() > 0.05
    steps, errors = STEPS[ORDERS[integrator]], []
    for steps_per_point in steps:
        network.physics = replace(network.physics, steps_per_point=steps_per_point)
        found = network.trajectories(points)["y"][0, :, 0, -1].numpy()
        errors.append(np.abs(found - exact).max())
    slope, _ = np.polyfit(np.log(steps), np.log(errors), 1)
    assert errors[-1] < 0.01
    assert -slope == pytest.approx(ORDERS[integrator], rel=0.05)


@pytest.mark.parametrize("kind", ["spintronic", "warm"])
def test_a_clipped_network_converges_to_scipy(kind: str) -> None:
    """Between the kinks of its drives; nearly half of them are clipped."""
    points = inputs(batch=1, time=2)
    network = scaled(tiny(kind, **HARD), 6.0)
    _, exact = solved_by_scipy(network, points[0])
    errors = []
    for steps in (16, 256):
        network.physics = replace(network.physics, steps_per_point=steps)
        series = network.trajectories(points)
        errors.append(np.abs(series["y"][0, :, 0, -1].numpy() - exact).max())
    drive = series["drive"] / GAMMA
    assert drive.min() == 0.0
    assert drive.max() == 3.0
    assert ((drive > 0.0) & (drive < 3.0)).double().mean() < 0.7
    assert errors[0] < 1e-3
    assert errors[1] < errors[0] / 100


def test_refined_it_is_the_solution_where_amplitudes_fall_far_below_float32() -> None:
    """ln x of all neurons as SciPy has it; by the kernel, in float32, what can be
    read."""
    network = tiny(density_inter=1.0)
    network.w_in.data[0, :2] = torch.tensor([[-40.0, 0.0], [-60.0, 0.0]])
    inhibited = torch.tensor(
        [[1.0, 0.3]] * 10 + [[-1.0, 0.6]] * 11, dtype=torch.float64
    )
    for u, depth in ((inhibited[:10], -138.0), (inhibited, None)):
        x, y = solved_by_scipy(network, u)
        with finer_steps(network, 128):
            series = network.trajectories(u[None])
            found = [series[name][0, :, 0, -1].numpy() for name in ("x", "y")]
            np.testing.assert_allclose(
                np.log(found[0]), np.log(x), rtol=1e-5, atol=3e-4
            )
            np.testing.assert_allclose(found[1], y, rtol=0, atol=1e-5)
            single = deepcopy(network).float().output(u.float()[None])[0, 0]
        np.testing.assert_allclose(single.detach(), y[-1], rtol=0, atol=1e-4)
        assert depth is None or np.log(x).min() < depth
    assert x[0, :2].min() > 0.1, "it comes back"


@pytest.mark.parametrize("integrator", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_a_point_is_a_point_of_its_own(
    kind: str, integrator: IntegratorName
) -> None:
    """The same operations in the same order, up to the rounding of dt / 4 * 4."""
    few = tiny(kind, integrator=integrator, steps_per_point=4)
    many = tiny(kind, integrator=integrator, point_ns=0.25)
    u = inputs()
    torch.testing.assert_close(
        few(u), many(u.repeat_interleave(4, dim=1)), rtol=1e-14, atol=0
    )


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *product(WITH_WARM, [{"integrator": method} for method in METHODS]),
        *(
            ("spintronic", {"q": 0.8, "sigma": 1.3, "thermal_power": power})
            for power in (0.0, 0.1)
        ),
        *product(WITH_WARM, [SMOOTH]),
        ("warm", HARD),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_gradients_are_those_of_finite_differences(
    kind: str, how: dict[str, Any], noise: float
) -> None:
    """Of the loss with respect to every parameter and to the input, on a chip with its
    noise."""
    network = tiny(kind, steps_per_point=2, **how)
    chip = make_chip(network, 3, noise=noise, jumps=2)
    names = [name for name, _ in network.named_parameters()]
    values = [
        parameter.detach().clone().requires_grad_()
        for parameter in network.parameters()
    ]

    def loss(u: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(names, parameters, strict=True))
        logits = torch.func.functional_call(network, named, (u, chip))[0]
        return cross_entropy(logits, torch.tensor([0, 2]))

    u = inputs(batch=2, time=3).requires_grad_()
    assert torch.autograd.gradcheck(loss, [u, *values], fast_mode=True)


@pytest.mark.parametrize(
    ("point_ns", "steps_per_point", "max_step_ns", "n_steps"),
    [
        (1.0, 1, 0.5, 2),
        (1.0, 1, 1 / 3, 3),  # 1 / (1 / 3) is not below 3 by rounding
        (0.7, 1, 0.1, 7),  # 0.7 / 0.1 is 6.999...; 0.3 / 0.1 is 2.999...
        (0.05, 1, 0.5, 1),
        (20.0, 1, 0.5, 40),
        (1.0, 3, 0.5, 3),
        (1.0, 3, math.inf, 3),
    ],
)
def test_no_step_is_longer_than_the_longest_nor_are_there_more_than_it_takes(
    point_ns: float, steps_per_point: int, max_step_ns: float, n_steps: int
) -> None:
    stepping = Stepping(
        point_ns=point_ns, steps_per_point=steps_per_point, max_step_ns=max_step_ns
    )
    assert stepping.n_steps == n_steps
    assert stepping.step_ns * n_steps == pytest.approx(point_ns)


@pytest.mark.parametrize(
    ("name", "degree"),
    [("exponential", 0), ("exponential-ab2", 1), ("exponential-ab3", 2)],
)
def test_the_mean_over_a_step_is_exact_for_polynomials(name: str, degree: int) -> None:
    """Outputs at 0, -1, -2 steps give the mean of t^k over the step from 0 to 1: 1 / (k
    + 1)."""
    weights = EXTRAPOLATION[name]
    for k in range(degree + 1):
        mean = sum(weight * (-float(j)) ** k for j, weight in enumerate(weights))
        assert mean == pytest.approx(1 / (k + 1))
