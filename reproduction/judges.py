"""How the claims of the paper are judged: a function per rule, from the networks of one reading.

Rules speak of medians and quartiles over the networks of a point, as the paper's figures do. Two
points are *alike* when the median of the worse one lies within the quartiles of the better one, or
less than 2 points below its median. *Without loss* is a matter of equivalence: see ``lossless``.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from objectives import physics
from reproduction.evidence import Curve, Evidence, Point
from reproduction.layers import DENSITIES, mean_of

PAPER = {"fig2b": (89.83, 2.91), "fig2b-ctrnn": (89.00, 3.48)}
"""Accuracy and standard deviation over ten runs, in per cent: section III."""
WINDOW_NS = physics.PAPER_WINDOW_NS
TOLERANCE = 2.0
"""Points of accuracy below the better median that are no loss: less than the paper's spread."""
TOP = 10
"""Fig. 3(c): a tenth of the points, the most accurate, are the best ones."""
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
    """Whether the worse point's median lies within the better one's quartiles, or not far below.

    The best of many equal points is the luckiest: without the tolerance, narrow quartiles would
    part it from its equals.
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
    """Geometric mean of the plateau of a curve: where its optimum is, grid and noise allowing."""
    return statistics.geometric_mean([p.x for p in plateau(curve)])


def interval(statistics_of_resamples: NDArray[np.float64]) -> tuple[float, float]:
    """Where 95 % of the resamples lie."""
    low, high = np.percentile(statistics_of_resamples, [2.5, 97.5])
    return float(low), float(high)


def resampled(point: Point, draw: np.random.Generator) -> NDArray[np.float64]:
    """Accuracies of as many networks of each split, drawn with replacement, (DRAWS, networks)."""
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


def _scale(holds: bool, partly: bool) -> Verdict:
    return Verdict.YES if holds else Verdict.PARTLY if partly else Verdict.NO


def _text(point: Point) -> str:
    return f"{point.median:.1f} % ({point.low:.1f} – {point.high:.1f})"


# --- accuracy -------------------------------------------------------------------------------------


def accuracy(evidence: Evidence) -> Finding | None:
    """Mean at 1 ns over seeds and splits against what is reported."""
    point = evidence.at_optimum()
    return None if point is None else accuracy_of(point, *PAPER["fig2b"])


def accuracy_of(point: Point, reported: float, spread: float) -> Finding:
    """Mean over the networks of a point against a reported accuracy: equivalence within its spread.

    The interval is that of the seeds, on these splits.
    """
    scores = [network.accuracy for network in point.networks]
    low, high = interval(resampled(point, np.random.default_rng(0)).mean(axis=1))
    mean, std = statistics.fmean(scores), statistics.stdev(scores)
    splits = [statistics.fmean(own) for own in by_split(point).values()]
    text = f"{mean:.2f} ± {std:.2f} %, mean {low:.1f} to {high:.1f} by the seeds"
    if len(splits) > 1:
        text += ", {:.1f} to {:.1f} by the splits".format(*mean_interval(splits))
    text += f" (n = {len(scores)}, {len(splits)} split{'s' * (len(splits) > 1)})"
    within = reported - spread <= low and high <= reported + spread
    return Finding(text, _scale(within, abs(mean - reported) <= spread))


# --- time scales ----------------------------------------------------------------------------------


def maximum(evidence: Evidence) -> Finding | None:
    """Whether the highest median of Fig. 2(b) is at 1 ns."""
    curve = evidence.time_scales()
    one = at(curve, 1.0)
    if one is None:
        return None
    top = best(curve)
    text = f"highest median at {top.x:g} ns: {_text(top)}; at 1 ns: {_text(one)}"
    if top.x == one.x:
        return Finding(f"highest median there: {_text(top)}", Verdict.YES)
    near = abs(list(curve).index(top) - list(curve).index(one)) == 1
    return Finding(text, _scale(False, near and alike(one, top)))


def window(evidence: Evidence) -> Finding | None:
    """Where the accuracy of Fig. 2(b) is kept."""
    curve = evidence.time_scales()
    if not curve:
        return None
    kept = plateau(curve)
    low, high = kept[0].x, kept[-1].x
    text = f"{low:g} – {high:g} ns, {high / low:.1f}-fold"
    wanted = {p.x for p in curve if WINDOW_NS[0] <= p.x <= WINDOW_NS[1]}
    held = {p.x for p in kept}
    covered = max(1.0, min(high, WINDOW_NS[1]) / max(low, WINDOW_NS[0]))
    share = math.log(covered) / math.log(WINDOW_NS[1] / WINDOW_NS[0])
    return Finding(
        text, _scale(wanted <= held <= wanted | _neighbours(curve, wanted), share >= 0.5)
    )


def _neighbours(curve: Curve, wanted: set[float]) -> set[float]:
    """The grid points next to a window: its ends are known to one grid point only."""
    xs = [p.x for p in curve]
    first, last = xs.index(min(wanted)), xs.index(max(wanted))
    return {*xs[max(0, first - 1) : first], *xs[last + 1 : last + 2]}


def degraded(evidence: Evidence) -> Finding | None:
    """Whether both ends of Fig. 2(b) are worse."""
    curve = evidence.time_scales()
    if not curve:
        return None
    top, ends = best(curve), (curve[0], curve[-1])
    text = ", ".join(f"{p.x:g} ns: {_text(p)}" for p in ends)
    n_lost = sum(not alike(p, top) and p.high < top.low for p in ends)
    return Finding(text, _scale(n_lost == 2, n_lost == 1))


def _shift(curves: Sequence[tuple[str, Curve]], *, rising: bool) -> Finding | None:
    common = set.intersection(*({p.x for p in curve} for _, curve in curves))
    if not common:
        return None
    cut = [(label, [p for p in curve if p.x in common]) for label, curve in curves]
    centres = [centre(curve) for _, curve in cut]
    parts = []
    for (label, curve), c in zip(cut, centres, strict=True):
        ends = {curve[0].x, curve[-1].x} & {p.x for p in plateau(curve)}
        parts.append(f"{label}: {c:.2g} ns" + " (up to an end)" * bool(ends))
    text = "; ".join(parts)
    sign = 1.0 if rising else -1.0
    steps = [sign * (b - a) for a, b in itertools.pairwise(centres)]
    return Finding(text, _scale(min(steps) > 0, sign * (centres[-1] - centres[0]) > 0))


def _of_tau(evidence: Evidence) -> list[tuple[str, Curve]]:
    return [(_factor_text("τ", f), evidence.time_scales(tau=f)) for f in (0.25, 1.0, 4.0)]


def _of_lr0(evidence: Evidence) -> list[tuple[str, Curve]]:
    return [(_factor_text("lr0", f), evidence.time_scales(lr0=f)) for f in (0.2, 1.0, 5.0)]


def _factor_text(name: str, factor: float) -> str:
    if factor == 1.0:
        return name
    return f"{factor:g} {name}" if factor > 1 else f"{name} / {1 / factor:g}"


def shift_with_tau(evidence: Evidence) -> Finding | None:
    """Whether the optimal time scale grows with τ."""
    return _shift(_of_tau(evidence), rising=True)


def shift_with_lr0(evidence: Evidence) -> Finding | None:
    """Whether the optimal time scale falls with the learning rate."""
    return _shift(_of_lr0(evidence), rising=False)


def bells(evidence: Evidence) -> Finding | None:
    """How many curves of Fig. 3(a, b) have one peak, and fall on both sides of it."""
    found = _five(evidence)
    if not all(found):
        return None
    fall = [c for c in found if not any(alike(c[end], best(c)) for end in (0, -1))]
    single = [c for c in fall if _has_one_peak(c)]
    text = f"{len(fall)} of {len(found)} curves fall on both sides, "
    text += f"{len(single)} of them from a single peak"
    return Finding(text, _scale(len(single) == len(found), 2 * len(single) > len(found)))


def _five(evidence: Evidence) -> list[Curve]:
    """The curves of Fig. 3(a, b), that of the optimum once."""
    outer = [evidence.time_scales(tau=factor) for factor in (0.25, 4.0)]
    outer += [evidence.time_scales(lr0=factor) for factor in (0.2, 5.0)]
    return [evidence.time_scales(), *outer]


def windows(evidence: Evidence) -> Finding | None:
    """How wide the plateaus of Fig. 3(a, b) are."""
    found = _five(evidence)
    if not all(found):
        return None
    folds = [kept[-1].x / kept[0].x for kept in map(plateau, found)]
    text = "plateaus of " + ", ".join(f"{fold:.1f}" for fold in folds) + "-fold"
    n = sum(fold >= 3.0 for fold in folds)
    return Finding(text, _scale(n == len(found), 2 * n > len(found)))


def _has_one_peak(curve: Curve) -> bool:
    """Whether no median is more than the tolerance below one that is farther from the best."""
    medians = [p.median for p in curve]
    peak = list(curve).index(best(curve))
    return all(
        value >= farther - TOLERANCE
        for side in (medians[: peak + 1], medians[peak:][::-1])
        for k, value in enumerate(side)
        for farther in side[:k]
    )


# --- weights and learning rates -------------------------------------------------------------------


def weights_of_fast_inputs(evidence: Evidence) -> Finding | None:
    """Whether the trained weights are larger for faster inputs."""
    found = _mean_weights(at(evidence.time_scales(), x) for x in WINDOW_NS)
    if found is None:
        return None
    fast, slow = found
    text = f"⟨|W|⟩ at {WINDOW_NS[0]} ns {fast:.2f}, at {WINDOW_NS[1]} ns {slow:.2f} per ns: "
    text += f"{fast / slow:.2f}-fold, where Eq. (11) has {WINDOW_NS[1] / WINDOW_NS[0]:.2g}"
    return Finding(text, _scale(fast >= 1.2 * slow, fast > slow))


def weights_of_learning_rates(evidence: Evidence) -> Finding | None:
    """Whether the trained weights at 1 ns are larger for higher learning rates."""
    found = _mean_weights(at(curve, 1.0) for _, curve in _of_lr0(evidence))
    if found is None:
        return None
    text = "⟨|W|⟩ at 1 ns: " + ", ".join(f"{w:.2f}" for w in found) + " per ns"
    rises = [b > a for a, b in itertools.pairwise(found)]
    return Finding(text, _scale(all(rises), found[-1] > found[0]))


def _mean_weights(points: Iterable[Point | None]) -> list[float] | None:
    """Those of every point; None where one is not known."""
    found = [point.mean_weight_per_ns if point else None for point in points]
    known = [weight for weight in found if weight is not None]
    return known if len(known) == len(found) else None


def _top(points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda p: -p.median)[: max(1, math.ceil(len(points) / TOP))]


def _off(value: float, wanted: float) -> float:
    return max(value / wanted, wanted / value)


def drive(evidence: Evidence) -> Finding | None:
    """Cumulative drive of the most accurate points with Δt < τ, of all figures.

    The mean weight may be meant over the connections that exist, or over all entries of a matrix,
    of which half are zero at the densities of these points.
    """
    broad = evidence.broad_set()
    if not broad:
        return None
    points = [*broad, *_time_scale_points(evidence)]
    points = [p for p in points if _is_fast(evidence, p) and p.drive]
    if not points:
        return None
    top = [(p.drive or 0.0) / evidence.reading.tau_ratio for p in _top(points)]
    mean = statistics.geometric_mean(top)
    text = f"{mean:.2g} ({min(top):.2g} – {max(top):.2g}) over the best {len(top)} of "
    text += f"{len(points)}; over all entries of the matrices {mean / 2:.2g}"
    offs = [_off(value, 1.0) for value in (mean, mean / 2)]
    return Finding(text, _scale(max(offs) <= 3.0, min(offs) <= 3.0))


def _time_scale_points(evidence: Evidence) -> list[Point]:
    curves = [curve for _, curve in (*_of_tau(evidence), *_of_lr0(evidence))]
    return list({p.condition: p for curve in curves for p in curve}.values())


def _is_fast(evidence: Evidence, point: Point) -> bool:
    """Δt < τ, in the paper's terms."""
    return point.condition.dt_ns < point.condition.tau_ns * evidence.reading.tau_ratio


