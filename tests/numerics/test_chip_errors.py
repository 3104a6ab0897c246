"""Errors of a whole chip, of its input, weights and readout, against a Runge-Kutta
solution of their own in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from networks import GAMMA, THERMAL, Floats, inputs, scaled, tiny

from hpo.objectives.hardware.variability import Variability
from hpo.objectives.networks.input_errors import draw_input_errors, move_edges
from hpo.objectives.networks.kernels.chips import Chip
from hpo.objectives.networks.programming import programmed
from hpo.objectives.networks.simulated_chips import draw_chip
from hpo.objectives.randomness import stream
from hpo.objectives.training.solved_equation import finer_steps

SEED = 11
NOTHING: dict[str, Any] = {"gain": 1.0, "bias": 1.0, "clock": 1.0, "offset": 0.0}


def strong() -> Any:
    """A warm network of three layers that its weights drive far from rest."""
    return scaled(tiny("warm", density_inter=1.0, start=1.0), 3.0)


def draw(network: Any, number: int = 0, **how: Any) -> Chip:
    """A chip of the member ``SEED``."""
    return draw_chip(Variability(**how), SEED, number, network=network, normals=None)


def solve(
    network: Any,
    u: Floats,
    *,
    late: Floats | None = None,
    weights: dict[str, Floats] | None = None,
    **how: float,
) -> Floats:
    """The readout of a warm network after a series, (outputs,).

    Args:
        network: of one member, with ``GAMMA`` and ``THERMAL``.
        u: input, (time, channels).
        late: lateness of the edges between the points, over a point; default: 0.
        weights: instead of those of the network.
        how: factors on S, the fixed drive and the time between points, and a constant
            that is added to the input.
    """
    w = {n: p.detach().double().numpy()[0] for n, p in network.named_parameters()}
    w |= weights or {}
    error = NOTHING | how
    s, cut = error["gain"] * network.physics.s, 2 * np.pi * network.physics.f_cut_per_ns
    masks = {n: m.numpy()[0] for n, m in network.named_buffers()}
    w_in, w_inter, w_intra = (
        w[f"w_{n}"] * masks[f"mask_{n}"] for n in ("in", "inter", "intra")
    )
    fixed = error["bias"] * 2 * GAMMA
    c, a = GAMMA * THERMAL, fixed - GAMMA
    x = (a + np.sqrt(a * a + 4 * fixed * c)) / (2 * fixed)

    def slope(state: Floats, point: Floats) -> Floats:
        below = [w_in @ (point + error["offset"])]
        below += [w_inter[k] @ state[1, k] for k in range(len(w_inter))]
        inner = np.einsum("lij,lj->li", w_intra, state[1])
        drive = s * (np.array(below) + inner + w["bias"]) + fixed
        dx = c - GAMMA * state[0] + drive * state[0] * (1 - state[0])
        return np.stack([dx, dx - cut * state[1]])

    state = np.stack([np.full(w["bias"].shape, x), np.zeros(w["bias"].shape)])
    moved = np.zeros(len(u) - 1) if late is None else late
    edges = np.concatenate([[0.0], np.arange(1, len(u)) + moved, [len(u)]])
    for point, first, end in zip(u, edges, edges[1:], strict=False):
        h = (end - first) * error["clock"] * network.physics.point_ns / 100
        for _ in range(100):
            k1 = slope(state, point)
            k2 = slope(state + h / 2 * k1, point)
            k3 = slope(state + h / 2 * k2, point)
            k4 = slope(state + h * k3, point)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return w["w_out"] @ state[1, -1] + w["bias_out"]


def computed(network: Any, u: Any, number: int = 0, **how: Any) -> list[Floats]:
    """The readout of the first series on a chip, by the reference and by the kernel."""
    chip = draw(network, number, **how)
    errors = draw_input_errors(Variability(**how), SEED, number)
    found = []
    with (
        torch.no_grad(),
        finer_steps(network, 64),
        programmed(network, chip.programming),
    ):
        for backend, dtype in (("reference", torch.float64), ("fused", torch.float32)):
            network.backend = backend
            values = network.to(dtype).series(errors(u.to(dtype)), 1, chip)[0, 0, 0]
            found.append(values.double().numpy())
            errors = draw_input_errors(Variability(**how), SEED, number)
    network.to(torch.float64)
    return found


# --- errors of a whole chip ---


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("gain_error", "gain"),
        ("bias_error", "bias"),
        ("clock_error", "clock"),
        ("offset_error", "offset"),
    ],
)
def test_an_error_of_a_chip_is_that_of_the_equation(key: str, name: str) -> None:
    network, u = strong(), inputs(1, 6)
    z = stream(SEED, f"variability/{name}/0").standard_normal(1 + (name == "offset"))
    sigma = np.sqrt(np.log(1 + 0.2**2))
    size: Any = np.exp(sigma * z[0] - sigma**2 / 2)
    if name == "offset":
        size = 0.2 * z
    wanted = solve(network, u[0].numpy(), **{name: size})
    ideal = solve(network, u[0].numpy())
    assert np.abs(wanted - ideal).max() > 5e-4
    reference, fused = computed(network, u, **{key: 0.2})
    np.testing.assert_allclose(reference, wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(fused, wanted, rtol=0, atol=1e-5)


def test_a_delay_is_that_of_the_nominal_clock() -> None:
    network = strong()
    network.physics = replace(network.physics, coupling_delay_ns=0.3)
    reference, fused = computed(network, inputs(1, 6), clock_error=0.2)
    np.testing.assert_allclose(fused, reference, rtol=0, atol=1e-5)


def test_programmed_weights_are_those_of_the_equation() -> None:
    network, u = strong(), inputs(1, 6)
    each, largest = (
        stream(SEED, f"variability/{name}/0")
        for name in ("weight", "weight of largest")
    )
    weights = {}
    for name, tensor in network.named_parameters():
        exact = tensor.detach().numpy()
        top = np.abs(exact).max()
        rounded = np.round(exact / top * 7) * top / 7
        wrong = rounded * (1 + 0.1 * each.standard_normal(exact.shape))
        weights[name] = (wrong + 0.05 * top * largest.standard_normal(exact.shape))[0]
    wanted = solve(network, u[0].numpy(), weights=weights)
    how = {"weight_bits": 4, "weight_error": 0.1, "weight_error_of_largest": 0.05}
    before = [tensor.detach().float() for tensor in network.parameters()]
    reference, fused = computed(network, u, **how)
    assert all(map(torch.equal, network.float().parameters(), before))
    np.testing.assert_allclose(reference, wanted, rtol=0, atol=1e-5)
    np.testing.assert_allclose(fused, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("point_ns", "most"), [(0.25, 0.02), (1.0, 0.2)])
def test_jitter_acts_as_moving_edges_do(point_ns: float, most: float) -> None:
    """To (dt / relaxation time)^2 / 6 of what jitter changes; y relaxes in 1.1 ns."""
    network = tiny("warm", density_inter=1.0, start=1.0, layers=1, point_ns=point_ns)
    u = inputs(1, 8)
    ideal = solve(network, u[0].numpy())
    apart, effects = [], []
    for number in range(6):
        edges = stream(SEED, f"variability/jitter/{number}")
        late = 0.05 * edges.standard_normal(7, dtype=np.float32)
        wanted = solve(network, u[0].numpy(), late=late)
        reference, fused = computed(network, u, number, clock_jitter=0.05)
        np.testing.assert_allclose(fused, reference, rtol=0, atol=2e-5)
        apart.append(reference - wanted)
        effects.append(wanted - ideal)
    assert np.linalg.norm(apart) < most * np.linalg.norm(effects)


def test_edges_move_by_what_was_asked_for_and_keep_the_impulse() -> None:
    u = inputs(200, 50)
    moved = move_edges(u, 0.1, np.random.default_rng(0)) - u
    step = torch.zeros_like(u)
    step[:, 25:] = 1.0
    late = -(move_edges(step, 0.1, np.random.default_rng(0)) - step).sum(dim=1)
    assert late.std().item() == pytest.approx(0.1, rel=0.1)
    assert abs(late.mean().item()) < 0.02
    assert moved.abs().max() > 0.01


# --- what is drawn ---


def test_a_factor_of_a_chip_has_mean_1_and_the_deviation_that_was_asked_for() -> None:
    network = tiny()
    how = {"gain_error": 0.3, "bias_error": 0.2, "clock_error": 0.1}
    chips = [draw(network, number, **how) for number in range(2000)]
    gains = np.stack([chip.s for chip in chips])
    assert (gains == gains[:, :1]).all()
    clocks = [chip.clock for chip in chips]
    biases = [chip.fixed_drive for chip in chips]
    for found, spread in ((gains[:, 0], 0.3), (biases, 0.2), (clocks, 0.1)):
        assert np.mean(found) == pytest.approx(1.0, abs=0.03)
        assert np.std(found) == pytest.approx(spread, rel=0.08)
    wider = draw(network, 3, gain_error=0.3, s_spread=0.1)
    alone = draw(network, 3, s_spread=0.1)
    np.testing.assert_allclose(wider.s, gains[3, 0] * alone.s)


def test_errors_of_weights_scale_the_same_numbers() -> None:
    network = tiny(width=40)
    exact = [tensor.detach() for tensor in network.trained]

    def errors(**how: float) -> torch.Tensor:
        programming: Any = draw(network, **how).programming
        pairs = zip(programming.program(exact), exact, strict=True)
        return torch.cat([(own - w).flatten() for own, w in pairs])

    whole = torch.cat([w.flatten() for w in exact])
    largest = torch.cat([w.abs().max().expand(w.numel()) for w in exact])
    each = errors(weight_error=0.1)
    assert (each / whole)[whole != 0].std().item() == pytest.approx(0.1, rel=0.05)
    common = errors(weight_error_of_largest=0.1)
    assert (common / largest).std().item() == pytest.approx(0.1, rel=0.05)
    for key, found in (("weight_error", each), ("weight_error_of_largest", common)):
        torch.testing.assert_close(2 * errors(**{key: 0.05}), found)


def test_a_readout_is_noisy_relative_to_what_it_reads_and_has_few_values() -> None:
    network, u = tiny(width=40, dtype=torch.float32), inputs(100, 4).float()
    exact = network.outputs(u, 3).detach()
    level = exact.square().mean().sqrt()

    def read(**how: Any) -> Any:
        reading: Any = draw(network, **how).reading
        return reading.read(exact)

    noise = (read(readout_noise=0.2) - exact) / level
    assert noise.std().item() == pytest.approx(0.2, rel=0.02)
    assert abs(noise.mean().item()) < 0.01
    half = (read(readout_noise=0.1) - exact) / level
    torch.testing.assert_close(2 * half, noise, rtol=1e-3, atol=1e-4)
    assert len(read(readout_bits=4).unique()) <= 15
    step = exact.abs().max() / 7
    assert (read(readout_bits=4) - exact).abs().max() <= step * 0.5001
    predicted = network.series(u, 3, draw(network, readout_bits=4))
    wanted = read(readout_bits=4) @ network.w_out.mT.unsqueeze(1)
    torch.testing.assert_close(predicted, wanted + network.bias_out[:, None, None])
