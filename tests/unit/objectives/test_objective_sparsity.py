"""Masks, random streams and the initial draw of a spintronic network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from objectives.networks.sparsity import n_connections, random_mask
from objectives.networks.spintronic import SpintronicNetwork
from objectives.randomness import stream
from objectives.spintronic import SpintronicObjective, SpintronicParams


def network(seeds: list[int], **params: float) -> SpintronicNetwork:
    validated = SpintronicParams.model_validate(params)
    return SpintronicObjective().network(validated, seeds, channels=1, outputs=10)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 0.997, 1.0])
def test_mask_has_exactly_the_asked_number_of_connections(density: float) -> None:
    mask = random_mask(stream(3, "masks"), (17, 23), density)
    assert mask.shape == (17, 23)
    assert mask.sum() == n_connections(17 * 23, density) == round(density * 17 * 23)


def test_mask_of_a_lower_density_is_part_of_a_higher_one() -> None:
    sparse, dense = (random_mask(stream(0, "masks"), (20, 20), d) for d in (0.3, 0.7))
    assert not (sparse & ~dense).any()


def test_density_outside_its_bounds_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^sparsity: `0 <= density <= 1` must hold, but got density=1.5\. Give"
    ):
        n_connections(10, 1.5)


def test_streams_differ_by_name_and_seed_and_repeat() -> None:
    draws = [stream(s, n).random(4) for s, n in [(0, "a"), (0, "b"), (1, "a"), (0, "a")]]
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert np.array_equal(draws[0], draws[3])


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="`seed >= 0` must hold, but got seed=-1"):
        stream(-1, "a")


@pytest.mark.parametrize(
    ("params", "n_synapses"),
    [
        ({"density_inter": 0.8, "density_intra": 0.35}, 26 + 2 * 819 + 3 * 358 + 320),
        ({"density_intra": 0.0}, 16 + 2 * 512 + 320),
        ({"layers": 1}, 16 + 512 + 320),
    ],
)
def test_synapses_are_counted_matrix_by_matrix(params: dict[str, float], n_synapses: int) -> None:
    assert network([0], **params).n_synapses == n_synapses


def test_masked_weights_start_at_zero_and_the_others_do_not() -> None:
    net = network([5])
    for name in ("in", "inter", "intra"):
        weights, mask = getattr(net, f"w_{name}"), getattr(net, f"mask_{name}")
        assert weights.shape == mask.shape
        assert torch.equal(weights != 0, mask)


def test_initial_weights_fill_the_range_of_their_fan_in() -> None:
    net = network([0], density_inter=1.0, density_intra=1.0)
    bounds = {"w_in": 1.0, "w_inter": 32**-0.5, "w_intra": 32**-0.5, "w_out": 32**-0.5}
    for name, bound in bounds.items():
        largest = getattr(net, name).abs().max().item()
        assert 0.9 * bound < largest <= bound, name


def test_other_hyper_parameters_leave_the_draw_of_a_seed_alone() -> None:
    one = network([7])
    other = network([7], lr0=0.5, tau_ns=3.0, s=0.1, f_cut_per_ns=0.0, dt_ns=0.5)
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in one.state_dict().items())


def test_another_layer_leaves_the_first_ones_as_they_were() -> None:
    three, four = network([7], layers=3), network([7], layers=4)
    assert torch.equal(three.w_intra, four.w_intra[:, :3])
    assert torch.equal(three.w_inter, four.w_inter[:, :2])
    assert torch.equal(three.w_out, four.w_out)


def test_density_changes_which_weights_exist_but_not_their_values() -> None:
    sparse, dense = network([7], density_intra=0.3), network([7], density_intra=0.9)
    both = sparse.mask_intra & dense.mask_intra
    assert torch.equal(both, sparse.mask_intra)
    assert torch.equal(sparse.w_intra[both], dense.w_intra[both])


def test_members_are_drawn_each_from_its_own_seed_in_any_order() -> None:
    several = network([5, 3, 4]).state_dict()
    for index, seed in enumerate([5, 3, 4]):
        for name, value in network([seed]).state_dict().items():
            assert torch.equal(several[name][index], value[0]), name
    assert not torch.equal(several["w_intra"][0], several["w_intra"][1])


def test_building_neither_reads_nor_changes_the_global_random_state() -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = network([0]).state_dict()
    assert torch.initial_seed() == 1
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(v, network([0]).state_dict()[k]) for k, v in first.items())
