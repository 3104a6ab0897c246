"""Tables of a study file: ``[sweep]``, ``[stop]``, ``[warm_start]``, ``[figure]``.

A rule between the keys of one table is a validator of its model. Its message is a whole sentence,
after the key that it is about where that is one (``.step: a step must ...``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

ParamValue = float | int | str | bool
"""A suggested value, as Optuna's distributions give it."""
Values = dict[str, ParamValue | tuple[ParamValue, ...]]
"""Parameters as people write them: of one with a value per layer, one number or a list."""


class Table(BaseModel):
    """One table of a study file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def check_range(low: float, high: float, *, log: bool, equal: str = "Swap them.") -> None:
    """Refuse a range that is none; the message is a whole sentence."""
    if not low < high:
        remedy = equal if low == high else "Swap them."
        raise ValueError(f"`low < high` must hold, but got low={low}, high={high}. {remedy}")
    if log and low <= 0:
        raise ValueError(
            f"a log range must begin above 0, but got low={low}. Raise `low`, or remove `log`."
        )


def check_list(key: str, what: str, values: Sequence[ParamValue], add: str = "Add some") -> None:
    """Refuse a list that is empty or holds a value twice."""
    if not values:
        raise ValueError(f".{key}: at least one {what} must be given. {add}.")
    if len({(isinstance(value, bool), value) for value in values}) < len(values):
        raise ValueError(f".{key}: every {what} must be given once. Remove the double.")


class Stop(Table):
    """``[stop]``: when the search has found enough, before ``budget.trials``; see ``stopping``."""

    target: float | None = None
    """A complete trial has this score, or a better one."""
    patience: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """So many trials in a row were not better than the best before them."""
    max_epochs: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """So many epochs were trained in the search."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.target is None and self.patience is None and self.max_epochs is None:
            raise ValueError(
                "`target`, `patience` or `max_epochs` must be given. Add one, or remove [stop]."
            )
        return self


MAX_POINTS = 100_000


class Range(Table):
    """``range = { low, high, points, log }``: evenly spaced values, both ends among them."""

    low: float | int
    high: float | int
    points: Annotated[int, Field(ge=2, le=10_000)]
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_range(self.low, self.high, log=self.log)
        return self

    def values(self) -> list[float]:
        """The values, from ``low`` to ``high``."""
        return spaced(float(self.low), float(self.high), self.points, log=self.log)


def _one_line(label: str) -> str:
    if min(label) < " ":
        raise ValueError(f"a label must stand on one line, but got label={label!r}. Change it.")
    return label


_Label = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]


class Curve(Table):
    """One entry of ``[[sweep.curves]]``: parameters that vary, and those that stay."""

    label: _Label
    x: str | tuple[str, ...]
    """The parameter that varies, or several that take the same value."""
    values: tuple[ParamValue, ...] | None = None
    range: Range | None = None
    fixed: dict[str, ParamValue] = Field(default_factory=dict)
    """What is the same on the whole curve, and another on other curves."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_list("x", "parameter", self.names, "Add it")
        for name in self.names:
            if name in self.fixed:
                raise ValueError(
                    f".fixed.{name}: a parameter must either vary or stay, but got it in `x`, too. "
                    f"Remove one."
                )
        if (self.values is None) == (self.range is None):
            raise ValueError("either `values` or `range` must be given. Give one of them.")
        if self.values is not None:
            check_list("values", "value", self.values)
        return self

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

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size > MAX_POINTS:
            raise ValueError(
                f"at most {MAX_POINTS:,} points must hold, but got {self.size:,}. "
                f"Take fewer values."
            )
        labels: set[str] = set()
        for index, curve in enumerate(self.curves):
            if curve.label in labels:
                raise ValueError(
                    f".curves.{index}.label: every curve must have a label of its own, but got "
                    f"label={curve.label!r} twice. Change one."
                )
            labels.add(curve.label)
        return self

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
    def named(self) -> bool:
        """Whether some x is a name, so that the axis is one of names."""
        return any(isinstance(x, bool | str) for curve in self.curves for x in curve.at)

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
_Point = Annotated[Values, Field(min_length=1)]


class WarmStart(Table):
    """Trials 0 .. n-1 get these points; what a point leaves out, the sampler draws.

    A study file gives ``study``, or ``points`` by hand. When the study is registered, its points
    are looked up once and pinned beside ``study``: from then on, only they count.
    """

    study: Annotated[str, Field(min_length=1)] | None = None
    """Another study of the same database, whose best trials are the points."""
    top: Annotated[int, Field(ge=1, le=1000, description="how many trials of `study`")] | None = (
        None
    )
    points: Annotated[tuple[_Point, ...], Field(min_length=1, max_length=1000)] | None = None
    """Parameters by name, one table for each trial."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.study is None and self.points is None:
            raise ValueError("`study` or `points` must be given. Add one.")
        if self.study is None and self.top is not None:
            raise ValueError(
                f".top: it must stand beside `study`, but got top={self.top} with points alone. "
                f"Remove it."
            )
        return self

    @property
    def count(self) -> int:
        """How many trials are told where to begin, at most."""
        return (self.top or TOP) if self.points is None else len(self.points)


