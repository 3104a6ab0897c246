"""The fused CPU path of the spintronic network against a dense loop of Eq. (2)-(5) in float64."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from dense import (
    INTEGRATORS,
    Case,
    a_third,
    assert_agrees,
    dense_spintronic,
    error,
    gradients,
    inputs,
    make,
    physics,
)
from torch import Tensor

from objectives.networks.kernels import autograd
from objectives.networks.kernels.autograd import fused_output
from objectives.networks.kernels.passes import SpintronicKernel
from objectives.networks.kernels.structure import SparseStructure


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """The dense loop is all small operations, which threads only slow down."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


SIZES = list(product([1, 5, 32], [1, 3], [1, 3], [0.0, 0.1, 0.5, 1.0]))
DATA = list(product([1, 58, 120, 300], [1, 64], [0.0, 0.1]))


@pytest.mark.parametrize(
    ("width", "layers", "channels", "density", "integrator"), a_third(SIZES, INTEGRATORS)
)
def test_agrees_for_every_size(
    width: int, layers: int, channels: int, density: float, integrator: str
) -> None:
    place = SIZES.index((width, layers, channels, density))
    batch, times, f_cut = DATA[place % len(DATA)]
    case = make(width=width, layers=layers, channels=channels, density=density)
    u = inputs(batch, times, channels)
    assert_agrees(case, u, f_cut_per_ns=f_cut, integrator=integrator)


@pytest.mark.parametrize(("batch", "times", "f_cut", "integrator"), a_third(DATA, INTEGRATORS))
def test_agrees_for_every_batch(batch: int, times: int, f_cut: float, integrator: str) -> None:
    assert_agrees(make(), inputs(batch, times), f_cut_per_ns=f_cut, integrator=integrator)


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("settings", [{"tau_ns": 2.3}, {"s": 0.1, "dt_ns": 0.3}, {"tau_ns": 100.0}])
def test_is_as_exact_as_a_float32_loop(integrator: str, settings: dict[str, float]) -> None:
    case, u = make(width=32), inputs(120, 64)
    wanted, wanted_gradients = case.dense(u, torch.float64, integrator=integrator, **settings)
    loop, loop_gradients = case.dense(u, torch.float32, integrator=integrator, **settings)
    output = case.run(u, integrator=integrator, **settings)
    assert error(output, wanted) < 1e-6 + 4 * error(loop, wanted)
    found = gradients(output, case.parameters)
    for mine, theirs, grad in zip(found, loop_gradients, wanted_gradients, strict=True):
        assert error(mine, grad) < 1e-5 + 4 * error(theirs, grad)


@pytest.mark.parametrize(("times", "rtol"), [(1, 4e-6), (2, 2e-5)])
def test_a_neuron_step_is_exact_from_one_end_of_the_clip_to_beyond_the_other(
    times: int, rtol: float
) -> None:
    drive = torch.linspace(-60, 60, 1201)
    masks = [torch.zeros(shape).bool() for shape in [(1201, 1), (0, 1201, 1201), (1, 1201, 1201)]]
    bias = drive[None].clone().requires_grad_()
    parameters = (*(torch.zeros(mask.shape) for mask in masks), bias)
    case = Case("spintronic", parameters, tuple(masks), SparseStructure.from_masks(*masks))
    u = torch.zeros(1, times, 1)
    settings = physics(s=1.0, f_cut_per_ns=0.0)
    output = case.run(u, **settings)
    leaf = drive[None].double().requires_grad_()
    wanted = dense_spintronic(u.double(), *(p.double() for p in parameters[:3]), leaf, **settings)
    torch.testing.assert_close(output.double(), wanted, rtol=0, atol=2.5e-7)
    [found] = torch.autograd.grad(output.sum(), bias)
    [grad] = torch.autograd.grad(wanted.sum(), leaf)
    torch.testing.assert_close(found.double(), grad, rtol=rtol, atol=1e-25)


