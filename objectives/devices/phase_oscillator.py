"""The phase oscillator: Kuramoto's, held by a reference, or an XY spin in a field.

Y. Kuramoto's oscillators, of equal frequency, pull each other's phases by J_ij sin(φ_j
- φ_i) = J_ij (sin φ_j cos φ_i - cos φ_j sin φ_i). The first term is a signal sin φ_j
that a neuron sends, times its effect cos φ_i: one quadrature is coupled. A reference of
phase 0 takes the place of the second term. It locks every oscillator, as in R. Adler's
equation (Proc. IRE 34, 351, 1946).

The equation of ``phase-oscillator`` in docs/explanation/equations.md, "Other neurons"::

    dφ/dt = -sin(φ) / τ + I cos φ
    y     = sin φ

XY spins that are coupled along y, in a field along x, obey the same equation. T. Rageau
and J. Grollier train both couplings of spintronic oscillators by equilibrium
propagation (arXiv:2504.11884): nearly 98 % on MNIST.

======  =========  ====  ===============================================================
symbol  code name  unit  meaning
======  =========  ====  ===============================================================
φ       phi        rad   phase, relative to the reference
I       drive      1/ns  injected amplitude, in quadrature
τ       tau_ns     ns    relaxation time of small phases; 1/τ, in radians per ns, is the
                         largest detuning that stays locked
======  =========  ====  ===============================================================
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..training import Amplification
from .device import Device, Parameter, parameter
from .functions import cos, sin


class PhaseOscillator(Device):
    """A network of phase oscillators; we chose defaults that train."""

    states: ClassVar = ("phi",)
    s: Amplification = 0.2
    tau_ns: Parameter = parameter(
        6.0, gt=0, le=1e6, description="relaxation time of a small phase, in ns"
    )

    def rate(self, phi: Any, drive: Any) -> Any:
        """Return dφ/dt, in rad/ns, shaped as ``phi``."""
        return drive * cos(phi) - sin(phi) / self.tau_ns

    def output(self, phi: Any) -> Any:
        """Return the quadrature y that a neuron sends, shaped as ``phi``."""
        return sin(phi)
