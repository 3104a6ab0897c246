"""The kernels against the reference in float64, and what they promise beside."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from networks import (
    KERNEL_METHODS,
    WITH_WARM,
    assert_kernel_agrees,
    error,
    gradients,
    make_chip,
    scaled,
    tiny,
)
from networks import inputs as doubles
from torch import Tensor

from hpo.cli.doctor import _equation
from hpo.objectives import machine
from hpo.objectives.networks import layered
from hpo.objectives.networks.kernels import simd, sizes
from hpo.objectives.networks.kernels.chips import IDEAL
from hpo.objectives.networks.kernels.kernel import Pass
from hpo.objectives.networks.layered import LayeredNetwork
from hpo.objectives.networks.readout import LAST, Features
from hpo.objectives.training import solved_equation

EACH_KIND = pytest.mark.parametrize("kind", WITH_WARM)
EACH_NOISE = pytest.mark.parametrize("noise", [0.0, 0.05])


def network(kind: str = "spintronic", **changes: Any) -> Any:
    return tiny(
        kind, **{"dtype": torch.float32, "backend": "fused", "width": 32, **changes}
    )


def inputs(batch: int, time: int, channels: int = 2) -> Tensor:
    return doubles(batch, time, channels).float()


def alike(found: list[Tensor], wanted: list[Tensor]) -> bool:
    """Bit for bit."""
    return all(map(torch.equal, found, wanted))


# --- agreement ---

CHOICES: dict[str, list[Any]] = {
    "integrator": KERNEL_METHODS,
    "steps_per_point": [1, 2, 3],
    "layers": [1, 2, 3],
    "width": [1, 5, 32, "each"],
    "density_inter": [0.0, 0.1, 0.5, 1.0],
    "density_intra": [0.0, 0.1, 0.5, 1.0],
    "channels": [1, 3],
    "tau_ns": [2.3, 14.12, 100.0, "each"],
    "s": [0.1, 0.5, "each"],
    "f_cut_per_ns": [0.0, 0.1, "each"],
    "readout": ["y", "x"],
    "start": [1.0, 0.2],
    "q": [0.0, 0.8],
    "sigma": [1.0, 1.3],
    "drive_limit": ["none", "smooth", "hard"],
    "features": [LAST, Features(layers="all")],
}
EACH: dict[str, tuple[float, ...]] = {
    "width": (5, 3, 7),
    "tau_ns": (2.0, 4.0, 9.0),
    "s": (0.4, 0.2, 0.7),
    "f_cut_per_ns": (0.0, 0.1, 0.5),
}
CASES = 180


@pytest.mark.parametrize(
    "case",
    [pytest.param(k, marks=[pytest.mark.slow] * (k % 3 > 0)) for k in range(CASES)],
)
def test_any_network_on_any_chip_agrees_with_the_reference(case: int) -> None:
    """Sizes, physics, what is read and the chip are drawn at random, as many as 180
    times."""
    random = np.random.default_rng(case)

    def one_of(choices: list[Any]) -> Any:
        return choices[random.integers(len(choices))]

    kind = WITH_WARM[case // 3 % 3]
    how = {name: one_of(choices) for name, choices in CHOICES.items()}
    how = {
        name: EACH[name][: how["layers"]] if v == "each" else v
        for name, v in how.items()
    }
    if kind == "ctrnn":
        oscillating = ("f_cut_per_ns", "start", "q", "sigma")
        how = {k: v for k, v in how.items() if k not in oscillating}
        how["drive_low"] = -1.0
    own, batch, points = network(kind, **how), one_of([1, 58, 100]), one_of([1, 2, 16])
    jumps = one_of([j for j in (1, 2, 3) if own.physics.n_steps % j == 0])
    on_chip = make_chip(
        own, points, noise=one_of([0.0, 0.05]), jumps=jumps, again=one_of([1, 3])
    )
    u, n_read = (
        inputs(batch, points, how["channels"]),
        one_of([1, (points + 1) // 2, points]),
    )
    assert_kernel_agrees(own, u, n_read, one_of([IDEAL, on_chip]))


@pytest.mark.parametrize("batch", [1, 24, 37])
@EACH_NOISE
@EACH_KIND
def test_wide_dense_networks_agree(kind: str, noise: float, batch: int) -> None:
    """Vectors over neurons, of layers that do not fill them, and any number of series
    in a row."""
    size = {
        "width": (64, 100, 7),
        "density_inter": 0.9,
        "density_intra": (1.0, 0.6, 0.7),
    }
    wide = network(kind, **size)
    assert_kernel_agrees(wide, inputs(batch, 8), 1, make_chip(wide, 8, noise=noise))


@pytest.mark.parametrize(
    ("batch", "density", "dense"),
    [(128, 1.0, True), (128, 0.5, False), (20, 0.5, True), (20, 0.2, False)],
)
def test_the_layout_follows_from_weights_and_batch(
    batch: int, density: float, dense: bool
) -> None:
    densities = {"density_inter": density, "density_intra": density}
    own = network(width=64, batch_size=batch, **densities)
    assert own.layouts[0].dense == dense


@pytest.mark.parametrize("kind", ["spintronic", "warm"])
@EACH_NOISE
def test_strongly_driven_oscillators_agree(kind: str, noise: float) -> None:
    """Where exponents are clipped, and amplitudes nearly die."""
    for factor, atol in ((8.0, 1e-4), (1e3, 2e-3)):
        strong = scaled(network(kind, width=7, layers=2), factor)
        assert_kernel_agrees(
            strong, inputs(70, 2), 1, make_chip(strong, 2, noise=noise), atol=atol
        )


@pytest.mark.parametrize(
    ("kind", "factors"), [("spintronic", (1e3, 1e6, 1e30)), ("warm", (1e3, 1e6))]
)
def test_amplitudes_stay_between_0_and_1_whatever_the_drive(
    kind: str, factors: tuple[float, ...]
) -> None:
    for factor in factors:
        y = scaled(network(kind, f_cut_per_ns=0.0), factor).output(inputs(120, 64))
        assert y.isfinite().all()
        assert y.abs().max() <= 0.51 + 1e-4  # 64 roundings of x' - x


@EACH_KIND
@pytest.mark.parametrize(("n_steps", "n_read"), [(1, 1), (3, 1), (2, 9), (1, 20)])
@pytest.mark.parametrize("width", [6, 64])
@EACH_NOISE
def test_a_trajectory_that_is_too_long_is_computed_again_in_segments(
    kind: str,
    n_steps: int,
    n_read: int,
    width: int,
    noise: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, u = [], inputs(33, 20)
    for most in (sizes.MAX_TRAJECTORY, 1):  # all at once; segments of 4 points
        monkeypatch.setattr(sizes, "MAX_TRAJECTORY", most)
        size = {"width": width, "density_inter": 0.9, "density_intra": 0.9}
        own = network(kind, steps_per_point=n_steps, **size)
        chip = make_chip(own, 20, noise=noise, jumps=n_steps, again=3)
        found.append(gradients(own, u, n_read, chip))
    whole, parts = found
    assert torch.equal(whole[0], parts[0])
    assert max(map(error, parts[1:], whole[1:])) < 1e-5


@EACH_KIND
def test_an_oscillator_at_the_threshold_is_a_number(kind: str) -> None:
    """A drive of γ exactly: the source of a warm one, k, is all that w is made of."""
    own = scaled(network(kind, layers=1, width=4, tau_ns=4.0), 0.0)
    own.bias.data[0, 0] = torch.tensor(
        [-0.5, -0.5 + 2e-8, -0.5 - 2e-8, -1.0]
    )  # I = γ, and 0
    for noise in (0.0, 0.02):
        assert_kernel_agrees(
            own, inputs(5, 6), 6, make_chip(own, 6, spread=0.0, noise=noise)
        )


# --- the same bits ---


@EACH_KIND
@EACH_NOISE
def test_same_input_same_bits(kind: str, noise: float) -> None:
    own, runs = network(kind), []
    chip = make_chip(own, 64, noise=noise)
    for batch in (
        300,
        58,
        120,
        300,
    ):  # work arrays are reused, with what others left in them
        runs.append(gradients(own, inputs(batch, 64), 1, chip))
    assert alike(runs[0], runs[3])
    afresh = network(kind)
    assert alike(
        runs[0],
        gradients(afresh, inputs(300, 64), 1, make_chip(afresh, 64, noise=noise)),
    )


@EACH_KIND
def test_a_sequence_does_not_depend_on_its_batch_nor_a_point_on_what_is_read(
    kind: str,
) -> None:
    own, u = network(kind), inputs(300, 20)
    every = own.outputs(u, 20)
    assert torch.equal(every[:, 130:188], own.outputs(u[130:188], 20))
    assert torch.equal(every[:, :, -1], own.output(u))
    assert torch.equal(every[:, :, -7:], own.outputs(u, 7))
    assert torch.equal(every[:, :, :5], own.outputs(u[:, :5], 5))


def test_two_graphs_at_once_and_one_twice() -> None:
    own, u = network(), inputs(120, 64)
    leaves = [own.w_in, own.w_inter, own.w_intra, own.bias]

    def run(u: Tensor) -> tuple[Tensor, Any]:
        output = own.output(u).sum()
        return output, lambda: list(
            torch.autograd.grad(output, leaves, retain_graph=True)
        )

    wanted = [run(v)[1]() for v in (u, 1 - u)]
    first, second = run(u)[1], run(1 - u)[1]
    for _ in range(2):
        assert alike(second(), wanted[1])
        assert alike(first(), wanted[0])


@EACH_KIND
@EACH_NOISE
def test_without_gradients_same_value_and_no_trajectory(
    kind: str, noise: float
) -> None:
    own, u = network(kind), inputs(300, 64)
    chip = make_chip(own, 64, noise=noise)
    wanted = own.outputs(u, 1, chip)
    afresh = network(kind)
    with torch.no_grad():
        output = afresh.outputs(u, 1, chip)
    assert torch.equal(output, wanted)
    assert not output.requires_grad
    kernel = afresh.kernel(0, noisy=noise > 0)
    assert Pass(kernel, 64, keep=False).floats < 18 * 96 * 128


def test_layouts_in_memory_make_no_difference() -> None:
    own, u = network(channels=3), inputs(58, 64, 3)
    wanted = gradients(own, u)
    for parameter in own.parameters():
        parameter.data = (
            parameter.data.mT.contiguous().mT if parameter.dim() > 1 else parameter
        )
    assert alike(
        gradients(own, u.permute(2, 1, 0).contiguous().permute(2, 1, 0)), wanted
    )


def test_parameters_may_change_before_the_adjoint() -> None:
    own, u = network(), inputs(58, 64)
    found = []
    for factor in (1.0, 2.0):
        output = own.output(u).sum()
        scaled(own, factor)
        found.append(
            list(torch.autograd.grad(output, [own.w_in, own.w_intra, own.bias]))
        )
    assert alike(*found)


# --- what else ---


@EACH_KIND
@pytest.mark.parametrize("which", ["w_in", "bias"])
@EACH_NOISE
def test_nan_parameters_give_nan(which: str, kind: str, noise: float) -> None:
    own = network(kind, width=5, density_inter=1.0, density_intra=1.0)
    getattr(own, which).data.fill_(math.nan)
    for values in gradients(own, inputs(58, 8), 1, make_chip(own, 8, noise=noise)):
        assert values.isnan().any()


@EACH_KIND
def test_weights_off_the_mask_count_as_zero(kind: str) -> None:
    own, u = network(kind), inputs(58, 64)
    before = gradients(own, u)
    masks = own.mask_in, own.mask_inter, own.mask_intra
    for grad, mask in zip(before[1:], masks, strict=False):
        assert grad[mask].all()
        assert not grad[~mask].any()
    for weights, mask in zip((own.w_in, own.w_inter, own.w_intra), masks, strict=True):
        weights.data[~mask] = math.nan
    assert torch.equal(own.outputs(u, 1), before[0])


@pytest.mark.skipif(not simd.X86, reason="other processors are left as they are")
@pytest.mark.parametrize(
    ("kind", "small"),
    [
        (
            "spintronic",
            {"start": 1e-30, "f_cut_per_ns": 1e9},
        ),  # of 1e-30, the filter leaves 1e-40
        ("ctrnn", {"s": 1e-40}),
    ],
)
def test_what_vanishes_is_zero_in_passes_through_time(
    kind: str, small: dict[str, float]
) -> None:
    u = inputs(5, 8)
    assert not network(kind, **small).output(u).any()
    own = network(kind)
    output = own.output(u)
    assert output.all()
    output.backward(torch.full_like(output, 1e-40))
    assert not any(p.grad is not None and p.grad.any() for p in own.parameters())


def test_other_threads_run_meanwhile() -> None:
    own, u = network(), inputs(128, 4_000)
    beats, stop = [], threading.Event()

    def heart() -> None:
        while not stop.wait(0.002):
            beats.append(time.perf_counter())

    thread = threading.Thread(target=heart)
    thread.start()
    start = time.perf_counter()
    with torch.no_grad():
        own.output(u)
    end = time.perf_counter()
    stop.set()
    thread.join()
    assert sum(start + 0.01 < beat < end - 0.01 for beat in beats) >= 5


def test_segments_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = network(width=6).kernel(0)
    per_step = kernel.layout.row * (1 + kernel.pointwise.n_kept)
    monkeypatch.setattr(sizes, "MAX_TRAJECTORY", 60 * per_step)
    short, long = (Pass(kernel, n, keep=True).floats for n in (60, 6000))
    assert short == long


# --- refusals ---


def test_refuses_an_input_that_requires_a_gradient() -> None:
    own = network(width=5, channels=1)
    u = inputs(4, 8, 1).requires_grad_()
    with pytest.raises(ValueError, match=r"expected `not u.requires_grad`, got"):
        own.output(u)


@pytest.mark.parametrize("backend", ["fused", "reference"])
@pytest.mark.parametrize(("steps", "jumps"), [(2, 3), (4, 3), (1, 2)])
def test_refuses_jumps_that_steps_cannot_meet(
    backend: Any, steps: int, jumps: int
) -> None:
    own: LayeredNetwork = network(backend=backend, steps_per_point=steps)
    rule = (
        rf"^chip with noise: {4 * jumps} jumps do not divide 4 points of {steps} steps"
        r" evenly. Take"
    )
    with pytest.raises(ValueError, match=rule):
        own(inputs(3, 4), make_chip(own, 4, noise=0.1, jumps=jumps))


# --- the check of ``hpo doctor``: it finds kernels that compute something else ---


def wrong_output(right: Callable[..., Any]) -> Any:
    """Outputs that are a thousandth too large."""
    return lambda *arguments, **how: 1.001 * right(*arguments, **how)


def no_output(right: Callable[..., Any]) -> Any:
    """Outputs that are no numbers."""
    return lambda *arguments, **how: float("nan") * right(*arguments, **how)


def test_the_kernels_solve_the_equation_here() -> None:
    found = machine.equation()
    assert found["kernel_error"] < 5e-5
    assert 0.001 < found["step_error"] < 0.01  # a step of which something can be seen
    assert found["solving_steps"] > 2
    assert (found["integrator"], found["step_ns"]) == ("exponential-ab3", 0.5)
    assert _equation(found, "/cache").verdict == "ok"


@pytest.mark.parametrize("spoil", [wrong_output, no_output])
def test_a_kernel_that_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], Any]
) -> None:
    monkeypatch.setattr(layered, "fused_series", spoil(layered.fused_series))
    monkeypatch.setattr(
        solved_equation, "MAX_REFINEMENTS", 3
    )  # what is no number never settles
    finding = _equation(machine.equation(), "/cache")
    assert finding.verdict == "error"
    assert finding.found.startswith("kernel and reference differ by ")
