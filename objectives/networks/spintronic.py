"""The multilayer spintronic network: oscillators, filters and synapses put together.

E. Plouet et al., Training a multilayer dynamical spintronic network with standard machine learning
tools to perform time series classification, arXiv:2408.02835 (2024).

The amplitude x of a spintronic oscillator i of layer n+1, its drive I and its output y::

    dx/dt = γ x_th - γ (1 + Q x) x + σ I x (1 - x)                              Eq. (1), (3)
    I     = S (W_ext y_n + W_int y_{n+1} + b) + b_fixed,   b_fixed = 2 γ        Eq. (4)
    dy/dt = -2π f_cut y + dx/dt                                                 Eq. (5)

The paper's network, Eq. (3), has no non-linear damping, Q = 0, σ = 1, and no thermal power,
x_th = 0; ``oscillator`` tells how Eq. (1) and (3) agree and what the thermal power is, ``highpass``
holds Eq. (5), and ``layered`` the synapses. Layer 0 receives
the input u in place of y_n.

============  =================  ======  =======================================
paper symbol  code name          unit    shape
============  =================  ======  =======================================
x             x                  1       (members, layers, batch, width)
y             y                  1       (members, layers, batch, width)
I             drive              1/ns    (members, layers, batch, width)
γ = 1/τ       gamma_per_ns       1/ns    scalar, or of each layer its own
τ             tau_ns             ns      scalar, or of each layer its own
Q             q                  1       scalar
σ             sigma              1       scalar
S             s                  1       scalar, or of each layer its own
b_fixed       b_fixed_per_ns     1/ns    scalar, or of each layer its own
f_cut         f_cut_per_ns       1/ns    scalar, or of each layer its own
Δt            dt_ns              ns      scalar
============  =================  ======  =======================================

The fixed bias is the paper's whatever Q and σ, so the amplitude without input and thermal power is
x0 = (2σ - 1) / (2σ + Q): one half in the paper's network, and none unless σ > 1/2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.networks import highpass, oscillator
from objectives.networks.integrators import EXTRAPOLATION, State, Stepping
from objectives.networks.kernels.chips import Chip
from objectives.networks.kernels.kernel import OfNeurons, Pointwise
from objectives.networks.kernels.spintronic import SpintronicSteps
from objectives.networks.layered import NOMINAL, LayeredNetwork, Neurons, Synapses
from objectives.networks.per_layer import PerLayer, beside, mapped


@dataclass(frozen=True, kw_only=True)
class SpintronicPhysics(Stepping):
    """The constants of Eq. (1) to (5), and how they are integrated."""

    tau_ns: PerLayer
    s: PerLayer
    f_cut_per_ns: PerLayer
    q: float = 0.0
    sigma: float = 1.0
    thermal_power: float = 0.0
    """Power of an oscillator without a drive, kT / E; 0: the paper's."""
    start: float = 1.0
    """Amplitude at the beginning of a series, over that at rest."""
    readout: Literal["y", "x"] = "y"
    """What of the last layer is read out: y, or the change of x since the beginning."""

    def __post_init__(self) -> None:
        """Refuse constants without an amplitude at rest.

        Raises:
            ValueError: ``sigma`` is at most 1/2, ``q`` negative, ``thermal_power`` not from 0 and
                below 1, or ``start`` not within 0 and 1.
        """
        super().__post_init__()
        if not self.sigma > 0.5:
            raise ValueError(
                f"spintronic physics: `sigma > 0.5` must hold, but got sigma={self.sigma}. "
                "Raise it: the fixed bias 2 gamma would sustain no oscillation."
            )
        if not 0.0 < self.start <= 1.0:
            raise ValueError(
                f"spintronic physics: `0 < start <= 1` must hold, but got start={self.start}. "
                "Give a share of the amplitude at rest: from 0, no oscillation could grow."
            )
        if not 0.0 <= self.thermal_power < 1.0:
            raise ValueError(
                "spintronic physics: `0 <= thermal_power < 1` must hold, but got "
                f"thermal_power={self.thermal_power}. Give kT / E, 1e-3 or so, or 0 for none."
            )
        if not self.q >= 0.0:
            raise ValueError(
                f"spintronic physics: `q >= 0` must hold, but got q={self.q}. "
                "Give 0 for a damping that does not depend on the amplitude."
            )

    @property
    def gamma_per_ns(self) -> PerLayer:
        """Damping γ = 1/τ."""
        return mapped(lambda tau_ns: 1.0 / tau_ns, self.tau_ns)

    @property
    def b_fixed_per_ns(self) -> PerLayer:
        """Fixed bias 2γ: with Q = 0 and σ = 1, x rests at 1/2 without any other drive."""
        return mapped(lambda gamma_per_ns: 2.0 * gamma_per_ns, self.gamma_per_ns)

    @property
    def x_rest(self) -> float:
        """Amplitude without input: the fixed point under ``b_fixed_per_ns``, whatever γ is."""
        gamma = self.gamma_per_ns
        gamma = gamma[0] if isinstance(gamma, tuple) else gamma
        rest: float = oscillator.fixed_point(
            2.0 * gamma,
            gamma_per_ns=gamma,
            q=self.q,
            sigma=self.sigma,
            thermal_power=self.thermal_power,
        )
        return rest


