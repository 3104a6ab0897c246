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
from objectives.networks.kernels import passes, sizes
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


def network(
    kind: str,
    *,
    dtype: torch.dtype = torch.float32,
    width: int = 6,
    density: float = 0.5,
    **stepping: Any,
) -> Any:
    own: dict[str, Any] = {"tau_ns": 3.0, "s": 0.8, **KINDS[kind], **stepping}
    made: Any = (SpintronicNetwork, SpintronicPhysics)
    if kind == "ctrnn":
        made = (CtrnnNetwork, CtrnnPhysics)
    of, physics = made
    size: dict[str, Any] = {"channels": 2, "outputs": 3, "layers": 2, "width": width}
    size |= {"density_inter": density, "density_intra": density}
    return of([5], physics=physics(**own), dtype=dtype, **size)


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_steps", "n_read"), [(1, 1), (3, 1), (2, 9), (1, 20)])
@pytest.mark.parametrize("width", [6, 64])
def test_a_trajectory_that_is_too_long_is_computed_again_in_segments(
    kind: str, n_steps: int, n_read: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"steps_per_point": n_steps, "width": width, "density": 0.9}
    u, found = inputs(33, 20, 2), []
    for most in (sizes.MAX_TRAJECTORY, 1):  # all at once; segments of 6 points
        monkeypatch.setattr(sizes, "MAX_TRAJECTORY", most)
        found.append(loss_gradients(network(kind, **how), u, n_read))
    (whole, gradients_of_whole), (parts, gradients_of_parts) = found
    assert torch.equal(whole, parts)
    for mine, grad in zip(gradients_of_parts, gradients_of_whole, strict=True):
        assert error(mine, grad) < 1e-5


def test_segments_bound_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = network("spintronic").kernel(0)
    monkeypatch.setattr(sizes, "MAX_TRAJECTORY", 60 * kernel.floats_per_step)
    short, long = (passes.Pass(kernel, n, keep=True).work.size for n in (60, 6000))
    assert short == long


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
