"""Baselines: what the simplest things score on a study's task, measured as a confirmation is.

Each is fitted to the whole training part and tested once on the test part; what is chosen for it is
chosen on validation parts before. They are worked out once per study, by a worker. No trial and no
decision of a search depends on them, so that this module is none of those an objective is made of.

Classification: chance, the majority class; a linear model (ridge or logistic regression) of the raw
series and of pooled features; the nearest neighbour; an echo state network (ESN), read at its last
state, and at its last and its mean state. Prediction: the mean, the last input; a linear delay
line; an ESN, read after every point.

The ESN has as many units as the study's network has neurons, at most ``MOST_UNITS``::

    x(t) = (1 - leak) x(t - 1) + leak tanh(W x(t - 1) + W_in u(t) + b)

with normal weights. Random settings are compared, and the best one is drawn anew from fresh seeds.
H. Jaeger, The "echo state" approach, GMD Report 148 (2001); M. Lukoševičius (2012), see ``ridge``.
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

from hpo.objectives import physics
from hpo.objectives.capabilities import GivesBaselines
from hpo.objectives.contract import Baseline, Objective, ObjectiveParams, Protocol, TaskParams
from hpo.objectives.randomness import stream
from hpo.objectives.tasks import TASKS, load, series
from hpo.objectives.tasks.data import Examples, Scaling, SeriesSplit
from hpo.objectives.tasks.series import SeriesParams

log = logging.getLogger(__name__)

Array = NDArray[Any]
Stops = Callable[[], bool]
"""Asked again and again; where it says so, the work ends by an ``InterruptedError``."""

UNITS, MOST_UNITS = 100, 400
"""Of an ESN, where the parameters do not say how many neurons a network has; and at most."""
PENALTIES = tuple(10.0**k for k in range(2, -9, -1))
"""Of ridge regressions of standardised features, the strongest first."""
FINE_PENALTIES = tuple(10.0**k for k in range(2, -13, -1))
"""Of those that predict: without noise, an ESN is the better, the weaker its penalty."""
INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Of logistic regressions (``C``)."""
TAPS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 75, 100)
"""Points that a delay line remembers."""
MOST_DELAYED = 20_000_000
"""Numbers in the features of a delay line: of a very long series, it remembers fewer points."""
SETTINGS, FEWEST_SETTINGS = 40, 10
"""Random settings of an ESN that are compared: where it is large, fewer."""
FRESH_SEEDS, FEWEST_SEEDS = 5, 3
TUNING_FLOPS, FITTING_FLOPS = 1e10, 1e11
"""Floating-point operations for the states of one ESN: beyond that, fewer series are taken."""
MOST_LOGISTIC = 1_000_000
"""Numbers in the features up to which logistic regressions are compared, too."""
MOST_DOUBLE, LEAST_SINGLE = 20_000_000, 1e-5
"""Numbers in the features that are kept in double precision; in single precision, smaller
eigenvalues of their Gram matrix are rounding errors."""
MOST_FEATURES, MOST_NEIGHBOURS = 1024, 10_000
"""Of a raw series: a longer one is averaged over neighbouring points. Series to be near to."""
FEW_SERIES, SPLITS = 2000, 3
"""Below so many series to train on, choices are made on the mean of so many validation parts."""


def attempt(
    objective: Objective[Any, Any],
    networks: Iterator[ObjectiveParams],
    task: TaskParams,
    seed: int,
    stops: Stops,
) -> list[Baseline] | None:
    """The baselines of a study, see ``of``; None if it was stopped, or failed, as the log says."""
    try:
        return [*of(objective, networks, task, seed, stops)]
    except InterruptedError:
        return None
    except (Exception, SystemExit) as error:  # whatever it is, the study goes on without
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        log.warning("no baselines of a study of %s: %s", objective.name, why)
        return None


