"""The Gaussian process of ``kriging-believer``: gradients, predictions, expected
improvement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from hpo.search.gaussian_process import (
    Basis,
    GaussianProcess,
    Trend,
    fit,
    loss,
    most_telling,
)


def data(n: int = 25, d: int = 3, noise: float = 0.1) -> tuple[np.ndarray, ...]:
    """Points, scores that depend on the first parameter alone, every third score vague,
    and every fourth of known variance."""
    chance = np.random.default_rng(5)
    x = chance.random((n, d))
    y = np.sin(5 * x[:, 0]) + noise * chance.normal(size=n)
    vague = np.where(np.arange(n) % 3 == 0, 1.5, 0.0)
    return x, y, vague, np.where(np.arange(n) % 4 == 0, 0.01, 0.0)


class Slanted:
    """A trend along the last column."""

    def values(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x[:, -1] ** 2)

    def slopes(self, x: np.ndarray) -> np.ndarray:
        slopes = np.zeros_like(x)
        slopes[:, -1] = 2.0 * x[:, -1]
        return slopes


TRENDS = ([], [Slanted()])


def process(n: int = 25, trends: Sequence[Trend] = ()) -> GaussianProcess:
    known = data(n)
    return GaussianProcess(*known, fit(*known, trends), trends)


@pytest.mark.parametrize("trends", TRENDS)
def test_the_gradient_of_the_loss_is_its_slope(trends: Sequence[Trend]) -> None:
    known = (*data(), Basis.of(data()[0], trends))
    theta = np.log([0.4, 1.0, 2.0, 1.3, 0.05, 0.8])
    slope = optimize.approx_fprime(theta, lambda t: loss(t, *known)[0], 1e-7)
    assert loss(theta, *known)[1] == pytest.approx(slope, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("trends", TRENDS)
def test_the_gradient_of_an_improvement_is_its_slope(trends: Sequence[Trend]) -> None:
    found = process(trends=trends)
    best, chance = np.array([0.0, 1.2, 6.0]), np.random.default_rng(1)
    points, counts = chance.random((6, 3)), chance.random((6, 3)) < 0.7
    slopes = found.log_improvement(points, best, counts)[1]
    for point, slope, own in zip(points, slopes, counts, strict=True):
        told = optimize.approx_fprime(
            point,
            lambda p, c=own[None]: found.log_improvement(p[None], best, c)[0][0],
            1e-7,
        )
        assert slope == pytest.approx(told, rel=1e-3, abs=1e-3)


def test_the_improvement_is_that_of_a_normal_score_and_never_lost_in_rounding() -> None:
    found = process()
    point = np.array([[0.3, 0.5, 0.5]])
    mean, variance = (float(v[0]) for v in found.predict(point))
    score = stats.norm(mean, math.sqrt(variance))
    for z in (-2.0, -0.5, 1.0):
        best = mean - z * math.sqrt(variance)
        gain, _ = integrate.quad(
            lambda y, b=best: (y - b) * score.pdf(y), best, best + 10
        )
        told = found.log_improvement(point, np.array([best]), np.array([[True]]))[0]
        assert told[0] == pytest.approx(math.log(gain))
    far, one = np.array([3.0, 10.0, 30.0, 100.0]), np.eye(4, dtype=bool)
    values = list(found.log_improvement(np.repeat(point, 4, 0), far, one)[0])
    assert np.isfinite(values).all()
    assert values == sorted(values, reverse=True)


def test_predictions_follow_the_scores_and_know_what_does_not_matter() -> None:
    known = data(40, noise=0.02)
    theta = fit(*known)
    scales = np.exp(theta[:3])
    assert scales[0] < 0.5 * scales[1:].min(), "only the first parameter matters"
    found = GaussianProcess(*known, theta)
    other = np.random.default_rng(2).random((50, 3))
    mean, variance = found.predict(other)
    error = np.abs(mean - np.sin(5 * other[:, 0]))
    assert error.max() < 0.15
    assert (error < 4 * np.sqrt(variance) + 0.01).all()


def test_a_vague_score_counts_less() -> None:
    x, theta = np.array([[0.5]]), np.log([0.5, 1.0, 0.1, 3.0])
    nothing = np.zeros(1)
    measured, cut = (
        GaussianProcess(x, np.array([2.0]), np.array([v]), nothing, theta).predict(x)
        for v in (0.0, 2.0)
    )
    assert cut[0][0] < measured[0][0] < 2.0
    assert cut[1][0] > measured[1][0]


def test_a_known_variance_adds_to_the_scatter() -> None:
    """0.1 (1 + 3 * 2) = 0.1 + 0.6."""
    x, y, theta = np.array([[0.5]]), np.array([2.0]), np.log([0.5, 1.0, 0.1, 3.0])
    cut = GaussianProcess(x, y, np.array([2.0]), np.array([0.0]), theta)
    told = GaussianProcess(x, y, np.array([0.0]), np.array([0.6]), theta)
    assert np.array(told.predict(x)) == pytest.approx(np.array(cut.predict(x)))


def test_scores_that_are_all_alike_are_no_trouble() -> None:
    x = np.random.default_rng(0).random((12, 2))
    known = x, np.zeros(12), np.zeros(12), np.zeros(12)
    mean, variance = GaussianProcess(*known, fit(*known)).predict(x)
    assert mean == pytest.approx(0.0)
    assert np.isfinite(variance).all()


def test_of_many_trials_the_best_and_some_of_every_time_are_kept() -> None:
    y = np.random.default_rng(0).random(1000)
    vague = np.where(y > 0.99, 1.0, 0.0)
    kept = most_telling(y, vague, 100)
    assert len(set(kept)) == 100
    measured = [k for k in np.argsort(-y) if vague[k] == 0.0]
    assert set(measured[:50]) <= set(kept)
    assert np.histogram(kept, bins=4, range=(0, 1000))[0].min() >= 15
    assert list(most_telling(y[:7], vague[:7], 100)) == list(range(7))


def test_the_slopes_of_a_mean_are_its_derivatives() -> None:
    found = process()
    point = np.array([0.2, 0.6, 0.7])
    told = optimize.approx_fprime(point, lambda p: found.mean(p[None])[0], 1e-7)
    assert found.mean_slopes(point[None])[0] == pytest.approx(told, rel=1e-4, abs=1e-5)


def test_a_trend_that_the_scores_follow_gets_its_coefficient() -> None:
    x, y, vague, known = data(60)
    trend = Slanted()
    y = y + 0.6 * trend.values(x)
    theta = fit(x, y, vague, known, [trend])
    found = GaussianProcess(x, y, vague, known, theta, [trend])
    assert found.coefficients == pytest.approx([0.6], abs=0.25)
