"""Sizes and ranges of a study that fit its data, for ``hpo new study`` and ``hpo
guide``.

Each rule is a function of numbers and names its source. The ranges contain the
recommendations of the paper (``physics``), and are wider. No search begins at the
recommended point: on the digits that costs 0.8 points (medians of 40 seeds,
docs/records/search-tried.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ..hardware import physics

ROTATIONS = (1.0, 30.0)
"""Range of radians per point; antisymmetric reservoirs remember longest at 8 to 12."""
RIDGES = (1e-8, 1e-2)
"""Range of penalties; with a smaller one the readout learns the errors of the
integration."""
STEPS_PER_POINT = 3
"""Integration steps of a network that classifies, whose trials score the solved
equation."""
PREDICTION_STEPS_PER_POINT = 14
"""As in ``studies/narma10.toml``: with fewer, the readout learns the errors of the
integration."""
MOST_BATCH = 120
"""Largest number of series per update: the paper's. Searches of the digits end at 10 to
60."""
LEAST_UPDATES = 32
"""Updates per epoch, if there are enough series for batches of ``LEAST_BATCH``."""
LEAST_BATCH = 4
"""Series that the kernels process at a time."""
GOOD_TAU_PER_POINT = (1.0, 2.0, 14.0)
"""Relaxation times in points of input, with a limited drive: least, first to try,
largest (docs/records/hardware.md, "Rules of thumb")."""
GOOD_RATE = 0.0165
"""S lr0 dt in 1/ns: searches of the digits end at 0.011 to 0.018, whatever S is."""
GOOD_CUT_OFF = 0.01
"""f_cut dt: searches of the digits end at 0.006 to 0.03."""
UPDATES = 2500
"""Updates of a training, within ``MOST_EPOCHS``. The digits need 4,500 for a confirmed
93.9 %."""
TRIAL_S = 30.0
"""Time limit of a trial without pruning, which ``LEAST_EPOCHS`` may exceed."""
EPOCHS = 20
"""Epochs are a multiple of it, so that a pruner compares at a quarter."""
LEAST_EPOCHS = 20
MOST_EPOCHS = 100
LEAST_TRIALS = 24
"""Fewest trials for four ranges, where the first ten trials are random."""
MOST_TRIALS = 32
SEARCH_S = 300.0
"""Time limit of the search on two cores, which ``LEAST_TRIALS`` may exceed."""
SEEDS = 10
"""Fresh seeds of a confirmation."""
FEW = 100
"""With fewer training series than this, a search scores on folds. With more, searches
of as many networks ended no worse without folds (``python -m benchmarks folds``)."""
FOLDS = 5
FEW_POINTS = 100
"""Fewest points to train on: five for each of the 20 weights of the smallest
readout."""
VALIDATION = 0.3
"""Share of the training part that validates: the default of the tasks."""


class Span(NamedTuple):
    """A range that is searched on a logarithmic axis."""

    low: float
    high: float

    def __str__(self) -> str:
        """Return the range as in a study file."""
        return f"{{ low = {self.low:.3g}, high = {self.high:.3g}, log = true }}"


def _span(low: float, high: float, bound: float) -> Span:
    """Return a range of two decades or more, below the bound of the objective."""
    high = min(high, bound)
    return Span(min(low, high / 100), high)


def relaxation_times_ns(*, point_ns: float, points: int) -> Span:
    """Return two decades of relaxation times, for ``points`` each ``point_ns`` long.

    They go from about a point to the length of a series, as in the shipped studies of
    28 to 784 points. The paper's, ``physics.recommended_tau_ns``, lies within.

    >>> relaxation_times_ns(point_ns=1.0, points=150)
    Span(low=2.0, high=200.0)
    """
    low = float(f"{point_ns * min(5.0, max(0.5, points / 80)):.1g}")
    return _span(low, 100 * low, 1e6)


def cut_offs_per_ns(*, point_ns: float, points: int) -> Span:
    """Return cut-off frequencies: from one that passes a whole series to one that
    passes a point.

    >>> cut_offs_per_ns(point_ns=1.0, points=64)
    Span(low=0.001, high=1.0)
    """
    low = float(f"{min(1e-3, 0.064 / points) / point_ns:.1g}")
    return _span(low, 1 / point_ns, 1e3)


def learning_rates(*, point_ns: float) -> Span:
    """Return learning rates for S = 0.5, in proportion to 1 / dt, as the weights of
    Eq. (11) are.

    The best networks of GunPoint and of the digits have S lr0 = 0.005 to 0.06 at 1 ns.

    >>> learning_rates(point_ns=1.0)
    Span(low=0.003, high=0.5)
    """
    return _span(0.003 / point_ns, 0.5 / point_ns, physics.MAX_LEARNING_RATE)


def good_relaxation_times_ns(point_ns: float) -> physics.RecommendedRange:
    """Return the relaxation times that suit inputs ``point_ns`` apart under a limited
    drive.

    >>> good_relaxation_times_ns(2.0).best
    4.0
    """
    physics.positive("relaxation time", point_ns=point_ns)
    low, best, high = (share * point_ns for share in GOOD_TAU_PER_POINT)
    return physics.RecommendedRange(low=low, best=best, high=high)


def good_learning_rate(*, point_ns: float, s: float) -> float:
    """Return the learning rate of searches of the digits, scaled as the weights are.

    >>> round(good_learning_rate(point_ns=1.0, s=0.5), 4)
    0.033
    """
    physics.positive("learning rate", point_ns=point_ns, s=s)
    return GOOD_RATE / (point_ns * s)


def space(*, point_ns: float, points: int) -> dict[str, Span]:
    """Return the search space of a network that classifies: the three ranges that
    matter most.

    The amplification S is no part of it: only S times the learning rate matters.
    """
    return {
        "tau_ns": relaxation_times_ns(point_ns=point_ns, points=points),
        "lr0": learning_rates(point_ns=point_ns),
        "f_cut_per_ns": cut_offs_per_ns(point_ns=point_ns, points=points),
    }


def reservoir_space(*, point_ns: float) -> dict[str, Span]:
    """Return the search space of a reservoir, close to that of NARMA10's
    (docs/records/variants.sh).

    There is no filter: where it was searched, all best trials had the lowest cut-off.
    """
    return {
        "tau_ns": Span(point_ns, 30 * point_ns),
        "s": Span(0.03, 3.0),
        "rotation": Span(*ROTATIONS),
        "ridge": Span(*RIDGES),
    }


def share_to_test(n: int) -> float:
    """Return the share of series that test: half of few, a fifth of many, 100 series in
    between.

    >>> [share_to_test(n) for n in (60, 300, 5000)]
    [0.5, 0.33, 0.2]
    """
    return round(min(0.5, max(0.2, 100 / n)), 2)


def batch_size(n: int) -> int:
    """Return the series per update, for ``n`` training series.

    >>> [batch_size(n) for n in (35, 629, 5000)]
    [4, 19, 120]
    """
    return max(LEAST_BATCH, min(MOST_BATCH, n // LEAST_UPDATES))


def validation_folds(n: int, rarest: int) -> int:
    """Return the number of validation folds of ``n`` training series; 1: none.

    Each fold scores one network of a trial. A single small part tells little of a
    trial; see docs/explanation/scores.md for measurements. ``rarest`` is the size of
    the rarest class.

    >>> [validation_folds(n, n // 10) for n in (30, 50, 90, 150)]
    [3, 5, 5, 1]
    """
    return max(1, min(FOLDS, rarest)) if n < FEW else 1


def members(n: int) -> int:
    """Return the networks of a trial without folds, each with its own ``n`` validation
    series.

    >>> [members(n) for n in (80, 1000)]
    [2, 1]
    """
    return 2 if n < 200 else 1


def architecture(n: int) -> tuple[int, int]:
    """Return layers and width for ``n`` training series: the paper's, or smaller for
    few."""
    return (3, 32) if n >= 300 else (2, 24)


def seconds_per_epoch(
    *, n: int, points: int, channels: int, layers: int, width: int
) -> float:
    """Estimate the time of an epoch on one core, with noise and scores, within a factor
    of 2.

    >>> round(seconds_per_epoch(n=898, points=64, channels=1, layers=3, width=32), 2)
    0.34
    """
    n_synapses = physics.n_synapses(
        layers=layers,
        width=width,
        density_inter=1.0,
        density_intra=1.0,
        channels=channels,
    )
    step_s = 2e-9 * (3 * layers * width + 0.1 * n_synapses)
    return n * points * STEPS_PER_POINT * step_s + 1.5e-3 * n / batch_size(n)


def _time(cpu_s: float) -> str:
    """Return the time on two cores, rounded up, as text."""
    minutes = math.ceil(cpu_s / 120)
    if minutes > 90:
        return f"{math.ceil(minutes / 60)} hours"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


@dataclass(frozen=True, kw_only=True)
class Classification:
    """Settings of a study of a network that classifies."""

    point_ns: float
    layers: int
    width: int
    max_step_ns: float
    batch_size: int
    updates: int
    epochs: int
    trials: int
    seeds: int
    pruned: bool
    """Whether to prune learning curves; on a fold of few series they are mostly
    noise."""
    time: str
    """Time on two cores for search and confirmation."""
    space: dict[str, Span]


def classification(
    *, n_train: int, points: int, channels: int, point_ns: float, folds: int = 1
) -> Classification:
    """Return a study for ``n_train`` series, with points ``point_ns`` apart."""
    n_validation = round(VALIDATION * n_train)
    networks = members(n_validation)
    if folds > 1:
        n_validation = round(n_train / folds)
        networks = folds
    n_search = n_train - n_validation
    layers, width = architecture(n_train)
    batch = batch_size(n_search)
    updates = -(-n_search // batch)
    sizes = {"points": points, "channels": channels, "layers": layers, "width": width}
    epoch_s = networks * seconds_per_epoch(n=n_search, **sizes)
    target = min(UPDATES / updates, TRIAL_S / epoch_s)
    epochs = EPOCHS * round(min(MOST_EPOCHS, max(LEAST_EPOCHS, target)) / EPOCHS)
    pruned = folds == 1
    trial_s = (0.5 if pruned else 1.0) * epochs * epoch_s  # 1/2 end at 1/4, 1/4 at 1/2
    trials = int(min(MOST_TRIALS, max(LEAST_TRIALS, 2 * SEARCH_S / trial_s)))
    confirmation_s = 1.3 * SEEDS * epochs * seconds_per_epoch(n=n_train, **sizes)
    return Classification(
        point_ns=point_ns,
        layers=layers,
        width=width,
        max_step_ns=float(f"{point_ns / STEPS_PER_POINT * 1.05:.2g}"),
        batch_size=batch,
        updates=updates,
        epochs=epochs,
        trials=trials,
        seeds=networks,
        pruned=pruned,
        time=_time(trials * trial_s + confirmation_s),
        space=space(point_ns=point_ns, points=points),
    )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Settings of a study of a reservoir that predicts."""

    point_ns: float
    width: int
    max_step_ns: float
    washout: int
    trials: int
    time: str
    space: dict[str, Span]


def prediction(*, points: int, point_ns: float) -> Prediction:
    """Return a study for a series of ``points``."""
    width = max(10, min(100, points // 10))  # ten points for a weight of the readout
    run_s = (
        points * PREDICTION_STEPS_PER_POINT * (3e-9 * width + 1e-10 * width**2) + 0.1
    )
    trials = int(min(100, max(LEAST_TRIALS, 2 * SEARCH_S / run_s)))
    return Prediction(
        point_ns=point_ns,
        width=width,
        max_step_ns=float(f"{point_ns / PREDICTION_STEPS_PER_POINT * 1.05:.2g}"),
        washout=min(100, points // 10),
        trials=trials,
        time=_time((trials + 3 * SEEDS) * run_s),
        space=reservoir_space(point_ns=point_ns),
    )
