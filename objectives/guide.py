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


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What the rules start from."""

    dt_ns: float
    s: float
    layers: int
    width: int
    density_inter: float
    density_intra: float
    points: int
    channels: int
    classes: int


def guide(sizes: Sizes, device: thermal.Oscillator) -> Guide:
    """Return the hyper-parameters by the rules, and the thermal power of a device.

    Raises:
        ValueError: a number lies outside what the rules allow.
        OverflowError: a number is too large for a float.
    """
    dt_ns = sizes.dt_ns
    s = sizes.s
    width = sizes.width
    densities: Any = {
        "density_inter": sizes.density_inter,
        "density_intra": sizes.density_intra,
    }
    tau_ns = physics.recommended_tau_ns(dt_ns)
    fan_in = physics.fan_in(width=width, **densities)
    rule: Any = {"dt_ns": dt_ns, "s": s, "fan_in": fan_in}
    weight = physics.recommended_weight_per_ns(**rule)
    drive = physics.drive_per_ns(s=s, mean_weight_per_ns=weight, fan_in=fan_in)
    energy: Any = {
        "n_neurons": physics.n_neurons(layers=sizes.layers, width=width),
        "n_synapses": physics.n_synapses(
            layers=sizes.layers,
            width=width,
            channels=sizes.channels,
            classes=sizes.classes,
            **densities,
        ),
        "presentation_ns": physics.presentation_ns(points=sizes.points, dt_ns=dt_ns),
    }
    x_th = device.at_rest()
    return Guide(
        dt_ns=dt_ns,
        s=s,
        layers=sizes.layers,
        width=width,
        **densities,
        fan_in=fan_in,
        tau_ns=tau_ns._asdict(),
        f_cut_per_ns=physics.recommended_f_cut_per_ns(dt_ns),
        weight_per_ns=weight,
        cumulative_drive=physics.cumulative_drive(drive_per_ns=drive, dt_ns=dt_ns),
        learning_rate=physics.recommended_learning_rate(**rule),
        points=sizes.points,
        **energy,
        energy_pj=physics.energy_pj(**energy),
        thermal_power=x_th,
        thermal_noise_per_sqrt_ns=thermal.thermal_noise_per_sqrt_ns(
            thermal_power=x_th, tau_ns=tau_ns.best
        ),
    )


_PAGE = """\
Input points {g.dt_ns:.4g} ns apart, {g.layers} layers of {g.width} \
spintronic neurons, S = {g.s}.
Rules from arXiv:2408.02835; ns and 1/ns throughout.

1. Relaxation time: Δt < τ                                  (section IV, Fig. 2b and 3a)
   A neuron must remember earlier points, and still follow the new ones.
   The paper's optimum is τ = 14.12 ns at Δt = 1 ns, and that network works from 0.4 to
   2.5 ns.
   The equations know times only by their ratios, so for you:
     τ = 14.12 × {g.dt_ns:.4g} = {g.tau_ns[best]:.4g} ns
     and it should work from 14.12 / 2.5 × {g.dt_ns:.4g} = {g.tau_ns[low]:.4g} ns \
to 14.12 / 0.4 × {g.dt_ns:.4g} = {g.tau_ns[high]:.4g} ns
     f_cut = 0.1 / {g.dt_ns:.4g} = {g.f_cut_per_ns:.4g} per ns \
(the paper gives none: 0.1 at 1 ns reproduces it)

2. Fan-in: N = d_inter × width + d_intra × width            (below Eq. 9)
     N = {g.density_inter:.4g} × {g.width} + {g.density_intra:.4g} × {g.width} \
= {g.fan_in:.4g}

3. Cumulative drive: I × Δt ≈ 1, with I = S × <|W|> × √N    (Eq. 11, Eq. 9)
   During one input point the drive must make up for the damping:
   I × Δt / τ ≈ γ = 1/τ (Eq. 10).
   The mean absolute weight that does it:
     <|W|> = 1 / (Δt × S × √N) = 1 / ({g.dt_ns:.4g} × {g.s} × √{g.fan_in:.4g}) \
= {g.weight_per_ns:.4g} per ns
     I × Δt = {g.s} × {g.weight_per_ns:.4g} × √{g.fan_in:.4g} × {g.dt_ns:.4g} \
