"""The fused CPU path of both networks against dense loops of Eq. (2)-(8) in float64."""

from __future__ import annotations

import math
import threading
import time
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from dense import (
    INTEGRATORS,
    KERNELS,
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
from objectives.networks.kernels.structure import SparseStructure
from objectives.networks.spintronic import SpintronicNetwork, SpintronicPhysics

EACH_INTEGRATOR = pytest.mark.parametrize("integrator", INTEGRATORS)
EACH_KIND = pytest.mark.parametrize("kind", KERNELS)
SIZES = list(product(KERNELS, [1, 5, 32], [1, 3], [1, 3], [0.0, 0.1, 0.5, 1.0]))
FILTERS: dict[str, list[dict[str, float]]] = {
    "spintronic": [{"f_cut_per_ns": 0.0}, {"f_cut_per_ns": 0.1}],
    "ctrnn": [{}],
}
DATA = {
    kind: list(product([1, 58, 120, 300], [1, 16], filters)) for kind, filters in FILTERS.items()
}


def alike(found: list[Tensor], wanted: list[Tensor]) -> bool:
    """Bit for bit."""
    return all(map(torch.equal, found, wanted))


def afresh(case: Case) -> Case:
    """The same network, for which nothing was computed yet."""
    structure = SparseStructure.from_masks(*case.masks)
    return Case(case.kind, case.parameters, case.masks, structure)


@pytest.mark.parametrize(
    ("kind", "width", "layers", "channels", "density", "integrator"), a_third(SIZES, INTEGRATORS)
)
def test_agrees_for_every_size(
    kind: str, width: int, layers: int, channels: int, density: float, integrator: str
) -> None:
    place = SIZES.index((kind, width, layers, channels, density))
    batch, times, filters = DATA[kind][place % len(DATA[kind])]
    case = make(kind, width=width, layers=layers, channels=channels, density=density)
    assert_agrees(case, inputs(batch, times, channels), integrator=integrator, **filters)


WIDE = list(product(KERNELS, [64, 100], [1, 2, 3], [0.6, 1.0], [1, 8, 21]))


@pytest.mark.parametrize(
    ("kind", "width", "layers", "density", "times", "integrator"), a_third(WIDE, INTEGRATORS)
)
def test_agrees_by_tiles(
    kind: str, width: int, layers: int, density: float, times: int, integrator: str
) -> None:
    case = make(kind, width=width, layers=layers, channels=2, density=density)
    assert len(case.structure.tiles.spans) > 0
    assert_agrees(case, inputs(58, times, 2), integrator=integrator)


@pytest.mark.parametrize(("width", "density"), [(32, 1.0), (66, 1.0), (64, 0.5)])
def test_narrow_and_sparse_networks_have_no_tiles(width: int, density: float) -> None:
    assert len(make(width=width, layers=2, density=density).structure.tiles.spans) == 0


@pytest.mark.parametrize(
    ("kind", "batch", "times", "filters", "integrator"),
    a_third([(kind, *data) for kind in KERNELS for data in DATA[kind]], INTEGRATORS),
)
def test_agrees_for_every_batch(
    kind: str, batch: int, times: int, filters: dict[str, float], integrator: str
) -> None:
    assert_agrees(make(kind), inputs(batch, times), integrator=integrator, **filters)


@EACH_INTEGRATOR
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("spintronic", {"tau_ns": 2.3}),
        ("spintronic", {"s": 0.1, "dt_ns": 0.3}),
        ("spintronic", {"tau_ns": 100.0}),
        ("ctrnn", {"tau_ns": 14.12, "s": 0.5}),
        ("ctrnn", {"s": 1.0, "dt_ns": 0.3}),
        ("ctrnn", {"tau_ns": 1e6}),
    ],
)
def test_is_as_exact_as_a_float32_loop(
    kind: str, integrator: str, settings: dict[str, float]
) -> None:
    case, u = make(kind, width=32), inputs(120, 20)
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


@EACH_KIND
@EACH_INTEGRATOR
@pytest.mark.parametrize("which", [0, 3])
def test_nan_parameters_give_nan(which: int, integrator: str, kind: str) -> None:
    case = make(kind, density=1.0)
    with torch.no_grad():
        case.parameters[which].fill_(math.nan)
    output = case.run(inputs(58, 8), integrator=integrator)
    assert output.isnan().all()
    assert all(g.isnan().any() for g in gradients(output, case.parameters))


@EACH_KIND
def test_weights_off_the_mask_count_as_zero(kind: str) -> None:
    case, u = make(kind, width=32), inputs(58, 64)
    before = case.run(u)
    for grad, mask in zip(gradients(before, case.parameters), case.masks, strict=False):
        assert grad[mask].all()
        assert not grad[~mask].any()
    with torch.no_grad():
        for weights, mask in zip(case.parameters, case.masks, strict=False):
            weights[~mask] = math.nan
    assert torch.equal(case.run(u), before)


