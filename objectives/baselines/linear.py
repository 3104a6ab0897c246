"""Linear models: ridge and logistic regression of features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PENALTIES = tuple(10.0**k for k in range(2, -9, -1))
"""Penalties of ridge regressions of standardised features, the strongest first."""
INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse penalties of logistic regressions (``C``)."""
MOST_LOGISTIC = 1_000_000
"""Largest number of features for which logistic regressions are compared, too."""
MOST_DOUBLE = 20_000_000
"""Largest number of features in double precision."""
LEAST_SINGLE = 1e-5
"""In single precision, smaller eigenvalues of a Gram matrix are rounding errors."""
MOST_FEATURES = 1024
"""Features of a raw series; neighbouring points of a longer one are summed."""

Parts = Sequence[tuple[Array, Array]]
"""Pairs of indices: the series that train, and those that validate."""


def flatten(x: Array) -> Array:
    """Return all points as features, (n, points * channels); sums of neighbours if too
    many."""
    n, points, channels = x.shape
    size = -(-points * channels // MOST_FEATURES)
    if size > 1:
        x = np.add.reduceat(x, np.arange(0, points, size), axis=1)
    return x.reshape(n, -1)


def pool(x: Array) -> Array:
    """Return extremes and last point per channel; mean and deviation of all and of
    thirds."""
    features = [x.min(axis=1), x.max(axis=1), x[:, -1]]
    for part in (x, *np.array_split(x, 3, axis=1)):
        if part.shape[1]:
            features += [part.mean(axis=1), part.std(axis=1)]
    return np.hstack(features)


def classify(x: Array, y: Array, z: Array, parts: Parts) -> tuple[Array, int]:
    """Return the classes of ``z`` by the best linear model, and the number of models
    compared."""
    settings = [("ridge", penalty) for penalty in PENALTIES]
    if x.size <= MOST_LOGISTIC:
        settings += [("logistic", inverse) for inverse in INVERSE_PENALTIES]
    scores = validate(lambda a, b: _classify(settings, x[a], y[a], x[b]), y, parts)
    best = settings[int(scores.argmax())]
    return next(_classify([best], x, y, z)), len(settings)


def validate(
    read: Callable[[Array, Array], Iterable[Array]], y: Array, parts: Parts
) -> Array:
    """Return the accuracy of several models, the mean over validation parts.

    ``read`` fits them to some series and yields the classes that they read of others.
    """
    scores = []
    for a, b in parts:
        scores.append([np.mean(classes == y[b]) for classes in read(a, b)])
    return cast(Array, np.mean(scores, axis=0))


def _classify(
    settings: Sequence[tuple[str, float]], x: Array, y: Array, z: Array
) -> Iterator[Array]:
    """Yield the classes of ``z`` by linear models of ``x`` and ``y``; ridge regressions
    first."""
    from sklearn.linear_model import LogisticRegression

    penalties = [value for kind, value in settings if kind == "ridge"]
    yield from ridge_classes(x, y, z, penalties)
    x, z = standardise(x, z)
    for inverse in (value for kind, value in settings if kind == "logistic"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about convergence
            yield LogisticRegression(C=inverse, max_iter=200).fit(x, y).predict(z)


def ridge_classes(
    x: Array, y: Array, z: Array, penalties: Sequence[float]
) -> list[Array]:
    """Return the classes of ``z`` by ridge regressions of ``y`` on features ``x``, by
    penalty."""
    if not penalties:
        return []
    one_hot = np.eye(y.max() + 1)[y]
    outputs = ridge(*standardise(x, z), one_hot, penalties)
    return [output.argmax(axis=1) for output in outputs]


def standardise(x: Array, z: Array) -> tuple[Array, Array]:
    """Shift and scale columns by the statistics of ``x``; a constant column becomes
    0."""
    kind = np.float64 if x.size <= MOST_DOUBLE else np.float32
    mean = x.mean(axis=0, dtype=np.float64)
    scale = x.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 1e-9 * (1 + np.abs(mean)), scale, np.inf)
    return ((x - mean) / scale).astype(kind), ((z - mean) / scale).astype(kind)


def ridge(x: Array, z: Array, d: Array, penalties: Sequence[float]) -> Iterator[Array]:
    """Yield the outputs at ``z`` of ridge regressions of ``d`` on standardised ``x``,
    by penalty.

    The equation is that of ``hpo.objectives.training.ridge``, solved for all penalties
    by eigenvectors of the smaller Gram matrix.
    """
    level = d.mean(axis=0)
    inner = d - level
    outer = z
    if x.shape[1] <= len(x):
        gram = x.T @ x
        inner = x.T @ inner
    else:
        gram = x @ x.T
        outer = z @ x.T
    values, vectors = np.linalg.eigh((gram / len(x)).astype(np.float64))
    values = np.maximum(values, LEAST_SINGLE if x.dtype == np.float32 else 0.0)
    inner = vectors.T @ inner / len(x)
    outer = outer @ vectors
    for penalty in penalties:
        yield outer @ (inner / (values + penalty)[:, np.newaxis]) + level
