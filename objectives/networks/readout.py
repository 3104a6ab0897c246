"""Features of the readout: values of neurons at the last point, their means, and their
squares.

They are the v of docs/explanation/equations.md, "Readout". With the value v_i(t) of
neuron i after point t = 1 ... T, without a unit, the features are, side by side::

    v_i(T)   and/or   1/T sum_t v_i(t)         and, optionally, their squares

Light to import: only ``compute`` imports PyTorch.
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
    """2: with squares."""
    layers: Literal["last", "all"] = "last"

    @property
    def averaged(self) -> bool:
        """True if every point is read."""
        return self.points != "last"

    @property
    def parts(self) -> tuple[bool, bool, bool]:
        """Flags of the last point, the mean and the squares: true for those among the
        features."""
        return self.points != "mean", self.averaged, self.powers > 1

    def widths(self, widths: tuple[int, ...]) -> tuple[int, ...]:
        """Return the widths of the layers that are read: all of ``widths``, or the last
        one."""
        return widths if self.layers == "all" else widths[-1:]

    def n(self, widths: tuple[int, ...]) -> int:
        """Return the number of features of layers with these widths.

        >>> Features(points="last+mean", powers=2, layers="all").n((8, 4))
        48
        """
        last, mean, _ = self.parts
        return sum(self.widths(widths)) * (last + mean) * self.powers

    def compute(self, values: Tensor) -> Tensor:
        """Return features, (..., points, features), of values, (..., points, neurons).

        If they are averaged, there is one point.
        """
        import torch

        last, mean, squares = self.parts
        if mean:
            means = values.mean(dim=-2, keepdim=True)
            values = torch.cat((values[..., -1:, :], means), dim=-1) if last else means
        return torch.cat((values, values * values), dim=-1) if squares else values


LAST = Features()
