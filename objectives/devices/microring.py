"""The photonic modulator neuron: photodetectors that drive a silicon microring.

A. N. Tait et al., Silicon photonic modulator neuron, Phys. Rev. Applied 11, 064043 (2019),
arXiv:1812.11898. Balanced photodetectors add the weighted light of all sources, of either sign;
their current charges the junction of a microring, whose resonance moves and modulates the light of
the neuron's own laser. Such circuits are continuous-time recurrent networks (A. N. Tait et al.,
Sci. Rep. 7, 7430, 2017, arXiv:1611.02272), with the ring's resonance for a nonlinearity::

    dv/dt = -v / τ + I
    y     = 1 / (1 + δ²) - 1 / (1 + (δ + v)²)

============  ===============  ======  ===================================================
symbol        code name        unit    what
============  ===============  ======  ===================================================
v             v                1       voltage, as the half-widths that it moves the ring
I             drive            1/ns    photocurrent over the capacitance, likewise
y             output           1       light that passes, over all light, less that at rest
τ             tau_ns           ns      time constant of junction and detectors
δ             detuning         1       laser to resonance at rest, in half-widths: 0.577 is
                                       the steepest point, 0 an even parabola
============  ===============  ======  ===================================================

A Lorentzian of full depth is a ring at critical coupling, heated to its detuning. Unlike tanh, y
turns back once the drive has moved the resonance past the laser.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hpo.objectives.device import Device, Parameter, exp, parameter
from hpo.objectives.layered import Amplification


class Microring(Device):
    """A network of photonic modulator neurons; its defaults are a choice of ours, which trains."""

    states: ClassVar = ("v",)
    s: Amplification = 0.3
    tau_ns: Parameter = parameter(
        6.0, gt=0, le=1e6, description="time constant of junction and photodetectors, in ns"
    )
    detuning: Parameter = parameter(
        0.577, ge=-20, le=20, description="laser to resonance at rest, in half-widths of the ring"
    )

    def rate(self, v: Any, drive: Any) -> Any:
        """Time derivative of the voltage, per ns."""
        return drive - v / self.tau_ns

    def flow(self, v: Any, drive: Any, dt_ns: Any) -> Any:
        """The voltage after ``dt_ns`` of constant drive."""
        kept = exp(-dt_ns / self.tau_ns)
        return kept * v + (1 - kept) * self.tau_ns * drive

    def output(self, v: Any) -> Any:
        """The light that passes, less that at rest."""
        return 1 / (1 + self.detuning**2) - 1 / (1 + (self.detuning + v) ** 2)
