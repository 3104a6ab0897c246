"""The multilayer spintronic network: oscillators, filters and synapses put together.

E. Plouet et al., Training a multilayer dynamical spintronic network with standard machine learning
tools to perform time series classification, arXiv:2408.02835 (2024).

The amplitude x of a spintronic oscillator i of layer n+1, its drive I and its output y::

    dx/dt = -γ (1 + Q x) x + σ I x (1 - x)                                      Eq. (1), (3)
    I     = S (W_ext y_n + W_int y_{n+1} + b) + b_fixed,   b_fixed = 2 γ        Eq. (4)
    dy/dt = -2π f_cut y + dx/dt                                                 Eq. (5)

The paper's network, Eq. (3), has no non-linear damping, Q = 0, and σ = 1; ``oscillator`` tells how
Eq. (1) and (3) agree, ``highpass`` holds Eq. (5), and ``layered`` the synapses. Layer 0 receives
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

The fixed bias is the paper's whatever Q and σ, so the amplitude without input is
x0 = (2σ - 1) / (2σ + Q): one half in the paper's network, and none unless σ > 1/2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.networks import highpass, oscillator
from objectives.networks.integrators import EXTRAPOLATION, State, Stepping
from objectives.networks.kernels.device_passes import SpintronicDeviceKernel
from objectives.networks.kernels.passes import SpintronicKernel
from objectives.networks.layered import LayeredNetwork, Synapses
from objectives.networks.per_layer import PerLayer, beside, mapped


@dataclass(frozen=True, kw_only=True)
class SpintronicPhysics(Stepping):
    """The constants of Eq. (1) to (5), and how they are integrated."""

    tau_ns: PerLayer
    s: PerLayer
    f_cut_per_ns: PerLayer
    q: float = 0.0
    sigma: float = 1.0
    start: float = 1.0
    """Amplitude at the beginning of a series, over that at rest."""
    readout: Literal["y", "x"] = "y"
    """What of the last layer is read out: y, or the change of x since the beginning."""

    def __post_init__(self) -> None:
        """Refuse constants without an amplitude at rest.

        Raises:
            ValueError: ``sigma`` is at most 1/2, ``q`` negative, or ``start`` not within 0 and 1.
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
        return oscillator.fixed_point(2.0 * gamma, gamma_per_ns=gamma, q=self.q, sigma=self.sigma)


@dataclass(frozen=True, kw_only=True)
class SpintronicDynamics:
    """Eq. (1) to (5) as a pure vector field, with the weights of one forward pass."""

    physics: SpintronicPhysics
    synapses: Synapses
    tau: Tensor | None = None
    """Factor on the τ of each neuron, (members, layers, 1, width); None: 1 for all."""

    @property
    def oscillator(self) -> dict[str, Any]:
        """The constants of the oscillators, each with its own γ if they differ."""
        gamma = beside(self.physics.gamma_per_ns, self.synapses.bias)
        gamma = gamma if self.tau is None else gamma / self.tau
        return {"gamma_per_ns": gamma, "q": self.physics.q, "sigma": self.physics.sigma}

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
        if self.tau is None:
            return torch.full_like(y, self.physics.start * self.physics.x_rest), y
        rest = oscillator.fixed_point(self.b_fixed_per_ns, **self.oscillator)
        x = self.physics.start * rest
        return x.clamp(min=oscillator.floor(x)) + y, y

    def drive(self, y: Tensor, u: Tensor) -> Tensor:
        """Drive of every neuron, (members, layers, batch, width), per ns.

        Args:
            y: outputs, (members, layers, batch, width).
            u: input, (batch, channels) or (members, batch, channels).
        """
        weighted = self.synapses.weighted_sum(y, u)
        return beside(self.physics.s, weighted) * weighted + self.b_fixed_per_ns  # Eq. (4)

    def rate(self, state: State, drive: Tensor) -> State:
        """Time derivatives of x and y, per ns."""
        x, y = state
        dx = oscillator.rate(x, drive, **self.oscillator)  # Eq. (1), (3)
        return dx, highpass.rate(y, dx, self.f_cut_per_ns)  # Eq. (5)

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """State after ``dt_ns`` of constant drive; y as if dx/dt were constant meanwhile."""
        x, y = state
        x_next = oscillator.flow(x, drive, dt_ns, **self.oscillator)
        return x_next, highpass.flow(y, x_next - x, self.f_cut_per_ns, dt_ns)

    def after_noise_kick(self, state: State, noise: Tensor) -> State:
        """State after a jump of the complex amplitudes; Eq. (5) passes it on to y.

        Args:
            state: x and y, each (members, layers, batch, width).
            noise: what is added to c, x = |c|², along and across it,
                (members, 2, layers, batch, width).
        """
        x, y = state
        x_next = oscillator.after_noise_kick(x, noise[:, 0], noise[:, 1])
        return x_next, y + (x_next - x)

    def output(self, state: State) -> Tensor:
        """The filtered amplitude y."""
        return state[1]

    def read(self, state: State) -> Tensor:
        """What is read out of a layer: y, or the change of x, which is y without a filter."""
        x, y = state
        return y if self.physics.readout == "y" else x - self.rest(x.shape[-2])[0]


class SpintronicNetwork(LayeredNetwork):
    """Members of a multilayer spintronic network; arguments as for ``LayeredNetwork``."""

    physics: SpintronicPhysics
    noise_parts = 2

    def dynamics(self) -> SpintronicDynamics:
        """The vector field with the present weights; no gradient reaches a masked weight."""
        return self.varied(self.synapses(), None)

    def varied(self, synapses: Synapses, tau: Tensor | None) -> SpintronicDynamics:
        """See ``LayeredNetwork``."""
        return SpintronicDynamics(physics=self.physics, synapses=synapses, tau=tau)

    @property
    def beyond_kernel(self) -> str:
        """See ``LayeredNetwork``: the kernel has exponential integrators, and neither Q nor σ."""
        if self.physics.integrator not in EXTRAPOLATION:
            return f"integrator={self.physics.integrator!r}"
        if self.physics.q != 0.0:
            return f"q={self.physics.q}"
        return f"sigma={self.physics.sigma}" if self.physics.sigma != 1.0 else ""

    def kernel(self, member: int) -> SpintronicKernel:
        """See ``LayeredNetwork``."""
        return SpintronicKernel(
            self.structures[member],
            gamma_per_ns=self.physics.gamma_per_ns,
            s=self.physics.s,
            f_cut_per_ns=self.physics.f_cut_per_ns,
            start=self.physics.start * self.physics.x_rest,
            reads_x=self.physics.readout == "x",
            **self.kernel_stepping(),
        )

    def device_kernel(
        self, tau: NDArray[np.float64] | None, noise: NDArray[np.float32] | None
    ) -> SpintronicDeviceKernel:
        """See ``LayeredNetwork``."""
        gammas = self.per_neuron(self.physics.gamma_per_ns)
        biases = 2.0 * gammas
        gammas = gammas if tau is None else gammas / tau
        return SpintronicDeviceKernel(
            self.structures[0],
            gammas_per_ns=gammas,
            start=np.maximum(self.physics.start * (1.0 - gammas / biases), oscillator.X_MIN),
            reads_x=self.physics.readout == "x",
            b_fixed_per_ns=biases,
            noise=np.empty(0, np.float32) if noise is None else noise,
            s=self.physics.s,
            f_cut_per_ns=self.physics.f_cut_per_ns,
            **self.kernel_stepping(),
        )
