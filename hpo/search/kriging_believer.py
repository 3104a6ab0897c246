"""``kriging-believer``: a Gaussian process that believes in trials on their way, and cut curves.

It suggests the point of the greatest expected improvement on the best score so far. Trials that
run are believed to score what the process expects of them (Ginsbourger, Le Riche and Carraro,
"Kriging is well-suited to parallelize optimization", 2010), so that several at a time look in
different places. One trial in ``RANDOM`` is drawn at random, as in SMAC: otherwise ten poor trials
may lead the process into corners of the space, which it leaves late. Accuracies are modelled by
their logits and errors by their logarithms: then differences among good networks count, and
networks of one configuration scatter about alike, whether they are good or bad. A trial that the
pruner ended has an extrapolated score (``comparison.completed``), which counts the less the earlier
it was ended.

``expected`` is what the process expects of a configuration, from all that a search has seen. The
highest of many scores of single networks is lucky; the process knows how far networks of one
configuration scatter, and what its neighbours scored: that is an honest claim, and tells better
which configuration to confirm.
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
from optuna.trial import FrozenTrial, TrialState
from scipy import optimize

from hpo.objectives import intervals
from hpo.objectives.scales import Scale
from hpo.search import comparison, constraints
from hpo.search.gaussian_process import Array, GaussianProcess, fit, most_telling
from hpo.search.history import frozen
from hpo.search.space import Axis, Cube, cube_of, distributions
from hpo.study.spec import StudySpec
from hpo.study.trials import Expected, Past, SlotState

KNOWN = 400
"""Trials, at most, that suggestions are made from."""
RANDOM = 8
"""Every so many trials one is drawn at random, whatever the process expects."""
_DECIMALS = 6
"""Likewise of the logarithm of an improvement."""
_CANDIDATES = 500
"""Random points of the whole space."""
_NEAR = (0.2, 0.05)
"""Distances of points near the best trials."""
_CENTRES = 5
_EACH = 30
"""Points near each of those, at each distance."""
_CLIMBED = 8
"""Of all these, the best ones are improved along the gradient."""
_STEPS = 30
_WAY = (1.0, 0.75, 0.5, 0.25)
"""Shares of the way to a top: further on something may not fit, or cost more."""
_CAPS = 32
"""Beside costs."""
_NODES = 9
"""Of the quadrature over the scatter of networks."""
_WORSE, _BETTER = 3.0, 30.0
"""Interquartile ranges below and above the quartiles; a score beyond counts as lying there."""
_ALIKE = 1e-12
"""Scores whose relative deviation is below it are equal but for rounding."""


class Known:
    """What trials have scored, and a Gaussian process that knows it."""

    def __init__(
        self, cube: Cube, trials: Sequence[FrozenTrial], *, maximize: bool, scale: Scale
    ) -> None:
        """Take complete trials, one at least whose score was measured (see ``comparison``)."""
        self._sign, self._scale = 1.0 if maximize else -1.0, scale
        told = np.array([trial.values for trial in trials], dtype=np.float64)
        own = self._sign * scale.forward(told[:, 0])
        y, self._centre, self._deviation = standardised(own, math.inf if scale.bounded else _BETTER)
        vague = np.array([t.system_attrs.get(comparison.EXTRAPOLATED, 0.0) for t in trials])
        kept = most_telling(y, vague, KNOWN)
        self.x = cube.points([trials[k] for k in kept])
        """Where the most telling ones lie, (n, width)."""
        self.costs = told[kept, 1:]
        """(n, costs of the study)."""
        self.y, self._vague = y[kept], vague[kept]
        self.measured: NDArray[np.bool_] = self._vague == 0.0
        """(n,)."""
        self._theta = fit(self.x, self.y, self._vague)
        self.process = GaussianProcess(self.x, self.y, self._vague, self._theta)

    def believing(self, where: Array) -> GaussianProcess:
        """A process that takes what it expects at points (k, width) for what was scored there."""
        believed = np.r_[self.y, self.process.predict(where)[0]]
        vague = np.r_[self._vague, np.zeros(len(where))]
        return GaussianProcess(np.r_[self.x, where], believed, vague, self._theta)

    def expected(self, where: Array) -> tuple[Array, Array]:
        """The mean score of networks at points (k, width), and how well it is known (k,)."""
        mean, variance = self.process.predict(where)
        mean, deviation = np.round(mean, _DECIMALS), np.sqrt(variance)
        low, high = self._scores(mean - deviation), self._scores(mean + deviation)
        return self._scores(mean), np.abs(high - low) / 2.0

    def _scores(self, y: Array) -> Array:
        """Mean scores (k,) of networks that scatter about y (k,) as those of a configuration do."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        noise = math.exp(0.5 * self._theta[-2])
        own = self._sign * (self._centre + self._deviation * (y[:, None] + noise * nodes))
        found: Array = self._scale.inverse(own) @ weights / weights.sum()
        return found


