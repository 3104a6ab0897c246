"""What the readout weighs: the neurons that are read, after which points, and their squares.

Of the values v_i(t) that are read of neurons i after the points t = 1 ... T, side by side::

    v_i(T)   and/or   1/T sum_t v_i(t)         and then the squares of all these

A light module: PyTorch is imported where tensors are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of a readout."""

    points: Literal["last", "mean", "last+mean"] = "last"
    """After the last point, the mean over the points, or both."""
    powers: int = 1
    """2: squares, too."""
    layers: Literal["last", "all"] = "last"

    @property
    def averaged(self) -> bool:
        """Whether every point is read."""
        return self.points != "last"

    @property
    def parts(self) -> tuple[bool, bool, bool]:
        """Whether the last point is among them, the mean, and squares."""
        return self.points != "mean", self.averaged, self.powers > 1

    def widths(self, widths: tuple[int, ...]) -> tuple[int, ...]:
        """Neurons of the layers that are read, the last ones of so many."""
        return widths if self.layers == "all" else widths[-1:]

    def n(self, widths: tuple[int, ...]) -> int:
        """How many features layers of such widths have.

        >>> Features(points="last+mean", powers=2, layers="all").n((8, 4))
        48
        """
        last, mean, _ = self.parts
        return sum(self.widths(widths)) * (last + mean) * self.powers

    def of(self, values: Tensor) -> Tensor:
        """Of values (..., points, neurons), (..., points, features): one point where averaged."""
        import torch

        last, mean, squares = self.parts
        if mean:
            own = values.mean(dim=-2, keepdim=True)
            values = torch.cat((values[..., -1:, :], own), dim=-1) if last else own
        return torch.cat((values, values * values), dim=-1) if squares else values


LAST = Features()