def of(
    objective: Objective[Any, Any],
    networks: Iterator[ObjectiveParams],
    task: TaskParams,
    seed: int,
    stops: Stops = lambda: False,
) -> Iterator[Baseline]:
    """The baselines of a study, one after the other; nothing where there are none.

    Args:
        objective: what it trains; it may have baselines of its own: ``GivesBaselines``.
        networks: hyper-parameters of networks that the study may train, of which the largest one
            counts; an iterator that goes on after those that the objective refuses.
        task: what is learnt.
        seed: the study's.
        stops: see ``Stops``.
    """
    params = max(_accepted(networks), key=units)
    if isinstance(objective, GivesBaselines):
        for one in objective.baselines(params, task, seed):
            objective.check_score(one.score, f"baseline {one.name!r}")
            yield one if objective.metric == "accuracy" else one.replace(n_scored=None)
    elif isinstance(task, SeriesParams) and objective.metric == "nrmse":
        squares = getattr(params, "readout_powers", 1) > 1
        yield from prediction(task, seed, units(params), squares=squares, stops=stops)
    elif isinstance(task, tuple(TASKS.values())) and objective.metric == "accuracy":
        yield from classification(task, seed, units(params), stops, readout=_readout(params))


def _readout(params: ObjectiveParams) -> str | None:
    """Which points the readout of a network sees; None where its neurons are not known."""
    known = hasattr(params, "layers") and hasattr(params, "width")
    return getattr(params, "readout_points", "last") if known else None


def _accepted(networks: Iterator[ObjectiveParams]) -> Iterator[ObjectiveParams]:
    while True:
        try:
            yield next(networks)
        except ValidationError:  # of a trial of its own, which fails
            continue
        except StopIteration:
            return


def _go_on(stops: Stops) -> None:
    if stops():
        raise InterruptedError


def units(params: ObjectiveParams) -> int:
    """Units of an ESN that stands beside a network of ``layers`` layers of ``width`` neurons."""
    width, layers = getattr(params, "width", None), getattr(params, "layers", None)
    if width is None or layers is None:
        return UNITS
    return min(physics.n_neurons(layers=layers, width=width), MOST_UNITS)


# --- classification -------------------------------------------------------------------------------


def classification(
    task: TaskParams,
    seed: int,
    n_units: int,
    stops: Stops = lambda: False,
    readout: str | None = None,
) -> Iterator[Baseline]:
    """Baselines of a task of ``TASKS``, whose score is an accuracy.

    With ``readout``, the ESN that is read at these points (``last``, ``mean`` ...) is most like a
    network of the study.
    """
    split = load(task, protocol=Protocol.CONFIRM, member_seed=0)
    x, y, z, truth = split.train.x, split.train.label, split.score.x, split.score.label

    def scored(name: str, read: Array, **more: Any) -> Baseline:
        return Baseline(name=name, score=np.mean(read == truth), n_scored=len(truth), **more)

    yield Baseline(name="chance", score=1 / split.n_classes, is_chance=True)
    yield scored("majority class", np.bincount(y).argmax() + 0 * truth, is_chance=True)
    parts = validation_parts(y, task.validation_fraction, seed)  # type: ignore[attr-defined]
    for name, features in (("the raw series", _flat), ("pooled features", _pooled)):
        _go_on(stops)
        read, tried = _linear(_batched(features, x), y, _batched(features, z), parts)
        yield scored(f"linear model of {name}", read, tried=tried)
    _go_on(stops)
    yield scored("nearest neighbour", _nearest(_flat(x), y, _flat(z)))
    last, mean = _echo_states(x, y, z, truth, parts, seed, n_units, stops)
    yield last.replace(is_like=readout == "last")
    yield mean.replace(is_like=readout in ("mean", "last+mean"))


Parts = Sequence[tuple[Array, Array]]
"""Which series train and which validate, once or several times."""


def validation_parts(y: Array, fraction: float, seed: int) -> Parts:
    """Draw which series of the classes ``y`` (n,) validate: several times where they are few."""
    from sklearn.model_selection import train_test_split

    how: dict[str, Any] = {"test_size": round(fraction * len(y)), "stratify": y}
    every, n = np.arange(len(y)), SPLITS if len(y) < FEW_SERIES else 1
    seeds = stream(seed, "baselines/validation").integers(2**32, size=n).tolist()
    return [train_test_split(every, random_state=one, **how) for one in seeds]


