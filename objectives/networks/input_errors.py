"""Errors of the input of a chip: noise, an offset, and edges of the clock that move.

Edge k of the clock, between the points u_(k-1) and u_k, comes j_k Δt late; early where
j_k < 0. A late edge takes an impulse j Δt (u_k - u_(k-1)) from the input, centred at
j Δt / 2 after the edge. Impulse and centre are shared out among the two points::

    u_(k-1) → u_(k-1) - j (1 - j) / 2 (u_k - u_(k-1))
    u_k     → u_k     - j (1 + j) / 2 (u_k - u_(k-1))

So the input stays constant over each point. What a neuron with the relaxation time τ
remembers of the impulse is right to (Δt/τ)² / 6 of it (``tests/numerics``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..hardware.variability import Variability
from ..randomness import stream

InputErrors = Callable[[Tensor], Tensor]
"""Returns the input of a chip, (batch, time, channels), for the exact one."""


def draw_input_errors(
    variability: Variability,
    seed: int,
    number: int | str,
    noise: np.random.Generator | None = None,
) -> InputErrors:
    """Draw the errors of the input of a chip; see ``simulated_chips.draw_chip``.

    Args:
        variability: how the chip differs from the ideal.
        seed: seed of the member.
        number: number or name of the chip.
        noise: generator of the noise; default: one of this chip.
    """
    if noise is None:
        noise = stream(seed, f"variability/input/{number}")
    generator = noise
    jitter = variability.clock_jitter
    edges = stream(seed, f"variability/jitter/{number}") if jitter else None

    def disturb(u: Tensor) -> Tensor:
        u = noisy_input(u, variability.input_noise, generator)
        if edges is not None:
            u = move_edges(u, jitter, edges)
        if variability.offset_error == 0.0:
            return u
        offsets = stream(seed, f"variability/offset/{number}")
        z = offsets.standard_normal(u.shape[-1])
        return u + variability.offset_error * torch.from_numpy(z).to(u)

    return disturb


def noisy_input(u: Tensor, size: float, inputs: np.random.Generator) -> Tensor:
    """Return ``u`` plus normal noise with the standard deviation ``size``."""
    if size == 0.0:
        return u
    noise = inputs.standard_normal(tuple(u.shape), dtype=np.float32)
    return u + size * torch.from_numpy(noise).to(u)


def move_edges(u: Tensor, size: float, edges: np.random.Generator) -> Tensor:
    """Return ``u``, (batch, time, channels), with edges that move by the standard
    deviation ``size`` over a point, at most half a point; see the module."""
    z = edges.standard_normal((len(u), u.shape[1] - 1, 1), dtype=np.float32)
    late = torch.from_numpy(np.clip(size * z, -0.5, 0.5)).to(u)
    impulse = late * u.diff(dim=1)
    moved = u.clone()
    moved[:, :-1] -= impulse * (1.0 - late) / 2.0
    moved[:, 1:] -= impulse * (1.0 + late) / 2.0
    return moved
