"""Integrators: one step of a driven dynamical network, whatever its equations.

A network is a drive ``I(state, input)`` and a rate of change of the state under that drive. The
integrators are explicit: the state of every layer at the start of the step enters the drives, so
all layers step together. The input is held constant over the step.

References:
    M. Hochbruck and A. Ostermann, Exponential integrators, Acta Numerica 19, 209 (2010).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""The state variables of every neuron, each of shape (members, layers, batch, width)."""

IntegratorName = Literal["exponential", "euler"]

MAX_EXPONENT = 40.0
"""Exponents are clipped to ±40: e^40 squared still fits float32, so gradients stay finite."""


class Dynamics(Protocol):
    """The equations of a network whose neurons feel each other through a drive only."""

    def drive(self, state: State, u: Tensor) -> Tensor:
        """Drive of every neuron, (members, layers, batch, width), under the input ``u``."""

    def rate(self, state: State, drive: Tensor) -> State:
        """Time derivative of the state, per ns."""

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """State after ``dt_ns`` of constant drive, in closed form."""


class Integrator(Protocol):
    """One step of length ``dt_ns`` under the constant input ``u``."""

    def __call__(self, dynamics: Dynamics, state: State, u: Tensor, dt_ns: float) -> State:
        """The state at the end of the step."""


def exponential(dynamics: Dynamics, state: State, u: Tensor, dt_ns: float) -> State:
    """First order: the exact solution for a drive that keeps its value over the step."""
    return dynamics.flow(state, dynamics.drive(state, u), dt_ns)


def euler(dynamics: Dynamics, state: State, u: Tensor, dt_ns: float) -> State:
    """First order: explicit Euler. Unstable where the drive is large compared with ``1/dt_ns``."""
    rate = dynamics.rate(state, dynamics.drive(state, u))
    return tuple(value + dt_ns * slope for value, slope in zip(state, rate, strict=True))


INTEGRATORS: Mapping[IntegratorName, Integrator] = {"exponential": exponential, "euler": euler}


def growth(z: Tensor) -> Tensor:
    """``exp(z)``, with ``z`` clipped to ±MAX_EXPONENT."""
    return torch.exp(z.clamp(-MAX_EXPONENT, MAX_EXPONENT))


def phi1(z: Tensor) -> Tensor:
    """``(growth(z) - 1) / z``, and 1 at ``z = 0``: the mean growth over a step.

    Near zero a Taylor series takes over, whose derivative does not cancel; both branches see
    harmless arguments where they are not selected, so that no gradient becomes NaN.
    """
    near = z.abs() < 0.05
    small = torch.where(near, z, torch.zeros_like(z))
    series = torch.ones_like(z)
    for k in (8, 7, 6, 5, 4, 3, 2):  # 1 + z/2 (1 + z/3 (1 + ...)): truncated below 1e-16
        series = 1.0 + small / k * series
    large = torch.where(near, torch.ones_like(z), z)
    quotient = torch.expm1(large.clamp(-MAX_EXPONENT, MAX_EXPONENT)) / large
    return torch.where(near, series, quotient)