def _batched(features: Callable[[Array], Array], x: Array) -> Array:
    """The same of a few series at a time, which takes less memory."""
    return np.concatenate([features(x[k : k + 1000]) for k in range(0, len(x), 1000)])


def _flat(x: Array) -> Array:
    """Every point of a series as a feature, (n, points * channels); of long ones, sums of some."""
    n, points, channels = x.shape
    size = -(-points * channels // MOST_FEATURES)
    starts = np.arange(0, points, size)
    return (np.add.reduceat(x, starts, axis=1) if size > 1 else x).reshape(n, -1)


def _pooled(x: Array) -> Array:
    """Of each channel mean, deviation, extremes and last point; mean and deviation of thirds."""
    thirds = [third for third in np.array_split(x, 3, axis=1) if third.shape[1]]
    found = [x.min(axis=1), x.max(axis=1), x[:, -1]]
    found += [f(part, axis=1) for part in (x, *thirds) for f in (np.mean, np.std)]
    return np.hstack(found)


def _linear(x: Array, y: Array, z: Array, parts: Parts) -> tuple[Array, int]:
    """The classes that the best linear model reads at ``z``, and among how many it was chosen."""
    settings = [("ridge", penalty) for penalty in PENALTIES]
    if x.size <= MOST_LOGISTIC:
        settings += [("logistic", inverse) for inverse in INVERSE_PENALTIES]
    scores = [
        [np.mean(read == y[b]) for read in _classified(settings, x[a], y[a], x[b])]
        for a, b in parts
    ]
    best = int(np.mean(scores, axis=0).argmax())
    return next(_classified([settings[best]], x, y, z)), len(settings)


def _classified(
    settings: Sequence[tuple[str, float]], x: Array, y: Array, z: Array
) -> Iterator[Array]:
    """What linear models, fitted to ``x`` and ``y``, read at ``z``; ridge regressions first."""
    from sklearn.linear_model import LogisticRegression

    x, z = _standardised(x, z)
    penalties = [value for kind, value in settings if kind == "ridge"]
    if penalties:
        yield from (found.argmax(axis=1) for found in _ridge(x, _one_hot(y), z, penalties))
    for inverse in (value for kind, value in settings if kind == "logistic"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is not converged
            yield LogisticRegression(C=inverse, max_iter=200).fit(x, y).predict(z)


def _nearest(x: Array, y: Array, z: Array) -> Array:
    from sklearn.metrics import pairwise_distances_argmin

    some = np.linspace(0, len(x) - 1, min(len(x), MOST_NEIGHBOURS)).astype(int)
    return cast(Array, y[some][pairwise_distances_argmin(z, x[some])])


def _one_hot(y: Array) -> Array:
    return np.eye(y.max() + 1)[y]


def _standardised(x: Array, z: Array) -> tuple[Array, Array]:
    """Both, each column shifted and scaled by the statistics of ``x``; a constant one becomes 0."""
    kind = np.float64 if x.size <= MOST_DOUBLE else np.float32
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 1e-9 * (1 + np.abs(mean)), scale, np.inf)
    return ((x - mean) / scale).astype(kind), ((z - mean) / scale).astype(kind)


def _ridge(x: Array, d: Array, z: Array, penalties: Sequence[float]) -> Iterator[Array]:
    """What ridge regressions of ``d`` on the standardised ``x`` give at ``z``, for each penalty.

    The equation is that of ``hpo.objectives.ridge``, solved for all penalties by eigenvectors
    of the smaller one of both Gram matrices.
    """
    level, primal = d.mean(axis=0), x.shape[1] <= len(x)
    gram = ((x.T @ x if primal else x @ x.T) / len(x)).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, LEAST_SINGLE if x.dtype == np.float32 else 0.0)
    inner = vectors.T @ (x.T @ (d - level) if primal else d - level) / len(x)
    outer = (z if primal else z @ x.T) @ vectors
    for penalty in penalties:
        yield outer @ (inner / (values + penalty)[:, np.newaxis]) + level


# --- echo state networks --------------------------------------------------------------------------


