"""Standard errors of scores, and comparisons of two scores.

Errors have two sources: the seeds of the networks, and the sampling of the series that
score them. Another split of the data is not included.

Two scores differ by Welch's t test (two-sided, at 5 %). Its variances are those of the
mean over networks and, for accuracies, of the sampling of series. Both sampling errors
count in full, as if different series had scored each: outputs on single series are not
stored. So on a common test set the test errs towards "level". Views say *above* and
*below* by this test alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeGuard

TEST = "Welch's t test"
SIGNIFICANCE = 0.05
_Z = 1.959964
_PANELS = 200
Relation = Literal["ahead", "level", "behind"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean score with its standard errors by source; None: unknown."""

    mean: float
    seeds: float | None = None
    """Standard error of the mean over networks."""
    n_seeds: float = math.inf
    """Number of networks."""
    sampling: float | None = None
    """Standard error of an accuracy by the sampling of series."""
    n_series: float | None = None
    """Number of these series, or their effective number; see ``effective``."""

    @property
    def error(self) -> float | None:
        """Total standard error; None if neither is known."""
        known = [error for error in (self.seeds, self.sampling) if error is not None]
        return math.hypot(*known) if known else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval; for accuracies Wilson's, widened by the scatter of networks.

        None if no error is known.
        """
        if self.error is None:
            return None
        half = critical(_freedom(self)) * self.error
        if self.n_series is None:
            return self.mean - half, self.mean + half
        pulled = _Z**2 / self.n_series
        centre = (self.mean + pulled / 2.0) / (1.0 + pulled)
        return max(0.0, centre - half), min(1.0, centre + half)

    def record(self) -> dict[str, Any]:
        """Return the estimate as stored in records."""
        low, high = self.interval or (None, None)
        return {**asdict(self), "error": self.error, "low": low, "high": high}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The comparison of two scores."""

    relation: Relation | None
    """Relation of the first score to the second; None if its error is unknown."""
    p: float | None
    difference: float
    """First score minus second."""
    low: float | None = None
    """Ends of the 95 % interval of the difference, if an error is known."""
    high: float | None = None
    test: str = TEST


def published(
    score: float,
    std: float | None = None,
    n_seeds: int | None = None,
    n_series: float | None = None,
) -> Estimate:
    """Return the estimate of a published score.

    Args:
        score: the mean; with ``n_series``, an accuracy.
        std: standard deviation over networks.
        n_seeds: number of networks.
        n_series: number of series that scored them.
    """
    n = n_seeds or 1
    estimated = Estimate(mean=score, n_seeds=n, n_series=n_series)
    if std is not None and n > 1:
        estimated = replace(estimated, seeds=std / math.sqrt(n))
    if n_series is not None:
        estimated = replace(estimated, sampling=sampling_error(score, n_series))
    return estimated


def estimate(scores: Sequence[float], n_series: float | None = None) -> Estimate:
    """Return the estimate from scores of networks.

    Args:
        scores: one for each network, at least one.
        n_series: number of series that scored accuracies, if known.
    """
    std = statistics.stdev(scores) if len(scores) > 1 else None
    return published(statistics.fmean(scores), std, len(scores), n_series)


def sampling_error(share: float, n_series: float) -> float:
    """Return the binomial standard error of an accuracy on a number of series.

    It is that of Wilson's interval: so 100 % on few series has an error, too.
    """
    pulled = _Z**2 / n_series
    variance = share * (1.0 - share) / n_series + pulled / (4.0 * n_series)
    return math.sqrt(variance) / (1.0 + pulled)


