"""The fused CPU path of the CTRNN against a dense loop of Eq. (6)-(8) in float64."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from dense import INTEGRATORS, Case, a_third, assert_agrees, error, gradients, inputs, make, physics
from torch import Tensor

from objectives.networks.kernels.passes import CtrnnKernel
from objectives.networks.kernels.structure import SparseStructure

SIZES = list(product([1, 5, 32], [1, 3], [1, 3], [0.0, 0.1, 0.5, 1.0]))
DATA = list(product([1, 58, 120, 300], [1, 64]))


@pytest.mark.parametrize(
    ("width", "layers", "channels", "density", "integrator"), a_third(SIZES, INTEGRATORS)
)
def test_agrees_for_every_size(
    width: int, layers: int, channels: int, density: float, integrator: str
) -> None:
    batch, times = DATA[SIZES.index((width, layers, channels, density)) % len(DATA)]
    case = make("ctrnn", width=width, layers=layers, channels=channels, density=density)
    assert_agrees(case, inputs(batch, times, channels), integrator=integrator)


@pytest.mark.parametrize(("batch", "times", "integrator"), a_third(DATA, INTEGRATORS))
def test_agrees_for_every_batch(batch: int, times: int, integrator: str) -> None:
    assert_agrees(make("ctrnn"), inputs(batch, times), integrator=integrator)


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize(
    "settings", [{"tau_ns": 14.12, "s": 0.5}, {"s": 1.0, "dt_ns": 0.3}, {"tau_ns": 1e6}]
)
def test_is_as_exact_as_a_float32_loop(integrator: str, settings: dict[str, float]) -> None:
    case, u = make("ctrnn", width=32), inputs(120, 64)
    wanted, wanted_gradients = case.dense(u, torch.float64, integrator=integrator, **settings)
    loop, loop_gradients = case.dense(u, torch.float32, integrator=integrator, **settings)
    output = case.run(u, integrator=integrator, **settings)
    assert error(output, wanted) < 1e-6 + 4 * error(loop, wanted)
    found = gradients(output, case.parameters)
    for mine, theirs, grad in zip(found, loop_gradients, wanted_gradients, strict=True):
        assert error(mine, grad) < 1e-5 + 4 * error(theirs, grad)


def activation(drive: Tensor) -> tuple[Tensor, Tensor]:
    """tanh(drive) and its slope by the kernel: neurons without synapses, one step of 1 ns.

    They hardly leak in it, so that the step adds the drive as it is.
    """
    n = len(drive)
    masks = [torch.zeros(shape).bool() for shape in [(n, 1), (0, n, n), (1, n, n)]]
    bias = drive[None].clone().requires_grad_()
    parameters = (*(torch.zeros(mask.shape) for mask in masks), bias)
    case = Case("ctrnn", parameters, tuple(masks), SparseStructure.from_masks(*masks))
    output = case.run(torch.zeros(1, 1, 1), s=1.0, tau_ns=1e12)
    [slope] = torch.autograd.grad(output.sum(), bias)
    return output.detach()[0], slope[0]


def test_tanh_is_good_to_three_ulp_odd_and_saturating() -> None:
    size = torch.cat([torch.logspace(-37, 0, 700), torch.linspace(0, 12, 500)])
    drive = torch.cat([-size, size])
    found, slope = activation(drive)
    wanted = np.tanh(drive.double().numpy())
    ulp = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
    assert (np.abs(found.double().numpy() - wanted) / ulp).max() < 3
    assert torch.equal(found[: len(size)], -found[len(size) :])
    assert (found.abs() <= 1).all()
    np.testing.assert_allclose(slope, 1 - wanted**2, rtol=0, atol=4e-7)
    beyond, _ = activation(torch.tensor([0.0, 1e3, -1e30, math.inf, -math.inf]))
    assert beyond.tolist() == [0.0, 1.0, -1.0, 1.0, -1.0]


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("which", [0, 3])
def test_nan_parameters_give_nan(which: int, integrator: str) -> None:
    case = make("ctrnn", density=1.0)
    with torch.no_grad():
        case.parameters[which].fill_(math.nan)
    output = case.run(inputs(58, 8), integrator=integrator)
    assert output.isnan().all()
    assert all(g.isnan().any() for g in gradients(output, case.parameters))


def test_weights_off_the_mask_count_as_zero() -> None:
    case, u = make("ctrnn", width=32), inputs(58, 64)
    before = case.run(u)
    for grad, mask in zip(gradients(before, case.parameters), case.masks, strict=False):
        assert grad[mask].all()
        assert not grad[~mask].any()
    with torch.no_grad():
        for weights, mask in zip(case.parameters, case.masks, strict=False):
            weights[~mask] = math.nan
    assert torch.equal(case.run(u), before)


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_same_input_same_bits(integrator: str) -> None:
    case = make("ctrnn", width=32)
    runs = []
    for batch in (300, 58, 120, 300):  # work arrays are reused, with what others left in them
        output = case.run(inputs(batch, 64), integrator=integrator)
        runs.append([output, *gradients(output, case.parameters)])
    assert all(map(torch.equal, runs[0], runs[3]))


def test_a_sequence_does_not_depend_on_its_batch() -> None:
    case, u = make("ctrnn", width=32), inputs(300, 64)
    assert torch.equal(case.run(u)[130:188], case.run(u[130:188]))


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_without_gradients_same_value_and_no_trajectory(integrator: str) -> None:
    case, u = make("ctrnn", width=32), inputs(300, 64)
    wanted = case.run(u, integrator=integrator)
    case = Case(case.kind, case.parameters, case.masks, SparseStructure.from_masks(*case.masks))
    with torch.no_grad():
        output = case.run(u, integrator=integrator)
    assert torch.equal(output, wanted)
    assert not output.requires_grad
    [work] = case.structure.pool
    assert len(work) < 10 * 96 * 128


def test_refuses_an_integrator_without_a_kernel() -> None:
    settings = physics("ctrnn", integrator="rk4")
    with pytest.raises(ValueError, match="CtrnnKernel: `integrator in"):
        CtrnnKernel(make("ctrnn").structure, **settings)
