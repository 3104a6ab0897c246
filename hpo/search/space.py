"""The search space and the objectives in Optuna's terms, and the space as a unit cube,
in which the surrogate measures distances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)
from optuna.study import StudyDirection

from hpo.search import optuna_adapter
from hpo.study.spec import StudySpec
from hpo.study.trials import Past, SlotState, Suggestion

Array = NDArray[np.float64]


def distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """Return the search space in Optuna's terms, in the order of suggestions.

    That is by name, each after those it depends on: the order of the study file must
    not matter.
    """
    if spec.sweep is not None:
        return {name: _swept(spec, name) for name in sorted(spec.parameters)}
    return {name: _distribution(spec, name) for name in spec.in_order}


def _swept(spec: StudySpec, name: str) -> BaseDistribution:
    """Return the range of a swept parameter, on a log axis from a decade on."""
    assert spec.sweep is not None
    values = [
        spec.parameter(name).typed(params[name]) for _, _, params in spec.sweep.points
    ]
    numbers = [v for v in values if not isinstance(v, str | bool)]
    if len(numbers) < len(values):
        return CategoricalDistribution(tuple(dict.fromkeys(values)))
    low = min(numbers)
    high = max(numbers)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=0 < 10 * low <= high)


def _distribution(spec: StudySpec, name: str) -> BaseDistribution:
    dimension = spec.dimensions[name]
    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    if spec.is_integer(name):
        low = int(dimension.low or 0)
        high = int(dimension.high or 0)
        step = int(dimension.step or 1)
        return IntDistribution(low, high, log=dimension.log, step=step)
    return FloatDistribution(*dimension.ends, log=dimension.log, step=dimension.step)


def directions(spec: StudySpec) -> list[StudyDirection]:
    """Return the direction of the score, then that of every cost, which is to
    minimise."""
    score = StudyDirection[spec.about.direction.upper()]
    return [score, *[StudyDirection.MINIMIZE] * len(spec.costs)]


def names(spec: StudySpec) -> list[str]:
    """Return the names of the objectives, in the order of ``directions``."""
    return [spec.about.metric, *spec.costs]


def values(score: float | None, costs: Sequence[float]) -> list[float]:
    """Return the score of a trial and its costs, in the order of ``directions``."""
    return [] if score is None else [score, *costs]


def n_costs(spec: StudySpec, state: SlotState) -> tuple[int, ...]:
    """Return the valid numbers of costs of a trial in this state."""
    n = len(spec.costs)
    return (n,) if state == SlotState.COMPLETE else (0, n)


def contains(
    spec: StudySpec, params: Mapping[str, Any], *, whole: bool = False
) -> bool:
    """Return whether parameters lie in the space; with ``whole``, that none is
    missing."""
    known = distributions(spec)
    try:
        inside = params.keys() <= known.keys() and all(
            optuna_adapter.contains(known[name], value)
            for name, value in params.items()
        )
    except (ValueError, TypeError, OverflowError):
        return False
    there = {
        name for name, own in spec.dimensions.items() if own.is_there(params)
    } or known.keys()
    return inside and (not whole or params.keys() == there)


def contains_all(suggestion: Suggestion) -> bool:
    """Return whether the parameters of a function's trial lie in its own
    distributions."""
    texts = suggestion.distributions
    try:
        return texts.keys() == suggestion.params.keys() and all(
            optuna_adapter.contains(json_to_distribution(text), suggestion.params[name])
            for name, text in texts.items()
        )
    except (ValueError, TypeError, OverflowError):
        return False


DIGITS = 6
"""Decimal places of a value within its range: far more than scores resolve."""


def rounded(
    space: Mapping[str, BaseDistribution], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the same parameters, continuous ones rounded to 1e-6 of their range or
    finer.

    Each lies within its distribution, and stays there.
    """
    return {name: _rounded(space[name], value) for name, value in params.items()}


def _rounded(distribution: BaseDistribution, value: Any) -> Any:
    if not isinstance(distribution, FloatDistribution) or distribution.step is not None:
        return value
    low = distribution.low
    high = distribution.high
    scale = high - low
    if distribution.log:
        scale = value * (math.log(high) - math.log(low))
    if scale == 0.0 or not math.isfinite(scale):
        return value
    places = DIGITS - math.floor(math.log10(scale))
    return min(max(round(value, places), low), high)


