"""A trained network on simulated devices: the chips, and what the network reads out on them.

Of neuron i of a chip, in the notation of ``spintronic`` and ``ctrnn``::

    γ_i = 1 / (f_i τ),   S_i = g_i S                 f, g log-normal, of mean 1
    W   → Δ round(W / Δ),   Δ = max|W| / (2^(bits - 1) - 1)          for each trained tensor
    u   → u + n                                      n normal, anew for every point of every series
    c   → c + η/2 √h (ξ + i ξ'),  x = |c|²           ξ, ξ' normal, every h ns: after each step

With ``devices``, every neuron of a chip is one of the devices that were measured, drawn with
replacement: f_i, g_i and η_i are those of its row, f and g by the mean of their column.

The fixed bias of the spintronic network stays 2γ of the nominal device: a chip has one supply. A
neuron with γ_i ≥ 2γ does not oscillate by itself. The noise is white, so η is per √ns and what it
does within a time does not depend on the step. Eq. (1) is that of the power x = |c|² of an
auto-oscillator, and thermal noise drives its complex amplitude c: x moves by η √x dW, and an
oscillator at rest gains η²/2 per ns. Added to x itself, the same η would be thousands of times
that where x is small, which is where these networks keep what they remember. x stays within its
bounds, and its jumps pass the high-pass filter whole. The state of a CTRNN gets η √h ξ.

============  ==================  ========  =======================================
paper symbol  code name           unit      shape
============  ==================  ========  =======================================
f             tau                 1         (draws, layers, width)
g             s                   1         (draws, layers, width)
η √h ξ        noise               1         (draws, jumps, parts, neurons, LANES)
n             input_noise         1         (draws, batch, time, channels)
============  ==================  ========  =======================================

A jump is no part of the polynomial that ``integrators`` extrapolates: with noise, a step has an
error of first order, as small as the noise is.

Series k of a chip gets the noise of lane k modulo LANES: chips differ in all of it, and LANES
series of one chip, which is as good for a mean and does not take longer than the network itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.measured import Measured
from objectives.networks.integrators import Past
from objectives.networks.kernels.autograd import fused_output
from objectives.networks.kernels.sizes import LANES
from objectives.networks.layered import LayeredNetwork, NoisyDynamics, Synapses
from objectives.randomness import stream
from objectives.variability import Variability, log_normal_sigma


@dataclass(frozen=True, kw_only=True, eq=False)
class Chips:
    """Some chips: shapes as in the module's table. None stands for what is as in the ideal."""

    tau: Tensor | None
    s: Tensor | None
    noise: Tensor | None
    inputs: tuple[np.random.Generator, ...]
    """Of each chip, where the noise of its input comes from; moved on by every series."""
    input_noise: float

    def noisy(self, u: Tensor) -> Tensor:
        """The input (batch, time, channels) as each chip gets it, (draws, batch, ...)."""
        if self.input_noise == 0.0:
            return u.expand(len(self.inputs), *u.shape)
        drawn = [g.standard_normal(tuple(u.shape), dtype=np.float32) for g in self.inputs]
        return u + self.input_noise * torch.from_numpy(np.stack(drawn)).to(u)


def drawn(
    variability: Variability,
    seed: int,
    draws: range,
    *,
    network: LayeredNetwork,
    noise: Tensor | None,
) -> Chips:
    """The chips ``draws`` of a member, from its seed: the same in every trial and epoch.

    Spreads and noises scale the same random numbers, so that trials and curves are comparable.

    Args:
        variability: how they differ from the ideal.
        seed: that of the member.
        draws: their numbers.
        network: the network that is written to them.
        noise: that of their neurons, see ``drawn_noise``.
    """
    shape = network.bias.shape[1:]
    measured = variability.measured()

    def factors(name: str, column: str, spread: float) -> Tensor | None:
        if measured is not None and column in measured.columns:
            own = np.array(measured.factors(column))[_rows(measured, seed, draws, network)]
            return None if (own == 1.0).all() else torch.from_numpy(own)
        if spread == 0.0:
            return None
        sigma = log_normal_sigma(spread)
        z = [stream(seed, f"variability/{name}/{k}").standard_normal(shape) for k in draws]
        return torch.from_numpy(np.exp(sigma * np.array(z) - sigma**2 / 2))

    return Chips(
        tau=factors("tau", "tau_ns", variability.tau_spread),
        s=factors("s", "s", variability.s_spread),
        noise=noise,
        inputs=tuple(stream(seed, f"variability/input/{k}") for k in draws),
        input_noise=variability.input_noise,
    )


def _rows(
    measured: Measured, seed: int, draws: range, network: LayeredNetwork
) -> NDArray[np.int64]:
    """Which of the measured devices every neuron is, (draws, layers, width)."""
    shape = network.bias.shape[1:]
    return np.array(
        [stream(seed, f"variability/device/{k}").integers(measured.n, size=shape) for k in draws]
    )


