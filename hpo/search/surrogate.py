"""The surrogate of ``kriging-believer``: a Gaussian process of the scores of trials.

Accuracies are modelled by their logits and errors by their logarithms: then differences
among good networks count, and networks of one configuration scatter about alike,
whether they are good or bad. A pruned trial has an extrapolated score
(``comparison.extrapolate``), with the more noise the earlier it was pruned.

The highest of many scores of single networks is lucky; the posterior mean also knows
how far networks of one configuration scatter and what its neighbours scored. It is an
unbiased claim, and selects better which configuration to confirm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hpo.search import comparison, optuna_adapter
from hpo.search.comparison import Observations
from hpo.search.gaussian_process import (
    EXACT,
    NOISY,
    Array,
    Basis,
    GaussianProcess,
    Trend,
    fit,
    loss,
    most_telling,
)
from hpo.search.memory import kept
from hpo.search.scale_choice import choose_scale
from hpo.search.space import cube_of, distributions
from hpo.statistics import intervals
from hpo.statistics.scales import Scale
from hpo.study.spec import StudySpec
from hpo.study.tables import ParamValue, Source, SourceTrial
from hpo.study.trials import Past, Posterior, Suggestion

KNOWN = 400
"""Limit on the trials that the surrogate is fitted to."""
_AT_ONCE = 500
"""Most points in a prediction, which takes a matrix of their covariances."""
_DECIMALS = 6
"""Decimals of a posterior mean."""
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
        self,
        spec: StudySpec,
        observations: Observations,
        sources: Sequence[Surrogate] = (),
    ) -> None:
        """Take trials, one complete at least whose score was measured (see
        ``comparison``), and what ``source_surrogates`` returns."""
        self.cube = cube_of(spec)
        """The space of the study."""
        self._sign = spec.sign
        scale = choose_scale(spec, observations)
        self._scale = scale
        complete = np.flatnonzero(observations.complete)
        raw = self._sign * scale.forward(observations.scores[complete])
        better = math.inf if scale.bounded else _BETTER
        y, self._centre, deviation = standardised(raw, better)
        self.deviation: float = deviation
        """Of the scores, on the scale."""
        vague = observations.vague[complete]
        chosen = most_telling(y, vague, KNOWN)
        trials = [observations.seen[k] for k in complete[chosen]]
        self.x = self.cube.points(trials)
        """Points of the most informative trials, (n, width)."""
        self.costs = np.array([trial.costs for trial in trials], dtype=np.float64)
        """(n, costs of the study)."""
        self.y = y[chosen]
        """Their scores, on the scale, standardised, (n,)."""
        self._vague = vague[chosen]
        self.measured: NDArray[np.bool_] = self._vague == 0.0
        """Whether each score was measured, (n,)."""
        sds = np.array([trial.suggestion.value_sd for trial in trials])
        scores = observations.scores[complete[chosen]]
        self.known = _known_variances(scale, scores, sds, self.deviation)
        """Variances of the scores that were told with one, as ``y``, (n,); else 0."""
        self._trends = self._keep_likelier(
            [_SourceTrend(source, self) for source in sources]
        )
        self._theta = self._fit(self._trends)
        self.process = GaussianProcess(
            self.x, self.y, self._vague, self.known, self._theta, self._trends
        )

    @property
    def follows_sources(self) -> bool:
        """Whether an earlier study makes the scores likelier."""
        return bool(self._trends)

    def _fit(self, trends: Sequence[Trend]) -> Array:
        # an accuracy is that of a few hundred series: it always scatters
        quietest = NOISY if self._scale.bounded else EXACT
        return fit(self.x, self.y, self._vague, self.known, trends, quietest)

    def _keep_likelier(self, trends: Sequence[Trend]) -> list[Trend]:
        """Return the trends with each of which the scores are likelier than without."""
        if not trends:
            return []
        most = self._loss([])
        return [trend for trend in trends if self._loss([trend]) <= most]

    def _loss(self, trends: Sequence[Trend]) -> float:
        """Return minus the logarithm of the density of the scores with trends."""
        theta = self._fit(trends)
        basis = Basis.of(self.x, trends)
        value, _ = loss(theta, self.x, self.y, self._vague, self.known, basis)
        return value

    def believe(self, trials: Sequence[Past]) -> GaussianProcess:
        """Return a process with trials at their posterior mean, as if measured."""
        x = self.cube.points(trials)
        y = self.process.mean(x)
        return GaussianProcess(
            np.concatenate([self.x, x]),
            np.concatenate([self.y, y]),
            np.concatenate([self._vague, np.zeros(len(y))]),
            np.concatenate([self.known, np.zeros(len(y))]),
            self._theta,
            self._trends,
        )

    def predict(self, trials: Sequence[Past]) -> tuple[Array, Array]:
        """Return the posterior mean of the score of trials, and its deviation (k,)."""
        points = self.cube.points(trials)
        n_parts = 1 + len(points) // (_AT_ONCE + 1)
        parts = [self.process.predict(x) for x in np.array_split(points, n_parts)]
        mean, variance = np.concatenate(parts, axis=1)
        mean = np.round(mean, _DECIMALS)
        deviation = np.sqrt(variance)
        low = self._mean_scores(mean - deviation)
        high = self._mean_scores(mean + deviation)
        return self._mean_scores(mean), np.abs(high - low) / 2.0

    def _mean_scores(self, y: Array) -> Array:
        """Return mean scores (k,) of networks that scatter about y (k,) as one
        configuration's."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        noise = math.exp(0.5 * self._theta[-2])
        scattered = y[:, None] + noise * nodes
        raw = self._sign * (self._centre + self.deviation * scattered)
        return np.asarray(self._scale.inverse(raw) @ weights / weights.sum())


