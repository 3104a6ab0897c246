"""Baselines: scores of simple models on a study's task, measured as a confirmation is.

Each model is fitted to the whole training part and tested once on the test part. Its
settings are chosen on validation parts before. A worker computes the baselines once per
study. No trial and no decision of a search depends on them, so the source of this
module is not pinned.

Classification: chance, the majority class; a linear model (ridge or logistic
regression) of the raw series and of pooled features; the nearest neighbour; an echo
state network (ESN), read at its last state, and at its last and its mean state.
Prediction: the mean, the last input; a linear delay line; an ESN, read after every
point.

The ESN has as many units as the study's network has neurons, at most ``MOST_UNITS``::

    x(t) = (1 - leak) x(t - 1) + leak tanh(W x(t - 1) + W_in u(t) + b)

with normal weights. The best of several random settings is drawn anew from fresh seeds.
H. Jaeger, The "echo state" approach, GMD Report 148 (2001); M. Lukoševičius (2012), see
``ridge``.
"""

from __future__ import annotations

import logging
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from hpo.contract import (
    Baseline,
    GivesBaselines,
    Objective,
    ObjectiveParams,
    Protocol,
    TaskParams,
)

from ..data import TASKS, SeriesParams, load
from ..data.examples import Examples, Scaling, SeriesSplit
from ..hardware import physics
from ..randomness import stream

log = logging.getLogger(__name__)

Array = NDArray[Any]
ShouldStop = Callable[[], bool]
"""Called again and again; once it returns True, the work ends by an
``InterruptedError``."""

