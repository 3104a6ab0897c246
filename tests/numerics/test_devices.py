"""Networks on simulated devices: the ideal, closed forms, a loop by hand, and the kernel."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from networks import GAMMA, KINDS, METHODS, Floats, inputs, scaled, tiny
from torch import Tensor

from objectives.networks.devices import Chips, drawn, drawn_noise, read_out, rounded
from objectives.networks.kernels import device_passes
from objectives.networks.kernels.autograd import fused_output
from objectives.solved_equation import refined
from objectives.variability import Variability

ALL: dict[str, Any] = {
    "tau_spread": 0.4,
    "s_spread": 0.3,
    "input_noise": 0.1,
    "oscillator_noise_per_sqrt_ns": 0.05,
    "weight_bits": 4,
}
SEED = 11


def chips(network: Any, u: Tensor, *, draws: range = range(2), **how: Any) -> Chips:
    variability = Variability(**how)
    steps = network.physics.n_steps
    noise = drawn_noise(
        variability, SEED, draws, network=network, n_points=u.shape[1], n_steps=steps
    )
    return drawn(variability, SEED, draws, network=network, noise=noise)


def on_chips(network: Any, u: Tensor, *, draws: range = range(2), **how: Any) -> Tensor:
    return read_out(network, chips(network, u, draws=draws, **how), u, how.get("weight_bits"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_variability_is_the_ideal(kind: str, method: str, dtype: torch.dtype) -> None:
    network = tiny(kind, integrator=method, dtype=dtype, steps_per_point=2)
    u = inputs(batch=70).to(dtype)
    for logits in on_chips(network, u):
        ideal = network(u)[0]  # chips are multiplied in one batch: rounded another way
        torch.testing.assert_close(logits, ideal, rtol=0, atol=64 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_spread_that_vanishes_leads_to_the_ideal(kind: str, method: str) -> None:
    network = scaled(tiny(kind, integrator=method), 2.0)
    u = inputs(time=9)
    kinds = ("tau_spread", "s_spread", "input_noise", "oscillator_noise_per_sqrt_ns")
    ideal = network(u)[0]
    for name in kinds:
        near, far = (on_chips(network, u, **{name: size})[0] for size in (1e-9, 0.1))
        torch.testing.assert_close(near, ideal, rtol=0, atol=1e-6)
        assert (far - ideal).abs().max() > 2e-5, name


EACH_SIZE: list[tuple[str, dict[str, Any]]] = [
    *itertools.product(KINDS, [{}, {"layers": 1}, {"steps_per_point": 3}]),
    ("spintronic", {"readout": "x", "start": 0.3}),
]


@pytest.mark.parametrize(("kind", "sizes"), EACH_SIZE)
@pytest.mark.parametrize("method", ["exponential", "exponential-ab3"])
@pytest.mark.parametrize("left_out", [(), ("tau_spread",), ("oscillator_noise_per_sqrt_ns",)])
def test_the_kernel_agrees_with_the_reference(
    kind: str, method: str, sizes: dict[str, Any], left_out: tuple[str, ...]
) -> None:
    how = {name: value for name, value in ALL.items() if name not in left_out}
    single = {"integrator": method, "dtype": torch.float32, "width": 7, **sizes}
    kernel, reference = (tiny(kind, backend=b, **single) for b in ("fused", "reference"))
    u = inputs(batch=150).float()
    expected = on_chips(reference, u, **how)
    assert expected.std(dim=0).mean() > 1e-3, "chips differ"
    torch.testing.assert_close(on_chips(kernel, u, **how), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_finer_steps_solve_the_network_between_the_same_jumps(kind: str) -> None:
    """Kernel and reference alike, and what is left falls with the step."""
    single = {"dtype": torch.float32, "width": 7, "steps_per_point": 2}
    kernel, reference = (tiny(kind, backend=b, **single) for b in ("fused", "reference"))
    u = inputs(batch=70, time=9).float()
    one = chips(kernel, u, **ALL | {"input_noise": 0.0})
    logits = []
    for steps in (2, 4, 8, 32):
        with refined(kernel, steps), refined(reference, steps):
            logits.append(read_out(kernel, one, u, None))
            expected = read_out(reference, one, u, None)
        torch.testing.assert_close(logits[-1], expected, rtol=0, atol=2e-5)
    errors = [(found - logits[-1]).norm() for found in logits[:-1]]
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_agrees_with_the_reference_where_amplitudes_nearly_die(kind: str) -> None:
    how = ALL | {"tau_spread": 1.0, "weight_bits": None}
    single: dict[str, Any] = {"dtype": torch.float32, "width": 7}
    kernel, reference = (
        scaled(tiny(kind, backend=b, **single), 8.0) for b in ("fused", "reference")
    )
    u = inputs(batch=70, time=20).float()
    expected = on_chips(reference, u, **how)
    torch.testing.assert_close(on_chips(kernel, u, **how), expected, rtol=0, atol=1e-3)


def by_hand(network: Any, drawn: Chips, u: Floats, bits: int) -> Floats:
    """Logits of chip 0 for one series (time, channels): explicit Euler, neuron by neuron."""
    weights = {}
    for name, parameter in network.named_parameters():
        w = parameter.detach().numpy()[0]
        step = np.abs(w).max() / (2 ** (bits - 1) - 1)
        weights[name] = np.round(w / step) * step
    physics, (layers, width) = network.physics, network.bias.shape[1:]
    spintronic, h = hasattr(physics, "sigma"), physics.dt_ns / physics.steps_per_point
    tau, s, noise = drawn.tau.numpy()[0], drawn.s.numpy()[0], drawn.noise.numpy()[0]
    gamma = 1.0 / (physics.tau_ns * tau)
    bias = 2.0 / physics.tau_ns
    x = np.maximum(1.0 - gamma / bias, 1e-30) if spintronic else np.zeros((layers, width))
    y = np.zeros((layers, width))
    for k in range(len(u) * physics.steps_per_point):
        u_now = u[k // physics.steps_per_point]
        x_new, y_new = np.empty_like(x), np.empty_like(y)
        for n in range(layers):
            for i in range(width):
                below = (
                    weights["w_in"][i] @ u_now
                    if n == 0
                    else weights["w_inter"][n - 1][i] @ (y[n - 1])
                )
                bracket = below + weights["w_intra"][n][i] @ y[n] + weights["bias"][n, i]
                kick = noise[k, :, n * width + i, 0].astype(np.float64)
                drive = physics.s * s[n, i] * bracket
                if not spintronic:
                    x_new[n, i] = x[n, i] + h * (drive - gamma[n, i] * x[n, i]) + kick[0]
                    y_new[n, i] = math.tanh(x_new[n, i])
                    continue
                drive += bias
                dx = -gamma[n, i] * x[n, i] + drive * x[n, i] * (1.0 - x[n, i])
                dy = -2.0 * math.pi * physics.f_cut_per_ns * y[n, i] + dx
                after = x[n, i] + h * dx
                c = complex(math.sqrt(after) + kick[0], kick[1])
                x_new[n, i] = min(abs(c) ** 2, 1.0)
                y_new[n, i] = y[n, i] + h * dy + (x_new[n, i] - after)
        x, y = x_new, y_new
    logits: Floats = weights["w_out"] @ y[-1] + weights["bias_out"]
    return logits


@pytest.mark.parametrize("kind", KINDS)
def test_one_chip_is_what_a_loop_over_its_neurons_gives(kind: str) -> None:
    network = tiny(kind, integrator="euler", steps_per_point=2)
    u = inputs(batch=1)
    noisy = chips(network, u, draws=range(1), **ALL).noisy(u)[0, 0]
    assert (noisy - u[0]).abs().max() > 0.01
    # the chip that computes draws the noise of its input itself
    found = on_chips(network, u, draws=range(1), **ALL)[0, 0]
    expected = by_hand(network, chips(network, u, draws=range(1), **ALL), noisy.numpy(), 4)
    assert found.detach().numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_ctrnns_of_another_relaxation_time(method: str) -> None:
    network, u = tiny("ctrnn", integrator=method), inputs()
    tau = torch.full((1, 3, 4), 1.7, dtype=torch.float64)
    own = (np.random.default_rng(0),)
    one = Chips(tau=tau, s=None, noise=None, inputs=own, input_noise=0.0)
    slower = tiny("ctrnn", integrator=method, tau_ns=1.7 / GAMMA)
    torch.testing.assert_close(read_out(network, one, u, None), slower(u), rtol=0, atol=1e-7)


def test_a_device_whose_damping_the_common_bias_cannot_overcome_is_silent() -> None:
    network, u = tiny(layers=1, steps_per_point=1), inputs()
    network.bias.data.zero_()
    network.w_intra.data.zero_()
    network.w_in.data.zero_()
    tau = torch.tensor([[[0.4, 0.5, 1.0, 2.0]]], dtype=torch.float64)
    dynamics = network.varied(network.synapses(), tau.unsqueeze(2))
    x, y = dynamics.rest(batch=3)
    assert x[0, 0, 0].tolist() == pytest.approx([1e-30, 1e-30, 0.5, 0.75], abs=1e-15)
    later, _ = network.physics.advance(dynamics, (x, y), (), u[:, 0])
    torch.testing.assert_close(later[0], x)  # each is at its own fixed point
    assert later[1].abs().max() < 1e-12


# --- what is drawn --------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0])
def test_factors_are_positive_with_mean_1_and_the_spread_that_was_asked_for(spread: float) -> None:
    network = tiny(width=40)
    drawn = chips(network, inputs(), draws=range(400), tau_spread=spread, s_spread=spread)
    for factor in (drawn.tau, drawn.s):
        assert factor.min() > 0
        assert factor.mean().item() == pytest.approx(1.0, abs=0.02)
        assert factor.std().item() == pytest.approx(spread, rel=0.06)
        assert factor.log().std().item() == pytest.approx(
            math.sqrt(math.log(1 + spread**2)), rel=0.02
        )
    together = torch.corrcoef(torch.stack([drawn.tau.flatten(), drawn.s.flatten()]))
    assert abs(together[0, 1]) < 0.02, "of independent streams"


def test_a_chip_is_the_same_whatever_is_drawn_beside_it_and_scales_with_the_spread() -> None:
    network, u = tiny(), inputs()
    every, third = (chips(network, u, draws=d, **ALL) for d in (range(4), range(2, 3)))
    for name in ("tau", "s", "noise"):
        assert torch.equal(getattr(every, name)[2], getattr(third, name)[0])
    assert torch.equal(every.noisy(u)[2], third.noisy(u)[0])
    narrow = chips(network, u, tau_spread=0.1).tau
    wide = chips(network, u, tau_spread=0.2).tau
    sigma = [math.sqrt(math.log(1 + spread**2)) for spread in (0.1, 0.2)]
    z = (narrow.log() + sigma[0] ** 2 / 2) / sigma[0]
    torch.testing.assert_close((wide.log() + sigma[1] ** 2 / 2) / sigma[1], z)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_noise_grows_with_the_square_root_of_time_whatever_the_step(kind: str, steps: int) -> None:
    """Neurons that nothing drives and that relax slowly: a random walk of x = 1/2, or 0."""
    unfiltered = {"f_cut_per_ns": 0.0} if kind == "spintronic" else {}
    network = tiny(kind, layers=1, width=3, tau_ns=1e6, steps_per_point=steps, **unfiltered)
    for parameter in network.parameters():
        parameter.data.zero_()
    network.w_out.data[0] = torch.eye(3)
    u, eta = inputs(batch=64, time=9), 1e-3
    y = on_chips(network, u, draws=range(40), oscillator_noise_per_sqrt_ns=eta)
    walked = torch.atanh(y) if kind == "ctrnn" else y  # of x - 1/2
    expected = eta * math.sqrt(9) * (1.0 if kind == "ctrnn" else math.sqrt(0.5))
    assert walked.std().item() == pytest.approx(expected, rel=0.04)
    assert abs(walked.mean().item()) < expected / 20


def test_thermal_noise_lifts_an_oscillator_at_rest_by_its_square() -> None:
    network = tiny(width=40)
    state = (torch.full((1, 3, 500, 40), 1e-30, dtype=torch.float64),) * 2
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 1e-3, (1, 2, 3, 500, 40)))
    x, y = network.varied(network.synapses(), None).after_noise_kick(state, noise)
    assert x.mean().item() == pytest.approx(2e-6, rel=0.03)
    torch.testing.assert_close(y - state[1], x - state[0])
    full = torch.ones_like(x)
    assert (
        network.varied(network.synapses(), None).after_noise_kick((full, y), noise)[0].max() == 1.0
    )


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 3, 5, 8, 16])
def test_rounded_weights_are_evenly_spaced_and_symmetric(bits: int) -> None:
    w = torch.linspace(-0.7, 0.7, 4001, dtype=torch.float64)
    top = 2 ** (bits - 1) - 1
    step = 0.7 / top
    found = rounded(w, bits)
    expected = [step * round(value / step) for value in w.tolist()]
    assert found.tolist() == pytest.approx(expected, abs=1e-15)
    assert (found - w).abs().max() <= step / 2 * (1 + 1e-9)
    assert found[0].item() == pytest.approx(-0.7, abs=1e-15)
    assert torch.equal(rounded(-w, bits), -found)
    assert torch.equal(rounded(found, bits), found)
    if bits <= 8:
        assert len(found.unique()) == 2**bits - 1


def test_weights_that_are_zero_stay_zero_and_exact_ones_exact() -> None:
    assert rounded(torch.zeros(3), 4).tolist() == [0, 0, 0]
    assert rounded(torch.zeros(0, 2, 2), 4).shape == (0, 2, 2)
    w = torch.randn(5)
    assert rounded(w, None) is w


def test_every_trained_tensor_is_rounded_by_its_own_largest_value() -> None:
    network, u = tiny(), inputs()
    found = on_chips(network, u, draws=range(1), weight_bits=3)[0]
    for parameter in network.parameters():
        step = parameter.data.abs().max() / 3
        parameter.data = torch.round(parameter.data / step) * step
    torch.testing.assert_close(found, network(u)[0], rtol=0, atol=1e-12)


# --- refusals -------------------------------------------------------------------------------------


def test_nothing_is_trained_on_a_device_kernel() -> None:
    network = tiny(dtype=torch.float32)
    kernel = network.device_kernel(np.ones(12), None)
    assert isinstance(kernel, device_passes.SpintronicDeviceKernel)
    parameters = (network.w_in[0], network.w_inter[0], network.w_intra[0], network.bias[0])
    output = fused_output(kernel, inputs().float(), *parameters)
    with pytest.raises(ValueError, match=r"must hold, but got pass=backward\. Train the ideal"):
        output.sum().backward()
