"""A readout after each of the last points: the kernels against the reference, in float64."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from dense import error, gradients, inputs
from torch import Tensor
from torch.nn import functional

from objectives.networks.ctrnn import CtrnnNetwork, CtrnnPhysics
from objectives.networks.integrators import EXTRAPOLATION
from objectives.networks.kernels.updates import FusedUpdates, TorchUpdates
from objectives.networks.spintronic import SpintronicNetwork, SpintronicPhysics
from objectives.tasks.data import Examples
from objectives.training import updates_of

KINDS: dict[str, dict[str, Any]] = {
    "spintronic": {"f_cut_per_ns": 0.1},
    "spintronic, no filter": {"f_cut_per_ns": 0.0},
    "spintronic, x": {"f_cut_per_ns": 0.1, "readout": "x", "start": 0.5},
    "ctrnn": {},
}
CASES = list(product(KINDS, EXTRAPOLATION, [1, 2, 3], [(1, 1), (1, 9), (7, 33), (20, 20)]))


def network(kind: str, *, dtype: torch.dtype = torch.float32, **stepping: Any) -> Any:
    own: dict[str, Any] = {"tau_ns": 3.0, "s": 0.8, **KINDS[kind], **stepping}
    made: Any = (SpintronicNetwork, SpintronicPhysics)
    if kind == "ctrnn":
        made = (CtrnnNetwork, CtrnnPhysics)
    of, physics = made
    return of([5], physics=physics(**own), channels=2, outputs=3, layers=2, width=6, dtype=dtype)


def loss_gradients(made: Any, u: Tensor, n_read: int) -> tuple[Tensor, list[Tensor]]:
    output = made.outputs(u, n_read)
    return output, gradients(output, [made.w_in, made.w_inter, made.w_intra, made.bias])


@pytest.mark.parametrize(("kind", "integrator", "n_steps", "points"), CASES[::2])
def test_every_point_that_is_read_agrees_with_the_reference(
    kind: str, integrator: str, n_steps: int, points: tuple[int, int]
) -> None:
    n_read, batch = points
    how: dict[str, Any] = {"integrator": integrator, "steps_per_point": n_steps}
    u = inputs(batch, 20, 2)
    fused = network(kind, **how)
    assert fused.computes_fused(u)
    found, found_gradients = loss_gradients(fused, u, n_read)
    wanted, wanted_gradients = loss_gradients(
        network(kind, dtype=torch.float64, **how), u.double(), n_read
    )
    assert found.shape == (1, batch, n_read, 6)
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-5)
    for mine, grad in zip(found_gradients, wanted_gradients, strict=True):
        assert error(mine, grad) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_of_many_points_is_that_of_a_single_one(kind: str) -> None:
    made, u = network(kind), inputs(33, 20, 2)
    assert torch.equal(made.outputs(u, 20)[:, :, -1], made.output(u))
    assert torch.equal(made.outputs(u, 7), made.outputs(u, 20)[:, :, -7:])
    assert torch.equal(made.outputs(u, 20)[:, :, :5], made.outputs(u[:, :5], 5))


@pytest.mark.parametrize("n_read", [0, 21])
def test_points_that_are_not_there_are_refused(n_read: int) -> None:
    with pytest.raises(ValueError, match="points of the input, must hold, but got n_read="):
        network("ctrnn").outputs(inputs(1, 20, 2), n_read)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [5, 32, 70])
def test_an_update_by_the_kernels_is_that_of_pytorch(kind: str, batch: int) -> None:
    u = inputs(batch, 20, 2)
    target = torch.randn(batch, 12, 3, generator=torch.Generator().manual_seed(4))
    moved = []
    for fused in (True, False):
        made = network(kind)
        optimizer = torch.optim.Adam(made.parameters(), lr=1e-2)
        updates: Any = TorchUpdates(made, optimizer)
        if fused:
            updates = updates_of(made, optimizer, Examples(x=u.numpy(), label=target.numpy()))
            assert isinstance(updates, FusedUpdates)
        losses = [updates.update(u, target, learning_rate=1e-2, max_gradient=1.0) for _ in range(3)]
        updates.settle()
        wanted = functional.mse_loss(made.series(u, 12)[0], target)
        assert losses[0][0] > losses[-1][0] > wanted.item()
        moved.append((losses, [p.detach().clone() for p in made.parameters()]))
    (mine, ours), (theirs, wanted_parameters) = moved
    assert [loss for loss, _ in mine] == pytest.approx([loss for loss, _ in theirs], rel=1e-5)
    for found, other in zip(ours, wanted_parameters, strict=True):
        torch.testing.assert_close(found, other, rtol=0, atol=2e-4)