_COARSE = 1_000
"""Places of a range at which suggestions lie, if scores are accuracies: the last bits
of sums decide none of them."""
_FINE = 100_000
"""The same of other scores, which may be exact; last bits decide hardly any."""
_FEW = 32
"""Limit on the values of a parameter that is searched value by value."""
Present = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Returns the parameters whose conditions hold, in a space with conditions."""


class Cube:
    """The search space as a unit cube: a column per parameter, a choice of k values as
    k of 0/1.

    A parameter that a trial lacks is at the centre of its columns, as far from one
    value as from any other: trials that lack it are alike in it, and no two trials are
    far apart in it for that.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        present: Present | None = None,
        n_places: int = _COARSE,
    ) -> None:
        """Take the space in the order of its distributions, and the places of a range;
        without ``present``, all is there."""
        self.space = dict(space)
        self._present = present
        self.axes = [Axis(own, n_places) for own in self.space.values()]

    def free(self, point: Array) -> NDArray[np.bool_]:
        """Return whether each column (width,) may vary between 0 and 1, with the others
        fixed."""
        there: Collection[str] = self.space
        if self._present is not None:
            there = self.params(point)
        named = zip(self.space, self.axes, strict=True)
        free = [axis.places is None and name in there for name, axis in named]
        return np.repeat(free, [axis.width for axis in self.axes])

    def point(self, params: Mapping[str, Any]) -> Array:
        """Return the point (width,) of parameters."""
        columns: list[float] = []
        for name, axis in zip(self.space, self.axes, strict=True):
            columns += axis.point(params[name]) if name in params else axis.centre
        return np.array(columns)

    def points(self, trials: Sequence[Past]) -> Array:
        """Return the points (n, width) of trials."""
        return np.array([self.point(trial.suggestion.params) for trial in trials])

    def params(self, point: Array) -> dict[str, Any]:
        """Return the parameters at a point (width,), on the lattice, whose conditions
        hold."""
        values: dict[str, Any] = {}
        column = 0
        for name, axis in zip(self.space, self.axes, strict=True):
            values[name] = axis.value(point[column : column + axis.width])
            column += axis.width
        if self._present is not None:
            values = self._present(values)
        return rounded(self.space, values)

    def _settled(self, points: Array) -> Array:
        """Return points (n, width), on the lattice if trials may lack parameters."""
        if self._present is None:
            return points
        return np.array([self.point(self.params(point)) for point in points])

    def random(self, n: int, chance: np.random.Generator) -> Array:
        """Draw points (n, width) anywhere."""
        return self._settled(np.hstack([axis.random(n, chance) for axis in self.axes]))

    def near(
        self, point: Array, distance: float, n: int, chance: np.random.Generator
    ) -> Array:
        """Draw points (n, width) near one (width,); about half of their parameters
        differ."""
        parts = []
        column = 0
        for axis in self.axes:
            here = point[column : column + axis.width]
            other = axis.random(n, chance)
            if axis.places is None:
                other = np.clip(here + distance * chance.normal(size=(n, 1)), 0.0, 1.0)
            parts.append(np.where(chance.random((n, 1)) < 0.5, other, here))
            column += axis.width
        return self._settled(np.hstack(parts))


def cube_of(spec: StudySpec) -> Cube:
    """Return the space of a study as a cube."""
    present = spec.present if spec.is_conditional else None
    n_places = _COARSE if spec.is_accuracy else _FINE
    return Cube(distributions(spec), present, n_places)


def _few_values(own: FloatDistribution | IntDistribution) -> list[float]:
    """Return the values of a range; empty if there are more than ``_FEW``."""
    if own.low == own.high:
        return [own.low]
    if own.step is None:
        return []
    count = round((own.high - own.low) / own.step) + 1
    if count > _FEW:
        return []
    return [own.low + k * own.step for k in range(count)]


class Axis:
    """One parameter of the space."""

    def __init__(self, distribution: BaseDistribution, n_places: int = _COARSE) -> None:
        """Take its distribution, and the places of a range."""
        self._of = distribution
        self._n_places = n_places
        self.width = 1
        self.places: Array | None = None
        """Places (k, width) of its few values; None if it is searched as continuous."""
        if isinstance(distribution, CategoricalDistribution):
            self.width = len(distribution.choices)
            # any two places are at distance 1
            self.places = np.eye(self.width) / math.sqrt(2.0)
            return
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        self._is_log = distribution.log
        self._low = self._on_scale(distribution.low)
        self._span = self._on_scale(distribution.high) - self._low
        values = _few_values(distribution)
        if values:
            self.places = np.array([[self._place(value)] for value in values])

    @property
    def centre(self) -> list[float]:
        """The mean of all places (width,)."""
        if self.places is None:
            return [0.5]
        return list(self.places.mean(axis=0))

    def _on_scale(self, value: float) -> float:
        return math.log(value) if self._is_log else value

    def _place(self, value: float) -> float:
        if self._span == 0.0:
            return 0.0
        return (self._on_scale(value) - self._low) / self._span

    def point(self, value: Any) -> list[float]:
        """Return the place (width,) of a value."""
        if isinstance(self._of, CategoricalDistribution) and self.places is not None:
            return list(self.places[int(self._of.to_internal_repr(value))])
        return [self._place(value)]

    def value(self, place: Array) -> Any:
        """Return the value at a place (width,), within the distribution."""
        own = self._of
        if isinstance(own, CategoricalDistribution):
            return own.choices[int(place.argmax())]
        assert isinstance(own, FloatDistribution | IntDistribution)
        at = float(place[0])
        if self.places is None:
            at = round(at * self._n_places) / self._n_places
        if own.log:
            value = math.exp((1.0 - at) * math.log(own.low) + at * math.log(own.high))
        else:
            value = own.low + at * (own.high - own.low)
        if own.step is not None:
            value = own.low + round((value - own.low) / own.step) * own.step
        value = min(max(value, own.low), own.high)
        return int(value) if isinstance(own, IntDistribution) else float(value)

    def random(self, n: int, chance: np.random.Generator) -> Array:
        """Draw places (n, width) anywhere."""
        if self.places is None:
            return chance.random((n, 1))
        return self.places[chance.integers(len(self.places), size=n)]
