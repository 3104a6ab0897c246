"""Integrators: one step of a driven dynamical network with any equations.

docs/explanation/equations.md has the equations, and docs/explanation/integrators.md the
errors.

A network has a drive ``I(y, u)``, in 1/ns, of the outputs y and the input u, and a rate
of change of its state under that drive. The integrators are explicit: the outputs of
every layer at the start of the step (and before) enter the drives, so all layers step
together. The input is constant over the step.

The exponential integrators solve each neuron in closed form for the mean drive of a
step. They estimate the mean output by extrapolating from ``y_n``, at the start of step
n, and earlier ones::

    exponential         y_n                                          order 1
    exponential-ab2     (3 y_n - y_(n-1)) / 2                        order 2
    exponential-ab3     (23 y_n - 16 y_(n-1) + 5 y_(n-2)) / 12       order 2

``ab3`` extrapolates as ``exponential-ab3`` and takes a Runge-Kutta step of order 4
under that drive, for neurons without a solution in closed form.

These are the explicit Adams-Bashforth formulas: the mean over the coming step of the
polynomial through the last outputs. Only outputs are extrapolated. The input is
constant over a point, so its part of the drive is exact, also after a jump. Before the
first step the network was at rest, so earlier outputs are those at rest.

**A delay** of δ steps, of the outputs that enter the drives: the mean is that over the
step from -δ to 1 - δ (``delayed``). Whole steps take earlier outputs, so that the rest
of the delay, below 2, lies among the last ones.

Two errors of second order remain. A drive that changes within a step acts through more
than its mean, and the outputs have a kink after a jump of the input. So three outputs
gain no order over two. They gain a factor, since the error of the extrapolation itself
is of third order.

References:
    E. Hairer, S. P. Nørsett and G. Wanner, Solving Ordinary Differential Equations I,
    II.1, III.1 (1993). M. Hochbruck and A. Ostermann, Exponential integrators, Acta
    Numerica 19, 209 (2010), section 2.7 (exponential multistep methods).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from ..hardware import physics

State = tuple[Tensor, ...]
"""State variables of every neuron, each of shape (members, layers, batch, width)."""

Past = tuple[Tensor, ...]
"""Outputs at the starts of the last steps, newest first, each (members, layers, batch,
width).

Empty at the beginning: the network was at rest before.
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
"""Weights of the last outputs in the mean output over a step (see the module), by
integrator.

The kernels have these integrators, and no others.
"""
_N_PAST = 2
"""Number of outputs in ``Past``, beside the one now, without a delay."""


class Delayed(NamedTuple):
    """How the mean output over a step follows from the outputs before."""

    steps: int
    """Whole steps of the delay: the newest output is that of so many steps ago."""
    weights: tuple[float, float, float]
    """Weights of this output and of the two before it."""


def whole_steps(delay_steps: float) -> int:
    """Return the whole steps of a delay, so that the rest is below 2."""
    return max(0, math.floor(delay_steps) - 1)


def delayed(name: str, delay_steps: float) -> Delayed:
    """Return the weights for a delay, a number of steps; 0: ``EXTRAPOLATION``.

    The polynomial p through the last outputs has p(0), p(-1) and p(-2) = y_n, y_(n-1)
    and y_(n-2). With the rest f of the delay, the mean of p over the step from -f to
    1 - f is that of its powers, m1 = 1/2 - f and m2 = 1/3 - f + f².
    """
    weights = EXTRAPOLATION[name]
    if delay_steps == 0.0:
        return Delayed(0, weights)
    steps = whole_steps(delay_steps)
    rest = delay_steps - steps
    first = 0.5 - rest
    second = 1.0 / 3.0 - rest + rest**2
    if weights[2] == 0.0:
        return Delayed(steps, (1.0 + first, -first, 0.0))
    newest = 1.0 + 1.5 * first + 0.5 * second
    return Delayed(steps, (newest, -2.0 * first - second, 0.5 * (first + second)))


MAX_EXPONENT = 40.0
"""Exponents are clipped to ±40: e^40 squared still fits float32, so gradients stay
finite.

Types of a smaller range, such as float16, are clipped earlier, by the same rule.
"""


