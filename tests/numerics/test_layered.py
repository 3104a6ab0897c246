"""What layered networks share: members, sizes, backends, trajectories."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks import KINDS, METHODS, WITH_WARM, gradients, inputs, scaled, tiny

from hpo.objectives.networks.integrators import IntegratorName
from hpo.objectives.networks.layered import Backend, resolve_backend


@pytest.mark.parametrize("integrator", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_members_at_once_compute_what_each_computes_alone(
    kind: str, integrator: IntegratorName
) -> None:
    """To rounding: a product of several matrices may add in another order than one
    alone."""
    seeds = (5, 3, 4)
    together = tiny(kind, seeds=seeds, integrator=integrator)
    u = inputs()
    own = torch.stack([u, u.flip(0), u * 0.5])
    together(own).square().sum().backward()
    for index, seed in enumerate(seeds):
        alone = tiny(kind, seeds=(seed,), integrator=integrator)
        torch.testing.assert_close(
            together(u)[index], alone(u)[0], rtol=1e-13, atol=1e-15
        )
        alone(own[index]).square().sum().backward()
        for name, parameter in alone.named_parameters():
            gradient = together.get_parameter(name).grad
            torch.testing.assert_close(
                gradient[index], parameter.grad[0], rtol=1e-11, atol=1e-15
            )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"layers": 0},
            "expected `layers >= 1`, got layers=0. Use another layers.",
        ),
        ({"width": 0}, "expected `width >= 1`, got width=0."),
        ({"channels": 0}, "expected `channels >= 1`, got channels=0."),
        ({"outputs": 0}, "expected `outputs >= 1`, got outputs=0."),
        ({"seeds": ()}, "expected `members >= 1`, got members=0."),
        ({"density_inter": 1.1}, "expected `0 <= density <= 1`, got density=1.1."),
    ],
)
def test_sizes_that_make_no_network_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=r"expected .*, got") as caught:
        tiny("spintronic", **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape", [(3, 0, 2), (3, 5, 1), (3, 5), (3, 3, 5, 2), (1, 2, 3, 5, 2)]
)
def test_an_input_of_another_shape_is_refused(
    kind: str, shape: tuple[int, ...]
) -> None:
    network = tiny(kind, seeds=(0, 1))
    for compute in (network, network.trajectories):
        with pytest.raises(
            ValueError,
            match=(
                r"^layered network: expected `u.shape == \(batch, time >= 1, 2\)`, or"
                r" the same "
                r"after 2 members, got u.shape=\(.*\). Use one series of points per"
                r" example.$"
            ),
        ):
            compute(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("n_read", [0, 6])
def test_points_that_are_not_there_are_not_read(n_read: int) -> None:
    with pytest.raises(ValueError, match="points of the input, got n_read="):
        tiny("ctrnn").outputs(inputs(), n_read)


@pytest.mark.parametrize("kind", WITH_WARM)
def test_trajectories_are_the_passage_that_gives_the_output(kind: str) -> None:
    network = tiny(kind, seeds=(0, 1), steps_per_point=2)
    u = inputs()
    series = network.trajectories(u)
    assert not any(values.requires_grad for values in series.values())
    assert torch.equal(series["y"][:, -1, :, -1], network.output(u).detach())
    dynamics = network.dynamics()
    state, past = dynamics.rest(batch=len(u)), ()
    assert torch.equal(series["x"][:, :, :, 0], dynamics.amplitude(state))
    for k, point in enumerate(u.unbind(1)):
        drive = dynamics.drive(dynamics.output(state), point).detach()
        assert torch.equal(series["drive"][:, :, :, k], drive)
        state, past = network.physics.advance(dynamics, state, past, point)
        assert torch.equal(
            series["x"][:, :, :, k + 1], dynamics.amplitude(state).detach()
        )
        assert torch.equal(series["y"][:, :, :, k + 1], dynamics.output(state).detach())


BEYOND: list[tuple[str, dict[str, Any], str]] = [
    ("spintronic", {}, ""),
    ("spintronic", {"integrator": "exponential-ab2", "steps_per_point": 4}, ""),
    ("spintronic", {"integrator": "heun"}, "integrator='heun'"),
    ("spintronic", {"integrator": "rk4"}, "integrator='rk4'"),
    ("spintronic", {"q": 0.5, "sigma": 0.9}, ""),
    ("spintronic", {"integrator": "ab3"}, "integrator='ab3'"),
    ("ctrnn", {}, ""),
    ("ctrnn", {"integrator": "exponential-ab2", "steps_per_point": 4}, ""),
    ("ctrnn", {"integrator": "rk4"}, "integrator='rk4'"),
]


@pytest.mark.parametrize(("kind", "changes", "beyond"), BEYOND)
def test_what_the_kernel_cannot_do_is_left_to_the_reference_or_refused(
    kind: str, changes: dict[str, Any], beyond: str
) -> None:
    network, u = tiny(kind, **changes).float(), inputs().float()
    assert network.beyond_kernel == beyond
    automatic = network(u)
    network.backend = "fused"
    if not beyond:
        assert torch.equal(automatic, network(u))
        return
    with pytest.raises(
        ValueError,
        match=r"^layered network: backend 'fused' has no kernel for "
        rf"{beyond}. Use backend 'reference'.$",
    ):
        network(u)
    network.backend = "reference"
    assert torch.equal(automatic, network(u))


def test_auto_is_the_kernel_for_float32_on_the_cpu_and_the_reference_elsewhere() -> (
    None
):
    single, double = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
    meta = torch.zeros(1, device="meta")
    assert resolve_backend("auto", single, single, "") == "fused"
    for tensor, beyond in ((double, ""), (meta, ""), (single, "rk4")):
        assert resolve_backend("auto", tensor, tensor, beyond) == "reference"
    with pytest.raises(
        ValueError,
        match=r"^layered network: expected float32 on the CPU for backend 'fused', "
        r"got dtype=torch.float64, device=cpu. Use backend 'reference'.$",
    ):
        tiny(backend="fused")(inputs())


@pytest.mark.parametrize("kind", KINDS)
def test_signals_need_one_step_per_layer(kind: str) -> None:
    """All layers step together: the last of three hears of the input in the third
    step."""
    network = scaled(tiny(kind, density_inter=1.0), 2.0)
    calm, loud = inputs(batch=1, time=4), inputs(batch=1, time=4)
    loud[:, 0] += 1.0
    difference = network.trajectories(loud)["y"] - network.trajectories(calm)["y"]
    reached = difference.abs().amax(dim=(0, 2, 4)) > 0  # (layers, time + 1)
    assert reached.tolist() == [[k > layer for k in range(5)] for layer in range(3)]


# --- layers that differ ---

OWN: dict[str, dict[str, Any]] = {
    "spintronic": {
        "tau_ns": (2.0, 4.0, 9.0),
        "s": (0.4, 0.5, 0.9),
        "f_cut_per_ns": (0.0, 0.1, 0.5),
    },
    "ctrnn": {"tau_ns": (2.0, 4.0, 9.0), "s": (0.4, 0.5, 0.9)},
}
WIDTHS: list[dict[str, Any]] = [
    {
        "width": (5, 3, 2),
        "density_inter": (1.0, 0.5, 0.8),
        "density_intra": (0.2, 1.0, 0.6),
    },
    {"width": (1, 4, 6), "density_inter": 1.0},
]
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("backend", ["reference", "fused"])
@EACH_KIND
def test_the_same_number_for_each_layer_is_one_number_bit_for_bit(
    kind: str, backend: Backend
) -> None:
    one = {
        "tau_ns": 3.0,
        "s": 0.7,
        "width": 4,
        "density_inter": 0.6,
        "density_intra": 0.4,
    }
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
    # 2 x 5 from the input; 0.5 x 15 and 0.8 x 6 between; 0.2 x 25, 9, 0.6 x 4 within; 3
    # x 2 read
    assert (network.n_neurons, network.n_synapses) == (10, 10 + 8 + 5 + 5 + 9 + 2 + 6)
    assert network.layouts[0].n_neurons == 10
    assert network.exists.sum(dim=1).tolist() == [5, 3, 2]
    u = inputs()
    before = gradients(network, u)
    missing = ~network.exists
    assert not network.bias[0][missing].any()
    masks = (
        network.mask_in,
        network.mask_inter,
        network.mask_intra,
        network.exists[None],
    )
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


@pytest.mark.parametrize(
    ("name", "values"), [("width", (1, 1)), ("density_intra", (0.5, 0.5))]
)
def test_another_number_of_values_than_layers_is_refused(
    name: str, values: tuple[float, ...]
) -> None:
    with pytest.raises(
        ValueError,
        match=(
            rf"^{name}: expected one number, or one for each of 3 layers, got "
            rf"\[.*\]. Use 3 numbers.$"
        ),
    ):
        tiny(**{name: values})
