"""``[space]``: what is searched, in which order, and where: an entry may be one dimension for each
layer of a network, and a dimension may be there in some trials alone.

Everything that follows knows dimensions, which are numbers by name; ``StudySpec.values`` makes
parameters of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hpo.study.tables import ParamValue, Table, check_list, check_range, spaced

LAYERS = "layers"
"""The parameter that says how many layers there are."""


def _unless_true(value: bool | None) -> bool | None:
    return value or None


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


_Values = Annotated[tuple[ParamValue, ...], BeforeValidator(_listed)]


class Dimension(Table):
    """One entry of ``[space]``: either ``low`` and ``high``, or ``choices``."""

    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    points: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Number of grid points of a range, for ``sampler.name = "grid"``."""
    choices: tuple[ParamValue, ...] | None = None
    per_layer: Annotated[bool | None, AfterValidator(_unless_true)] = None
    """Search a value for each layer: ``NAME.0`` of the layer that receives the input, and so on."""
    when: dict[str, _Values] | None = None
    """Search it only where every parameter named here has one of these values, which that of a
    parameter that a trial lacks is not."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.when is not None:
            for name, values in self.when.items():
                check_list(f"when.{name}", "value", values)
            if not self.when:
                raise ValueError(".when: a parameter must be named. Add one, or remove `when`.")
        if self.choices is not None:
            check_list("choices", "choice", self.choices)
            ends = ("low", "high", "step", "points")
            extra = [k for k in ends if getattr(self, k) is not None] + ["log"] * self.log
            if extra:
                raise ValueError(
                    f"`choices` must stand alone, but got {', '.join(extra)} too. Remove either."
                )
        elif self.low is not None and self.high is not None:
            equal = "Give a fixed value under [fixed]."
            check_range(self.low, self.high, log=self.log, equal=equal)
            if self.step is not None:
                self._check_step(self.step, self.low, self.high)
        return self

    def _check_step(self, step: float, low: float, high: float) -> None:
        if self.log or self.points is not None:
            other = "log" if self.log else "points"
            raise ValueError(f"`step` and `{other}` must not be combined. Remove one.")
        if step <= 0:
            raise ValueError(f".step: a step must be above 0, but got step={step}. Change it.")
        steps = (high - low) / step
        if not math.isclose(steps, round(steps), abs_tol=1e-9):
            last = low + math.floor(steps) * step
            raise ValueError(
                f".step: `high` must be `low` plus whole steps, but got low={low}, high={high}, "
                f"step={step}. Set high = {last if steps >= 1 else low + step:.12g}."
            )

    @property
    def size(self) -> int:
        """How many values ``grid`` would make at most, without making them."""
        if self.choices is not None:
            return len(self.choices)
        if self.points is not None:
            return self.points
        low, high = float(self.low or 0), float(self.high or 0)
        return math.floor((high - low) / float(self.step or 1) + 1e-9) + 1

    def grid(self, *, whole: bool) -> list[ParamValue]:
        """Its choices, its steps, or ``points`` of its range; ``whole`` numbers or not."""
        if self.choices is not None:
            return list(self.choices)
        low, high = float(self.low or 0), float(self.high or 0)
        if self.points is None:
            step = float(self.step or 1)
            values = [low + i * step for i in range(self.size)]
        else:
            values = spaced(low, high, self.points, log=self.log)
        return list(dict.fromkeys(map(round, values))) if whole else list(values)

    @property
    def condition(self) -> str:
        """Where it is searched, in words: ``if layers = 2 or 3``; else nothing."""
        each = (f"{n} = {' or '.join(map(str, values))}" for n, values in (self.when or {}).items())
        return f"if {', '.join(each)}" if self.when else ""

    def is_there(self, params: Mapping[str, Any]) -> bool:
        """Whether a trial with these parameters has it."""
        conditions = (self.when or {}).items()
        return all(name in params and has(values, params[name]) for name, values in conditions)


def has(values: Sequence[ParamValue], value: ParamValue) -> bool:
    """Whether ``value`` is one of them: true is not 1."""
    return any(v == value and isinstance(v, bool) == isinstance(value, bool) for v in values)


def split(name: str) -> tuple[str, int | None]:
    """The parameter that a dimension is of, and the layer, if it is one layer's.

    >>> split("tau_ns.0"), split("tau_ns"), split("variability.tau_spread")
    (('tau_ns', 0), ('tau_ns', None), ('variability.tau_spread', None))
    """
    found = re.fullmatch(r"(.+)\.(\d+)", name)
    return (found[1], int(found[2])) if found else (name, None)


def expanded(space: Mapping[str, Dimension], depths: Sequence[int]) -> dict[str, Dimension]:
    """A dimension for each entry, or for each layer of one that is searched layer by layer.

    Args:
        space: as the file has it.
        depths: how many layers there may be. If several, a layer is there where there are so many.
    """
    found = dict[str, Dimension]()
    for name, dimension in space.items():
        for layer in range(max(depths)) if dimension.per_layer else ():
            when, deep = dict(dimension.when or {}), tuple(d for d in depths if d > layer)
            if LAYERS in when:
                when[LAYERS] = tuple(d for d in deep if d in when[LAYERS])
            elif len(deep) < len(depths):
                when[LAYERS] = deep
            if when.get(LAYERS, deep):
                own = {"per_layer": None, "when": when or None}
                found[f"{name}.{layer}"] = dimension.model_copy(update=own)
        if not dimension.per_layer:
            found[name] = dimension
    return found


def ordered(dimensions: Mapping[str, Dimension]) -> list[str]:
    """Names in the order in which values are suggested: by name, after those it depends on.

    Raises:
        ValueError: some depend on each other; the message is their names.
    """
    left, found = sorted(dimensions), dict[str, None]()
    while left:
        free = [n for n in left if not (dimensions[n].when or {}).keys() - found.keys()]
        if not free:
            raise ValueError(", ".join(left))
        found |= dict.fromkeys(free)
        left = [name for name in left if name not in found]
    return [*found]


def present(dimensions: Mapping[str, Dimension], params: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the parameters that a trial has which begins with them.

    What is given of a dimension that depends on one that is not given is left out. ``dimensions``
    are in the order of ``ordered``.
    """
    found: dict[str, Any] = {}
    for name, dimension in dimensions.items():
        if name in params and dimension.is_there(found):
            found[name] = params[name]
    return found


