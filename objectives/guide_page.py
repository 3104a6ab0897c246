"""The page of ``hpo guide``: the numbers of ``guide`` in words, and a study file."""

from __future__ import annotations

import math
import textwrap

from .data import advice
from .guide import BIAS, Guide
from .hardware import physics, thermal

COLUMNS = 94
"""Width of the lines of a source."""

_PAGE = """\
Input points {g.point_ns:.4g} ns apart, {g.layers} layers of {g.width} \
spintronic neurons, S = {g.s}.
Times in ns, drives in units of the damping γ = 1/τ.

A. What works, by searches of digits with a limited drive
   (docs/records/hardware.md, "Rules of thumb"; times scale with Δt)

1. Drive: from {g.drive_low:.4g} to {g.drive_high:.4g} γ
{drive}
   Trained without a limit, networks use -12 to 25 γ, which no junction is driven with.
   Clipped to 3 γ afterwards, they fall from 95 to 19 %; trained within 0 to 3 γ,
   networks have 94 to 96 %.

2. Relaxation time: τ from 1 to 14 Δt, where accuracy is level; begin with 2 Δt
{tau}

3. Learning rate: S × lr0 × Δt = {rate:.4g}, whatever S is
     lr0 = {rate:.4g} / ({g.s} × {g.point_ns:.4g}) = {g.learning_rate:.4g}
     S and lr0 are one parameter: fix S, and search lr0.

4. Filter and training
     f_cut = {cut:.4g} / {g.point_ns:.4g} = {g.f_cut_per_ns:.4g} per ns
     ema_decay = 0.8 (weights averaged over epochs, 1.5 points)
     batches of 10 to 20 series

5. Thermal power: x_th = kT / E                          (doi:10.1109/TMAG.2008.2009935)
   Noise gives an oscillator this power without a drive:
   dx/dt = γ x_th - γ x + I x (1 - x).
   E is its energy at saturation, x = 1. Estimates are right to a factor of about three.
{thermal}
   No network can use powers below x_th: train it with thermal_power
   (docs/how-to/thermal.md).

6. Energy per 100 ns: 100 fJ per neuron, 10 fJ per synapse  (section V of the paper)
     {g.n_neurons} neurons × 100 fJ + {g.n_synapses} synapses × 10 fJ \
= {per_100_ns:.4g} pJ in 100 ns
     {g.points} points × {g.point_ns:.4g} ns = {g.presentation_ns:.4g} ns per series: \
{g.energy_pj:.4g} pJ

B. What the paper advises, without a limit, and what we measured: arXiv:2408.02835
   (readings fill in what the paper omits: docs/reproduction.md)

1. Relaxation time: Δt < τ                                  (section IV, Fig. 2b and 3a)
   Measured: holds under most readings.
   The paper's optimum is τ = 14.12 ns at Δt = 1 ns.
     τ = 14.12 × {g.point_ns:.4g} = {p.tau_ns:.4g} ns
     f_cut = 0.1 / {g.point_ns:.4g} = {p.f_cut_per_ns:.4g} per ns \
(the paper gives none: 0.1 at 1 ns reproduces it)
   Tune τ to Δt. The paper has a window of Δt, 0.4 to 2.5 ns, without fine tuning: no
   reading has it. Accuracy stays within 2 points over a factor of 1 to 2.5.

2. Fan-in: N = d_inter × width + d_intra × width            (below Eq. 9)
     N = {g.density_inter:.4g} × {g.width} + {g.density_intra:.4g} × {g.width} \
= {g.fan_in:.4g}

3. Cumulative drive: I × Δt ≈ 1, with I = S × <|W|> × √N    (Eq. 11, Eq. 9)
   Measured: it depends on the mean. The best networks have 1.2 to 2.4 with <|W|> over
   all entries of the matrices, and 2.4 to 4.7 over the connections that exist.
   During one input point the drive must make up for the damping:
   I × Δt / τ ≈ γ = 1/τ (Eq. 10).
     <|W|> = 1 / (Δt × S × √N) = 1 / ({g.point_ns:.4g} × {g.s} × √{g.fan_in:.4g}) \
= {p.weight_per_ns:.4g} per ns
     I × Δt = {g.s} × {p.weight_per_ns:.4g} × √{g.fan_in:.4g} × {g.point_ns:.4g} \
= {p.cumulative_drive:.4g}
   What the limit leaves: half its range is {half:.4g} γ.
     {half:.4g} γ × Δt = {half:.4g} × {g.point_ns:.4g} / {g.tau_ns:.4g} \
= {g.largest_cumulative_drive:.4g}, {reach}
     The drive saturates at <|W|> = {g.largest_cumulative_drive:.4g} \
× {p.weight_per_ns:.4g} = {g.saturating_weight_per_ns:.4g} per ns.
     At the paper's τ it would be {half:.4g} / 14.12 = {at_paper:.2g}: \
Eq. (11) asks for {paper_drive:.4g} γ there.

4. Learning rate: about a hundredth of those weights        (below Eq. 11)
   Measured: fails under every reading. The best have 20 to 120 times as much: use A 3.
     lr = {p.weight_per_ns:.4g} / 100 = {p.learning_rate:.4g}
   The paper's own search ended at lr0 = 0.149 with a decay, where this rule says
   0.0035.

A study to begin with. `hpo new study NAME --data PATH` writes a whole file for your
data.

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
# tau_ns_spread = 0.15
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
point_ns = {g.point_ns}
s = {g.s}
layers = {g.layers}
width = {g.width}
density_inter = {g.density_inter}
density_intra = {g.density_intra}
thermal_power = {g.thermal_power:.3g}
drive_limit = "smooth"
drive_low = {g.drive_low}
drive_high = {g.drive_high}
ema_decay = 0.8
{tau}
[space]
{ranges}
lr_decay = {{ low = 1.0, high = 1000.0, log = true }}

{further}"""