class Dynamics(Protocol):
    """The equations of a network in which neurons act on each other only through a
    drive."""

    def output(self, state: State) -> Tensor:
        """Return the outputs of the neurons, the paper's y, (members, layers, batch,
        width)."""

    def drive(self, y: Tensor, u: Tensor) -> Tensor:
        """Return the drive of every neuron, in 1/ns, shaped as ``y``, under the input
        ``u``."""

    def rate(self, state: State, drive: Tensor) -> State:
        """Return the time derivative of the state, per ns."""

    def advance_exactly(self, state: State, drive: Tensor, step_ns: float) -> State:
        """Return the state after ``step_ns`` of constant drive, in closed form."""


class RungeKutta(NamedTuple):
    """An explicit method: from each stage, the step to the next one, by the last
    slope."""

    reaches: tuple[int, ...]
    """Parts of a step from its start to each further stage: 2 is a half."""
    shares: tuple[tuple[int, int], ...]
    """Stages in the order in which their slopes are added, and the parts of a step."""

    def step(
        self, slope: Callable[[State], State], state: State, step_ns: float
    ) -> State:
        """Return the state after a step, by its slope at any state."""
        slopes = [slope(state)]
        for part in self.reaches:
            slopes.append(slope(_move(state, step_ns / part, slopes[-1])))
        for stage, part in self.shares:
            state = _move(state, step_ns / part, slopes[stage])
        return state


RUNGE_KUTTA: Mapping[str, RungeKutta] = {
    "euler": RungeKutta((), ((0, 1),)),
    "heun": RungeKutta((1,), ((0, 2), (1, 2))),
    "rk4": RungeKutta((2, 2, 1), ((0, 6), (3, 6), (1, 3), (2, 3))),
}
"""Methods of order 1, 2 and 4, by integrator. ``euler`` is unstable for drives much
above ``1/step_ns``."""
INTEGRATORS = (*EXTRAPOLATION, *RUNGE_KUTTA)


def _outputs(dynamics: Dynamics, state: State, past: Past, n: int) -> Past:
    """Return the last outputs, newest first, with those at rest before the first."""
    outputs = (dynamics.output(state), *past)
    return outputs + outputs[-1:] * (n - len(outputs))


def _extrapolate_output(
    dynamics: Dynamics, state: State, past: Past, delay: Delayed
) -> Any:
    """Return the mean output over the next step."""
    outputs = _outputs(dynamics, state, past, delay.steps + _N_PAST + 1)
    outputs = outputs[delay.steps :]
    return sum(w * y for w, y in zip(delay.weights, outputs, strict=False) if w)


def integrate(
    name: str,
    dynamics: Dynamics,
    state: State,
    past: Past,
    u: Tensor,
    step_ns: float,
    delay_steps: float = 0.0,
) -> State:
    """Return the state one step later, by an integrator of ``INTEGRATORS``.

    The input ``u`` is constant over the step of ``step_ns``. Those of
    ``EXTRAPOLATION`` have a delay, but for ``exponential``.
    """
    if name in RUNGE_KUTTA:

        def slope(stage: State) -> State:
            return dynamics.rate(stage, dynamics.drive(dynamics.output(stage), u))

        return RUNGE_KUTTA[name].step(slope, state, step_ns)
    delay = delayed(name, delay_steps)
    drive = dynamics.drive(_extrapolate_output(dynamics, state, past, delay), u)
    if name == "ab3":
        rk4 = RUNGE_KUTTA["rk4"]
        return rk4.step(lambda stage: dynamics.rate(stage, drive), state, step_ns)
    return dynamics.advance_exactly(state, drive, step_ns)


