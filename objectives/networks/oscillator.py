"""One spintronic oscillator, Eq. (1) to (3) of arXiv:2408.02835: its amplitude under a drive.

The auto-oscillator model (A. Slavin and V. Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009))::

    dx/dt = -2 (γ' (1 + Q x) - σ I' (1 - x)) x                                  Eq. (1)

The factor 2 is absorbed into the damping and the drive, γ = 2 γ' and I = 2 I'::

    dx/dt = -γ (1 + Q x) x + σ I x (1 - x)

so that Eq. (2), and Eq. (3) for every neuron of a network, is Q = 0 and σ = 1::

    dx/dt = -γ x + I x (1 - x)                                                  Eq. (2)

With a relaxation time τ = 1/γ, then, the damping rate of Eq. (1) is γ' = 1 / (2 τ).

============  ============  ====  =============================================
paper symbol  code name     unit  shape
============  ============  ====  =============================================
x             x             1     any
I             drive         1/ns  that of x
γ             gamma_per_ns  1/ns  scalar, or that of x: of every neuron its own
Q             q             1     scalar, at least 0
σ             sigma         1     scalar, positive
Δt            dt_ns         ns    scalar
============  ============  ====  =============================================
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from objectives.networks.integrators import growth, phi1

Rate = TypeVar("Rate", float, Tensor)

X_MIN = 1e-30
"""Floor of x after an exponential step.

Strong inhibition divides x by up to e^40 in a step. An amplitude that has underflowed to 0 could
never grow again, and its adjoint, of the order of 1/x, overflows float32: 0 times infinity is a
NaN in every gradient. Thermal noise keeps a real oscillator far above this floor. Of float16, whose
normal numbers end at 6e-5, the floor is there.
"""


def rate(
    x: Tensor, drive: Tensor, *, gamma_per_ns: float | Tensor, q: float, sigma: float
) -> Tensor:
    """Time derivative of x, per ns: Eq. (1); Eq. (2) and (3) for q = 0, sigma = 1."""
    return -gamma_per_ns * (1.0 + q * x) * x + sigma * drive * x * (1.0 - x)


def flow(
    x: Tensor, drive: Tensor, dt_ns: float, *, gamma_per_ns: float | Tensor, q: float, sigma: float
) -> Tensor:
    """Amplitude after ``dt_ns`` of constant drive: Eq. (1) is then a Bernoulli equation.

    With a = σI - γ and B = σI + γQ it reads dx/dt = a x - B x², for any Q. 1/x obeys a linear
    equation. With E = e^(a Δt) and P = (E - 1)/a::

        x' = x E / (1 + B x P) = x E / ((1 - x) + x (E + γ (1 + Q) P))

    since B = a + γ (1 + Q). Every term of the second form is positive: x stays within
    [X_MIN, 1] whatever the drive and the step.
    """
    z = (sigma * drive - gamma_per_ns) * dt_ns
    e = growth(z)
    p = dt_ns * phi1(z)
    x_next = x * e / ((1.0 - x) + x * (e + gamma_per_ns * (1.0 + q) * p))  # Eq. (1), solved
    return x_next.clamp(min=floor(x))


def after_noise_kick(x: Tensor, along: Tensor, across: Tensor) -> Tensor:
    """Power x = |c|² after a jump of the complex amplitude c, within [X_MIN, 1].

    Eq. (1) is that of the power of an auto-oscillator; thermal noise drives its amplitude, in both
    quadratures alike (Slavin and Tiberkevich)::

        x' = (√x + along)² + across²

    An oscillator at rest jumps by the square of the noise, one at x = 1 by twice the noise.
    """
    x_next = (x.clamp(min=0.0).sqrt() + along) ** 2 + across**2
    return x_next.clamp(min=floor(x), max=1.0)


def floor(x: Tensor) -> float:
    """The smallest amplitude that the type of ``x`` is given."""
    return max(X_MIN, torch.finfo(x.dtype).tiny)


def fixed_point(drive: Rate, *, gamma_per_ns: Rate, q: float, sigma: float) -> Rate:
    """Amplitude a/B at which the oscillator rests under a constant drive above γ/σ.

    For q = 0 and sigma = 1 it is 1 - γ/I. Below γ/σ it is negative: the oscillator rests at 0.
    """
    return (sigma * drive - gamma_per_ns) / (sigma * drive + gamma_per_ns * q)
