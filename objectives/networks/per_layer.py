"""Constants of neurons that may differ between layers: one number for all, or one for
each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

PerLayer = float | tuple[float, ...]
"""One number for all layers, or one for each, from layer 0, which receives the
input."""

Value = TypeVar("Value")


def spread_layers(
    value: Value | tuple[Value, ...], layers: int, name: str
) -> tuple[Value, ...]:
    """Return one value for each layer, (layers,).

    Raises:
        ValueError: a tuple has another length.

    >>> spread_layers(0.5, 2, "s"), spread_layers((3.0, 5.0), 2, "tau_ns")
    ((0.5, 0.5), (3.0, 5.0))
    """
    values = value if isinstance(value, tuple) else (value,) * layers
    if len(values) != layers:
        raise ValueError(
            f"layered network: expected one {name}, or one for each of {layers} layers,"
            f" got {list(values)}. Use {layers} numbers."
        )
    return values


def as_factor(value: PerLayer, state: Tensor) -> float | Tensor:
    """Return a value as a factor of a tensor shaped as ``state``, (members, layers,
    batch, width).

    A number if all layers share it, else a tensor, (layers, 1, 1).
    """
    if not isinstance(value, tuple):
        return value
    return value[0] if len(set(value)) == 1 else state.new_tensor(value)[:, None, None]
