"""The high-pass filter behind every spintronic neuron, Eq. (5) of arXiv:2408.02835.

docs/explanation/equations.md, "Oscillator", has it, too. f_cut is in 1/ns, x and y have
no unit::

    dy/dt = -2π f_cut y + dx/dt                                                 Eq. (5)

Its transfer function is ``s / (s + 2π f_cut)``: slow changes of x are filtered out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rate(y: Tensor, dx: Tensor, f_cut_per_ns: float | Tensor) -> Tensor:
    """Return dy/dt, in 1/ns, shaped as ``y``; ``dx`` is dx/dt, in 1/ns."""
    return -2.0 * math.pi * f_cut_per_ns * y + dx  # Eq. (5)


def advance_exactly(
    y: Tensor, change: Tensor, f_cut_per_ns: float | Tensor, step_ns: float
) -> Tensor:
    """Return y after ``step_ns`` in which x changes by ``change`` at a constant rate.

    With c = 2π f_cut Δt::

        y' = e^(-c) y + (x' - x) (1 - e^(-c)) / c
    """
    c = 2.0 * math.pi * f_cut_per_ns * step_ns
    if isinstance(c, Tensor):
        gains = torch.where(c > 0.0, -torch.expm1(-c) / c, 1.0)
        return torch.exp(-c) * y + gains * change
    gain = -math.expm1(-c) / c if c > 0.0 else 1.0
    return math.exp(-c) * y + gain * change  # Eq. (5), solved