= {g.cumulative_drive:.4g}
   No fine tuning is needed: accuracy holds over about a fivefold window (end of
   section IV).

4. Learning rate: about a hundredth of those weights        (below Eq. 11)
     lr = {g.weight_per_ns:.4g} / 100 = {g.learning_rate:.4g}
   That is an order of magnitude. The paper's own search ended higher, at lr0 = 0.149
   with a decay (for Δt = 1 ns), where this rule says 0.0035; so search from there up to
   the weights themselves.

5. Energy per 100 ns: 100 fJ per neuron, 10 fJ per synapse  (section V)
     {g.n_neurons} neurons × 100 fJ + {g.n_synapses} synapses × 10 fJ \
= {per_100_ns:.4g} pJ in 100 ns
     {g.points} points × {g.dt_ns:.4g} ns = {g.presentation_ns:.4g} ns per series: \
{g.energy_pj:.4g} pJ

6. Thermal power: x_th = kT / E                          (doi:10.1109/TMAG.2008.2009935)
   Noise gives an oscillator this power without a drive:
   dx/dt = γ x_th - γ x + I x (1 - x).
   E is its energy at saturation, x = 1. Estimates are right to a factor of about three.
{thermal}
   No network can use powers below x_th: train it with thermal_power
   (docs/how-to/thermal.md).

A study to begin with. The ranges contain the values above and are wider: searches that
begin at the paper's point end lower. `hpo new study NAME --data PATH` writes a whole
file for your data, with the same ranges:

{toml}"""


_FURTHER = """\
# More tables of a study file; remove the # of what you want
# (docs/reference/study-file.md).

# [stop]                 # any of these ends the search before budget.trials
# target = 0.95
# patience = 100         # trials without a better one
# max_epochs = 50_000    # training epochs of the search

# [warm_start]           # the first trials get the best points of another study,
# study = "seqdigits"    # or points of your own: [[warm_start.points]]

# [variability]          # accuracy on simulated chips: spread, noise, few bits
# tau_spread = 0.15
# s_spread = 0.1
# weight_bits = 5

# [cost]                 # search the Pareto front of accuracy and energy; not with stop
# name = "energy_pj"

# [constraints]          # train no network that costs more
# energy_pj = 25.0\
"""


_STUDY = """\
objective = "spintronic"

[fixed]
dt_ns = {g.dt_ns}
s = {g.s}
layers = {g.layers}
width = {g.width}
density_inter = {g.density_inter}
density_intra = {g.density_intra}
thermal_power = {g.thermal_power:.3g}

[space]
{ranges}
lr_decay = {{ low = 1.0, high = 100.0, log = true }}

{further}"""


def page(numbers: Guide, device: thermal.Oscillator) -> str:
    """Return the rules with their numbers, and a study file to begin with."""
    per_100_ns = physics.energy_pj(
        n_neurons=numbers.n_neurons,
        n_synapses=numbers.n_synapses,
        presentation_ns=100.0,
    )
    ranges = advice.space(dt_ns=numbers.dt_ns, points=numbers.points)
    del ranges["s"]  # fixed
    lines = [f"{name} = {span}" for name, span in ranges.items()]
    study = _STUDY.format(g=numbers, ranges="\n".join(lines), further=_FURTHER)
    return _PAGE.format(
        g=numbers,
        per_100_ns=per_100_ns,
        thermal=textwrap.indent("\n".join(_thermal(numbers, device)), "     "),
        toml=study,
    )


def _thermal(numbers: Guide, device: thermal.Oscillator) -> list[str]:
    """Return lines on the thermal power of a device and its noise."""
    lines = [*textwrap.wrap(device.source, 94), *device.derivation()]
    times = {"recommended": numbers.tau_ns["best"], "device's": device.tau_ns}
    for name, tau_ns in times.items():
        if tau_ns is not None:
            noise = thermal.thermal_noise_per_sqrt_ns(
                thermal_power=numbers.thermal_power, tau_ns=tau_ns
            )
            root = f"√(2 × {numbers.thermal_power:.3g} / {tau_ns:.4g})"
            lines.append(
                f"noise = √(2 x_th / τ) = {root} = {noise:.4g} per √ns at the {name} τ"
            )
    return lines
