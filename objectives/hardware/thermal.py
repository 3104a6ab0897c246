"""Thermal power of a spintronic oscillator: the power that noise gives it without a
drive.

An auto-oscillator of complex amplitude c, |c|² = x, at temperature T (A. Slavin and V.
Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009), doi:10.1109/TMAG.2008.2009935)::

    dc/dt = -(1 / 2τ) c + (I / 2) (1 - |c|²) c + f(t)
    <f(t) f*(t')> = x_th / τ δ(t - t'),  x_th = kT / E

E is the energy of the oscillation at x = 1, where the drive saturates. The energy is
proportional to x. This noise adds x_th / τ per ns to x on average, so x rests at x_th
without a drive::

    dx/dt = γ x_th - γ x + I x (1 - x),  γ = 1 / τ

======  =============================  =====  ==========================================
symbol  code                           unit   meaning
======  =============================  =====  ==========================================
x_th    ``thermal_power``              1      power at rest, over that of saturation
E                                      J      energy at x = 1
η       ``thermal_noise_per_sqrt_ns``  1/√ns  noise: f(t) = η/2 (ξ + i ξ'), ξ, ξ' white
τ       ``tau_ns``                     ns     relaxation time of the power x
Ms      ``ms_ka_per_m``                kA/m   saturation magnetisation
V       ``volume_nm3``                 nm³    volume that oscillates
f       ``frequency_ghz``              GHz    frequency of the oscillation
Δf      ``linewidth_mhz``              MHz    full width of the line at half maximum
x       ``power``                      1      power at which that was measured
ν       ``nu``                         1      non-linear frequency shift, dimensionless
======  =============================  =====  ==========================================

An estimate from a geometry is right to a factor of about three: a mode does not fill
its layer, and the energy is proportional to x for small x alone.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..refusal import refuse
from .physics import positive

DEVICES = Path(__file__).with_name("devices.toml")
ROOM_K = 300.0
BOLTZMANN_J_PER_K = 1.380649e-23
GYROMAGNETIC_GHZ_PER_T = 28.0
"""Value of a free electron, g μ_B / h."""
Mode = Literal["uniform", "vortex"]
ENERGY: Mapping[Mode, float] = {"uniform": 2.0, "vortex": 1.0}
"""E / (Ms V B), see ``saturation_energy_j``."""


def saturation_energy_j(
    *,
    ms_ka_per_m: float,
    volume_nm3: float,
    frequency_ghz: float,
    mode: Mode = "uniform",
) -> float:
    """Return the energy at x = 1, in J: 2 Ms V B, or Ms V B of a vortex, with B = f /
    (28 GHz/T).

    Uniform precession: x = (Ms - Mz) / 2 Ms. The reversed magnet, x = 1, holds 2 Ms V /
    (g μ_B) magnons of energy h f. A vortex core at the edge of its disc of radius R and
    thickness L: half the stiffness times R², and the stiffness is 2π f times the
    gyrovector 2π L Ms / (2π 28 GHz/T).

    >>> magnet = {"ms_ka_per_m": 800, "volume_nm3": 5e4}
    >>> print(f"{saturation_energy_j(**magnet, frequency_ghz=1.4):.1e}")
    4.0e-18
    """
    positive(
        "thermal power",
        ms_ka_per_m=ms_ka_per_m,
        volume_nm3=volume_nm3,
        frequency_ghz=frequency_ghz,
    )
    moment = 1e3 * ms_ka_per_m * 1e-27 * volume_nm3  # A m²
    return ENERGY[mode] * moment * frequency_ghz / GYROMAGNETIC_GHZ_PER_T


def thermal_power(
    *,
    temperature_k: float,
    ms_ka_per_m: float,
    volume_nm3: float,
    frequency_ghz: float,
    mode: Mode = "uniform",
) -> float:
    """Return the thermal power of an oscillator from its geometry: x_th = kT / E.

    100 nm x 100 nm x 5 nm of permalloy at 1.4 GHz:

    >>> pillar = {"ms_ka_per_m": 800, "volume_nm3": 5e4, "frequency_ghz": 1.4}
    >>> round(thermal_power(temperature_k=300, **pillar), 5)
    0.00104
    """
    positive("thermal power", temperature_k=temperature_k)
    energy = saturation_energy_j(
        ms_ka_per_m=ms_ka_per_m,
        volume_nm3=volume_nm3,
        frequency_ghz=frequency_ghz,
        mode=mode,
    )
    positive("thermal power", energy_j=energy)  # a tiny volume underflows
    return BOLTZMANN_J_PER_K * temperature_k / energy


def thermal_power_of_linewidth(
    *, linewidth_mhz: float, tau_ns: float, power: float, nu: float = 0.0
) -> float:
    """Return the thermal power from a measured line: x_th = 4π τ x Δf / (1 + ν²).

    J.-V. Kim, V. Tiberkevich and A. Slavin, PRL 100, 017207 (2008): 2π Δf = Γ (1 + ν²)
    kT / E(x), with the damping of the amplitude Γ = 1 / 2τ and E(x) = x E. It holds
    well above the threshold, for a line narrower than the relaxation rate of the power.
    Flicker noise widens a line, too, so this is an upper bound.

    >>> x_th = thermal_power_of_linewidth(
    ...     linewidth_mhz=0.1, tau_ns=14.0, power=0.5, nu=2.0
    ... )
    >>> round(x_th, 5)
    0.00176
    """
    positive("thermal power", linewidth_mhz=linewidth_mhz, tau_ns=tau_ns, power=power)
    return 4.0 * math.pi * tau_ns * power * 1e-3 * linewidth_mhz / (1.0 + nu**2)


def thermal_noise_per_sqrt_ns(*, thermal_power: float, tau_ns: float) -> float:
    """Return the noise η of a thermal power, per sqrt(ns): η = sqrt(2 x_th / τ).

    Fluctuation and dissipation balance: the power gains η²/2 per ns and loses x / τ.

    >>> round(thermal_noise_per_sqrt_ns(thermal_power=1e-3, tau_ns=14.0), 3)
    0.012
    >>> round(thermal_noise_per_sqrt_ns(thermal_power=1e-3, tau_ns=3.8), 3)
    0.023
    """
    positive("thermal power", tau_ns=tau_ns)
    return math.sqrt(2.0 * thermal_power / tau_ns)


Positive = Annotated[float, Field(gt=0)]


class Oscillator(BaseModel):
    """An oscillator from a table of a file; subclasses compute the thermal power."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    source: str = ""
    tau_ns: Positive | None = None
    temperature_k: Positive = ROOM_K
    currents: str = ""
    """Where the currents below come from."""
    threshold_ma: Positive | None = None
    """Current at which the oscillation begins, in mA: a drive of 1 γ."""
    drive_low: float = 0.0
    """Least drive, in units of γ: the current over ``threshold_ma``."""
    drive_high: Positive = 3.0
    """Largest drive that the device was operated with, likewise."""
    fixed: dict[str, float] = Field(default_factory=dict)
    """Further parameters of a study, by name."""
    variability: dict[str, float] = Field(default_factory=dict)
    """Spread between such devices, as in a study's ``[variability]``."""
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """95 % intervals of what was estimated, by name."""

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if not self.drive_low < self.drive_high:
            refuse(
                "drive_low",
                "a number below drive_high",
                f"drive_low={self.drive_low}, drive_high={self.drive_high}",
                "Change one of them.",
            )
        return self

    def at_rest(self) -> float:
        """Return the thermal power."""
        raise NotImplementedError

    def derivation(self) -> list[str]:
        """Return the equations that give the thermal power, line by line."""
        raise NotImplementedError

    def _scaling(self) -> str:
        """Return the end of an equation of a power at 300 K: the temperature, and the
        result."""
        if self.temperature_k == ROOM_K:
            return f" = {self.at_rest():.3g}"
        return f" × {self.temperature_k:.4g} / 300 = {self.at_rest():.3g}"


