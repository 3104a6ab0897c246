"""The continuous-time recurrent network, the software yardstick of arXiv:2408.02835.

K. Funahashi and Y. Nakamura, Approximation of dynamical systems by continuous time recurrent
neural networks, Neural Networks 6, 801 (1993).

The state x of a neuron i of layer n+1, its drive I and its output y::

    dx/dt = -γ x + I                                                            Eq. (6)
    I     = S (W_ext y_n + W_int y_{n+1} + b)                                   Eq. (7)
    y     = tanh(x)                                                             Eq. (8)

It has the architecture of the spintronic network (see ``layered``), no fixed bias and no filter;
its state is not bounded, its output is. Layer 0 receives the input u in place of y_n.

============  =================  ======  =======================================
paper symbol  code name          unit    shape
============  =================  ======  =======================================
x             x                  1       (members, layers, batch, width)
y             y                  1       (members, layers, batch, width)
I             drive              1/ns    (members, layers, batch, width)
γ = 1/τ       gamma_per_ns       1/ns    scalar, or of each layer its own
τ             tau_ns             ns      scalar, or of each layer its own
S             s                  1       scalar, or of each layer its own
Δt            dt_ns              ns      scalar
============  =================  ======  =======================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from objectives.networks.integrators import EXTRAPOLATION, State, Stepping
from typing import Any
from objectives.networks.layered import NOMINAL, LayeredNetwork, Neurons, Synapses
from objectives.networks.per_layer import PerLayer, beside, mapped


@dataclass(frozen=True, kw_only=True)
class CtrnnPhysics(Stepping):
    """The constants of Eq. (6) and (7), and how they are integrated."""

    tau_ns: PerLayer
    s: PerLayer
    max_step_ns: float = 0.35

    @property
    def gamma_per_ns(self) -> PerLayer:
        """Leak γ = 1/τ."""
        return mapped(lambda tau_ns: 1.0 / tau_ns, self.tau_ns)


@dataclass(frozen=True, kw_only=True)
class CtrnnDynamics:
    """Eq. (6) to (8) as a pure vector field, with the weights of one forward pass."""

    physics: CtrnnPhysics
    synapses: Synapses
    neurons: Neurons = NOMINAL

    @property
    def gamma_per_ns(self) -> float | Tensor:
        """Leak, of each neuron its own if they differ."""
        gamma = beside(self.physics.gamma_per_ns, self.synapses.bias)
        return gamma / self.neurons.factors.get("tau_ns", 1.0)

    def rest(self, batch: int) -> State:
        """State without drive: x = 0."""
        members, layers, width = self.synapses.bias.shape
        return (self.synapses.bias.new_zeros(members, layers, batch, width),)

    def amplitude(self, state: State) -> Tensor:
        """The paper's x."""
        return state[0]

    def drive(self, y: Tensor, u: Tensor) -> Tensor:
        """Drive of every neuron, (members, layers, batch, width), per ns.

        Args:
            y: outputs, (members, layers, batch, width).
            u: input, (batch, channels) or (members, batch, channels).
        """
        return beside(self.physics.s, y) * self.synapses.weighted_sum(y, u)  # Eq. (7)

    def rate(self, state: State, drive: Tensor) -> State:
        """Time derivative of x, per ns."""
        (x,) = state
        return (-self.gamma_per_ns * x + drive,)  # Eq. (6)

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """State after ``dt_ns`` of constant drive: a linear relaxation towards I/γ.

        x' = e^(-γ Δt) x + I (1 - e^(-γ Δt)) / γ
        """
        (x,) = state
        gamma = self.gamma_per_ns
        if isinstance(gamma, Tensor):
            gains_ns = -torch.expm1(-gamma * dt_ns) / gamma
            return (torch.exp(-gamma * dt_ns) * x + gains_ns * drive,)
        gain_ns = -math.expm1(-gamma * dt_ns) / gamma
        return (math.exp(-gamma * dt_ns) * x + gain_ns * drive,)  # Eq. (6), solved

    def after_noise_kick(self, state: State, noise: Tensor) -> State:
        """State after a jump of x by ``noise``, (members, 1, layers, batch, width)."""
        return (state[0] + noise[:, 0],)

    def output(self, state: State) -> Tensor:
        """The activation y."""
        return torch.tanh(state[0])  # Eq. (8)

    def read(self, state: State) -> Tensor:
        """What is read out: the output."""
        return self.output(state)


class CtrnnNetwork(LayeredNetwork):
    """Members of a multilayer CTRNN; arguments as for ``LayeredNetwork``."""

    physics: CtrnnPhysics

    def varied(self, synapses: Synapses, neurons: Neurons) -> CtrnnDynamics:
        """See ``LayeredNetwork``."""
        return CtrnnDynamics(physics=self.physics, synapses=synapses, neurons=neurons)

    @property
    def beyond_kernel(self) -> str:
        """See ``LayeredNetwork``: the kernel has exponential integrators."""
        known = self.physics.integrator in EXTRAPOLATION
        return "" if known else f"integrator={self.physics.integrator!r}"

    def pointwise(self, noisy: bool) -> Any:
        raise NotImplementedError

    def neurons(self, chip: Any) -> Any:
        raise NotImplementedError