def page(numbers: Guide, device: thermal.Oscillator) -> str:
    """Return the rules with their numbers, and a study file to begin with."""
    per_100_ns = physics.energy_pj(
        n_neurons=numbers.n_neurons,
        n_synapses=numbers.n_synapses,
        presentation_ns=100.0,
    )
    half = (numbers.drive_high - numbers.drive_low) / 2
    reach = "enough for the paper's 1"
    if numbers.largest_cumulative_drive < 1:
        reach = "below the paper's 1"
    return _PAGE.format(
        g=numbers,
        p=numbers.paper,
        per_100_ns=per_100_ns,
        rate=advice.GOOD_RATE,
        cut=advice.GOOD_CUT_OFF,
        half=half,
        reach=reach,
        at_paper=half / physics.PAPER_TAU_NS,
        paper_drive=physics.PAPER_TAU_NS,
        drive=_indent(_drive(numbers, device)),
        tau=_indent(_relaxation(numbers, device)),
        thermal=_indent(_thermal(numbers, device)),
        toml=_study(numbers, device),
    )


def _study(numbers: Guide, device: thermal.Oscillator) -> str:
    """Return a study file: the values of a device are fixed, the rest is searched."""
    ranges = advice.space(point_ns=numbers.point_ns, points=numbers.points)
    tau = ""
    if device.tau_ns is not None:
        tau = f"tau_ns = {device.tau_ns}\n"
        del ranges["tau_ns"]
    lines = [f"{name} = {span}" for name, span in ranges.items()]
    return _STUDY.format(
        g=numbers,
        tau=tau,
        ranges="\n".join(lines),
        further=_FURTHER,
    )


def _indent(lines: list[str]) -> str:
    return textwrap.indent("\n".join(lines), "     ")


def _drive(numbers: Guide, device: thermal.Oscillator) -> list[str]:
    """Return lines on the range of the drive, in mA if the device tells, and the
    bias."""
    lines = textwrap.wrap(device.currents, COLUMNS)
    low = numbers.drive_low
    high = numbers.drive_high
    if numbers.threshold_ma is None:
        lines.append("1 γ is the threshold current of oscillation.")
    else:
        ma = numbers.threshold_ma
        lines.append(
            f"1 γ is the threshold current of oscillation, {ma:.4g} mA: from"
            f" {low * ma:.3g} to {high * ma:.3g} mA, bias {BIAS * ma:.3g} mA."
        )
    middle = (high + low) / 2
    half = (high - low) / 2
    lines.append(
        f"A source that saturates: I = {middle:.4g} γ + {half:.4g} γ tanh((D -"
        f" {middle:.4g} γ) / {half:.4g} γ),"
    )
    lines.append("with D = S (W y + b) + 2 γ.")
    if not low <= BIAS <= high:
        rest = middle + half * math.tanh((BIAS - middle) / half)
        lines += [
            f"The bias lies outside: without input, {rest:.3g} γ of it act. On digits,"
            " ranges up to",
            "1.5, 1.7, 2.3 and 3 γ have 87, 90, 94 and 92 % (two networks each).",
        ]
    return lines


def _relaxation(numbers: Guide, device: thermal.Oscillator) -> list[str]:
    """Return lines on the relaxation time for the input, or on that of the device."""
    good = numbers.tau_range_ns
    span = f"{good['low']:.4g} to {good['high']:.4g} ns"
    if device.tau_ns is None:
        return [
            f"τ = {advice.GOOD_TAU_PER_POINT[1]:.4g} × {numbers.point_ns:.4g} ="
            f" {good['best']:.4g} ns, from {span}"
        ]
    ratio = numbers.tau_ns / numbers.point_ns
    line = f"your τ = {numbers.tau_ns:.4g} ns is {ratio:.3g} Δt: within {span}"
    if good["low"] <= numbers.tau_ns <= good["high"]:
        return [line]
    better = numbers.tau_ns / advice.GOOD_TAU_PER_POINT[1]
    return [
        line.replace("within", "outside"),
        f"Present the points {better:.3g} ns apart: --point-ns {better:.3g}",
    ]


def _thermal(numbers: Guide, device: thermal.Oscillator) -> list[str]:
    """Return lines on the thermal power of a device and its noise."""
    lines = [*textwrap.wrap(device.source, COLUMNS), *device.derivation()]
    whose = "recommended" if device.tau_ns is None else "device's"
    root = f"√(2 × {numbers.thermal_power:.3g} / {numbers.tau_ns:.4g})"
    noise = numbers.thermal_noise_per_sqrt_ns
    lines.append(
        f"noise = √(2 x_th / τ) = {root} = {noise:.4g} per √ns at the {whose} τ"
    )
    return lines
