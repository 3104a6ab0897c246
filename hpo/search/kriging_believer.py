"""``kriging-believer``: a Gaussian process with running trials at their posterior mean.

The acquisition function is the expected improvement on the best score so far. A running
trial enters the surrogate at its posterior mean (Ginsbourger, Le Riche and Carraro,
"Kriging is well-suited to parallelize optimization", 2010), so that parallel trials
explore different places. One trial in ``RANDOM`` is drawn at random, as in SMAC:
otherwise ten poor trials may lead the process into corners of the space, which it
leaves late. Accuracies are modelled by their logits and errors by their logarithms:
then differences among good networks count, and networks of one configuration scatter
about alike, whether they are good or bad. A pruned trial has an extrapolated score
(``comparison.extrapolate``), with the more noise the earlier it was pruned.

``expected`` is the posterior mean of a configuration. The highest of many scores of
single networks is lucky; the posterior mean also knows how far networks of one
configuration scatter and what its neighbours scored. It is an unbiased claim, and
selects better which configuration to confirm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from scipy import optimize

from hpo.search import comparison, constraints
from hpo.search.comparison import Observations
from hpo.search.gaussian_process import Array, GaussianProcess, fit, most_telling
from hpo.search.memory import kept
from hpo.search.space import Axis, Cube, cube_of
from hpo.statistics import intervals
from hpo.statistics.scales import Scale
from hpo.study.spec import StudySpec
from hpo.study.trials import Expected, Past

KNOWN = 400
"""Limit on the trials that the surrogate is fitted to."""
RANDOM = 8
"""Period, in trials, of random draws."""
_DECIMALS = 6
"""Decimals of the logarithm of an improvement, and of a posterior mean."""
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
_NODES = 9
"""Nodes of the quadrature over the scatter of networks."""
_WORSE = 3.0
"""Interquartile ranges below the lower quartile; a score beyond counts as lying
there."""
_BETTER = 30.0
"""Interquartile ranges above the upper quartile; likewise."""
_ALIKE = 1e-12
"""Scores whose relative deviation is below it are equal but for rounding."""


class Surrogate:
    """A Gaussian process fitted to the scores of trials."""

    def __init__(
        self, cube: Cube, known: Observations, *, maximize: bool, scale: Scale
    ) -> None:
        """Take trials, one complete at least whose score was measured (see
        ``comparison``)."""
        self._sign = 1.0 if maximize else -1.0
        self._scale = scale
        complete = np.flatnonzero(known.complete)
        raw = self._sign * scale.forward(known.scores[complete])
        better = math.inf if scale.bounded else _BETTER
        y, self._centre, self._deviation = standardised(raw, better)
        vague = known.vague[complete]
        kept = most_telling(y, vague, KNOWN)
        trials = [known.seen[k] for k in complete[kept]]
        self.x = cube.points(trials)
        """Points of the most informative trials, (n, width)."""
        self.costs = np.array([trial.costs for trial in trials], dtype=np.float64)
        """(n, costs of the study)."""
        self.y = y[kept]
        self._vague = vague[kept]
        self.measured: NDArray[np.bool_] = self._vague == 0.0
        """(n,)."""
        self._theta = fit(self.x, self.y, self._vague)
        self.process = GaussianProcess(self.x, self.y, self._vague, self._theta)

    def believing(self, where: Array) -> GaussianProcess:
        """Return a process with the posterior means at points (k, width) as further
        scores."""
        believed = np.r_[self.y, self.process.mean(where)]
        vague = np.r_[self._vague, np.zeros(len(where))]
        return GaussianProcess(np.r_[self.x, where], believed, vague, self._theta)

    def expected(self, where: Array) -> tuple[Array, Array]:
        """Return the posterior mean of the score at points (k, width), and its
        deviation (k,)."""
        mean, variance = self.process.predict(where)
        mean = np.round(mean, _DECIMALS)
        deviation = np.sqrt(variance)
        low = self._scores(mean - deviation)
        high = self._scores(mean + deviation)
        return self._scores(mean), np.abs(high - low) / 2.0

    def _scores(self, y: Array) -> Array:
        """Return mean scores (k,) of networks that scatter about y (k,) as one
        configuration's."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        noise = math.exp(0.5 * self._theta[-2])
        raw = self._sign * (
            self._centre + self._deviation * (y[:, None] + noise * nodes)
        )
        return np.asarray(self._scale.inverse(raw) @ weights / weights.sum())