_RULE = re.compile(r"([A-Za-z_]\w*) < ([A-Za-z_]\w*|[0-9.eE+-]+)")


class Reference(Table):
    """One entry of ``[[figure.reference]]``: what a source states, beside what was measured.

    Either values (``x``, ``y``), a ``window`` or a ``mark``.
    """

    label: _Label
    """What the legend says."""
    x: Annotated[tuple[float, ...] | None, Field(min_length=1)] = None
    """Where values stand."""
    y: tuple[float, ...] | None = None
    """The score at each ``x``, written as ``reported.score`` is: 0.8983 for 89.83 %."""
    std: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """The standard deviation of each ``y``, drawn as an error bar."""
    window: tuple[float, float] | None = None
    """In place of values: first and last x of a band."""
    mark: float | None = None
    """In place of values: where a vertical line stands."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [key for key in ("x", "window", "mark") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"one of `x` with `y`, `window` and `mark` must be given, but got "
                f"{', '.join(given) or 'none'}. Give one; another is a reference of its own."
            )
        count, y = len(self.x or ()), self.y or ()
        for key, values in {"y": y, "std": y if self.std is None else self.std}.items():
            if len(values) != count:
                raise ValueError(
                    f".{key}: as many values as in `x` must be given, but got {len(values)} where "
                    f"`x` has {count}. Give one for each."
                )
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(
                f".window: a range must begin below its end, but got window={list(self.window)}. "
                f"Swap them, or give a `mark`."
            )
        return self

    @property
    def places(self) -> tuple[float, ...]:
        """Every x of it."""
        return self.x or self.window or (self.mark or 0.0,)


class Figure(Table):
    """The ``[figure]`` table."""

    kind: Literal["curves", "scatter"]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    log_x: bool = False
    marks: tuple[float | int, ...] = ()
    """Where vertical lines without a label stand."""
    overlay: tuple[str, ...] = ()
    """Other studies that are drawn into the same figure where they are there."""
    reference: Annotated[tuple[Reference, ...] | None, Field(min_length=1)] = None
    """What sources state, drawn beside what was measured: a table for each."""
    x: Annotated[str, Field(min_length=1)] | None = None
    """Scatter: a parameter, or ``info.NAME`` for what a training measured, median over members."""
    colour: str | None = None
    """Scatter: a rule ``A < B`` between parameters or numbers that divides the points in two."""
    colour_labels: tuple[str, str] | None = None
    """Scatter: what points are called where the rule holds, and where it does not."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("x", "colour", "colour_labels") if self.kind == "curves" else ():
            if getattr(self, name) is not None:
                raise ValueError(
                    f'.{name}: only kind = "scatter" has this key. Remove it; the curves '
                    f"themselves say what varies."
                )
        if self.kind == "scatter" and self.x is None:
            raise ValueError(".x: this key must be given. Name a parameter, or info.NAME.")
        if self.colour_labels is not None and self.colour is None:
            raise ValueError(".colour_labels: a rule must be given, too. Add `colour`.")
        if self.log_x and min(self.marks, default=1) <= 0:
            raise ValueError(
                f".marks: a mark on a log axis must be above 0, but got marks={min(self.marks)}. "
                f"Change it, or remove `log_x`."
            )
        for index, reference in enumerate(self.reference or ()):
            if self.log_x and min(reference.places) <= 0:
                raise ValueError(
                    f".reference.{index}: a reference on a log axis must stand above 0, but got "
                    f"x={min(reference.places)}. Change it, or remove `log_x`."
                )
        self.rule()
        return self

    def rule(self) -> tuple[str, str | float] | None:
        """The two sides of ``colour``: a parameter, and a parameter or a number."""
        if self.colour is None:
            return None
        found = _RULE.fullmatch(self.colour.strip())
        try:
            left, right = found.groups() if found else ("", "")
            return left, right if right.isidentifier() else float(right)
        except ValueError:
            raise ValueError(
                f".colour: a rule `A < B` between parameters or numbers must hold, but got "
                f'colour={self.colour!r}. Write for instance colour = "dt_ns < tau_ns".'
            ) from None