def test_agrees_where_the_exponent_is_clipped() -> None:
    case, u = make(width=32, layers=2, scale=1e3), inputs(120, 2)
    drive = 0.5 * (u[:, 0] @ case.parameters[0].T + case.parameters[3][0])
    assert (drive > 41).any()
    assert (drive < -41).any()
    output = case.run(u)
    wanted, wanted_gradients = case.dense(u, torch.float64)
    torch.testing.assert_close(output.double(), wanted, rtol=0, atol=1e-4)
    for found, grad in zip(gradients(output, case.parameters), wanted_gradients, strict=True):
        assert error(found, grad) < 1e-3


def test_exponential_step_stays_between_0_and_1_whatever_the_drive() -> None:
    for scale in (1e1, 1e3, 1e6, 1e30):
        y = make(width=32, scale=scale).run(inputs(120, 64), f_cut_per_ns=0.0)
        assert y.isfinite().all()
        assert y.abs().max() <= 0.5 + 1e-4  # 64 roundings of x' - x


@pytest.mark.parametrize("integrator", INTEGRATORS)
@pytest.mark.parametrize("which", [0, 3])
def test_nan_parameters_give_nan(which: int, integrator: str) -> None:
    case = make(density=1.0)
    with torch.no_grad():
        case.parameters[which].fill_(math.nan)
    output = case.run(inputs(58, 8), integrator=integrator)
    assert output.isnan().all()
    assert all(g.isnan().any() for g in gradients(output, case.parameters))


def test_weights_off_the_mask_count_as_zero() -> None:
    case, u = make(width=32), inputs(58, 64)
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
    case = make(width=32)
    runs = []
    for batch in (300, 58, 120, 300):  # work arrays are reused, with what others left in them
        output = case.run(inputs(batch, 64), integrator=integrator)
        runs.append([output, *gradients(output, case.parameters)])
    assert all(map(torch.equal, runs[0], runs[3]))
    fresh = Case(case.kind, case.parameters, case.masks, SparseStructure.from_masks(*case.masks))
    output = fresh.run(inputs(300, 64), integrator=integrator)
    assert all(map(torch.equal, runs[0], [output, *gradients(output, case.parameters)]))


def test_a_sequence_does_not_depend_on_its_batch() -> None:
    case, u = make(width=32), inputs(300, 64)
    assert torch.equal(case.run(u)[130:188], case.run(u[130:188]))


def test_two_graphs_at_once_and_one_twice() -> None:
    case, u = make(), inputs(120, 64)
    first, second = case.run(u), case.run(1 - u)
    wanted = [gradients(case.run(u), case.parameters), gradients(case.run(1 - u), case.parameters)]
    for output, grads in [(second, wanted[1]), (first, wanted[0])]:
        for _ in range(2):
            found = gradients(output, case.parameters, retain_graph=True)
            assert all(map(torch.equal, found, grads))


@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_without_gradients_same_value_and_no_trajectory(integrator: str) -> None:
    case, u = make(width=32), inputs(300, 64)
    wanted = case.run(u, integrator=integrator)
    case = Case(case.kind, case.parameters, case.masks, SparseStructure.from_masks(*case.masks))
    with torch.no_grad():
        output = case.run(u, integrator=integrator)
    assert torch.equal(output, wanted)
    assert not output.requires_grad
    [work] = case.structure.pool
    assert len(work) < 10 * 96 * 128


def test_layouts_in_memory_make_no_difference() -> None:
    case, u = make(width=32, channels=3), inputs(58, 64, 3)
    wanted = gradients(case.run(u), case.parameters)
    case = Case(
        case.kind,
        tuple(p.detach().mT.contiguous().mT.requires_grad_() for p in case.parameters),
        case.masks,
        case.structure,
    )
    found = gradients(case.run(u.permute(2, 1, 0).contiguous().permute(2, 1, 0)), case.parameters)
    assert all(map(torch.equal, found, wanted))