def folded(values: Mapping[str, Any], layers: Any, default: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters, of which those of layers are put together as a list of ``layers`` values.

    Where only some layers have a value of their own, the others have that of the whole network.

    Args:
        values: parameters and dimensions by name.
        layers: how many there are.
        default: what parameters are that are not among the values.
    """
    found, own = {}, dict[str, dict[int, Any]]()
    for name, value in values.items():
        parameter, layer = split(name)
        if layer is None:
            found[name] = value
        else:
            own.setdefault(parameter, {})[layer] = value
    for name, by_layer in own.items():
        whole = found.get(name, default.get(name))
        each = list(whole) if isinstance(whole, list | tuple) else [whole] * int(layers)
        found[name] = [by_layer.get(k, value) for k, value in enumerate(each)]
    return found


def unfolded(values: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> dict[str, Any]:
    """Values as people write them, by dimension: the inverse of ``folded``.

    One number for a parameter that is searched layer by layer is that of each layer.
    """
    layers: dict[str, list[str]] = {}
    for name in dimensions:
        layers.setdefault(split(name)[0], []).append(name)
    return dict(_unfolded(values, dimensions, layers))


def _unfolded(
    values: Mapping[str, Any], dimensions: Mapping[str, Dimension], layers: dict[str, list[str]]
) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        many = isinstance(value, list | tuple)
        if name in dimensions or name not in layers:
            yield name, value
        elif many:
            yield from ((f"{name}.{k}", own) for k, own in enumerate(value))
        else:
            yield from ((own, value) for own in layers[name])
