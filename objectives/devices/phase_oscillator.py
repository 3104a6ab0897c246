"""The phase oscillator: Kuramoto's, held by a reference, or an XY spin in a field.

Y. Kuramoto's oscillators, of equal frequency, pull each other's phases by J_ij sin(φ_j - φ_i)
= J_ij (sin φ_j cos φ_i - cos φ_j sin φ_i). The first term is a signal sin φ_j that a neuron sends,
times its effect cos φ_i: one quadrature is coupled. In place of the second stands a reference of
phase 0 that locks every oscillator, as R. Adler's equation has it (Proc. IRE 34, 351, 1946)::

    dφ/dt = -sin(φ) / τ + I cos φ
    y     = sin φ

These are also the dynamics of XY spins that are coupled along y, in a field along x. T. Rageau and
J. Grollier train both couplings, by equilibrium propagation and for spintronic oscillators
(arXiv:2504.11884): nearly 98 % of MNIST.

============  ===============  ======  ===================================================
symbol        code name        unit    what
============  ===============  ======  ===================================================
φ             phi              rad     phase, relative to the reference
I             drive            1/ns    amplitude that is injected in quadrature
τ             tau_ns           ns      time in which small phases relax; 1/τ, in radians
                                       per ns, is the largest detuning that stays locked
============  ===============  ======  ===================================================
"""

from __future__ import annotations

from typing import Any, ClassVar

from hpo.objectives.device import Device, Parameter, cos, parameter, sin
from hpo.objectives.layered import Amplification


class PhaseOscillator(Device):
    """A network of phase oscillators; its defaults are a choice of ours, which trains."""

    states: ClassVar = ("phi",)
    s: Amplification = 0.2
    tau_ns: Parameter = parameter(
        6.0, gt=0, le=1e6, description="relaxation time of a small phase, in ns"
    )

    def rate(self, phi: Any, drive: Any) -> Any:
        """Time derivative of the phase, rad per ns."""
        return drive * cos(phi) - sin(phi) / self.tau_ns

    def output(self, phi: Any) -> Any:
        """The quadrature that it sends."""
        return sin(phi)
