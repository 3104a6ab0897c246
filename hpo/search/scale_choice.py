"""The scale of the surrogate where the metric's name does not say it.

Values may span decades, or be shares between 0 and 1; differences of good ones are then
compared by logarithms of how far the best one leads, or by logits. That scale is chosen
on which a Gaussian process finds the best values most probable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from hpo.search import comparison
from hpo.search.comparison import Observations
from hpo.search.gaussian_process import EXACT, Array, Basis, fit, loss
from hpo.search.space import cube_of
from hpo.statistics.scales import LINEAR, LOG, LOGIT, Scale, lead_scale
from hpo.study.spec import StudySpec

_FEWEST = 10
"""Fewest values of the better half that decide."""
_MOST = 50
"""Most of them."""


def choose_scale(spec: StudySpec, observations: Observations) -> Scale:
    """Return the scale of the surrogate: that of the metric, if it has one."""
    own = comparison.surrogate_scale(spec)
    if own is not LINEAR:
        return own
    complete = np.flatnonzero(observations.complete)
    scores = observations.scores[complete]
    order = np.argsort(-spec.sign * scores, kind="stable")
    better = order[: min(_MOST, len(order) // 2)]
    if len(better) < _FEWEST or scores.min() == scores.max():
        return own
    x = cube_of(spec).points([observations.seen[k] for k in complete[better]])
    chosen = own
    likeliest = _log_density(own, x, scores[better])
    for scale in _others(spec, scores):
        density = _log_density(scale, x, scores[better])
        if density > likeliest:
            chosen = scale
            likeliest = density
    return chosen


def _others(spec: StudySpec, scores: Array) -> Iterator[Scale]:
    """Yield the further scales that have a place for all scores (n,)."""
    if spec.defines_by_run and scores.min() > 0.0:
        yield LOG
    if spec.defines_by_run and scores.min() >= 0.0 and scores.max() <= 1.0:
        yield LOGIT
    yield lead_scale(scores, spec.sign)


def _log_density(scale: Scale, x: Array, scores: Array) -> float:
    """Return the logarithm of the density of scores (n,) at points (n, d), in their own
    unit, under the process that is fitted to them on a scale."""
    raw = scale.forward(scores)
    deviation = float(raw.std())
    if deviation == 0.0:
        return -math.inf
    y = (raw - raw.mean()) / deviation
    none = np.zeros(len(y))
    theta = fit(x, y, none, none, quietest=EXACT)
    lost, _ = loss(theta, x, y, none, none, Basis.of(x, ()))
    slopes = scale.slope(scores)
    return float(np.log(slopes / deviation).sum()) - lost