class KrigingBeliever(BaseSampler):
    """An Optuna sampler that maximises the expected improvement."""

    def __init__(
        self,
        n_startup_trials: int = 10,
        *,
        spec: StudySpec,
        known: Observations,
        fits: Callable[[dict[str, Any]], bool] | None = None,
        seed: int,
    ) -> None:
        """Take the study, its trials, and the seed of the next one; Optuna's study is
        not read.

        Args:
            n_startup_trials: random trials before the surrogate takes over: the first
                ones by number, however they end, and all until one is complete.
            spec: the study.
            known: its trials 0 .. number-1.
            fits: a test of parameters that may be suggested; without it, all may.
            seed: the seed of this suggestion.
        """
        self._n_startup = n_startup_trials
        self._seed = seed
        self._spec = spec
        self._known = known
        self._cube = cube_of(spec)
        self._fits = fits

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        return self._cube.space

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """See ``BaseSampler``."""
        rng = np.random.default_rng(self._seed)
        known = self._known
        number = len(known.seen)
        if (
            number < self._n_startup
            or (number + 1) % RANDOM == 0
            or not known.complete.any()
        ):
            points = np.concatenate(
                [self._cube.random(1, rng) for _ in range(_CLIMBED)]
            )
        else:
            scale = comparison.surrogate_scale(self._spec)
            surrogate = Surrogate(
                self._cube, known, maximize=self._spec.maximize, scale=scale
            )
            running = [
                past
                for past in known.seen[len(known.scores) :]
                if past.suggestion.params
            ]
            process = surrogate.process
            if running:
                process = surrogate.believing(self._cube.points(running))
            points = self._maximise(surrogate, process, rng)
        earlier = kept(self._spec.hash, "params").of(
            known.seen, lambda _, p: p.suggestion.params
        )
        new = (
            params for params in map(self._cube.params, points) if params not in earlier
        )
        return next(new, self._cube.params(points[0]))

    def _maximise(
        self, surrogate: Surrogate, process: GaussianProcess, rng: np.random.Generator
    ) -> Array:
        """Return points (k, width) of large expected improvement, the largest first.

        All trials train their networks from the same seeds: the same point again would
        add no information. With costs it is the expected improvement of the
        hypervolume, by the score and the logarithm of every cost, which is computed:
        the mean, over random caps of the costs, of the improvement on the best trial
        within the cap, of points within it.
        """
        cube = self._cube
        points = cube.random(_CANDIDATES, rng)
        fit, costs = self._costs(points)
        caps = _caps(costs, rng)
        within = surrogate.measured[:, None] & _within(surrogate.costs, caps)
        best = np.where(within, surrogate.y[:, None], surrogate.y.min()).max(0)
        mean = np.where(within, surrogate.process.mean(surrogate.x)[:, None], -np.inf)
        top = np.argsort(-mean, axis=0, kind="stable")[
            : -(-_CENTRES // len(caps)), :_CENTRES
        ]
        centres = surrogate.x[list(dict.fromkeys(top.T.ravel()))]
        near = [cube.near(c, far, _EACH, rng) for c in centres for far in _NEAR]
        others, others_costs = self._costs(np.concatenate(near))
        points = np.concatenate([points, *near])
        counts = np.r_[fit, others][:, None] & _within(np.r_[costs, others_costs], caps)
        gain = np.round(
            process.log_improvement(points, best, counts, slopes=False)[0], _DECIMALS
        )
        starts = np.argsort(-gain, kind="stable")[:_CLIMBED]
        begin = points[starts]
        start_counts = counts[starts]

        def loss(x: Array) -> tuple[float, Array]:
            values, slopes = process.log_improvement(
                x.reshape(begin.shape), best, start_counts
            )
            return -float(values.sum()), -slopes.ravel()

        free = np.ravel([cube.free(point) for point in begin])
        flat = begin.ravel()
        bounds = optimize.Bounds(np.where(free, 0.0, flat), np.where(free, 1.0, flat))
        minimum = optimize.minimize(
            loss,
            flat,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _STEPS},
        )
        way = minimum.x.reshape(begin.shape) - begin
        ends = np.concatenate([begin + share * way for share in _WAY])
        fit, costs = self._costs(ends)
        counts = fit[:, None] & _within(costs, caps)
        gains = process.log_improvement(ends, best, counts, slopes=False)[0]
        gain = np.r_[np.round(gains, _DECIMALS), gain]
        return np.asarray(
            np.concatenate([ends, points])[np.argsort(-gain, kind="stable")]
        )

    def _costs(self, points: Array) -> tuple[NDArray[np.bool_], Array]:
        """Return whether points (k, width) fit (k,), and their costs (k, costs of the
        study)."""
        if self._fits is None and not self._spec.costs:
            return np.ones(len(points), dtype=np.bool_), np.empty((len(points), 0))
        params = [self._cube.params(point) for point in points]
        fit = np.array([self._fits is None or self._fits(point) for point in params])
        return fit, np.array(
            [constraints.cost_values(self._spec, point) for point in params]
        )

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """See ``BaseSampler``; called where rounding put a value beside the steps of
        its range."""
        axis = Axis(param_distribution)
        return axis.value(axis.random(1, np.random.default_rng(self._seed))[0])


