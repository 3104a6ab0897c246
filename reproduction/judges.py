"""How the claims of the paper are judged: a function per rule, from the measured studies.

Rules speak of medians and quartiles over the networks of a point, as the paper's figures do. Two
points are *alike* when the median of the worse one lies within the quartiles of the better one, or
less than 2 points below its median.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from hpo.study.snapshot import StudySnapshot
from hpo.views.numbers.study_figure import Group, Point, chart, trained
from objectives import physics
from reproduction.conditions import Condition, conditions
from reproduction.jobs import SPLITS, split_of

Studies = Mapping[str, StudySnapshot]

PAPER = {"fig2b": (89.83, 2.91), "fig2b-ctrnn": (89.00, 3.48)}
"""Accuracy and standard deviation over ten runs, in per cent: section III."""
WINDOW_NS = physics.PAPER_WINDOW_NS
TOLERANCE = 2.0
"""Points of accuracy below the better median that are no loss: less than the paper's spread."""
TOP = 10
"""Fig. 3(c): a tenth of the points, the most accurate, are the best ones."""


class Verdict(StrEnum):
    """What became of a claim."""

    YES = "reproduced"
    PARTLY = "partly"
    NO = "not reproduced"
    UNKNOWN = "not measured"


def finished(snapshot: StudySnapshot | None) -> bool:
    """Whether every network of a study without pruning is there; none of its trials failed."""
    return snapshot is not None and len(trained(snapshot)) == snapshot.spec.budget.trials


def curves(snapshot: StudySnapshot) -> list[Group]:
    """The curves of a sweep, accuracies in per cent."""
    found = chart(snapshot)
    return list(found.groups) if found else []


def at(group: Group, x: float) -> Point:
    """The point of a curve at ``x``."""
    return next(p for p in group.points if isinstance(p.x, float) and math.isclose(p.x, x))


def best(points: Sequence[Point]) -> Point:
    """The point with the highest median."""
    return max(points, key=lambda p: p.median)


def alike(worse: Point, better: Point) -> bool:
    """Whether the worse point's median lies within the better one's quartiles, or not far below.

    The best of many equal points is the luckiest: without the tolerance, narrow quartiles would
    part it from its equals.
    """
    return worse.median >= min(better.low, better.median - TOLERANCE)


def plateau(group: Group) -> list[Point]:
    """The unbroken run of points around the best of a curve that are alike to it."""
    top = best(group.points)
    place = first = last = group.points.index(top)
    while first > 0 and alike(group.points[first - 1], top):
        first -= 1
    while last + 1 < len(group.points) and alike(group.points[last + 1], top):
        last += 1
    assert first <= place <= last
    return list(group.points[first : last + 1])


def centre(group: Group) -> float:
    """Geometric mean of the plateau of a curve: where its optimum is, grid and noise allowing."""
    return geometric_mean([float(p.x) for p in plateau(group)])


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean of positive numbers."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def _yes(holds: bool, otherwise: Verdict = Verdict.NO) -> Verdict:
    return Verdict.YES if holds else otherwise


def _text(point: Point) -> str:
    return f"{point.median:.1f} % ({point.low:.1f} – {point.high:.1f})"


def scores_at_1_ns(snapshot: StudySnapshot) -> list[float]:
    """Accuracies, in per cent, of the networks at 1 ns."""
    slot = next(s for s in snapshot.search if math.isclose(float(s.params["dt_ns"]), 1.0))
    return [100.0 * score for score in slot.claimed]


# --- accuracy -------------------------------------------------------------------------------------


def accuracy(name: str) -> Callable[[Studies], tuple[str, Verdict]]:
    """Mean at 1 ns over seeds and splits against what is reported of this study."""

    def judge(studies: Studies) -> tuple[str, Verdict]:
        scores = [x for split in by_split(studies, name) for x in split]
        mean, std = statistics.fmean(scores), _std(scores)
        reported, spread = PAPER[name]
        text = f"{mean:.2f} ± {std:.2f} % (n = {len(scores)})"
        return text, _yes(abs(mean - reported) <= spread)

    return judge


