"""Weights that are written to a chip: few bits, and errors of programming.

Each trained tensor W of a network, biases and readout too, becomes::

    W   → Δ round(W / Δ)                     Δ = max|W| / (2^(bits - 1) - 1)
    W   → W (1 + e z) + e' max|W| z'         z, z' normal, of each weight its own

In training the gradient is taken at the written weights and moves the exact ones: a
straight-through estimator (Y. Bengio et al., arXiv:1308.3432).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..randomness import stream


@dataclass(frozen=True, kw_only=True)
class Programming:
    """Differences between the weights of a chip and the exact ones."""

    seed: int
    """Seed of the member."""
    number: int | str
    """Number or name of the chip."""
    bits: int | None = None
    """Bits of a weight; None: exact."""
    error: float = 0.0
    """Relative standard deviation of each weight."""
    error_of_largest: float = 0.0
    """Standard deviation of each weight, over the largest one of its tensor."""

    def program(self, exact: Sequence[Tensor]) -> list[Tensor]:
        """Return the weights of the chip; ``exact`` has the trained tensors in the
        order of ``LayeredNetwork.trained``."""
        written = [quantise(tensor, self.bits) for tensor in exact]
        written = self._add(written, "weight", self.error, written)
        largest = [_largest(tensor) for tensor in exact]
        return self._add(written, "weight of largest", self.error_of_largest, largest)

    def _add(
        self,
        written: list[Tensor],
        name: str,
        size: float,
        units: Sequence[Tensor],
    ) -> list[Tensor]:
        """Add errors of ``size`` times the units of the weights."""
        if size == 0.0:
            return written
        random = stream(self.seed, f"variability/{name}/{self.number}")
        changed = []
        for tensor, unit in zip(written, units, strict=True):
            z = random.standard_normal(tuple(tensor.shape))
            changed.append(tensor + size * unit * torch.from_numpy(z).to(tensor))
        return changed


def _largest(tensor: Tensor) -> Tensor:
    return tensor.abs().max() if tensor.numel() else tensor.new_zeros(())


def quantise(values: Tensor, bits: int | None) -> Tensor:
    """Round values to 2^bits - 1 evenly spaced ones, symmetric about 0, up to the
    largest one.

    >>> quantise(torch.tensor([-1.0, 0.2, 0.9]), 2).tolist()
    [-1.0, 0.0, 1.0]
    """
    if bits is None or values.numel() == 0:
        return values
    step = values.abs().max() / (2 ** (bits - 1) - 1)
    return torch.where(step > 0, torch.round(values / step) * step, values)


@contextmanager
def programmed(network: Any, how: Programming | None) -> Iterator[None]:
    """Give a ``LayeredNetwork`` the weights of a chip within the context; None: leave
    it as it is."""
    parameters = network.trained if how is not None else ()
    exact = [parameter.detach().clone() for parameter in parameters]
    if how is not None:
        _write(parameters, how.program(exact))
    try:
        yield
    finally:
        _write(parameters, exact)


def quantise_network(network: Any, bits: int | None) -> AbstractContextManager[None]:
    """Round every trained tensor of a network within a context; None: leave it as it
    is."""
    return programmed(network, Programming(seed=0, number=0, bits=bits))


@torch.no_grad()
def _write(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(parameters, values, strict=True):
        parameter.copy_(value)
