"""Constants of neurons that may differ between layers: one number for all, or one for
each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PerLayer = float | tuple[float, ...]
"""One number for all layers, or one for each, from layer 0, which receives the
input."""


def as_factor(value: PerLayer, state: Tensor) -> float | Tensor:
    """Return a value as a factor of a tensor shaped as ``state``, (members, layers,
    batch, width).

    A number if all layers share it, else a tensor, (layers, 1, 1).
    """
    if not isinstance(value, tuple):
        return value
    return value[0] if len(set(value)) == 1 else state.new_tensor(value)[:, None, None]
