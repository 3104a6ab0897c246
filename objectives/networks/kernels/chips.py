"""Simulated chips for the kernels and the reference; ``networks.simulated_chips`` draws
them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..programming import Programming
from ..reading import Reading
from .layout import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Chip:
    """Deviations of the neurons of a simulated chip from the ideal; None: no deviation.

    Noise makes neurons jump at equal intervals, after a step. An oscillator jumps along
    and across its complex amplitude, a neuron of a CTRNN in x: see
    ``networks.simulated_chips``.
    """

    factors: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Factor on each parameter that deviates, by its name, (neurons,)."""
    s: NDArray[np.float64] | None = None
    """Factor on the amplification, (neurons,)."""
    fixed_drive: float | None = None
    """Factor on the fixed drive of all neurons."""
    clock: float | None = None
    """Factor on the time between two input points."""
    programming: Programming | None = None
    """Its weights; ``programming.programmed`` writes them to the network."""
    reading: Reading | None = None
    """Errors of what is read."""
    noise_per_sqrt_ns: NDArray[np.float64] | None = None
    """Standard deviation of the noise of a neuron in 1 ns, in 1/√ns, (neurons,)."""
    normals: Floats | None = None
    """Normal numbers of the jumps, (jumps, parts, neurons, LANES), flat; None without
    noise."""
    jumps_per_point: int | None = None
    """Jumps between two input points; fewer normals are used again from the first one.
    None: the normals are those of all points."""


IDEAL = Chip()


def scale_values(
    values: Mapping[str, NDArray[np.float64]],
    factors: Mapping[str, NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    """Return parameters of neurons, each times its factor, if it has one."""
    scaled = dict(values)
    for name in scaled.keys() & factors.keys():
        scaled[name] = scaled[name] * factors[name]
    return scaled


def steps_between_jumps(chip: Chip, n_normals: int, n_points: int, n_steps: int) -> int:
    """Return the number of steps from jump to jump, with equal numbers of jumps in all
    points.

    Args:
        chip: a chip with noise.
        n_normals: number of jumps that it has normal numbers for.
        n_points: points of a series.
        n_steps: steps per point.

    Raises:
        ValueError: the jumps do not divide the steps of a point evenly.
    """
    n_jumps = chip.jumps_per_point * n_points if chip.jumps_per_point else n_normals
    per_point, rest = divmod(n_jumps, n_points)
    if rest or not per_point or n_steps % per_point:
        raise ValueError(
            f"chip with noise: {n_jumps} jumps do not divide {n_points} points of"
            f" {n_steps} steps evenly. Take a multiple of the steps that the jumps were"
            " drawn for."
        )
    return n_steps // per_point
