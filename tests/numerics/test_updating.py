"""Weight updates by the kernels against the same updates by PyTorch."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from networks import KINDS, make_chip
from torch import Tensor

from hpo import objectives
from hpo.objectives.data.examples import Examples
from hpo.objectives.hardware.variability import Variability
from hpo.objectives.networks.kernels import learning
from hpo.objectives.networks.kernels.chips import IDEAL
from hpo.objectives.networks.kernels.updates import (
    Descent,
    FusedUpdates,
    TorchUpdates,
    Updates,
)
from hpo.objectives.networks.layered import LayeredNetwork
from hpo.objectives.networks.simulated_chips import Training
from hpo.objectives.training.train import choose_updates

DENSE = {"density_inter": 1.0, "density_intra": 1.0}
HOW = Descent(learning_rate=0.01, max_gradient=1e-3)


def network(kind: str, **changes: Any) -> LayeredNetwork:
    objective: Any = objectives.load(kind)
    params = objective.Params(width=8, **changes)
    drawn: LayeredNetwork = objective.network(params, [3], channels=2, outputs=4)
    return drawn


def updates(
    net: LayeredNetwork, how: type[Updates], *, noisy: bool = False
) -> tuple[Updates, torch.optim.Adam]:
    """As a training has them: by the kernels, unless the reference computes."""
    net.backend = "auto" if how is FusedUpdates else "reference"
    optimizer = torch.optim.Adam(net.parameters(), lr=1.0, fused=True)
    u, label = batch(1)
    examples = Examples(x=u.numpy(), label=label.numpy())
    found = choose_updates(net, optimizer, examples, noisy=noisy)
    assert type(found) is how
    return found, optimizer


def batch(n: int, points: int = 6, n_read: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs with classes, or with targets for as many points."""
    generator = torch.Generator().manual_seed(n)
    u = torch.rand(n, points, 2, generator=generator)
    if n_read:
        return u, torch.randn(n, n_read, 4, generator=generator)
    return u, torch.randint(4, (n,), generator=generator)


@pytest.mark.parametrize(
    ("kind", "changes", "n_read", "noise"),
    [
        *(
            (kind, {}, n_read, noise)
            for kind in KINDS
            for n_read in (0, 4)
            for noise in (0.0, 0.1)
        ),
        *((kind, {"steps_per_point": 3}, 0, 0.1) for kind in KINDS),
        *((kind, {"integrator": "exponential"}, 0, 0.0) for kind in KINDS),
        ("spintronic", {"thermal_power": 1e-3}, 4, 0.0),
        *(
            (
                "ctrnn",
                {
                    "readout_points": points,
                    "readout_powers": p,
                    "readout_layers": where,
                },
                0,
                0.0,
            )
            for points in ("last", "mean", "last+mean")
            for p in (1, 2)
            for where in ("last", "all")
        ),
        (
            "ctrnn",
            {"readout_powers": 2, "readout_layers": "all", "density_intra": 1.0},
            4,
            0.1,
        ),
        (
            "spintronic",
            {"readout_points": "last+mean", "readout": "x", **DENSE},
            0,
            0.1,
        ),
    ],
)
def test_losses_moments_and_weights_are_those_of_torch(
    kind: str, changes: dict[str, Any], n_read: int, noise: float
) -> None:
    """Over batches of one block, of several and of part of one, and of another length
    in time.

    Each batch is on a chip of its own; where there is noise, labels are smoothed.
    """
    results, smooth = [], replace(HOW, label_smoothing=noise)
    for how in (FusedUpdates, TorchUpdates):
        net = network(kind, **changes)
        update, optimizer = updates(net, how, noisy=noise > 0)
        losses = []
        for n, points in [(64, 6), (150, 6), (3, 6), (70, 9)]:
            chip = make_chip(net, points, spread=n / 1000, noise=noise)
            losses.append(update.update(*batch(n, points, n_read), smooth, chip))
        update.settle()
        states = [optimizer.state[p] for p in net.parameters()]
        assert all(float(state["step"]) == 4.0 for state in states)
        results.append((losses, states, list(net.parameters())))
    (losses, states, weights), (wanted_losses, wanted_states, wanted_weights) = results
    assert all(moved for _, moved in losses)
    assert [loss for loss, _ in losses] == pytest.approx(
        [loss for loss, _ in wanted_losses], 1e-5
    )
    for state, wanted in zip(states, wanted_states, strict=True):
        assert state["exp_avg"].abs().max() < 1e-3  # clipped
        for name in ("exp_avg", "exp_avg_sq"):
            bound = 2e-4 * float(wanted[name].abs().max())
            torch.testing.assert_close(state[name], wanted[name], rtol=0, atol=bound)
    for found, expected in zip(weights, wanted_weights, strict=True):
        near = (found - expected).abs() < 1e-4
        assert (
            near.float().mean() > 0.98
        )  # Adam divides by the size of a gradient, be it rounding


ERRORS: dict[str, Any] = {
    "gain_error": 0.1,
    "bias_error": 0.1,
    "clock_error": 0.1,
    "clock_jitter": 0.05,
    "offset_error": 0.05,
    "weight_error": 0.05,
    "weight_error_of_largest": 0.02,
    "readout_noise": 0.1,
    "readout_bits": 8,
}


