"""Baselines of a series to predict, by NRMSE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np

from hpo.contract import Baseline, Protocol

from ..data import SeriesParams
from ..data.examples import Examples, Scaling, SeriesSplit
from ..randomness import stream
from ..training.predictor import nrmse
from .linear import Array, ridge, standardise
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

PENALTIES = tuple(10.0**k for k in range(2, -13, -1))
"""Penalties: without noise, weaker ones than for classes make an ESN better."""
TAPS = (1, 2, 3, 5, 10, 15, 20, 30, 50, 75, 100)
"""Points that a delay line remembers."""
MOST_DELAYED = 20_000_000
"""Largest number of features of a delay line; on a very long series it remembers fewer
points."""
FEWEST_SETTINGS = 10
POINTS_OF_ALL_SETTINGS = 400_000
"""Points that all settings of an ESN run through: fewer settings of a long series, but
at least ``FEWEST_SETTINGS``."""

Features = Callable[[SeriesSplit], Sequence[Array]]
"""Returns the features of both parts at each point that has a target, (points,
features)."""


def prediction(
    task: SeriesParams,
    seed: int,
    n_units: int,
    check: Check = go_on,
    *,
    squares: bool = False,
) -> Iterator[Baseline]:
    """Yield the baselines of a series to predict, by NRMSE; ``squares`` adds squared
    features."""
    whole = task.load(protocol=Protocol.CONFIRM)
    yield from _constants(whole)
    validation = task.load(protocol=Protocol.VALIDATION)
    _, n_points, n_channels = whole.train.shape
    most_taps = min(task.washout + 1, MOST_DELAYED // (n_points * n_channels))
    taps = [n for n in TAPS if n <= max(1, most_taps)]
    lines = [_delay_line(n) for n in taps]
    fewer = max(FEWEST_SETTINGS, POINTS_OF_ALL_SETTINGS // n_points)
    settings = draw_settings(seed, min(SETTINGS, fewer))
    networks = [_esn(one, n_units, seed, f"esn/{k}") for k, one in enumerate(settings)]
    variants = [False, True] if squares else [False]
    all_line_errors = _compare(lines, validation, variants, check)
    all_esn_errors = _compare(networks, validation, variants, check)
    for squared, line_errors, esn_errors in zip(
        variants, all_line_errors, all_esn_errors, strict=True
    ):
        with_squares = ", with squares" if squared else ""
        best, penalty = _find_best(line_errors)
        (score,) = _errors(lines[best](whole), whole, squared, [penalty])
        name = f"linear delay line of {taps[best]} points{with_squares}"
        yield Baseline(name=name, score=score, tried=line_errors.size)
        best, penalty = _find_best(esn_errors)
        scores = []
        for k in range(FRESH_SEEDS):
            check()
            fresh = _esn(settings[best], n_units, seed, f"fresh/{k}")
            scores += _errors(fresh(whole), whole, squared, [penalty])
        name = f"ESN of {n_units} units{with_squares}"
        yield summarise(name, scores, esn_errors.size, is_like=squared == squares)


def _constants(whole: SeriesSplit) -> Iterator[Baseline]:
    """Yield the mean of the target, and the last input if that is better."""
    target = whole.score.label[0].astype(np.float64)
    constant = nrmse(np.zeros_like(target), target)
    yield Baseline(name="mean of the target", score=constant, is_chance=True)
    if whole.n_channels == whole.n_classes:
        last = nrmse(_persistence(whole), target)
        if last < constant:
            yield Baseline(name="last input", score=last)


def _persistence(split: SeriesSplit) -> Array:
    """Return the input at each point as a prediction of its target."""
    part = split.score
    scaling = cast(Scaling, split.scaling)
    u = scaling.undo(part.x[0, -part.label.shape[1] :]).astype(np.float32)
    return split.target_scaling.apply(u).astype(np.float64)


def _compare(
    models: Sequence[Features],
    validation: SeriesSplit,
    variants: Sequence[bool],
    check: Check,
) -> Array:
    """Return validation errors, (variants, models, penalties)."""
    errors = []
    for model in models:
        check()
        features = model(validation)
        errors.append([_errors(features, validation, v, PENALTIES) for v in variants])
    return np.swapaxes(errors, 0, 1)


def _find_best(errors: Array) -> tuple[int, float]:
    """Return the number of the best model, and its penalty."""
    best, penalty = divmod(int(errors.argmin()), len(PENALTIES))
    return best, PENALTIES[penalty]


def _errors(
    features: Sequence[Array],
    split: SeriesSplit,
    squared: bool,
    penalties: Sequence[float],
) -> list[float]:
    """Return the errors of ridge regressions of features of both parts, by penalty."""
    if squared:
        features = [np.hstack((u, u**2)) for u in features]
    d = split.train.label[0].astype(np.float64)
    target = split.score.label[0].astype(np.float64)
    outputs = ridge(*standardise(*features), d, penalties)
    return [nrmse(output, target) for output in outputs]


def _delay_line(taps: int) -> Features:
    """Return the features of a delay line: the last inputs before each point."""

    def features(part: Examples) -> Array:
        u = part.x[0].astype(np.float64)
        n = part.label.shape[1]
        return np.hstack([u[len(u) - n - k : len(u) - k] for k in range(taps)])

    return lambda split: [features(split.train), features(split.score)]


def _esn(setting: Setting, n_units: int, seed: int, name: str) -> Features:
    """Return the features of an ESN: its states after each point."""

    def features(part: Examples) -> Array:
        u = part.x.astype(np.float64)
        rng = stream(seed, f"baselines/{name}")
        states = np.concatenate([*esn_states(setting, n_units, u, rng)])
        return states[-part.label.shape[1] :]

    return lambda split: [features(split.train), features(split.score)]