@dataclass(frozen=True, kw_only=True)
class SpintronicDynamics:
    """Eq. (1) to (5) as a pure vector field, with the weights of one forward pass.

    The state is x and y where there is thermal power, else ln x and y: see ``oscillator``.
    """

    physics: SpintronicPhysics
    synapses: Synapses
    neurons: Neurons = NOMINAL

    @property
    def _oscillator(self) -> dict[str, Any]:
        """The constants of the oscillators, each with its own γ if they differ."""
        gamma = beside(self.physics.gamma_per_ns, self.synapses.bias)
        gamma = gamma / self.neurons.factors.get("tau_ns", 1.0)
        return {"gamma_per_ns": gamma, "q": self.physics.q, "sigma": self.physics.sigma}

    @property
    def _thermal_power(self) -> float | Tensor:
        """That of each oscillator, of noise if there is some."""
        if (eta := self.neurons.noise_per_sqrt_ns) is not None:
            power: Tensor = eta**2 / (2.0 * self._oscillator["gamma_per_ns"])
            return power
        return self.physics.thermal_power * self.neurons.factors.get("thermal_power", 1.0)

    @property
    def _cold(self) -> bool:
        """Whether the state is ln x. Noise takes the place of its mean effect."""
        return self.physics.thermal_power == 0.0 or self.neurons.noise_per_sqrt_ns is not None

    @property
    def b_fixed_per_ns(self) -> float | Tensor:
        """Fixed bias, that of the nominal device."""
        return beside(self.physics.b_fixed_per_ns, self.synapses.bias)

    @property
    def f_cut_per_ns(self) -> float | Tensor:
        """Cut-off of the filters."""
        return beside(self.physics.f_cut_per_ns, self.synapses.bias)

    def rest(self, batch: int) -> State:
        """State at the beginning: x ``start`` times its fixed point without input, y = 0."""
        members, layers, width = self.synapses.bias.shape
        y = self.synapses.bias.new_zeros(members, layers, batch, width)
        if self.neurons is NOMINAL:
            x = torch.full_like(y, self.physics.start * self.physics.x_rest)
        else:
            rest = oscillator.fixed_point(
                self.b_fixed_per_ns, **self._oscillator, thermal_power=self._thermal_power
            )
            x = (y + self.physics.start * rest).clamp(min=oscillator.SILENT)
        return (x.log() if self._cold else x), y

    def amplitude(self, state: State) -> Tensor:
        """The paper's x."""
        return state[0].exp() if self._cold else state[0]

    def drive(self, y: Tensor, u: Tensor) -> Tensor:
        """Drive of every neuron, (members, layers, batch, width), per ns.

        Args:
            y: outputs, (members, layers, batch, width).
            u: input, (batch, channels) or (members, batch, channels).
        """
        weighted = self.synapses.weighted_sum(y, u)
        return beside(self.physics.s, weighted) * weighted + self.b_fixed_per_ns  # Eq. (4)

    def rate(self, state: State, drive: Tensor) -> State:
        """Time derivatives of the state, per ns."""
        own, y = state
        if self._cold:
            change = oscillator.log_rate(own, drive, **self._oscillator)  # Eq. (1), (3)
            dx = own.exp() * change
        else:
            power = self._thermal_power
            change = dx = oscillator.rate(own, drive, **self._oscillator, thermal_power=power)
        return change, highpass.rate(y, dx, self.f_cut_per_ns)  # Eq. (5)

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """State after ``dt_ns`` of constant drive; y as if dx/dt were constant meanwhile."""
        own, y = state
        if self._cold:
            after = oscillator.log_flow(own, drive, dt_ns, **self._oscillator)
            dx = after.exp() - own.exp()
        else:
            power = self._thermal_power
            after = oscillator.flow(own, drive, dt_ns, **self._oscillator, thermal_power=power)
            dx = after - own
        return after, highpass.flow(y, dx, self.f_cut_per_ns, dt_ns)

    def after_noise_kick(self, state: State, noise: Tensor) -> State:
        """State after a jump of the complex amplitudes; Eq. (5) passes it on to y.

        Args:
            state: that of oscillators with noise.
            noise: what is added to c, x = |c|², along and across it,
                (members, 2, layers, batch, width).
        """
        log_x, y = state
        x = oscillator.after_noise_kick(log_x, noise[:, 0], noise[:, 1])
        return x.log(), y + (x - log_x.exp())

    def output(self, state: State) -> Tensor:
        """The filtered amplitude y."""
        return state[1]

    def read(self, state: State) -> Tensor:
        """What is read out of a layer: y, or the change of x, which is y without a filter."""
        if self.physics.readout == "y":
            return state[1]
        rest = self.rest(state[1].shape[-2])
        return self.amplitude(state) - self.amplitude(rest)


