"""Errors of what is read from a chip: noise of the readout, and a converter.

The values v of the neurons that are read, y or x, become::

    v   → v + a rms(v) n                     n normal, of each value its own
    v   → Δ round(v / Δ)                     Δ = max|v| / (2^(bits - 1) - 1)

rms and max are over all values that are read together: those of a batch. Training on
the kernels takes them over a block of at most 32 series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..randomness import stream
from .programming import quantise


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Errors of the values that are read; each batch gets the same normal numbers."""

    seed: int
    """Seed of the member."""
    number: int | str
    """Number or name of the chip."""
    noise: float = 0.0
    """Standard deviation over the root mean square of the values."""
    bits: int | None = None
    """Bits of the converter; None: exact."""

    def draw_normals(self, shape: Sequence[int]) -> Tensor | None:
        """Draw the normal numbers of values, (series, points, neurons); None without
        noise."""
        if self.noise == 0.0:
            return None
        random = stream(self.seed, f"variability/readout/{self.number}")
        return torch.from_numpy(random.standard_normal(tuple(shape), dtype=np.float32))

    def distort(self, values: Tensor, normals: Tensor | None) -> Tensor:
        """Return the values as they are read, (..., series, points, neurons)."""
        if normals is not None:
            size = self.noise * values.square().mean().sqrt()
            values = values + size * normals.to(values)
        return quantise(values, self.bits)

    def read(self, values: Tensor) -> Tensor:
        """Return the values as they are read; their gradient is that of exact ones."""
        exact = values.detach()
        distorted = self.distort(exact, self.draw_normals(values.shape[-3:]))
        return values + (distorted - exact)
