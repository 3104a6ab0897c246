"""Integrators: one step of a driven dynamical network, whatever its equations.

A network is a drive ``I(y, u)`` of the outputs y and the input u, and a rate of change of its state
under that drive. The integrators are explicit: the outputs of every layer at the start of the step
(and before) enter the drives, so all layers step together. The input is constant over the step.

The exponential ones solve the neurons in closed form for the mean drive of a step. They differ in
how they get it from the outputs ``y_n`` at the start of the step n and of those before it::

    exponential         y_n                                          order 1
    exponential-ab2     (3 y_n - y_(n-1)) / 2                        order 2
    exponential-ab3     (23 y_n - 16 y_(n-1) + 5 y_(n-2)) / 12       order 2

``ab3`` takes the drive of the last one, and the neurons under it by a Runge-Kutta step of order 4:
neurons that have no solution in closed form.

These are the explicit Adams-Bashforth formulas, the mean over the coming step of the polynomial
through the last outputs. The part of the drive that the input makes is not extrapolated: it is
constant over a point and thus exact, and a jump of the input spoils nothing. Before the first step
the network was at rest, so the outputs before it are known: they are that at rest. A drive that
changes within a step acts through more than its mean, and after a jump of the input the outputs
have a kink; both cost an error of second order, which is why three outputs gain no order over two.
They gain a factor: the error that the extrapolation makes is then of third order.

References:
    E. Hairer, S. P. Nørsett and G. Wanner, Solving Ordinary Differential Equations I, II.1, III.1
    (1993). M. Hochbruck and A. Ostermann, Exponential integrators, Acta Numerica 19, 209 (2010),
    section 2.7 (exponential multistep methods).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol, Self, cast

import torch
from torch import Tensor

from hpo.objectives import physics

State = tuple[Tensor, ...]
"""The state variables of every neuron, each of shape (members, layers, batch, width)."""

Past = tuple[Tensor, ...]
"""Outputs at the starts of the last steps, the newest first, each (members, layers, batch, width).

Empty at the beginning: before it, the network was at rest.
"""

IntegratorName = Literal[
    "exponential", "exponential-ab2", "exponential-ab3", "ab3", "euler", "heun", "rk4"
]

EXTRAPOLATION: Mapping[str, tuple[float, float, float]] = {
    "exponential": (1.0, 0.0, 0.0),
    "exponential-ab2": (3 / 2, -1 / 2, 0.0),
    "exponential-ab3": (23 / 12, -16 / 12, 5 / 12),
    "ab3": (23 / 12, -16 / 12, 5 / 12),
}
"""What the mean output over a step is made of: see the module. Those that the kernels know."""

MAX_EXPONENT = 40.0
"""Exponents are clipped to ±40: e^40 squared still fits float32, so gradients stay finite.

Of a type that reaches less far, float16, the exponents are clipped earlier, by the same rule.
"""


class Dynamics(Protocol):
    """The equations of a network whose neurons feel each other through a drive only."""

    def output(self, state: State) -> Tensor:
        """What the neurons pass on, the paper's y, (members, layers, batch, width)."""

    def drive(self, y: Tensor, u: Tensor) -> Tensor:
        """Drive of every neuron, shaped as their outputs ``y``, under the input ``u``."""

    def rate(self, state: State, drive: Tensor) -> State:
        """Time derivative of the state, per ns."""

    def flow(self, state: State, drive: Tensor, dt_ns: float) -> State:
        """State after ``dt_ns`` of constant drive, in closed form."""


class Integrator(Protocol):
    """One step of length ``dt_ns`` under the constant input ``u``."""

    def __call__(
        self, dynamics: Dynamics, state: State, past: Past, u: Tensor, dt_ns: float
    ) -> State:
        """The state at the end of the step."""


def exponential(
    dynamics: Dynamics,
    state: State,
    past: Past,
    u: Tensor,
    dt_ns: float,
    *,
    weights: Sequence[float],
) -> State:
    """The exact solution under the drive of the last outputs, so weighted."""
    return dynamics.flow(state, _extrapolated(dynamics, state, past, u, weights), dt_ns)


def ab3(dynamics: Dynamics, state: State, past: Past, u: Tensor, dt_ns: float) -> State:
    """The same drive as ``exponential-ab3``, the neurons under it by a step of ``rk4``."""
    drive = _extrapolated(dynamics, state, past, u, EXTRAPOLATION["ab3"])
    return _runge_kutta(lambda own: dynamics.rate(own, drive), state, dt_ns)


def _extrapolated(
    dynamics: Dynamics, state: State, past: Past, u: Tensor, weights: Sequence[float]
) -> Tensor:
    """The mean drive over the next step."""
    outputs = (dynamics.output(state), *past)
    at_rest = outputs[-1:] * (len(weights) - len(outputs))
    y = sum(w * y for w, y in zip(weights, outputs + at_rest, strict=False) if w)
    return dynamics.drive(cast(Tensor, y), u)


