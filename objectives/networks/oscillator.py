"""One spintronic oscillator, Eq. (1) to (3) of arXiv:2408.02835: its amplitude under a
drive.

docs/explanation/equations.md, "Oscillator", has these equations in short.

The auto-oscillator model (A. Slavin and V. Tiberkevich, IEEE Trans. Magn. 45, 1875
(2009))::

    dx/dt = -2 (γ' (1 + Q x) - σ I' (1 - x)) x                                  Eq. (1)

The factor 2 is absorbed into the damping and the drive, γ = 2 γ' and I = 2 I'::

    dx/dt = -γ (1 + Q x) x + σ I x (1 - x)

With Q = 0 and σ = 1 this is Eq. (2), and Eq. (3) for every neuron of a network::

    dx/dt = -γ x + I x (1 - x)                                     Eq. (2)

With the relaxation time τ = 1/γ, the damping rate of Eq. (1) is γ' = 1 / (2 τ).

**Thermal power.** x = |c|² is the power of a complex amplitude c. Thermal noise η/2 (ξ
+ i ξ') of c adds η²/2 per ns to the mean of x, wherever c is. An oscillator without a
drive then has the mean power x_th = η² τ / 2. This is kT / E, with its energy E at x =
1 (equipartition; only the damping γ makes noise)::

    dx/dt = γ x_th - γ (1 + Q x) x + σ I x (1 - x)                 Eq. (1), warm

The mean of x obeys this equation where x is well above x_th, and for a linear
oscillator anywhere. ``networks.simulated_chips`` simulates the noise itself. The
paper has x_th = 0, and then x can fall without a bound. So the code integrates ln x,
for which x may have any size::

    d(ln x)/dt = -γ (1 + Q x) + σ I (1 - x)

============  =============  ====  =============================================
paper symbol  code name      unit  shape
============  =============  ====  =============================================
x             x              1     any
I             drive          1/ns  that of x
γ             gamma_per_ns   1/ns  scalar, or that of x: one per neuron
Q             q              1     scalar, at least 0
σ             sigma          1     scalar, positive
x_th          thermal_power  1     scalar, or that of x; from 0, below 1
Δt            step_ns          ns    scalar
============  =============  ====  =============================================
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor

from .integrators import clip_exponent, growth, phi1

Rate = TypeVar("Rate", float, Tensor, Any)

SILENT = 1e-30
"""Initial power of an oscillator that neither its bias nor thermal noise starts.

Only chips without thermal power have such oscillators: where γ is twice the nominal
one. From x = 0 it could never start, because Eq. (2) lacks the fluctuations that start
a real one. It is also the least power after a jump of noise. That matters only to
noiseless neurons on a noisy chip.
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
    """Return dx/dt, per ns: Eq. (1) with thermal power; Eq. (2), (3) for q = 0, sigma =
    1."""
    source = gamma_per_ns * thermal_power
    return source - gamma_per_ns * (1.0 + q * x) * x + sigma * drive * x * (1.0 - x)


def log_rate(
    log_x: Tensor,
    drive: Tensor,
    *,
    gamma_per_ns: float | Tensor,
    q: float,
    sigma: float,
) -> Tensor:
    """Return d(ln x)/dt, per ns, without thermal power: Eq. (1) over x."""
    x = log_x.exp()
    return -gamma_per_ns * (1.0 + q * x) + sigma * drive * (1.0 - x)


def advance_exactly(
    x: Tensor,
    drive: Tensor,
    step_ns: float,
    *,
    gamma_per_ns: float | Tensor,
    q: float,
    sigma: float,
    thermal_power: float | Tensor,
) -> Tensor:
    """Return x after ``step_ns`` of constant drive, with thermal power above 0: a
    Riccati equation.

    With a = σI - γ, B = σI + γQ and c = γ x_th it reads dx/dt = c + a x - B x², and x
    is a ratio of solutions of a linear equation. With w² = a²/4 + B c > 0, r± = w ∓
    a/2, E = e^(-2 w Δt)::

        x' = (x (r₋ + E r₊) + c (1 - E)) / (r₊ + E r₋ + B x (1 - E))

    The larger of r± is computed, and the smaller one is B c divided by it. Where B < 0,
    the denominator is r₊ (1 - x) + x (r₋ + γ (1 + Q)) + E (r₋ - B x), since B = r₋ - r₊
    + γ (1 + Q):
    nothing cancels. x stays between 0 and 1 for any drive and step.
    """
    a = sigma * drive - gamma_per_ns
    b = sigma * drive + gamma_per_ns * q
    c = gamma_per_ns * thermal_power
    w = (a * a / 4.0 + b * c).sqrt()
    large = w + torch.where(a < 0, -a, a) / 2.0  # abs() would have no slope at 0
    small = b * c / large
    r_minus = torch.where(a < 0, small, large)
    r_plus = torch.where(a < 0, large, small)
    decay = torch.exp(-2.0 * w * step_ns)
    rise = -torch.expm1(-2.0 * w * step_ns)
    with_drive = r_plus + decay * r_minus + b * x * rise
    with_damping = x * (r_minus + gamma_per_ns * (1.0 + q)) + decay * (r_minus - b * x)
    denominator = torch.where(b < 0, r_plus * (1.0 - x) + with_damping, with_drive)
    return (x * (r_minus + decay * r_plus) + c * rise) / denominator


def advance_log_exactly(
    log_x: Tensor,
    drive: Tensor,
    step_ns: float,
    *,
    gamma_per_ns: float | Tensor,
    q: float,
    sigma: float,
) -> Tensor:
    """Return ln x after ``step_ns`` of constant drive, without thermal power: a
    Bernoulli equation.

    With a = σI - γ and B = σI + γQ it reads dx/dt = a x - B x², for any Q. 1/x obeys a
    linear equation. With E = e^(a Δt) and P = (E - 1)/a::

        x' = x E / (1 + B x P) = x E / ((1 - x) + x (E + γ (1 + Q) P))

    since B = a + γ (1 + Q). Every term of the second form is positive: x stays between
    0 and 1 for any drive and step.
    """
    x = log_x.exp()
    z = (sigma * drive - gamma_per_ns) * step_ns
    p = step_ns * phi1(z)
    denominator = (1.0 - x) + x * (growth(z) + gamma_per_ns * (1.0 + q) * p)
    return log_x + clip_exponent(z) - denominator.log()  # Eq. (1), solved


def add_noise(root: Rate, along: Rate, across: Rate) -> Rate:
    """Return the power x = |c|² after a jump of the complex amplitude c, from √x.

    Thermal noise drives both quadratures of c alike (Slavin and Tiberkevich)::

        x' = (√x + along)² + across²

    Without a unit. At rest, x jumps by the square of the noise; at x = 1, by twice the
    noise.
    """
    power: Rate = (root + along) ** 2 + across**2
    return power


def fixed_point(
    drive: Rate, *, gamma_per_ns: Rate, q: float, sigma: float, thermal_power: Rate
) -> Rate:
    """Return the amplitude of the oscillator at rest under a constant drive, σI > -γQ.

    It is the positive root of c + a x - B x² (see ``advance_exactly``). Without thermal
    power, it is a/B for I > γ/σ (1 - γ/I for q = 0, sigma = 1) and 0 below.

    >>> fixed_point(2.0, gamma_per_ns=1.0, q=0.0, sigma=1.0, thermal_power=0.0)
    0.5
    """
    a = sigma * drive - gamma_per_ns
    b = sigma * drive + gamma_per_ns * q
    root: Rate = (a * a + 4.0 * b * gamma_per_ns * thermal_power) ** 0.5
    return (a + root) / (2.0 * b)
