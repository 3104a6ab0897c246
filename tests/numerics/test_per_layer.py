"""Layers that differ: in relaxation time, amplification, filter, densities and width."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import KINDS, gradients, inputs, tiny

from hpo.objectives.networks.layered import Backend

OWN: dict[str, dict[str, Any]] = {
    "spintronic": {
        "tau_ns": (2.0, 4.0, 9.0),
        "s": (0.4, 0.5, 0.9),
        "f_cut_per_ns": (0.0, 0.1, 0.5),
    },
    "ctrnn": {"tau_ns": (2.0, 4.0, 9.0), "s": (0.4, 0.5, 0.9)},
}
WIDTHS: list[dict[str, Any]] = [
    {"width": (5, 3, 2), "density_inter": (1.0, 0.5, 0.8), "density_intra": (0.2, 1.0, 0.6)},
    {"width": (1, 4, 6), "density_inter": 1.0},
]
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("backend", ["reference", "fused"])
@EACH_KIND
def test_the_same_number_for_each_layer_is_one_number_bit_for_bit(
    kind: str, backend: Backend
) -> None:
    one = {"tau_ns": 3.0, "s": 0.7, "width": 4, "density_inter": 0.6, "density_intra": 0.4}
    one |= {"f_cut_per_ns": 0.2} if kind == "spintronic" else {}
    how: dict[str, Any] = {"dtype": torch.float32, "backend": backend}
    alike = tiny(kind, **one, **how)
    each = tiny(kind, **{name: (value,) * 3 for name, value in one.items()}, **how)
    for name, tensor in alike.state_dict().items():
        assert torch.equal(each.state_dict()[name], tensor), name
    u = inputs(batch=40).float()
    assert all(map(torch.equal, gradients(each, u), gradients(alike, u)))


@EACH_KIND
def test_neurons_that_do_not_exist_are_neither_counted_nor_read(kind: str) -> None:
    network = tiny(kind, **OWN[kind], **WIDTHS[0])
    # 2 x 5 from the input; 0.5 x 15 and 0.8 x 6 between; 0.2 x 25, 9, 0.6 x 4 within; 3 x 2 read
    assert (network.n_neurons, network.n_synapses) == (10, 10 + 8 + 5 + 5 + 9 + 2 + 6)
    assert network.layouts[0].n_neurons == 10
    assert network.exists.sum(dim=1).tolist() == [5, 3, 2]
    u = inputs()
    before = gradients(network, u)
    missing = ~network.exists
    assert not network.bias[0][missing].any()
    masks = network.mask_in, network.mask_inter, network.mask_intra, network.exists[None]
    for gradient, there in zip(before[1:], masks, strict=True):
        assert not gradient[~there].any()
    network.bias.data[0][missing] = 3.0
    assert all(map(torch.equal, gradients(network, u), before))
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


@pytest.mark.parametrize(("name", "values"), [("width", (1, 1)), ("density_intra", (0.5, 0.5))])
def test_another_number_of_values_than_layers_is_refused(
    name: str, values: tuple[float, ...]
) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^layered network: expected one {name}, or one for each of 3 layers, got "
        rf"\[.*\]. Use 3 numbers.$",
    ):
        tiny(**{name: values})