def _caps(costs: Array, rng: np.random.Generator) -> Array:
    """Draw caps (m, c), log-uniform over the range of costs (k, c); one if there are no
    costs."""
    low = np.nanmin(costs, 0)
    high = np.nanmax(costs, 0)
    n_caps = _CAPS if len(low) else 1
    share = rng.random((n_caps, len(low)))
    if (low > 0.0).all():
        return np.asarray(low * (high / low) ** share)
    return np.asarray(low + share * (high - low))


def _within(costs: Array, caps: Array) -> NDArray[np.bool_]:
    """Return whether each of the costs (n, c) is within each of the caps (m, c): (n,
    m)."""
    return np.asarray(
        (costs[:, None, :] <= caps * (1.0 + 1e-9)).all(2)
    )  # a mean rounds


def standardised(y: Array, better: float = math.inf) -> tuple[Array, float, float]:
    """Return scores (n,) of mean 0 and deviation 1, and the former mean and deviation.

    Outliers are clipped: below at Tukey's outer fence, above at ``better``
    interquartile ranges. A score of -1e9 among others between 0 and 1 would hide the
    differences of these; one of 1e300, which is an objective's mistake, would attract
    every suggestion.
    """
    low, high = np.quantile(y, [0.25, 0.75])
    if high > low:
        y = np.clip(y, low - _WORSE * (high - low), high + better * (high - low))
    centre = float(y.mean())
    deviation = float(y.std())
    if deviation <= _ALIKE * float(np.abs(y).max()):
        return np.zeros_like(y), centre, 0.0
    return (y - centre) / deviation, centre, deviation


def expected(
    spec: StudySpec, trials: Sequence[Past], n_series: float | None = None
) -> dict[int, Expected]:
    """Return the posterior mean of every complete trial by number, if ``confirm.by``
    needs it.

    Args:
        spec: the study.
        trials: trials 0 .. n-1; running ones are ignored.
        n_series: examples that score a trial, where that is known. They are the same
            for all trials, so that no number of trials averages their choice out.
    """
    if spec.confirm is None or spec.confirm.by != "expected":
        return {}
    known = comparison.extrapolate(spec, trials)
    complete = np.flatnonzero(known.complete & ~known.changed).tolist()
    if not complete:
        return {}
    cube = cube_of(spec)
    scale = comparison.surrogate_scale(spec)
    surrogate = Surrogate(cube, known, maximize=spec.maximize, scale=scale)
    means, stds = surrogate.expected(
        cube.points([trials[number] for number in complete])
    )
    if n_series and spec.is_accuracy:
        shares = np.clip(means, 0.0, 1.0)
        stds = np.hypot(
            stds, [intervals.sampling_error(share, n_series) for share in shares]
        )
    rows = zip(complete, means.tolist(), stds.tolist(), strict=True)
    return {number: Expected(mean=mean, std=std) for number, mean, std in rows}
