"""Thermal check: a trained network at other thermal powers, and with thermal noise.

A warm oscillator has a power of kT / E without a drive, and it fluctuates. This is
about a thousandth of its largest power, and depends on device and temperature. A
network trained on the equation without it uses powers of 1e-30, which no oscillator
has. So the same weights are scored at other thermal powers and on simulated chips with
thermal noise, on the solved equation; see ``networks.oscillator``.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hpo.contract import Thermal

from ..networks.layered import LayeredNetwork

DEVICE_POWER = 1e-3
"""Thermal power for networks trained without any: about that of an oscillator of 100 nm
at room temperature (docs/how-to/thermal.md)."""
SAME = 0.005
"""Largest difference of equal accuracies; twice that, relative, for other scores."""
_DECADES = 10
"""Decades below the power of the device in which ``holds_below`` is searched."""


def check(
    network: LayeredNetwork,
    claimed: float,
    score: Callable[[], float],
    noisy: Callable[[], tuple[float, ...]],
    *,
    relative: bool,
    remedy: str,
) -> Thermal:
    """Return the scores of a network at other thermal powers, and with noise.

    Args:
        network: the trained network, on the solved equation; unchanged afterwards.
        claimed: its score.
        score: measures the score with the present physics of the network.
        noisy: measures scores on chips with thermal noise.
        relative: whether scores are compared by their ratio.
        remedy: advice for a network that was trained with thermal power.
    """
    physics: Any = network.physics
    power = float(np.max(physics.thermal_power))
    device = power or DEVICE_POWER
    largest = SAME * (2.0 * abs(claimed) if relative else 1.0) + 1e-9

    def at(other: float) -> float:
        with at_power(network, other):
            return score()

    def same(value: float) -> bool:
        return abs(value - claimed) <= largest

    triple = at(device * 3.0)
    at_device = at(device)
    third = at(device * (1.0 / 3.0))
    near = {3.0 * device: triple, device: at_device, device / 3.0: third}
    holding = [other for other, value in near.items() if same(value)]
    if not holding:
        holding = [_holds_below(device, lambda other: same(at(other)))]
    with at_power(network, device):
        noisy_scores = noisy()
    return Thermal(
        power=power,
        device_power=device,
        at_device=at_device,
        third=third,
        triple=triple,
        none=at(0.0) if power else claimed,
        noisy=noisy_scores,
        holds_below=holding[0],
        remedy=remedy if power else "Train with thermal_power.",
    )


def _holds_below(device: float, same: Callable[[float], bool]) -> float:
    """Return the highest decade below a device's power at which the score holds; 0 if
    none.

    By bisection: a score that changes at one power changes at higher ones, too.
    """
    decades = range(1, _DECADES)
    first = bisect.bisect_left(decades, True, key=lambda k: same(device / 10.0**k))
    return device / 10.0 ** decades[first] if first < len(decades) else 0.0


@contextmanager
def at_power(network: LayeredNetwork, power: float) -> Iterator[None]:
    """Set the thermal power of the oscillators of ``network`` within a block."""
    trained = network.physics
    network.physics = trained.with_device_values(thermal_power=power)
    try:
        yield
    finally:
        network.physics = trained
