"""``[space]`` and ``[sweep]``: what varies, in which order, and where.

An entry of a space may be one dimension for each layer of a network, and a dimension
may be there in some trials alone. Everything that follows knows dimensions, which are
numbers by name; ``StudySpec.values`` makes parameters of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from graphlib import CycleError
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hpo.errors import expected
from hpo.study.tables import ASIDE, Label, ParamValue, StudyTable, check_list

LAYERS = "layers"
"""The parameter that says how many layers there are."""


MAX_POINTS = 100_000
"""Limit on the points of a sweep, which makes them all before its first trial."""


def _listed(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,)


_Values = Annotated[tuple[ParamValue, ...], BeforeValidator(_listed)]


def _check_range(low: float, high: float, *, log: bool) -> None:
    """Refuse an empty range, and a log range that begins at 0 or below."""
    if not low < high:
        do = "Raise `high`." if low == high else "Swap them."
        raise ValueError(expected("", "`low < high`", f"low={low}, high={high}", do))
    if log and low <= 0:
        rule = "`low` above 0 for a log range"
        do = "Raise `low`, or remove `log`."
        raise ValueError(expected("", rule, f"low={low}", do))


def spaced(low: float, high: float, points: int, *, log: bool) -> list[float]:
    """Evenly spaced numbers, both ends among them; ``log``: with equal ratios.

    Examples:
        >>> spaced(0.0, 1.0, 3, log=False), spaced(1.0, 100.0, 3, log=True)
        ([0.0, 0.5, 1.0], [1.0, 10.0, 100.0])
    """
    if points == 1:
        return [low]
    fractions = [i / (points - 1) for i in range(points)]
    if log:
        ratio = high / low
        values = [low * ratio**f for f in fractions]
    else:
        values = [low + (high - low) * f for f in fractions]
    values[-1] = high  # the power may miss it by a rounding
    return values


class Dimension(StudyTable):
    """One entry of ``[space]``: either ``low`` and ``high``, or ``choices``."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    choices: tuple[ParamValue, ...] | None = None
    per_layer: Annotated[bool | None, AfterValidator(lambda value: value or None)] = (
        None
    )
    """Search a value for each layer: ``NAME.0`` of the layer that receives the input,
    and so on."""
    when: Annotated[dict[str, _Values], Field(min_length=1)] | None = None
    """Search it only if every parameter named here has one of the values given. A
    parameter that the trial lacks has none."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, values in (self.when or {}).items():
            check_list(f"when.{name}", "value", values)
        if self.choices is not None:
            check_list("choices", "choice", self.choices)
            ends = ("low", "high", "step")
            extra = [key for key in ends if getattr(self, key) is not None]
            if self.log:
                extra.append("log")
            if extra:
                names = ", ".join(extra)
                raise ValueError(f"`choices` excludes {names}. Remove either.")
        elif self.low is not None and self.high is not None:
            _check_range(self.low, self.high, log=self.log)
            if self.step is not None:
                self._check_step(self.step, self.low, self.high)
        return self

    def _check_step(self, step: float, low: float, high: float) -> None:
        if self.log:
            raise ValueError("`step` and `log` exclude each other. Remove one.")
        if step <= 0:
            raise ValueError(expected(".step", "a number above 0", step, "Change it."))
        steps = (high - low) / step
        if not math.isclose(steps, round(steps), abs_tol=1e-9):
            last = low + max(1, math.floor(steps)) * step
            rule = "`high` to lie whole steps above `low`"
            got = f"low={low}, high={high}, step={step}"
            raise ValueError(expected(".step", rule, got, f"Set high = {last:.12g}."))

    @property
    def ends(self) -> tuple[float, float]:
        """``low`` and ``high``."""
        return float(self.low or 0), float(self.high or 0)

    def share(self, value: float) -> float:
        """Return the place of a number in the range, from 0 to 1, on a log scale if the
        range is one."""
        low, high = self.ends
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    @property
    def size(self) -> int:
        """Length of ``grid``, without making it."""
        if self.choices is not None:
            return len(self.choices)
        low, high = self.ends
        return math.floor((high - low) / float(self.step or 1) + 1e-9) + 1

    @property
    def grid(self) -> list[ParamValue]:
        """Its choices, or the whole numbers of its range in its steps."""
        if self.choices is not None:
            return list(self.choices)
        return [
            round(self.ends[0] + i * float(self.step or 1)) for i in range(self.size)
        ]

    @property
    def allowed(self) -> str:
        """Its values in words: ``1 to 100``, ``1 to 9 in steps of 2``, ``a | b``."""
        if self.choices is not None:
            return " | ".join(map(str, self.choices))
        text = f"{self.low:g} to {self.high:g}"
        if self.step is not None:
            text += f" in steps of {self.step:g}"
        return text

    def inside(self, value: ParamValue, *, whole: bool) -> ParamValue | None:
        """Return the choice that equals a value, or the value itself; None if it lies
        outside.

        ``whole``: of a range without steps, whole numbers alone lie inside.
        """
        if self.choices is not None:
            equal = (choice for choice in self.choices if has([choice], value))
            return next(equal, None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if self.low is None or self.high is None:
            return None
        if not self.low <= value <= self.high:
            return None
        step = self.step or float(whole)
        if step:
            steps = (value - self.low) / step
            if not math.isclose(steps, round(steps), abs_tol=1e-8):
                return None
        return value

    def is_there(self, params: Mapping[str, Any]) -> bool:
        """Return whether a trial with these parameters has this dimension."""
        conditions = (self.when or {}).items()
        return all(
            name in params and has(values, params[name]) for name, values in conditions
        )


def has(values: Sequence[ParamValue], value: ParamValue) -> bool:
    """Return whether ``value`` is one of ``values``; true is not 1."""
    return any(
        v == value and isinstance(v, bool) == isinstance(value, bool) for v in values
    )


def split(name: str) -> tuple[str, int | None]:
    """Split the name of a dimension into a parameter and a layer, or None.

    >>> split("tau_ns.0"), split("tau_ns"), split("variability.tau_ns_spread")
    (('tau_ns', 0), ('tau_ns', None), ('variability.tau_ns_spread', None))
    """
    parameter, _, layer = name.rpartition(".")
    if parameter and layer.isdecimal():
        return parameter, int(layer)
    return name, None


def expand_layers(
    space: Mapping[str, Dimension], depths: Sequence[int]
) -> dict[str, Dimension]:
    """Return a dimension for each entry, or one per layer where ``per_layer`` says so.

    Args:
        space: as the file has it.
        depths: possible numbers of layers. If several, the deeper layers are
            conditional.
    """
    result = dict[str, Dimension]()
    for name, dimension in space.items():
        if not dimension.per_layer:
            result[name] = dimension
            continue
        for layer in range(max(depths)):
            when = dict(dimension.when or {})
            deeper = tuple(depth for depth in depths if depth > layer)
            if LAYERS in when:
                when[LAYERS] = tuple(d for d in deeper if d in when[LAYERS])
            elif len(deeper) < len(depths):
                when[LAYERS] = deeper
            if when.get(LAYERS, deeper):
                changes = {"per_layer": None, "when": when or None}
                result[f"{name}.{layer}"] = dimension.model_copy(update=changes)
    return result


def order_dimensions(dimensions: Mapping[str, Dimension]) -> list[str]:
    """Return names in the order of suggestions: alphabetical, each after those it
    depends on.

    Raises:
        CycleError: some depend on each other; the message is their names.
    """
    rest = sorted(dimensions)
    order: list[str] = []
    while rest:
        free = [n for n in rest if not {*(dimensions[n].when or ())}.difference(order)]
        if not free:
            raise CycleError(", ".join(rest))
        order += free
        rest = [name for name in rest if name not in free]
    return order


def present(
    dimensions: Mapping[str, Dimension], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters whose conditions hold.

    A dimension is left out if it depends on one without a value. ``dimensions`` are in
    the order of ``order_dimensions``.
    """
    values: dict[str, Any] = {}
    for name, dimension in dimensions.items():
        if name in params and dimension.is_there(values):
            values[name] = params[name]
    return values