@pytest.mark.parametrize("n_read", [0, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_on_chips_with_all_errors_move_the_exact_weights_as_by_torch(
    kind: str, n_read: int
) -> None:
    results = []
    for how in (FusedUpdates, TorchUpdates):
        net = network(kind)
        variability = Variability(**ERRORS)
        seen = Training(network=net, seed=5, variability=variability, noise=True)
        assert seen.noisy == (kind == "spintronic")
        update, optimizer = updates(net, how, noisy=seen.noisy)
        before = [p.detach().clone() for p in net.trained]
        losses = []
        for chip, errors in itertools.islice(seen.chips(0, 6), 3):
            u, label = batch(20, 6, n_read)
            losses.append(update.update(errors(u), label, HOW, chip)[0])
        update.settle()
        assert len(set(losses)) == 3, "each batch has a chip of its own"
        pairs = zip(net.trained, before, strict=True)
        assert (
            max((p.detach() - q).abs().max().item() for p, q in pairs)
            < 3.1 * HOW.learning_rate
        )
        moments = [optimizer.state[p]["exp_avg"] for p in net.trained]
        results.append((losses, moments))
    (losses, moments), (wanted_losses, wanted_moments) = results
    assert losses == pytest.approx(wanted_losses, 1e-4)
    for moment, wanted in zip(moments, wanted_moments, strict=True):
        bound = 1e-3 * float(wanted.abs().max())
        torch.testing.assert_close(moment, wanted, rtol=0, atol=bound)


def test_the_gradient_is_that_at_the_weights_of_the_chip() -> None:
    how: dict[str, Any] = {"weight_bits": 3, "weight_error": 0.1}
    results = []
    for written in (False, True):
        net = network("spintronic")
        update, optimizer = updates(net, FusedUpdates)
        seen = Training(network=net, seed=5, variability=Variability(**how))
        chip, _ = next(seen.chips(0, 6))
        assert chip.programming is not None
        if written:
            values = chip.programming.program([p.detach() for p in net.trained])
            for parameter, value in zip(net.trained, values, strict=True):
                parameter.data.copy_(value)
            update, optimizer = updates(net, FusedUpdates)
            chip = IDEAL
        loss, _ = update.update(*batch(20), HOW, chip)
        update.settle()
        results.append([loss, *(optimizer.state[p]["exp_avg"] for p in net.trained)])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(torch.as_tensor(found), torch.as_tensor(wanted))


@pytest.mark.parametrize("how", [FusedUpdates, TorchUpdates])
def test_a_gradient_with_a_nan_moves_nothing(how: type[Updates]) -> None:
    net = network("spintronic")
    update, optimizer = updates(net, how)
    before = [p.detach().clone() for p in net.parameters()]
    u, label = batch(5)
    u[2] = math.nan
    loss, moved = update.update(u, label, HOW)
    update.settle()
    assert math.isnan(loss)
    assert not moved
    assert all(map(torch.equal, before, net.parameters()))
    assert not any("exp_avg" in state for state in optimizer.state.values())


@pytest.mark.parametrize("density", [0.5, 1.0])
def test_series_beyond_a_block_repeat_its_first(density: float) -> None:
    """Zeros might diverge where no series does, and 0 times NaN is a NaN in the
    gradient."""
    net = network("spintronic", density_inter=density, density_intra=density)
    layout, dense = net.layouts[0], density == 1.0
    u = batch(layout.block + 3)[0].numpy()
    blocks = list(layout.blocks(len(u)))
    assert [n for _, n in blocks] == [layout.block, 4 if dense else layout.block]
    for own, n in blocks:
        found = layout.pad(u[own], n).reshape(6, *((n, 2) if dense else (2, n)))
        found = found if dense else found.swapaxes(1, 2)
        there = len(u[own])
        assert np.array_equal(found[:, :there].swapaxes(0, 1), u[own])
        assert (found[:, there:] == found[:, :1]).all()


def test_an_infinite_gradient_is_clipped() -> None:
    weights, first, second = (np.zeros(3, np.float32) for _ in range(3))
    gradient = np.array([math.inf, -math.inf, 0.25], np.float32)
    constants = tuple(map(np.float32, (0.9, 0.999, 0.1, 1.0, 1e-8, 0.5)))
    assert learning.adam(weights, gradient, first, second, constants)
    np.testing.assert_allclose(first, [0.05, -0.05, 0.025], rtol=1e-6)
    np.testing.assert_allclose(second, [2.5e-4, 2.5e-4, 6.25e-5], rtol=1e-4)
    np.testing.assert_allclose(weights, -0.1 * first / np.sqrt(second), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [2, 3, 9])
def test_cores_share_a_batch_and_find_the_same(kind: str, threads: int) -> None:
    """To rounding what one finds, to the last bit what as many found before; scores are
    alike."""
    found = []
    for n in (1, threads, threads):
        net = network(kind, threads=n)
        u, label = batch(150)
        with torch.no_grad():
            before = net(u)
        update, _ = updates(net, FusedUpdates)
        losses = [update.update(u, label, HOW)[0] for _ in range(3)]
        update.settle()
        found.append((before, losses, [p.detach() for p in net.parameters()]))
    (
        (one, losses, weights),
        (several, shared_losses, shared),
        (_, again_losses, again),
    ) = found
    assert torch.equal(one, several)
    assert shared_losses == pytest.approx(losses, rel=1e-5)
    assert shared_losses == again_losses
    for mine, wanted, repeated in zip(shared, weights, again, strict=True):
        assert torch.equal(mine, repeated)
        assert ((mine - wanted).abs() < 1e-4).float().mean() > 0.98  # see above
