"""How the claims on connections and layers are judged: a function per rule, as in
``judges``."""

from __future__ import annotations

import itertools
import statistics

import numpy as np

from reproduction.evidence import Evidence
from reproduction.layers import DENSITIES, mean_of
from reproduction.measures import (
    TOLERANCE,
    Finding,
    Judge,
    alike,
    at,
    best,
    interval,
    quartiles,
    resampled,
    scale,
)

N_DENSITIES = 5
"""Fewest densities from 10 % on that tell where the optimum is."""

# --- architecture ---


def lossless(which: str, density: float) -> Judge:
    """Whether connections down to ``density`` lose less than the tolerance, and surely
    so.

    Equivalence within 2 points: it holds where the 95 % interval of the difference of
    medians to full density, over resampled networks, lies above -2 points; partly where
    the difference does.
    """

    def judge(evidence: Evidence) -> Finding | None:
        curve = evidence.densities(which)
        few = at(curve, density)
        full = at(curve, 1.0)
        if few is None or full is None:
            return None
        draw = np.random.default_rng(0)
        few_medians, full_medians = (
            np.median(resampled(p, draw), axis=1) for p in (few, full)
        )
        low, high = interval(few_medians - full_medians)
        gap = few.median - full.median
        text = (
            f"at {100 * density:g} %: {quartiles(few)}; at 100 %: {quartiles(full)}: "
        )
        text += f"{gap:+.1f} points, {low:+.1f} to {high:+.1f} "
        text += f"(n = {len(few.networks)}, {len(full.networks)})"
        return Finding(text, scale(low >= -TOLERANCE, gap >= -TOLERANCE))

    return judge


def no_intra(evidence: Evidence) -> Finding | None:
    """What is left without intra-layer connections."""
    curve = evidence.densities("intra")
    none = at(curve, 0.0)
    full = at(curve, 1.0)
    if none is None or full is None:
        return None
    text = f"at 0: {quartiles(none)}; at 100 %: {quartiles(full)}"
    lost = not alike(none, full)
    high = none.median >= 70.0
    return Finding(text, scale(lost and high, lost or high))


def variability(evidence: Evidence) -> Finding | None:
    """Interquartile ranges of dense networks against those of sparse ones."""
    grows = 0
    parts = []
    found = [evidence.densities(which) for which in ("intra", "inter", "all")]
    for curve in found:
        dense = [p.high - p.low for p in curve if p.x >= 0.5]
        sparse = [p.high - p.low for p in curve if 0.1 <= p.x < 0.5]
        if not dense or not sparse:
            return None
        a = statistics.fmean(sparse)
        b = statistics.fmean(dense)
        grows += b > a
        parts.append(f"{a:.1f} → {b:.1f}")
    text = "interquartile range, sparse → dense: " + "; ".join(parts) + " points"
    return Finding(text, scale(grows == len(found), 2 * grows > len(found)))


def failures(evidence: Evidence) -> Finding | None:
    """Saturation and failed trainings of dense networks against those of sparse ones.

    A training has failed that ends ten points below the best median of the figure.
    """
    curves = [evidence.densities(which) for which in ("intra", "inter", "all")]
    sparse = [p for curve in curves for p in curve if 0.1 <= p.x <= 0.5]
    dense = list(
        {p.condition: p for curve in curves for p in curve if p.x > 0.5}.values()
    )
    if not sparse or not dense or not set(evidence.layers) >= set(DENSITIES):
        return None
    shares = [
        statistics.fmean(mean_of(evidence.layers[d], "saturated")) for d in DENSITIES
    ]
    bound = best([*sparse, *dense]).median - 10.0
    failed = [
        (
            sum(n.accuracy < bound for p in group for n in p.networks),
            sum(len(p.networks) for p in group),
        )
        for group in (sparse, dense)
    ]
    text = "saturated at densities 0.2, 0.5, 1: " + ", ".join(
        f"{s:.0%}" for s in shares
    )
    text += "; failed at 10 to 50 %: {} of {}; above: {} of {}".format(
        *failed[0], *failed[1]
    )
    rises = shares[0] < shares[1] < shares[2]
    fails = failed[1][0] * failed[0][1] > failed[0][0] * failed[1][1]
    return Finding(text, scale(rises and fails, rises or fails))


def global_optimum(evidence: Evidence) -> Finding | None:
    """The best density of all connections."""
    curve = evidence.densities("all")
    half = at(curve, 0.5)
    full = at(curve, 1.0)
    if half is None or full is None:
        return None
    if len([p for p in curve if p.x >= 0.1]) < N_DENSITIES:
        return None
    top = best(curve)
    text = f"best at {100 * top.x:g} %: {quartiles(top)}; at 50 %: {quartiles(half)}"
    near = 0.35 <= top.x <= 0.75
    return Finding(text, scale(near and not alike(full, top), near))


# --- Fig. 1 ---


def around_half(evidence: Evidence) -> Finding | None:
    """The share of the neurons of each layer that are as Fig. 1 shows them."""
    rows = evidence.layers.get(0.5)
    if not rows or not all("balanced" in row for row in rows):
        return None
    shares = mean_of(rows, "balanced")
    means = mean_of(rows, "mean")
    text = "such neurons by layer " + ", ".join(f"{s:.0%}" for s in shares)
    text += "; mean x of all " + ", ".join(f"{m:.2f}" for m in means)
    return Finding(text, scale(min(shares) >= 0.5, min(shares) >= 0.1))


def slows(evidence: Evidence) -> Finding | None:
    """Mean frequencies from the input through the layers."""
    rows = evidence.layers.get(0.5)
    if not rows:
        return None
    given = statistics.fmean(row["input_frequency"] for row in rows)
    found = [given, *mean_of(rows, "frequency")]
    text = "mean frequency of the input and by layer " + ", ".join(
        f"{f:.3f}" for f in found
    )
    falls = [b < 0.95 * a for a, b in itertools.pairwise(found)]
    return Finding(text + " per ns", scale(all(falls), found[-1] < 0.95 * found[1]))
