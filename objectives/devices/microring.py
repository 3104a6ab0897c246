"""The photonic modulator neuron: photodetectors that drive a silicon microring.

A. N. Tait et al., Silicon photonic modulator neuron, Phys. Rev. Applied 11, 064043
(2019), arXiv:1812.11898. Balanced photodetectors add the weighted light of all sources,
of either sign. Their current charges the junction of a microring: its resonance shifts
and modulates the light of the neuron's own laser. Such circuits are continuous-time
recurrent networks (A. N. Tait et al., Sci. Rep. 7, 7430, 2017, arXiv:1611.02272), with
the ring's resonance as the nonlinearity.

The equation of ``microring`` in docs/explanation/equations.md, "Other neurons"::

    dv/dt = -v / τ + I
    y     = 1 / (1 + δ²) - 1 / (1 + (δ + v)²)

======  =========  ====  ===============================================================
symbol  code name  unit  meaning
======  =========  ====  ===============================================================
v       v          1     voltage, as shift of the resonance in half-widths
I       drive      1/ns  photocurrent over the capacitance, in half-widths/ns
y       output     1     transmission, less that at rest
τ       tau_ns     ns    time constant of junction and detectors
δ       detuning   1     laser to resonance at rest, in half-widths: steepest at 0.577,
                         an even parabola at 0
======  =========  ====  ===============================================================

A Lorentzian of full depth describes a ring at critical coupling, heated to its
detuning. Unlike tanh, y turns back once the drive has moved the resonance past the
laser.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..training import Amplification
from .device import Device, Parameter, parameter
from .functions import exp


class Microring(Device):
    """A network of photonic modulator neurons; we chose defaults that train."""

    states: ClassVar = ("v",)
    s: Amplification = 0.3
    tau_ns: Parameter = parameter(
        6.0,
        gt=0,
        le=1e6,
        description="time constant of junction and photodetectors, in ns",
    )
    detuning: Parameter = parameter(
        0.577,
        ge=-20,
        le=20,
        description="laser to resonance at rest, in half-widths of the ring",
    )

    def rate(self, v: Any, drive: Any) -> Any:
        """Return dv/dt, in 1/ns, shaped as ``v``."""
        return drive - v / self.tau_ns

    def advance_exactly(self, v: Any, drive: Any, step_ns: Any) -> Any:
        """Return the voltage after ``step_ns`` of constant drive, shaped as ``v``."""
        kept = exp(-step_ns / self.tau_ns)
        return kept * v + (1 - kept) * self.tau_ns * drive

    def rest_under(self, drive: Any) -> Any:
        """Return v at rest under a constant drive: not 0 if a limit moves the drive."""
        return self.tau_ns * drive

    def output(self, v: Any) -> Any:
        """Return the transmission y, less that at rest, shaped as ``v``."""
        return 1 / (1 + self.detuning**2) - 1 / (1 + (self.detuning + v) ** 2)
