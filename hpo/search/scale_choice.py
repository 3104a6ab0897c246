"""The scale of the surrogate where nobody has said what a value is: of studies that
define their parameters by run.

Values may be losses that span decades, or shares between 0 and 1; differences of good
ones are then compared by logarithms or logits. That scale is chosen on which a Gaussian
process finds the better half of the values most probable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from hpo.search import comparison
from hpo.search.comparison import Observations
from hpo.search.gaussian_process import FITTED, Array, Basis, fit, loss
from hpo.search.space import cube_of
from hpo.statistics.scales import LINEAR, LOG, LOGIT, Scale
from hpo.study.spec import StudySpec

_FEWEST = 10
"""Fewest values of the better half that decide."""


def choose_scale(spec: StudySpec, observations: Observations) -> Scale:
    """Return the scale of the surrogate: that of the metric, if it has one."""
    own = comparison.surrogate_scale(spec)
    if not spec.defines_by_run or own is not LINEAR:
        return own
    complete = np.flatnonzero(observations.complete)
    scores = observations.scores[complete]
    order = np.argsort(-spec.sign * scores, kind="stable")
    better = order[: min(FITTED, len(order) // 2)]
    if len(better) < _FEWEST:
        return own
    x = cube_of(spec).points([observations.seen[k] for k in complete[better]])
    densities = {}
    for scale in _possible(scores):
        densities[scale] = _log_density(scale, x, scores[better])
    return max(densities, key=lambda scale: densities[scale])


def _possible(scores: Array) -> Iterator[Scale]:
    """Yield the scales that have a place for all scores (n,)."""
    yield LINEAR
    if scores.min() > 0.0:
        yield LOG
    if scores.min() >= 0.0 and scores.max() <= 1.0:
        yield LOGIT


def _log_density(scale: Scale, x: Array, scores: Array) -> float:
    """Return the logarithm of the density of scores (n,) at points (n, d), in their own
    unit, under the process that is fitted to them on a scale."""
    raw = scale.forward(scores)
    deviation = float(raw.std())
    if deviation == 0.0:
        return -math.inf
    y = (raw - raw.mean()) / deviation
    none = np.zeros(len(y))
    theta = fit(x, y, none, none)
    lost, _ = loss(theta, x, y, none, none, Basis.of(x, ()))
    slopes = scale.slope(scores)
    return float(np.log(slopes / deviation).sum()) - lost