def join_layers(
    values: Mapping[str, Any], layers: Any, default: Mapping[str, Any]
) -> dict[str, Any]:
    """Join the values of single layers to one list of ``layers`` values for each
    parameter.

    A layer without a value of its own has that of the whole network. Values of layers
    that the network lacks are dropped: ``split_layers`` gives a reported number to
    every layer that the search may have.

    Args:
        values: parameters and dimensions by name.
        layers: number of layers; the objective refuses one that is not whole.
        default: values of the parameters that are missing.
    """
    params = {name: value for name, value in values.items() if split(name)[1] is None}
    depth = 1
    if isinstance(layers, int):
        depth = layers
    for name, value in values.items():
        parameter, layer = split(name)
        if layer is not None:
            whole = params.get(parameter, default.get(parameter))
            if not isinstance(whole, list | tuple):
                whole = [whole for _ in range(depth)]
            params[parameter] = list(whole)
            if layer < len(whole):
                params[parameter][layer] = value
    return params


def split_layers(
    values: Mapping[str, Any], dimensions: Mapping[str, Dimension]
) -> dict[str, Any]:
    """Split values as people write them by dimension: the inverse of ``join_layers``.

    One number for a parameter that is searched layer by layer counts for each layer.
    """
    result: dict[str, Any] = {}
    for name, value in values.items():
        layers = [item for item in dimensions if split(item)[0] == name != item]
        if name in dimensions or not layers:
            result[name] = value
        elif isinstance(value, list | tuple):
            result |= {f"{name}.{layer}": item for layer, item in enumerate(value)}
        else:
            result |= dict.fromkeys(layers, value)
    return result


