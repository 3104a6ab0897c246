"""Masks, random streams and the initial draw of a spintronic network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hpo import objectives
from hpo.objectives.networks.sparsity import (
    draw_mask,
    draw_mirrored_mask,
    n_connections,
)
from hpo.objectives.randomness import stream


def network(seeds: list[int], **params: Any) -> Any:
    objective: Any = objectives.load("spintronic")
    return objective.network(objective.Params(**params), seeds, channels=1, outputs=10)


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 0.997, 1.0])
def test_mask_has_exactly_the_asked_number_of_connections(density: float) -> None:
    """Those of a lower density among them."""
    mask, half = (draw_mask(stream(3, "masks"), (17, 23), d) for d in (density, 0.5))
    assert mask.shape == (17, 23)
    assert mask.sum() == n_connections(17 * 23, density) == round(density * 17 * 23)
    sparse, dense = (mask, half) if density < 0.5 else (half, mask)
    assert not (sparse & ~dense).any()


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 0.98, 1.0])
def test_an_antisymmetric_coupling_turns_as_asked(density: float) -> None:
    """All its eigenvalues are imaginary; every connection has its mirror image."""
    own = {
        "coupling": "antisymmetric",
        "rotation": 2.5,
        "point_ns": 0.5,
        "s": (0.3, 0.4, 0.5),
    }
    found = network([0, 1], width=(9, 17, 8), density_intra=density, **own)
    for layer, (s, n) in enumerate(zip((0.3, 0.4, 0.5), (9, 17, 8), strict=True)):
        mask = draw_mirrored_mask(stream(3, "masks"), (n, n), density)
        assert np.array_equal(mask, mask.T)
        assert mask.sum() == n_connections(n * n, density)
        for member in (0, 1):
            assert found.mask_intra[member, layer].sum() == n_connections(
                n * n, density
            )
            weights = found.w_intra[member, layer].detach().double().numpy()
            values = np.linalg.eigvals(0.5 * s * weights)
            assert np.abs(values.real).max() < 1e-6
            if density:
                assert values.imag.max() == pytest.approx(2.5, rel=1e-6)


def test_streams_differ_by_name_and_seed_and_repeat() -> None:
    draws = [
        stream(s, n).random(4) for s, n in [(0, "a"), (0, "b"), (1, "a"), (0, "a")]
    ]
    assert not np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert np.array_equal(draws[0], draws[3])
    with pytest.raises(ValueError, match="expected a seed of 0 or more, got -1"):
        stream(-1, "a")


def test_what_a_seed_draws_depends_on_nothing_but_its_size() -> None:
    """Other physics draw the same; another layer and a density add to it."""
    one = network([7])
    physics = network([7], lr0=0.5, tau_ns=3.0, s=0.1, f_cut_per_ns=0.0, point_ns=0.5)
    assert all(
        torch.equal(v, physics.state_dict()[k]) for k, v in one.state_dict().items()
    )
    four = network([7], layers=4)
    assert torch.equal(one.w_intra, four.w_intra[:, :3])
    assert torch.equal(one.w_inter, four.w_inter[:, :2])
    assert torch.equal(one.w_out, four.w_out)
    dense = network([7], density_intra=0.9)
    both = one.mask_intra & dense.mask_intra
    assert torch.equal(both, one.mask_intra)
    assert torch.equal(one.w_intra[both], dense.w_intra[both])


def test_building_neither_reads_nor_changes_the_global_random_state() -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = network([0]).state_dict()
    assert torch.initial_seed() == 1
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(v, network([0]).state_dict()[k]) for k, v in first.items())
