r"""A Gaussian process over configurations and epochs of training, from cut and whole curves.

Network :math:`i`, of configuration :math:`x_i`, scores after so many epochs, its *rung* :math:`r`,

.. math:: y_{ir} = c_r + g(x_i) + d_r(x_i) + \nu_i + \delta_{ir} + \varepsilon_{ir}

- :math:`g`: what a configuration is worth in the end; Matérn 5/2, one length scale per parameter.
- :math:`d_r`: what it is behind, or ahead, at rung :math:`r`: the same kernel times
  :math:`\min(u_r, u_{r'})`, where :math:`u_r = \log(E/r) / \log(E/r_0)` is 1 at the first rung
  :math:`r_0` and 0 after all :math:`E` epochs. So a slow learner is told from a bad one by those
  near it that were trained to the end.
- :math:`\nu_i, \delta_{ir}`: the luck of a network (its weights, its split of the data), in the end
  and on the way; :math:`\varepsilon` that of an epoch.

Hyper-parameters are the most probable ones (L-BFGS on the exact gradient, log-normal priors). The
idea of a process over configurations and epochs is that of freeze-thaw Bayesian optimisation
(Swersky, Snoek, Adams, arXiv:1406.3896).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

Array = NDArray[np.float64]

FITTED = 80
"""Networks, at most, from which hyper-parameters are fitted: half of them the best, the others
spread over the whole history."""
KNOWN = 400
"""Networks, at most, that predictions are made from, chosen alike."""
_JITTER = 1e-6
_PRIOR_OF_MEANS = 0.05
"""Precision of the means of the rungs about 0."""
_PRIOR = {"end": (0.5, 1.0), "way": (0.3, 1.0), "network": (0.03, 1.0), "network_way": (0.05, 1.0)}
_PRIOR |= {"epoch": (0.005, 1.0)}
"""Variances, in the order of the hyper-parameters: medians, deviations of their logarithms."""
_SCALE = (0.3, 0.8)
"""Likewise of length scales, in units of the square root of the number of parameters."""
_STEPS = 40
_DECIMALS = 2
"""Of logarithms of hyper-parameters: the last bits of a processor's sums are rounded away."""