class Setting(NamedTuple):
    """How an ESN is drawn."""

    radius: float
    """Spectral radius of W."""
    leak: float
    scale: float
    """Standard deviation of W_in u(t), where u is standardised."""
    bias: float
    """Standard deviation of b."""


def _settings(seed: int, n: int) -> list[Setting]:
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
    """The states (n, units) of an ESN after each point of the inputs (n, points, channels).

    Inputs are standardised, or become so by a shift and a scale for each channel.
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
    """What is read of an ESN: its last state, (n, units), or that and its mean side by side."""
    last = total = next(states)
    for last in states:
        total = total + last
    return last, np.hstack((last, total / last.dtype.type(points)))


def _echo_states(
    x: Array,
    y: Array,
    z: Array,
    truth: Array,
    parts: Parts,
    seed: int,
    n_units: int,
    stops: Stops,
) -> Iterator[Baseline]:
    """An ESN that tells classes, by both readouts."""
    (n, points, channels), scale = x.shape, x.std(axis=(0, 1))
    scaling = x.mean(axis=(0, 1)), np.where(scale > 0, scale, 1)
    flops = 2.0 * points * n_units * (n_units + channels)  # of one series
    n_tuned, n_fitted = (max(300, int(most / flops)) for most in (TUNING_FLOPS, FITTING_FLOPS))
    order = stream(seed, "baselines/series").permutation(n)

    def states(setting: Setting, name: str, u: Array) -> tuple[Array, Array]:
        _go_on(stops)
        rng = stream(seed, f"baselines/{name}")
        return _last_and_mean(esn_states(setting, n_units, u, rng, scaling), points)

    some, own = x, y
    if n > n_tuned:
        cut = round(n_tuned * len(parts[0][0]) / n)
        parts = [(np.arange(cut), np.arange(cut, n_tuned))]
        some, own = x[order[:n_tuned]], y[order[:n_tuned]]
    settings = _settings(seed, SETTINGS)
    scores = np.zeros((2, len(settings), len(PENALTIES)))
    for k, setting in enumerate(settings):
        for which, found in enumerate(states(setting, f"esn/{k}", some)):
            for a, b in parts:
                read = ridge_classes(found[a], own[a], found[b], PENALTIES)
                scores[which, k] += [np.mean(one == own[b]) for one in read]
    some, own, few = x, y, ""
    if n > n_fitted:
        some, own = x[order[:n_fitted]], y[order[:n_fitted]]
        few = f" (fitted to {n_fitted:,} series)"
    for which, name in enumerate(("last state", "last and mean state")):
        best, penalty = divmod(int(scores[which].argmax()), len(PENALTIES))
        accuracies = []
        for k in range(FEWEST_SEEDS if n > n_tuned else FRESH_SEEDS):
            train, test = (states(settings[best], f"fresh/{k}", u)[which] for u in (some, z))
            (found,) = ridge_classes(train, own, test, [PENALTIES[penalty]])
            accuracies.append(float(np.mean(found == truth)))
        yield _drawn(f"ESN of {n_units} units, {name}{few}", accuracies, scores[0].size, len(truth))


def ridge_classes(x: Array, y: Array, z: Array, penalties: Sequence[float]) -> list[Array]:
    """Classes that ridge regressions of ``y`` on the features ``x`` read at ``z``, by penalty."""
    x, z = _standardised(x, z)
    return [found.argmax(axis=1) for found in _ridge(x, _one_hot(y), z, penalties)]


def _drawn(name: str, scores: Sequence[float], tried: int, n_scored: int | None = None) -> Baseline:
    """The baseline that scored so from fresh seeds."""
    mean, std = statistics.fmean(scores), statistics.stdev(scores)
    return Baseline(name=name, score=mean, std=std, n=len(scores), tried=tried, n_scored=n_scored)


# --- prediction -----------------------------------------------------------------------------------


def prediction(
    task: SeriesParams,
    seed: int,
    n_units: int,
    *,
    squares: bool = False,
    stops: Stops = lambda: False,
) -> Iterator[Baseline]:
    """Baselines of a series to predict, whose score is the NRMSE; with ``squares`` beside."""
    from hpo.objectives.predictor import nrmse

    validation, whole = (
        series.load(task, protocol=one) for one in (Protocol.VALIDATION, Protocol.CONFIRM)
    )
    target = whole.score.label[0].astype(np.float64)
    constant = nrmse(np.zeros_like(target), target)
    yield Baseline(name="mean of the target", score=constant, is_chance=True)
    last = nrmse(_last_input(whole), target) if whole.n_channels == whole.n_classes else constant
    if last < constant:
        yield Baseline(name="last input", score=last)

    variants = (False, True)[: 1 + squares]

    def errors(split: SeriesSplit, read: Sequence[Array], squared: bool, *own: float) -> Array:
        """Of ridge regressions of what is read of both parts, with each penalty."""
        x, z = _standardised(*(np.hstack((u, u**2)) if squared else u for u in read))
        d, target = (part.label[0].astype(np.float64) for part in (split.train, split.score))
        return np.array([nrmse(found, target) for found in _ridge(x, d, z, own)])

    def tuned(models: Sequence[_Reads]) -> Array:
        """The errors of each, (variants, models, penalties)."""
        found = []
        for model in models:
            _go_on(stops)
            read = model(validation)
            found.append([errors(validation, read, one, *FINE_PENALTIES) for one in variants])
        return np.swapaxes(found, 0, 1)

    size, n_points = whole.train.x.size, whole.train.shape[1]
    taps = [n for n in TAPS if n == 1 or (n <= task.washout + 1 and n * size <= MOST_DELAYED)]
    lines = [_delayed(n) for n in taps]
    settings = _settings(seed, min(SETTINGS, max(FEWEST_SETTINGS, 400_000 // n_points)))
    networks = [_echoes(one, n_units, seed, f"esn/{k}") for k, one in enumerate(settings)]
    for squared, of_lines, of_networks in zip(variants, tuned(lines), tuned(networks), strict=True):
        with_squares = ", with squares" * squared
        best, penalty = divmod(int(of_lines.argmin()), len(FINE_PENALTIES))
        (score,) = errors(whole, lines[best](whole), squared, FINE_PENALTIES[penalty])
        name = f"linear delay line of {taps[best]} points{with_squares}"
        yield Baseline(name=name, score=score, tried=of_lines.size)
        best, penalty = divmod(int(of_networks.argmin()), len(FINE_PENALTIES))
        _go_on(stops)
        drawn = [_echoes(settings[best], n_units, seed, f"fresh/{k}") for k in range(FRESH_SEEDS)]
        fresh = [errors(whole, one(whole), squared, FINE_PENALTIES[penalty]) for one in drawn]
        name = f"ESN of {n_units} units{with_squares}"
        found = _drawn(name, np.ravel(fresh).tolist(), of_networks.size)
        yield found.replace(is_like=squared == squares)


_Reads = Callable[[SeriesSplit], Sequence[Array]]
"""What is read of both parts, at each point that has a target, (points, features)."""


def _last_input(split: SeriesSplit) -> Array:
    """The input at each point as a prediction of its target."""
    part, scaling = split.score, cast(Scaling, split.scaling)
    u = part.x[0, -part.label.shape[1] :]
    return split.target_scaling.scaled(scaling.unscaled(u).astype(np.float32)).astype(np.float64)


def _delayed(taps: int) -> _Reads:
    """The last inputs before each point."""

    def features(part: Examples) -> Array:
        u, n = part.x[0].astype(np.float64), part.label.shape[1]
        return np.hstack([u[len(u) - n - k : len(u) - k] for k in range(taps)])

    return lambda split: [features(part) for part in (split.train, split.score)]


def _echoes(setting: Setting, n_units: int, seed: int, name: str) -> _Reads:
    """The states of an ESN after each point."""

    def features(part: Examples) -> Array:
        u, rng = part.x.astype(np.float64), stream(seed, f"baselines/{name}")
        states = np.concatenate([*esn_states(setting, n_units, u, rng)])
        return states[-part.label.shape[1] :]

    return lambda split: [features(part) for part in (split.train, split.score)]
