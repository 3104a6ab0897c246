"""A table of real trainings made continuous: outcomes of any point of the space, in a
moment.

What varies smoothly with the parameters is predicted by Gaussian processes: the
principal components of the mean learning curve, and the accuracy of a confirmation.
What is noise is drawn from what was measured: half of it is common to all trials of a
member (its split, its initial weights), the other half is the difference between the
two networks that a neighbouring point of the table trained, a whole curve of it.
Everything is in logits of accuracies, so nothing leaves (0, 1).

``python -m benchmarks.search.surrogate`` fits it anew and validates it on points held
back.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from benchmarks.search import table
from benchmarks.search.tasks import HERE, SEQDIGITS
from hpo.study.spec import StudySpec

Array = NDArray[np.float64]

KERNELS = HERE / "kernels.json"
"""Length scales of the processes, and how well they do: made once, since that takes a
minute."""
TABLE = HERE / "table.jsonl.gz"
CURVE_EPOCHS = 143
"""Of the table's networks of the search."""
N_SEARCH = 269
N_CONFIRM = 899
"""Series that a network of the search and one of a confirmation are scored on."""
MEMBERS = 10
"""Seeds of members that the points take in turn."""
LEARNED = 0.7
"""Accuracy above which a point tells what members add."""
GOOD = 0.85
LEVEL = 0.92
"""True accuracy from which a point counts as good; the page has the time to pass
``LEVEL`` first."""
COMPONENTS = 6
"""Principal components of a learning curve."""
NEIGHBOURS = 12
"""Neighbouring points of the table that a point may take its noise from."""
FOLDS = 10
EPOCHS = (15, 60)
"""After which curves are compared."""
_AXES = (
    *("batch_size", "density_inter", "density_intra", "f_cut_per_ns"),
    *("lr0", "lr_decay", "s", "tau_ns"),
)
_LEVEL = 0.3
"""Logits of final accuracy that count as much as one length scale when neighbours are
sought."""


def features(unit: Array) -> Array:
    """Where points (n, d) lie for the processes, (n, d + 2): two directions are added.

    Along lr0 × s^1.5 and lr0 × lr_decay (the sum of all learning rates) accuracies
    change most: the likelihood of the table rises by 15 in its logarithm with them.
    """
    names = sorted(_AXES)
    lr0, decay, s = (unit[:, names.index(name)] for name in ("lr0", "lr_decay", "s"))
    return np.column_stack([unit, lr0 + s, lr0 + 2 / 3 * decay])


def logit(share: Array) -> Array:
    """Logit of an accuracy in (0, 1)."""
    return np.log(share) - np.log1p(-share)


def expit(x: Array) -> Array:
    """The inverse of ``logit``."""
    return 1.0 / (1.0 + np.exp(-x))


@dataclass(frozen=True)
class Data:
    """A table as arrays: n points, d parameters, 2 members."""

    unit: Array
    """(n, d) in the unit cube."""
    x: Array
    """(n, d + 2): their ``features``."""
    curves: Array
    """(n, 2, epochs): logits of validation accuracy."""
    members: NDArray[np.intp]
    """(n, 2): which of the ten seeds."""
    confirmed: Array
    """(n,): logit of the mean test accuracy."""
    spread: Array
    """(n,): standard deviation of a single confirmation, from two."""

    def subset(self, rows: NDArray[Any]) -> Data:
        """Some of the points."""
        return Data(
            self.unit[rows],
            self.x[rows],
            self.curves[rows],
            self.members[rows],
            self.confirmed[rows],
            self.spread[rows],
        )


def data(records: Sequence[Mapping[str, Any]]) -> Data:
    """Return records of the table as arrays."""
    curves = np.full((len(records), 2, CURVE_EPOCHS), np.nan)
    members = np.zeros((len(records), 2), dtype=np.intp)
    fresh = np.full((len(records), 2), np.nan)
    for k, record in enumerate(records):
        for m, (member, counts) in enumerate(record["search"].items()):
            curves[k, m] = _logits(np.array(counts), N_SEARCH)
            members[k, m] = int(member)
        confirmed = list(record["confirm"].values())
        fresh[k, : len(confirmed)] = confirmed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # means of nothing: points that are hopeless
        share = np.nanmean(fresh, axis=1)
    spec = SEQDIGITS.spec(table=True)
    unit = np.array([table.to_unit(spec, r["params"]) for r in records])
    return Data(
        unit=unit,
        x=features(unit),
        curves=curves,
        members=members,
        confirmed=_logits(share, N_CONFIRM),
        spread=np.abs(fresh[:, 0] - fresh[:, 1]) / math.sqrt(2) / N_CONFIRM,
    )