def needs_memory(evidence: Evidence) -> Finding | None:
    """The best point of the broad set with Δt ≥ τ against the best of as many with Δt < τ."""
    broad = evidence.broad_set()
    fast = [p.median for p in broad if _is_fast(evidence, p)]
    slow = [p.median for p in broad if not _is_fast(evidence, p)]
    if not fast or not slow:
        return None
    as_many = best_of_as_many(fast, min(len(slow), len(fast)))
    text = f"best of {len(slow)} points with Δt ≥ τ {max(slow):.1f} %, of as many with Δt < τ "
    text += f"{as_many:.1f} % (median over all choices out of {len(fast)})"
    return Finding(text, _scale(max(slow) < as_many - TOLERANCE, max(slow) < as_many))


def best_of_as_many(values: Sequence[float], n: int) -> float:
    """The median, over all choices of ``n`` of the values, of the largest.

    It is at most the k-th smallest in C(k, n) of C(N, n) choices.

    >>> best_of_as_many([1.0, 2.0, 3.0, 4.0], 1), best_of_as_many([1.0, 2.0, 3.0, 4.0], 4)
    (2.0, 4.0)
    """
    choices = math.comb(len(values), n)
    ordered = sorted(values)
    return next(v for k, v in enumerate(ordered, 1) if 2 * math.comb(k, n) >= choices)


