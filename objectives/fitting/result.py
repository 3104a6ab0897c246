"""What a fit has found, for readers. Light to import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Of all intervals."""
WIDEST = 10.0
"""Largest ratio of the ends of an interval of a number that is determined."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval of ``LEVEL``; None: an end that the data lack."""

    value: float
    low: float | None
    high: float | None
    is_log: bool = True
    """Whether its interval is about symmetric in its logarithm."""

    @property
    def is_determined(self) -> bool:
        """Whether it has two ends, at most a factor of ``WIDEST`` apart."""
        if self.low is None or self.high is None:
            return False
        return not self.is_log or self.high <= WIDEST * self.low

    @property
    def is_unseen(self) -> bool:
        """Whether it has no end: the data say nothing of it."""
        return self.low is None and self.high is None

    def covers(self, truth: float) -> bool:
        """Return whether a value lies within the interval."""
        above = self.low is None or self.low <= truth
        return above and (self.high is None or truth <= self.high)


UNKNOWN = Estimate(value=float("nan"), low=None, high=None)
"""What data say that say nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A measured quantity of a device beside what the fit expects: (traces, points).

    NaN after the end of a trace.
    """

    device: str
    file: Path
    quantity: str
    """``power`` or ``output``."""
    time_ns: NDArray[Any] | None
    """None of devices at rest, whose traces are points."""
    current_ma: NDArray[Any]
    value: NDArray[Any]
    expected: NDArray[Any]
    residual: NDArray[Any]
    """Value less what is expected, over its standard deviation."""
    noise: float
    """Standard deviation of the noise, over the range of the expected values."""
    correlation: float
    """Of the noise of neighbours in a trace."""

    @property
    def n(self) -> int:
        """Number of values."""
        return int(np.isfinite(self.value).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class OneDevice:
    """What was found of one device."""

    name: str
    estimates: Mapping[str, Estimate]
    curves: Sequence[Curve]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of the devices that were measured."""

    name: str
    estimate: Estimate
    """Of several devices, their mean."""
    n_devices: int
    """Devices whose data determine it."""
    spread: Estimate | None = None
    """Relative standard deviation between devices, without the error of their
    estimates; None of fewer than two."""
    spread_key: str = ""
    """The key of ``[variability]`` that this spread is, if any."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What measurements say of a device."""

    objective: str
    devices: Sequence[OneDevice]
    parameters: Mapping[str, Parameter]
    fixed: Mapping[str, float]
    """What was given, and not estimated."""

    @property
    def curves(self) -> list[Curve]:
        """The curves of all devices."""
        return [curve for one in self.devices for curve in one.curves]

    def determined(self, name: str) -> float | None:
        """Return a parameter if it was given or the data determine it, else None."""
        if name in self.fixed:
            return self.fixed[name]
        found = self.parameters.get(name)
        if found is None or not found.estimate.is_determined:
            return None
        return found.estimate.value
