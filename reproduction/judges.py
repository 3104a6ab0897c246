"""How the claims on accuracy, time scales, weights and learning rates are judged.

A function per rule, from the networks of one reading; see ``measures`` for what it
speaks of, and ``architecture`` for the rules of connections and layers.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from hpo.objectives.hardware import physics
from reproduction import readings
from reproduction.evidence import Curve, Evidence, Point
from reproduction.measures import (
    PAPER,
    TOLERANCE,
    WINDOW_NS,
    Finding,
    Verdict,
    alike,
    at,
    best,
    by_split,
    centre,
    interval,
    mean_interval,
    plateau,
    quartiles,
    resampled,
    scale,
)

FASTEST_NS = 0.2
SLOWEST_NS = 5.0
"""Times between points at which networks learn, whose weights are compared."""
TOP = 10
"""Fig. 3(c): a tenth of the points, the most accurate, are the best ones."""


# --- accuracy ---


def accuracy(evidence: Evidence) -> Finding | None:
    """Mean at 1 ns over seeds and splits against what is reported."""
    point = evidence.at_optimum()
    return None if point is None else accuracy_of(point, *PAPER["fig2b"])


def accuracy_of(point: Point, reported: float, spread: float) -> Finding:
    """Mean over the networks of a point against a reported accuracy: equivalence within
    its spread.

    The interval is that of the seeds, on these splits.
    """
    scores = [network.accuracy for network in point.networks]
    low, high = interval(resampled(point, np.random.default_rng(0)).mean(axis=1))
    mean = statistics.fmean(scores)
    std = statistics.stdev(scores)
    splits = [statistics.fmean(own) for own in by_split(point).values()]
    text = f"{mean:.2f} ± {std:.2f} %, mean {low:.1f} to {high:.1f} by the seeds"
    if len(splits) > 1:
        text += ", {:.1f} to {:.1f} by the splits".format(*mean_interval(splits))
    of_splits = "1 split" if len(splits) == 1 else f"{len(splits)} splits"
    text += f" (n = {len(scores)}, {of_splits})"
    within = reported - spread <= low and high <= reported + spread
    return Finding(text, scale(within, abs(mean - reported) <= spread))


# --- time scales ---


def maximum(evidence: Evidence) -> Finding | None:
    """Whether the highest median of Fig. 2(b) is at 1 ns."""
    curve = evidence.time_scales()
    one = at(curve, 1.0)
    if one is None:
        return None
    top = best(curve)
    text = (
        f"highest median at {top.x:g} ns: {quartiles(top)}; at 1 ns: {quartiles(one)}"
    )
    if top.x == one.x:
        return Finding(f"highest median there: {quartiles(top)}", Verdict.YES)
    near = abs(list(curve).index(top) - list(curve).index(one)) == 1
    return Finding(text, scale(False, near and alike(one, top)))


def window(evidence: Evidence) -> Finding | None:
    """Where the accuracy of Fig. 2(b) is kept."""
    curve = evidence.time_scales()
    if not curve:
        return None
    kept = plateau(curve)
    low = kept[0].x
    high = kept[-1].x
    text = f"{low:g} – {high:g} ns, {high / low:.1f}-fold"
    wanted = {p.x for p in curve if WINDOW_NS[0] <= p.x <= WINDOW_NS[1]}
    held = {p.x for p in kept}
    covered = max(1.0, min(high, WINDOW_NS[1]) / max(low, WINDOW_NS[0]))
    share = math.log(covered) / math.log(WINDOW_NS[1] / WINDOW_NS[0])
    return Finding(
        text, scale(wanted <= held <= wanted | _neighbours(curve, wanted), share >= 0.5)
    )


def _neighbours(curve: Curve, wanted: set[float]) -> set[float]:
    """The grid points next to a window: its ends are known to one grid point only."""
    xs = [p.x for p in curve]
    first = xs.index(min(wanted))
    last = xs.index(max(wanted))
    return {*xs[max(0, first - 1) : first], *xs[last + 1 : last + 2]}


def degraded(evidence: Evidence) -> Finding | None:
    """Whether both ends of Fig. 2(b) are worse."""
    curve = evidence.time_scales()
    if not curve:
        return None
    top = best(curve)
    ends = (curve[0], curve[-1])
    text = ", ".join(f"{p.x:g} ns: {quartiles(p)}" for p in ends)
    n_lost = sum(not alike(p, top) and p.high < top.low for p in ends)
    return Finding(text, scale(n_lost == 2, n_lost == 1))


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
    return Finding(text, scale(min(steps) > 0, sign * (centres[-1] - centres[0]) > 0))


def _of_tau(evidence: Evidence) -> list[tuple[str, Curve]]:
    return [
        (_factor_text("τ", f), evidence.time_scales(tau=f)) for f in (0.25, 1.0, 4.0)
    ]


def _of_lr0(evidence: Evidence) -> list[tuple[str, Curve]]:
    return [
        (_factor_text("lr0", f), evidence.time_scales(lr0=f)) for f in (0.2, 1.0, 5.0)
    ]


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
    return Finding(text, scale(len(single) == len(found), 2 * len(single) > len(found)))


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
    return Finding(text, scale(n == len(found), 2 * n > len(found)))


def _has_one_peak(curve: Curve) -> bool:
    """Whether no median is more than the tolerance below one that is farther from the
    best."""
    medians = [p.median for p in curve]
    peak = list(curve).index(best(curve))
    return all(
        value >= farther - TOLERANCE
        for side in (medians[: peak + 1], medians[peak:][::-1])
        for k, value in enumerate(side)
        for farther in side[:k]
    )


# --- weights and learning rates ---


def weights_of_fast_inputs(evidence: Evidence) -> Finding | None:
    """Whether faster inputs have larger weights, each at its own best learning rate.

    A power law is fitted to the mean weights of the best of the three learning rates,
    over the times that all three have.
    """
    curves = [curve for _, curve in _of_lr0(evidence)]
    common = set.intersection(*({p.x for p in curve} for curve in curves))
    times = sorted(x for x in common if SLOWEST_NS >= x >= FASTEST_NS)
    points = [best([p for curve in curves for p in curve if p.x == x]) for x in times]
    weights = _mean_weights(points)
    if weights is None or len(times) < 3:
        return None
    slope = float(np.polyfit(np.log(times), np.log(weights), 1)[0])
    wanted = WINDOW_NS[1] / WINDOW_NS[0]
    fold = wanted**-slope
    text = (
        f"⟨|W|⟩ {weights[0]:.2f} per ns at {times[0]:g} ns, {weights[-1]:.2f} at"
        f" {times[-1]:g} ns; over {len(times)} times {fold:.2f}-fold from"
        f" {WINDOW_NS[1]} to {WINDOW_NS[0]} ns, where Eq. (11) has {wanted:.2g}"
    )
    return Finding(text, scale(fold >= 1.2, fold > 1.0))


def weights_of_learning_rates(evidence: Evidence) -> Finding | None:
    """Whether the trained weights at 1 ns are larger for higher learning rates."""
    found = _mean_weights(at(curve, 1.0) for _, curve in _of_lr0(evidence))
    if found is None:
        return None
    text = "⟨|W|⟩ at 1 ns: " + ", ".join(f"{w:.2f}" for w in found) + " per ns"
    rises = [b > a for a, b in itertools.pairwise(found)]
    return Finding(text, scale(all(rises), found[-1] > found[0]))


def _mean_weights(points: Iterable[Point | None]) -> list[float] | None:
    """Those of every point; None where one is not known."""
    found = [point.mean_weight_per_ns if point else None for point in points]
    known = [weight for weight in found if weight is not None]
    return known if len(known) == len(found) else None


def _top(points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda p: -p.median)[
        : max(1, math.ceil(len(points) / TOP))
    ]


def _off(value: float, wanted: float) -> float:
    return max(value / wanted, wanted / value)


def drive(evidence: Evidence) -> Finding | None:
    """Cumulative drive of the most accurate points with Δt < τ, of all figures, by the
    mean weight of the connections that exist."""
    return _drive(evidence, share=1.0)


def drive_over_all_entries(evidence: Evidence) -> Finding | None:
    """The same by the mean over all entries of a matrix, of which half are zero at the
    densities of these points."""
    return _drive(evidence, share=readings.DENSITY)


def _drive(evidence: Evidence, share: float) -> Finding | None:
    """``share`` is that of the entries of the matrices that are connections."""
    broad = evidence.broad_set()
    if not broad:
        return None
    points = [*broad, *_time_scale_points(evidence)]
    points = [p for p in points if _is_fast(evidence, p) and p.drive]
    if not points:
        return None
    factor = share / evidence.reading.tau_ratio
    top = [factor * (p.drive or 0.0) for p in _top(points)]
    mean = statistics.geometric_mean(top)
    text = f"{mean:.2g} ({min(top):.2g} – {max(top):.2g}) over the best {len(top)} of "
    off = _off(mean, 1.0)
    return Finding(text + f"{len(points)}", scale(off <= 3.0, off <= 10.0))


def _time_scale_points(evidence: Evidence) -> list[Point]:
    curves = [curve for _, curve in (*_of_tau(evidence), *_of_lr0(evidence))]
    return list({p.condition: p for curve in curves for p in curve}.values())


def _is_fast(evidence: Evidence, point: Point) -> bool:
    """Δt < τ, in the paper's terms."""
    return (
        point.condition.point_ns < point.condition.tau_ns * evidence.reading.tau_ratio
    )


