"""A trained network on simulated devices: the chips, and what the network reads out on them.

Of neuron i of a chip, in the notation of ``spintronic`` and ``ctrnn``::

    γ_i = 1 / (f_i τ),   S_i = g_i S                 f, g log-normal, of mean 1
    W   → Δ round(W / Δ),   Δ = max|W| / (2^(bits - 1) - 1)          for each trained tensor
    u   → u + n                                      n normal, anew for every point of every series
    c   → c + η/2 √h (ξ + i ξ'),  x = |c|²           ξ, ξ' normal, every h ns: after each step
    η   = √(2 γ_i x_th)                              that of the thermal power, if none is given

With ``devices``, every neuron of a chip is one of the devices that were measured, drawn with
replacement: f_i, g_i and η_i are those of its row, f and g by the mean of their column.

The fixed bias of the spintronic network stays 2γ of the nominal device: a chip has one supply. A
neuron with γ_i ≥ 2γ does not oscillate by itself. The noise is white, so η is per √ns and what it
does within a time does not depend on the step. Where there is noise, its mean effect, the source
γ x_th of the ideal equation, is left out. Eq. (1) is that of the power x = |c|² of an
auto-oscillator, and thermal noise drives its complex amplitude c: x moves by η √x dW, and an
oscillator at rest gains η²/2 per ns. Added to x itself, the same η would be thousands of times
that where x is small, which is where these networks keep what they remember. x stays within its
bounds, and its jumps pass the high-pass filter whole. The state of a CTRNN gets η √h ξ.

============  ==================  ========  =======================================
paper symbol  code name           unit      shape
============  ==================  ========  =======================================
f             tau                 1         (neurons,)
g             s                   1         (neurons,)
η             noise_per_sqrt_ns   1/√ns     (neurons,)
ξ             normals             1         (jumps, parts, series, neurons)
n             input_noise         1         (batch, time, channels)
============  ==================  ========  =======================================

A jump is no part of the polynomial that ``integrators`` extrapolates: with noise, a step has an
error of first order, as small as the noise is.

The series of a block get noise of their own, those of the next block the same (``layout.block`` of
them): as good for a mean, and it does not take longer than the network itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpo.objectives.measured import Measured
from hpo.objectives.networks.kernels.chips import Chip
from hpo.objectives.networks.kernels.layout import Floats
from hpo.objectives.networks.kernels.sizes import MAX_CHIP_NOISE, SHIFTS
from hpo.objectives.networks.layered import LayeredNetwork
from hpo.objectives.randomness import stream
from hpo.objectives.variability import Variability, log_normal_sigma

Array = NDArray[np.float64]


def drawn(
    variability: Variability,
    seed: int,
    number: int | str,
    *,
    network: LayeredNetwork,
    normals: Floats | None,
    jumps_per_point: int | None = None,
) -> Chip:
    """Return a chip of a member, drawn from its seed: the same in every trial.

    Spreads and noises scale the same random numbers, so that trials and curves are comparable.

    Args:
        variability: how it differs from the ideal.
        seed: that of the member.
        number: which one.
        network: the network that is written to it.
        normals, jumps_per_point: see ``Chip``; None: without noise.
    """
    measured = variability.measured()
    row = None if measured is None else _rows(measured, seed, number, network)

    def factors(name: str, column: str, spread: float) -> Array | None:
        if measured is not None and column in measured.columns:
            own = np.array(measured.factors(column))[row]
            return None if (own == 1.0).all() else own
        if spread == 0.0:
            return None
        sigma, exists = log_normal_sigma(spread), network.exists.cpu().numpy()
        z = stream(seed, f"variability/{name}/{number}").standard_normal(exists.shape)[exists]
        factor: Array = np.exp(sigma * z - sigma**2 / 2)
        return factor

    found = {
        name: factors(name.removesuffix("_ns"), name, getattr(variability, key))
        for name, key in variability.spreads.items()
    }
    varied = {name: own for name, own in found.items() if own is not None}
    noise = noise_per_sqrt_ns(variability, network, measured, row, varied)
    return Chip(
        factors=varied,
        s=factors("s", "s", variability.s_spread),
        noise_per_sqrt_ns=None if normals is None else noise,
        normals=normals,
        jumps_per_point=jumps_per_point,
    )


def _rows(
    measured: Measured, seed: int, number: int | str, network: LayeredNetwork
) -> NDArray[np.int64]:
    """Which of the measured devices every neuron is, (neurons,)."""
    exists = network.exists.cpu().numpy()
    every = stream(seed, f"variability/device/{number}").integers(measured.n, size=exists.shape)
    own: NDArray[np.int64] = every[exists]
    return own


def noise_per_sqrt_ns(
    variability: Variability,
    network: LayeredNetwork,
    measured: Measured | None,
    row: NDArray[np.int64] | None,
    factors: Mapping[str, Array] | None = None,
) -> Array:
    """Return the noise of each neuron, (neurons,): of its own τ, if that of a thermal power."""
    if measured is not None and (column := measured.columns.get("oscillator_noise_per_sqrt_ns")):
        return np.array(column)[row]
    if (given := variability.oscillator_noise_per_sqrt_ns) is not None:
        return np.full(network.n_neurons, given)
    return network.noise_per_sqrt_ns(factors or {})


def is_noisy(variability: Variability, network: LayeredNetwork) -> bool:
    """Whether the neurons of its chips jump."""
    measured = variability.measured()
    row = np.zeros(network.n_neurons, np.int64)
    if measured is not None and "oscillator_noise_per_sqrt_ns" in measured.columns:
        return any(measured.columns["oscillator_noise_per_sqrt_ns"])
    return bool(noise_per_sqrt_ns(variability, network, measured, row).any())


def drawn_normals(seed: int, number: int, *, network: LayeredNetwork, n_jumps: int) -> Floats:
    """Return the normal numbers of the jumps of a chip; see ``Chip``."""
    random = stream(seed, f"variability/oscillator/{number}")
    return random.standard_normal(n_jumps * network.floats_per_jump, dtype=np.float32)


def rounded(weights: Tensor, bits: int | None) -> Tensor:
    """``weights`` in 2^bits - 1 evenly spaced values, symmetric about 0, the largest among them.

    >>> rounded(torch.tensor([-1.0, 0.2, 0.9]), 2).tolist()
    [-1.0, 0.0, 1.0]
    """
    if bits is None or weights.numel() == 0:
        return weights
    step = weights.abs().max() / (2 ** (bits - 1) - 1)
    return torch.where(step > 0, torch.round(weights / step) * step, weights)


@contextmanager
def written(network: LayeredNetwork, bits: int | None) -> Iterator[None]:
    """Within it, every trained tensor of ``network`` takes 2^bits - 1 values; None: as it is."""
    exact = [parameter.detach().clone() for parameter in network.parameters()] if bits else []
    with torch.no_grad():
        for parameter in network.parameters() if bits else ():
            parameter.copy_(rounded(parameter, bits))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(network.parameters(), exact, strict=False):
                parameter.copy_(before)


@lru_cache(maxsize=1)
def _noise_table(seed: int, n: int) -> Floats:
    return stream(seed, "training/noise").standard_normal(n, dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Training:
    """What training sees of devices: batch by batch, another chip.

    A network that was trained on the mean effect of thermal noise loses some points to the noise
    and to another thermal power; one that saw both does not (docs/how-to/thermal.md).
    """

    network: LayeredNetwork
    seed: int
    """That of the member."""
    variability: Variability | None = None
    """The spread of its devices and the noise of its inputs; None: as ideal."""
    noise: bool = False
    """Whether neurons have their noise; else the ideal equation its mean effect."""
    span: float = 1.0
    """Factor up to which the thermal power of a chip is larger or smaller, log-uniform."""

    @property
    def _devices(self) -> Variability:
        return self.variability or Variability()

    @property
    def noisy(self) -> bool:
        """Whether neurons jump in training."""
        return self.noise and is_noisy(self._devices, self.network)

    @property
    def varies(self) -> bool:
        """Whether the chips differ from the ideal network."""
        return self.noisy or self.span > 1.0 or self.variability is not None

    def chips(self, epoch: int, n_points: int) -> Iterator[tuple[Chip, np.random.Generator]]:
        """Yield the chips of an epoch, each with what the noise of its input comes from.

        Jumps come once per point, from numbers that are drawn once: every chip begins somewhere
        else in them, a noise table as in T. Salimans et al., arXiv:1703.03864, section 2.
        """
        random = stream(self.seed, f"training/{epoch}")
        network, per_jump, noisy = self.network, self.network.floats_per_jump, self.noisy
        size = min(n_points, max(1, MAX_CHIP_NOISE // per_jump)) * per_jump
        pool = _noise_table(self.seed, size + SHIFTS) if noisy else np.empty(0, np.float32)
        how: Any = {"network": network, "normals": pool if noisy else None, "jumps_per_point": 1}
        alike = drawn(self._devices, self.seed, f"training/{epoch}/0", **how)
        for number in itertools.count():
            factor = self.span ** random.uniform(-1.0, 1.0)
            first = int(random.integers(SHIFTS // 16)) * 16
            chip = alike
            if self.variability is not None:
                chip = drawn(self._devices, self.seed, f"training/{epoch}/{number}", **how)
            noise = chip.noise_per_sqrt_ns
            yield (
                replace(
                    chip,
                    factors={**chip.factors, "thermal_power": np.full(network.n_neurons, factor)},
                    noise_per_sqrt_ns=None if noise is None else noise * factor**0.5,
                    normals=pool[first : first + size] if noisy else None,
                ),
                random,
            )
