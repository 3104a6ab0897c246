"""The Duffing oscillator: a mass on a spring that stiffens as it is stretched.

G. Duffing (1918). Nano- and micromechanical beams and drums obey his equation. J. C.
Coulombe, M. C. A. York and J. Sylvestre proposed networks of such masses (Computing
with networks of nonlinear mechanical oscillators, PLoS ONE 12, e0178663 (2017),
arXiv:1704.06320). G. Dion, A. I.-E. Mejaouri and J. Sylvestre compute with one silicon
beam (J. Appl. Phys. 124, 152132, 2018).

The equation of ``duffing`` in docs/explanation/equations.md, "Other neurons"::

    dx/dt = ω v,   ω = 2π f0
    dv/dt = -ω (x + β x³) - 2 v / τ + I
    y     = x

======  =========  ====  ===================================================
symbol  code name  unit  meaning
======  =========  ====  ===================================================
x       x          1     displacement
v       v          1     velocity over ω: x and v have one scale
I       drive      1/ns  force over mass and ω
f0      f0_per_ns  1/ns  frequency of small oscillations
τ       tau_ns     ns    time in which a free oscillation decays to 1/e
β       cubic      1     stiffening: the spring is (1 + β x²) times as stiff
======  =========  ====  ===================================================

The quality factor is π f0 τ.
"""

from __future__ import annotations

from math import pi
from typing import Any, ClassVar

from .device import Device, Parameter, parameter


class Duffing(Device):
    """A network of Duffing oscillators; we chose defaults that train."""

    states: ClassVar = ("x", "v")
    f0_per_ns: Parameter = parameter(
        0.1, gt=0, le=1e3, description="frequency of small oscillations, per ns"
    )
    tau_ns: Parameter = parameter(
        10.0,
        gt=0,
        le=1e9,
        description="time in which a free oscillation decays to 1/e, in ns",
    )
    cubic: Parameter = parameter(
        1.0,
        ge=0,
        le=1e3,
        description="stiffening β: the spring is (1 + β x²) times as stiff",
    )

    def rate(self, x: Any, v: Any, drive: Any) -> Any:
        """Return dx/dt and dv/dt, in 1/ns, each shaped as ``x``."""
        omega = 2 * pi * self.f0_per_ns
        return omega * v, drive - omega * (x + self.cubic * x**3) - 2 * v / self.tau_ns
