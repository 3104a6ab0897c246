"""The numbers that are estimated: parameters of a device, and how current drives it.

A current of ``threshold_ma`` is a drive of one unit: 1 γ = 1 / tau_ns, at which a
spintronic oscillator begins to oscillate; 1/ns for a device without ``tau_ns``. The
logarithm of a number is searched if its declared bounds exclude negative values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..devices import Device
from .recordings import Recording

THRESHOLD = "threshold_ma"
REACH = 1e4
"""Largest factor between the default of a parameter and what is searched."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number to estimate, and the range in which it is searched."""

    name: str
    low: float
    high: float
    is_log: bool
    """Whether its logarithm is searched."""

    def inner(self, value: Any) -> Any:
        """Return the number that is searched, for a value."""
        return np.log(value) if self.is_log else value

    def outer(self, theta: Any) -> Any:
        """Return the value, for the number that is searched."""
        return np.exp(theta) if self.is_log else theta

    @property
    def range(self) -> tuple[float, float]:
        """The range of the number that is searched."""
        return float(self.inner(self.low)), float(self.inner(self.high))


def quantities(
    device: Device, recordings: Sequence[Recording], fixed: Mapping[str, float]
) -> list[Quantity]:
    """Return what is to be estimated of a device: all parameters that are not fixed."""
    largest_ma = max(np.nanmax(np.abs(one.current_ma)) for one in recordings)
    found = []
    for name in device.parameters:
        if name not in fixed:
            found.append(_quantity(device, name, recordings))
    if THRESHOLD not in fixed:
        found.append(
            Quantity(
                name=THRESHOLD,
                low=largest_ma / 100.0,
                high=largest_ma * 100.0,
                is_log=True,
            )
        )
    return found


def drive_per_ma(device: Device, threshold_ma: Any) -> Any:
    """Return the drive of a current of 1 mA, per ns."""
    tau_ns: Any = device.values().get("tau_ns", 1.0)
    return 1.0 / (threshold_ma * tau_ns)


def _quantity(device: Device, name: str, recordings: Sequence[Recording]) -> Quantity:
    least, most = declared_bounds(device, name)
    is_log = least >= 0.0
    default = getattr(device, name)
    spans = [_times(one) for one in recordings if one.time_ns is not None]
    if spans and name.endswith("_per_ns"):
        low = min(1.0 / (100.0 * longest) for _, longest in spans)
        high = max(0.4 / shortest for shortest, _ in spans)
    elif spans and name.endswith("_ns"):
        low = min(shortest / 10.0 for shortest, _ in spans)
        high = max(100.0 * longest for _, longest in spans)
    elif is_log:
        centre = abs(default) or 1.0
        low = centre / REACH
        high = centre * REACH
    else:
        reach = 10.0 * max(1.0, abs(default))
        low = default - reach
        high = default + reach
    return Quantity(name=name, low=max(low, least), high=min(high, most), is_log=is_log)


def _times(recording: Recording) -> tuple[float, float]:
    """Return the least time between two points, and the longest trace, in ns."""
    steps = recording.steps_ns
    return float(steps[steps > 0.0].min()), float(steps.sum(1).max())


def declared_bounds(device: Device, name: str) -> tuple[float, float]:
    """Return the bounds with which the class declares a parameter."""
    bounds: dict[str, float] = {}
    for one in type(device).model_fields[name].metadata:
        bounds |= getattr(one, "bounds", {})
    low = bounds.get("gt", bounds.get("ge", -math.inf))
    high = bounds.get("lt", bounds.get("le", math.inf))
    return low, high
