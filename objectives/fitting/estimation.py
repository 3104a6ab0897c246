"""Least squares from several starts, and intervals by profile likelihood.

The interval of a parameter holds the values that, with all others at their best, have
residuals of a sum of squares below::

    S(value) <= S_best (1 + t² / ν),   t: quantile of Student's t for 95 %

ν is the number of values less that of estimated numbers. Unlike a standard error, a
profile finds the end that is not there: where no value up to the end of the searched
range is refused, the data have no bound (D. M. Bates and D. G. Watts, Nonlinear
Regression Analysis, Wiley (1988), chapter 6; A. Raue et al., Bioinformatics 25, 1923
(2009)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, stats
from scipy.stats import qmc

from .model import Model, Values, bounded
from .result import LEVEL, Estimate

STARTS_PER_NUMBER = 48
"""Points at which the search looks first, per number to estimate."""
DESCENTS = 3
"""Of these points, how many it descends from."""
NEGLIGIBLE = 0.1
"""Largest change by a finer simulation, in standard errors."""
MOST_SUBSTEPS = 128
FLAT = 1e-4
"""Least change of the residuals, in units of the noise, by which a number is seen."""
MOST_CHANGE = 0.1
"""Of the increase of S at the end of an interval, by a finer simulation."""
BETTER = 1e-3
"""Least decrease of S, in units of the noise, that counts."""
STEP = 1e-5
"""Of numerical derivatives, of the number that is searched."""
CLOSE = 0.02
"""Relative error of an end of an interval, in standard errors."""
MOST_STEPS = 40
"""Of the search for an end."""
MOST_RESTARTS = 5
"""From a better set that a profile has met."""
LOOKS = 7
"""Values at which a number is looked at, to see whether it changes anything."""


class NoFitError(Exception):
    """No set of parameters has a response that can be compared with the data."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """The best set of parameters of one device."""

    model: Model
    theta: Values
    """(quantities,), as they are searched."""
    square: float
    """Sum of squares of the residuals, in units of the noise."""

    @cached_property
    def covariance(self) -> Values:
        """Covariance of the numbers that are searched."""
        slope = _slope(self.model, self.theta)
        variance = self.square / self.model.freedom
        inverse: Any = np.linalg.pinv(slope.T @ slope)
        covariance: Values = variance * inverse
        return covariance


def estimate(model: Model) -> tuple[Fitted, dict[str, Estimate]]:
    """Return the best set of parameters, and the estimate of each with its interval.

    What changes nothing in the data is left out. If a profile meets a better set, all
    begins anew from there.

    Raises:
        NoFitError: no set has a response, the data depend on no number, or the
            simulation does not converge.
    """
    thetas = _starts(model)
    seen = _seen(model, thetas[0])
    if not seen:
        raise NoFitError("values that depend on a parameter")
    thetas = [theta[seen] for theta in thetas]
    model = model.with_only(seen)
    found = min((_descend(model, one) for one in thetas), key=lambda one: one.square)
    for _ in range(MOST_RESTARTS):
        found = _with_noise(found)
        try:
            return found, _intervals(found)
        except _BetterFoundError as better:
            found = _descend(found.model, better.theta)
    return found, _intervals(found, strict=False)


def _with_noise(found: Fitted) -> Fitted:
    """Return the best set under the noise that it leaves, in steps that are fine
    enough.

    Raises:
        NoFitError: the simulation does not converge.
    """
    while True:
        model = found.model.with_noise_of(found.theta)
        found = _descend(model, found.theta)
        model = model.with_noise_of(found.theta)
        found = _descend(model, found.theta)
        finer = model.finer()
        change = finer.residuals(found.theta[None]) - model.residuals(found.theta[None])
        if float(np.linalg.norm(change)) <= NEGLIGIBLE:
            return found
        if finer.substeps > MOST_SUBSTEPS:
            raise NoFitError("points that are closer in time than the device is fast")
        found = _descend(finer, found.theta)


def _intervals(fitted: Fitted, *, strict: bool = True) -> dict[str, Estimate]:
    """Return the estimate of each number, with its interval.

    Raises:
        _BetterFoundError: there is a better set, and this is ``strict``.
    """
    found = {}
    for place, quantity in enumerate(fitted.model.quantities):
        value = float(quantity.outer(fitted.theta[place]))
        ends: list[float | None] = [None, None]
        for side in (0, 1):
            end = _end(fitted, place, side, strict=strict)
            ends[side] = None if end is None else float(quantity.outer(end))
        low, high = ends
        found[quantity.name] = Estimate(
            value=value, low=low, high=high, is_log=quantity.is_log
        )
    return found


def critical(freedom: float) -> float:
    """Return the quantile of Student's t for an interval of ``LEVEL``."""
    return float(stats.t.ppf((1.0 + LEVEL) / 2.0, freedom))


def _starts(model: Model) -> list[Values]:
    """Return the best of many points of the searched ranges: (quantities,) each.

    Raises:
        NoFitError: the device has no response at any of them.
    """
    n = len(model.quantities)
    ranges = np.array([one.range for one in model.quantities])
    points = qmc.LatinHypercube(n, seed=0).random(n * STARTS_PER_NUMBER)
    thetas = ranges[:, 0] + points * (ranges[:, 1] - ranges[:, 0])
    residuals = model.plain_residuals(thetas)
    shown = np.isfinite(residuals).all(-1)
    if not shown.any():
        raise NoFitError("a device that comes to rest under a constant current")
    squares = (bounded(residuals) ** 2).sum(-1)
    squares[~shown] = np.inf
    order = np.argsort(squares)[: min(DESCENTS, int(shown.sum()))]
    return [thetas[one] for one in order]