def learning_rate(evidence: Evidence) -> Finding | None:
    """Learning rates of the most accurate points of the broad set against the rule."""
    points = [p for p in evidence.broad_set() if _is_fast(evidence, p)]
    if not points:
        return None
    top = [p.lr_ratio / evidence.reading.tau_ratio for p in _top(points)]
    mean = statistics.geometric_mean(top)
    text = f"{mean:.2g} ({min(top):.2g} – {max(top):.2g}) of it over the best {len(top)} of "
    text += f"{len(points)}; the paper's own optimum has 0.42"
    off = _off(mean, physics.LEARNING_RATE_PER_WEIGHT)
    return Finding(text, _scale(off <= 3.0, off <= 10.0))


# --- architecture ---------------------------------------------------------------------------------


def lossless(which: str, density: float) -> Judge:
    """Whether connections down to ``density`` lose less than the tolerance, and surely so.

    Equivalence within 2 points: it holds where the 95 % interval of the difference of medians to
    full density, over resampled networks, lies above -2 points; partly where the difference does.
    """

    def judge(evidence: Evidence) -> Finding | None:
        curve = evidence.densities(which)
        few, full = at(curve, density), at(curve, 1.0)
        if few is None or full is None:
            return None
        draw = np.random.default_rng(0)
        few_medians, full_medians = (np.median(resampled(p, draw), axis=1) for p in (few, full))
        low, high = interval(few_medians - full_medians)
        gap = few.median - full.median
        text = f"at {100 * density:g} %: {_text(few)}; at 100 %: {_text(full)}: {gap:+.1f} points, "
        text += f"{low:+.1f} to {high:+.1f} (n = {len(few.networks)}, {len(full.networks)})"
        return Finding(text, _scale(low >= -TOLERANCE, gap >= -TOLERANCE))

    return judge


