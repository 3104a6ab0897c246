"""Layers that differ: in relaxation time, amplification, filter, densities and width."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from dense import error
from networks import KINDS, inputs, scaled, solved_by_scipy, tiny

from objectives.networks.devices import drawn, drawn_noise, read_out
from objectives.networks.layered import Backend
from objectives.solved_equation import refined
from objectives.variability import Variability

OWN: dict[str, dict[str, Any]] = {
    "spintronic": {
        "tau_ns": (2.0, 4.0, 9.0),
        "s": (0.4, 0.5, 0.9),
        "f_cut_per_ns": (0.0, 0.1, 0.5),
    },
    "ctrnn": {"tau_ns": (2.0, 4.0, 9.0), "s": (0.4, 0.5, 0.9)},
}
WIDTHS: list[dict[str, Any]] = [
    {},
    {"width": (5, 3, 2), "density_inter": (1.0, 0.5, 0.8), "density_intra": (0.2, 1.0, 0.6)},
    {"width": (1, 4, 6), "density_inter": 1.0},
]
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
EACH_WIDTH = pytest.mark.parametrize("sizes", WIDTHS, ids=["alike", "narrowing", "widening"])


def computed(network: Any, u: torch.Tensor, backend: Backend) -> list[torch.Tensor]:
    """Logits and gradients."""
    network.backend = backend
    network.zero_grad()
    logits = network(u)
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad.clone() for p in network.parameters())]


@pytest.mark.parametrize("backend", ["reference", "fused"])
@EACH_KIND
def test_the_same_number_for_each_layer_is_one_number_bit_for_bit(
    kind: str, backend: Backend
) -> None:
    one = {"tau_ns": 3.0, "s": 0.7, "width": 4, "density_inter": 0.6, "density_intra": 0.4}
    one |= {"f_cut_per_ns": 0.2} if kind == "spintronic" else {}
    alike = tiny(kind, **one, dtype=torch.float32)
    each = tiny(kind, **{name: (value,) * 3 for name, value in one.items()}, dtype=torch.float32)
    for name, tensor in alike.state_dict().items():
        assert torch.equal(each.state_dict()[name], tensor), name
    u = inputs(batch=40).float()
    for mine, wanted in zip(computed(each, u, backend), computed(alike, u, backend), strict=True):
        assert torch.equal(mine, wanted)


@EACH_WIDTH
@EACH_KIND
def test_the_kernel_agrees_with_the_reference(kind: str, sizes: dict[str, Any]) -> None:
    """Of three integrators, and both readouts."""
    hows = [{"integrator": "exponential"}, {"integrator": "exponential-ab3", "steps_per_point": 3}]
    hows += [{"integrator": "exponential-ab2", "readout": "x", "start": 0.4}] * (kind != "ctrnn")
    for how in hows:
        network = scaled(tiny(kind, **OWN[kind], **sizes, **how, seeds=(1, 2)).float(), 1.5)
        u = inputs(batch=37, time=9).float()
        pairs = zip(computed(network, u, "fused"), computed(network, u, "reference"), strict=True)
        for fused, reference in pairs:
            assert error(fused, reference) < 2e-5


@pytest.mark.parametrize("f_cut_per_ns", [0.1, (0.0, 0.1, 0.5)])
@EACH_KIND
def test_tiles_agree_with_the_reference(kind: str, f_cut_per_ns: Any) -> None:
    """Where filters differ there are none."""
    own = OWN[kind] | ({"f_cut_per_ns": f_cut_per_ns} if kind == "spintronic" else {})
    size = {"width": (64, 100, 68), "density_inter": 0.9, "density_intra": (1.0, 0.6, 0.7)}
    network, u = tiny(kind, **own, **size).float(), inputs(batch=37, time=9).float()
    assert network.kernel(0).dense == (own.get("f_cut_per_ns") != (0.0, 0.1, 0.5))
    pairs = zip(computed(network, u, "fused"), computed(network, u, "reference"), strict=True)
    for fused, reference in pairs:
        assert error(fused, reference) < 2e-5


@EACH_WIDTH
@EACH_KIND
def test_refined_it_is_the_solution_that_scipy_finds(kind: str, sizes: dict[str, Any]) -> None:
    network, u = tiny(kind, **OWN[kind], **sizes), inputs(batch=1, time=4)
    wanted = torch.from_numpy(solved_by_scipy(network, u[0])[-1])
    with refined(network, 400):
        found = network.output(u)[0, 0].detach()
    torch.testing.assert_close(found, wanted[: len(found)], rtol=0, atol=2e-6)


@EACH_KIND
def test_neurons_that_do_not_exist_are_neither_counted_nor_read(kind: str) -> None:
    network = tiny(kind, **OWN[kind], **WIDTHS[1])
    # 2 x 5 from the input; 0.5 x 15 and 0.8 x 6 between; 0.2 x 25, 9, 0.6 x 4 within; 3 x 2 read
    assert (network.n_neurons, network.n_synapses) == (10, 10 + 8 + 5 + 5 + 9 + 2 + 6)
    assert network.structures[0].n_neurons == 10
    assert network.exists.sum(dim=1).tolist() == [5, 3, 2]
    u = inputs()
    before = computed(network, u, "reference")
    missing = ~network.exists
    assert not network.bias[0][missing].any()
    for gradient, name in zip(before[1:], dict(network.named_parameters()), strict=True):
        there = getattr(network, name.replace("w_", "mask_"), None) if name[0] == "w" else None
        assert there is None or not gradient[~there].any(), name
    assert not dict(network.named_parameters())["bias"].grad[0][missing].any()
    network.bias.data[0][missing] = 3.0
    after = computed(network, u, "reference")
    assert all(map(torch.equal, before, after))
    assert network(u).shape == (1, 3, 3)


def test_fan_in_is_that_of_the_real_layers() -> None:
    """Initial weights lie within the root of it; density 1 shows all of them."""
    network = tiny(width=(64, 4, 16), density_inter=1.0, density_intra=1.0)
    for weights, fan_in in [
        (network.w_inter[0, 0], 64),
        (network.w_inter[0, 1], 4),
        (network.w_intra[0, 0], 64),
        (network.w_intra[0, 1], 4),
        (network.bias[0, 2], 16),
        (network.w_out, 16),
    ]:
        bound = fan_in**-0.5
        assert 0.75 * bound < weights.abs().max() <= bound


@EACH_KIND
def test_on_devices_wide_dense_networks_agree_with_the_reference(kind: str) -> None:
    """Their kernels take one neuron at a time, though the ideal network is taken by tiles."""
    size: dict[str, Any] = {"width": 64, "density_inter": 1.0, "density_intra": 1.0}
    network, u = tiny(kind, **size).float(), inputs(batch=35, time=7).float()
    assert network.kernel(0).dense
    how = Variability(tau_spread=0.3, oscillator_noise_per_sqrt_ns=0.02)
    noise = drawn_noise(how, 5, range(2), network=network, n_points=7, n_steps=1)
    found = []
    for backend in ("fused", "reference"):
        network.backend = backend
        chips = drawn(how, 5, range(2), network=network, noise=noise)
        found.append(read_out(network, chips, u, how.weight_bits))
    torch.testing.assert_close(*found, rtol=1e-4, atol=2e-6)


@EACH_WIDTH
@EACH_KIND
def test_on_devices_the_kernel_agrees_with_the_reference(kind: str, sizes: dict[str, Any]) -> None:
    """Spread multiplies the relaxation time of each layer; noise moves what exists."""
    how = Variability(
        tau_spread=0.3, s_spread=0.2, oscillator_noise_per_sqrt_ns=0.02, weight_bits=5
    )
    network, u = tiny(kind, **OWN[kind], **sizes).float(), inputs(batch=35, time=7).float()
    noise = drawn_noise(how, 5, range(2), network=network, n_points=7, n_steps=1)
    assert noise is not None
    assert noise.shape[3] == network.n_neurons
    found = []
    for backend in ("fused", "reference"):
        network.backend = backend
        chips = drawn(how, 5, range(2), network=network, noise=noise)
        found.append(read_out(network, chips, u, how.weight_bits))
    torch.testing.assert_close(*found, rtol=1e-4, atol=2e-6)
    network.backend = "auto"
    assert (found[0] - network(u)).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["tau_ns", "s", "width", "density_intra"])
@EACH_KIND
def test_another_number_of_values_than_layers_is_refused(kind: str, name: str) -> None:
    values = (1, 1) if name == "width" else (0.5, 0.5)
    with pytest.raises(
        ValueError,
        match=rf"^layered network: one {name}, or one for each of 3 layers, must hold, but got "
        rf"{name}=\[.*\]. Give 3 numbers.$",
    ):
        tiny(kind, **{name: values})
