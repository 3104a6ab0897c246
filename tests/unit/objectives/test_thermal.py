"""Thermal powers: against a simulated oscillator, of the shipped devices, refusals by text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpo.objectives import thermal

TAU_NS, X_TH, POWER = 14.0, 1e-3, 0.5


def amplitudes(drive_per_ns: float, *, n: int, t_ns: float, start: complex) -> Any:
    """Complex amplitudes after ``t_ns`` by Euler and Maruyama: the Langevin equation of thermal."""
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
    c = amplitudes(1 / TAU_NS / (1 - POWER), n=10_000, t_ns=t_ns, start=math.sqrt(POWER))
    linewidth_mhz = 1e3 * np.var(np.angle(c)) / (2 * math.pi * t_ns)
    found = thermal.thermal_power_of_linewidth(
        linewidth_mhz=linewidth_mhz, tau_ns=TAU_NS, power=POWER
    )
    assert found == pytest.approx(X_TH, rel=0.05)


def test_energy_is_that_of_the_magnons_of_a_reversed_magnet() -> None:
    """N = 2 Ms V / (g μ_B) of them, each of h f."""
    moment = 800e3 * 50_000e-27
    magnons = 2 * moment / (2.0 * 9.274e-24)
    energy = thermal.energy_j(ms_ka_per_m=800, volume_nm3=50_000, frequency_ghz=1.45)
    assert energy == pytest.approx(magnons * 6.626e-34 * 1.45e9, rel=1e-3)


def test_energy_of_a_vortex_is_half_its_stiffness_times_its_radius_squared() -> None:
    radius, thickness, ms, f = 250e-9, 10e-9, 800e3, 0.3e9
    gyrovector = 2 * math.pi * thickness * ms / (2 * math.pi * 28e9)
    energy = thermal.energy_j(
        ms_ka_per_m=800,
        volume_nm3=1e27 * math.pi * radius**2 * thickness,
        frequency_ghz=0.3,
        mode="vortex",
    )
    assert energy == pytest.approx(0.5 * gyrovector * 2 * math.pi * f * radius**2)


@pytest.mark.parametrize("name", thermal.devices())
def test_each_shipped_device_has_a_source_and_a_plausible_thermal_power(name: str) -> None:
    table = thermal.devices()[name]
    device = thermal.kind(table)(**table)
    assert device.source
    assert 1e-4 < device.at_rest() < 2e-3


def test_the_default_device_has_a_thermal_power_of_a_thousandth() -> None:
    table = thermal.devices()["nano-oscillator"]
    assert thermal.Geometry(**table).at_rest() == pytest.approx(1e-3, rel=1e-3)


NOISE = {"thermal_power": 1e-3, "tau_ns": 1.0}
DEVICE = {"temperature_k": 300.0, "ms_ka_per_m": 800, "volume_nm3": 1e4, "frequency_ghz": 1}
LINE = {"linewidth_mhz": 1.0, "tau_ns": 1.0, "power": 0.5}


@pytest.mark.parametrize(
    ("function", "good", "name", "value"),
    [
        (thermal.thermal_noise_per_sqrt_ns, NOISE, "tau_ns", 0.0),
        (thermal.thermal_power, DEVICE, "temperature_k", -1.0),
        (thermal.thermal_power_of_linewidth, LINE, "linewidth_mhz", math.inf),
    ],
)
def test_impossible_numbers_are_refused(
    function: Callable[..., float], good: dict[str, float], name: str, value: float
) -> None:
    assert 0.0 < function(**good) < 1.0
    text = f"thermal power: {name} must be a finite number above 0, got {value}. Change it."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        function(**good | {name: value})


def test_a_file_of_devices_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^no/where.toml: not a readable TOML file \(\[Errno 2\] N"
    ):
        thermal.devices(Path("no/where.toml"))
