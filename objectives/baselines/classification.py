"""Baselines of a task whose score is an accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from hpo.contract import Baseline, Protocol

from ..data import SplitTaskParams
from ..randomness import stream
from .linear import (
    PENALTIES,
    Array,
    Parts,
    classify,
    flatten,
    pool,
    ridge_classes,
    validate,
)
from .reservoir import (
    FRESH_SEEDS,
    SETTINGS,
    Check,
    Setting,
    draw_settings,
    esn_states,
    go_on,
    summarise,
)

MOST_NEIGHBOURS = 10_000
"""Training series of the nearest-neighbour model."""
SERIES_AT_ONCE = 1000
"""Series whose features are computed together."""
FEW_SERIES = 2000
SPLITS = 3
"""Validation parts of fewer training series than ``FEW_SERIES``; else there is one."""
TUNING_FLOPS = 1e10
"""Floating-point operations for the states of one ESN that is compared; beyond, fewer
series are used, and only ``FEWEST_SEEDS`` fresh seeds."""
FITTING_FLOPS = 1e11
"""Likewise, for the states of one that is fitted."""
FEWEST_SERIES = 300
FEWEST_SEEDS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class _Series:
    """Training series with their classes, and their validation parts."""

    x: Array
    """(n, points, channels)."""
    y: Array
    parts: Parts

    def sample(self, index: Array) -> _Series:
        """Return some of them, cut into one part that trains and one that validates."""
        n = len(index)
        cut = round(n * len(self.parts[0][0]) / len(self.x))
        parts = [(np.arange(cut), np.arange(cut, n))]
        return _Series(x=self.x[index], y=self.y[index], parts=parts)


def classification(
    task: SplitTaskParams,
    seed: int,
    n_units: int,
    check: Check = go_on,
    *,
    readout: str | None = None,
) -> Iterator[Baseline]:
    """Yield the baselines of a task whose score is an accuracy.

    The ESN with the ``readout`` of the study (``last``, ``mean`` ...) is most like its
    network.
    """
    split = task.load(protocol=Protocol.CONFIRM, member_seed=0)
    x = split.train.x
    y = split.train.label
    z = split.score.x
    truth = split.score.label
    parts = validation_parts(y, task.validation_fraction, seed)

    def baseline(name: str, classes: Any, **more: Any) -> Baseline:
        score = np.mean(classes == truth)
        return Baseline(name=name, score=score, n_scored=len(truth), **more)

    yield Baseline(name="chance", score=1 / split.n_classes, is_chance=True)
    yield baseline("majority class", np.bincount(y).argmax(), is_chance=True)
    for name, features in (("the raw series", flatten), ("pooled features", pool)):
        check()
        classes, tried = classify(
            _in_batches(features, x), y, _in_batches(features, z), parts
        )
        yield baseline(f"linear model of {name}", classes, tried=tried)
    check()
    yield baseline("nearest neighbour", find_nearest(x, y, z))
    series = _Series(x=x, y=y, parts=parts)
    last, mean = _esn_classifiers(series, z, truth, seed, n_units, check)
    yield last.replace(is_like=readout == "last")
    yield mean.replace(is_like=readout in ("mean", "last+mean"))


def validation_parts(y: Array, fraction: float, seed: int) -> Parts:
    """Draw the series of the classes ``y`` (n,) that validate; several times if they
    are few."""
    from sklearn.model_selection import train_test_split

    n = SPLITS if len(y) < FEW_SERIES else 1
    seeds = stream(seed, "baselines/validation").integers(2**32, size=n).tolist()
    return [
        train_test_split(
            np.arange(len(y)),
            test_size=round(fraction * len(y)),
            stratify=y,
            random_state=one,
        )
        for one in seeds
    ]


def find_nearest(x: Array, y: Array, z: Array) -> Array:
    """Return the class, of ``y`` (n,), of the series of ``x`` that is nearest to each
    one of ``z``, by the distance of all points; both are (n, points, channels)."""
    from sklearn.metrics import pairwise_distances_argmin

    sample = np.linspace(0, len(x) - 1, min(len(x), MOST_NEIGHBOURS)).astype(int)
    known = x[sample].reshape(len(sample), -1)
    nearest = pairwise_distances_argmin(z.reshape(len(z), -1), known)
    return cast(Array, y[sample][nearest])


def _in_batches(features: Callable[[Array], Array], x: Array) -> Array:
    """Return the features of ``x``, some series at a time, which needs less memory."""
    starts = range(0, len(x), SERIES_AT_ONCE)
    return np.concatenate([features(x[k : k + SERIES_AT_ONCE]) for k in starts])


def _esn_classifiers(
    series: _Series, z: Array, truth: Array, seed: int, n_units: int, check: Check
) -> Iterator[Baseline]:
    """Yield an ESN as a classifier, by its last state, and by last and mean state."""
    n, points, channels = series.x.shape
    flops = 2.0 * points * n_units * (n_units + channels)  # per series
    n_tuned = max(FEWEST_SERIES, int(TUNING_FLOPS / flops))
    n_fitted = max(FEWEST_SERIES, int(FITTING_FLOPS / flops))
    order = stream(seed, "baselines/series").permutation(n)
    scale = series.x.std(axis=(0, 1))
    scaling = series.x.mean(axis=(0, 1)), np.where(scale > 0, scale, 1)

    def read_states(setting: Setting, name: str, u: Array) -> tuple[Array, Array]:
        check()
        rng = stream(seed, f"baselines/{name}")
        return _last_and_mean(esn_states(setting, n_units, u, rng, scaling), points)

    tuned = series.sample(order[:n_tuned]) if n > n_tuned else series
    settings = draw_settings(seed, SETTINGS)
    scores = []
    for k, setting in enumerate(settings):
        states = read_states(setting, f"esn/{k}", tuned.x)
        scores.append([_validate(features, tuned) for features in states])
    fitted = series
    few = ""
    if n > n_fitted:
        fitted = series.sample(order[:n_fitted])
        few = f" (fitted to {n_fitted:,} series)"
    for which, name in enumerate(("last state", "last and mean state")):
        by_setting: Array = np.array(scores)[:, which]
        best, penalty = divmod(int(by_setting.argmax()), len(PENALTIES))
        accuracies = []
        for k in range(FEWEST_SEEDS if n > n_tuned else FRESH_SEEDS):
            train, test = (
                read_states(settings[best], f"fresh/{k}", u)[which]
                for u in (fitted.x, z)
            )
            (classes,) = ridge_classes(train, fitted.y, test, [PENALTIES[penalty]])
            accuracies.append(float(np.mean(classes == truth)))
        yield summarise(
            f"ESN of {n_units} units, {name}{few}",
            accuracies,
            by_setting.size,
            n_scored=len(truth),
        )


def _validate(features: Array, series: _Series) -> Array:
    """Return validation accuracies of ridge regressions of features, by penalty."""
    y = series.y

    def read(a: Array, b: Array) -> list[Array]:
        return ridge_classes(features[a], y[a], features[b], PENALTIES)

    return validate(read, y, series.parts)


def _last_and_mean(states: Iterator[Array], points: int) -> tuple[Array, Array]:
    """Return the last states of an ESN, (n, units), and last and mean states side by
    side."""
    last = total = next(states)
    for last in states:
        total = total + last
    return last, np.hstack((last, total / last.dtype.type(points)))
