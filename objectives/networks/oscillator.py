"""One spintronic oscillator, Eq. (1) to (3) of arXiv:2408.02835: its amplitude under a drive.

The auto-oscillator model (A. Slavin and V. Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009))::

    dx/dt = -2 (γ' (1 + Q x) - σ I' (1 - x)) x                                  Eq. (1)

The factor 2 is absorbed into the damping and the drive, γ = 2 γ' and I = 2 I'::

    dx/dt = -γ (1 + Q x) x + σ I x (1 - x)

so that Eq. (2), and Eq. (3) for every neuron of a network, is Q = 0 and σ = 1::

    dx/dt = -γ x + I x (1 - x)                                                  Eq. (2)

With a relaxation time τ = 1/γ, then, the damping rate of Eq. (1) is γ' = 1 / (2 τ).

**Thermal power.** x = |c|² is the power of a complex amplitude c. Thermal noise η/2 (ξ + i ξ') of c
adds η²/2 per ns to the mean of x, wherever c is. With it an oscillator that nothing drives has the
power x_th = η² τ / 2 in the mean, which is kT / E, E its energy at x = 1 (equipartition; the noise
is that of the damping γ alone)::

    dx/dt = γ x_th - γ (1 + Q x) x + σ I x (1 - x)                              Eq. (1), warm

This is the equation of the mean where x is well above x_th, and for a linear oscillator anywhere;
the scores of a network with the noise itself stand beside (``networks.devices``). The paper has
x_th = 0. Then nothing keeps x from falling: ln x is what is integrated,

    d(ln x)/dt = -γ (1 + Q x) + σ I (1 - x)

so that x may have any size.

============  =============  ====  =============================================
paper symbol  code name      unit  shape
============  =============  ====  =============================================
x             x              1     any
I             drive          1/ns  that of x
γ             gamma_per_ns   1/ns  scalar, or that of x: of every neuron its own
Q             q              1     scalar, at least 0
σ             sigma          1     scalar, positive
x_th          thermal_power  1     scalar, or that of x; from 0, below 1
Δt            dt_ns          ns    scalar
============  =============  ====  =============================================
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from hpo.objectives.networks.integrators import clipped, growth, phi1

Rate = TypeVar("Rate", float, Tensor, Any)

SILENT = 1e-30
"""Power at the beginning of an oscillator that neither its bias nor thermal noise lets oscillate.

