"""Design rules and thermal powers: against the paper, a simulated oscillator, shipped
devices."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hpo.objectives.hardware import physics, thermal


def test_recommended_weights_give_a_cumulative_drive_of_one() -> None:
    """Eq. (11), whatever the time scale and the architecture; Eq. (10) is the same."""
    for point_ns, s, fan_in in ((1.0, 0.5, 32.0), (0.5, 0.5, 32.0), (10.0, 2.0, 7.5)):
        weight = physics.recommended_weight_per_ns(
            point_ns=point_ns, s=s, fan_in=fan_in
        )
        drive = physics.drive_per_ns(s=s, mean_weight_per_ns=weight, fan_in=fan_in)
        assert physics.cumulative_drive(
            drive_per_ns=drive, point_ns=point_ns
        ) == pytest.approx(1.0)
        tau_ns = physics.recommended_tau_ns(point_ns)
        assert drive * point_ns / tau_ns == pytest.approx(1.0 / tau_ns)
        rate = physics.recommended_learning_rate(point_ns=point_ns, s=s, fan_in=fan_in)
        assert rate == pytest.approx(weight / 100)


@pytest.mark.parametrize("point_ns", [0.05, 1.0, 40.0])
def test_relaxation_times_scale_with_the_input_and_stay_above_it(
    point_ns: float,
) -> None:
    tau = physics.recommended_tau_ns(point_ns)
    assert tau / point_ns == pytest.approx(14.12)
    assert physics.recommended_f_cut_per_ns(point_ns) * point_ns == pytest.approx(0.1)


# --- thermal powers ---

TAU_NS, X_TH, POWER = 14.0, 1e-3, 0.5


def amplitudes(drive_per_ns: float, *, n: int, t_ns: float, start: complex) -> Any:
    """Complex amplitudes after ``t_ns`` by Euler and Maruyama: the Langevin equation of
    thermal."""
    rng, steps = np.random.default_rng(1), 500
    dt = t_ns / steps
    eta = thermal.thermal_noise_per_sqrt_ns(thermal_power=X_TH, tau_ns=TAU_NS)
    c = np.full(n, start, dtype=complex)
    for _ in range(steps):
        kick = rng.standard_normal(n) + 1j * rng.standard_normal(n)
        rate = 0.5 * (drive_per_ns * (1 - abs(c) ** 2) - 1 / TAU_NS)
        c += rate * c * dt + 0.5 * eta * kick * math.sqrt(dt)
    return c


def test_an_oscillator_without_a_drive_rests_at_its_thermal_power() -> None:
    c = amplitudes(0.0, n=20_000, t_ns=6 * TAU_NS, start=0.0)
    assert np.mean(abs(c) ** 2) == pytest.approx(X_TH, rel=0.03)


def test_the_linewidth_of_an_oscillator_gives_its_thermal_power() -> None:
    """The phase of a line of full width Δf diffuses by 2π Δf t."""
    t_ns = 4 * TAU_NS
    c = amplitudes(
        1 / TAU_NS / (1 - POWER), n=10_000, t_ns=t_ns, start=math.sqrt(POWER)
    )
    linewidth_mhz = 1e3 * np.var(np.angle(c)) / (2 * math.pi * t_ns)
    found = thermal.thermal_power_of_linewidth(
        linewidth_mhz=linewidth_mhz, tau_ns=TAU_NS, power=POWER
    )
    assert found == pytest.approx(X_TH, rel=0.05)


def test_energy_is_that_of_the_magnons_of_a_reversed_magnet() -> None:
    """N = 2 Ms V / (g μ_B) of them, each of h f."""
    moment = 800e3 * 50_000e-27
    magnons = 2 * moment / (2.0 * 9.274e-24)
    energy = thermal.saturation_energy_j(
        ms_ka_per_m=800, volume_nm3=50_000, frequency_ghz=1.45
    )
    assert energy == pytest.approx(magnons * 6.626e-34 * 1.45e9, rel=1e-3)


def test_energy_of_a_vortex_is_half_its_stiffness_times_its_radius_squared() -> None:
    radius, thickness, ms, f = 250e-9, 10e-9, 800e3, 0.3e9
    gyrovector = 2 * math.pi * thickness * ms / (2 * math.pi * 28e9)
    energy = thermal.saturation_energy_j(
        ms_ka_per_m=800,
        volume_nm3=1e27 * math.pi * radius**2 * thickness,
        frequency_ghz=0.3,
        mode="vortex",
    )
    assert energy == pytest.approx(0.5 * gyrovector * 2 * math.pi * f * radius**2)


@pytest.mark.parametrize("name", thermal.read_tables())
def test_each_shipped_device_has_a_source_and_a_plausible_thermal_power(
    name: str,
) -> None:
    table = thermal.read_tables()[name]
    device = thermal.choose_kind(table)(**table)
    assert device.source
    assert 1e-4 < device.at_rest() < 2e-3


# --- refusals ---

DENSITIES = {"density_inter": 0.5, "density_intra": 0.5}
DEVICE = {
    "temperature_k": 300.0,
    "ms_ka_per_m": 800,
    "volume_nm3": 1e4,
    "frequency_ghz": 1,
}
GOOD: dict[Callable[..., Any], dict[str, float]] = {
    physics.recommended_tau_ns: {"point_ns": 1.0},
    physics.fan_in: {"width": 8, **DENSITIES},
    physics.n_synapses: {"layers": 3, "width": 32, **DENSITIES, "channels": 1},
    physics.presentation_ns: {"points": 1, "point_ns": 1.0},
    thermal.thermal_noise_per_sqrt_ns: {"thermal_power": 1e-3, "tau_ns": 1.0},
    thermal.thermal_power: DEVICE,
    thermal.thermal_power_of_linewidth: {
        "linewidth_mhz": 1.0,
        "tau_ns": 1.0,
        "power": 0.5,
    },
}


@pytest.mark.parametrize(
    ("function", "name", "value", "text"),
    [
        (
            physics.recommended_tau_ns,
            "point_ns",
            0.0,
            "relaxation time: expected `point_ns > 0`, got ",
        ),
        (
            physics.recommended_tau_ns,
            "point_ns",
            math.inf,
            "expected `point_ns > 0`, got point_ns=inf. Use",
        ),
        (
            physics.fan_in,
            "width",
            0,
            "fan-in: expected `width >= 1`, got width=0. Use another w",
        ),
        (
            physics.fan_in,
            "density_intra",
            1.5,
            "expected `0 <= density_intra <= 1`, got density_",
        ),
        (
            physics.n_synapses,
            "channels",
            0,
            "synapses: expected `channels >= 1`, got channels=0",
        ),
        (
            physics.presentation_ns,
            "points",
            0,
            "presentation: expected `points >= 1`, got points",
        ),
        (
            thermal.thermal_noise_per_sqrt_ns,
            "tau_ns",
            0.0,
            "thermal power: expected `tau_ns > 0`, got tau_ns=0.0. Use another",
        ),
        (
            thermal.thermal_power,
            "temperature_k",
            -1.0,
            "thermal power: expected `temperature_k > 0`, got temperature_k=-1.0",
        ),
        (
            thermal.thermal_power_of_linewidth,
            "linewidth_mhz",
            math.inf,
            "expected `linewidth_mhz > 0`, got linewidth_mhz=inf.",
        ),
    ],
)
def test_impossible_numbers_are_refused(
    function: Callable[..., Any], name: str, value: float, text: str
) -> None:
    function(**GOOD[function])
    with pytest.raises(ValueError, match=re.escape(text)):
        function(**GOOD[function] | {name: value})
