"""Integrators: one step of a driven dynamical network, whatever its equations.

A network is a drive ``I(state, input)`` and a rate of change of the state under that drive. The
integrators are explicit: the state of every layer at the start of the step enters the drives, so
all layers step together. The input is held constant over the step.

References:
    E. Hairer, S. P. Nørsett and G. Wanner, Solving Ordinary Differential Equations I, II.1 (1993).
    M. Hochbruck and A. Ostermann, Exponential integrators, Acta Numerica 19, 209 (2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""The state variables of every neuron, each of shape (members, layers, batch, width)."""

IntegratorName = Literal["exponential", "euler", "heun", "rk4"]

MAX_EXPONENT = 40.0
"""Exponents are clipped to ±40: e^40 squared still fits float32, so gradients stay finite.

Of a type that reaches less far, float16, the exponents are clipped earlier, by the same rule.
"""


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
    return _moved(state, dt_ns, _slope(dynamics, state, u))


def heun(dynamics: Dynamics, state: State, u: Tensor, dt_ns: float) -> State:
    """Second order: the mean of the slopes at both ends, the far end reached by explicit Euler."""
    k1 = _slope(dynamics, state, u)
    k2 = _slope(dynamics, _moved(state, dt_ns, k1), u)
    return _moved(_moved(state, dt_ns / 2, k1), dt_ns / 2, k2)


def rk4(dynamics: Dynamics, state: State, u: Tensor, dt_ns: float) -> State:
    """Fourth order: the classical Runge-Kutta method."""
    k1 = _slope(dynamics, state, u)
    k2 = _slope(dynamics, _moved(state, dt_ns / 2, k1), u)
    k3 = _slope(dynamics, _moved(state, dt_ns / 2, k2), u)
    k4 = _slope(dynamics, _moved(state, dt_ns, k3), u)
    outer = _moved(_moved(state, dt_ns / 6, k1), dt_ns / 6, k4)
    return _moved(_moved(outer, dt_ns / 3, k2), dt_ns / 3, k3)


INTEGRATORS: Mapping[IntegratorName, Integrator] = {
    "exponential": exponential,
    "euler": euler,
    "heun": heun,
    "rk4": rk4,
}


@dataclass(frozen=True, kw_only=True)
class Stepping:
    """How a network is taken from one input point to the next."""

    dt_ns: float = 1.0
    """Time between two input points; each is held constant for as long."""
    integrator: IntegratorName = "exponential"
    steps_per_point: int = 1
    """Equal steps into which ``dt_ns`` is divided."""

    def __post_init__(self) -> None:
        """Refuse what cannot be integrated."""
        if self.integrator not in INTEGRATORS:
            raise ValueError(
                f"integrator: `integrator in {list(INTEGRATORS)}` must hold, but got "
                f"integrator={self.integrator!r}. Name one of these."
            )
        if self.steps_per_point < 1:
            raise ValueError(
                "integrator: `steps_per_point >= 1` must hold, but got "
                f"steps_per_point={self.steps_per_point}. Give a whole number from 1."
            )

    def advance(self, dynamics: Dynamics, state: State, u: Tensor) -> State:
        """The state one point later, ``dt_ns`` after ``state``, under the constant input ``u``."""
        for _ in range(self.steps_per_point):
            state = self.step(dynamics, state, u)
        return state

    def step(self, dynamics: Dynamics, state: State, u: Tensor) -> State:
        """The state one step later: a part ``1 / steps_per_point`` of ``dt_ns``."""
        step = INTEGRATORS[self.integrator]
        return step(dynamics, state, u, self.dt_ns / self.steps_per_point)


def _slope(dynamics: Dynamics, state: State, u: Tensor) -> State:
    return dynamics.rate(state, dynamics.drive(state, u))


def _moved(state: State, dt_ns: float, slope: State) -> State:
    return tuple(value + dt_ns * rate for value, rate in zip(state, slope, strict=True))


def growth(z: Tensor) -> Tensor:
    """``exp(z)``, with ``z`` clipped to ±MAX_EXPONENT."""
    return torch.exp(_clipped(z))


def _clipped(z: Tensor) -> Tensor:
    bound = min(MAX_EXPONENT, math.log(torch.finfo(z.dtype).max) / 2)
    return z.clamp(-bound, bound)


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
    quotient = torch.expm1(_clipped(large)) / large
    return torch.where(near, series, quotient)