def needs_memory(evidence: Evidence) -> Finding | None:
    """The best point of the broad set with Δt ≥ τ against the best of as many with Δt <
    τ."""
    broad = evidence.broad_set()
    fast = [p.median for p in broad if _is_fast(evidence, p)]
    slow = [p.median for p in broad if not _is_fast(evidence, p)]
    if not fast or not slow:
        return None
    as_many = best_of_as_many(fast, min(len(slow), len(fast)))
    text = (
        f"best of {len(slow)} points with Δt ≥ τ {max(slow):.1f} %, of as many with Δt"
        " < τ "
    )
    text += f"{as_many:.1f} % (median over all choices out of {len(fast)})"
    return Finding(text, scale(max(slow) < as_many - TOLERANCE, max(slow) < as_many))


def best_of_as_many(values: Sequence[float], n: int) -> float:
    """The median, over all choices of ``n`` of the values, of the largest.

    It is at most the k-th smallest in C(k, n) of C(N, n) choices.

    >>> best_of_as_many([1.0, 2.0, 3.0, 4.0], 1)
    2.0
    >>> best_of_as_many([1.0, 2.0, 3.0, 4.0], 4)
    4.0
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
    text = (
        f"{mean:.2g} ({min(top):.2g} – {max(top):.2g}) of it over the best"
        f" {len(top)} of "
    )
    text += f"{len(points)}; the paper's own optimum has 0.42"
    off = _off(mean, physics.LEARNING_RATE_PER_WEIGHT)
    return Finding(text, scale(off <= 3.0, off <= 10.0))