def _logits(counts: Array, n: int) -> Array:
    """Logits of accuracies from counts of n, kept from 0 and 1."""
    return logit((counts + 0.5) / (n + 1))


# --- Gaussian processes ---


def matern(a: Array, b: Array, scales: Array) -> Array:
    """Matérn's kernel with ν = 5/2 between points (m, d) and (n, d): (m, n)."""
    a = a / scales
    b = b / scales
    square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
    r = np.sqrt(5.0 * np.maximum(square, 0.0))
    kernel: Array = (1 + r + r * r / 3) * np.exp(-r)
    return kernel


class Process:
    """A Gaussian process with known kernel: amplitude² × Matérn + noise², about a
    constant."""

    def __init__(self, x: Array, y: Array, kernel: Mapping[str, Any]) -> None:
        """Points (n, d), values (n,)."""
        self.x = x
        self.scales = np.array(kernel["scales"])
        self.mean = float(kernel["mean"])
        signal = float(kernel["signal"])
        noise = float(kernel["noise"])
        gram = signal * matern(x, x, self.scales) + noise * np.eye(len(x))
        self.weights = signal * linalg.cho_solve(linalg.cho_factor(gram), y - self.mean)

    def __call__(self, x: Array) -> Array:
        """Predictions (m,) at points (m, d)."""
        return self.mean + matern(x, self.x, self.scales) @ self.weights