class _BetterFoundError(Exception):
    """There is a better set of parameters than the best one so far."""

    def __init__(self, theta: Values) -> None:
        self.theta = theta


def _seen(model: Model, theta: Values) -> list[int]:
    """Return the numbers that change the residuals anywhere in their ranges."""
    places = []
    at = model.residuals(theta[None])
    for place, quantity in enumerate(model.quantities):
        moved = np.repeat(theta[None], LOOKS, axis=0)
        moved[:, place] = np.linspace(*quantity.range, LOOKS)
        change = np.abs(model.plain_residuals(moved) - at)
        if (change[np.isfinite(change)] > FLAT).any():
            places.append(place)
    return places


def _descend(model: Model, theta: Values, held: int | None = None) -> Fitted:
    """Return the least squares near a set of parameters, one of them perhaps held."""
    free = [place for place in range(len(theta)) if place != held]
    if free:
        ranges = np.array([one.range for one in model.quantities])[free]
        near = _Nearby(model, theta, free)
        found = optimize.least_squares(
            near.residual,
            np.clip(theta[free], ranges[:, 0], ranges[:, 1]),
            near.slope,
            bounds=(ranges[:, 0], ranges[:, 1]),
            x_scale="jac",
            ftol=1e-9,
            xtol=1e-9,
            gtol=1e-9,
            max_nfev=200,
        )
        theta = _with(theta, free, found.x)
    square = float((model.residuals(theta[None]) ** 2).sum())
    return Fitted(model=model, theta=theta, square=square)


class _Nearby:
    """Residuals and their derivatives by some numbers; one simulation gives both."""

    def __init__(self, model: Model, theta: Values, free: list[int]) -> None:
        self.model = model
        self.theta = theta
        self.free = free
        self.at = theta[free]
        self.found = _look(model, theta, free)

    def residual(self, part: Values) -> Values:
        """Return the residuals, (values,)."""
        if not np.array_equal(part, self.at):
            self.at = part.copy()
            self.found = _look(
                self.model, _with(self.theta, self.free, part), self.free
            )
        return self.found[0]

    def slope(self, part: Values) -> Values:
        """Return the derivatives, (values, free)."""
        self.residual(part)
        return self.found[1]


def _with(theta: Values, places: list[int], part: Values) -> Values:
    changed = theta.copy()
    changed[places] = part
    return changed


def _look(model: Model, theta: Values, free: list[int]) -> tuple[Values, Values]:
    """Return residuals, (values,), and their derivatives, (values, free)."""
    moves = STEP * np.eye(len(theta))[free]
    residuals = model.residuals(
        np.concatenate([theta[None], theta + moves, theta - moves])
    )
    n = len(free)
    slope = (residuals[1 : 1 + n] - residuals[1 + n :]) / (2.0 * STEP)
    return residuals[0], slope.T


def _slope(model: Model, theta: Values) -> Values:
    return _look(model, theta, [*range(len(theta))])[1]


def _end(best: Fitted, place: int, side: int, *, strict: bool) -> float | None:
    """Return an end of the interval of a number; None if there is none in its range.

    An end where a finer simulation differs is looked for by the finer one.

    Raises:
        _BetterFoundError: there is a better set, and this is ``strict``.
    """
    while True:
        end, at = _end_in_steps(best, place, side, strict=strict)
        finer = best.model.finer()
        if end is None or finer.substeps > MOST_SUBSTEPS:
            return end
        square = float((finer.residuals(at.theta[None]) ** 2).sum())
        if abs(square - at.square) <= MOST_CHANGE * (at.square - best.square):
            return end
        best = _descend(finer, best.theta)


def _end_in_steps(
    best: Fitted, place: int, side: int, *, strict: bool
) -> tuple[float | None, Fitted]:
    """Return an end of the interval of a number, and the set of parameters there.

    The root of the increase of S is about a line in the number, so a few steps suffice.

    Raises:
        _BetterFoundError: there is a better set, and this is ``strict``.
    """
    model = best.model
    sign = (-1.0, 1.0)[side]
    room = abs(model.quantities[place].range[side] - best.theta[place])
    unit = best.square / model.freedom
    wanted = critical(model.freedom)
    variance = float(best.covariance[place, place])
    error = math.sqrt(variance) if variance > 0.0 else math.inf
    low = _Height(0.0, 0.0)
    high: _Height | None = None
    step = min(wanted * error, room)
    at = best
    for number in range(MOST_STEPS):
        theta = at.theta.copy()
        theta[place] = best.theta[place] + sign * step
        trial = _descend(model, theta, held=place)
        more = (trial.square - best.square) / unit
        if strict and more < -BETTER:
            raise _BetterFoundError(trial.theta)
        height = _Height(step, math.sqrt(max(more, 0.0)))
        if abs(height.value / wanted - 1.0) < CLOSE:
            low = height
            at = trial
            break
        if height.value > wanted:
            high = height
        elif step >= room:
            return None, trial
        else:
            low = height
            at = trial
        step = min(_next_step(low, high, wanted, number), room)
    return float(best.theta[place] + sign * low.step), at


class _Height(NamedTuple):
    """The root of the increase of S, in units of the noise, at a distance."""

    step: float
    value: float


def _next_step(low: _Height, high: _Height | None, wanted: float, n: int) -> float:
    """Return the next distance: where the line through two known heights is wanted; or,
    every other time, half way."""
    if high is None:
        growth = 4.0
        if low.value > 0.0:
            growth = min(max(wanted / low.value, 1.1), 4.0)
        return max(low.step, 1e-6) * growth
    share = 0.5
    if n % 2:
        share = (wanted - low.value) / (high.value - low.value)
    return low.step + share * (high.step - low.step)