@dataclass(frozen=True)
class Curves:
    """What networks have scored: n networks of d parameters, m values in all."""

    x: Array
    """(n, d) in the unit cube."""
    kinds: NDArray[np.bool_]
    """(d,): whether a parameter is a choice, whose values are equal or not, at distance 1."""
    network: NDArray[np.intp]
    """(m,), ascending: whose value it is."""
    rung: NDArray[np.intp]
    """(m,): after how many epochs, as an index into ``rungs``."""
    y: Array
    """(m,): the values; the more the better."""
    rungs: tuple[int, ...]
    """Epochs, ascending; the last one is the end."""

    @cached_property
    def u(self) -> Array:
        """(rungs,): how far from the end, 1 at the first rung and 0 at the last."""
        left = np.array([math.log(self.rungs[-1] / rung) for rung in self.rungs])
        return left / left[0] if left[0] > 0 else left

    @cached_property
    def way(self) -> Array:
        """(m, m): the covariance of what happens on the way, for a variance of 1."""
        u = self.u[self.rung]
        way: Array = np.minimum.outer(u, u)
        return way

    @cached_property
    def same(self) -> Array:
        """(m, m): 1 where both values are of one network."""
        same: Array = np.equal.outer(self.network, self.network).astype(float)
        return same

    @cached_property
    def apart(self) -> Array:
        """(d, n, n): squared distances by parameter."""
        return _apart(self.x, self.x, self.kinds)

    def of(self, networks: NDArray[np.intp]) -> Curves:
        """Some of the networks, ascending."""
        place = np.full(len(self.x), -1)
        place[networks] = np.arange(len(networks))
        kept = place[self.network] >= 0
        return Curves(
            self.x[networks],
            self.kinds,
            place[self.network[kept]],
            self.rung[kept],
            self.y[kept],
            self.rungs,
        )

    def most_telling(self, most: int) -> Curves:
        """At most so many networks: half of them the best that got furthest, the others evenly."""
        n = len(self.x)
        if n <= most:
            return self
        last = np.r_[np.flatnonzero(np.diff(self.network)), len(self.y) - 1]
        order = np.lexsort((-self.y[last], -self.rung[last]))
        best, others = order[: most // 2], np.sort(order[most // 2 :])
        even = np.linspace(0, len(others) - 1, most - len(best)).astype(np.intp)
        return self.of(np.sort(np.r_[best, others[even]]))

    def with_end(self, x: Array, y: Array) -> Curves:
        """And networks at ``x`` (k, d) of which the end ``y`` (k,) is known, or believed."""
        k = len(x)
        return Curves(
            np.r_[self.x, x],
            self.kinds,
            np.r_[self.network, len(self.x) + np.arange(k)],
            np.r_[self.rung, np.full(k, len(self.rungs) - 1)],
            np.r_[self.y, y],
            self.rungs,
        )


def _apart(a: Array, b: Array, kinds: NDArray[np.bool_]) -> Array:
    """Squared distances (d, m, n) of points (m, d) and (n, d) by parameter."""
    difference = a.T[:, :, None] - b.T[:, None, :]
    return np.where(kinds[:, None, None], difference != 0.0, difference * difference)


def _matern(square: Array) -> Array:
    r = np.sqrt(5.0 * square)
    return (1.0 + r + r * r / 3.0) * np.exp(-r)


def _matern_slope(square: Array) -> Array:
    """Minus twice the derivative of ``_matern`` by the squared distance."""
    r = np.sqrt(5.0 * square)
    return 5.0 / 3.0 * (1.0 + r) * np.exp(-r)


def _prior(d: int) -> tuple[Array, Array]:
    """Means and deviations (d + 5,) of the logarithms of the hyper-parameters."""
    scale, spread = _SCALE
    medians = [scale * math.sqrt(d)] * d + [median for median, _ in _PRIOR.values()]
    return np.log(medians), np.array([spread] * d + [s for _, s in _PRIOR.values()])


def loss(theta: Array, data: Curves) -> tuple[float, Array]:
    """Minus the logarithm of posterior density at ``theta`` (d + 5,), and its gradient.

    The means of the rungs are those of greatest density.
    """
    d, m = data.x.shape[1], len(data.y)
    per_scale = np.exp(-2.0 * theta[:d])
    end, way, network, network_way, epoch = np.exp(theta[d:])
    square = np.einsum("dij,d->ij", data.apart, per_scale)
    kernel = _matern(square)[np.ix_(data.network, data.network)]
    parts = end + way * data.way
    gram = kernel * parts + data.same * (network + network_way * data.way)
    gram[np.diag_indices(m)] += epoch + _JITTER
    try:
        lower = linalg.cholesky(gram, lower=True, check_finite=False)
    except linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    inverse = linalg.cho_solve((lower, True), np.eye(m), check_finite=False)
    one = np.eye(len(data.rungs))[data.rung]
    precision = one.T @ inverse @ one + _PRIOR_OF_MEANS * np.eye(len(data.rungs))
    means = np.linalg.solve(precision, one.T @ inverse @ data.y)
    rest = data.y - one @ means
    weights = inverse @ rest
    mean, spread = _prior(d)
    off = (theta - mean) / spread
    value = 0.5 * (rest @ weights + _PRIOR_OF_MEANS * means @ means + off @ off)
    value += np.log(np.diag(lower)).sum()
    slope = np.outer(weights, weights) - inverse  # minus twice the derivative by the matrix
    begins = np.r_[0, np.flatnonzero(np.diff(data.network)) + 1]
    by_network = np.add.reduceat(np.add.reduceat(slope * parts, begins, 0), begins, 1)
    gradient = off / spread
    by_pair = by_network * _matern_slope(square)
    gradient[:d] -= 0.5 * np.einsum("ij,dij->d", by_pair, data.apart) * per_scale
    of_pairs, of_same = slope * kernel, slope * data.same
    gradient[d:] -= 0.5 * np.array(
        [
            end * of_pairs.sum(),
            way * (of_pairs * data.way).sum(),
            network * of_same.sum(),
            network_way * (of_same * data.way).sum(),
            epoch * np.trace(slope),
        ]
    )
    return float(value), gradient


def fit(data: Curves) -> Array:
    """The most probable hyper-parameters (d + 5,), as logarithms."""
    chosen = data.most_telling(FITTED)
    key = tuple(a.tobytes() for a in (chosen.x, chosen.kinds, chosen.network, chosen.rung))
    return _fit(key, _Data(chosen))


class _Data:
    """Curves that stand for their bytes: the cache goes by those."""

    def __init__(self, data: Curves) -> None:
        self.data = data
        self._key = data.y.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Data) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=32)
