r"""A Gaussian process over the unit cube, for scores with unequal noise.

Trial :math:`i`, at :math:`x_i`, scores

.. math:: y_i = m + \sum_k a_k h_k(x_i) + g(x_i) + \varepsilon_i, \qquad
          \operatorname{Var} \varepsilon_i = \sigma^2 (1 + c\,v_i) + s_i^2

where :math:`h_k` are trends, known functions such as what another study has found,
:math:`g` has a Matérn 5/2 kernel with one length scale per column, :math:`\sigma`
is how far networks of one configuration scatter, :math:`v_i` is extra noise (0 of a
measured score), and :math:`s_i` is a known standard deviation (0 where nobody told it).
See Rasmussen and Williams, "Gaussian Processes for Machine Learning"
(2006), chapters 2 (2.7 for :math:`m` and :math:`a_k`) and 5. Hyper-parameters are the
most probable ones, found with L-BFGS on the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize
from scipy.special import erfcx, log_ndtr, logsumexp, ndtr

Array = NDArray[np.float64]

FITTED = 150
"""Limit on the trials that hyper-parameters are fitted to."""
_JITTER = 1e-6
_PRECISION = 0.1
"""Precision of the prior of m, about 0."""
_TREND_PRECISION = 4.0
"""Precision of the prior of all a_k, whose sum is about 1."""
_SCALE = 0.5
"""Median of a length scale, in units of the square root of the number of columns."""
_MEDIANS = (1.0, 0.05, 1.0)
"""Medians of the variance of g, of sigma squared, and of c."""
_SPREADS = (1.0, 1.0, 1.0, 1.5)
"""Deviations of the logarithms: of length scales, of the variance of g, of sigma
squared, of c."""
NOISY = 4.0
"""Bounds of the hyper-parameters, in deviations from their medians; of sigma squared
the lower one where scores are known to scatter."""
EXACT = 8.0
"""The lower one of sigma squared where scores may be exact."""
_STEPS = 40
_NOTHING = -1e9
"""Logarithm of an improvement of 0."""
_DECIMALS = 2
"""Decimals of the logarithms of hyper-parameters: the last bits of sums are rounded
away."""


class Trend(Protocol):
    """A known function over the cube, which the scores may follow."""

    def values(self, x: Array) -> Array:
        """Return its values (k,) at points (k, d)."""

    def slopes(self, x: Array) -> Array:
        """Return its derivatives (k, d) at points (k, d)."""


@dataclass(frozen=True)
class Basis:
    """Constant and trends at n points, and the prior of their coefficients."""

    columns: Array
    """1 and the trends, (n, q)."""
    means: Array
    """(q,)"""
    precisions: Array
    """(q,)"""

    @classmethod
    def of(cls, x: Array, trends: Sequence[Trend]) -> Basis:
        """Return that of points (n, d)."""
        columns = [np.ones(len(x)), *(trend.values(x) for trend in trends)]
        means = np.zeros(len(columns))
        precisions = np.full(len(columns), _PRECISION)
        if trends:
            means[1:] = 1.0 / len(trends)
            precisions[1:] = _TREND_PRECISION
        return cls(np.stack(columns, axis=1), means, precisions)

    def take(self, kept: NDArray[np.intp]) -> Basis:
        """Return that of some of the points."""
        return Basis(self.columns[kept], self.means, self.precisions)

    def solve(self, covariance: Array, products: Array) -> Array:
        """Return the most probable coefficients (q,), given C^T K^-1 C (q, q) and C^T
        K^-1 y (q,) of the columns C and the covariance K of the scores."""
        matrix = covariance + np.diag(self.precisions)
        own = products + self.precisions * self.means
        return np.asarray(np.linalg.solve(matrix, own), dtype=np.float64)


def _matern(square: Array) -> tuple[Array, Array]:
    """Return Matérn's kernel of squared distances, and minus twice its derivative by
    them.

    The squares are overwritten: new pages of memory take longer than the arithmetic.
    """
    r = np.sqrt(np.multiply(square, 5.0, out=square), out=square)
    near = np.exp(-r)
    kernel = r * r
    kernel /= 3.0
    r += 1.0
    kernel += r
    kernel *= near
    r *= 5.0 / 3.0
    return kernel, np.multiply(r, near, out=r)


def _squared(a: Array, b: Array) -> Array:
    """Return squared distances (k, n) of points (k, d) from points (n, d)."""
    square: Array = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :]
    square -= 2.0 * a @ b.T
    return np.maximum(square, 0.0, out=square)


def _prior(d: int) -> tuple[Array, Array]:
    """Return means and deviations (d + 3,) of the logarithms of the
    hyper-parameters."""
    scales = np.full(d, _SCALE * math.sqrt(d))
    spreads = np.full(d, _SPREADS[0])
    means = np.log(np.concatenate([scales, _MEDIANS]))
    return means, np.concatenate([spreads, _SPREADS[1:]])


def loss(
    theta: Array, x: Array, y: Array, vague: Array, known: Array, basis: Basis
) -> tuple[float, Array]:
    """Return minus the logarithm of the posterior density at ``theta`` (d + 3,), and
    its gradient.

    Arguments are those of ``GaussianProcess``, and the basis of its points; m and a_k
    are those of greatest density.
    """
    d = x.shape[1]
    scaled = x * np.exp(-theta[:d])
    height, noise, c = np.exp(theta[d:])
    kernel, kernel_slope = _matern(_squared(scaled, scaled))
    gram = height * kernel + np.diag(noise * (1.0 + c * vague) + _JITTER + known)
    try:
        lower = linalg.cholesky(gram, lower=True, check_finite=False)
    except linalg.LinAlgError:
        return 1e10, np.zeros_like(theta)
    inverse, _ = linalg.lapack.dpotri(lower, lower=1)
    inverse += np.tril(inverse, -1).T
    turned = inverse @ basis.columns
    coefficients = basis.solve(basis.columns.T @ turned, turned.T @ y)
    rest = y - basis.columns @ coefficients
    weights = inverse @ rest
    mean, spread = _prior(d)
    off = (theta - mean) / spread
    prior = basis.precisions @ (coefficients - basis.means) ** 2
    value = 0.5 * (rest @ weights + prior + off @ off)
    value += np.log(np.diag(lower)).sum()
    slope = (
        np.outer(weights, weights) - inverse
    )  # minus twice the derivative by the matrix
    gradient = off / spread
    by_pair = np.multiply(slope * height, kernel_slope, out=kernel_slope)
    gradient[:d] -= by_pair.sum(1) @ scaled**2 - (scaled * (by_pair @ scaled)).sum(0)
    own = np.diag(slope)
    gradient[d:] -= 0.5 * np.array(
        [
            height * np.multiply(slope, kernel, out=kernel).sum(),
            noise * (own * (1.0 + c * vague)).sum(),
            noise * c * (own * vague).sum(),
        ]
    )
    return float(value), gradient


def fit(
    x: Array,
    y: Array,
    vague: Array,
    known: Array,
    trends: Sequence[Trend] = (),
    quietest: float = NOISY,
) -> Array:
    """Fit hyper-parameters (d + 3,), as logarithms: length scales, height, noise, c.

    They are the most probable ones. Arguments are those of ``GaussianProcess``, and the
    lower bound of sigma squared, ``NOISY`` or ``EXACT``; of many trials, ``FITTED`` are
    used.
    """
    kept = most_telling(y, vague, FITTED)
    mean, spread = _prior(x.shape[1])
    low = mean - NOISY * spread
    low[-2] = mean[-2] - quietest * spread[-2]
    minimum = optimize.minimize(
        loss,
        mean,
        args=(x[kept], y[kept], vague[kept], known[kept], Basis.of(x[kept], trends)),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, mean + NOISY * spread, strict=True)),
        options={"maxiter": _STEPS},
    )
    return np.round(minimum.x, _DECIMALS)


def most_telling(y: Array, vague: Array, most: int) -> NDArray[np.intp]:
    """Return the indices of the scores (n,) to keep: half the best, the others evenly
    spread.

    Measured scores come first among the best.
    """
    if len(y) <= most:
        return np.arange(len(y))
    order = np.lexsort((-y, vague > 0.0))
    best = order[: most // 2]
    others = np.sort(order[most // 2 :])
    even = np.linspace(0, len(others) - 1, most - len(best)).astype(np.intp)
    return np.sort(np.r_[best, others[even]])


class GaussianProcess:
    """The posterior of g + m anywhere in the cube, given n scores of d parameters."""

    def __init__(
        self,
        x: Array,
        y: Array,
        vague: Array,
        known: Array,
        theta: Array,
        trends: Sequence[Trend] = (),
    ) -> None:
        """Take ``x`` (n, d), ``y`` (n,), v as ``vague`` (n,), s squared as ``known``
        (n,), ``theta`` (d + 3,) of ``fit``, and the trends h."""
        d = x.shape[1]
        self._per_scale = np.exp(-theta[:d])
        self._scaled = x * self._per_scale
        self._height, noise, c = np.exp(theta[d:])
        gram = self._height * _matern(_squared(self._scaled, self._scaled))[0]
        gram[np.diag_indices(len(x))] += noise * (1.0 + c * vague) + _JITTER + known
        self._lower = linalg.cholesky(gram, lower=True, check_finite=False)
        basis = Basis.of(x, trends)
        columns = self._half(basis.columns)
        half = self._half(y)
        coefficients = basis.solve(columns.T @ columns, columns.T @ half)
        self._weights = self._other_half(half - columns @ coefficients)
        self._m = float(coefficients[0])
        self._trends = trends
        self.coefficients: Array = coefficients[1:]
        """a of the trends, (k,)."""

    def _half(self, b: Array) -> Array:
        # of small systems, the checks of scipy.linalg.solve_triangular cost much
        return np.asarray(linalg.lapack.dtrtrs(self._lower, b, lower=1)[0])

    def _other_half(self, b: Array) -> Array:
        return np.asarray(linalg.lapack.dtrtrs(self._lower, b, lower=1, trans=1)[0])

    def _kernel(self, x: Array) -> Array:
        return np.asarray(
            self._height * _matern(_squared(x * self._per_scale, self._scaled))[0]
        )

    def _variance(self, half: Array) -> Array:
        return np.asarray(np.maximum(self._height - (half * half).sum(0), _JITTER))

    def _trend(self, x: Array) -> Array:
        """Return m and the trends (k,) at points (k, d)."""
        total = np.full(len(x), self._m)
        for a, trend in zip(self.coefficients, self._trends, strict=True):
            total += a * trend.values(x)
        return total

    def mean(self, x: Array) -> Array:
        """Return posterior means (k,) at points (k, d)."""
        return self._trend(x) + self._kernel(x) @ self._weights

    def mean_slopes(self, x: Array) -> Array:
        """Return the derivatives (k, d) of the posterior means at points (k, d); not of
        trends."""
        scaled = x * self._per_scale
        pairs = _matern(_squared(scaled, self._scaled))[1]
        pairs *= -self._height * self._weights
        return self._by_points(pairs, scaled)

    def _by_points(self, pairs: Array, scaled: Array) -> Array:
        """Return derivatives (k, d) by points, given those by the kernel's squared
        distances (k, n)."""
        sums = pairs.sum(1)[:, None] * scaled - pairs @ self._scaled
        return np.asarray(sums * self._per_scale)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Return posterior means and variances (k,) at points (k, d)."""
        kernel = self._kernel(x)
        half = self._half(kernel.T)
        mean = self._trend(x) + kernel @ self._weights
        return mean, self._variance(half)

    def log_improvement(
        self, x: Array, best: Array, counts: NDArray[np.bool_], *, slopes: bool = True
    ) -> tuple[Array, Array]:
        """Return logarithms (k,) of summed expected improvements at points (k, d), and
        gradients.

        Without ``slopes``, the points stand in the gradients' place. The sum is over
        ``best`` (m,), as far as each ``counts`` (k, m). Logarithms are finite and
        sloped where an improvement itself is 0 in floating point: Ament et al.,
        "Unexpected improvements to expected improvement" (arXiv:2310.20708).
        """
        scaled = x * self._per_scale
        kernel, slope = _matern(_squared(scaled, self._scaled))
        half = self._half(self._height * kernel.T)
        deviation = np.sqrt(self._variance(half))
        mean = self._trend(x) + self._height * kernel @ self._weights
        z = (mean[:, None] - best) / deviation[:, None]
        total = np.maximum(_log_sum(_log_h(z), counts), _NOTHING)
        if not slopes:
            return np.log(deviation) + total, x
        by_z = np.exp(np.where(counts, log_ndtr(z) - total[:, None], -np.inf))
        by_mean = by_z.sum(1) / deviation
        by_deviation = (1.0 - (by_z * z).sum(1)) / deviation
        # by the covariance of every pair (k, n), then by the points
        pairs = by_mean[:, None] * self._weights
        pairs -= (by_deviation / deviation)[:, None] * self._other_half(half).T
        pairs *= -self._height * slope
        gradient = self._by_points(pairs, scaled)
        for a, trend in zip(self.coefficients, self._trends, strict=True):
            gradient += (a * by_mean)[:, None] * trend.slopes(x)
        return np.log(deviation) + total, gradient


def _log_sum(logs: Array, counts: NDArray[np.bool_]) -> Array:
    """Return the logarithms (k,) of sums of numbers, given their logarithms (k, m) and
    which of them count (k, m)."""
    if logs.shape[1] == 1:  # a study without costs: nothing to sum
        return np.asarray(np.where(counts, logs, -np.inf)[:, 0])
    return np.asarray(logsumexp(logs, axis=1, b=counts))


def _log_h(z: Array) -> Array:
    """Return the logarithm of phi(z) + z Phi(z), accurate where z is far below 0."""
    far = z < -1.0
    near = np.where(far, 0.0, z)
    low = np.where(far, z, -1.0)
    density = np.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)
    tail = 1.0 + low * math.sqrt(0.5 * math.pi) * erfcx(-low / math.sqrt(2.0))
    log_tail = -0.5 * (low * low + math.log(2.0 * math.pi)) + np.log(
        np.maximum(tail, 1e-300)
    )
    return np.where(far, log_tail, np.log(density + near * ndtr(near)))
