"""Devices of a few lines: by rate, by exact solution, and with all that an expression
may have."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hpo.objectives.devices import (
    Device,
    Parameter,
    exp,
    log,
    maximum,
    minimum,
    parameter,
    sigmoid,
    sqrt,
    tanh,
    where,
)
from hpo.objectives.devices.duffing import Duffing
from hpo.objectives.devices.phase_oscillator import PhaseOscillator

__all__ = ["Clamped", "Cubic", "Duffing", "Leaky", "Odd", "PhaseOscillator"]


class Cubic(Device):
    """A leaky node with cubic damping: dx/dt = (tanh(tau I) - x - a x^3) / tau."""

    tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")
    a: Parameter = parameter(0.3, ge=0, description="cubic damping")

    def rate(self, x: Any, drive: Any) -> Any:
        """Per ns."""
        return (tanh(self.tau_ns * drive) - x - self.a * x**3) / self.tau_ns


class Clamped(Cubic):
    """A device that jumps between values by its state and a parameter, with a list as
    field."""

    weights: list[float] = Field(default=[1.0, 0.5])
    readout: Literal["y", "x"] = "x"

    def rate(self, x: Any, drive: Any) -> Any:
        """Per ns."""
        return where(self.a > 0.1, self.weights[0] * drive, x) - self.weights[1] * x

    def output(self, x: Any) -> Any:
        """Between its bounds."""
        return minimum(maximum(x, -0.5), 0.5)

    def amplitude(self, x: Any) -> Any:
        """For traces alone."""
        return x**2


class Leaky(Device):
    """A leaky node with a saturating output, solved in closed form."""

    tau_ns: Parameter = parameter(3.0, gt=0, description="relaxation time, in ns")
    noise: float = 0.02

    def rate(self, x: Any, drive: Any) -> Any:
        """Per ns."""
        return drive - x / self.tau_ns

    def advance_exactly(self, x: Any, drive: Any, step_ns: Any) -> Any:
        """The solution."""
        decay = exp(-step_ns / self.tau_ns)
        return decay * x + self.tau_ns * (1 - decay) * drive

    def output(self, x: Any) -> Any:
        """Return a bounded output."""
        return tanh(x)

    def noise_per_sqrt_ns(self) -> Any:
        """Return the noise of its damping."""
        return self.noise / sqrt(self.tau_ns)


class Odd(Device):
    """Every function and comparison, powers, and noise of two parts that acts on both
    states."""

    states = ("x", "z")
    noise_parts = 2
    a: Parameter = parameter(0.4, gt=0, description="exponent")
    b: Parameter = parameter(1.3, gt=0, description="scale")

    def rate(self, x: Any, z: Any, drive: Any) -> Any:
        """Per ns."""
        rising = where((x < 0.2) & (z >= -1.0), exp(-(x**2) * self.b), 1 / (1 + x**2))
        falling = (
            maximum(x, 0.1) ** self.a + abs(z) * log(1 + x**2) - drive / sqrt(1 + z**2)
        )
        return rising * drive - x, falling / self.b - z * sigmoid(self.b) ** 3

    def rest(self) -> Any:
        """By its parameters."""
        return 0.3 * self.a, 0.0

    def fixed_drive(self) -> Any:
        """A bias."""
        return 0.1 * self.a

    def add_noise(self, x: Any, z: Any, noise: Any) -> Any:
        """Along and across."""
        return x + noise[0] * (1 + z), z + noise[1] * x

    def noise_per_sqrt_ns(self) -> Any:
        """Some."""
        return 0.1 * self.b
