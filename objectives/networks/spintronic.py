"""The multilayer spintronic network: the readable reference of every equation.

E. Plouet et al., Training a multilayer dynamical spintronic network with standard machine learning
tools to perform time series classification, arXiv:2408.02835 (2024).

The amplitude x of a spintronic oscillator i of layer n+1, its drive I and its output y::

    dx/dt = -γ x + I x (1 - x)                                                  Eq. (3)
    I     = S (W_ext y_n + W_int y_{n+1} + b) + b_fixed,   b_fixed = 2 γ        Eq. (4)
    dy/dt = -2π f_cut y + dx/dt                                                 Eq. (5)

Eq. (2) is Eq. (3) for a single neuron. Layer 0 receives the input u in place of y_n.

============  =================  ======  =======================================
paper symbol  code name          unit    shape
============  =================  ======  =======================================
x             x                  1       (members, layers, batch, width)
y             y                  1       (members, layers, batch, width)
I             drive              1/ns    (members, layers, batch, width)
γ = 1/τ       gamma_per_ns       1/ns    scalar
τ             tau_ns             ns      scalar
S             s                  1       scalar
b_fixed       b_fixed_per_ns     1/ns    scalar
f_cut         f_cut_per_ns       1/ns    scalar
Δt            dt_ns              ns      scalar
input         u                  1       (batch, time, channels)
W_ext         w_in               1/ns    (members, width, channels)
W_ext         w_inter            1/ns    (members, layers - 1, width, width)
W_int         w_intra            1/ns    (members, layers, width, width)
b             bias               1/ns    (members, layers, width)
W_out         w_out              1       (members, outputs, width)
b_out         bias_out           1       (members, outputs)
============  =================  ======  =======================================

Matrices are stored [target, source]. All layers step together: the drives of a step depend on the
outputs at its start, so a signal needs one step per layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.networks.fused import SparseStructure, fused_spintronic
from objectives.networks.integrators import INTEGRATORS, IntegratorName, State, growth, phi1
from objectives.networks.sparsity import random_mask
from objectives.randomness import stream

Backend = Literal["auto", "reference", "fused"]


@dataclass(frozen=True, kw_only=True)
class SpintronicPhysics:
    """The constants of Eq. (3) to (5), and how they are integrated."""

    tau_ns: float
    s: float
    f_cut_per_ns: float
    dt_ns: float = 1.0
    integrator: IntegratorName = "exponential"

    @property
    def gamma_per_ns(self) -> float:
        """Damping γ = 1/τ."""
        return 1.0 / self.tau_ns

    @property
    def b_fixed_per_ns(self) -> float:
        """Fixed bias 2γ: without any other drive x rests at 1/2."""
        return 2.0 * self.gamma_per_ns


@dataclass(frozen=True, kw_only=True)
class SpintronicDynamics:
    """Eq. (3) to (5) as a pure vector field, with the weights of one forward pass."""

    physics: SpintronicPhysics
    w_in: Tensor
    w_inter: Tensor
    w_intra: Tensor
    bias: Tensor

    def rest(self, batch: int) -> State:
        """State without drive: x at the fixed point 1 - γ/b_fixed = 1/2 of Eq. (3), y = 0."""
        members, layers, width = self.bias.shape
        y = self.bias.new_zeros(members, layers, batch, width)
        return torch.full_like(y, 1.0 - self.physics.gamma_per_ns / self.physics.b_fixed_per_ns), y

    def drive(self, state: State, u: Tensor) -> Tensor:
        """Drive of every neuron, (members, layers, batch, width), per ns.

        Args:
            state: x and y, each (members, layers, batch, width).
            u: input, (batch, channels) or (members, batch, channels).
        """
        _, y = state
        from_input = u @ self.w_in.mT
        from_below = y[:, :-1] @ self.w_inter.mT
        external = torch.cat((from_input.unsqueeze(1), from_below), dim=1)
        internal = y @ self.w_intra.mT
        bias = self.bias.unsqueeze(2)
        return (
            self.physics.s * (external + internal + bias) + self.physics.b_fixed_per_ns
        )  # Eq. (4)

    def rate(self, state: State, drive: Tensor) -> State:
        """Time derivatives of x and y, per ns."""
        x, y = state
        dx = -self.physics.gamma_per_ns * x + drive * x * (1.0 - x)  # Eq. (3)
        dy = -2.0 * math.pi * self.physics.f_cut_per_ns * y + dx  # Eq. (5)
        return dx, dy

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """State after ``dt_ns`` of constant drive.

        Eq. (3) is then a Bernoulli equation. With a = I - γ, E = e^(a Δt) and P = (E - 1)/a::

            x' = x E / (1 + I x P) = x E / ((1 - x) + x (E + γ P))

        Every term of the second form is positive: x stays within [0, 1] whatever the drive and
        the step. Eq. (5) is solved for a dx/dt constant over the step. With c = 2π f_cut Δt::

            y' = e^(-c) y + (x' - x) (1 - e^(-c)) / c
        """
        x, y = state
        gamma = self.physics.gamma_per_ns
        z = (drive - gamma) * dt_ns
        e = growth(z)
        p = dt_ns * phi1(z)
        x_next = x * e / ((1.0 - x) + x * (e + gamma * p))  # Eq. (3), solved
        c = 2.0 * math.pi * self.physics.f_cut_per_ns * dt_ns
        gain = -math.expm1(-c) / c if c > 0.0 else 1.0
        y_next = math.exp(-c) * y + gain * (x_next - x)  # Eq. (5), solved
        return x_next, y_next


class SpintronicNetwork(nn.Module):
    """Members of a multilayer spintronic network with a linear readout, trained side by side.

    Each member's masks and initial weights are drawn from its own seed, so several members at once
    compute what each computes alone. Weights are drawn from U(-1/√n, 1/√n), n the fan-in before
    sparsification; masked weights are zero and receive no gradient.

    Args:
        seeds: seed of each member, non-negative.
        physics: constants and integrator.
        channels: number of input values per time point.
        outputs: number of values read out.
        layers: number of layers, at least 1.
        width: neurons per layer.
        density_inter: fraction of connections kept between layers and from the input.
        density_intra: fraction of connections kept within each layer.
        dtype: type of the parameters.
        backend: "reference" computes by the equations of this module, "fused" by the CPU
            kernel, "auto" by the kernel where it can.
    """

    w_in: nn.Parameter
    w_inter: nn.Parameter
    w_intra: nn.Parameter
    mask_in: Tensor
    mask_inter: Tensor
    mask_intra: Tensor

    def __init__(
        self,
        seeds: Sequence[int],
        *,
        physics: SpintronicPhysics,
        channels: int,
        outputs: int,
        layers: int = 3,
        width: int = 32,
        density_inter: float = 0.5,
        density_intra: float = 0.5,
        dtype: torch.dtype = torch.float32,
        backend: Backend = "auto",
    ) -> None:
        """Draw the members ``seeds``."""
        super().__init__()
        self.physics = physics
        self.backend: Backend = backend

        def mask(name: str, n: int, shape: tuple[int, ...], density: float) -> Tensor:
            return _draw(seeds, name, n, shape, partial(random_mask, density=density)).bool()

        def uniform(name: str, n: int, shape: tuple[int, ...], fan_in: int) -> Tensor:
            return _draw(seeds, name, n, shape, partial(_uniform, bound=fan_in**-0.5)).to(dtype)

        mask_in = mask("mask_in", 1, (width, channels), density_inter)[:, 0]
        mask_inter = mask("mask_inter", layers - 1, (width, width), density_inter)
        mask_intra = mask("mask_intra", layers, (width, width), density_intra)
        self.register_buffer("mask_in", mask_in)
        self.register_buffer("mask_inter", mask_inter)
        self.register_buffer("mask_intra", mask_intra)
        w_in = uniform("w_in", 1, (width, channels), channels)[:, 0]
        w_inter = uniform("w_inter", layers - 1, (width, width), width)
        w_intra = uniform("w_intra", layers, (width, width), width)
        self.w_in = nn.Parameter(w_in * mask_in)
        self.w_inter = nn.Parameter(w_inter * mask_inter)
        self.w_intra = nn.Parameter(w_intra * mask_intra)
        self.bias = nn.Parameter(uniform("bias", layers, (width,), width))
        self.w_out = nn.Parameter(uniform("w_out", 1, (outputs, width), width)[:, 0])
        self.bias_out = nn.Parameter(uniform("bias_out", 1, (outputs,), width)[:, 0])

    @property
    def n_neurons(self) -> int:
        """Oscillators of one member."""
        return self.bias[0].numel()

    @property
    def n_synapses(self) -> int:
        """Weights of one member, without the biases: unmasked connections and the readout."""
        masks = (self.mask_in, self.mask_inter, self.mask_intra)
        return sum(int(mask[0].sum()) for mask in masks) + self.w_out[0].numel()

    def forward(self, u: Tensor) -> Tensor:
        """Linear readout of the last layer after the last time point.

        Args:
            u: input, (batch, time, channels), the same for all members, or
                (members, batch, time, channels); each value is held for ``dt_ns``.

        Returns:
            Logits, (members, batch, outputs).
        """
        return self.output(u) @ self.w_out.mT + self.bias_out.unsqueeze(1)

    def output(self, u: Tensor) -> Tensor:
        """Output y of the last layer after the last time point, (members, batch, width)."""
        backend = resolve_backend(self.backend, u, self.bias, self.physics.integrator)
        return self._output_fused(u) if backend == "fused" else self._output_reference(u)

    def dynamics(self) -> SpintronicDynamics:
        """The vector field with the present weights; no gradient reaches a masked weight."""
        return SpintronicDynamics(
            physics=self.physics,
            w_in=self.w_in * self.mask_in,
            w_inter=self.w_inter * self.mask_inter,
            w_intra=self.w_intra * self.mask_intra,
            bias=self.bias,
        )

    def _output_reference(self, u: Tensor) -> Tensor:
        dynamics = self.dynamics()
        step = INTEGRATORS[self.physics.integrator]
        state = dynamics.rest(batch=u.shape[-3])
        for u_point in u.unbind(dim=-2):
            state = step(dynamics, state, u_point, self.physics.dt_ns)
        return state[1][:, -1]

    def _output_fused(self, u: Tensor) -> Tensor:
        members = range(len(self.bias))
        return torch.stack([self._member_fused(m, u if u.dim() == 3 else u[m]) for m in members])

    def _member_fused(self, member: int, u: Tensor) -> Tensor:
        return fused_spintronic(
            u,
            self.w_in[member],
            self.w_inter[member],
            self.w_intra[member],
            self.bias[member],
            self._structures[member],
            gamma_per_ns=self.physics.gamma_per_ns,
            s=self.physics.s,
            f_cut_per_ns=self.physics.f_cut_per_ns,
            dt_ns=self.physics.dt_ns,
            integrator=self.physics.integrator,
        )

    @cached_property
    def _structures(self) -> list[SparseStructure]:
        masks = zip(self.mask_in, self.mask_inter, self.mask_intra, strict=True)
        return [SparseStructure.from_masks(*member) for member in masks]


def resolve_backend(
    backend: Backend, u: Tensor, parameter: Tensor, integrator: IntegratorName
) -> Literal["reference", "fused"]:
    """The backend that computes: "auto" is "fused" where the kernel can, else "reference".

    Raises:
        ValueError: "fused" was asked for where the kernel cannot compute.
    """
    supported = (
        u.device.type == parameter.device.type == "cpu"
        and u.dtype == parameter.dtype == torch.float32
        and integrator in ("exponential", "euler")
    )
    if backend == "auto":
        return "fused" if supported else "reference"
    if backend == "fused" and not supported:
        raise ValueError(
            "spintronic network: float32 on the CPU must hold for backend 'fused', but got "
            f"dtype={parameter.dtype}, device={parameter.device}. Use backend 'reference'."
        )
    return backend


Sample = Callable[[np.random.Generator, tuple[int, ...]], NDArray[Any]]


def _draw(
    seeds: Sequence[int], name: str, n: int, shape: tuple[int, ...], sample: Sample
) -> Tensor:
    """``n`` arrays for each member, (members, n, *shape), each from a stream of its own."""
    drawn = [[sample(stream(seed, f"{name}/{k}"), shape) for k in range(n)] for seed in seeds]
    return torch.from_numpy(np.array(drawn)).reshape(len(seeds), n, *shape)


def _uniform(
    generator: np.random.Generator, shape: tuple[int, ...], bound: float
) -> NDArray[np.float64]:
    return generator.uniform(-bound, bound, shape)
