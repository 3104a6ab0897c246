"""How to choose the hyper-parameters of a spintronic network for inputs of a given time
scale.

The design rules of arXiv:2408.02835, Eq. (9)-(11), with numbers put in.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from .data import advice
from .hardware import physics, thermal


@dataclass(frozen=True, kw_only=True)
class Guide:
    """Hyper-parameters by the design rules."""

    dt_ns: float
    s: float
    layers: int
    width: int
    density_inter: float
    density_intra: float
    fan_in: float
    tau_ns: dict[str, float]
    f_cut_per_ns: float
    weight_per_ns: float
    cumulative_drive: float
    learning_rate: float
    n_neurons: int
    n_synapses: int
    points: int
    presentation_ns: float
    energy_pj: float
    thermal_power: float
    thermal_noise_per_sqrt_ns: float


def guide(
    *,
    dt_ns: float,
    s: float,
    layers: int,
    width: int,
    density_inter: float,
    density_intra: float,
    points: int,
    channels: int,
    classes: int,
    device: thermal.Device,
) -> Guide:
    """Return the hyper-parameters by the rules, and the thermal power of a device.

    Raises:
        ValueError: a number lies outside what the rules allow.
        OverflowError: a number is too large for a float.
    """
    densities: Any = {"density_inter": density_inter, "density_intra": density_intra}
    tau_ns = physics.recommended_tau_ns(dt_ns)
    fan_in = physics.fan_in(width=width, **densities)
    weight = physics.recommended_weight_per_ns(dt_ns=dt_ns, s=s, fan_in=fan_in)
    drive = physics.drive_per_ns(s=s, mean_weight_per_ns=weight, fan_in=fan_in)
    n_neurons = physics.n_neurons(layers=layers, width=width)
    n_synapses = physics.n_synapses(
        layers=layers, width=width, channels=channels, classes=classes, **densities
    )
    presentation_ns = physics.presentation_ns(points=points, dt_ns=dt_ns)
    x_th = device.at_rest()
    return Guide(
        dt_ns=dt_ns,
        s=s,
        layers=layers,
        width=width,
        **densities,
        fan_in=fan_in,
        tau_ns=tau_ns._asdict(),
        f_cut_per_ns=physics.recommended_f_cut_per_ns(dt_ns),
        weight_per_ns=weight,
        cumulative_drive=physics.cumulative_drive(drive_per_ns=drive, dt_ns=dt_ns),
        learning_rate=physics.recommended_learning_rate(
            dt_ns=dt_ns, s=s, fan_in=fan_in
        ),
        n_neurons=n_neurons,
        n_synapses=n_synapses,
        points=points,
        presentation_ns=presentation_ns,
        energy_pj=physics.energy_pj(
            n_neurons=n_neurons, n_synapses=n_synapses, presentation_ns=presentation_ns
        ),
        thermal_power=x_th,
        thermal_noise_per_sqrt_ns=thermal.thermal_noise_per_sqrt_ns(
            thermal_power=x_th, tau_ns=tau_ns.best
        ),
    )


_PAGE = """\
Input points {dt_ns} ns apart, {layers} layers of {width} spintronic neurons, S = {s}.
Rules from arXiv:2408.02835; ns and 1/ns throughout.

1. Relaxation time: Δt < τ                                       (section IV, Fig. 2b and 3a)
   A neuron must remember earlier points, and still follow the new ones.
   The paper's optimum is τ = 14.12 ns at Δt = 1 ns, and that network works from 0.4 to 2.5 ns.
   The equations know times only by their ratios, so for you:
     τ = 14.12 × {dt_ns} = {tau_best} ns
     and it should work from 14.12 / 2.5 × {dt_ns} = {tau_low} ns to 14.12 / 0.4 × {dt_ns} = \
{tau_high} ns
     f_cut = 0.1 / {dt_ns} = {f_cut} per ns (the paper gives none: 0.1 at 1 ns reproduces it)

2. Fan-in: N = d_inter × width + d_intra × width                 (below Eq. 9)
     N = {density_inter} × {width} + {density_intra} × {width} = {fan_in}

3. Cumulative drive: I × Δt ≈ 1, with I = S × <|W|> × √N         (Eq. 11, Eq. 9)
   During one input point the drive must make up for the damping: I × Δt / τ ≈ γ = 1/τ (Eq. 10).
   The mean absolute weight that does it:
     <|W|> = 1 / (Δt × S × √N) = 1 / ({dt_ns} × {s} × √{fan_in}) = {weight} per ns
     I × Δt = {s} × {weight} × √{fan_in} × {dt_ns} = {drive}
   No fine tuning is needed: accuracy holds over about a fivefold window (end of section IV).

4. Learning rate: about a hundredth of those weights             (below Eq. 11)
     lr = {weight} / 100 = {lr}
   That is an order of magnitude. The paper's own search ended higher, at lr0 = 0.149 with a decay
   (for Δt = 1 ns), where this rule says 0.0035; so search from there up to the weights themselves.

5. Energy: 100 fJ per neuron and 10 fJ per synapse, per 100 ns   (section V)
     {n_neurons} neurons × 100 fJ + {n_synapses} synapses × 10 fJ = {per_100_ns} pJ in 100 ns
     {points} points × {dt_ns} ns = {presentation_ns} ns per series: {energy} pJ

6. Thermal power: x_th = kT / E                                 (doi:10.1109/TMAG.2008.2009935)
   Noise gives an oscillator this power without a drive: dx/dt = γ x_th - γ x + I x (1 - x).
   E is its energy at saturation, x = 1. Estimates are right to a factor of about three.
{thermal}
   No network can use powers below x_th: train it with thermal_power (docs/how-to/thermal.md).