class KnownPower(Oscillator):
    """A device whose thermal power at 300 K is given."""

    thermal_power: Positive

    def at_rest(self) -> float:
        """Return the thermal power: in proportion to the temperature."""
        return self.thermal_power * self.temperature_k / ROOM_K

    def derivation(self) -> list[str]:
        """See ``Oscillator``."""
        if self.temperature_k == ROOM_K:
            return [f"x_th = {self.thermal_power:.3g}"]
        return [f"x_th = {self.thermal_power:.3g}{self._scaling()}"]


class MeasuredLine(Oscillator):
    """A device with a line that was measured at 300 K."""

    linewidth_mhz: Positive
    tau_ns: Positive
    power: Annotated[float, Field(gt=0, le=1)] = 0.5
    nu: float = 0.0

    def at_rest(self) -> float:
        """Return the thermal power: an upper bound, in proportion to the
        temperature."""
        at_300_k = thermal_power_of_linewidth(
            linewidth_mhz=self.linewidth_mhz,
            tau_ns=self.tau_ns,
            power=self.power,
            nu=self.nu,
        )
        return at_300_k * self.temperature_k / ROOM_K

    def derivation(self) -> list[str]:
        """See ``Oscillator``."""
        numbers = f"{self.tau_ns:.4g} × {self.power:.4g} × {self.linewidth_mhz:.4g}"
        return [
            "x_th = 4π τ x Δf / (1 + ν²), an upper bound     "
            " (doi:10.1103/PhysRevLett.100.017207)",
            f"     = 4π × {numbers} / 1000 / (1 + {self.nu:.4g}²){self._scaling()}",
        ]


