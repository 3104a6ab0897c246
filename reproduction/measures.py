"""What the rules speak of by which the claims are judged: points, curves and how they
compare.

Rules speak of medians and quartiles over the networks of a point, as the paper's
figures do. Two points are *alike* when the median of the worse one lies within the
quartiles of the better one, or less than 2 points below its median. *Without loss* is a
matter of equivalence: see ``architecture.lossless``.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hpo.objectives.hardware import physics
from reproduction.evidence import Curve, Evidence, Point

PAPER = {"fig2b": (89.83, 2.91), "fig2b-ctrnn": (89.00, 3.48)}
"""Accuracy and standard deviation over ten runs, in per cent: section III."""
WINDOW_NS = physics.PAPER_WINDOW_NS
TOLERANCE = 2.0
"""Points of accuracy below the better median that are no loss: less than the paper's
spread."""
DRAWS = 400
"""Resamples behind an interval."""


class Verdict(StrEnum):
    """Whether a claim holds under one reading."""

    YES = "holds"
    PARTLY = "partly"
    NO = "fails"


@dataclass(frozen=True)
class Finding:
    """What a rule found."""

    text: str
    verdict: Verdict


Judge = Callable[[Evidence], Finding | None]
"""A rule; it finds nothing where its points were not measured."""


def best(curve: Curve) -> Point:
    """The point with the highest median."""
    return max(curve, key=lambda p: p.median)


def at(curve: Curve, x: float) -> Point | None:
    """The point of a curve at ``x``."""
    return next((p for p in curve if math.isclose(p.x, x)), None)


def alike(worse: Point, better: Point) -> bool:
    """Whether the worse point's median lies within the better one's quartiles, or not
    far below.

    The best of many equal points is the luckiest: without the tolerance, narrow
    quartiles would part it from its equals.
    """
    return worse.median >= min(better.low, better.median - TOLERANCE)


def plateau(curve: Curve) -> list[Point]:
    """The unbroken run of points around the best of a curve that are alike to it."""
    top = best(curve)
    first = last = list(curve).index(top)
    while first > 0 and alike(curve[first - 1], top):
        first -= 1
    while last + 1 < len(curve) and alike(curve[last + 1], top):
        last += 1
    return list(curve[first : last + 1])


def centre(curve: Curve) -> float:
    """Geometric mean of the plateau of a curve: where its optimum is, grid and noise
    allowing."""
    return statistics.geometric_mean([p.x for p in plateau(curve)])


def interval(statistics_of_resamples: NDArray[np.float64]) -> tuple[float, float]:
    """Where 95 % of the resamples lie."""
    low, high = np.percentile(statistics_of_resamples, [2.5, 97.5])
    return float(low), float(high)


def resampled(point: Point, draw: np.random.Generator) -> NDArray[np.float64]:
    """Accuracies of as many networks of each split, drawn with replacement, (DRAWS,
    networks)."""
    groups = [np.array(scores) for scores in by_split(point).values()]
    drawn = [own[draw.integers(0, len(own), (DRAWS, len(own)))] for own in groups]
    return np.concatenate(drawn, axis=1)


def by_split(point: Point) -> dict[int, list[float]]:
    """Accuracies of the networks of each split."""
    found: dict[int, list[float]] = {}
    for network in point.networks:
        found.setdefault(network.split, []).append(network.accuracy)
    return found


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a mean by Student's t."""
    n = len(values)
    half = float(stats.t.ppf(0.975, n - 1)) * statistics.stdev(values) / math.sqrt(n)
    mean = statistics.fmean(values)
    return mean - half, mean + half


def scale(holds: bool, partly: bool) -> Verdict:
    """The verdict on what holds, or holds in part."""
    if holds:
        return Verdict.YES
    return Verdict.PARTLY if partly else Verdict.NO


def quartiles(point: Point) -> str:
    """The median of a point with its quartiles: ``90.1 % (89.2 – 90.6)``."""
    return f"{point.median:.1f} % ({point.low:.1f} – {point.high:.1f})"