A study to begin with. The ranges contain the values above and are wider: searches that begin at
the paper's point end lower. `hpo new study NAME --data PATH` writes a whole file for your data,
with the same ranges:

{toml}"""


_FURTHER = """\
# More tables of a study file; remove the # of what you want (docs/reference/study-file.md).

# [stop]                 # any of these ends the search before budget.trials
# target = 0.95
# patience = 100         # trials without a better one
# max_epochs = 50_000    # training epochs of the search

# [warm_start]           # the first trials get the best points of another study,
# study = "seqdigits"    # or points of your own: [[warm_start.points]]

# [variability]          # accuracy on simulated chips: spread of oscillators, noise, few bits
# tau_spread = 0.15
# s_spread = 0.1
# weight_bits = 5

# [cost]                 # search the Pareto front of accuracy and energy; not with stop
# name = "energy_pj"

# [constraints]          # train no network that costs more
# energy_pj = 25.0\
"""


def page(numbers: Guide, device: thermal.Device) -> str:
    """Return the rules with their numbers, and a study file to begin with."""
    per_100_ns = physics.energy_pj(
        n_neurons=numbers.n_neurons,
        n_synapses=numbers.n_synapses,
        presentation_ns=100.0,
    )
    return _PAGE.format(
        dt_ns=_text(numbers.dt_ns),
        s=_text(numbers.s),
        layers=numbers.layers,
        width=numbers.width,
        tau_low=_text(numbers.tau_ns["low"]),
        tau_best=_text(numbers.tau_ns["best"]),
        tau_high=_text(numbers.tau_ns["high"]),
        f_cut=_text(numbers.f_cut_per_ns),
        density_inter=_text(numbers.density_inter),
        density_intra=_text(numbers.density_intra),
        fan_in=_text(numbers.fan_in),
        weight=_text(numbers.weight_per_ns),
        drive=_text(numbers.cumulative_drive),
        lr=_text(numbers.learning_rate),
        n_neurons=numbers.n_neurons,
        n_synapses=numbers.n_synapses,
        per_100_ns=_text(per_100_ns),
        points=numbers.points,
        presentation_ns=_text(numbers.presentation_ns),
        energy=_text(numbers.energy_pj),
        thermal=textwrap.indent("\n".join(_thermal(numbers, device)), "     "),
        toml=_toml(numbers),
    )


def _thermal(numbers: Guide, device: thermal.Device) -> list[str]:
    """Return lines on the thermal power of a device and its noise."""
    x_th = f"{numbers.thermal_power:.3g}"
    lines = [*textwrap.wrap(device.source, 94), *_derivation(device, x_th)]
    for name, tau_ns in (
        ("recommended", numbers.tau_ns["best"]),
        ("device's", device.tau_ns),
    ):
        if tau_ns is not None:
            noise = thermal.thermal_noise_per_sqrt_ns(
                thermal_power=numbers.thermal_power, tau_ns=tau_ns
            )
            root = f"√(2 x_th / τ) = √(2 × {x_th} / {_text(tau_ns)})"
            lines.append(f"noise = {root} = {_text(noise)} per √ns at the {name} τ")
    return lines


def _derivation(device: thermal.Device, x_th: str) -> list[str]:
    """Return the equations that give the thermal power of a device."""
    if isinstance(device, thermal.Geometry):
        joule, factor = (
            _text(device.energy_j()),
            "2 " if device.mode == "uniform" else "",
        )
        numbers = f"{_text(device.ms_ka_per_m)} kA/m × {device.volume_nm3:,.0f} nm³"
        field = f"{_text(device.frequency_ghz)} GHz / (28 GHz/T)"
        return [
            f"E = {factor}Ms V B = {factor and '2 × '}{numbers} × {field} = {joule} J",
            (
                f"x_th = kT / E = 1.381e-23 × {_text(device.temperature_k)} / {joule} ="
                f" {x_th}"
            ),
        ]
    if isinstance(device, thermal.Line):
        numbers = (
            f"{_text(device.tau_ns)} × {_text(device.power)} ×"
            f" {_text(device.linewidth_mhz)}"
        )
        return [
            (
                "x_th = 4π τ x Δf / (1 + ν²), an upper bound     "
                " (doi:10.1103/PhysRevLett.100.017207)"
            ),
            f"     = 4π × {numbers} / 1000 / (1 + {_text(device.nu)}²) = {x_th}",
        ]
    return [f"x_th = {x_th}"]


def _toml(numbers: Guide) -> str:
    """Return ``[fixed]`` and ``[space]`` of a study: the recommended ranges, on log
    axes."""
    ranges = advice.space(dt_ns=numbers.dt_ns, points=numbers.points)
    del ranges["s"]  # fixed
    return "\n".join(
        [
            'objective = "spintronic"',
            "",
            "[fixed]",
            f"dt_ns = {numbers.dt_ns}",
            f"s = {numbers.s}",
            f"layers = {numbers.layers}",
            f"width = {numbers.width}",
            f"density_inter = {numbers.density_inter}",
            f"density_intra = {numbers.density_intra}",
            f"thermal_power = {numbers.thermal_power:.3g}",
            "",
            "[space]",
            *(f"{name} = {span}" for name, span in ranges.items()),
            "lr_decay = { low = 1.0, high = 100.0, log = true }",
            "",
            _FURTHER,
        ]
    )


def _text(value: float) -> str:
    """Four significant digits, without trailing zeros."""
    return f"{value:.4g}"