def drawn_noise(
    variability: Variability,
    seed: int,
    draws: range,
    *,
    network: LayeredNetwork,
    n_points: int,
    n_steps: int,
) -> Tensor | None:
    """The jumps of the neurons of each chip, ``n_steps`` per point, or None if there are none."""
    eta = np.full((len(draws), 1), variability.oscillator_noise_per_sqrt_ns)
    measured = variability.measured()
    if measured is not None and (column := measured.columns.get("oscillator_noise_per_sqrt_ns")):
        rows = _rows(measured, seed, draws, network)[:, network.exists.cpu().numpy()]
        eta = np.array(column)[rows]
    if not eta.any():
        return None
    parts = network.noise_parts
    shape = (n_points * n_steps, parts, network.n_neurons, LANES)
    size = (eta * math.sqrt(network.physics.dt_ns / n_steps) / parts).astype(np.float32)
    noise: NDArray[np.float32] = np.empty((len(draws), *shape), np.float32)
    for own, k, of_chip in zip(noise, draws, size, strict=True):
        stream(seed, f"variability/oscillator/{k}").standard_normal(out=own, dtype=np.float32)
        own *= of_chip[:, np.newaxis]
    return torch.from_numpy(noise)


def rounded(weights: Tensor, bits: int | None) -> Tensor:
    """``weights`` in 2^bits - 1 evenly spaced values, symmetric about 0, the largest among them.

    >>> rounded(torch.tensor([-1.0, 0.2, 0.9]), 2).tolist()
    [-1.0, 0.0, 1.0]
    """
    if bits is None or weights.numel() == 0:
        return weights
    step = weights.abs().max() / (2 ** (bits - 1) - 1)
    return torch.where(step > 0, torch.round(weights / step) * step, weights)


@torch.no_grad()
def read_out(network: LayeredNetwork, chips: Chips, u: Tensor, bits: int | None) -> Tensor:
    """What a network reads out on every chip: logits, (draws, batch, outputs).

    Args:
        network: a trained network of one member.
        chips: what it is written to.
        u: input, (batch, time, channels).
        bits: those of a weight; None: exact.
    """
    synapses = network.synapses()
    weights = [synapses.w_in, synapses.w_inter, synapses.w_intra, synapses.bias]
    own = _amplified([rounded(w, bits) for w in weights], chips.s, len(chips.inputs))
    run = _by_kernel if network.computes_fused(u) else _by_reference
    y = run(network, chips, own, chips.noisy(u))
    return y @ rounded(network.w_out, bits).mT + rounded(network.bias_out, bits).unsqueeze(1)


def _amplified(weights: list[Tensor], s: Tensor | None, draws: int) -> Synapses:
    """The weights and biases into every neuron of every chip, times its factor on S."""
    w_in, w_inter, w_intra, bias = (w.expand(draws, *w.shape[1:]) for w in weights)
    if s is not None:
        bias = bias * s.to(bias)
        rows = s.to(bias).unsqueeze(3)
        w_in, w_inter, w_intra = w_in * rows[:, 0], w_inter * rows[:, 1:], w_intra * rows
    return Synapses(w_in=w_in, w_inter=w_inter, w_intra=w_intra, bias=bias)


def _by_kernel(network: LayeredNetwork, chips: Chips, own: Synapses, u: Tensor) -> Tensor:
    """Output of the last layer, (draws, batch, its neurons), chip by chip."""
    outputs = []
    for k, series in enumerate(u):
        tau = None if chips.tau is None else chips.tau[k][network.exists].numpy()
        noise = None if chips.noise is None else chips.noise[k].numpy()
        ideal = tau is None and noise is None
        kernel = network.kernel(0) if ideal else network.device_kernel(tau, noise)
        weights = (own.w_in[k], own.w_inter[k], own.w_intra[k], own.bias[k])
        outputs.append(fused_output(kernel, series, *weights))
    return torch.stack(outputs)


def _by_reference(network: LayeredNetwork, chips: Chips, own: Synapses, u: Tensor) -> Tensor:
    """Output of the last layer, (draws, batch, its neurons), by the equations, of all chips."""
    tau = None if chips.tau is None else chips.tau.unsqueeze(2).to(own.bias)
    dynamics: NoisyDynamics = network.varied(own, tau)
    state, past = dynamics.rest(batch=u.shape[1]), Past()
    steps = network.physics.n_steps
    every = 1 if chips.noise is None else u.shape[2] * steps // chips.noise.shape[1]
    lanes = torch.arange(u.shape[1]) % LANES
    for t, point in enumerate(u.unbind(dim=-2)):
        for k in range(steps):
            state, past = network.physics.step(dynamics, state, past, point)
            jump, rest = divmod(t * steps + k + 1, every)
            if chips.noise is not None and rest == 0:
                noise = chips.noise[:, jump - 1][..., lanes].to(own.bias)
                draws, *layer = own.bias.shape
                spread = noise.new_zeros(draws, network.noise_parts, *layer, len(lanes))
                spread[:, :, network.exists] = noise
                state = dynamics.after_noise_kick(state, spread.mT)
    return dynamics.read(state)[:, -1, :, : network.widths[-1]]