_GEOMETRY = {"volume_nm3", "ms_ka_per_m", "frequency_ghz", "mode"}


class Geometry(Oscillator):
    """A device whose thermal power is estimated from its geometry."""

    volume_nm3: Positive
    ms_ka_per_m: Positive
    frequency_ghz: Positive
    mode: Mode = "uniform"

    def saturation_energy_j(self) -> float:
        """Return the energy at x = 1, in J."""
        return saturation_energy_j(**self.model_dump(include=_GEOMETRY))

    def at_rest(self) -> float:
        """Return the thermal power."""
        return thermal_power(**self.model_dump(include={*_GEOMETRY, "temperature_k"}))

    def derivation(self) -> list[str]:
        """See ``Oscillator``."""
        letters = "Ms V B"
        two = ""
        if self.mode == "uniform":
            letters = "2 Ms V B"
            two = "2 × "
        numbers = f"{two}{self.ms_ka_per_m:.4g} kA/m × {self.volume_nm3:,.0f} nm³"
        field = f"{self.frequency_ghz:.4g} GHz / (28 GHz/T)"
        joule = f"{self.saturation_energy_j():.4g}"
        ratio = f"1.381e-23 × {self.temperature_k:.4g} / {joule}"
        return [
            f"E = {letters} = {numbers} × {field} = {joule} J",
            f"x_th = kT / E = {ratio} = {self.at_rest():.3g}",
        ]


KINDS: Mapping[str, type[Oscillator]] = {
    "thermal_power": KnownPower,
    "linewidth_mhz": MeasuredLine,
    "volume_nm3": Geometry,
}
"""The class of device by the key that no other class has."""


def choose_kind(*tables: Mapping[str, Any]) -> type[Oscillator]:
    """Return the class of device by the keys of tables; the first table decides.

    >>> choose_kind({"temperature_k": 77}, {"linewidth_mhz": 0.1}).__name__
    'MeasuredLine'
    """
    for table in tables:
        for key, cls in KINDS.items():
            if key in table:
                return cls
    return Geometry


def study_tables(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a table of a device gives a study: ``[fixed]`` and
    ``[variability]``.

    The thermal power may be computed. A device of one's own need not have any.

    Raises:
        ValueError: a value is invalid.

    >>> fixed, _ = study_tables({"tau_ns": 8.0, "fixed": {"f_cut_per_ns": 0.02}})
    >>> fixed
    {'tau_ns': 8.0, 'f_cut_per_ns': 0.02}
    """
    fixed = {name: table[name] for name in _OF_A_STUDY if name in table}
    if table.keys() & KINDS.keys():
        fixed["thermal_power"] = choose_kind(table)(**table).at_rest()
    fixed |= table.get("fixed", {})
    return fixed, dict(table.get("variability", {}))


_OF_A_STUDY = ("tau_ns", "drive_low", "drive_high")


def read_tables(path: Path = DEVICES) -> dict[str, Any]:
    """Return the tables of a file by name, not yet validated.

    Raises:
        ValueError: the file is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: not a readable TOML file ({error}). Check the path."
        ) from None