Only a chip without thermal power has such: where γ is twice the nominal one. From 0 it could never
start; what does let it start is not in Eq. (2). No jump of noise ends below it, which matters to
neurons without noise on a chip with it alone.
"""


def rate(
    x: Tensor,
    drive: Tensor,
    *,
    gamma_per_ns: float | Tensor,
    q: float,
    sigma: float,
    thermal_power: float | Tensor = 0.0,
) -> Tensor:
    """Return dx/dt, per ns: Eq. (1) with thermal power; Eq. (2), (3) for q = 0, sigma = 1."""
    source = gamma_per_ns * thermal_power
    return source - gamma_per_ns * (1.0 + q * x) * x + sigma * drive * x * (1.0 - x)


def log_rate(
    log_x: Tensor, drive: Tensor, *, gamma_per_ns: float | Tensor, q: float, sigma: float
) -> Tensor:
    """Return d(ln x)/dt, per ns, without thermal power: Eq. (1) over x."""
    x = log_x.exp()
    return -gamma_per_ns * (1.0 + q * x) + sigma * drive * (1.0 - x)


def flow(
    x: Tensor,
    drive: Tensor,
    dt_ns: float,
    *,
    gamma_per_ns: float | Tensor,
    q: float,
    sigma: float,
    thermal_power: float | Tensor,
) -> Tensor:
    """Return x after ``dt_ns`` of constant drive, with thermal power above 0: a Riccati equation.

    With a = σI - γ, B = σI + γQ and c = γ x_th it reads dx/dt = c + a x - B x², and x is a ratio
    of solutions of a linear equation. With w² = a²/4 + B c > 0, r± = w ∓ a/2, E = e^(-2 w Δt)::

        x' = (x (r₋ + E r₊) + c (1 - E)) / (r₊ + E r₋ + B x (1 - E))

    Of r± the larger is computed and the smaller is B c over it. Where B < 0, the denominator is
    r₊ (1 - x) + x (r₋ + γ (1 + Q)) + E (r₋ - B x), since B = r₋ - r₊ + γ (1 + Q): nothing cancels.
    x stays within 0 and 1 whatever the drive and the step.
    """
    a, b = sigma * drive - gamma_per_ns, sigma * drive + gamma_per_ns * q
    c = gamma_per_ns * thermal_power
    w = (a * a / 4.0 + b * c).sqrt()
    large = w + torch.where(a < 0, -a, a) / 2.0  # abs() would have no slope at 0
    small = b * c / large
    r_minus, r_plus = torch.where(a < 0, small, large), torch.where(a < 0, large, small)
    decay, decayed = torch.exp(-2.0 * w * dt_ns), -torch.expm1(-2.0 * w * dt_ns)
    driven = r_plus + decay * r_minus + b * x * decayed
    damped = x * (r_minus + gamma_per_ns * (1.0 + q)) + decay * (r_minus - b * x)
    denominator = torch.where(b < 0, r_plus * (1.0 - x) + damped, driven)
    return (x * (r_minus + decay * r_plus) + c * decayed) / denominator


def log_flow(
    log_x: Tensor,
    drive: Tensor,
    dt_ns: float,
    *,
    gamma_per_ns: float | Tensor,
    q: float,
    sigma: float,
) -> Tensor:
    """Return ln x after ``dt_ns`` of constant drive, without thermal power: a Bernoulli equation.

    With a = σI - γ and B = σI + γQ it reads dx/dt = a x - B x², for any Q. 1/x obeys a linear
    equation. With E = e^(a Δt) and P = (E - 1)/a::

        x' = x E / (1 + B x P) = x E / ((1 - x) + x (E + γ (1 + Q) P))

    since B = a + γ (1 + Q). Every term of the second form is positive: x stays within 0 and 1
    whatever the drive and the step.
    """
    x, z = log_x.exp(), (sigma * drive - gamma_per_ns) * dt_ns
    p = dt_ns * phi1(z)
    grown = (1.0 - x) + x * (growth(z) + gamma_per_ns * (1.0 + q) * p)
    return log_x + clipped(z) - grown.log()  # Eq. (1), solved


def after_noise_kick(log_x: Tensor, along: Tensor, across: Tensor) -> Tensor:
    """Return the power x = |c|² after a jump of the complex amplitude c, from SILENT to 1.

    Thermal noise drives both quadratures of c alike (Slavin and Tiberkevich)::

        x' = (√x + along)² + across²

    An oscillator at rest jumps by the square of the noise, one at x = 1 by twice the noise.
    """
    root = (log_x / 2.0).exp()
    return ((root + along) ** 2 + across**2).clamp(min=SILENT, max=1.0)


def fixed_point(
    drive: Rate, *, gamma_per_ns: Rate, q: float, sigma: float, thermal_power: Rate
) -> Rate:
    """Return the amplitude at which the oscillator rests under a constant drive, σI > -γQ.

    The positive root of c + a x - B x² (see ``flow``). Without thermal power it is a/B above γ/σ,
    for q = 0 and sigma = 1 then 1 - γ/I, and 0 below.

    >>> fixed_point(2.0, gamma_per_ns=1.0, q=0.0, sigma=1.0, thermal_power=0.0)
    0.5
    """
    a, b = sigma * drive - gamma_per_ns, sigma * drive + gamma_per_ns * q
    root: Rate = (a * a + 4.0 * b * gamma_per_ns * thermal_power) ** 0.5
    return (a + root) / (2.0 * b)