UNITS, MOST_UNITS = 100, 400
"""Units of an ESN if the parameters have no number of neurons; and at most."""
PENALTIES = tuple(10.0**k for k in range(2, -9, -1))
"""Penalties of ridge regressions of standardised features, the strongest first."""
FINE_PENALTIES = tuple(10.0**k for k in range(2, -13, -1))
"""Penalties for prediction: without noise, weaker penalties make an ESN better."""
INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse penalties of logistic regressions (``C``)."""
TAPS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 75, 100)
"""Points that a delay line remembers."""
MOST_DELAYED = 20_000_000
"""Largest number of features of a delay line; on a very long series it remembers fewer
points."""
SETTINGS, FEWEST_SETTINGS = 40, 10
"""Random settings of an ESN to compare; fewer if it is large."""
FRESH_SEEDS, FEWEST_SEEDS = 5, 3
TUNING_FLOPS, FITTING_FLOPS = 1e10, 1e11
"""Floating-point operations for the states of one ESN; beyond, fewer series are
used."""
MOST_LOGISTIC = 1_000_000
"""Largest number of features for which logistic regressions are compared, too."""
MOST_DOUBLE, LEAST_SINGLE = 20_000_000, 1e-5
"""Largest number of features in double precision; in single precision, smaller
eigenvalues of their Gram matrix are rounding errors."""
MOST_FEATURES, MOST_NEIGHBOURS = 1024, 10_000
"""Features of a raw series, where neighbouring points of a longer one are summed;
training series of the nearest-neighbour model."""
FEW_SERIES, SPLITS = 2000, 3
"""With fewer training series than the first, settings are chosen on several validation
parts."""


def attempt(
    objective: Objective[Any, Any],
    networks: Iterator[ObjectiveParams],
    task: TaskParams,
    seed: int,
    should_stop: ShouldStop,
) -> list[Baseline] | None:
    """Return the baselines of a study, see ``measure``; None if it stopped or
    failed."""
    try:
        return [*measure(objective, networks, task, seed, should_stop)]
    except InterruptedError:
        return None
    except (Exception, SystemExit) as error:  # the study continues without baselines
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        log.warning("cannot compute the baselines of %s: %s", objective.name, why)
        return None


def measure(
    objective: Objective[Any, Any],
    networks: Iterator[ObjectiveParams],
    task: TaskParams,
    seed: int,
    should_stop: ShouldStop = lambda: False,
) -> Iterator[Baseline]:
    """Yield the baselines of a study, if it has any.

    Args:
        objective: the objective of the study; it may have its own baselines:
            ``GivesBaselines``.
        networks: hyper-parameters that the study may train; the largest network counts.
            The iterator continues after a point that the objective refuses.
        task: the task of the study.
        seed: the seed of the study.
        should_stop: see ``ShouldStop``.
    """
    params = max(_skip_refused(networks), key=units)
    if isinstance(objective, GivesBaselines):
        for one in objective.baselines(params, task, seed):
            objective.check_score(one.score, f"baseline {one.name!r}")
            yield one if objective.metric == "accuracy" else one.replace(n_scored=None)
    elif isinstance(task, SeriesParams) and objective.metric == "nrmse":
        squares = getattr(params, "readout_powers", 1) > 1
        yield from prediction(
            task, seed, units(params), squares=squares, should_stop=should_stop
        )
    elif isinstance(task, tuple(TASKS.values())) and objective.metric == "accuracy":
        yield from classification(
            task, seed, units(params), should_stop, readout=_readout(params)
        )


def _readout(params: ObjectiveParams) -> str | None:
    """Return the points that the readout of a network sees; None if its size is
    unknown."""
    known = hasattr(params, "layers") and hasattr(params, "width")
    return getattr(params, "readout_points", "last") if known else None


def _skip_refused(networks: Iterator[ObjectiveParams]) -> Iterator[ObjectiveParams]:
    while True:
        try:
            yield next(networks)
        except ValidationError:  # such a trial fails
            continue
        except StopIteration:
            return


def _check_stop(should_stop: ShouldStop) -> None:
    if should_stop():
        raise InterruptedError


def units(params: ObjectiveParams) -> int:
    """Return the units of an ESN to compare with a network of these parameters."""
    width, layers = getattr(params, "width", None), getattr(params, "layers", None)
    if width is None or layers is None:
        return UNITS
    return min(physics.n_neurons(layers=layers, width=width), MOST_UNITS)


# --- classification ---


def classification(
    task: TaskParams,
    seed: int,
    n_units: int,
    should_stop: ShouldStop = lambda: False,
    readout: str | None = None,
) -> Iterator[Baseline]:
    """Yield the baselines of a task whose score is an accuracy.

    The ESN with the ``readout`` of the study (``last``, ``mean`` ...) is most like its
    network.
    """
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    x, y, z, truth = split.train.x, split.train.label, split.score.x, split.score.label

    def baseline(name: str, classes: Array, **more: Any) -> Baseline:
        return Baseline(
            name=name, score=np.mean(classes == truth), n_scored=len(truth), **more
        )

    yield Baseline(name="chance", score=1 / split.n_classes, is_chance=True)
    yield baseline(
        "majority class", np.bincount(y).argmax() + 0 * truth, is_chance=True
    )
    parts = validation_parts(y, task.validation_fraction, seed)  # type: ignore[attr-defined]
    for name, features in (("the raw series", _flatten), ("pooled features", _pool)):
        _check_stop(should_stop)
        classes, tried = _linear(
            _in_batches(features, x), y, _in_batches(features, z), parts
        )
        yield baseline(f"linear model of {name}", classes, tried=tried)
    _check_stop(should_stop)
    yield baseline("nearest neighbour", _nearest_neighbour(_flatten(x), y, _flatten(z)))
    last, mean = _esn_classifiers(x, y, z, truth, parts, seed, n_units, should_stop)
    yield last.replace(is_like=readout == "last")
    yield mean.replace(is_like=readout in ("mean", "last+mean"))


Parts = Sequence[tuple[Array, Array]]
"""Pairs of indices: the series that train, and those that validate."""


def validation_parts(y: Array, fraction: float, seed: int) -> Parts:
    """Draw the series of the classes ``y`` (n,) that validate; several times if they
    are few."""
    from sklearn.model_selection import train_test_split

    how: dict[str, Any] = {"test_size": round(fraction * len(y)), "stratify": y}
    series_indices, n = np.arange(len(y)), SPLITS if len(y) < FEW_SERIES else 1
    seeds = stream(seed, "baselines/validation").integers(2**32, size=n).tolist()
    return [train_test_split(series_indices, random_state=one, **how) for one in seeds]


def _in_batches(features: Callable[[Array], Array], x: Array) -> Array:
    """Return the features of ``x``, 1000 series at a time, which needs less memory."""
    return np.concatenate([features(x[k : k + 1000]) for k in range(0, len(x), 1000)])


def _flatten(x: Array) -> Array:
    """Return all points as features, (n, points * channels); sums of neighbours if too
    many."""
    n, points, channels = x.shape
    size = -(-points * channels // MOST_FEATURES)
    starts = np.arange(0, points, size)
    return (np.add.reduceat(x, starts, axis=1) if size > 1 else x).reshape(n, -1)


def _pool(x: Array) -> Array:
    """Return mean, deviation, extremes and last point per channel; mean and deviation
    of thirds."""
    thirds = [third for third in np.array_split(x, 3, axis=1) if third.shape[1]]
    features = [x.min(axis=1), x.max(axis=1), x[:, -1]]
    features += [f(part, axis=1) for part in (x, *thirds) for f in (np.mean, np.std)]
    return np.hstack(features)


def _linear(x: Array, y: Array, z: Array, parts: Parts) -> tuple[Array, int]:
    """Return the classes of ``z`` by the best linear model, and the number of models
    compared."""
    settings = [("ridge", penalty) for penalty in PENALTIES]
    if x.size <= MOST_LOGISTIC:
        settings += [("logistic", inverse) for inverse in INVERSE_PENALTIES]
    scores = [
        [np.mean(classes == y[b]) for classes in _classify(settings, x[a], y[a], x[b])]
        for a, b in parts
    ]
    best = int(np.mean(scores, axis=0).argmax())
    return next(_classify([settings[best]], x, y, z)), len(settings)


def _classify(
    settings: Sequence[tuple[str, float]], x: Array, y: Array, z: Array
) -> Iterator[Array]:
    """Yield the classes of ``z`` by linear models of ``x`` and ``y``; ridge regressions
    first."""
    from sklearn.linear_model import LogisticRegression

    x, z = _standardise(x, z)
    penalties = [value for kind, value in settings if kind == "ridge"]
    if penalties:
        yield from (
            output.argmax(axis=1) for output in _ridge(x, _one_hot(y), z, penalties)
        )
    for inverse in (value for kind, value in settings if kind == "logistic"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about convergence
            yield LogisticRegression(C=inverse, max_iter=200).fit(x, y).predict(z)


def _nearest_neighbour(x: Array, y: Array, z: Array) -> Array:
    from sklearn.metrics import pairwise_distances_argmin

    sample = np.linspace(0, len(x) - 1, min(len(x), MOST_NEIGHBOURS)).astype(int)
    return cast(Array, y[sample][pairwise_distances_argmin(z, x[sample])])


def _one_hot(y: Array) -> Array:
    return np.eye(y.max() + 1)[y]


def _standardise(x: Array, z: Array) -> tuple[Array, Array]:
    """Shift and scale columns by the statistics of ``x``; a constant column becomes
    0."""
    kind = np.float64 if x.size <= MOST_DOUBLE else np.float32
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 1e-9 * (1 + np.abs(mean)), scale, np.inf)
    return ((x - mean) / scale).astype(kind), ((z - mean) / scale).astype(kind)


def _ridge(x: Array, d: Array, z: Array, penalties: Sequence[float]) -> Iterator[Array]:
    """Yield the outputs at ``z`` of ridge regressions of ``d`` on standardised ``x``,
    by penalty.

    The equation is that of ``hpo.objectives.training.ridge``, solved for all penalties by
    eigenvectors of the smaller Gram matrix.
    """
    level, primal = d.mean(axis=0), x.shape[1] <= len(x)
    gram = ((x.T @ x if primal else x @ x.T) / len(x)).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, LEAST_SINGLE if x.dtype == np.float32 else 0.0)
    inner = vectors.T @ (x.T @ (d - level) if primal else d - level) / len(x)
    outer = (z if primal else z @ x.T) @ vectors
    for penalty in penalties:
        yield outer @ (inner / (values + penalty)[:, np.newaxis]) + level


# --- echo state networks ---


class Setting(NamedTuple):
    """The random settings of an ESN."""

    radius: float
    """Spectral radius of W."""
    leak: float
    scale: float
    """Standard deviation of W_in u(t), where u is standardised."""
    bias: float
    """Standard deviation of b."""


def _draw_settings(seed: int, n: int) -> list[Setting]:
    draw = stream(seed, "baselines/settings").uniform
    return [
        Setting(
            radius=draw(0.2, 1.4),
            leak=min(1.0, 10 ** draw(-1.2, 0.6)),
            scale=10 ** draw(-1.5, 0.5),
            bias=draw(0.0, 1.0),
        )
        for _ in range(n)
    ]


def esn_states(
    setting: Setting,
    n_units: int,
    u: Array,
    rng: np.random.Generator,
    scaling: tuple[Array, Array] | None = None,
) -> Iterator[Array]:
    """Yield the states (n, units) of an ESN after each point of the inputs (n, points,
    channels).

    Inputs are standardised already, or by ``scaling``: a shift and a scale for each
    channel.
    """
    n, points, channels = u.shape

    def normal(size: float, *shape: int) -> Array:
        return (size * rng.standard_normal(shape)).astype(u.dtype)

    w = normal(setting.radius / n_units**0.5, n_units, n_units)
    w_in = normal(setting.scale / channels**0.5, channels, n_units)
    bias, leak = normal(setting.bias, n_units), u.dtype.type(setting.leak)
    if scaling is not None:  # without a copy of the inputs
        shift, scale = scaling
        w_in = w_in / scale[:, np.newaxis]
        bias = bias - shift @ w_in
    state = np.zeros((n, n_units), u.dtype)
    for t in range(points):
        drive = state @ w
        drive += u[:, t] @ w_in
        drive += bias
        state = state + leak * (np.tanh(drive, out=drive) - state)
        yield state


def _last_and_mean(states: Iterator[Array], points: int) -> tuple[Array, Array]:
    """Return the last states of an ESN, (n, units), and last and mean states side by
    side."""
    last = total = next(states)
    for last in states:
        total = total + last
    return last, np.hstack((last, total / last.dtype.type(points)))


def _esn_classifiers(
    x: Array,
    y: Array,
    z: Array,
    truth: Array,
    parts: Parts,
    seed: int,
    n_units: int,
    should_stop: ShouldStop,
) -> Iterator[Baseline]:
    """Yield an ESN as a classifier, by its last state, and by last and mean state."""
    (n, points, channels), scale = x.shape, x.std(axis=(0, 1))
    scaling = x.mean(axis=(0, 1)), np.where(scale > 0, scale, 1)
    flops = 2.0 * points * n_units * (n_units + channels)  # per series
    n_tuned, n_fitted = (
        max(300, int(most / flops)) for most in (TUNING_FLOPS, FITTING_FLOPS)
    )
    order = stream(seed, "baselines/series").permutation(n)

    def states(setting: Setting, name: str, u: Array) -> tuple[Array, Array]:
        _check_stop(should_stop)
        rng = stream(seed, f"baselines/{name}")
        return _last_and_mean(esn_states(setting, n_units, u, rng, scaling), points)

    series_x, labels = x, y
    if n > n_tuned:
        cut = round(n_tuned * len(parts[0][0]) / n)
        parts = [(np.arange(cut), np.arange(cut, n_tuned))]
        series_x, labels = x[order[:n_tuned]], y[order[:n_tuned]]
    settings = _draw_settings(seed, SETTINGS)
    scores = np.zeros((2, len(settings), len(PENALTIES)))
    for k, setting in enumerate(settings):
        for which, features in enumerate(states(setting, f"esn/{k}", series_x)):
            for a, b in parts:
                read = ridge_classes(features[a], labels[a], features[b], PENALTIES)
                scores[which, k] += [np.mean(classes == labels[b]) for classes in read]
    series_x, labels, few = x, y, ""
    if n > n_fitted:
        series_x, labels = x[order[:n_fitted]], y[order[:n_fitted]]
        few = f" (fitted to {n_fitted:,} series)"
    for which, name in enumerate(("last state", "last and mean state")):
        best, penalty = divmod(int(scores[which].argmax()), len(PENALTIES))
        accuracies = []
        for k in range(FEWEST_SEEDS if n > n_tuned else FRESH_SEEDS):
            train, test = (
                states(settings[best], f"fresh/{k}", u)[which] for u in (series_x, z)
            )
            (classes,) = ridge_classes(train, labels, test, [PENALTIES[penalty]])
            accuracies.append(float(np.mean(classes == truth)))
        yield _esn_baseline(
            f"ESN of {n_units} units, {name}{few}",
            accuracies,
            scores[0].size,
            len(truth),
        )


def ridge_classes(
    x: Array, y: Array, z: Array, penalties: Sequence[float]
) -> list[Array]:
    """Return the classes of ``z`` by ridge regressions of ``y`` on features ``x``, by
    penalty."""
    x, z = _standardise(x, z)
    return [output.argmax(axis=1) for output in _ridge(x, _one_hot(y), z, penalties)]


def _esn_baseline(
    name: str, scores: Sequence[float], tried: int, n_scored: int | None = None
) -> Baseline:
    """Return the baseline of an ESN from its scores on fresh seeds."""
    mean, std = statistics.fmean(scores), statistics.stdev(scores)
    return Baseline(
        name=name, score=mean, std=std, n=len(scores), tried=tried, n_scored=n_scored
    )


# --- prediction ---


def prediction(
    task: SeriesParams,
    seed: int,
    n_units: int,
    *,
    squares: bool = False,
    should_stop: ShouldStop = lambda: False,
) -> Iterator[Baseline]:
    """Yield the baselines of a series to predict, by NRMSE; ``squares`` adds squared
    features."""
    from ..training.predictor import nrmse

    validation, whole = (
        task.load(protocol=one) for one in (Protocol.VALIDATION, Protocol.CONFIRM)
    )
    target = whole.score.label[0].astype(np.float64)
    constant = nrmse(np.zeros_like(target), target)
    yield Baseline(name="mean of the target", score=constant, is_chance=True)
    last = (
        nrmse(_persistence(whole), target)
        if whole.n_channels == whole.n_classes
        else constant
    )
    if last < constant:
        yield Baseline(name="last input", score=last)

    variants = (False, True)[: 1 + squares]

    def errors(
        split: SeriesSplit, features: Sequence[Array], squared: bool, *penalties: float
    ) -> Array:
        """Return the errors of ridge regressions of the features of both parts, by
        penalty."""
        x, z = _standardise(*(np.hstack((u, u**2)) if squared else u for u in features))
        d, target = (
            part.label[0].astype(np.float64) for part in (split.train, split.score)
        )
        return np.array(
            [nrmse(output, target) for output in _ridge(x, d, z, penalties)]
        )

    def validation_errors(models: Sequence[_Features]) -> Array:
        """Return validation errors, (variants, models, penalties)."""
        rows = []
        for model in models:
            _check_stop(should_stop)
            features = model(validation)
            rows.append(
                [errors(validation, features, one, *FINE_PENALTIES) for one in variants]
            )
        return np.swapaxes(rows, 0, 1)

    size, n_points = whole.train.x.size, whole.train.shape[1]
    taps = [
        n
        for n in TAPS
        if n == 1 or (n <= task.washout + 1 and n * size <= MOST_DELAYED)
    ]
    lines = [_delay_line(n) for n in taps]
    settings = _draw_settings(
        seed, min(SETTINGS, max(FEWEST_SETTINGS, 400_000 // n_points))
    )
    networks = [_esn(one, n_units, seed, f"esn/{k}") for k, one in enumerate(settings)]
    for squared, line_errors, esn_errors in zip(
        variants, validation_errors(lines), validation_errors(networks), strict=True
    ):
        with_squares = ", with squares" * squared
        best, penalty = divmod(int(line_errors.argmin()), len(FINE_PENALTIES))
        (score,) = errors(whole, lines[best](whole), squared, FINE_PENALTIES[penalty])
        name = f"linear delay line of {taps[best]} points{with_squares}"
        yield Baseline(name=name, score=score, tried=line_errors.size)
        best, penalty = divmod(int(esn_errors.argmin()), len(FINE_PENALTIES))
        _check_stop(should_stop)
        esns = [
            _esn(settings[best], n_units, seed, f"fresh/{k}")
            for k in range(FRESH_SEEDS)
        ]
        fresh = [
            errors(whole, one(whole), squared, FINE_PENALTIES[penalty]) for one in esns
        ]
        name = f"ESN of {n_units} units{with_squares}"
        baseline = _esn_baseline(name, np.ravel(fresh).tolist(), esn_errors.size)
        yield baseline.replace(is_like=squared == squares)


_Features = Callable[[SeriesSplit], Sequence[Array]]
"""Returns the features of both parts at each point that has a target, (points,
features)."""


def _persistence(split: SeriesSplit) -> Array:
    """Return the input at each point as a prediction of its target."""
    part, scaling = split.score, cast(Scaling, split.scaling)
    u = part.x[0, -part.label.shape[1] :]
    return split.target_scaling.apply(scaling.undo(u).astype(np.float32)).astype(
        np.float64
    )


def _delay_line(taps: int) -> _Features:
    """Return the features of a delay line: the last inputs before each point."""

    def features(part: Examples) -> Array:
        u, n = part.x[0].astype(np.float64), part.label.shape[1]
        return np.hstack([u[len(u) - n - k : len(u) - k] for k in range(taps)])

    return lambda split: [features(part) for part in (split.train, split.score)]


def _esn(setting: Setting, n_units: int, seed: int, name: str) -> _Features:
    """Return the features of an ESN: its states after each point."""

    def features(part: Examples) -> Array:
        u, rng = part.x.astype(np.float64), stream(seed, f"baselines/{name}")
        states = np.concatenate([*esn_states(setting, n_units, u, rng)])
        return states[-part.label.shape[1] :]

    return lambda split: [features(part) for part in (split.train, split.score)]
