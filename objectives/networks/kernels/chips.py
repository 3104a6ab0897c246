"""Simulated chips, as the kernels and the reference take them; ``networks.devices`` draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hpo.objectives.networks.kernels.layout import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Chip:
    """How the neurons of a simulated chip differ from the ideal; None: not at all.

    Noise makes them jump, evenly spaced in time and each after a step. An oscillator jumps along
    and across its complex amplitude, a CTRNN's neuron in x: see ``networks.devices``.
    """

    factors: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Factor on each parameter of the neurons that differs, by its name, (neurons,)."""
    s: NDArray[np.float64] | None = None
    """Factor on the amplification, (neurons,)."""
    noise_per_sqrt_ns: NDArray[np.float64] | None = None
    """What noise adds to a neuron in 1 ns, its standard deviation, (neurons,)."""
    normals: Floats | None = None
    """Normal numbers of the jumps, (jumps, parts, neurons, LANES), flat; None without noise."""
    jumps_per_point: int | None = None
    """Jumps between two input points; where there are fewer normals they are taken again, from the
    first. None: as many as there are normals."""


IDEAL = Chip()


def steps_between_jumps(chip: Chip, n_normals: int, n_points: int, n_steps: int) -> int:
    """Return the steps from jump to jump: there are as many jumps in every point.

    Args:
        chip: one with noise.
        n_normals: jumps that it has normal numbers for.
        n_points: points of a series.
        n_steps: steps from one to the next.

    Raises:
        ValueError: that many steps per point cannot be divided so.
    """
    n_jumps = chip.jumps_per_point * n_points if chip.jumps_per_point else n_normals
    per_point, rest = divmod(n_jumps, n_points)
    if rest or not per_point or n_steps % per_point:
        raise ValueError(
            f"chip with noise: {n_jumps} jumps do not divide {n_points} points of {n_steps} steps "
            "evenly. Take a multiple of the steps that the jumps were drawn for."
        )
    return n_steps // per_point