class KrigingBeliever(BaseSampler):
    """Suggests where the most improvement is expected."""

    def __init__(
        self,
        n_startup_trials: int = 10,
        *,
        spec: StudySpec,
        fits: Callable[[dict[str, Any]], bool] | None = None,
        seed: int,
    ) -> None:
        """Take the study, and the seed of the trial.

        Args:
            n_startup_trials: trials that are drawn at random before the process is asked; the
                first ones by number, however they end, and all until one is complete.
            spec: the study.
            fits: which parameters the process may suggest; without it, all.
            seed: of this suggestion.
        """
        self._n_startup, self._seed, self._spec = n_startup_trials, seed, spec
        self._cube, self._fits = cube_of(spec), fits

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The whole space."""
        return self._cube.space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See ``BaseSampler``."""
        chance = np.random.default_rng(self._seed)
        trials = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        told = [t for t in trials if t.state == TrialState.COMPLETE and t.values is not None]
        if trial.number < self._n_startup or (trial.number + 1) % RANDOM == 0 or not told:
            found = np.concatenate([self._cube.random(1, chance) for _ in range(_CLIMBED)])
        else:
            scale = comparison.modelled(self._spec)
            known = Known(self._cube, told, maximize=self._spec.maximize, scale=scale)
            pending = [t for t in trials if t.state == TrialState.RUNNING and t.params]
            process = known.believing(self._cube.points(pending)) if pending else known.process
            found = self._promising(known, process, chance)
        tried = [trial.params for trial in trials]
        new = (params for params in map(self._cube.params, found) if params not in tried)
        return next(new, self._cube.params(found[0]))

    def _promising(
        self, known: Known, process: GaussianProcess, chance: np.random.Generator
    ) -> Array:
        """Points (k, width) of great expected improvement, the greatest that is found first.

        All trials train their networks from the same seeds: the same point again tells nothing.
        Beside costs it is the expected improvement of the hypervolume, by the score and the
        logarithm of every cost, which are known: the mean, over random caps of the costs, of the
        improvement on the best trial within the cap, of points within it.
        """
        cube, points = self._cube, self._cube.random(_CANDIDATES, chance)
        fit, costs = self._known(points)
        caps = _caps(costs, chance)
        within = known.measured[:, None] & _within(known.costs, caps)
        best = np.where(within, known.y[:, None], known.y.min()).max(0)
        mean = np.where(within, known.process.predict(known.x)[0][:, None], -np.inf)
        top = np.argsort(-mean, axis=0, kind="stable")[: -(-_CENTRES // len(caps)), :_CENTRES]
        centres = known.x[list(dict.fromkeys(top.T.ravel()))]
        near = [cube.near(c, far, _EACH, chance) for c in centres for far in _NEAR]
        others, others_costs = self._known(np.concatenate(near))
        points = np.concatenate([points, *near])
        counts = np.r_[fit, others][:, None] & _within(np.r_[costs, others_costs], caps)
        gain = np.round(process.log_improvement(points, best, counts)[0], _DECIMALS)
        chosen = np.argsort(-gain, kind="stable")[:_CLIMBED]
        begin, own = points[chosen], counts[chosen]

        def down(x: Array) -> tuple[float, Array]:
            values, slopes = process.log_improvement(x.reshape(begin.shape), best, own)
            return -float(values.sum()), -slopes.ravel()

        free, flat = np.ravel([cube.free(point) for point in begin]), begin.ravel()
        bounds = optimize.Bounds(np.where(free, 0.0, flat), np.where(free, 1.0, flat))
        found = optimize.minimize(
            down, flat, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS}
        )
        way = found.x.reshape(begin.shape) - begin
        ends = np.concatenate([begin + share * way for share in _WAY])
        fit, costs = self._known(ends)
        counts = fit[:, None] & _within(costs, caps)
        gain = np.r_[np.round(process.log_improvement(ends, best, counts)[0], _DECIMALS), gain]
        return np.asarray(np.concatenate([ends, points])[np.argsort(-gain, kind="stable")])

    def _known(self, points: Array) -> tuple[NDArray[np.bool_], Array]:
        """Whether points (k, width) fit (k,), and what they cost (k, costs of the study)."""
        if self._fits is None and not self._spec.costs:
            return np.ones(len(points), dtype=np.bool_), np.empty((len(points), 0))
        params = [self._cube.params(point) for point in points]
        fit = np.array([self._fits is None or self._fits(own) for own in params])
        return fit, np.array([constraints.known(self._spec, own) for own in params])

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """See ``BaseSampler``; asked where rounding put a value beside the steps of its range."""
        axis = Axis(param_distribution)
        return axis.value(axis.random(1, np.random.default_rng(self._seed))[0])


def _caps(costs: Array, chance: np.random.Generator) -> Array:
    """Caps (m, c), log-uniform between the ends of costs (k, c); one if there are no costs."""
    low, high = np.nanmin(costs, 0), np.nanmax(costs, 0)
    share = chance.random((_CAPS if len(low) else 1, len(low)))
    positive = (low > 0.0).all()
    return np.asarray(low * (high / low) ** share if positive else low + share * (high - low))


def _within(costs: Array, caps: Array) -> NDArray[np.bool_]:
    """Which costs (n, c) are no larger than caps (m, c), in each: (n, m)."""
    return np.asarray((costs[:, None, :] <= caps * (1.0 + 1e-9)).all(2))  # a mean rounds


def standardised(y: Array, better: float = math.inf) -> tuple[Array, float, float]:
    """Scores (n,) of mean 0 and deviation 1, and what these were.

    Scores far out below count as Tukey's outer fence, those above as ``better`` interquartile
    ranges. A score of -1e9, where others lie between 0 and 1, would else leave nothing to be told
    apart; one of 1e300, which is an objective's mistake, would draw every suggestion to itself.
    """
    low, high = np.quantile(y, [0.25, 0.75])
    if high > low:
        y = np.clip(y, low - _WORSE * (high - low), high + better * (high - low))
    centre, deviation = float(y.mean()), float(y.std())
    if deviation <= _ALIKE * float(np.abs(y).max()):
        return np.zeros_like(y), centre, 0.0
    return (y - centre) / deviation, centre, deviation


def expected(
    spec: StudySpec, trials: Sequence[Past], n_series: float | None = None
) -> dict[int, Expected]:
    """Of every complete trial by number, where ``confirm.by`` asks for it; else of none.

    Args:
        spec: the study.
        trials: 0 .. n-1; those that run are passed over.
        n_series: as many examples as which score a trial, where that is known. They are the same
            ones for all trials, so that no number of trials averages their choice out.
    """
    complete = [number for number, past in enumerate(trials) if _is_complete(past)]
    if spec.confirm is None or spec.confirm.by != "expected" or not complete:
        return {}
    seen = comparison.completed(spec, trials)
    space = distributions(spec)
    made = [frozen(spec, space, number, past) for number, past in enumerate(seen)]
    told = [trial for trial, past in zip(made, seen, strict=True) if _is_complete(past)]
    cube = cube_of(spec)
    known = Known(cube, told, maximize=spec.maximize, scale=comparison.modelled(spec))
    means, stds = known.expected(cube.points([made[number] for number in complete]))
    if n_series and spec.is_accuracy:
        shares = np.clip(means, 0.0, 1.0)
        stds = np.hypot(stds, [intervals.sampling_error(share, n_series) for share in shares])
    return {
        number: Expected(mean=float(mean), std=float(std))
        for number, mean, std in zip(complete, means, stds, strict=True)
    }


def _is_complete(past: Past) -> bool:
    return past.state == SlotState.COMPLETE and past.score is not None