def by_split(studies: Studies, name: str) -> list[list[float]]:
    """Accuracies, in per cent, at 1 ns: a list per split of the images."""
    return [scores_at_1_ns(studies[split_of(name, split)]) for split in (0, *SPLITS)]


def _std(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def as_good(studies: Studies) -> tuple[str, Verdict]:
    """Spintronic network against CTRNN at 1 ns, split by split."""
    ours, theirs = by_split(studies, "fig2b"), by_split(studies, "fig2b-ctrnn")
    gaps = [statistics.fmean(a) - statistics.fmean(b) for a, b in zip(ours, theirs, strict=True)]
    gap, error = statistics.fmean(gaps), _std(gaps) / math.sqrt(len(gaps))
    text = f"{gap:+.2f} ± {error:.2f} points (standard error over {len(gaps)} splits)"
    return text, _yes(gap >= -2.0 * error)


def as_good_everywhere(studies: Studies) -> tuple[str, Verdict]:
    """Spintronic network against CTRNN within the window of Fig. 2(b)."""
    (ours,), (theirs,) = curves(studies["fig2b"]), curves(studies["fig2b-ctrnn"])
    within = [p for p in ours.points if WINDOW_NS[0] <= float(p.x) <= WINDOW_NS[1]]
    behind = [p.x for p in within if not alike(p, at(theirs, float(p.x)))]
    outside = [p.x for p in ours.points if not alike(p, at(theirs, float(p.x)))]
    text = f"behind at {len(behind)} of {len(within)} points of the window, "
    text += f"{len(outside)} of {len(ours.points)} in all"
    if not behind:
        return text, Verdict.YES
    return text, _yes(False, Verdict.PARTLY if 2 * len(behind) < len(within) else Verdict.NO)


# --- time scales ----------------------------------------------------------------------------------


def maximum(studies: Studies) -> tuple[str, Verdict]:
    """Whether the highest median of Fig. 2(b) is at 1 ns."""
    (curve,) = curves(studies["fig2b"])
    top, one = best(curve.points), at(curve, 1.0)
    text = f"highest median at {float(top.x):g} ns: {_text(top)}; at 1 ns: {_text(one)}"
    if top is one:
        return text, Verdict.YES
    near = abs(curve.points.index(top) - curve.points.index(one)) == 1
    return text, _yes(False, Verdict.PARTLY if near and alike(one, top) else Verdict.NO)


def window(studies: Studies) -> tuple[str, Verdict]:
    """Where the accuracy of Fig. 2(b) is kept."""
    (curve,) = curves(studies["fig2b"])
    kept = plateau(curve)
    low, high = float(kept[0].x), float(kept[-1].x)
    text = f"{low:g} – {high:g} ns, {high / low:.1f}-fold"
    wanted = {float(p.x) for p in curve.points if WINDOW_NS[0] <= float(p.x) <= WINDOW_NS[1]}
    held = {float(p.x) for p in kept}
    neighbours = _neighbours(curve, wanted)
    if wanted <= held <= wanted | neighbours:
        return text, Verdict.YES
    covered = min(high, WINDOW_NS[1]) / max(low, WINDOW_NS[0])
    share = math.log(covered) / math.log(WINDOW_NS[1] / WINDOW_NS[0])
    return text, _yes(False, Verdict.PARTLY if share >= 0.5 else Verdict.NO)


def _neighbours(curve: Group, wanted: set[float]) -> set[float]:
    """The grid points next to a window: its ends are known to one grid point only."""
    xs = [float(p.x) for p in curve.points]
    first, last = xs.index(min(wanted)), xs.index(max(wanted))
    return {*xs[max(0, first - 1) : first], *xs[last + 1 : last + 2]}


def degraded(studies: Studies) -> tuple[str, Verdict]:
    """Whether both ends of Fig. 2(b) are worse."""
    (curve,) = curves(studies["fig2b"])
    top = best(curve.points)
    ends = [curve.points[0], curve.points[-1]]
    text = ", ".join(f"{float(p.x):g} ns: {_text(p)}" for p in ends)
    lost = [p for p in ends if not alike(p, top) and p.high < top.low]
    return text, (Verdict.NO, Verdict.PARTLY, Verdict.YES)[len(lost)]


def shift(name: str, *, rising: bool) -> Callable[[Studies], tuple[str, Verdict]]:
    """Whether the optimal time scale moves along the curves of a figure."""

    def judge(studies: Studies) -> tuple[str, Verdict]:
        found = curves(studies[name])
        centres = [centre(curve) for curve in found]
        text = "; ".join(
            f"{curve.label}: {c:.2g} ns" for curve, c in zip(found, centres, strict=True)
        )
        sign = 1.0 if rising else -1.0
        steps = [sign * (b - a) for a, b in itertools.pairwise(centres)]
        if all(step > 0 for step in steps):
            return text, Verdict.YES
        return text, _yes(
            False, Verdict.PARTLY if sign * (centres[-1] - centres[0]) > 0 else Verdict.NO
        )

    return judge


def bells(studies: Studies) -> tuple[str, Verdict]:
    """How many curves of Fig. 3(a, b) have one peak, and fall on both sides of it."""
    found = [*curves(studies["fig3a"]), *curves(studies["fig3b"])]
    fall = [c for c in found if not any(alike(c.points[end], best(c.points)) for end in (0, -1))]
    single = [c for c in fall if _has_one_peak(c)]
    text = f"{len(fall)} of {len(found)} curves fall on both sides, "
    text += f"{len(single)} of them from a single peak"
    if len(single) == len(found):
        return text, Verdict.YES
    return text, _yes(False, Verdict.PARTLY if 2 * len(single) > len(found) else Verdict.NO)


def _has_one_peak(curve: Group) -> bool:
    """Whether no median is more than the tolerance below one that is farther from the best."""
    medians = [p.median for p in curve.points]
    peak = curve.points.index(best(curve.points))
    return all(
        value >= farther - TOLERANCE
        for side in (medians[: peak + 1], medians[peak:][::-1])
        for k, value in enumerate(side)
        for farther in side[:k]
    )


# --- design rules ---------------------------------------------------------------------------------


def _top(points: Sequence[Condition]) -> list[Condition]:
    ordered = sorted(points, key=lambda c: -c.median)
    return ordered[: max(1, math.ceil(len(ordered) / TOP))]


def _factor(value: float, wanted: float, text: str) -> tuple[str, Verdict]:
    """Within a factor of 3 reproduced, of 10 partly."""
    off = max(value / wanted, wanted / value)
    if off <= 3.0:
        return text, Verdict.YES
    return text, _yes(False, Verdict.PARTLY if off <= 10.0 else Verdict.NO)


def drive(studies: Studies) -> tuple[str, Verdict]:
    """Cumulative drive of the most accurate conditions of Fig. 3(c) with dt < tau."""
    points = [c for c in conditions(studies) if c.dt_ns < c.tau_ns and c.drive > 0]
    top = _top(points)
    mean = geometric_mean([c.drive for c in top])
    low, high = min(c.drive for c in top), max(c.drive for c in top)
    text = f"{mean:.2g} ({low:.2g} – {high:.2g}) over the best {len(top)} of {len(points)}"
    return _factor(mean, 1.0, text)


def needs_memory(studies: Studies) -> tuple[str, Verdict]:
    """The best condition with dt >= tau against the best with dt < tau."""
    found = conditions(studies)
    slow = [c for c in found if c.dt_ns >= c.tau_ns]
    fast = [c for c in found if c.dt_ns < c.tau_ns]
    if not slow or not fast:
        return f"{len(slow)} points with Δt ≥ τ", Verdict.UNKNOWN
    worse, better = (max(group, key=lambda c: c.median) for group in (slow, fast))
    text = f"best with Δt ≥ τ {worse.median:.1f} % (n = {len(slow)}), "
    text += f"with Δt < τ {better.median:.1f} % (n = {len(fast)})"
    return text, _yes(worse.median < better.low)


def learning_rate(studies: Studies) -> tuple[str, Verdict]:
    """Learning rates of the most accurate conditions against the rule."""
    points = [c for c in conditions({"fig3c": studies["fig3c"]}) if c.dt_ns < c.tau_ns]
    top = _top(points)
    mean = geometric_mean([c.lr_ratio for c in top])
    low, high = min(c.lr_ratio for c in top), max(c.lr_ratio for c in top)
    text = f"{mean:.2g} ({low:.2g} – {high:.2g}) of it over the best {len(top)} of {len(points)}; "
    text += f"the paper's own optimum has {0.149 / 0.35355:.2g}"
    return _factor(mean, physics.LEARNING_RATE_PER_WEIGHT, text)


# --- architecture ---------------------------------------------------------------------------------


def reduced(index: int, density: float) -> Callable[[Studies], tuple[str, Verdict]]:
    """Whether a curve of Fig. 4 has lost nothing at a density."""

    def judge(studies: Studies) -> tuple[str, Verdict]:
        curve = curves(studies["fig4"])[index]
        few, full = at(curve, density), at(curve, 1.0)
        text = f"at {100 * density:g} %: {_text(few)}; at 100 %: {_text(full)}"
        text += f": {few.median - full.median:+.2f} points"
        return text, _yes(alike(few, full))

    return judge


def no_intra(studies: Studies) -> tuple[str, Verdict]:
    """What is left without intra-layer connections."""
    curve = curves(studies["fig4"])[0]
    none, full = at(curve, 0.0), at(curve, 1.0)
    text = f"at 0: {_text(none)}; at 100 %: {_text(full)}"
    return text, _yes(not alike(none, full) and none.median >= 70.0)


def variability(studies: Studies) -> tuple[str, Verdict]:
    """Interquartile ranges of dense networks against those of sparse ones."""
    grows, parts = 0, []
    found = curves(studies["fig4"])
    for curve in found:
        spreads = {float(p.x): p.high - p.low for p in curve.points}
        dense = statistics.fmean(s for x, s in spreads.items() if x >= 0.5)
        sparse = statistics.fmean(s for x, s in spreads.items() if 0.1 <= x < 0.5)
        grows += dense > sparse
        parts.append(f"{sparse:.1f} → {dense:.1f}")
    text = "interquartile range, sparse → dense: " + "; ".join(parts) + " points"
    most = Verdict.PARTLY if 2 * grows > len(found) else Verdict.NO
    return text, _yes(grows == len(found), most)


def global_optimum(studies: Studies) -> tuple[str, Verdict]:
    """The best density of all connections."""
    curve = curves(studies["fig4"])[2]
    top, half = best(curve.points), at(curve, 0.5)
    text = f"best at {100 * float(top.x):g} %: {_text(top)}; at 50 %: {_text(half)}"
    if not 0.35 <= float(top.x) <= 0.75:
        return text, Verdict.NO
    return text, _yes(not alike(at(curve, 1.0), top), Verdict.PARTLY)


def synapses(studies: Studies) -> tuple[str, Verdict]:
    """Synapses of the trained networks."""
    counted = {m.info["n_synapses"] for s in studies["fig2b"].search for m in s.members}
    text = ", ".join(f"{n:,}" for n in sorted(counted))
    return text, _yes(counted == {2896})


def energy(studies: Studies) -> tuple[str, Verdict]:
    """Energy per image, by the figures of section V."""
    counted = max(m.info["n_synapses"] for s in studies["fig2b"].search for m in s.members)
    energy = physics.energy_pj(n_neurons=96, n_synapses=counted, presentation_ns=100.0)
    shown = physics.energy_pj(n_neurons=96, n_synapses=counted, presentation_ns=64.0)
    text = f"{energy:.1f} pJ in 100 ns; {shown:.1f} pJ in the 64 ns that an image takes at 1 ns"
    return text, _yes(abs(energy / 40.0 - 1.0) <= 0.1)
