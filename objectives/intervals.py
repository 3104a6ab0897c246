"""How well a score is known, by what varies, and which of two scores is ahead.

Two things vary: the seeds of the networks, and the series that score them, since others could have
been recorded. What another split of the data would change is not measured.

Two scores differ if Welch's t test says so (two-sided, at 5 %). Its variances are those of the mean
over networks, and of accuracies the sampling of the scored series besides. Both sampling errors
count in full, as if other series had scored each: predictions of single series are not stored, and
on a common test set the test errs towards "level". Views say *above* and *below* by it alone.
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


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean score with its standard errors, by what varies; None: not known."""

    mean: float
    seeds: float | None = None
    """Standard error of the mean over networks."""
    n_seeds: float = math.inf
    """Networks that it was estimated from."""
    sampling: float | None = None
    """Standard error by the choice of the series that scored it, of an accuracy."""
    n_series: float | None = None
    """How many series these are, or how many different ones tell as much; see ``effective``."""

    @property
    def error(self) -> float | None:
        """Both together; None if neither is known."""
        known = [error for error in (self.seeds, self.sampling) if error is not None]
        return math.hypot(*known) if known else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95 % interval, of accuracies Wilson's, wider by the scatter of networks.

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
        """What records tell of it."""
        low, high = self.interval or (None, None)
        return {**asdict(self), "error": self.error, "low": low, "high": high}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Which of two scores is ahead."""

    relation: Literal["ahead", "level", "behind"] | None
    """Of the first one; None where no error of it is known, so that nothing can be said."""
    p: float | None
    difference: float
    """The first one minus the other."""
    low: float | None = None
    """Ends of its 95 % interval, where an error is known."""
    high: float | None = None
    test: str = TEST


def published(
    score: float,
    std: float | None = None,
    n_seeds: int | None = None,
    n_series: int | None = None,
) -> Estimate:
    """A score with its standard deviation over networks, as far as they are published.

    Args:
        score: the mean; with ``n_series``, an accuracy.
        std, n_seeds: over so many networks.
        n_series: how many series scored them.
    """
    n = n_seeds or 1
    seeds = std / math.sqrt(n) if n > 1 and std is not None else None
    sampling = None if n_series is None else sampling_error(score, n_series)
    return Estimate(mean=score, seeds=seeds, n_seeds=n, sampling=sampling, n_series=n_series)


def estimate(scores: Sequence[float], n_series: float | None = None) -> Estimate:
    """What scores of networks tell, one at least.

    Args:
        scores: one for each network.
        n_series: of accuracies, how many series scored them, if that is known.
    """
    mean, n = statistics.fmean(scores), len(scores)
    seeds = statistics.stdev(scores) / math.sqrt(n) if n > 1 else None
    sampling = None if n_series is None else sampling_error(mean, n_series)
    return Estimate(mean=mean, seeds=seeds, n_seeds=n, sampling=sampling, n_series=n_series)


def sampling_error(share: float, n_series: float) -> float:
    """The standard error of an accuracy on a number of series: binomial, by Wilson.

    It is that of Wilson's interval: so 100 % on few series is not without error.
    """
    pulled = _Z**2 / n_series
    return math.sqrt(share * (1.0 - share) / n_series + pulled / (4.0 * n_series)) / (1.0 + pulled)


def estimate_networks(
    scores: Sequence[float],
    infos: Sequence[Mapping[str, Any]],
    *,
    validated: bool,
    folds: int = 1,
) -> Estimate:
    """Estimate the score of a configuration from its networks; sampling counts if they tell it.

    Args:
        scores: one for each network.
        infos: of accuracies, ``Outcome.info`` of each, with ``n_scored`` and ``n_train``.
        validated: whether each is scored on a part of its own of the training part, else all are
            scored on the test part.
        folds: see ``effective``.
    """
    scored = [info["n_scored"] for info in infos if _is_count(info.get("n_scored"))]
    if not scored or len(scored) < len(infos):
        return estimate(scores)
    trained = infos[0].get("n_train") if validated else None
    pool = scored[0] + (trained if _is_count(trained) else 0)
    n_series = effective(scored[0], pool, len(scored), folds=folds)
    known = estimate(scores, n_series)
    if known.seeds is None:
        return known
    # the scatter of networks that are scored on different parts is partly one of these
    apart = 1.0 / n_series - (0.0 if folds > 1 and trained else 1.0 / pool)
    drawn = known.mean * (1.0 - known.mean) * apart
    return replace(known, seeds=math.sqrt(max(0.0, known.seeds**2 - drawn)))


def _is_count(told: Any) -> TypeGuard[int]:
    return type(told) is int and told > 0


def effective(scored: int, pool: int, members: int, *, folds: int = 1) -> float:
    """Return how many different series tell as much as the networks of a trial.

    Args:
        scored: series that score one network.
        pool: series that they are drawn from; those of a test part are all of it.
        members: networks of the trial, each scored on a drawing of its own.
        folds: above 1, so many networks have no scored series in common.
    """
    drawn = members * scored
    if folds > 1:
        return min(drawn, pool)
    return 1.0 / (1.0 / pool + (1.0 - scored / pool) / drawn)


def compare(own: Estimate, other: Estimate, *, maximize: bool) -> Comparison:
    """Whether one score is ahead of another, or of a number without an error, by ``TEST``."""
    difference = own.mean - other.mean
    if own.error is None:
        return Comparison(relation=None, p=None, difference=difference)
    error = math.hypot(own.error, other.error or 0.0)
    half = error * critical(_freedom(own, other)) if error > 0.0 else 0.0
    facts: Any = {"difference": difference, "low": difference - half, "high": difference + half}
    p = float(difference == 0.0)
    if error > 0.0:
        p = p_value(abs(difference) / error, _freedom(own, other))
    if p >= SIGNIFICANCE:
        return Comparison(relation="level", p=p, **facts)
    ahead = (difference > 0.0) == maximize
    return Comparison(relation="ahead" if ahead else "behind", p=p, **facts)


def p_value(t: float, freedom: float) -> float:
    """The two-sided p-value of Student's t (t >= 0), without loading SciPy."""
    if freedom > 1e5:
        return math.erfc(t / math.sqrt(2.0))
    root = math.sqrt(freedom)
    step = min(math.atan(t / root), 15.0 / root) / _PANELS
    y: list[float] = [math.cos(step * k) ** (freedom - 1.0) for k in range(_PANELS + 1)]
    inside = y[0] + y[-1] + 4.0 * sum(y[1::2]) + 2.0 * sum(y[2:-1:2])  # Simpson's rule
    scale = math.exp(math.lgamma((freedom + 1.0) / 2.0) - math.lgamma(freedom / 2.0))
    return max(0.0, 1.0 - 2.0 * scale / math.sqrt(math.pi) * inside * step / 3.0)


def critical(freedom: float) -> float:
    """The t whose two-sided p-value is ``SIGNIFICANCE``."""
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if p_value(middle, freedom) > SIGNIFICANCE else (low, middle)
    return high


def _freedom(*estimates: Estimate) -> float:
    """Degrees of freedom by Welch and Satterthwaite; sampling errors have no end of them."""
    total = math.hypot(*(own.error or 0.0 for own in estimates))
    seeds = ((own.seeds or 0.0, own.n_seeds) for own in estimates)
    uncertain = sum((error / total) ** 4 / (n - 1.0) for error, n in seeds if error)
    return 1.0 / uncertain if uncertain else math.inf