@dataclass(frozen=True, kw_only=True)
class Stepping:
    """A device, and the integration of its network from one input point to the next."""

    point_ns: float = 1.0
    """Time between two input points; the input is constant in between."""
    integrator: IntegratorName = "exponential-ab3"
    steps_per_point: int = 1
    """Least number of equal steps between two points."""
    max_step_ns: float = 0.5
    """Longest step; it may raise the number of steps."""
    coupling_delay_ns: float = 0.0
    """Age of the outputs that enter the drives."""

    device: Any = None
    """The ``hpo.objectives.devices.Device`` of the neurons, with its parameters."""

    def __getattr__(self, name: str) -> Any:
        """Return a parameter of the device."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.device, name)

    @property
    def solver(self) -> IntegratorName:
        """The integrator that solves the equation in short steps, for any
        ``integrator``."""
        return "ab3" if self.device.advance_exactly is None else "exponential-ab3"

    @property
    def longest_step_ns(self) -> float:
        """Default of the longest step."""
        default: float = type(self.device).model_fields["max_step_ns"].default
        return default

    def with_device_values(self, **values: Any) -> Self:
        """Return a copy with other parameters of the device."""
        return replace(self, device=self.device.with_values(**values))

    def at_clock(self, factor: float | None) -> Self:
        """Return a copy with ``factor`` times the time between points, in as many
        steps; None: this one. The delay is that of the nominal clock, in steps."""
        if factor is None:
            return self
        return replace(
            self,
            point_ns=factor * self.point_ns,
            coupling_delay_ns=factor * self.coupling_delay_ns,
            steps_per_point=self.n_steps,
            max_step_ns=math.inf,
        )

    @property
    def n_steps(self) -> int:
        """Number of equal steps between two points, none longer than
        ``max_step_ns``."""
        return physics.n_steps(
            point_ns=self.point_ns,
            steps_per_point=self.steps_per_point,
            max_step_ns=self.max_step_ns,
        )

    @property
    def step_ns(self) -> float:
        """Length of a step, in ns."""
        return self.point_ns / self.n_steps

    @property
    def delay_steps(self) -> float:
        """The delay of the outputs, as a number of steps."""
        return self.coupling_delay_ns / self.step_ns

    def delayed_output(self, dynamics: Dynamics, state: State, past: Past) -> Tensor:
        """Return the outputs that enter the drives now, linear between two steps."""
        whole = math.floor(self.delay_steps)
        rest = self.delay_steps - whole
        outputs = _outputs(dynamics, state, past, whole + 2)
        if rest == 0.0:
            return outputs[whole]
        return (1.0 - rest) * outputs[whole] + rest * outputs[whole + 1]

    def advance(
        self, dynamics: Dynamics, state: State, past: Past, u: Tensor
    ) -> tuple[State, Past]:
        """Return state and past one point later, after ``point_ns`` of the constant
        input ``u``."""
        for _ in range(self.n_steps):
            state, past = self.step(dynamics, state, past, u)
        return state, past

    def step(
        self, dynamics: Dynamics, state: State, past: Past, u: Tensor
    ) -> tuple[State, Past]:
        """Return state and past one step later, without noise.

        This is the reference of ``kernels.driver``: change both.
        """
        delay = self.delay_steps
        after = integrate(
            self.integrator, dynamics, state, past, u, self.step_ns, delay
        )
        n_past = whole_steps(delay) + _N_PAST
        return after, (dynamics.output(state), *past)[:n_past]


def _move(state: State, step_ns: float, slope: State) -> State:
    return tuple(
        value + step_ns * rate for value, rate in zip(state, slope, strict=True)
    )


def growth(z: Tensor) -> Tensor:
    """Return ``exp(z)``, with ``z`` clipped to ±MAX_EXPONENT."""
    return torch.exp(clip_exponent(z))


def clip_exponent(z: Tensor) -> Tensor:
    """Return ``z`` clipped to ±MAX_EXPONENT."""
    bound = min(MAX_EXPONENT, math.log(torch.finfo(z.dtype).max) / 2)
    return z.clamp(-bound, bound)


def phi1(z: Tensor) -> Tensor:
    """Return ``(growth(z) - 1) / z``, and 1 at ``z = 0``: the mean growth over a step.

    Near zero it is a Taylor series, because derivatives of the quotient cancel there. A
    branch that is not selected gets a harmless argument, so that no gradient becomes
    NaN.
    """
    near = z.abs() < 0.05
    small = torch.where(near, z, torch.zeros_like(z))
    series = torch.ones_like(z)
    for k in range(8, 1, -1):  # 1 + z/2 (1 + z/3 (1 + ...)): truncated below 1e-16
        series = 1.0 + small / k * series
    large = torch.where(near, torch.ones_like(z), z)
    quotient = torch.expm1(clip_exponent(large)) / large
    return torch.where(near, series, quotient)