def test_parameters_may_change_before_the_adjoint() -> None:
    case, u = make(), inputs(58, 64)
    wanted = gradients(case.run(u), case.parameters)
    output = case.run(u)
    with torch.no_grad():
        for parameter in case.parameters:
            parameter.mul_(2.0)
    assert all(map(torch.equal, gradients(output, case.parameters), wanted))


def test_other_threads_run_meanwhile() -> None:
    case, u = make(width=32), inputs(128, 15_000)
    beats, stop = [], threading.Event()

    def heart() -> None:
        while not stop.wait(0.002):
            beats.append(time.perf_counter())

    thread = threading.Thread(target=heart)
    thread.start()
    start = time.perf_counter()
    with torch.no_grad():
        case.run(u)
    end = time.perf_counter()
    stop.set()
    thread.join()
    assert sum(start + 0.01 < beat < end - 0.01 for beat in beats) >= 5


def test_warm_up_returns_seconds() -> None:
    assert 0 < autograd.warm_up() < 60


FLOAT = "fused_output: `{0}.dtype == torch.float32` must hold, but got {0}.dtype=torch.float64."
SHAPE = "fused_output: `{0}.shape == {1}` must hold, but got {0}.shape={2}."
DEVICE = 'fused_output: `{0}.device == "cpu"` must hold, but got {0}.device=meta.'


@pytest.mark.parametrize(
    ("name", "change", "kind", "message"),
    [
        ("u", Tensor.double, TypeError, FLOAT.format("u")),
        ("w_inter", Tensor.double, TypeError, FLOAT.format("w_inter")),
        ("bias", lambda t: t.to("meta"), ValueError, DEVICE.format("bias")),
        ("u", lambda t: t.to("meta"), ValueError, DEVICE.format("u")),
        ("u", lambda t: t[0], ValueError, SHAPE.format("u", "(batch, time, 1)", "(8, 1)")),
        ("u", lambda t: t.expand(-1, -1, 2), ValueError, "(batch, time, 1)"),
        ("w_in", lambda t: t.mT, ValueError, SHAPE.format("w_in", "(5, 1)", "(1, 5)")),
        ("w_intra", lambda t: t[:2], ValueError, "w_intra.shape == (3, 5, 5)"),
        ("bias", lambda t: t[0], ValueError, SHAPE.format("bias", "(3, 5)", "(5,)")),
        ("u", Tensor.requires_grad_, ValueError, "`not u.requires_grad` must hold, but got"),
        (
            "integrator",
            lambda _: "rk4",
            ValueError,
            "SpintronicKernel: `integrator in ['exponential', 'exponential-ab2', "
            "'exponential-ab3']` must hold, but got integrator=rk4. Name one of these.",
        ),
    ],
)
def test_refuses(name: str, change: Any, kind: type[Exception], message: str) -> None:
    case = make()
    names = ("w_in", "w_inter", "w_intra", "bias")
    arguments: dict[str, Any] = physics() | {"u": inputs(4, 8)}
    arguments |= {name: p.detach() for name, p in zip(names, case.parameters, strict=True)}
    arguments[name] = change(arguments[name])
    tensors = [arguments.pop(name) for name in ("u", *names)]
    with pytest.raises(kind) as caught:
        fused_output(SpintronicKernel(case.structure, **arguments), *tensors)
    assert message in str(caught.value)


def test_refuses_masks_that_do_not_fit() -> None:
    good = [torch.ones(shape).bool() for shape in [(5, 1), (2, 5, 5), (3, 5, 5)]]
    rule = "SparseStructure: `mask_in.dtype == torch.bool` must hold, but got mask_in.dtype="
    with pytest.raises(TypeError, match=rule):
        SparseStructure.from_masks(good[0].float(), *good[1:])
    with pytest.raises(ValueError, match=r"mask_inter\.shape == \(2, 5, 5\)` must hold"):
        SparseStructure.from_masks(good[0], good[1][:1], good[2])
    with pytest.raises(ValueError, match=r"mask_intra\.shape == \(layers, width, width\)` must"):
        SparseStructure.from_masks(good[0], good[1], good[2][0])
