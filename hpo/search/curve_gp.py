"""``curve-gp``: a sampler and a pruner that know learning curves, and what a trial is expected of.

Every trial trains one network, each from a seed of its own. A Gaussian process over configurations
and epochs (``curve_model``) learns from all curves, whole or cut short. It is asked three things:

- Where next? The greatest expected improvement (its logarithm: Ament et al., arXiv:2310.20708) on
  the best that is expected so far. Trials on their way are believed to end as expected (kriging
  believer: Ginsbourger, Le Riche, Carraro, 2010). One trial in ``replicate_every`` trains another
  network of a known configuration instead: of that which may be best, mean plus deviation.
- Go on? A curve is cut short at a rung if its configuration is better than the best that is
  expected so far with a probability below ``probability``; none of a known configuration is.
- What is it worth? The score of a trial is not its network's, which may be lucky, but what a
  network of its configuration is expected to score in the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import ndtr

from hpo.search.curve_model import KNOWN, Array, CurveModel, Curves, fit
from hpo.search.space import distributions
from hpo.study.effort import rungs
from hpo.study.spec import StudySpec

_LEAST = 3
"""Networks before the model is asked."""
_LATTICE = 1000
"""Suggestions lie at so many places of a range: the last bits of sums decide none of them."""
_CANDIDATES = 600
"""Random points of the whole space; as many near the best ones."""
_NEAR = (0.2, 0.07, 0.02)
"""Distances of those near the best ones."""
_CENTRES = 6
_POLISHED = (0.05, 0.015)
_BOUND = 1.005
"""Accuracies a are modelled as -log(1.005 - a): what is left to learn, by orders of magnitude."""
_WORST = 3.0
"""Other scores count from so many deviations below their median on."""


_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Cube:
    """The search space as a unit cube: a column per parameter, in order of names."""

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        """Parameters that can take one value alone are left out."""
        self.space = {name: space[name] for name in sorted(space) if not space[name].single()}
        self._fixed = {name: found for name, found in space.items() if found.single()}
        kinds = [isinstance(d, CategoricalDistribution) for d in self.space.values()]
        self.kinds: NDArray[np.bool_] = np.array(kinds, dtype=bool)

    def point(self, params: Mapping[str, Any]) -> Array:
        """Where parameters lie (d,); of a choice, its index."""
        return np.array([_place(found, params[name]) for name, found in self.space.items()])

    def params(self, point: Array) -> dict[str, Any]:
        """The parameters at a point (d,), on the lattice."""
        found = {
            name: _value(distribution, float(place))
            for (name, distribution), place in zip(self.space.items(), point, strict=True)
        }
        only = {name: _only(distribution) for name, distribution in self._fixed.items()}
        return {**found, **only}

    def spread(self, unit: Array) -> Array:
        """Points (k, d) of the unit cube, those of choices as indices."""
        points = unit.copy()
        for column, distribution in enumerate(self.space.values()):
            if isinstance(distribution, CategoricalDistribution):
                n = len(distribution.choices)
                points[:, column] = np.minimum((unit[:, column] * n).astype(int), n - 1)
        return points

    def near(self, point: Array, distance: float, n: int, chance: np.random.Generator) -> Array:
        """Points (n, d) near one (d,): about half of the parameters are others."""
        moved = chance.random((n, len(point))) < 0.5
        step = chance.normal(size=(n, len(point))) * distance
        other = self.spread(chance.random((n, len(point))))
        near = np.where(self.kinds, other, np.clip(point + step, 0.0, 1.0))
        return np.where(moved, near, point)


def _place(distribution: BaseDistribution, value: Any) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return float(distribution.to_internal_repr(value))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    return float(value - low) / (high - low)


def _value(distribution: BaseDistribution, place: float) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(place)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    place = round(place * _LATTICE) / _LATTICE
    value = low * (high / low) ** place if distribution.log else low + place * (high - low)
    step = distribution.step
    if step is not None and not (distribution.log and step == 1):
        value = low + round((value - low) / step) * step
    if isinstance(distribution, IntDistribution):
        return int(min(max(round(value), low), high))
    return float(min(max(value, low), high))


def _only(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    return distribution.low  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Setting:
    """What the sampler and the pruner know of a study besides its trials."""

    cube: Cube
    epochs: int
    accuracy: bool
    """Whether scores are accuracies."""
    seed: int
    """The study's."""


def setting(spec: StudySpec) -> Setting:
    """Of a study file."""
    return Setting(
        cube=Cube(distributions(spec)),
        epochs=spec.budget.epochs,
        accuracy=spec.objective_impl.metric == "accuracy",
        seed=spec.seed,
    )


