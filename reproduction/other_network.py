"""A network with a factor on its input and one on its readout, and masks that all
seeds may share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hpo.objectives.networks.drawing import Architecture
from hpo.objectives.networks.kernels.chips import IDEAL, Chip
from hpo.objectives.networks.pointwise import DeviceNetwork


@dataclass(frozen=True, kw_only=True)
class MaskedAlike(Architecture):
    """An architecture whose masks may be the same for all seeds."""

    mask_seed: int | None = None
    """Seed of the masks; None: each network's own."""

    def draw_masks(self, seeds: Sequence[int]) -> dict[str, Tensor]:
        """See ``Architecture``."""
        if self.mask_seed is not None:
            seeds = [self.mask_seed] * len(seeds)
        return super().draw_masks(seeds)


class OtherNetwork(DeviceNetwork):
    """A network of ``objective.OtherSpintronic``."""

    def forward(self, u: Tensor, chip: Chip = IDEAL) -> Tensor:
        """Return the logits, amplified."""
        gain: float = self.physics.device.readout_gain
        return gain * super().forward(u, chip)

    def outputs(self, u: Tensor, n_read: int, chip: Chip = IDEAL) -> Tensor:
        """Return the values read for the amplified input."""
        return super().outputs(self._amplified(u), n_read, chip)

    def trajectories(self, u: Tensor) -> dict[str, Any]:
        """Return the time series of every neuron for the amplified input."""
        return super().trajectories(self._amplified(u))

    def _amplified(self, u: Tensor) -> Tensor:
        gain: float = self.physics.device.input_gain
        return gain * u