def estimate_networks(
    scores: Sequence[float],
    infos: Sequence[Mapping[str, Any]],
    *,
    validated: bool,
    folds: int = 1,
) -> Estimate:
    """Estimate the score of a configuration from its networks, with sampling errors if
    known.

    Args:
        scores: one for each network.
        infos: of accuracies, ``Outcome.info`` of each, with ``n_scored`` and
            ``n_train``.
        validated: whether each network is scored on its own part of the training part;
            else all are scored on the test part.
        folds: see ``effective``.
    """
    scored = [info["n_scored"] for info in infos if _is_count(info.get("n_scored"))]
    if not scored or len(scored) < len(infos):
        return estimate(scores)
    trained = 0
    if validated and _is_count(infos[0].get("n_train")):
        trained = infos[0]["n_train"]
    pool = scored[0] + trained
    n_series = effective(scored[0], pool, len(scored), folds=folds)
    total = estimate(scores, n_series)
    if total.seeds is None:
        return total
    # the scatter of networks that are scored on different parts is partly a sampling
    # error
    apart = 1.0 / n_series
    if folds <= 1 or not trained:
        apart -= 1.0 / pool
    sampled = total.mean * (1.0 - total.mean) * apart
    return replace(total, seeds=math.sqrt(max(0.0, total.seeds**2 - sampled)))


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and value > 0


def effective(scored: int, pool: int, members: int, *, folds: int = 1) -> float:
    """Return the effective number of different series that score a trial.

    Args:
        scored: series that score one network.
        pool: series to draw from; on a test part, ``scored``.
        members: networks of the trial, each scored on its own draw.
        folds: above 1, this number of networks has no scored series in common.
    """
    total = members * scored
    if folds > 1:
        return min(total, pool)
    return 1.0 / (1.0 / pool + (1.0 - scored / pool) / total)


def compare(own: Estimate, other: Estimate, *, maximize: bool) -> Comparison:
    """Compare a score with another one, or with a number without an error, by
    ``TEST``."""
    difference = own.mean - other.mean
    if own.error is None:
        return Comparison(relation=None, p=None, difference=difference)
    error = math.hypot(own.error, other.error or 0.0)
    half = 0.0
    p = float(difference == 0.0)
    if error > 0.0:
        freedom = _freedom(own, other)
        half = error * critical(freedom)
        p = p_value(abs(difference) / error, freedom)
    relation: Relation = "level"
    if p < SIGNIFICANCE:
        relation = "ahead" if (difference > 0.0) == maximize else "behind"
    return Comparison(
        relation=relation,
        p=p,
        difference=difference,
        low=difference - half,
        high=difference + half,
    )


def p_value(t: float, freedom: float) -> float:
    """Return the two-sided p-value of Student's t (t >= 0), without loading SciPy."""
    if freedom > 1e5:
        return math.erfc(t / math.sqrt(2.0))
    root = math.sqrt(freedom)
    step = min(math.atan(t / root), 15.0 / root) / _PANELS
    y: list[float] = [math.cos(step * k) ** (freedom - 1.0) for k in range(_PANELS + 1)]
    inside = y[0] + y[-1] + 4.0 * sum(y[1::2]) + 2.0 * sum(y[2:-1:2])  # Simpson's rule
    scale = math.exp(math.lgamma((freedom + 1.0) / 2.0) - math.lgamma(freedom / 2.0))
    return max(0.0, 1.0 - 2.0 * scale / math.sqrt(math.pi) * inside * step / 3.0)


def critical(freedom: float) -> float:
    """Return the t with a two-sided p-value of ``SIGNIFICANCE``."""
    low = 0.0
    high = 100.0
    for _ in range(40):
        middle = (low + high) / 2.0
        if p_value(middle, freedom) > SIGNIFICANCE:
            low = middle
        else:
            high = middle
    return high


def _freedom(*estimates: Estimate) -> float:
    """Return degrees of freedom by Welch and Satterthwaite; infinite for sampling
    errors."""
    total = math.hypot(*(one.error or 0.0 for one in estimates))
    uncertain = 0.0
    for one in estimates:
        if one.seeds:
            uncertain += (one.seeds / total) ** 4 / (one.n_seeds - 1.0)
    if uncertain == 0.0:
        return math.inf
    return 1.0 / uncertain
