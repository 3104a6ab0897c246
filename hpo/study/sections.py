"""Tables of a study file: ``[sweep]``, ``[warm_start]``, ``[figure]``; and what all share."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ParamValue = float | int | str | bool
"""A suggested value, as Optuna's distributions give it."""


class Table(BaseModel):
    """One table of a study file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


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


TOP = 5
"""Trials that are taken over where nobody says how many."""


class WarmStart(Table):
    """Trials 0 .. n-1 get these points; what a point leaves out, the sampler draws.

    A study file gives ``study``, or ``points`` by hand. When the study is registered, its points
    are looked up once and pinned beside ``study``: from then on, only they count.
    """

    study: Annotated[str, Field(min_length=1)] | None = None
    """Another study of the same database, whose best trials are the points; see ``warmstart``."""
    top: Annotated[int, Field(ge=1, le=1000, description="how many trials of `study`")] | None = (
        None
    )
    points: (
        Annotated[
            tuple[Annotated[dict[str, ParamValue], Field(min_length=1)], ...],
            Field(min_length=1, max_length=1000),
        ]
        | None
    ) = None
    """Parameters by name, one table for each trial."""

    @property
    def count(self) -> int:
        """How many trials are told where to begin, at most."""
        return (self.top or TOP) if self.points is None else len(self.points)


_RULE = re.compile(r"([A-Za-z_]\w*) < ([A-Za-z_]\w*|[0-9.eE+-]+)")
_FORM = "a rule `A < B` between parameters or numbers"


class Figure(Table):
    """The ``[figure]`` table."""

    kind: Literal["curves", "scatter"]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    marks: tuple[float | int, ...] = ()
    """Where vertical lines stand."""
    overlay: tuple[str, ...] = ()
    """Other studies that are drawn into the same figure where they are there."""
    x: Annotated[str, Field(min_length=1)] | None = None
    """Scatter: a parameter, or ``info.NAME`` for what a training measured, median over members."""
    colour: str | None = None
    """Scatter: a rule ``A < B`` between parameters or numbers that divides the points in two."""
    colour_labels: tuple[str, str] | None = None
    """Scatter: what points are called where the rule holds, and where it does not."""

    def rule(self) -> tuple[str, str | float] | None:
        """The two sides of ``colour``: a parameter, and a parameter or a number.

        Raises:
            ValueError: it is no such rule.
        """
        if self.colour is None:
            return None
        found = _RULE.fullmatch(self.colour.strip())
        if found is None:
            raise ValueError(_FORM)
        left, right = found.groups()
        if right[0].isalpha() or right[0] == "_":
            return left, right
        try:
            return left, float(right)
        except ValueError:
            raise ValueError(_FORM) from None