def no_intra(evidence: Evidence) -> Finding | None:
    """What is left without intra-layer connections."""
    curve = evidence.densities("intra")
    none, full = at(curve, 0.0), at(curve, 1.0)
    if none is None or full is None:
        return None
    text = f"at 0: {_text(none)}; at 100 %: {_text(full)}"
    lost, high = not alike(none, full), none.median >= 70.0
    return Finding(text, _scale(lost and high, lost or high))


def variability(evidence: Evidence) -> Finding | None:
    """Interquartile ranges of dense networks against those of sparse ones."""
    grows, parts = 0, []
    found = [evidence.densities(which) for which in ("intra", "inter", "all")]
    for curve in found:
        dense = [p.high - p.low for p in curve if p.x >= 0.5]
        sparse = [p.high - p.low for p in curve if 0.1 <= p.x < 0.5]
        if not dense or not sparse:
            return None
        a, b = statistics.fmean(sparse), statistics.fmean(dense)
        grows += b > a
        parts.append(f"{a:.1f} → {b:.1f}")
    text = "interquartile range, sparse → dense: " + "; ".join(parts) + " points"
    return Finding(text, _scale(grows == len(found), 2 * grows > len(found)))


def failures(evidence: Evidence) -> Finding | None:
    """Saturation and failed trainings of dense networks against those of sparse ones.

    A training has failed that ends ten points below the best median of the figure.
    """
    curves = [evidence.densities(which) for which in ("intra", "inter", "all")]
    sparse = [p for curve in curves for p in curve if 0.1 <= p.x <= 0.5]
    dense = list({p.condition: p for curve in curves for p in curve if p.x > 0.5}.values())
    if not sparse or not dense or not set(evidence.layers) >= set(DENSITIES):
        return None
    shares = [statistics.fmean(mean_of(evidence.layers[d], "saturated")) for d in DENSITIES]
    bound = best([*sparse, *dense]).median - 10.0
    failed = [
        (
            sum(n.accuracy < bound for p in group for n in p.networks),
            sum(len(p.networks) for p in group),
        )
        for group in (sparse, dense)
    ]
    text = "saturated at densities 0.2, 0.5, 1: " + ", ".join(f"{s:.0%}" for s in shares)
    text += "; failed at 10 to 50 %: {} of {}; above: {} of {}".format(*failed[0], *failed[1])
    rises = shares[0] < shares[1] < shares[2]
    fails = failed[1][0] * failed[0][1] > failed[0][0] * failed[1][1]
    return Finding(text, _scale(rises and fails, rises or fails))


