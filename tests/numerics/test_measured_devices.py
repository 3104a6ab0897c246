"""Chips of measured devices: whole rows of the file, the same by seed, the ideal if all agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import KINDS, inputs, tiny
from torch import Tensor

from objectives.networks.devices import Chips, drawn, drawn_noise, read_out
from objectives.variability import Variability

ROWS = ((2.0, 0.5, 0.01), (3.0, 0.7, 0.0), (7.0, 0.2, 0.04))
NAMES = ("tau_ns", "s", "oscillator_noise_per_sqrt_ns")
MEANS = np.mean(ROWS, axis=0)


def devices(
    directory: Path, rows: tuple[tuple[float, ...], ...] = ROWS, names: tuple[str, ...] = NAMES
) -> Variability:
    path = directory / "devices.csv"
    lines = [",".join(names), *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines))
    return Variability(devices=str(path)).resolved(directory)


def chips(network: Any, how: Variability, u: Tensor, *, seed: int = 11, draws: int = 3) -> Chips:
    every = range(draws)
    steps = network.physics.n_steps
    noise = drawn_noise(how, seed, every, network=network, n_points=u.shape[1], n_steps=steps)
    return drawn(how, seed, every, network=network, noise=noise)


@pytest.mark.parametrize("kind", KINDS)
def test_every_neuron_is_one_row_of_the_file(kind: str, tmp_path: Path) -> None:
    network, u = tiny(kind, width=7, steps_per_point=2), inputs()
    found = chips(network, devices(tmp_path), u)
    assert found.tau is not None
    assert found.s is not None
    assert found.noise is not None
    size = found.noise.double().square().mean(dim=(1, 2, 4)).sqrt()  # of each neuron
    size *= network.noise_parts / (network.physics.dt_ns / 2) ** 0.5
    tau, s = (
        values.flatten(1) * mean for values, mean in zip((found.tau, found.s), MEANS, strict=False)
    )
    seen = set()
    for own in torch.stack((tau, s, size), dim=2).view(-1, 3).tolist():
        row = min(range(len(ROWS)), key=lambda i, of=own: abs(ROWS[i][0] - of[0]))
        assert own[:2] == pytest.approx(ROWS[row][:2], rel=1e-14)
        assert own[2] == pytest.approx(ROWS[row][2], rel=0.15)
        seen.add(row)
    assert seen == {0, 1, 2}
    assert len({tuple(of_chip.tolist()) for of_chip in tau}) == 3, "chips differ"


def test_the_same_seed_gives_the_same_chips_and_more_draws_more_of_them(tmp_path: Path) -> None:
    network, u, how = tiny("spintronic", width=7), inputs(), devices(tmp_path)
    one, again = chips(network, how, u), chips(network, how, u, draws=5)
    for name in ("tau", "s", "noise"):
        assert torch.equal(getattr(one, name), getattr(again, name)[:3])
    assert not torch.equal(one.tau, chips(network, how, u, seed=12).tau)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_may_differ_in_width(kind: str, tmp_path: Path) -> None:
    network, u, how = tiny(kind, width=(8, 12, 5)).float(), inputs().float(), devices(tmp_path)
    found = chips(network, how, u)
    assert found.noise is not None
    assert found.noise.shape[3] == network.n_neurons == 25
    read = []
    for backend in ("fused", "reference"):
        network.backend = backend
        read.append(read_out(network, found, u, how.weight_bits))
    torch.testing.assert_close(*read, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("backend", ["fused", "reference"])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_are_the_ideal_network_bit_for_bit(
    kind: str, backend: str, tmp_path: Path
) -> None:
    network = tiny(kind, width=7, backend=backend, dtype=torch.float32, integrator="exponential")
    u = inputs(batch=70).float()
    equal = chips(network, devices(tmp_path, 3 * ((0.1, 0.3, 0.0),)), u)
    ideal = chips(network, Variability(), u)
    assert torch.equal(read_out(network, equal, u, None), read_out(network, ideal, u, None))
    if backend == "fused":
        assert torch.equal(read_out(network, equal, u, None)[0], network(u)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_one_noise_for_all_is_that_of_the_key(kind: str, tmp_path: Path) -> None:
    network, u = tiny(kind, width=7), inputs()
    measured = chips(network, devices(tmp_path, 2 * ((0.02,),), NAMES[2:]), u)
    drawn_one = chips(network, Variability(oscillator_noise_per_sqrt_ns=0.02), u)
    assert torch.equal(measured.noise, drawn_one.noise)
    assert measured.tau is measured.s is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_agrees_with_the_reference(kind: str, tmp_path: Path) -> None:
    single: dict[str, Any] = {"dtype": torch.float32, "width": 7, "integrator": "exponential"}
    kernel, reference = (tiny(kind, backend=b, **single) for b in ("fused", "reference"))
    u, how = inputs(batch=150).float(), devices(tmp_path)
    expected = read_out(reference, chips(reference, how, u), u, None)
    assert expected.std(dim=0).mean() > 1e-3, "chips differ"
    found = read_out(kernel, chips(kernel, how, u), u, None)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
