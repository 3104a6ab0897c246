"""Design rules and energy of a spintronic network, arXiv:2408.02835, sections III-V.

The paper's equations, with γ the damping and S the amplification:

    I = S <|W|> sqrt(N)                 (9)   drive of a neuron with fan-in N
    I Δt / τ ≈ γ                        (10)  balance of drive and damping
    I Δt ≈ 1                            (11)  the same, as γ = 1 / τ

=========  ======================  =============  =============================
paper      code                    unit           meaning
=========  ======================  =============  =============================
I          ``drive_per_ns``        1/ns           drive of a neuron
S          ``s``                   dimensionless  amplification of the weights
<|W|>      ``mean_weight_per_ns``  1/ns           mean absolute weight
N_neurons  ``fan_in``              dimensionless  connections into a neuron
Δt         ``point_ns``            ns             time between two input points
τ          ``tau_ns``              ns             relaxation time of a neuron
=========  ======================  =============  =============================

They hold where τ > Δt, as Fig. 3c shows (a sentence beside it says the reverse by
mistake). Pure functions of numbers; nothing heavy is imported.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

from ..refusal import refuse

Value = TypeVar("Value")

PAPER_POINT_NS = 1.0
PAPER_TAU_NS = 14.12
PAPER_WINDOW_NS = (0.4, 2.5)
"""Input time scales at which the optimum keeps its accuracy, as the paper has it (Fig.
2b); it does so under no reading of the paper (docs/reproduction.md)."""
PAPER_F_CUT_PER_NS = 0.1
"""Reproduces the paper's accuracy; the paper does not give it."""
LEARNING_RATE_PER_WEIGHT = 0.01
"""Section IV: "in the range of one hundredth of the optimal weights values"."""
MAX_LEARNING_RATE = 10
"""The largest learning rate that a study may have."""
NEURON_UW = 1.0
SYNAPSE_UW = 0.1
"""Power of a neuron and of a synapse, in µW: 100 fJ and 10 fJ in 100 ns (section V)."""


class RecommendedRange(NamedTuple):
    """A range, with the recommended value."""

    low: float
    best: float
    high: float


def fan_in(*, width: int, density_inter: float, density_intra: float) -> float:
    """Mean number of connections into a neuron, N_neurons, as given below Eq. (9).

    Args:
        width: neurons per layer.
        density_inter: fraction of the connections from the layer below that exist.
        density_intra: fraction of the connections within the layer that exist.

    >>> fan_in(width=32, density_inter=0.5, density_intra=0.5)
    32.0
    """
    at_least_one("fan-in", width=width)
    densities = {"density_inter": density_inter, "density_intra": density_intra}
    for name, density in densities.items():
        _check("fan-in", 0 <= density <= 1, f"0 <= {name} <= 1", name, density)
    return density_inter * width + density_intra * width  # below Eq. (9)


def drive_per_ns(*, s: float, mean_weight_per_ns: float, fan_in: float) -> float:
    """Drive of a neuron, in 1/ns: the sum of ``fan_in`` weights of random signs.

    >>> round(drive_per_ns(s=0.5, mean_weight_per_ns=0.3536, fan_in=32.0), 3)
    1.0
    """
    return s * mean_weight_per_ns * math.sqrt(fan_in)  # Eq. (9)


def cumulative_drive(*, drive_per_ns: float, point_ns: float) -> float:
    """Drive that a neuron collects during one input point, dimensionless; best around
    1.

    >>> cumulative_drive(drive_per_ns=2.0, point_ns=0.5)
    1.0
    """
    positive("cumulative drive", point_ns=point_ns)
    return drive_per_ns * point_ns  # left side of Eq. (11)


def recommended_weight_per_ns(*, point_ns: float, s: float, fan_in: float) -> float:
    """Mean absolute weight, in 1/ns, for which the cumulative drive is 1: Eq. (9) in
    Eq. (11).

    >>> round(recommended_weight_per_ns(point_ns=1.0, s=0.5, fan_in=32.0), 4)
    0.3536
    """
    positive("recommended weight", point_ns=point_ns, s=s, fan_in=fan_in)
    # Eq. (11), solved for <|W|> of Eq. (9)
    return 1.0 / (point_ns * s * math.sqrt(fan_in))


def recommended_learning_rate(*, point_ns: float, s: float, fan_in: float) -> float:
    """Learning rate of the order that the paper recommends: a hundredth of the weights.

    >>> round(recommended_learning_rate(point_ns=1.0, s=0.5, fan_in=32.0), 5)
    0.00354
    """
    weight = recommended_weight_per_ns(point_ns=point_ns, s=s, fan_in=fan_in)
    return LEARNING_RATE_PER_WEIGHT * weight  # text below Eq. (11)


def recommended_tau_ns(point_ns: float) -> float:
    """Relaxation time, in ns, of the paper's optimum for inputs ``point_ns`` apart.

    The ratio is what counts: Eq. (2)-(5) stay the same when times are multiplied by a
    factor and τ with them, and weights and f_cut are divided by it.

    >>> recommended_tau_ns(0.5)
    7.06
    """
    positive("recommended relaxation time", point_ns=point_ns)
    return PAPER_TAU_NS * point_ns / PAPER_POINT_NS