def global_optimum(evidence: Evidence) -> Finding | None:
    """The best density of all connections."""
    curve = evidence.densities("all")
    half, full = at(curve, 0.5), at(curve, 1.0)
    if half is None or full is None:
        return None
    top = best(curve)
    text = f"best at {100 * top.x:g} %: {_text(top)}; at 50 %: {_text(half)}"
    near = 0.35 <= top.x <= 0.75
    return Finding(text, _scale(near and not alike(full, top), near))


# --- Fig. 1 ---------------------------------------------------------------------------------------


def around_half(evidence: Evidence) -> Finding | None:
    """Mean amplitudes of the layers."""
    rows = evidence.layers.get(0.5)
    if not rows:
        return None
    means, shares = mean_of(rows, "mean"), mean_of(rows, "saturated")
    text = "mean x by layer " + ", ".join(f"{m:.2f}" for m in means)
    text += "; saturated " + ", ".join(f"{s:.0%}" for s in shares)
    n = sum(0.4 <= m <= 0.6 and s < 0.5 for m, s in zip(means, shares, strict=True))
    return Finding(text, _scale(n == len(means), 2 * n > len(means)))


def slows(evidence: Evidence) -> Finding | None:
    """Mean frequencies from the input through the layers."""
    rows = evidence.layers.get(0.5)
    if not rows:
        return None
    given = statistics.fmean(row["input_frequency"] for row in rows)
    found = [given, *mean_of(rows, "frequency")]
    text = "mean frequency of the input and by layer " + ", ".join(f"{f:.3f}" for f in found)
    falls = [b < 0.95 * a for a, b in itertools.pairwise(found)]
    return Finding(text + " per ns", _scale(all(falls), found[-1] < 0.95 * found[1]))