class Range(StudyTable):
    """``range = { low, high, points, log }``: evenly spaced values, both ends among
    them."""

    low: float | int
    high: float | int
    points: Annotated[int, Field(ge=2, le=10_000)]
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_range(self.low, self.high, log=self.log)
        return self


class Curve(StudyTable):
    """One entry of ``[[sweep.curves]]``: parameters that vary, and those that stay."""

    label: Annotated[Label, ASIDE]
    x: str | tuple[str, ...]
    """The parameter that varies, or several that take the same value."""
    values: tuple[ParamValue, ...] | None = None
    range: Range | None = None
    fixed: dict[str, ParamValue] = Field(default_factory=dict)
    """Parameters that are constant on this curve, and may differ on others."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_list("x", "parameter", self.names, "Add it")
        for name in self.names:
            if name in self.fixed:
                raise ValueError(f".fixed.{name}: {name} varies, too. Remove one.")
        if (self.values is None) == (self.range is None):
            raise ValueError("give either `values` or `range`.")
        if self.values is not None:
            check_list("values", "value", self.values)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that vary."""
        if isinstance(self.x, str):
            return (self.x,)
        return self.x

    @property
    def at(self) -> Sequence[ParamValue]:
        """The values that the varying parameters take, in order."""
        own = self.range
        if own is None:
            return self.values or ()
        return spaced(float(own.low), float(own.high), own.points, log=own.log)


class SweepTable(StudyTable):
    """``[sweep]``: one or more curves."""

    curves: Annotated[tuple[Curve, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size > MAX_POINTS:
            rule = f"at most {MAX_POINTS:,} points"
            raise ValueError(expected("", rule, f"{self.size:,}", "Take fewer values."))
        check_list("curves", "label", [curve.label for curve in self.curves])
        return self

    @property
    def size(self) -> int:
        """Number of points, which is that of trials."""
        return sum(len(curve.at) for curve in self.curves)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Parameters that a curve varies or sets, the varied ones first."""
        varied = [name for curve in self.curves for name in curve.names]
        kept = [name for curve in self.curves for name in curve.fixed]
        return tuple(dict.fromkeys([*varied, *kept]))

    @cached_property
    def named(self) -> bool:
        """Whether some x is a name, so that the axis has names."""
        return any(isinstance(x, bool | str) for curve in self.curves for x in curve.at)

    @cached_property
    def points(self) -> tuple[tuple[int, ParamValue, dict[str, ParamValue]], ...]:
        """Curve, x and parameters of every point, in the order of the trials."""
        return tuple(
            (index, x, {**curve.fixed, **dict.fromkeys(curve.names, x)})
            for index, curve in enumerate(self.curves)
            for x in curve.at
        )
