"""``[sweep]``: curves of points that are measured, where a search would choose them.

A sweep has no sampler and learns nothing: trial k is point k of its curves, one after the other,
so the trials are known before the first of them runs.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import Field

from hpo.spectable import ParamValue, Table

MAX_POINTS = 100_000


class Range(Table):
    """``range = { low, high, points, log }``: evenly spaced values, both ends among them."""

    low: float | int
    high: float | int
    points: Annotated[int, Field(ge=2, le=10_000)]
    log: bool = False

    def values(self) -> list[float]:
        """The values, from ``low`` to ``high``."""
        return spaced(float(self.low), float(self.high), self.points, log=self.log)


class Curve(Table):
    """One entry of ``[[sweep.curves]]``: parameters that vary, and those that stay."""

    label: Annotated[str, Field(min_length=1)]
    x: str | tuple[str, ...]
    """The parameter that varies, or several that take the same value."""
    values: tuple[ParamValue, ...] | None = None
    range: Range | None = None
    fixed: dict[str, ParamValue] = Field(default_factory=dict)
    """What is the same on the whole curve, and another on other curves."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that vary."""
        return (self.x,) if isinstance(self.x, str) else self.x

    @property
    def size(self) -> int:
        """How many points it has, without making them."""
        if self.range is not None:
            return self.range.points
        return len(self.values or ())

    @property
    def at(self) -> list[ParamValue]:
        """The values that the varying parameters take, in order."""
        return list(self.values or ()) if self.range is None else list(self.range.values())


class Sweep(Table):
    """``[sweep]``: one or more curves."""

    curves: Annotated[tuple[Curve, ...], Field(min_length=1)]

    @property
    def size(self) -> int:
        """How many points, and so trials, there are."""
        return sum(curve.size for curve in self.curves)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Every parameter that a curve varies or sets, those that vary first."""
        varied = [name for curve in self.curves for name in curve.names]
        kept = [name for curve in self.curves for name in curve.fixed]
        return tuple(dict.fromkeys([*varied, *kept]))

    @cached_property
    def points(self) -> tuple[tuple[int, ParamValue, dict[str, ParamValue]], ...]:
        """Curve, x and parameters of every point, in the order of the trials."""
        return tuple(
            (index, x, {**curve.fixed, **dict.fromkeys(curve.names, x)})
            for index, curve in enumerate(self.curves)
            for x in curve.at
        )


def spaced(low: float, high: float, points: int, *, log: bool) -> list[float]:
    """Evenly spaced numbers, both ends among them; ``log``: with equal ratios.

    Examples:
        >>> spaced(0.0, 1.0, 3, log=False), spaced(1.0, 100.0, 3, log=True)
        ([0.0, 0.5, 1.0], [1.0, 10.0, 100.0])
    """
    if points == 1:
        return [low]
    fractions = [i / (points - 1) for i in range(points)]
    ratio = high / low if log else 1.0
    values = [low * ratio**f if log else low + (high - low) * f for f in fractions]
    values[-1] = high  # the power may miss it by a rounding
    return values
