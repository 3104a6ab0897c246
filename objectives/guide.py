"""How to choose the hyper-parameters of a spintronic network for inputs of a given time
scale, oscillators of a given relaxation time, temperature and range of drives.

What works stands first, by searches with a limited drive (docs/records/hardware.md).
After it stand the design rules of arXiv:2408.02835, Eq. (9)-(11): those first that
hold under most readings of the paper (docs/reproduction.md), each with what we measured
and what the limit leaves of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .data import advice
from .hardware import physics, thermal

BIAS = 2.0
"""The fixed drive of a spintronic neuron, in units of γ."""


@dataclass(frozen=True, kw_only=True)
class PaperRules:
    """Hyper-parameters by the design rules of the paper."""

    tau_ns: float
    f_cut_per_ns: float
    weight_per_ns: float
    cumulative_drive: float
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class Guide:
    """Hyper-parameters by what works, and by the rules of the paper."""

    point_ns: float
    s: float
    layers: int
    width: int
    density_inter: float
    density_intra: float
    fan_in: float
    tau_ns: float
    """Relaxation time of the device, or the recommended one."""
    tau_range_ns: dict[str, float]
    f_cut_per_ns: float
    learning_rate: float
    drive_low: float
    drive_high: float
    threshold_ma: float | None
    largest_cumulative_drive: float
    """I Δt at half the range of the drive."""
    saturating_weight_per_ns: float
    """Mean absolute weight whose drive is half the range."""
    paper: PaperRules
    n_neurons: int
    n_synapses: int
    points: int
    presentation_ns: float
    energy_pj: float
    thermal_power: float
    thermal_noise_per_sqrt_ns: float


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What the rules start from."""

    point_ns: float
    s: float
    layers: int
    width: int
    density_inter: float
    density_intra: float
    points: int
    channels: int
    classes: int

    @property
    def fan_in(self) -> float:
        """Mean number of connections into a neuron."""
        return physics.fan_in(
            width=self.width,
            density_inter=self.density_inter,
            density_intra=self.density_intra,
        )


def guide(sizes: Sizes, device: thermal.Oscillator) -> Guide:
    """Return what works for inputs and oscillators, and what the paper advises.

    Raises:
        ValueError: a number lies outside what the rules allow.
        OverflowError: a number is too large for a float.
    """
    good = advice.good_relaxation_times_ns(sizes.point_ns)
    tau_ns = device.tau_ns or good.best
    paper = _paper_rules(sizes)
    half_per_ns = (device.drive_high - device.drive_low) / 2 / tau_ns
    x_th = device.at_rest()
    return Guide(
        point_ns=sizes.point_ns,
        s=sizes.s,
        layers=sizes.layers,
        width=sizes.width,
        density_inter=sizes.density_inter,
        density_intra=sizes.density_intra,
        fan_in=sizes.fan_in,
        tau_ns=tau_ns,
        tau_range_ns=good._asdict(),
        f_cut_per_ns=advice.GOOD_CUT_OFF / sizes.point_ns,
        learning_rate=advice.good_learning_rate(point_ns=sizes.point_ns, s=sizes.s),
        drive_low=device.drive_low,
        drive_high=device.drive_high,
        threshold_ma=device.threshold_ma,
        largest_cumulative_drive=half_per_ns * sizes.point_ns,
        saturating_weight_per_ns=half_per_ns * sizes.point_ns * paper.weight_per_ns,
        paper=paper,
        points=sizes.points,
        thermal_power=x_th,
        thermal_noise_per_sqrt_ns=thermal.thermal_noise_per_sqrt_ns(
            thermal_power=x_th, tau_ns=tau_ns
        ),
        **_energy(sizes),
    )


def _paper_rules(sizes: Sizes) -> PaperRules:
    rule: Any = {"point_ns": sizes.point_ns, "s": sizes.s, "fan_in": sizes.fan_in}
    weight = physics.recommended_weight_per_ns(**rule)
    drive = physics.drive_per_ns(
        s=sizes.s, mean_weight_per_ns=weight, fan_in=sizes.fan_in
    )
    return PaperRules(
        tau_ns=physics.recommended_tau_ns(sizes.point_ns),
        f_cut_per_ns=physics.recommended_f_cut_per_ns(sizes.point_ns),
        weight_per_ns=weight,
        cumulative_drive=physics.cumulative_drive(
            drive_per_ns=drive, point_ns=sizes.point_ns
        ),
        learning_rate=physics.recommended_learning_rate(**rule),
    )


def _energy(sizes: Sizes) -> Any:
    """Return the size of the network and the energy of a series."""
    energy: Any = {
        "n_neurons": physics.n_neurons(layers=sizes.layers, width=sizes.width),
        "n_synapses": physics.n_synapses(
            layers=sizes.layers,
            width=sizes.width,
            density_inter=sizes.density_inter,
            density_intra=sizes.density_intra,
            channels=sizes.channels,
            classes=sizes.classes,
        ),
        "presentation_ns": physics.presentation_ns(
            points=sizes.points, point_ns=sizes.point_ns
        ),
    }
    return {**energy, "energy_pj": physics.energy_pj(**energy)}