class SpintronicNetwork(LayeredNetwork):
    """Members of a multilayer spintronic network; arguments as for ``LayeredNetwork``."""

    physics: SpintronicPhysics
    noise_parts = 2

    def varied(self, synapses: Synapses, neurons: Neurons) -> SpintronicDynamics:
        """See ``LayeredNetwork``."""
        return SpintronicDynamics(physics=self.physics, synapses=synapses, neurons=neurons)

    @property
    def beyond_kernel(self) -> str:
        """See ``LayeredNetwork``: the kernel has exponential integrators, and neither Q nor σ."""
        if self.physics.integrator not in EXTRAPOLATION or self.physics.integrator == "ab3":
            return f"integrator={self.physics.integrator!r}"
        if self.physics.q != 0.0:
            return f"q={self.physics.q}"
        return f"sigma={self.physics.sigma}" if self.physics.sigma != 1.0 else ""

    def noise_per_sqrt_ns(self, factors: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """See ``LayeredNetwork``: η = sqrt(2 γ x_th), see ``oscillator``."""
        nominal = 2.0 * self.physics.thermal_power * self.per_neuron(self.physics.gamma_per_ns)
        noise: NDArray[np.float64] = np.sqrt(nominal) / np.sqrt(factors.get("tau_ns", 1.0))
        return noise

    def pointwise(self, noisy: bool) -> Pointwise:
        """See ``LayeredNetwork``."""
        return SpintronicSteps(noisy=noisy, cold=self.physics.thermal_power == 0.0)

    def neurons(self, chip: Chip) -> OfNeurons:
        """See ``LayeredNetwork``: thermal noise takes the place of its mean effect."""
        own = self.physics
        gammas = self.per_neuron(own.gamma_per_ns)
        fixed = 2.0 * gammas
        gammas = gammas if chip.tau is None else gammas / chip.tau
        power = own.thermal_power * (np.ones_like(gammas) if chip.thermal is None else chip.thermal)
        noise = np.zeros_like(gammas)
        if chip.noise_per_sqrt_ns is not None:
            noise = np.broadcast_to(chip.noise_per_sqrt_ns, gammas.shape)
            power = noise**2 / (2.0 * gammas)
        rest = oscillator.fixed_point(
            fixed, gamma_per_ns=gammas, q=0.0, sigma=1.0, thermal_power=power
        )
        values = {
            "gamma_per_ns": gammas,
            "f_cut_per_ns": self.per_neuron(own.f_cut_per_ns),
            "thermal_power": power,
            "start": np.maximum(own.start * rest, oscillator.SILENT),
        }
        s = self.per_neuron(own.s) * (1.0 if chip.s is None else chip.s)
        return OfNeurons(values, s, fixed, noise)

    @property
    def reads(self) -> int:
        """See ``LayeredNetwork``."""
        return 0 if self.physics.readout == "x" else -1
