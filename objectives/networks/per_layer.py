"""Constants of neurons that may differ from layer to layer: one number for all, or one for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

PerLayer = float | tuple[float, ...]
"""One number for all layers, or one for each: first that of layer 0, which receives the input."""

Value = TypeVar("Value")


def of_layers(value: Value | tuple[Value, ...], layers: int, name: str) -> tuple[Value, ...]:
    """One number for each layer, (layers,).

    Raises:
        ValueError: another number of them is given.

    >>> of_layers(0.5, 2, "s"), of_layers((3.0, 5.0), 2, "tau_ns")
    ((0.5, 0.5), (3.0, 5.0))
    """
    values = value if isinstance(value, tuple) else (value,) * layers
    if len(values) != layers:
        raise ValueError(
            f"layered network: expected one {name}, or one for each of {layers} layers, got "
            f"{list(values)}. Use {layers} numbers."
        )
    return values


def beside(value: PerLayer, state: Tensor) -> float | Tensor:
    """What multiplies a tensor shaped as ``state``, (members, layers, batch, width).

    A number if all layers share it, else of shape (layers, 1, 1).
    """
    if not isinstance(value, tuple):
        return value
    return value[0] if len(set(value)) == 1 else state.new_tensor(value)[:, None, None]
