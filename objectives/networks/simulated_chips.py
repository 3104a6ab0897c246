"""Simulated chips: the devices that a trained network runs on, and their noise.

Noise is that of docs/explanation/equations.md, "Oscillator". For neuron i of a chip::

    γ_i = 1 / (f_i τ),   S_i = g_i S         f, g log-normal, of mean 1
    S   → g' S,  b_fixed → b' b_fixed        g', b' common to all neurons of a chip
    Δt  → f' Δt                              f' its clock
    u   → u + n                              n normal, anew at each point of each series
    c   → c + η/2 √h (ξ + i ξ'),  x = |c|²   ξ, ξ' normal, every h ns: after each step
    η   = √(2 γ_i x_th)                      from the thermal power, unless η is set

``programming`` writes the weights, ``input_errors`` has the other errors of the input,
``reading`` those of the readout. With ``devices``, every neuron of a chip is one of the
measured devices, drawn with replacement: f_i, g_i and η_i come from its row, f and g
divided by the mean of their column.

The fixed bias b_fixed of the spintronic network is 2γ of the nominal device: a chip has
one supply. A neuron with γ_i ≥ 2γ does not oscillate by itself.

The noise is white: η is per √ns, and its effect within a time does not depend on the
step. With noise, the equation drops its mean effect, the source γ x_th. Eq. (1)
describes the power x = |c|² of an auto-oscillator, and thermal noise drives its complex
amplitude c: x moves by η √x dW, and an oscillator at rest gains η²/2 per ns. Added to x
itself, the same η would be thousands of times larger where x is small, and there these
networks keep their memory. x stays within its bounds, and its jumps pass the high-pass
filter whole. The state of a CTRNN gets η √h ξ.

============  ==================  ========  =======================================
paper symbol  code name           unit      shape
============  ==================  ========  =======================================
f             tau                 1         (neurons,)
g             s                   1         (neurons,)
η             noise_per_sqrt_ns   1/√ns     (neurons,)
ξ             normals             1         (jumps, parts, series, neurons)
n             input_noise         1         (batch, time, channels)
============  ==================  ========  =======================================

``integrators`` does not extrapolate jumps: with noise, a step has an error of first
order, which scales with the noise.

The series of one block get independent noise, and the next block gets the same numbers
again (``layout.block`` series). Means do not suffer, and drawing takes no longer than
the network itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..hardware.variability import Variability, log_normal_sigma
from ..randomness import stream
from .input_errors import InputErrors, draw_input_errors
from .kernels.chips import Chip
from .kernels.layout import Floats
from .kernels.sizes import MAX_CHIP_NOISE, SHIFTS
from .layered import LayeredNetwork
from .programming import Programming
from .reading import Reading

Array = NDArray[np.float64]
_NOISE = "oscillator_noise_per_sqrt_ns"


def draw_chip(
    variability: Variability,
    seed: int,
    number: int | str,
    *,
    network: LayeredNetwork,
    normals: Floats | None,
    jumps_per_point: int | None = None,
) -> Chip:
    """Draw a chip of a member from its seed: the same chip in every trial.

    Spreads and noise scale the same random numbers, so that trials and curves are
    comparable.

    Args:
        variability: how the chip differs from the ideal.
        seed: seed of the member.
        number: number or name of the chip.
        network: the network that runs on it.
        normals, jumps_per_point: see ``Chip``; None: without noise.
    """
    measured = variability.measured()
    exists = network.exists.cpu().numpy()
    rows = np.zeros(network.n_neurons, np.int64)  # of the measured devices
    if measured is not None:
        random = stream(seed, f"variability/device/{number}")
        rows = random.integers(measured.n, size=exists.shape)[exists]

    def factors(name: str, column: str, spread: float) -> Array | None:
        if measured is not None and column in measured.columns:
            values = np.array(measured.factors(column))[rows]
            return None if (values == 1.0).all() else values
        return _draw_factors(seed, f"{name}/{number}", spread, exists)

    varied: dict[str, Array] = {}
    for name, key in variability.spreads.items():
        own = factors(name.removesuffix("_ns"), name, getattr(variability, key))
        if own is not None:
            varied[name] = own
    chip = Chip(factors=varied, s=factors("s", "s", variability.s_spread))
    chip = _with_errors(chip, variability, seed, number, network.n_neurons)
    if normals is None:
        return chip
    noise = _noise_per_sqrt_ns(variability, network, rows, varied)
    how: Any = {"normals": normals, "jumps_per_point": jumps_per_point}
    return replace(chip, noise_per_sqrt_ns=noise, **how)


def _draw_factors(
    seed: int, name: str, spread: float, exists: NDArray[np.bool_]
) -> Array | None:
    """Draw a factor for each neuron, log-normal with mean 1; None: exactly 1."""
    if spread == 0.0:
        return None
    z = stream(seed, f"variability/{name}").standard_normal(exists.shape)[exists]
    sigma = log_normal_sigma(spread)
    factors: Array = np.exp(sigma * z - sigma**2 / 2)
    return factors


def _with_errors(
    chip: Chip, variability: Variability, seed: int, number: int | str, n_neurons: int
) -> Chip:
    """Return the chip with the errors that all its neurons share, those of its weights
    and those of its readout."""
    gain = _draw_factor(seed, f"gain/{number}", variability.gain_error)
    s = chip.s
    if gain is not None:
        s = gain * (np.ones(n_neurons) if s is None else s)
    bias = _draw_factor(seed, f"bias/{number}", variability.bias_error)
    clock = _draw_factor(seed, f"clock/{number}", variability.clock_error)
    return replace(
        chip,
        s=s,
        fixed_drive=bias,
        clock=clock,
        programming=_programming(variability, seed, number),
        reading=_reading(variability, seed, number),
    )


def _draw_factor(seed: int, name: str, spread: float) -> float | None:
    """Draw a factor common to all neurons, log-normal with mean 1; None: exactly 1."""
    if spread == 0.0:
        return None
    z = float(stream(seed, f"variability/{name}").standard_normal())
    sigma = log_normal_sigma(spread)
    return math.exp(sigma * z - sigma**2 / 2)


def _programming(
    variability: Variability, seed: int, number: int | str
) -> Programming | None:
    """Return the errors of the weights; None: exact."""
    errors = (variability.weight_error, variability.weight_error_of_largest)
    if variability.weight_bits is None and not any(errors):
        return None
    return Programming(
        seed=seed,
        number=number,
        bits=variability.weight_bits,
        error=variability.weight_error,
        error_of_largest=variability.weight_error_of_largest,
    )


def _reading(variability: Variability, seed: int, number: int | str) -> Reading | None:
    """Return the errors of what is read; None: exact."""
    if variability.readout_bits is None and variability.readout_noise == 0.0:
        return None
    return Reading(
        seed=seed,
        number=number,
        noise=variability.readout_noise,
        bits=variability.readout_bits,
    )


def _noise_per_sqrt_ns(
    variability: Variability,
    network: LayeredNetwork,
    rows: NDArray[np.int64],
    factors: Mapping[str, Array],
) -> Array:
    """Return the noise of each neuron: measured, set, or thermal at its parameters."""
    measured = variability.measured()
    if measured is not None and _NOISE in measured.columns:
        return np.array(measured.columns[_NOISE])[rows]
    noise = variability.oscillator_noise_per_sqrt_ns
    if noise is not None:
        return np.full(network.n_neurons, noise)
    return network.noise_per_sqrt_ns(factors)


def is_noisy(variability: Variability, network: LayeredNetwork) -> bool:
    """Tell whether noise moves the neurons of the chips: measured, set, or thermal."""
    measured = variability.measured()
    if measured is not None and _NOISE in measured.columns:
        return any(measured.columns[_NOISE])
    noise = variability.oscillator_noise_per_sqrt_ns
    if noise is None:
        return bool(network.noise_per_sqrt_ns({}).any())
    return noise > 0


def draw_normals(
    seed: int, number: int, *, network: LayeredNetwork, n_jumps: int
) -> Floats:
    """Draw the normal numbers of the jumps of a chip; see ``Chip``."""
    random = stream(seed, f"variability/oscillator/{number}")
    return random.standard_normal(n_jumps * network.floats_per_jump, dtype=np.float32)


@lru_cache(maxsize=1)
def _noise_table(seed: int, n: int) -> Floats:
    return stream(seed, "training/noise").standard_normal(n, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Training:
    """Chips for training: another one for each batch.

    A network trained on the mean effect of thermal noise loses accuracy to the noise
    itself and to another thermal power. Trained on both, it does not
    (docs/how-to/thermal.md).
    """

    network: LayeredNetwork
    seed: int
    """Seed of the member."""
    variability: Variability | None = None
    """How the chips differ from the ideal network; None: not at all."""
    noise: bool = False
    """True: neurons have noise; false: the equation has its mean effect."""
    span: float = 1.0
    """Largest factor between the thermal power of a chip and the nominal one,
    log-uniform."""

    @property
    def _devices(self) -> Variability:
        return self.variability or Variability()

    @property
    def noisy(self) -> bool:
        """True if neurons have noise in training."""
        return self.noise and is_noisy(self._devices, self.network)

    @property
    def varies(self) -> bool:
        """True if the chips differ from the ideal network."""
        return self.noisy or self.span > 1.0 or self.variability is not None

    def chips(self, epoch: int, n_points: int) -> Iterator[tuple[Chip, InputErrors]]:
        """Yield the chips of an epoch, each with the errors of its input.

        Neurons jump once per point. The normal numbers come from one table, in which
        every chip begins at another place, as in T. Salimans et al., arXiv:1703.03864,
        section 2.
        """
        random = stream(self.seed, f"training/{epoch}")
        per_jump = self.network.floats_per_jump
        size = min(n_points, max(1, MAX_CHIP_NOISE // per_jump)) * per_jump
        table = _noise_table(self.seed, size + SHIFTS) if self.noisy else None
        how: Any = {"network": self.network, "normals": table, "jumps_per_point": 1}
        devices = self._devices
        chip = draw_chip(devices, self.seed, f"training/{epoch}/0", **how)
        for number in itertools.count():
            name = f"training/{epoch}/{number}"
            factor = self.span ** random.uniform(-1.0, 1.0)
            start = int(random.integers(SHIFTS // 16)) * 16
            if self.variability is not None:
                chip = draw_chip(devices, self.seed, name, **how)
            powers = np.full(self.network.n_neurons, factor)
            factors = {**chip.factors, "thermal_power": powers}
            changes: dict[str, Any] = {"factors": factors}
            if table is not None and chip.noise_per_sqrt_ns is not None:
                noise = chip.noise_per_sqrt_ns * factor**0.5
                changes["noise_per_sqrt_ns"] = noise
                changes["normals"] = table[start : start + size]
            errors = draw_input_errors(devices, self.seed, name, noise=random)
            yield replace(chip, **changes), errors