def _fit(key: tuple[bytes, ...], own: _Data) -> Array:
    begin = _prior(own.data.x.shape[1])[0]
    found = optimize.minimize(
        loss, begin, args=(own.data,), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
    )
    return np.round(found.x, _DECIMALS)


class CurveModel:
    """What is known of configurations: predictions from ``data`` with given hyper-parameters."""

    def __init__(self, data: Curves, theta: Array) -> None:
        """Take ``theta`` (d + 5,) as ``fit`` gives it."""
        self.data, self.theta = data, theta
        d, m = data.x.shape[1], len(data.y)
        self._per_scale = np.exp(-2.0 * theta[:d])
        self._end, self._way, self._network, self._network_way, self._epoch = np.exp(theta[d:])
        square = np.einsum("dij,d->ij", data.apart, self._per_scale)
        gram = _matern(square)[np.ix_(data.network, data.network)]
        gram = gram * (self._end + self._way * data.way)
        gram += data.same * (self._network + self._network_way * data.way)
        gram[np.diag_indices(m)] += self._epoch + _JITTER
        self._lower = linalg.cholesky(gram, lower=True, check_finite=False)
        one = self._half(np.eye(len(data.rungs))[data.rung])
        y = self._half(data.y)
        precision = one.T @ one + _PRIOR_OF_MEANS * np.eye(len(data.rungs))
        self._means = np.linalg.solve(precision, one.T @ y)
        self._weights = linalg.solve_triangular(self._lower.T, y - one @ self._means)

    @property
    def noise(self) -> float:
        """Variance of a network's end about that of its configuration."""
        return float(self._network + self._epoch)

    def _half(self, b: Array) -> Array:
        return linalg.solve_triangular(self._lower, b, lower=True, check_finite=False)

    def _kernel(self, x: Array) -> Array:
        """(k, m): of points (k, d) with the values."""
        data, kinds = self.data, self.data.kinds
        a, b = x[:, ~kinds], data.x[:, ~kinds]
        scale = np.sqrt(self._per_scale[~kinds])
        a, b = a * scale, b * scale
        square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2.0 * a @ b.T
        for column in np.flatnonzero(kinds):
            differ = x[:, column][:, None] != data.x[:, column][None, :]
            square += self._per_scale[column] * differ
        return _matern(np.maximum(square, 0.0))[:, data.network]

    def means(self, x: Array) -> Array:
        """Expected ends (k,) of configurations (k, d)."""
        means: Array = self._means[-1] + self._end * self._kernel(x) @ self._weights
        return means

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Means and variances (k,) of what configurations (k, d) are worth in the end."""
        kernel = self._end * self._kernel(x)
        half = self._half(kernel.T)
        mean = self._means[-1] + kernel @ self._weights
        return mean, np.maximum(self._end - (half * half).sum(0), _JITTER)

    def given(self, x: Array, values: Sequence[float]) -> tuple[float, float]:
        """Mean and variance of a configuration (d,) of which another network is known, too.

        ``values`` are that network's at the first rungs.
        """
        data, q = self.data, len(values)
        u = self.data.u
        kernel = self._kernel(x[None])[0]
        rungs = np.arange(q)
        cross = np.empty((len(data.y), q + 1))  # of what is known with the values, and the end
        for rung in rungs:
            cross[:, rung] = kernel * (self._end + self._way * np.minimum(u[data.rung], u[rung]))
        cross[:, q] = kernel * self._end
        both = np.minimum(u[rungs][:, None], u[rungs][None, :])
        prior = np.full((q + 1, q + 1), self._end)
        prior[:q, :q] += self._network + (self._way + self._network_way) * both
        prior[rungs, rungs] += self._epoch + _JITTER
        half = self._half(cross)
        covariance = prior - half.T @ half
        mean = np.r_[self._means[rungs], self._means[-1]] + cross.T @ self._weights
        gain = np.linalg.solve(covariance[:q, :q], covariance[:q, q])
        variance = covariance[q, q] - gain @ covariance[:q, q]
        return float(mean[q] + gain @ (np.array(values) - mean[:q])), max(float(variance), _JITTER)