def recommended_f_cut_per_ns(point_ns: float) -> float:
    """Cut-off frequency of the high-pass filter, Eq. (5), in 1/ns, scaled as ``tau_ns``
    is.

    >>> recommended_f_cut_per_ns(0.5)
    0.2
    """
    positive("recommended cut-off frequency", point_ns=point_ns)
    return PAPER_F_CUT_PER_NS * PAPER_POINT_NS / point_ns


def n_neurons(*, layers: int, width: int | tuple[int, ...]) -> int:
    """Neurons of a network.

    >>> n_neurons(layers=3, width=32), n_neurons(layers=2, width=(8, 4))
    (96, 12)
    """
    widths = spread_layers(width, layers, "width")
    at_least_one("neurons", layers=layers, width=min(widths, default=1))
    return sum(widths)


def n_synapses(
    *,
    layers: int,
    width: int | tuple[int, ...],
    density_inter: float | tuple[float, ...],
    density_intra: float | tuple[float, ...],
    channels: int = 1,
    classes: int = 10,
    features: int | None = None,
) -> int:
    """Connections of a network: into and between layers, within layers, and the full
    readout.

    Layers may have numbers of their own. The readout weighs ``features``, by default
    those of the last layer.

    >>> n_synapses(layers=3, width=32, density_inter=0.5, density_intra=0.5)
    2896
    >>> tapered = {"layers": 2, "width": (8, 4), "density_intra": (0.5, 0.0)}
    >>> n_synapses(**tapered, density_inter=1.0, classes=2)
    80
    """
    at_least_one("synapses", layers=layers, channels=channels, classes=classes)
    widths = spread_layers(width, layers, "width")
    inter = spread_layers(density_inter, layers, "density_inter")
    intra = spread_layers(density_intra, layers, "density_intra")
    below_each = (channels, *widths)
    total = (features or widths[-1]) * classes
    for n, below, outer, inner in zip(widths, below_each, inter, intra, strict=False):
        fan_in(width=n, density_inter=outer, density_intra=inner)  # checks
        total += round(outer * (n * below)) + round(inner * (n * n))
    return total


def spread_layers(
    value: Value | tuple[Value, ...], layers: int, name: str
) -> tuple[Value, ...]:
    """Return one value for each layer, (layers,).

    Raises:
        ValueError: a tuple has another length.

    >>> spread_layers(0.5, 2, "s"), spread_layers((3.0, 5.0), 2, "tau_ns")
    ((0.5, 0.5), (3.0, 5.0))
    """
    values = value if isinstance(value, tuple) else (value,) * layers
    if len(values) != layers:
        rule = f"one number, or one for each of {layers} layers"
        refuse(name, rule, str(list(values)), f"Use {layers} numbers.")
    return values


def presentation_ns(*, points: int, point_ns: float) -> float:
    """Time, in ns, that one series of ``points`` input points takes.

    >>> presentation_ns(points=64, point_ns=1.0)
    64.0
    """
    at_least_one("presentation", points=points)
    positive("presentation", point_ns=point_ns)
    return points * point_ns


def n_steps(*, point_ns: float, steps_per_point: int, max_step_ns: float) -> int:
    """Equal steps into which ``point_ns`` is divided: at least so many, none longer
    than the longest.

    >>> n_steps(point_ns=1.0, steps_per_point=1, max_step_ns=0.35)
    3
    """
    return max(steps_per_point, math.ceil(point_ns / max_step_ns * (1 - 1e-9)))


def energy_pj(
    *,
    n_neurons: int,
    n_synapses: int,
    presentation_ns: float,
    neuron_uw: float = NEURON_UW,
    synapse_uw: float = SYNAPSE_UW,
) -> float:
    """Energy, in pJ, that a network consumes while one series is presented.

    100 fJ per neuron and 10 fJ per synapse for about 100 ns (section V, after Ross et
    al.), in proportion to the time; or the powers that are given, 1 µW being 1 fJ per
    ns. The paper's 96 neurons and 2896 synapses, "about 40 pJ" in 100 ns:

    >>> round(energy_pj(n_neurons=96, n_synapses=2896, presentation_ns=100.0), 2)
    38.56
    """
    positive("energy", presentation_ns=presentation_ns)
    for name, power in {"neuron_uw": neuron_uw, "synapse_uw": synapse_uw}.items():
        _check("energy", 0 <= power < math.inf, f"{name} >= 0", name, power)
    fj_per_100_ns = 100.0 * neuron_uw * n_neurons + 100.0 * synapse_uw * n_synapses
    return fj_per_100_ns * (presentation_ns / 100.0) / 1000.0  # 1 pJ = 1000 fJ


def positive(where: str, **values: float) -> None:
    """Refuse numbers that are not finite and above 0.

    Raises:
        ValueError: one of them is not; the text begins with ``where``.
    """
    for name, value in values.items():
        _check(where, 0 < value < math.inf, f"{name} > 0", name, value)


def at_least_one(where: str, **counts: int) -> None:
    """Refuse numbers below 1.

    Raises:
        ValueError: one of them is; the text begins with ``where``.
    """
    for name, count in counts.items():
        _check(where, count >= 1, f"{name} >= 1", name, count)


def _check(where: str, holds: bool, rule: str, name: str, number: float) -> None:
    if not holds:
        refuse(where, f"`{rule}`", f"{name}={number}", f"Use another {name}.")
