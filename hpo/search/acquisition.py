"""The acquisition function of ``kriging-believer``, and its maximum over the cube.

It is the expected improvement on the best score so far. All trials train their networks
from the same seeds: the same point again would add no information. A score that was
told with a standard deviation counts by its posterior mean. With costs it is the
expected improvement of the hypervolume, by the score and the logarithm of every cost,
which is computed before training: the mean, over random caps of the costs, of the
improvement on the best trial within the cap, of points within it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hpo.search import constraints
from hpo.search.constraints import IsFeasible
from hpo.search.gaussian_process import Array, GaussianProcess
from hpo.search.space import Cube
from hpo.search.surrogate import Surrogate
from hpo.study.spec import StudySpec

Booleans = NDArray[np.bool_]

_DECIMALS = 6
"""Decimals of the logarithm of an improvement."""
_CANDIDATES = 500
"""Random points of the whole space."""
_NEAR = (0.2, 0.05)
"""Distances of points near the best trials."""
_CENTRES = 5
_EACH = 30
"""Points near each of the centres, at each distance."""
_CLIMBED = 8
"""Best points that start a gradient ascent."""
_STEPS = 30
_WAY = (1.0, 0.75, 0.5, 0.25)
"""Shares of the way to a maximum: its end may break a constraint, or cost more."""
_CAPS = 32
"""Random caps of the costs, if there are costs."""


class Improvement:
    """The expected improvement on the best trials, summed over caps of the costs."""

    def __init__(
        self, surrogate: Surrogate, process: GaussianProcess, caps: Array
    ) -> None:
        """Take the surrogate, its process with running trials, and caps (m, costs)."""
        self._process = process
        self._caps = caps
        within = self._within_caps(surrogate.measured, surrogate.costs)
        mean = surrogate.process.mean(surrogate.x)
        value = np.where(surrogate.known > 0.0, mean, surrogate.y)
        self._best = np.where(within, value[:, None], surrogate.y.min()).max(0)
        known = np.where(within, mean[:, None], -np.inf)
        ranked = np.argsort(-known, axis=0, kind="stable")
        n_each = math.ceil(_CENTRES / len(caps))
        best = ranked[:n_each, :_CENTRES].T.ravel()
        self.centres = surrogate.x[list(dict.fromkeys(best))]
        """Points of the best trials within the caps, (up to ``_CENTRES``, width)."""

    def _within_caps(self, counted: Booleans, costs: Array) -> Booleans:
        """Return whether points that are ``counted`` (k,), with costs (k, c), are
        within each cap: (k, m)."""
        caps = self._caps * (1.0 + 1e-9)  # a mean rounds
        within = (costs[:, None, :] <= caps).all(2)
        return np.asarray(counted[:, None] & within)

    def evaluate(
        self, points: Array, feasible: Booleans, costs: Array
    ) -> tuple[Array, Booleans]:
        """Return the logarithms (k,) of the improvements at points, and within which
        caps they are (k, m)."""
        counts = self._within_caps(feasible, costs)
        values, _ = self._process.log_improvement(
            points, self._best, counts, slopes=False
        )
        return np.round(values, _DECIMALS), counts

    def climb(self, starts: Array, counts: Booleans, free: Array) -> Array:
        """Return the maxima (k, width) that an ascent reaches from ``starts``.

        ``counts`` (k, m) stay those of the starts; ``free`` (k, width) says which
        columns may vary.
        """

        def loss(x: Array) -> tuple[float, Array]:
            points = x.reshape(starts.shape)
            values, slopes = self._process.log_improvement(points, self._best, counts)
            return -float(values.sum()), -slopes.ravel()

        low = np.where(free, 0.0, starts)
        high = np.where(free, 1.0, starts)
        minimum = optimize.minimize(
            loss,
            starts.ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(low.ravel(), high.ravel()),
            options={"maxiter": _STEPS},
        )
        return np.asarray(minimum.x.reshape(starts.shape))


class Maximiser:
    """Search of the cube for points of large expected improvement."""

    def __init__(
        self,
        spec: StudySpec,
        cube: Cube,
        is_feasible: IsFeasible,
        rng: np.random.Generator,
    ) -> None:
        """Take the study, its space, a test of parameters, and a generator of random
        numbers."""
        self._spec = spec
        self._cube = cube
        self._is_feasible = is_feasible
        self._rng = rng

    def maximise(self, surrogate: Surrogate, process: GaussianProcess) -> Array:
        """Return points (k, width) of large expected improvement, the largest first.

        ``process`` is the surrogate's, with running trials.
        """
        points = self._cube.random(_CANDIDATES, self._rng)
        feasible, costs = self._examine(points)
        caps = draw_caps(costs, self._rng)
        improvement = Improvement(surrogate, process, caps)
        near = self._draw_near(improvement.centres)
        near_feasible, near_costs = self._examine(near)
        points = np.concatenate([points, near])
        feasible = np.concatenate([feasible, near_feasible])
        costs = np.concatenate([costs, near_costs])
        values, counts = improvement.evaluate(points, feasible, costs)
        first = np.argsort(-values, kind="stable")[:_CLIMBED]
        starts = points[first]
        free = np.array([self._cube.free(point) for point in starts])
        way = improvement.climb(starts, counts[first], free) - starts
        ends = np.concatenate([starts + share * way for share in _WAY])
        end_values, _ = improvement.evaluate(ends, *self._examine(ends))
        ranked = np.argsort(-np.concatenate([end_values, values]), kind="stable")
        return np.asarray(np.concatenate([ends, points])[ranked])

    def _draw_near(self, centres: Array) -> Array:
        """Draw points (k, width) near centres (n, width), at each distance."""
        drawn = [
            self._cube.near(centre, distance, _EACH, self._rng)
            for centre in centres
            for distance in _NEAR
        ]
        return np.concatenate(drawn)

    def _examine(self, points: Array) -> tuple[Booleans, Array]:
        """Return whether points (k, width) are feasible (k,), and their costs (k, costs
        of the study)."""
        feasible = np.ones(len(points), dtype=np.bool_)
        costs = np.empty((len(points), len(self._spec.costs)))
        if not self._spec.asks_costs:
            return feasible, costs
        for k, point in enumerate(points):
            params = self._cube.params(point)
            feasible[k] = self._is_feasible(params)
            costs[k] = constraints.cost_values(self._spec, params)
        return feasible, costs


def draw_caps(costs: Array, rng: np.random.Generator) -> Array:
    """Draw caps (m, c), log-uniform over the range of costs (k, c); one if there are no
    costs."""
    low = np.nanmin(costs, 0)
    high = np.nanmax(costs, 0)
    n_caps = _CAPS if len(low) else 1
    share = rng.random((n_caps, len(low)))
    if (low > 0.0).all():
        return np.asarray(low * (high / low) ** share)
    return np.asarray(low + share * (high - low))
