"""Networks on simulated devices: what is drawn, what noise does, and SciPy's solution
of a chip."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks import (
    GAMMA,
    KINDS,
    THERMAL,
    WITH_WARM,
    Floats,
    inputs,
    make_chip,
    scaled,
    solved_by_scipy,
    tiny,
)

from hpo.objectives.hardware.variability import Variability
from hpo.objectives.networks.input_errors import noisy_input
from hpo.objectives.networks.kernels.chips import Chip
from hpo.objectives.networks.programming import Programming, programmed, quantise
from hpo.objectives.networks.simulated_chips import (
    Training,
    draw_chip,
    draw_normals,
    is_noisy,
)
from hpo.objectives.training.solved_equation import finer_steps, solving_steps

SEED = 11
ROWS = ((2.0, 0.5, 0.01), (3.0, 0.7, 0.0), (7.0, 0.2, 0.04))
NAMES = ("tau_ns", "s", "oscillator_noise_per_sqrt_ns")
NOISE = "oscillator_noise_per_sqrt_ns"


def chips(
    network: Any, how: Variability, *, draws: int = 4, n_jumps: int = 5
) -> list[Chip]:
    """Chips as scores have them: with noise where there is some."""
    noisy, found = is_noisy(how, network), []
    for number in range(draws):
        normals = (
            draw_normals(SEED, number, network=network, n_jumps=n_jumps)
            if noisy
            else None
        )
        found.append(draw_chip(how, SEED, number, network=network, normals=normals))
    return found


def values(drawn: list[Chip], name: str) -> Floats:
    return np.stack([{**vars(chip), **chip.factors}[name] for chip in drawn])


def measured(
    directory: Path,
    rows: tuple[tuple[float, ...], ...] = ROWS,
    names: tuple[str, ...] = NAMES,
) -> Variability:
    path = directory / "devices.csv"
    lines = [",".join(names), *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines))
    return Variability(devices=str(path)).resolve(directory)


# --- what a chip computes ---


@pytest.mark.parametrize(
    ("spread", "noise", "again", "limit"),
    [
        (0.5, 0.0, 1, "none"),
        (0.3, 0.1, 1, "none"),
        (0.3, 0.1, 3, "none"),
        (0.5, 0.0, 1, "smooth"),
        (0.3, 0.1, 1, "smooth"),
    ],
)
@pytest.mark.parametrize("kind", WITH_WARM)
def test_a_chip_refined_is_the_solution_between_its_jumps(
    kind: str, spread: float, noise: float, again: int, limit: str
) -> None:
    """Layers and neurons differ; noise jumps twice per point, and costs an error of
    first order."""
    own: dict[str, Any] = {"tau_ns": (2.0, 4.0, 9.0), "s": (0.4, 0.5, 0.9)}
    own |= {} if kind == "ctrnn" else {"f_cut_per_ns": (0.0, 0.1, 0.5)}
    own |= {"drive_limit": limit}
    network, u = tiny(kind, **own, density_inter=1.0), inputs(batch=2, time=4)
    chip = make_chip(network, 4, spread=spread, noise=noise, jumps=2, again=again)
    y = solved_by_scipy(network, u[0], chip)[1][-1]
    network.backend = "reference"
    single, errors = tiny(kind, **own, density_inter=1.0, dtype=torch.float32), []
    for steps in (2, 4, 8, 128):
        with finer_steps(network, steps), finer_steps(single, steps):
            found = network.outputs(u, 1, chip)[0, 0, 0].detach().numpy()
            by_kernel = single.outputs(u.float(), 1, chip)[0, 0, 0].detach().numpy()
        errors.append(np.abs(found - y).max())
        np.testing.assert_allclose(by_kernel, found, rtol=0, atol=2e-5)
    assert errors[3] < (1e-3 if noise else 2e-5)
    assert errors[0] > 1.5 * errors[1] > 2.25 * errors[2] > 10 * errors[3]
    assert np.abs(y - solved_by_scipy(network, u[0])[1][-1]).max() > 1e-3, (
        "it is not ideal"
    )


@pytest.mark.parametrize("steps", [3, 4])
def test_steps_that_solve_are_a_multiple_of_those_after_which_noise_jumps(
    steps: int,
) -> None:
    network = tiny(
        point_ns=2.5, steps_per_point=steps
    )  # 5 by default: twice that is no multiple
    found, _ = solving_steps(network, inputs())
    assert found % steps == 0


@pytest.mark.parametrize("backend", ["fused", "reference"])
@pytest.mark.parametrize("drive", [0.0, 0.6, -2.0])
def test_the_mean_over_noisy_chips_is_the_warm_equation(
    backend: str, drive: float
) -> None:
    """From nearly 0 to x_th / (1 - I/γ), to four standard errors; 20,480 oscillators.

    Where x is small, the oscillator is linear to about 1 %. Noise that comes at the end
    of a step h has not been damped yet, so its mean effect is larger by half of what
    the step takes.
    """
    size = {"layers": 1, "width": 40, "point_ns": 0.1, "readout": "x", "start": 1e-9}
    network = scaled(tiny("warm", **size, dtype=torch.float32, backend=backend), 0.0)
    network.bias.data[:] = (drive - 2) * GAMMA / 0.5
    u, damping = inputs(batch=32, time=120).float(), (1 - drive) * GAMMA
    mean = network.outputs(u[:1], 120)[0, 0, :, 0].detach().numpy()
    time_ns = 0.1 * np.arange(1, 121)
    wanted = THERMAL / (1 - drive) * -np.expm1(-damping * time_ns)
    np.testing.assert_allclose(mean, wanted, rtol=0.01)
    with torch.no_grad():
        drawn = chips(network, Variability(), draws=16, n_jumps=120)
        each = [network.outputs(u, 120, chip)[0] for chip in drawn]
    noisy = torch.cat(each).transpose(1, 2).flatten(0, 1).double().numpy()
    standard = noisy.std(axis=0) / math.sqrt(len(noisy))
    late = mean * (1 + damping * 0.1 / 2)
    for t in (4, 19, 59, 119):
        assert abs(noisy[:, t].mean() - late[t]) < 4 * standard[t] + 0.005 * mean[t]
    assert standard[-1] < 0.01 * mean[-1]


# --- what is drawn ---


def test_without_variability_a_chip_is_ideal() -> None:
    for how in (Variability(), Variability(input_noise=0.1, clock_jitter=0.1)):
        [chip] = chips(tiny(), how, draws=1)
        assert not any(vars(chip).values())


@pytest.mark.parametrize("spread", [0.1, 0.5, 1.0])
def test_factors_are_positive_with_mean_1_and_the_spread_that_was_asked_for(
    spread: float,
) -> None:
    how = Variability(tau_ns_spread=spread, s_spread=spread)
    drawn = chips(tiny(width=40), how, draws=400)
    factors = [values(drawn, name) for name in ("tau_ns", "s")]
    for factor in factors:
        assert factor.min() > 0
        assert factor.mean() == pytest.approx(1.0, abs=0.02)
        assert factor.std() == pytest.approx(spread, rel=0.06)
        assert np.log(factor).std() == pytest.approx(
            math.sqrt(math.log1p(spread**2)), rel=0.02
        )
    assert abs(np.corrcoef(*map(np.ravel, factors))[0, 1]) < 0.02, (
        "of independent streams"
    )


def test_a_chip_depends_on_no_other_draw_and_scales_with_the_spread() -> None:
    network = tiny()
    wide, narrow, alone = (
        Variability(tau_ns_spread=tau, s_spread=s, **{NOISE: noise})
        for tau, s, noise in ((0.2, 0.3, 0.05), (0.1, 0.3, 0.02), (0.2, 0.0, 0.0))
    )
    own, other = chips(network, wide, draws=3)[2], chips(network, narrow, draws=4)[2]
    assert np.array_equal(own.s, other.s)
    assert np.array_equal(own.normals, other.normals)
    assert np.array_equal(
        own.factors["tau_ns"], chips(network, alone, draws=3)[2].factors["tau_ns"]
    )
    sigma = [math.sqrt(math.log1p(spread**2)) for spread in (0.2, 0.1)]
    z, same = (
        np.log(c.factors["tau_ns"]) / w + w / 2
        for c, w in zip((own, other), sigma, strict=True)
    )
    np.testing.assert_allclose(same, z)
    different = chips(network, wide, draws=2)
    assert not np.array_equal(
        values(different, "tau_ns")[0], values(different, "tau_ns")[1]
    )
    assert not np.array_equal(
        values(different, "normals")[0], values(different, "normals")[1]
    )


def test_thermal_noise_is_that_of_the_thermal_power_unless_one_is_given() -> None:
    """η² = 2 x_th / τ, of each oscillator its own τ."""
    warm = tiny("warm", tau_ns=(2.0, 4.0, 9.0))
    [chip] = chips(warm, Variability(tau_ns_spread=0.4), draws=1)
    tau_ns = np.repeat([2.0, 4.0, 9.0], 4) * chip.factors["tau_ns"]
    np.testing.assert_allclose(chip.noise_per_sqrt_ns, np.sqrt(2 * THERMAL / tau_ns))
    [chip] = chips(warm, Variability(tau_ns_spread=0.4, **{NOISE: 0.03}), draws=1)
    assert (chip.noise_per_sqrt_ns == 0.03).all()
    for network, how, noisy in (
        (warm, Variability(), True),
        (warm, Variability(**{NOISE: 0.0}), False),
        (tiny(), Variability(), False),
        (tiny("ctrnn"), Variability(), False),
        (tiny("ctrnn"), Variability(**{NOISE: 0.1}), True),
    ):
        assert is_noisy(how, network) == noisy


@pytest.mark.parametrize("noise", [False, True])
def test_training_sees_a_chip_per_batch_of_another_thermal_power(noise: bool) -> None:
    """Log-uniform about the nominal one; noise goes with its root, and jumps once per
    point."""
    warm = tiny("warm")
    training = Training(network=warm, seed=SEED, noise=noise, span=3.0)
    assert (training.varies, training.noisy) == (True, noise)
    first, again, later = (
        [chip for chip, _ in itertools.islice(training.chips(epoch, 5), 200)]
        for epoch in (1, 1, 2)
    )
    factors = np.log(values(first, "thermal_power")[:, 0]) / math.log(3.0)
    assert np.abs(factors).max() <= 1.0
    assert np.quantile(factors, [0.25, 0.5, 0.75]) == pytest.approx(
        [-0.5, 0.0, 0.5], abs=0.15
    )
    assert np.array_equal(
        values(again, "thermal_power"), values(first, "thermal_power")
    )
    assert not np.array_equal(
        values(later, "thermal_power"), values(first, "thermal_power")
    )
    if not noise:
        assert first[0].normals is first[0].noise_per_sqrt_ns is None
        return
    for chip, other in itertools.pairwise(first[:5]):
        eta = np.sqrt(2 * THERMAL * chip.factors["thermal_power"] * GAMMA)
        np.testing.assert_allclose(chip.noise_per_sqrt_ns, eta)
        assert (chip.jumps_per_point, len(chip.normals)) == (
            1,
            5 * warm.floats_per_jump,
        )
        assert not np.array_equal(chip.normals, other.normals)
    assert not Training(network=warm, seed=SEED).varies
    assert not Training(network=tiny(), seed=SEED, noise=True).varies


def test_inputs_are_as_noisy_as_they_should_be() -> None:
    u, generator = inputs(batch=200, time=50), np.random.default_rng(0)
    assert noisy_input(u, 0.0, generator) is u
    change = noisy_input(u, 0.3, generator) - u
    assert change.std().item() == pytest.approx(0.3, rel=0.02)
    assert abs(change.mean()) < 0.01


# --- measured devices ---


@pytest.mark.parametrize("kind", KINDS)
def test_every_neuron_is_one_row_of_the_file(kind: str, tmp_path: Path) -> None:
    network = tiny(kind, width=(8, 12, 5))
    drawn = chips(network, measured(tmp_path), draws=3)
    found = [values(drawn, name) for name in ("tau_ns", "s", "noise_per_sqrt_ns")]
    means = *np.mean(ROWS, axis=0)[:2], 1.0
    own = np.stack(
        [value * mean for value, mean in zip(found, means, strict=True)], axis=-1
    )
    assert own.shape == (3, network.n_neurons, 3)
    assert {tuple(row) for row in own.reshape(-1, 3).round(12).tolist()} == set(ROWS)
    assert len({of_chip.tobytes() for of_chip in found[0]}) == 3, "chips differ"
    again = chips(network, measured(tmp_path), draws=2)
    assert np.array_equal(values(again, "tau_ns"), found[0][:2])


def test_equal_rows_are_the_ideal_and_one_noise_for_all_is_that_of_the_key(
    tmp_path: Path,
) -> None:
    [equal] = chips(tiny(), measured(tmp_path, 3 * ((0.1, 0.3, 0.0),)), draws=1)
    assert equal.factors.get("tau_ns") is equal.s is equal.normals is None
    [one] = chips(tiny(), measured(tmp_path, 2 * ((0.02,),), NAMES[2:]), draws=1)
    [key] = chips(tiny(), Variability(**{NOISE: 0.02}), draws=1)
    assert np.array_equal(one.noise_per_sqrt_ns, key.noise_per_sqrt_ns)
    assert np.array_equal(one.normals, key.normals)


def test_a_device_without_noise_on_a_chip_with_it_has_none(tmp_path: Path) -> None:
    """Neither jumps nor their mean effect; the kernel agrees (see ``test_kernels``)."""
    network = scaled(tiny("warm", layers=1, readout="x", dtype=torch.float32), 0.0)
    u = inputs(batch=2).float()
    [chip] = chips(network, measured(tmp_path, ((0.0,), (0.05,)), NAMES[2:]), draws=1)
    quiet = chip.noise_per_sqrt_ns == 0.0
    assert 0 < quiet.sum() < 4
    for backend in ("fused", "reference"):
        network.backend = backend
        change = network.outputs(u, 5, chip)[0, :, :, quiet]
        torch.testing.assert_close(change, torch.zeros_like(change), rtol=0, atol=1e-6)


# --- weights ---


@pytest.mark.parametrize("bits", [2, 3, 5, 8, 16])
def test_rounded_weights_are_evenly_spaced_and_symmetric(bits: int) -> None:
    w = torch.linspace(-0.7, 0.7, 4001, dtype=torch.float64)
    top = 2 ** (bits - 1) - 1
    step = 0.7 / top
    found = quantise(w, bits)
    expected = [step * round(value / step) for value in w.tolist()]
    assert found.tolist() == pytest.approx(expected, abs=1e-15)
    assert torch.equal(quantise(-w, bits), -found)
    assert torch.equal(quantise(found, bits), found)
    if bits <= 8:
        assert len(found.unique()) == 2**bits - 1
    assert quantise(torch.zeros(3), bits).tolist() == [0, 0, 0]
    assert quantise(torch.zeros(0, 2, 2), bits).shape == (0, 2, 2)
    assert quantise(w, None) is w


def test_every_trained_tensor_is_written_by_its_own_largest_value_and_comes_back() -> (
    None
):
    network = tiny()
    before = [parameter.detach().clone() for parameter in network.parameters()]

    def fail() -> None:
        with programmed(network, Programming(seed=0, number=0, bits=3)):
            for parameter, exact in zip(network.parameters(), before, strict=True):
                step = exact.abs().max() / 3
                torch.testing.assert_close(
                    parameter.data, torch.round(exact / step) * step
                )
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert all(map(torch.equal, network.parameters(), before))
    with programmed(network, None):
        assert all(map(torch.equal, network.parameters(), before))