def fit(x: Array, y: Array) -> dict[str, Any]:
    """The kernel of greatest likelihood, as numbers."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    scale = y.std() or 1.0
    kernel = ConstantKernel(2.0, (0.1, 100.0)) * Matern(
        np.full(x.shape[1], 0.7), (0.3, 30.0), nu=2.5
    ) + WhiteKernel(0.1, (0.03, 3.0))
    process = GaussianProcessRegressor(kernel, alpha=1e-8).fit(
        x, (y - y.mean()) / scale
    )
    constant = process.kernel_.k1
    white = process.kernel_.k2
    return {
        "mean": float(y.mean()),
        "signal": float(constant.k1.constant_value * scale**2),
        "noise": float(white.noise_level * scale**2),
        "scales": [float(s) for s in constant.k2.length_scale],
    }


# --- the surrogate ---


@dataclass(frozen=True)
class Basis:
    """Principal components of mean learning curves."""

    mean: Array
    """(epochs,)"""
    rows: Array
    """(COMPONENTS, epochs), orthonormal."""

    def project(self, curves: Array) -> Array:
        """Coordinates (n, COMPONENTS) of curves (n, epochs)."""
        return (curves - self.mean) @ self.rows.T


def basis(curves: Array) -> Basis:
    """The basis of curves (n, epochs)."""
    mean = curves.mean(axis=0)
    _, _, rows = np.linalg.svd(curves - mean, full_matrices=False)
    return Basis(mean, rows[:COMPONENTS])


class Surrogate:
    """Outcomes at any point of the space, as a deterministic function of point and
    seed."""

    good = GOOD
    """See ``simulate.World``."""

    def __init__(self, known: Data, kernels: Mapping[str, Any]) -> None:
        """Read the measurements, and their kernels by ``fit_kernels``."""
        self.effects = member_effects(known)
        own = known.curves - self.effects[known.members]
        curves = np.nanmean(own, axis=1)
        self.basis = basis(curves)
        coordinates = self.basis.project(curves)
        self._curve = [
            Process(known.x, coordinates[:, k], kernels["curve"][k])
            for k in range(COMPONENTS)
        ]
        good = np.isfinite(known.confirmed)
        gain = known.confirmed - curves[:, -20:].mean(axis=1)
        self._confirmed = Process(known.x[good], gain[good], kernels["confirmed"])
        both = np.isfinite(own).all(axis=(1, 2))
        self._near = known.x[both]
        self.noise = (own[both, 0] - own[both, 1]) / math.sqrt(2)
        """(n, epochs): a network's own part, in logits, of either sign."""
        self._scales = np.array(kernels["curve"][0]["scales"])
        self._levels = curves[both, -20:].mean(axis=1)

    def mean_curves(self, unit: Array) -> Array:
        """Expected logits (m, epochs) of validation accuracy at points (m, d)."""
        x = features(unit)
        coordinates = np.stack([process(x) for process in self._curve], axis=1)
        return self.basis.mean + coordinates @ self.basis.rows

    def truth(self, unit: Array, curves: Array | None = None) -> Array:
        """Expected accuracy (m,) of a confirmation at points (m, d): the oracle."""
        curves = self.mean_curves(unit) if curves is None else curves
        return expit(curves[:, -20:].mean(axis=1) + self._confirmed(features(unit)))

    def train(
        self,
        spec: StudySpec,
        params: Mapping[str, Any],
        seed: int,
        tell: Callable[[float | None], None],
    ) -> float:
        """A network of a trial: see ``simulate.World``."""
        unit = table.to_unit(spec, params)
        curve = self.mean_curves(unit[None])[0]
        every = spec.budget.score_every or 1
        scores = self.member(unit, curve, seed)[: spec.budget.epochs]
        for epoch, accuracy in enumerate(scores, start=1):
            last = epoch == len(scores)
            tell(float(accuracy) if last or epoch % every == 0 else None)
        return float(accuracy)

    def true(self, params: Mapping[str, Any]) -> float:
        """Expected accuracy of a confirmation: see ``simulate.World``."""
        return float(
            self.truth(table.to_unit(SEQDIGITS.spec(table=True), params)[None])[0]
        )

    def member(self, unit: Array, curve: Array, seed: int) -> Array:
        """Accuracies (epochs,) that a network of a trial shows, in steps of one image.

        Args:
            unit: the point (d,).
            curve: its expected logits (epochs,), see ``mean_curves``.
            seed: the member's seed: its effect is common to all points, its noise is
                not.
        """
        chance = np.random.default_rng(
            [seed, *np.round(abs(unit) * 2**31).astype(np.int64)]
        )
        far = ((self._near - features(unit[None])) / self._scales) ** 2
        far = far.sum(1) + ((self._levels - curve[-20:].mean()) / _LEVEL) ** 2
        near = np.argpartition(far, NEIGHBOURS)[:NEIGHBOURS]
        noise = self.noise[chance.choice(near)] * chance.choice((-1.0, 1.0))
        share = expit(curve + self.effects[seed % len(self.effects)] + noise)
        right = np.clip(np.round(share * N_SEARCH), 0, N_SEARCH)
        return right / N_SEARCH


def member_effects(known: Data) -> Array:
    """What a seed adds to the logits of every point, (10, epochs): its split and its
    weights.

    Members are trained in pairs (0, 1), (2, 3) ...: within a pair, the difference is
    exact; between pairs there is a regression on the parameters. Only points above
    ``LEARNED`` count.
    """
    n = MEMBERS
    learns = known.curves[:, :, -20:].mean(axis=(1, 2)) > logit(np.array(LEARNED))
    use = known.subset(np.flatnonzero(learns))
    effects = np.zeros((n, known.curves.shape[2]))
    if len(use.unit) < 4 * n:
        return effects
    x = np.column_stack([np.ones(len(use.unit)), use.unit, use.unit**2])
    member = np.zeros((len(use.unit), n))
    for k in range(2):
        member[np.arange(len(use.unit)), use.members[:, k]] += 0.5
    whole, *_ = np.linalg.lstsq(
        np.column_stack([x, member]), use.curves.mean(axis=1), rcond=None
    )
    of_members = whole[x.shape[1] :]
    half = np.zeros_like(effects)
    for m in range(0, n, 2):
        rows = use.members[:, 0] == m
        difference = use.curves[rows, 0] - use.curves[rows, 1]
        half[m] = difference.mean(axis=0) / 2
        half[m + 1] = -difference.mean(axis=0) / 2
    pairs = (of_members[0::2] + of_members[1::2]) / 2
    effects = half + np.repeat(pairs - pairs.mean(axis=0), 2, axis=0)
    centred: Array = effects - effects.mean(axis=0)
    return centred