class Known:
    """The networks that a decision may know: as ``Curves``, and back to scores."""

    def __init__(self, setting: Setting, study: optuna.Study, *, but: int, own: Any = ()) -> None:
        """Those of all trials ``but`` one, of which the values ``own`` are added if told."""
        self.setting = setting
        self._sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        trials = study.get_trials(deepcopy=False)
        self.pending: list[FrozenTrial] = []
        self.trials: list[FrozenTrial] = []
        for trial in trials:
            if trial.number == but or not trial.params:
                continue
            if trial.state == TrialState.RUNNING:
                self.pending.append(trial)
            elif trial.state in _ENDED and trial.intermediate_values:
                self.trials.append(trial)
        self.trials += own
        ends = rungs(setting.epochs)
        found = [
            (k, r, trial.intermediate_values[rung])
            for k, trial in enumerate(self.trials)
            for r, rung in enumerate(ends)
            if rung in trial.intermediate_values
        ]
        self._found, self._rungs = found, ends
        values = np.array([value for _, _, value in found])
        self._centre, self._scale = _usual(self._sign * values)

    @property
    def enough(self) -> bool:
        """Whether the model can be asked."""
        return len({k for k, _, _ in self._found}) >= _LEAST

    @cached_property
    def curves(self) -> Curves:
        """All of it; every trial has a value at the first rung."""
        kept = sorted({k for k, _, _ in self._found})
        place = {k: i for i, k in enumerate(kept)}
        cube = self.setting.cube
        x = np.array([cube.point(self.trials[k].params) for k in kept])
        return Curves(
            x.reshape(len(kept), len(cube.space)),
            cube.kinds,
            np.array([place[k] for k, _, _ in self._found]),
            np.array([r for _, r, _ in self._found]),
            self.told(np.array([value for _, _, value in self._found])),
            self._rungs,
        )

    def told(self, scores: Array) -> Array:
        """Scores as the model has them."""
        if self.setting.accuracy:
            return -np.log(_BOUND - np.clip(scores, 0.0, 1.0))
        return np.maximum((self._sign * scores - self._centre) / self._scale, -_WORST)

    def score(self, mean: float, variance: float, noise: float) -> float:
        """The score that a network is expected to have, of a prediction of the model."""
        if self.setting.accuracy:
            expected = _BOUND - math.exp(-mean + (variance + noise) / 2.0)
            return min(max(expected, 0.0), 1.0)
        return float(self._sign * (self._centre + self._scale * mean))

    def model(self) -> CurveModel:
        """Of what has ended; its hyper-parameters are fitted again once a sixth more is known."""
        n, fitted = len(self.curves.x), _LEAST
        while (more := fitted + 1 + fitted // 6) <= n:
            fitted = more
        theta = fit(self.curves.of(np.arange(min(fitted, n))))
        return CurveModel(self.curves.most_telling(KNOWN), theta)

    @cached_property
    def whole(self) -> list[FrozenTrial]:
        """Trials that were trained to the end."""
        return [trial for trial in self.trials if trial.state == TrialState.COMPLETE]

    def best(self, model: CurveModel) -> float:
        """The greatest end that is expected of a trial that was trained to the end."""
        points = [self.setting.cube.point(trial.params) for trial in self.whole]
        return float(model.means(np.array(points)).max()) if points else -math.inf


def _usual(values: Array) -> tuple[float, float]:
    """Median of values, and a deviation that a few wild ones do not change."""
    if not len(values):
        return 0.0, 1.0
    low, centre, high = np.quantile(values, [0.25, 0.5, 0.75])
    scale = max((high - low) / 1.35, 0.1 * float(values.std()))
    return float(centre), float(scale) if scale > 0.0 else 1.0


def log_improvement(mean: Array, variance: Array, best: float) -> Array:
    """Logarithm of the expected improvement on ``best``, of predictions (k,)."""
    deviation = np.sqrt(variance)
    z = (mean - best) / deviation
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    far = z < -5.0
    near = np.log(np.where(far, 1.0, density + z * ndtr(z)))
    tail = -0.5 * z * z - 0.5 * math.log(2.0 * math.pi) - 2.0 * np.log(np.where(far, -z, 1.0))
    return np.log(deviation) + np.where(far, tail, near)


class CurveSampler(BaseSampler):
    """Suggests where the most improvement is expected, and now and then a known place again."""

    def __init__(
        self,
        n_startup_trials: int = 12,
        replicate_every: int = 4,
        *,
        setting: Setting,
        seed: int,
    ) -> None:
        """``seed`` is that of the trial.

        Args:
            n_startup_trials: the middle of the space, and points that fill it evenly.
            replicate_every: one trial in so many trains a known configuration again; 0: none.

        Raises:
            ValueError: an option is out of range.
        """
        if n_startup_trials < 1:
            raise ValueError(f"n_startup_trials must be at least 1, but got {n_startup_trials}.")
        if replicate_every < 0 or replicate_every == 1:
            raise ValueError(
                f"replicate_every must be 0, or at least 2, but got {replicate_every}."
            )
        self._n_startup, self._every = n_startup_trials, replicate_every
        self._setting, self._seed = setting, seed

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The whole space."""
        return dict(self._setting.cube.space)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See ``BaseSampler``."""
        known, cube = Known(self._setting, study, but=trial.number), self._setting.cube
        if trial.number < self._n_startup or not known.enough or not known.whole:
            return cube.params(self._start(trial.number))
        model = known.model()
        if self._every and trial.number % self._every == 0:
            again = self._again(known, model)
            return {name: again.params[name] for name in cube.space}
        return cube.params(self._new(known, model))

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Parameters that can take one value alone."""
        return _only(param_distribution)

    def _start(self, number: int) -> Array:
        """The middle of the space, then points of an additive recurrence, which fill it evenly.

        Its steps are powers of 1/g with g**(d + 1) = g + 1 (Roberts 2018, "The unreasonable
        effectiveness of quasirandom sequences"), its beginning the study's seed.
        """
        cube = self._setting.cube
        d, g = len(cube.space), 2.0
        for _ in range(64):
            g = (1.0 + g) ** (1.0 / (d + 1))
        begin = np.random.default_rng(self._setting.seed).random(d)
        unit = (begin + number * g ** -np.arange(1.0, d + 1)) % 1.0 if number else np.full(d, 0.5)
        point: Array = cube.spread(unit[None])[0]
        return point

    def _again(self, known: Known, model: CurveModel) -> FrozenTrial:
        """The first trial of the configuration that may be best."""
        points = np.array([known.setting.cube.point(trial.params) for trial in known.whole])
        mean, variance = model.predict(points)
        hope = np.round(mean + np.sqrt(variance), 9)
        return known.whole[int(hope.argmax())]

    def _new(self, known: Known, model: CurveModel) -> Array:
        """Where the most improvement is expected, as far as random search finds it (d,)."""
        cube, chance = known.setting.cube, np.random.default_rng(self._seed)
        if known.pending:
            pending = np.array([cube.point(trial.params) for trial in known.pending])
            data = model.data.with_end(pending, model.means(pending))
            model = CurveModel(data, model.theta)
        points = np.array([cube.point(trial.params) for trial in known.whole])
        means = model.means(points)
        best = float(means.max())
        centres = np.unique(points[np.argsort(-means, kind="stable")], axis=0)
        centres = centres[np.argsort(-model.means(centres), kind="stable")][:_CENTRES]
        each = _CANDIDATES // (len(_NEAR) * len(centres))
        candidates = [cube.spread(chance.random((_CANDIDATES, len(cube.space))))]
        candidates += [cube.near(c, far, each, chance) for far in _NEAR for c in centres]
        found, greatest = self._greatest(model, np.concatenate(candidates), best)
        for far in _POLISHED:
            other, value = self._greatest(model, cube.near(found, far, each, chance), best)
            if value > greatest:
                found, greatest = other, value
        return found

    def _greatest(self, model: CurveModel, points: Array, best: float) -> tuple[Array, float]:
        gain = np.round(log_improvement(*model.predict(points), best), 6)
        at = int(gain.argmax())
        return points[at], float(gain[at])


class CurvePruner(BasePruner):
    """Cuts a curve short whose configuration is hardly the best."""

    def __init__(self, probability: float = 0.3, *, setting: Setting) -> None:
        """Take what ends a curve.

        Args:
            probability: below it, that the configuration is better than the best so far.

        Raises:
            ValueError: it is no probability.
        """
        if not 0.0 <= probability < 1.0:
            raise ValueError(f"probability must lie in [0, 1), but got {probability}.")
        self._probability, self._setting = probability, setting
        self._asked: tuple[Known, CurveModel, float] | None = None

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """See ``BasePruner``; the pruner serves one trial, whose history does not change."""
        step, ends = len(trial.intermediate_values), rungs(self._setting.epochs)
        if step not in ends[:-1]:
            return False
        if self._asked is None:
            known = Known(self._setting, study, but=trial.number)
            again = any(own.params == trial.params for own in known.whole)
            if again or not known.enough or not known.whole:
                return False
            model = known.model()
            self._asked = known, model, known.best(model)
        known, model, best = self._asked
        values = [trial.intermediate_values[rung] for rung in ends if rung <= step]
        point = self._setting.cube.point(trial.params)
        mean, variance = model.given(point, known.told(np.array(values)).tolist())
        return bool(ndtr((mean - best) / math.sqrt(variance)) < self._probability)


def expected(setting: Setting, study: optuna.Study, trial: FrozenTrial) -> tuple[float, float]:
    """What networks of a trial's configuration are expected to score, and how far that is known.

    Args:
        setting: of the study.
        study: the trials that it may know.
        trial: with all its intermediate values; it has trained its network to the end.

    Returns:
        Mean, and its standard error.
    """
    known = Known(setting, study, but=trial.number, own=[trial])
    model = known.model()
    mean, variance = model.predict(setting.cube.point(trial.params)[None])
    low, middle = (
        known.score(float(mean[0]) - shift, float(variance[0]), model.noise)
        for shift in (math.sqrt(float(variance[0])), 0.0)
    )
    return middle, abs(middle - low)