class _SourceTrend:
    """What an earlier study has found, as a trend of a surrogate's scores."""

    def __init__(self, source: Surrogate, own: Surrogate) -> None:
        """Take the surrogates of both studies; the trend is 0 in the mean over the own
        trials."""
        self._process = source.process
        self._unit = 1.0
        if own.deviation > 0.0 and source.deviation > 0.0:
            self._unit = source.deviation / own.deviation
        self._centre = float(self._process.mean(own.x).mean())

    def values(self, x: Array) -> Array:
        """See ``Trend``."""
        return self._unit * (self._process.mean(x) - self._centre)

    def slopes(self, x: Array) -> Array:
        """See ``Trend``."""
        return self._unit * self._process.mean_slopes(x)


def _known_variances(
    scale: Scale, scores: Array, sds: Array, deviation: float
) -> Array:
    """Return the variances (n,) of scores on a scale, in units of its ``deviation``
    squared.

    ``sds`` (n,) are standard deviations of the scores themselves: small enough for the
    slope of the scale.
    """
    known = np.zeros(len(scores))
    told = np.flatnonzero(sds)
    if deviation == 0.0 or not told.size:
        return known
    step = 1e-3 * sds[told]
    own = scores[told]
    low, middle, high = scale.forward(np.array([own - step, own, own + step]))
    change = np.maximum(high - middle, middle - low)  # one is 0 at a bound of the scale
    known[told] = (change / (1e-3 * deviation)) ** 2
    return known


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


def source_surrogates(spec: StudySpec) -> list[Surrogate]:
    """Return the surrogates of the studies of ``[transfer]``, in the cube of this
    one."""

    def build(_: int, source: Source) -> Surrogate:
        return Surrogate(spec, _observe(source.trials))

    return kept(spec.hash, "sources").of(spec.sources, build)


def _observe(trials: Sequence[SourceTrial]) -> Observations:
    return all_complete(
        [Past(suggestion=Suggestion(params=trial.params)) for trial in trials],
        [trial.score for trial in trials],
        [trial.vague for trial in trials],
    )


def all_complete(
    seen: Sequence[Past], scores: Sequence[float | None], vague: Sequence[float]
) -> Observations:
    """Return observations of trials (n,) that all count as complete."""
    n = len(seen)
    return Observations(
        seen=seen,
        scores=np.array(scores, dtype=np.float64),
        complete=np.ones(n, dtype=np.bool_),
        changed=np.zeros(n, dtype=np.bool_),
        vague=np.array(vague),
    )


def predict_scores(
    spec: StudySpec, trials: Sequence[Past], n_series: float | None = None
) -> dict[int, Posterior]:
    """Return the posterior mean of every complete trial by number; nothing of trials
    that share no space, as some of Optuna do not.

    Args:
        spec: the study.
        trials: trials 0 .. n-1; running ones are ignored.
        n_series: examples that score a trial, where that is known. They are the same
            for all trials, so that no number of trials averages their choice out.
    """
    observations = comparison.extrapolate(spec, trials)
    measured = observations.complete & ~observations.changed
    complete = np.flatnonzero(measured).tolist()
    if not complete:
        return {}
    if spec.defines_by_run and not share_space(spec, [trials[k] for k in complete]):
        return {}
    surrogate = Surrogate(spec, observations, source_surrogates(spec))
    means, stds = surrogate.predict([trials[number] for number in complete])
    if n_series and spec.is_accuracy:
        shares = np.clip(means, 0.0, 1.0)
        errors = [intervals.sampling_error(share, n_series) for share in shares]
        stds = np.hypot(stds, errors)
    rows = zip(complete, means.tolist(), stds.tolist(), strict=True)
    return {number: Posterior(mean=mean, std=std) for number, mean, std in rows}


def share_space(spec: StudySpec, trials: Sequence[Past]) -> bool:
    """Return whether the trials lie in the space that they have found; not if a
    parameter is a number in one, and a choice in another."""
    space = distributions(spec)
    for trial in trials:
        for name, value in trial.suggestion.params.items():
            try:
                if name in space and not optuna_adapter.contains(space[name], value):
                    return False
            except (TypeError, ValueError):
                return False
    return bool(space)


def predict_at(
    spec: StudySpec, trials: Sequence[Past], points: Sequence[Mapping[str, ParamValue]]
) -> Array:
    """Return the posterior mean of the score at points of the space, (k,).

    ``trials`` are complete, one at least; each has a measured score.
    """
    scores = [trial.score for trial in trials]
    observations = all_complete(trials, scores, [0.0] * len(trials))
    surrogate = Surrogate(spec, observations)
    asked = [
        Past(suggestion=Suggestion(params=spec.present(point))) for point in points
    ]
    return surrogate.predict(asked)[0]
