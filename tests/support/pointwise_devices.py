"""Devices of a few lines: with one state and two, by rate and by flow, with noise of two parts."""

from __future__ import annotations

from typing import Any

from objectives.device import (
    Device,
    Parameter,
    cos,
    exp,
    log,
    maximum,
    parameter,
    sigmoid,
    sin,
    sqrt,
    tanh,
    where,
)


class Cubic(Device):
    """A leaky node with cubic damping: dx/dt = (tanh(tau I) - x - a x^3) / tau."""

    tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")
    a: Parameter = parameter(0.3, ge=0, description="cubic damping")

    def rate(self, x: Any, drive: Any) -> Any:
        """Per ns."""
        return (tanh(self.tau_ns * drive) - x - self.a * x**3) / self.tau_ns


class Leaky(Device):
    """A leaky node with a saturating output, solved in closed form."""

    tau_ns: Parameter = parameter(3.0, gt=0, description="relaxation time, in ns")
    noise: float = 0.02

    def rate(self, x: Any, drive: Any) -> Any:
        """Per ns."""
        return drive - x / self.tau_ns

    def flow(self, x: Any, drive: Any, dt_ns: Any) -> Any:
        """The solution."""
        decay = exp(-dt_ns / self.tau_ns)
        return decay * x + self.tau_ns * (1 - decay) * drive

    def output(self, x: Any) -> Any:
        """Bounded."""
        return tanh(x)

    def noise_per_sqrt_ns(self) -> Any:
        """That of its damping."""
        return self.noise / sqrt(self.tau_ns)


class Nagumo(Device):
    """FitzHugh and Nagumo's neuron, at rest without a drive."""

    states = ("v", "w")
    tau_ns: Parameter = parameter(1.0, gt=0, description="time of v, in ns")
    slowness: Parameter = parameter(0.08, gt=0, description="that of w over that of v")

    def rate(self, v: Any, w: Any, drive: Any) -> Any:
        """Per ns."""
        fast = (v - v**3 / 3 - w) / self.tau_ns + drive
        return fast, self.slowness * (v + 0.7 - 0.8 * w) / self.tau_ns

    def rest(self) -> Any:
        """The fixed point."""
        return -1.199408035244035, -0.624260044055044

    def output(self, v: Any, w: Any) -> Any:
        """From 0."""
        return sigmoid(v + 1.0) - 0.2 * w


class Phase(Device):
    """A phase that its drive turns, locked to a reference."""

    states = ("phi",)
    detuning_per_ns: Parameter = parameter(0.3, description="from the reference")
    lock_per_ns: Parameter = parameter(0.5, gt=0, description="strength of it")

    def rate(self, phi: Any, drive: Any) -> Any:
        """Per ns."""
        return self.detuning_per_ns - self.lock_per_ns * sin(phi) + drive * cos(phi)

    def fixed_drive(self) -> Any:
        """A bias."""
        return 0.1 * self.lock_per_ns

    def output(self, phi: Any) -> Any:
        """What couples."""
        return sin(phi)


class Odd(Device):
    """Every function and comparison, powers, and noise of two parts that acts on both states."""

    states = ("x", "z")
    noise_parts = 2
    a: Parameter = parameter(0.4, gt=0, description="exponent")
    b: Parameter = parameter(1.3, gt=0, description="scale")

    def rate(self, x: Any, z: Any, drive: Any) -> Any:
        """Per ns."""
        rising = where((x < 0.2) & (z >= -1.0), exp(-(x**2) * self.b), 1 / (1 + x**2))
        falling = maximum(x, 0.1) ** self.a + abs(z) * log(1 + x**2) - drive / sqrt(1 + z**2)
        return rising * drive - x, falling / self.b - z * sigmoid(self.b) ** 3

    def rest(self) -> Any:
        """By its parameters."""
        return 0.3 * self.a, 0.0

    def kick(self, x: Any, z: Any, noise: Any) -> Any:
        """Along and across."""
        return x + noise[0] * (1 + z), z + noise[1] * x

    def noise_per_sqrt_ns(self) -> Any:
        """Some."""
        return 0.1 * self.b