def fit_kernels(known: Data, say: Callable[[str], None]) -> dict[str, Any]:
    """Return the kernels of all processes."""
    own = known.curves - member_effects(known)[known.members]
    curves = np.nanmean(own, axis=1)
    coordinates = basis(curves).project(curves)
    kernels: dict[str, Any] = {"curve": []}
    for k in range(COMPONENTS):
        kernels["curve"].append(fit(known.x, coordinates[:, k]))
        say(f"component {k + 1} of {COMPONENTS}: {kernels['curve'][-1]}")
    good = np.isfinite(known.confirmed)
    gain = known.confirmed - curves[:, -20:].mean(axis=1)
    kernels["confirmed"] = fit(known.x[good], gain[good])
    say(f"confirmation: {kernels['confirmed']}")
    return kernels


@lru_cache
def load() -> Surrogate:
    """Return the surrogate of the committed table."""
    kernels = json.loads(KERNELS.read_text(encoding="utf-8"))["kernels"]
    return Surrogate(data(table.read(TABLE)), kernels)


# --- validation ---


def validate(known: Data, kernels: Mapping[str, Any]) -> dict[str, Any]:
    """What the surrogate says of points that it has not seen, ``FOLDS`` times a part of
    them."""
    n = len(known.unit)
    fold = np.random.default_rng(0).permutation(n) % FOLDS
    curves = np.zeros((n, known.curves.shape[2]))
    truth = np.zeros(n)
    for k in range(FOLDS):
        model = Surrogate(known.subset(np.flatnonzero(fold != k)), kernels)
        rows = np.flatnonzero(fold == k)
        curves[rows] = model.mean_curves(known.unit[rows])
        truth[rows] = model.truth(known.unit[rows], curves[rows])
    real = expit(known.curves)
    report: dict[str, Any] = {}
    for name, kept in (("all", truth > 0), ("good", truth > GOOD)):
        trained = {
            f"epoch {e}": (expit(curves[:, e - 1]), *_pairs(real[:, :, e - 1]))
            for e in EPOCHS
        }
        trained["confirmed"] = (
            truth,
            expit(known.confirmed),
            known.spread / math.sqrt(2),
        )
        report[name] = {
            what: _agreement(*(values[kept & np.isfinite(own[1])] for values in own))
            for what, own in trained.items()
        }
    return report


def _pairs(scores: Array) -> tuple[Array, Array]:
    """Means (n,) of one or two networks (n, 2), and their standard errors, NaN of a
    single one."""
    return np.nanmean(scores, axis=1), np.abs(scores[:, 0] - scores[:, 1]) / 2


def _agreement(predicted: Array, measured: Array, floor: Array) -> dict[str, Any]:
    """How predictions (n,) agree with measurements (n,) that have errors of their own.

    ``floor`` holds the measurements' standard errors, each estimated from its two
    networks; NaN where there is one.
    """
    error = predicted - measured
    noise = float(np.sqrt(np.nanmean(floor**2)))
    rms = float(np.sqrt(np.mean(error**2)))
    return {
        "points": len(error),
        "r2": 1.0 - float(np.sum(error**2) / np.sum((measured - measured.mean()) ** 2)),
        "mean_error": float(np.mean(error)),
        "rms_error": rms,
        "rms_noise": noise,
        "rank_correlation": float(stats.spearmanr(predicted, measured).statistic),
    }


def main() -> None:
    """Fit, validate, write the kernels."""

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    known = data(table.read(TABLE))
    kernels = fit_kernels(known, say)
    validation = validate(known, kernels)
    say(json.dumps(validation, indent=1))
    fits = {"kernels": kernels, "validation": validation}
    KERNELS.write_text(json.dumps(fits, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