def euler(dynamics: Dynamics, state: State, past: Past, u: Tensor, dt_ns: float) -> State:
    """First order: explicit Euler. Unstable where the drive is large compared with ``1/dt_ns``."""
    return _moved(state, dt_ns, _slope(dynamics, state, u))


def heun(dynamics: Dynamics, state: State, past: Past, u: Tensor, dt_ns: float) -> State:
    """Second order: the mean of the slopes at both ends, the far end reached by explicit Euler."""
    k1 = _slope(dynamics, state, u)
    k2 = _slope(dynamics, _moved(state, dt_ns, k1), u)
    return _moved(_moved(state, dt_ns / 2, k1), dt_ns / 2, k2)


def rk4(dynamics: Dynamics, state: State, past: Past, u: Tensor, dt_ns: float) -> State:
    """Fourth order: the classical Runge-Kutta method."""
    return _runge_kutta(lambda own: _slope(dynamics, own, u), state, dt_ns)


def _runge_kutta(slope: Callable[[State], State], state: State, dt_ns: float) -> State:
    k1 = slope(state)
    k2 = slope(_moved(state, dt_ns / 2, k1))
    k3 = slope(_moved(state, dt_ns / 2, k2))
    k4 = slope(_moved(state, dt_ns, k3))
    outer = _moved(_moved(state, dt_ns / 6, k1), dt_ns / 6, k4)
    return _moved(_moved(outer, dt_ns / 3, k2), dt_ns / 3, k3)


INTEGRATORS: Mapping[str, Integrator] = {
    **{name: partial(exponential, weights=w) for name, w in EXTRAPOLATION.items()},
    "ab3": ab3,
    "euler": euler,
    "heun": heun,
    "rk4": rk4,
}


@dataclass(frozen=True, kw_only=True)
class Stepping:
    """A device, and how a network of them is taken from one input point to the next."""

    dt_ns: float = 1.0
    """Time between two input points; each is held constant for as long."""
    integrator: IntegratorName = "exponential-ab3"
    steps_per_point: int = 1
    """Equal steps into which ``dt_ns`` is divided, at least."""
    max_step_ns: float = 0.5
    """Longest step."""

    device: Any = None
    """The ``hpo.objectives.device.Device`` of the neurons, with the values of its parameters."""

    def __getattr__(self, name: str) -> Any:
        """A parameter of the device."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.device, name)

    @property
    def solver(self) -> IntegratorName:
        """By which its equation is solved, whatever it is integrated by."""
        return "ab3" if self.device.flow is None else "exponential-ab3"

    @property
    def longest_step_ns(self) -> float:
        """The longest step by default."""
        found: float = type(self.device).model_fields["max_step_ns"].default
        return found

    def replaced(self, **values: Any) -> Self:
        """The same with other parameters of the device."""
        return replace(self, device=self.device.with_values(**values))

    @property
    def n_steps(self) -> int:
        """Equal steps into which ``dt_ns`` is divided: none is longer than ``max_step_ns``."""
        return physics.n_steps(
            dt_ns=self.dt_ns, steps_per_point=self.steps_per_point, max_step_ns=self.max_step_ns
        )

    @property
    def step_ns(self) -> float:
        """Length of a step."""
        return self.dt_ns / self.n_steps

    def advance(
        self, dynamics: Dynamics, state: State, past: Past, u: Tensor
    ) -> tuple[State, Past]:
        """State and past one point later, ``dt_ns`` on, under the constant input ``u``."""
        for _ in range(self.n_steps):
            state, past = self.step(dynamics, state, past, u)
        return state, past

    def step(self, dynamics: Dynamics, state: State, past: Past, u: Tensor) -> tuple[State, Past]:
        """The same one step later."""
        after = INTEGRATORS[self.integrator](dynamics, state, past, u, self.step_ns)
        return after, (dynamics.output(state), *past)[:_N_PAST]


_N_PAST = max(map(len, EXTRAPOLATION.values())) - 1


def _slope(dynamics: Dynamics, state: State, u: Tensor) -> State:
    return dynamics.rate(state, dynamics.drive(dynamics.output(state), u))


def _moved(state: State, dt_ns: float, slope: State) -> State:
    return tuple(value + dt_ns * rate for value, rate in zip(state, slope, strict=True))


def growth(z: Tensor) -> Tensor:
    """``exp(z)``, with ``z`` clipped to ±MAX_EXPONENT."""
    return torch.exp(clipped(z))


def clipped(z: Tensor) -> Tensor:
    """``z`` within ±MAX_EXPONENT."""
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
    quotient = torch.expm1(clipped(large)) / large
    return torch.where(near, series, quotient)