@EACH_KIND
@EACH_INTEGRATOR
def test_same_input_same_bits(integrator: str, kind: str) -> None:
    case = make(kind, width=32)
    runs = []
    for batch in (300, 58, 120, 300):  # work arrays are reused, with what others left in them
        output = case.run(inputs(batch, 64), integrator=integrator)
        runs.append([output, *gradients(output, case.parameters)])
    assert alike(runs[0], runs[3])
    output = afresh(case).run(inputs(300, 64), integrator=integrator)
    assert alike(runs[0], [output, *gradients(output, case.parameters)])


@EACH_KIND
def test_a_sequence_does_not_depend_on_its_batch(kind: str) -> None:
    case, u = make(kind, width=32), inputs(300, 64)
    assert torch.equal(case.run(u)[130:188], case.run(u[130:188]))


def test_two_graphs_at_once_and_one_twice() -> None:
    case, u = make(), inputs(120, 64)
    first, second = case.run(u), case.run(1 - u)
    wanted = [gradients(case.run(u), case.parameters), gradients(case.run(1 - u), case.parameters)]
    for output, grads in [(second, wanted[1]), (first, wanted[0])]:
        for _ in range(2):
            found = gradients(output, case.parameters, retain_graph=True)
            assert alike(found, grads)


@EACH_KIND
@EACH_INTEGRATOR
def test_without_gradients_same_value_and_no_trajectory(integrator: str, kind: str) -> None:
    case, u = make(kind, width=32), inputs(300, 64)
    wanted = case.run(u, integrator=integrator)
    case = afresh(case)
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
    assert alike(found, wanted)


def test_parameters_may_change_before_the_adjoint() -> None:
    case, u = make(), inputs(58, 64)
    wanted = gradients(case.run(u), case.parameters)
    output = case.run(u)
    with torch.no_grad():
        for parameter in case.parameters:
            parameter.mul_(2.0)
    assert alike(gradients(output, case.parameters), wanted)


def test_other_threads_run_meanwhile() -> None:
    case, u = make(width=32), inputs(128, 4_000)
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
    ],
)
def test_refuses(name: str, change: Any, kind: type[Exception], message: str) -> None:
    case = make()
    names = ("u", "w_in", "w_inter", "w_intra", "bias")
    tensors = [inputs(4, 8), *(p.detach() for p in case.parameters)]
    arguments = dict(zip(names, tensors, strict=True))
    arguments[name] = change(arguments[name])
    kernel = KERNELS["spintronic"](case.structure, **physics())
    with pytest.raises(kind) as caught:
        fused_output(kernel, *arguments.values())
    assert message in str(caught.value)


@EACH_KIND
def test_refuses_an_integrator_without_a_kernel(kind: str) -> None:
    rule = (
        r"^\w+Kernel: `integrator in \['exponential', 'exponential-ab2', 'exponential-ab3'\]` must "
        r"hold, but got integrator=rk4. Name one of these.$"
    )
    with pytest.raises(ValueError, match=rule):
        make(kind).run(inputs(4, 8), integrator="rk4")


def test_refuses_masks_that_do_not_fit() -> None:
    good = [torch.ones(shape).bool() for shape in [(5, 1), (2, 5, 5), (3, 5, 5)]]
    rule = "SparseStructure: `mask_in.dtype == torch.bool` must hold, but got mask_in.dtype="
    with pytest.raises(TypeError, match=rule):
        SparseStructure.from_masks(good[0].float(), *good[1:])
    with pytest.raises(ValueError, match=r"mask_inter\.shape == \(2, 5, 5\)` must hold"):
        SparseStructure.from_masks(good[0], good[1][:1], good[2])
    with pytest.raises(ValueError, match=r"mask_intra\.shape == \(layers, width, width\)` must"):
        SparseStructure.from_masks(good[0], good[1], good[2][0])


@EACH_INTEGRATOR
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(
    "how", [{"readout": "x"}, {"start": 0.2}, {"readout": "x", "start": 0.6, "f_cut_per_ns": 0.0}]
)
def test_reads_and_begins_as_the_reference_does(
    how: dict[str, Any], layers: int, integrator: str
) -> None:
    u = torch.rand(130, 12, 1, generator=torch.Generator().manual_seed(0))
    found = []
    for dtype, backend in ((torch.float32, "fused"), (torch.float64, "reference")):
        physics = SpintronicPhysics(
            **{"tau_ns": 3.0, "s": 0.5, "f_cut_per_ns": 0.1, "integrator": integrator, **how}
        )
        network = SpintronicNetwork(
            [4], physics=physics, channels=1, outputs=3, layers=layers, dtype=dtype, backend=backend
        )
        logits = network(u.to(dtype))
        names = ("w_in", "w_inter", "w_intra", "bias", "w_out", "bias_out")
        leaves = [getattr(network, name) for name in names]
        found.append([logits, *torch.autograd.grad(logits.square().sum(), leaves)])
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine.double(), wanted, rtol=2e-4, atol=2e-4)
    series = network.trajectories(u.double())
    begins = series["x"][:, :, :, 0]
    torch.testing.assert_close(begins, torch.full_like(begins, 0.5 * how.get("start", 1.0)))
    read = series[how.get("readout", "y")][:, -1, :, -1]
    if how.get("readout") == "x":
        read = read - begins[:, -1]
    torch.testing.assert_close(logits, read @ network.w_out.mT + network.bias_out[:, None])
