"""A device of one's own, as a newcomer writes it: see docs/how-to/own-device.md."""

from __future__ import annotations

from typing import Any

from hpo.objectives.devices import Device, Parameter, parameter, tanh


class Cubic(Device):
    """A leaky node with cubic damping: dx/dt = (tanh(tau I) - x - a x^3) / tau."""

    tau_ns: Parameter = parameter(2.0, gt=0, description="relaxation time, in ns")
    a: Parameter = parameter(0.3, ge=0, description="cubic damping")

    def rate(self, x: Any, drive: Any) -> Any:
        """See above."""
        return (tanh(self.tau_ns * drive) - x - self.a * x**3) / self.tau_ns
