"""Thermal check: a trained network at other thermal powers, and with the noise itself.

An oscillator in a circuit is warm: without a drive it still has a power of kT / E, a thousandth of
the largest one or so, which depends on the device and its temperature, and it fluctuates. A network
trained on the equation without it finds powers of 1e-30, which no oscillator has. So the same
weights are scored at other thermal powers and on simulated chips with thermal noise, on the solved
equation; see ``networks.oscillator``.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hpo.objectives.contract import Thermal
from hpo.objectives.networks.layered import LayeredNetwork

DEVICE_POWER = 1e-3
"""Thermal power that networks without any are compared with: about that of an oscillator of 100 nm
at room temperature (docs/how-to/thermal.md)."""
SAME = 0.005
"""Scores differ above it: in accuracy, or above twice that as a share of another score."""
_DECADES = 10
"""How far below that of a device a power is looked for at which the score is the claimed one."""


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
        network: as it was trained, on the solved equation; the same afterwards.
        claimed: its score there.
        score: measures it, with its present physics.
        noisy: the same on chips with thermal noise.
        relative: whether scores are compared by their ratio.
        remedy: what helps a network that has thermal power already.
    """
    trained: Any = network.physics
    own = trained.thermal_power
    power = float(max(own) if isinstance(own, tuple) else own)
    device = power or DEVICE_POWER

    def at(other: float) -> float:
        with at_power(network, other):
            return score()

    triple, at_device, third = (at(device * factor) for factor in (3.0, 1.0, 1.0 / 3.0))
    largest = SAME * (2.0 * abs(claimed) if relative else 1.0) + 1e-9

    def same(score: float) -> bool:
        return abs(score - claimed) <= largest

    near = {3.0 * device: triple, device: at_device, device / 3.0: third}
    holds = next((other for other, score in near.items() if same(score)), None)
    with at_power(network, device):
        found = noisy()
    return Thermal(
        power=power,
        device_power=device,
        at_device=at_device,
        third=third,
        triple=triple,
        none=claimed if power == 0.0 else at(0.0),
        noisy=found,
        holds_below=_holds_below(device, lambda p: same(at(p))) if holds is None else holds,
        remedy=remedy if power else "Train with thermal_power.",
    )


def _holds_below(device: float, same: Callable[[float], bool]) -> float:
    """The highest of the decades below a device at which the score is the claimed one; else 0.

    By bisection: what a lower power takes from a network, a higher one takes, too.
    """
    decades = range(1, _DECADES)
    found = bisect.bisect_left(decades, True, key=lambda k: same(device / 10.0**k))
    return device / 10.0 ** decades[found] if found < len(decades) else 0.0


@contextmanager
def at_power(network: LayeredNetwork, power: float) -> Iterator[None]:
    """Within it, the oscillators of ``network`` have another thermal power."""
    trained = network.physics
    network.physics = trained.with_device_values(thermal_power=power)
    try:
        yield
    finally:
        network.physics = trained
